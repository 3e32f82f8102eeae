"""The full screen: panels that are drawn when something has changed, and keys that ask something.

It only reads, but for what a key asks; the run never knows of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Footer, Input, Sparkline, Static

from runner import control
from runner.characters import visible
from runner.ends import Wish
from runner.errors import RunnerError
from runner.paths import State
from runner.records import Run
from runner.views import page
from runner.views.overview import Overview
from runner.watch import panels
from runner.watch.following import Following

LOOK_SECONDS = 0.5
MOST_DIFF_LINES = 3000
VIA = "runner watch"
CHART_ROWS, WIDE_CHART_ROWS = 2, 8
WIDE = 120
"""Columns from which on experiments and output stand beside the rest."""
TALL = 32
"""Lines from which on nothing has to be brief."""


class Panel(Widget):
    """Draws lines of text that are made for its size."""

    def __init__(self, draw: Callable[[int, int], list[Text]], *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._draw = draw
        self._shown: list[Text] = []

    def look(self, *, own_height: bool) -> None:
        """Draw anew if something has changed; perhaps as high as there are lines."""
        width = self.size.width or self.app.size.width
        fresh = self._draw(width, self.size.height)
        if fresh == self._shown:
            return
        if own_height and len(fresh) != len(self._shown):
            self.styles.height = len(fresh)
        self._shown = fresh
        self.refresh()

    def render(self) -> Group:
        return Group(*self._shown)


class Watching(App[None]):
    """Shows one run until the person leaves."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #body { layout: vertical; height: 1fr; }
    #left { height: auto; }
    #right { height: 1fr; }
    Panel { height: auto; }
    #title, #chart-title, #list-title, #tail-title { height: 1; }
    #list { height: 1fr; min-height: 2; }
    #tail { height: 1fr; }
    #chart { height: 2; margin: 0 1; }
    Screen.-wide #body { layout: horizontal; }
    Screen.-wide #left { width: 45%; height: 1fr; margin: 0 2 0 0; }
    Screen.-wide #right { width: 55%; }
    Screen.-wide #chart { height: 8; }
    Question, Diff { align: center middle; background: $background 60%; }
    Question Vertical { width: 76; max-width: 95%; height: auto; padding: 0 1; }
    Question Vertical { border: round $primary; }
    Diff VerticalScroll { width: 95%; height: 95%; border: round $primary; }
    Diff Static { width: auto; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - as it is there
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "ask('pause')", "Pause"),
        Binding("r", "ask('resume')", "Resume"),
        Binding("s", "stop", "Stop after this"),
        Binding("h", "hypothesis", "Hypothesis"),
        Binding("d", "diff", "Newest diff"),
        Binding("q", "quit", "Leave"),
    ]

    def __init__(self, state: State, run: Run, following: Following) -> None:
        super().__init__()
        self._state, self._run, self._following = state, run, following
        self._found: Overview = following.look()
        self._printed = following.printed()
        self._asked_to_stop = False

    def compose(self) -> ComposeResult:
        yield Panel(lambda width, _: panels.title(self._found, width), id="title")
        with Vertical(id="body"):
            with Vertical(id="left"):
                yield Panel(lambda width, _: self._hero(width), id="hero")
                yield Panel(lambda width, _: self._now(width), id="now")
                yield Panel(
                    lambda width, _: [panels.chart_title(self._found, width)], id="chart-title"
                )
                yield Sparkline([], id="chart")
            with Vertical(id="right"):
                yield Panel(
                    lambda width, _: [panels.heading("experiments, the newest first", width)],
                    id="list-title",
                )
                yield Panel(
                    lambda width, height: panels.experiments(self._found, width, height), id="list"
                )
                yield Panel(
                    lambda width, _: [panels.tail_title(self._found, self._printed[0], width)],
                    id="tail-title",
                )
                yield Panel(
                    lambda width, height: panels.tail(self._printed[1], width, height), id="tail"
                )
        yield Footer(show_command_palette=False)

    def _hero(self, width: int) -> list[Text]:
        return panels.hero(self._found, width, brief=self.size.height < TALL)

    def _now(self, width: int) -> list[Text]:
        return [*panels.now(self._found, width), *panels.evidence(self._found, width)]

    def on_mount(self) -> None:
        self.title = f"runner watch {self._run.tag}"
        self.set_interval(LOOK_SECONDS, self._look)
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _look(self) -> None:
        self._found, self._printed = self._following.look(), self._following.printed()
        self._draw()

    def _draw(self) -> None:
        for panel in self.screen_stack[0].query(Panel):
            panel.look(own_height=panel.id in ("hero", "now"))
        for name in ("#tail-title", "#tail"):
            self.screen_stack[0].query_one(name).display = self._found.alive
        chart = self.screen_stack[0].query_one(Sparkline)
        data = panels.chart(self._found, chart.size.width)
        if data != chart.data:
            chart.data = data

    # -- keys -----------------------------------------------------------------------------

    def action_ask(self, wish: str) -> None:
        self._ask(Wish(wish))

    def action_stop(self) -> None:
        """End the run after the experiment at work, when the person means it."""
        if not self._asked_to_stop:
            self._asked_to_stop = True
            self.set_timer(5.0, self._forget)
            self._tell("s once more ends the run after this experiment")
            return
        self._forget()
        self._ask(Wish.STOP)

    def _forget(self) -> None:
        self._asked_to_stop = False

    def _ask(self, wish: Wish) -> None:
        self._try(lambda: control.ask(self._state, self._run.tag, wish, via=VIA))

    def action_hypothesis(self) -> None:
        def add(text: str | None) -> None:
            if text:
                self._try(lambda: self._add(text))

        self.push_screen(Question(), add)

    def _add(self, text: str) -> str:
        number = control.add_hypothesis(self._state, self._run.tag, text)
        return f"hypothesis {number} is open"

    def action_diff(self) -> None:
        """Open what the newest experiment changed."""
        newest = next((each for each in self._found.recent[::-1] if each.attempt_commit), None)
        if newest is None:
            self._tell("there is no diff yet")
            return

        def show() -> str:
            self.push_screen(Diff(newest.number, page.diff(newest)))
            return ""

        self._try(show)

    def _try(self, action: Callable[[], str]) -> None:
        """Do what a key asks for, and say what came of it."""
        try:
            said = action()
        except RunnerError as error:
            self._tell(f"{error}{f'; {error.hint}' if error.hint else ''}", severity="error")
        else:
            if said:
                self._tell(said)

    def _tell(self, text: str, **more: Any) -> None:
        self.notify(visible(text), markup=False, **more)


class Question(ModalScreen[str | None]):
    """Asks for a hypothesis."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Never mind")]

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("What should the agents try next? Enter adds it, Escape does not.")
            yield Input(max_length=control.MOST_CHARACTERS)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() or None)


class Diff(ModalScreen[None]):
    """Shows what an experiment changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,d,q", "dismiss(None)", "Close"),
    ]

    def __init__(self, number: int, text: str) -> None:
        super().__init__()
        self._number, self._text = number, text

    def compose(self) -> ComposeResult:
        with VerticalScroll() as scroll:
            scroll.border_title = f"experiment {self._number}; Escape closes it"
            yield Static(panels.diff(self._text, MOST_DIFF_LINES))
