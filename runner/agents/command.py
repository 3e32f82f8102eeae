"""Any program as the researcher: it edits a draft, says what it did in a file, and exits.

`docs/agents.md` describes what it is given. It runs as our user with whatever tools it brings, so
its isolation is `none`.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace

from runner.agents import client, handover
from runner.agents.about import about
from runner.agents.client import MOST_SECONDS, Client, Ended
from runner.agents.draft_folder import ABOUT, DraftFolder, UnsettledError, draft_folder
from runner.errors import ConfigError
from runner.records import Proposal, Violation
from runner.seams import Context, Supervisor

ANSWER = "proposal.json"
MOST_OUTPUT = 16 * 1024 * 1024
HOW = f"""\
# How to hand the proposal over

You are in a folder with the files. Edit those that you may change in place; anything else that \
you change here does not count. Then write {ANSWER} with a JSON object with the keys hypothesis, \
category, expectation, takeaway, and answers (a number or null), and exit. The experiment runs \
after you have ended; do not wait for it, and do not run it yourself.
"""


class Command:
    """Runs the program once for each proposal, and again for each return."""

    name = "command"
    isolation = "none"
    ahead = 1

    def __init__(
        self,
        argv: Sequence[str],
        *,
        variables: Sequence[str] = (),
        seconds: float = MOST_SECONDS,
        output_bytes: int = MOST_OUTPUT,
    ) -> None:
        self._argv, self._variables = argv, variables
        self._seconds, self._output_bytes = seconds, output_bytes
        self._undone: tuple[str, ...] = ()
        """What it changed besides after it was last told."""

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        told = about(context, HOW, self._undone)
        try:
            with draft_folder(
                context, about=told, report=supervisor.violation, answer=ANSWER
            ) as draft:
                proposal = self._proposed(draft, context, supervisor, told["brief.md"])
            self._undone = draft.told()
        except UnsettledError as unsettled:
            proposal = handover.forfeited("draft-unsettled", str(unsettled))
        return None if proposal.forfeit and supervisor.stop_asked() else proposal

    def _proposed(
        self, draft: DraftFolder, context: Context, supervisor: Supervisor, prompt: bytes
    ) -> Proposal:
        """Run the program until what it proposes goes ahead; three returns are the most."""
        while True:
            with draft.watched():
                ended = self._run(draft, prompt, supervisor)
            draft.compare(end=True)
            if ended.why is not None:
                return handover.forfeited("agent-failed", f"the program was ended: {ended.why}")
            if ended.code != 0:
                last = ended.last_words(self._variables)
                why = f"the program ended with exit code {ended.code}{f': {last}' if last else ''}"
                return handover.forfeited("agent-failed", why)
            words = _words(draft.content(ANSWER))
            wrong = (words,) if isinstance(words, Violation) else ()
            said = handover.Words() if isinstance(words, Violation) else words
            proposal = handover.proposal(said, draft.changes())
            if not (violations := supervisor.send_back(proposal)):
                return proposal
            back = replace(context, returned=(*wrong, *violations))
            told = about(back, HOW, draft.told())
            draft.lay_out(told)
            prompt = told["brief.md"]

    def _run(self, draft: DraftFolder, prompt: bytes, supervisor: Supervisor) -> Ended:
        home = {} if "HOME" in self._variables else {"HOME": str(draft.home)}
        program = Client(
            argv=self._argv,
            folder=draft.path,
            environment=client.environment(
                self._variables,
                **home,
                RUNNER_CONTEXT=str(draft.path / ABOUT / "context.json"),
                RUNNER_BRIEF=str(draft.path / ABOUT / "brief.md"),
                RUNNER_PROPOSAL=str(draft.path / ANSWER),
            ),
            stdin=prompt,
            seconds=self._seconds,
            output_bytes=self._output_bytes,
        )
        return client.run(program, end=lambda: client.stopped(supervisor))


def _words(said: bytes | None) -> handover.Words | Violation:
    """Return what the program says of its edits, or what is wrong with how it says so."""
    if said is None:
        return Violation(rule="not-a-proposal", message=f"there is no {ANSWER}", path=ANSWER)
    try:
        return handover.read(handover.parsed(said))
    except ValueError as error:
        return Violation(rule="not-a-proposal", message=f"no JSON: {error}", path=ANSWER)


def load_command(argument: str, settings: Mapping[str, str] = os.environ) -> Command:
    """Return the agent that `command:PROGRAM ARGS` describes; raise `ConfigError` otherwise.

    `RUNNER_COMMAND_ENV` names variables that the program may see besides the usual few, and
    `RUNNER_COMMAND_SECONDS` how long one run of it may take.
    """
    try:
        argv = shlex.split(argument)
        seconds = float(settings.get("RUNNER_COMMAND_SECONDS") or MOST_SECONDS)
    except ValueError as error:
        raise ConfigError(f"the agent command:{argument}: {error}") from error
    if not argv or shutil.which(argv[0]) is None:
        raise ConfigError(
            f"there is no program {argv[0] if argv else ''!r}",
            hint="use: --agent 'command:PROGRAM ARGS', with a program that is on PATH",
        )
    names = [name for name in settings.get("RUNNER_COMMAND_ENV", "").split(",") if name]
    return Command(argv, variables=names, seconds=seconds)
