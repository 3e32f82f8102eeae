"""`runner watch`: on a real pseudo-terminal, over a real supervisor; hostile text is only text."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from asked import AtWork, at_work
from fakes import TAG, FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored
from rich.text import Text
from terminals import AtTerminal, at_terminal

from runner import paths, progress
from runner.journal.reader import open_reader
from runner.progress import DEVICE, Activity, Progress, Tracker
from runner.records import Outlook, TrialResult, TrialSpec
from runner.scheduler import run_loop
from runner.session import ASKED
from runner.views.overview import Life, Overview, overview_of
from runner.watch import panels
from runner.watch.following import Following
from runner.watch.plain import told

PROJECT = Path(__file__).parent.parent
SMALL, LARGE = (80, 24), (200, 50)
ESCAPES = "\x1b[2J\x1b]0;pwned\x07[red]\r\n\u202e\x9b31m\u2028\ud83d"


@contextmanager
def watching(work: AtWork, size: tuple[int, int]) -> Iterator[AtTerminal]:
    work.wait_for(lambda _: True)
    env = {**os.environ, "RUNNER_HOME": str(work.state.root)}
    command = [sys.executable, "-m", "runner", "watch", TAG]
    with at_terminal(command, cwd=PROJECT, env=env, size=size) as terminal:
        yield terminal


def line_with(text: str, screen: list[str]) -> str:
    return next(line for line in screen if text in line)


# -- on a terminal ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x50"])
def test_the_screen_says_how_a_run_at_work_is_and_outlives_it(size, tmp_path):
    with at_work(tmp_path, "noisy", "--experiments", "6") as work, watching(work, size) as terminal:
        work.let(0, 1)
        for text in (
            "evidence  experiment 2",
            "KEPT, better with",
            "of at most 20 s",
            "Leave",
            "step 3: ",
        ):
            screen = terminal.wait_to_see(text)
        assert "RUNNING" in screen[0]
        assert "5 to go" in screen[0]
        assert "(experiment 1" in line_with("best      mean_rank", screen)
        assert "believe " in "".join(screen)
        assert {"━", "─"} & set(line_with("of at most 20 s: a trial of experiment 2", screen))
        assert "◆" in line_with("dropped ", screen)
        assert "█" in "".join(screen), "the chart"
        assert "</b>try 1" in line_with("KEPT, better with", screen)
        assert "\\x1b[2J\\x1b]0;pwned\\x07[red]\\x202e" in line_with("step 3: ", screen)
        keys = line_with("Leave", screen)
        for key in ("Pause", "Resume", "Stop", "Hypothesis", "Newest diff"):
            assert key in keys
        work.let(2)
        terminal.wait_to_see("what a trial of experiment 3")
        os.kill(work.process.pid, signal.SIGKILL)
        work.process.wait()
        screen = terminal.wait_to_see("KILLED")
        assert f"runner run --resume {TAG} --experiments 6 goes on" in screen[0]
        for raw in (b"pwned\x07", "\u202e".encode(), "\x9b".encode(), b"\x1b[2Jstep"):
            assert raw not in terminal.shown
        terminal.type("q")
        assert terminal.process.wait(20) == 0


@pytest.mark.slow
def test_keys_pause_resume_add_a_hypothesis_open_the_diff_and_stop(tmp_path):
    with (
        at_work(tmp_path, "noisy", "--experiments", "6") as work,
        watching(work, SMALL) as terminal,
    ):
        work.let(0, 1)
        terminal.wait_to_see("evidence  experiment 2")
        terminal.type("d")
        screen = terminal.wait_to_see("+WIDTH = 66")
        assert any("-WIDTH = 65" in line for line in screen)
        terminal.type("d")
        terminal.type("h")
        terminal.wait_to_see("What should the agents try next?")
        terminal.type("pqs wider\r")  # none of them is a key there
        terminal.wait_to_see("wanted    1 open, the next: pqs wider")
        terminal.type("p")
        terminal.wait_to_see("pauses when this experiment has ended")
        work.let(2)
        assert "PAUSED" in terminal.wait_to_see("r: go on")[0]
        terminal.type("r")
        terminal.wait_to_see("a trial of experiment 3")
        terminal.type("ss")
        terminal.wait_to_see("STOPPING")
        work.let(3)
        assert "asked to stop" in terminal.wait_to_see("ENDED")[0]
        assert [each["what"] for each in work.notes(ASKED)] == ["pause", "resume", "stop"]
        assert {each["via"] for each in work.notes(ASKED)} == {"runner watch"}
        terminal.type("p")
        terminal.wait_to_see("is not at work")


# -- as lines ---------------------------------------------------------------------------------


def hostile_run(folder: Path) -> Overview:
    def answer(spec: TrialSpec) -> TrialResult:
        return {0: scored(100.0), 1: scored(90.0)}.get(spec.experiment, crashed(f"a: {ESCAPES}"))

    proposals = [edit("WIDTH = 32", f"WIDTH = {64 + n}", f"{ESCAPES} {n}") for n in range(2)]
    with make_session(folder, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=2)
        session.journal.add_hypothesis(TAG, ESCAPES)
        session.journal.event(TAG, "run.paused", message=ESCAPES)
    state = paths.State(folder / "state")
    with open_reader(state.journal) as journal:
        run = journal.run(TAG)
        assert run is not None
        return overview_of(journal, run, None)


def test_without_a_terminal_a_run_that_has_ended_is_a_few_lines(tmp_path):
    found = hostile_run(tmp_path)
    lines = list(told(Following(paths.State(tmp_path / "state"), found.run, None)))
    assert lines[0].startswith(f"run {TAG} of eclip | paused: ")
    assert [line[:5] for line in lines[1:]] == ["exp 0", "exp 1", "exp 2"]


@pytest.mark.slow
def test_without_a_terminal_each_experiment_is_a_line_as_it_ends(tmp_path):
    with at_work(tmp_path, "even", "--experiments", "2") as work:
        work.let(0)
        run = work.measures(1).run
        ends = iter((1, 2))

        def wait(_: float) -> None:
            """Let one more experiment end; after the last one, the run."""
            if (number := next(ends, None)) is None:
                work.ended()
                return
            work.let(number)
            work.wait_for(lambda seen: any(e.ended_at and e.number == number for e in seen.recent))

        lines = list(told(Following(work.state, run, None), wait=wait))
        assert [line.split(" | ")[0] for line in lines if line.startswith("exp")] == [
            "exp 0", "exp 1", "exp 2",
        ]  # fmt: skip
        assert lines[-1] == f"run {TAG} | ended: experiments: 2 of 2"


# -- what is drawn ----------------------------------------------------------------------------


def drawn(found: Overview, width: int, height: int) -> list[Text]:
    printed = f"{ESCAPES}\n{'wide ' * 200}\n10%\r20%\r\n\n"
    return [
        *panels.title(found, width),
        *panels.hero(found, width, brief=height < 30),
        *panels.now(found, width),
        *panels.evidence(found, width),
        panels.chart_title(found, width),
        *panels.experiments(found, width, height),
        panels.tail_title(found, DEVICE, width),
        *panels.tail(printed, width, height),
        panels.diff(f"+{ESCAPES}\n-{ESCAPES}", 10),
    ]


@pytest.mark.parametrize("size", [(1, 1), (20, 5), SMALL, LARGE])
def test_whatever_agents_and_containers_wrote_is_drawn_as_text_within_the_width(size, tmp_path):
    at = Activity(
        what=ESCAPES, experiment=2, trial=1, trials=9, stage=ESCAPES, most_seconds=9.0,
    )  # fmt: skip
    outlook = Outlook(
        experiment=2, trials=1, most_trials=9, against=5, gain=1.0, margin=2.0, better=0.4,
        keep_from=0.8, hope=0.3, drop_below=0.1,
    )  # fmt: skip
    over = hostile_run(tmp_path)
    said = Progress(activities={DEVICE: at, ESCAPES: at}, experiments=9, devices=2, outlook=outlook)
    for found in (over, replace(over, progress=said, alive=True), replace(over, progress=said)):
        shown = drawn(found, *size)
        *lines, diff = shown
        for line in lines:
            assert line.cell_len <= size[0]
            assert "\n" not in line.plain
        for text in (*lines, diff):
            assert not set(text.plain) & set("\x1b\x07\r\x9b\u202e\u2028\ud83d")
    assert panels.title(over, 80)[0].plain.startswith("t1 of eclip  NEEDS YOU")


def test_what_a_progress_bar_wrote_over_is_not_shown():
    shown = panels.tail("epoch 1\n 10%|#\r 20%|##\r 30%|###\n\n", 40, 5)
    assert [line.plain for line in shown] == ["epoch 1", " 30%|###"]


def test_the_chart_rises_where_a_lower_score_is_better(tmp_path):
    found = hostile_run(tmp_path)
    assert panels.chart(found, 3) == [0.0, 10.0, 10.0]
    assert len(panels.chart(found, 80)) == 3
    assert found.life is Life.PAUSED


# -- what a container prints ------------------------------------------------------------------


def test_the_end_of_what_is_printed_lies_beside_the_progress_until_the_device_is_free(tmp_path):
    path = tmp_path / "progress.json"
    (tmp_path / "printed-device 7").write_bytes(b"of a killed run")
    with Tracker.at(path) as tracker:
        assert progress.printed(path) == ("", "")
        with tracker.doing(DEVICE, "a trial of", experiment=1):
            tracker.printed(DEVICE, b"\xff one\n")
            tracker.printed(DEVICE, b"\xff two\n")
            assert progress.printed(path) == (DEVICE, "\\xff two\n")
        assert progress.printed(path) == ("", "")
        tracker.printed(DEVICE, b"late")
    assert list(tmp_path.iterdir()) == []
