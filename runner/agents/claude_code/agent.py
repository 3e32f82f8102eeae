"""Claude Code, headless, as the researcher: one session for each proposal.

It works in a draft folder with three tools for files and two of ours. What it may do there is said
three times over: in its settings, in hooks that ask the review, and by what is taken from the
folder in the end. Only the last one is relied on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from runner.agents import client, handover
from runner.agents.about import about, told
from runner.agents.claude_code import launch
from runner.agents.claude_code.launch import Launch, Places
from runner.agents.claude_code.stream import Result, Stream
from runner.agents.claude_code.tools import Tools, door
from runner.agents.client import MOST_SECONDS, Client, Ended, Watch
from runner.agents.descriptions import MODELS
from runner.agents.draft_folder import DraftFolder, UnsettledError, draft_folder
from runner.errors import ConfigError, ModelError, SpentError
from runner.money.prices import Prices, load_prices
from runner.prompt.brief import brief
from runner.records import ModelCall, Proposal, Usage
from runner.sandbox.evidence import escaped
from runner.seams import Context, Desk

NAME = "claude-code"
PACKAGE = "@anthropic-ai/claude-code"
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
CUT_OFF = "output token maximum"
"""In what the client says when an answer reached the most that it may be."""
HINTS = {
    400: "see what the API says; a spend limit is raised in its console",
    401: "the key is not valid: set ANTHROPIC_API_KEY, then resume",
    402: "the account has no credit; add some, then resume",
    403: "the key may not use this model; choose another model or key",
    404: "there is no such model for this key; choose another",
    429: "the account's rate or spend limit is reached; wait or raise it, then resume",
}


def how(folder: str, writable: tuple[str, ...]) -> str:
    """Say how a session works; it names a folder, so it is no part of the stable prompt."""
    return f"""\
# Where you are

You are in {folder}, which holds the workspace.
You may edit {", ".join(writable)} with Edit and Write, and read everything in the folder.
Nothing else can be changed, no command can be run, and there is no way out of the folder.
When the edit is done, call run_experiment. Once it is accepted, the session is over.
"""


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What the sessions of one proposal share."""

    context: Context
    desk: Desk
    draft: DraftFolder
    places: Places
    tools: Tools

    @property
    def writable(self) -> tuple[str, ...]:
        return (*self.context.mutable, *self.context.notes)


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
        """What was undone after it was last told."""

    def propose(self, context: Context, desk: Desk) -> Proposal | None:
        try:
            with draft_folder(context, about=about(context, ""), report=desk.violation) as draft:
                places = Places.below(draft.private)
                tools = Tools(draft, context, desk, self._model)
                work = _Work(context=context, desk=desk, draft=draft, places=places, tools=tools)
                proposal = self._proposed(work)
            self._undone = draft.told()
        except UnsettledError as unsettled:
            proposal = handover.forfeited("draft-unsettled", str(unsettled), model=self._model)
        return None if proposal.forfeit and desk.stop_asked() else proposal

    def _proposed(self, work: _Work) -> Proposal:
        """Run sessions until one hands a proposal over, or none may follow."""
        said, where = brief(work.context), how(str(work.draft.path), work.writable)
        launch.write(work.places, work.draft, work.writable, said.system)
        prompt = "\n".join((where, said.user, told(self._undone)))
        for _ in range(SESSIONS):
            stream, ended = self._session(work, prompt)
            if work.tools.accepted is not None:
                return work.tools.accepted
            failed, once_more = self._failed(stream, ended)
            if not once_more or work.desk.stop_asked():
                return failed
            prompt += ONCE_MORE
        return failed

    def _session(self, work: _Work, prompt: str) -> tuple[Stream, Ended]:
        """Run one session, and write down what it cost."""
        usd = self._budget(work.desk.usd_left())
        stream = Stream(work.desk.waiting)
        started = Launch(binary=self._binary, model=self._model, usd=usd, turns=self._turns)
        program = Client(
            argv=launch.argv(started, work.places),
            folder=work.draft.path,
            environment=launch.environment(work.draft, self._model),
            stdin=prompt.encode(),
            seconds=self._seconds,
            output_bytes=MOST_OUTPUT,
            grace=GRACE_SECONDS,
        )
        reserved = usd + self._margin
        with work.desk.reserved(reserved), door(work.places.socket, work.tools.answer) as opened:
            watch = Watch(hear=stream.hear, end=lambda: _end(stream, work), door=opened)
            ended = client.run(program, watch)
            work.desk.record(self._call(stream, ended, work.context.number, reserved))
        return stream, ended

    def _budget(self, left: float | None) -> float:
        """Return what a session may spend, so that its last call still fits into what is left."""
        if left is None:
            return MOST_USD
        usd = min(MOST_USD, left - self._margin)
        if usd < LEAST_USD:
            raise SpentError(
                f"limits.usd: ${left:.4f} are left, and a session of {NAME} may overrun its own"
                f" budget by ${self._margin:.4f}, the worst case of one call",
                hint="raise limits.usd in the policy of a new run, or choose a cheaper model",
            )
        return usd

    def _call(self, stream: Stream, ended: Ended, number: int, reserved: float) -> ModelCall:
        result = stream.result
        how = f"{result.subtype} after {result.turns} turns" if result else None
        return ModelCall(
            experiment=number,
            agent=NAME,
            model=self._model,
            usage=result.usage if result else Usage(),
            usd=self._cost(stream, ended, reserved),
            seconds=ended.seconds,
            outcome=ended.why or how or f"exit code {ended.code}",
        )

    def _cost(self, stream: Stream, ended: Ended, reserved: float) -> float:
        """Return what it cost; where that is not known, the most that it can have been."""
        if stream.refused is not None or not stream.started:
            return 0.0
        if stream.result is None:
            return reserved
        usd = max(stream.result.usd, self._prices.cost(self._model, stream.result.usage))
        if ended.why is not None:  # the call that it was in the middle of is not in its sum
            return min(usd + self._margin, reserved)
        return usd

    def _failed(self, stream: Stream, ended: Ended) -> tuple[Proposal, bool]:
        """Return the forfeit of a session without a proposal, and whether to try once more.

        Raises:
            ModelError: it was not the agent's failure.
        """
        if stream.refused is not None:
            message = f"the model's API refuses the account: {stream.refused}"
            raise ModelError(message, hint=HINTS[stream.refused])
        if ended.why is not None:
            return self._forfeit("agent-failed", f"the session was ended: {ended.why}"), False
        if stream.result is None:
            last = escaped(ended.last_words(launch.CREDENTIALS))
            raise ModelError(
                f"{self._binary} ended with exit code {ended.code} and no result: {last}",
                hint=f"try it by hand; it must be {PACKAGE} {launch.TESTED} or newer",
            )
        if not stream.served:
            hint = (
                "try it by hand: python runner/agents/claude_code/bridge.py needs the package mcp"
            )
            raise ModelError(f"{NAME}: the client did not get to our tools", hint=hint)
        if (failed := self._agents_own(stream.result)) is not None:
            return failed, False
        if stream.result.failed or ended.code != 0:
            hint = HINTS.get(stream.result.status or 0, "resume once the API answers again")
            raise ModelError(f"{NAME}: {_shown(stream.result.said)}", hint=hint)
        return self._forfeit("no-proposal", "the session ended without run_experiment"), True

    def _agents_own(self, result: Result) -> Proposal | None:
        """Return the forfeit of a session that failed by what the model did."""
        if result.stop_reason == "refusal":
            return self._forfeit("model-refused", "the model declined to answer")
        if CUT_OFF in result.said:
            return self._forfeit("answer-cut-off", "the model's answer was cut off")
        if result.subtype in ("error_max_turns", "error_max_budget_usd"):
            return self._forfeit("agent-failed", f"the session ended early: {_shown(result.said)}")
        return None

    def _forfeit(self, rule: str, message: str) -> Proposal:
        return handover.forfeited(rule, message, model=self._model)


def _shown(text: str) -> str:
    """Return the last of what the client said, fit for terminal and ledger, without our keys."""
    return escaped(client.without_secrets(text, launch.CREDENTIALS).strip()[-MOST_SAID:])


def _end(stream: Stream, work: _Work) -> str | None:
    """Return why to end a session; one with an accepted proposal is about to end by itself."""
    if stream.refused is not None:
        return f"the API answered {stream.refused}"
    return None if work.tools.accepted else client.stopped(work.desk)


def load_claude_code(argument: str, settings: Mapping[str, str] = os.environ) -> ClaudeCode:
    """Return the agent that `claude-code` or `claude-code:MODEL` describes.

    Raises:
        ConfigError: there is no client, no credential, or no price for the model.
    """
    named = settings.get(BINARY) or "claude"
    binary = shutil.which(named)
    if binary is None:
        raise ConfigError(
            f"Claude Code is not installed: there is no program {named!r}",
            hint=f"type: npm install -g {PACKAGE}; or name it with {BINARY}=FILE",
        )
    if not any(settings.get(name) for name in launch.CREDENTIALS):
        raise ConfigError(
            "Claude Code has no key", hint=f"set one of {', '.join(launch.CREDENTIALS)}"
        )
    return ClaudeCode(binary=binary, model=argument or MODELS[NAME], prices=load_prices())
