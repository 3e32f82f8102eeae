"""The run behind a server, in a thread of its own.

It is begun by the first `get_task`, which may name it. Where the server was started for a run that
has a name, as after a reconnect, any tool goes on with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from runner.agents.mcp.exchange import Exchange
from runner.errors import ConfigError, JournalError, RunnerError, RunStoppedError, SandboxError
from runner.prompt.untrusted import one_line
from runner.records import Hypothesis

OURS = "this machine failed, not the experiment; the person sees why in the server's own messages"

MOST_HYPOTHESES = 20
"""That one client may queue: each is served before anything that an agent thinks of."""
MOST_CHARACTERS = 2000


class Conduct(Protocol):
    """Goes through a whole run in the thread that calls it."""

    def __call__(self, tag: str | None, served: ServedRun, exchange: Exchange) -> None:
        """Create the run of this tag, or go on with it, and return at its end.

        It calls `served.opened` once the run is there, and `exchange.end` at the end.
        """
        ...


class ServedRun:
    """At most one run at a time; one that is over can be resumed by `start`."""

    def __init__(
        self,
        conduct: Conduct,
        *,
        tag: str | None = None,
        doing: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._conduct, self._tag, self._doing = conduct, tag, doing
        self._exchange: Exchange | None = None
        self._thread: threading.Thread | None = None
        self._add_hypothesis: Callable[[str], int] | None = None
        self._open_hypotheses: Callable[[], Sequence[Hypothesis]] = tuple
        self._added = 0
        """Hypotheses that this client queued."""

    @property
    def tag(self) -> str:
        return self._tag or ""

    @property
    def doing(self) -> str:
        """Say what the run does right now, as an agent may know it; nothing if unknown."""
        return self._doing(self._tag) if self._tag else ""

    def go_on(self) -> Exchange:
        """Return the run at work, or the last one; begin the one this server was started for.

        Raises:
            RunStoppedError: it was started for none that has a name.
        """
        if self._exchange is None and not self._tag:
            hint = "call get_task first; its tag names a run to go on with"
            raise RunStoppedError("the run has not begun", hint=hint)
        return self._exchange or self.start()

    def start(self, tag: str | None = None) -> Exchange:
        """Return the run at work; begin it where there is none.

        Raises:
            ConfigError: this server is at work on another run.
        """
        if tag and self._tag and tag != self._tag:
            raise ConfigError(f"this server is at work on the run {self._tag}, not on {tag}")
        if self._exchange is None or self._exchange.ended is not None:
            self._tag = tag or self._tag
            self._exchange, self._add_hypothesis = Exchange(), None
            work = (self._tag, self._exchange)
            # A daemon: waiting for a device that another run holds must not outlive its client.
            self._thread = threading.Thread(target=self._work, args=work, daemon=True)
            self._thread.start()
        return self._exchange

    def opened(
        self,
        tag: str,
        add_hypothesis: Callable[[str], int],
        *,
        open_hypotheses: Callable[[], Sequence[Hypothesis]] = tuple,
        ended: int | None = None,
    ) -> None:
        """Say that the run is there, and which experiment was the last that had ended by then."""
        self._tag, self._add_hypothesis = tag, add_hypothesis
        self._open_hypotheses = open_hypotheses
        if ended is not None and self._exchange is not None:
            self._exchange.begin(ended)

    @property
    def is_open(self) -> bool:
        """Whether a hypothesis can be queued."""
        exchange = self._exchange
        return self._add_hypothesis is not None and exchange is not None and exchange.ended is None

    def open_hypotheses(self) -> Sequence[Hypothesis]:
        """Return what a person wants tested, as of now; nothing once the run is over."""
        if not self.is_open:
            return ()
        with suppress(JournalError):  # it may end just now
            return self._open_hypotheses()
        return ()

    def add_hypothesis(self, text: str) -> int:
        """Queue a client's words as the person's; as one line they can imitate no part of a brief.

        Raises:
            ConfigError: this client queued enough.
            RunStoppedError: no run is at work.
        """
        if self._add_hypothesis is None or not self.is_open:
            raise RunStoppedError("the run is not at work", hint="call get_task first")
        if self._added >= MOST_HYPOTHESES:
            hint = "the person queues more with: runner hypothesis add"
            raise ConfigError(f"{self._added} hypotheses were queued by this client", hint=hint)
        self._added += 1
        return self._add_hypothesis(one_line(text, MOST_CHARACTERS))

    def close(self) -> None:
        """The client is gone."""
        if self._exchange is not None:
            self._exchange.close()

    def join(self) -> None:
        """Wait for the run to end."""
        if self._thread is not None:
            self._thread.join()

    def _work(self, tag: str | None, exchange: Exchange) -> None:
        try:
            self._conduct(tag, self, exchange)
        except RunnerError as error:
            # Once trials run, an engine's words may be a scorer's or a container's (law 7).
            ours = isinstance(error, SandboxError) and self._add_hypothesis is not None
            exchange.end(OURS if ours else error.in_a_line)
        finally:
            exchange.end("an error of ours; the server's standard error says which")
