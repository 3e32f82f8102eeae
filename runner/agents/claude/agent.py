"""Claude as a researcher: a loop of tools on this host, until it proposes.

Tools and system text stay, and messages only ever grow, so that the prompt cache finds them. It has
four breakpoints at most: the system text and the files to start from for an hour, since experiments
outlive five minutes; the last two user messages for five minutes. A breakpoint looks twenty blocks
back for what was cached, so two of them span our turns.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anthropic

from runner.agents.claude.model import Answer, Model
from runner.agents.claude.toolbox import Toolbox, offered
from runner.agents.claude.trouble import StopAskedError, TooLongError
from runner.agents.descriptions import MODELS
from runner.agents.draft import Said
from runner.errors import ConfigError, ModelError
from runner.prompt.brief import Brief, brief
from runner.providers import provider_of
from runner.records import Proposal, Violation
from runner.sandbox.evidence import escaped
from runner.seams import Context, Supervisor

NO_KEY = "none"
"""What a provider without a key is told, as the client sends one."""
SILENCE_SECONDS = 180.0
"""A stream sends pings; one that is silent for so long is dead."""
MOST_TURNS = 40
"""Answers of the model for one proposal."""
FEW_TURNS = 3
REMINDER = "Nobody answers. Make your edits, then call propose."
FULL = Violation(rule="answer-cut-off", message="the talk filled the model's window")
HOUR = {"type": "ephemeral", "ttl": "1h"}
MINUTES = {"type": "ephemeral", "ttl": "5m"}

Block = Mapping[str, Any]


class Conversation:
    """One proposal's talk with the model."""

    def __init__(self, told: Brief, keep: Callable[[str, Any], None]) -> None:
        self._keep = keep
        keep("system", told.system)
        self._system = [{**_text(told.system), "cache_control": HOUR}]
        self.messages: list[tuple[str, tuple[Block, ...]]] = []
        self.add("user", {**_text(told.start), "cache_control": HOUR}, _text(told.news))

    def add(self, role: str, *blocks: Block) -> None:
        """Keep a message; one without a block cannot be sent."""
        if blocks:
            self._keep(role, blocks)
            self.messages.append((role, blocks))

    def request(self, tools: Sequence[Block]) -> dict[str, Any]:
        marked = [place for place, (role, _) in enumerate(self.messages) if role == "user"][-2:]
        messages = []
        for place, (role, blocks) in enumerate(self.messages):
            last = {**blocks[-1], "cache_control": MINUTES} if place in marked else blocks[-1]
            messages.append({"role": role, "content": [*blocks[:-1], last]})
        return {
            "system": self._system,
            "tools": list(tools),
            "tool_choice": {"type": "auto"},
            "messages": messages,
        }


class Claude:
    """Talks with a model until it proposes."""

    name = "claude"
    isolation = "api"
    ahead = 1

    def __init__(self, model: Model) -> None:
        self._model = model

    def close(self) -> None:
        """Let go of the connections; a process that ends does so by itself."""
        self._model.close()

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        tools = Toolbox(context, supervisor)
        try:
            found = self._talk(context, supervisor, tools)
        except StopAskedError:
            return None
        if isinstance(found, Proposal):
            return found
        unnamed = Proposal(hypothesis="(nothing was proposed)", model=self._model.name)
        return replace(tools.last or unnamed, changes=tools.draft.changes(), forfeit=found)

    def _talk(
        self, context: Context, supervisor: Supervisor, tools: Toolbox
    ) -> Proposal | Violation:
        """Return the proposal, or why there is none."""
        phase, reminded, opening = context.phase, False, brief(context)
        searches = 0
        if phase and phase.web_domains:
            searches, places = phase.web_uses, ", ".join(phase.web_domains)
            web = f"You may search the web, {searches} times: {places}.\n"
            opening = replace(opening, news=f"{opening.news}\n{web}")
        talk = Conversation(opening, supervisor.said)
        for turn in range(1, MOST_TURNS + 1):
            if supervisor.stop_asked():
                raise StopAskedError
            request = talk.request(offered(phase, searches, may_remove=context.may_add))
            try:
                answer = self._model.answer(
                    request, supervisor, experiment=context.number, searches=searches
                )
            except TooLongError as error:
                if len(talk.messages) == 1:  # that is our doing, and any other the agent's
                    hint = "shorten program.md, guidance.md, notes or files"
                    raise ModelError(str(error), hint=hint) from error
                return FULL
            talk.add("assistant", *answer.content)
            searches = max(0, searches - answer.searches)
            if (ended := _forfeit(answer)) is not None:
                return ended
            if answer.stop_reason == "pause_turn":
                continue
            told = self._use(answer, tools)
            if isinstance(told, Proposal):
                return told
            if not told and reminded:
                return Violation(rule="no-proposal", message="the model ended without a proposal")
            reminded = reminded or not told
            left = MOST_TURNS - turn
            hurry = [_text(f"Propose now: {left} turns are left.")] if left == FEW_TURNS else []
            talk.add("user", *(told or [_text(REMINDER)]), *hurry)
        return Violation(rule="no-proposal", message=f"no proposal within {MOST_TURNS} turns")

    def _use(self, answer: Answer, tools: Toolbox) -> list[Block] | Proposal:
        """Return the results of all tools that were called, or the proposal that goes ahead."""
        results: list[Block] = []
        for block in answer.content:
            if block["type"] != "tool_use":
                continue
            if (broken := answer.broken.get(block["id"])) is not None:
                said = Said(text=f"the input is no JSON: {escaped(broken)}", failed=True)
            else:
                done = tools.use(block["name"], block["input"], self._model.name)
                if isinstance(done, Proposal):
                    return done
                said = done
            result = {"type": "tool_result", "tool_use_id": block["id"]}
            failed = {"is_error": True} if said.failed else {}
            results.append({**result, "content": said.text or "(nothing)", **failed})
        return results


def load_claude(
    argument: str,
    *,
    environment: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
    silence: float = SILENCE_SECONDS,
) -> Claude:
    """Return the agent for a model, or the default one; raise `ConfigError` before any call.

    The key stays in the client's memory: the agent writes it nowhere, and containers and
    helper processes are started with environments of their own.
    """
    provider, name = provider_of(argument or MODELS["claude"], environment)
    provider.prices.of(name)
    if provider.protocol != "anthropic":
        hint = "name a provider with the protocol anthropic"
        raise ConfigError(f"claude cannot ask {argument}: it speaks {provider.protocol}", hint=hint)
    client = anthropic.Anthropic(
        api_key=provider.key(environment) or NO_KEY,
        base_url=provider.address,
        max_retries=0,
        timeout=anthropic.Timeout(silence, connect=10.0),
        open_telemetry=False,
    )
    return Claude(Model(client, name, provider.prices, sleep=sleep))


def _forfeit(answer: Answer) -> Violation | None:
    """Say why an answer ends the talk, where it does: the agent's failure, not the API's."""
    match answer.stop_reason:
        case "refusal":
            why = f": {escaped(answer.explanation)}" if answer.explanation else ""
            return Violation(rule="model-refused", message=f"the model refused{why}")
        case "max_tokens":
            return Violation(rule="answer-cut-off", message="the answer reached its longest length")
        case "model_context_window_exceeded":
            return FULL
    return None


def _text(words: str) -> Block:
    return {"type": "text", "text": words}
