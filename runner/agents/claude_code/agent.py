"""Claude Code, headless, as the researcher: one session for each proposal.

It works in a draft folder with three tools for files and two of ours. What it may do there is said
three times over: in its settings, in hooks that ask the review, and by what is taken from the
folder in the end. Only the last one is relied on.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from typing import Any

from runner.agents import client, handover
from runner.agents.about import about, told
from runner.agents.claude_code import launch
from runner.agents.claude_code.launch import Launch
from runner.agents.claude_code.stream import Stream
from runner.agents.claude_code.tools import Tools, door
from runner.agents.client import MOST_SECONDS, Client, Ended
from runner.agents.descriptions import MODELS
from runner.agents.draft_folder import DraftFolder, UnsettledError, draft_folder
from runner.agents.programs import CLAUDE_CODE as PACKAGE
from runner.agents.programs import version
from runner.errors import ConfigError, ModelError
from runner.logs import words
from runner.money.prices import Prices
from runner.prompt.brief import brief
from runner.providers import HINTS, LATER, load_providers, provider_of
from runner.records import ModelCall, Proposal, Usage
from runner.sandbox.evidence import escaped
from runner.seams import Context, Supervisor

NAME = "claude-code"
BINARY = "RUNNER_CLAUDE_CODE"
GRACE_SECONDS = 5.0
"""In which a session that is interrupted says what it cost so far."""
MOST_OUTPUT = 64 * 1024 * 1024
MOST_TURNS = 60
MOST_USD = 5.0
"""Of one session, however much may still be spent."""
LEAST_USD = 0.01
MOST_SAID = 300
"""Characters of what the client says of its failure."""
SESSIONS = 2
"""One, and one more where the first ended without a proposal."""
ONCE_MORE = """\
# Once more

Your last session ended without a call of run_experiment that was accepted.
Your edits are still in the folder. Finish them, and call run_experiment.
"""
ASKED = ("protocol", "address", "key_in")
"""What of a provider says whom a call goes to, and with which key."""
CUT_OFF = "output token maximum"
"""In what the client says when an answer reached the most that it may be."""


def how(folder: str, writable: tuple[str, ...]) -> str:
    """Say how a session works; it names a folder, so it is no part of the stable prompt."""
    return f"""\
# Where you are

You are in {folder}, which holds the workspace.
You may edit {", ".join(writable)} with Edit and Write, and read everything in the folder.
Nothing else that you change counts, no command can be run, and there is no way out of the folder.
When the edit is done, call run_experiment. Once it is accepted, the session is over.
"""


class ClaudeCode:
    """Drives the client's command line."""

    name = NAME
    isolation = "tool-restricted"
    ahead = 1

    def __init__(
        self,
        *,
        binary: str,
        model: str,
        prices: Prices,
        seconds: float = MOST_SECONDS,
        turns: int = MOST_TURNS,
    ) -> None:
        self._binary, self._model, self._prices = binary, model, prices
        self._seconds, self._turns = seconds, turns
        self._margin = prices.worst_case(
            model, input_tokens=launch.INPUT_TOKENS, output_tokens=launch.OUTPUT_TOKENS
        )
        """What its last call can cost beyond a budget, which it looks at between calls only."""
        self._undone: tuple[str, ...] = ()
        """What it changed besides after it was last told."""

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        try:
            with draft_folder(
                context, about=about(context, ""), report=supervisor.violation
            ) as draft:
                proposal = self._proposed(draft, context, supervisor)
            self._undone = draft.told()
        except UnsettledError as unsettled:
            proposal = self._forfeit("draft-unsettled", str(unsettled))
        return None if proposal.forfeit and supervisor.stop_asked() else proposal

    def _proposed(self, draft: DraftFolder, context: Context, supervisor: Supervisor) -> Proposal:
        """Run sessions until one hands a proposal over, or none may follow."""
        said, tools = brief(context), Tools(draft, context, supervisor, self._model)
        (draft.private / "system.md").write_text(said.system, encoding="utf-8")
        writable = (context.patterns.said(), *context.notes)
        prompt = "\n".join((how(str(draft.path), writable), said.user, told(self._undone)))
        supervisor.said("system", said.system)
        for _ in range(SESSIONS):
            supervisor.said("user", prompt)
            stream, ended = self._session(tools, prompt)
            if tools.accepted is not None:
                return tools.accepted
            failed, once_more = self._failed(stream, ended)
            if not once_more or supervisor.stop_asked():
                return failed
            prompt += ONCE_MORE
        return failed

    def _session(self, tools: Tools, prompt: str) -> tuple[Stream, Ended]:
        """Run one session, and write down what it cost."""

        def keep(role: str, content: Any) -> None:
            """The client has our key in its environment."""
            supervisor.said(role, client.without_secrets(words(content), launch.CREDENTIALS))

        draft, supervisor = tools.draft, tools.supervisor
        left, stream = supervisor.usd_left(), Stream(supervisor.waiting, keep)
        # So that its last call still fits into what is left; `reserved` says where none does.
        usd = MOST_USD if left is None else max(LEAST_USD, min(MOST_USD, left - self._margin))
        reserved = usd + self._margin

        def why_end() -> str | None:
            """One with an accepted proposal is about to end by itself."""
            if stream.refused is not None:
                return f"the API answered {stream.refused}"
            return None if tools.accepted else client.stopped(supervisor)

        started = Launch(
            binary=self._binary,
            model=self._model,
            usd=usd,
            turns=self._turns,
            draft=draft.path,
            writable=tools.writable,
            may_remove=tools.context.may_add,
            private=draft.private,
        )
        program = Client(
            argv=launch.argv(started),
            folder=draft.path,
            environment=launch.environment(draft.home, self._model),
            stdin=prompt.encode(),
            seconds=self._seconds,
            output_bytes=MOST_OUTPUT,
            grace=GRACE_SECONDS,
        )
        with (
            supervisor.reserved(reserved),
            door(started.socket, tools.answer) as opened,
            draft.watched(),
        ):
            begun = time.monotonic()
            try:
                ended = client.run(program, hear=stream.hear, end=why_end, door=opened)
            except BaseException as error:
                # It asked a model until we ended it, unless it could not be started at all.
                if stream.started or not isinstance(error, ConfigError):
                    seconds, outcome = time.monotonic() - begun, type(error).__name__
                    self._record(tools, Usage(), reserved, seconds=seconds, outcome=outcome)
                raise
            result = stream.result
            said = f"{result.subtype} after {result.turns} turns" if result else None
            self._record(
                tools,
                result.usage if result else Usage(),
                self._cost(stream, ended, reserved),
                seconds=ended.seconds,
                outcome=ended.why or said or f"exit code {ended.code}",
            )
        return stream, ended

    def _record(
        self, tools: Tools, usage: Usage, usd: float, *, seconds: float, outcome: str
    ) -> None:
        tools.supervisor.record(
            ModelCall(
                experiment=tools.context.number,
                agent=NAME,
                model=self._model,
                usage=usage,
                usd=usd,
                seconds=seconds,
                outcome=outcome,
            )
        )

    def _cost(self, stream: Stream, ended: Ended, reserved: float) -> float:
        """Return what it cost; where that is not known, the most that it can have been."""
        if not stream.started:
            return 0.0
        if stream.result is None:
            return 0.0 if stream.refused is not None and not stream.answered else reserved
        usd = max(stream.result.usd, self._prices.cost(self._model, stream.result.usage))
        # The call that it was in the middle of is not in its sum; a refused one costs nothing.
        if ended.why is not None and stream.refused is None:
            return min(usd + self._margin, reserved)
        return usd

    def _failed(self, stream: Stream, ended: Ended) -> tuple[Proposal, bool]:
        """Return the forfeit of a session without a proposal, and whether to try once more.

        Raises:
            ModelError: it was not the agent's failure.
        """
        result = stream.result
        if stream.refused is not None:
            message = f"the model's API refuses the account: {stream.refused}"
            raise ModelError(message, hint=HINTS[stream.refused])
        if ended.why is not None:
            return self._forfeit("agent-failed", f"the session was ended: {ended.why}"), False
        if result is None:
            last = escaped(ended.last_words(launch.CREDENTIALS))
            raise ModelError(
                f"{self._binary} ended with exit code {ended.code} and no result: {last}",
                hint=f"try it by hand; it must be {PACKAGE} {version(PACKAGE)} or newer",
            )
        if not stream.served:
            hint = f"try it by hand: python {launch.BRIDGE} serve needs the package mcp"
            raise ModelError(f"{NAME}: the client did not get to our tools", hint=hint)
        # The last of what the client said, fit for terminal and journal, without our keys.
        plain = client.without_secrets(result.said, launch.CREDENTIALS)
        said = escaped(plain.strip()[-MOST_SAID:])
        if result.stop_reason == "refusal":
            return self._forfeit("model-refused", "the model declined to answer"), False
        if CUT_OFF in result.said:
            return self._forfeit("answer-cut-off", "the model's answer was cut off"), False
        if result.subtype in ("error_max_turns", "error_max_budget_usd"):
            return self._forfeit("agent-failed", f"the session ended early: {said}"), False
        if result.failed or ended.code != 0:
            hint = HINTS.get(result.status or 0, LATER)
            raise ModelError(f"{NAME}: {said}", hint=hint)
        return self._forfeit("no-proposal", "the session ended without run_experiment"), True

    def _forfeit(self, rule: str, message: str) -> Proposal:
        return handover.forfeited(rule, message, model=self._model)


def load_claude_code(argument: str, settings: Mapping[str, str] = os.environ) -> ClaudeCode:
    """Return the agent that `claude-code` or `claude-code:MODEL` describes.

    Raises:
        ConfigError: there is no client, no credential, or no price for the model, or it is another
            provider's.
    """
    program = settings.get(BINARY) or "claude"
    binary = shutil.which(program)
    if binary is None:
        raise ConfigError(
            f"Claude Code is not installed: there is no program {program!r}",
            hint=f"type: npm install -g {PACKAGE}; or name it with {BINARY}=FILE",
        )
    if not any(settings.get(name) for name in launch.CREDENTIALS):
        raise ConfigError(
            "Claude Code has no key", hint=f"set one of {', '.join(launch.CREDENTIALS)}"
        )
    named = argument or MODELS[NAME]
    provider, model = provider_of(named, settings)
    # The client finds address and key by itself; prices may be a person's own.
    connection = {name: settings[name] for name in launch.CONNECTION if name in settings}
    asked = load_providers(connection)["anthropic"]
    if any(getattr(provider, each) != getattr(asked, each) for each in ASKED):
        raise ConfigError(
            f"claude-code --on-host cannot ask {named}: it asks {asked.address}, with your key",
            hint="leave out --on-host, if its provider speaks anthropic: in a container it can",
        )
    return ClaudeCode(binary=binary, model=model, prices=provider.prices)
