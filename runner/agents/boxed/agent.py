"""A program in a box as the researcher: one container for each proposal.

It edits a copy of the workspace, looks at data and tries its code as a person would, and hands over
with `run_experiment` or by leaving `proposal.json` behind. All that it says is bytes in a JSON
document: nothing that it left on a disk is ever opened here.
"""

from __future__ import annotations

import base64
import binascii
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from runner.agents import handover, programs
from runner.agents.about import about, told
from runner.agents.boxed import recipes
from runner.agents.boxed.recipes import Recipe
from runner.agents.descriptions import NAMED, model_of
from runner.agents.draft import changed
from runner.errors import ConfigError
from runner.gateway import Gateway
from runner.prompt.brief import mend
from runner.providers import provider_of
from runner.records import CONTAINED, Proposal, Violation
from runner.sandbox.evidence import escaped
from runner.seams import MOST_RETURNS, BoxEnd, BoxWork, Context, Reply, Supervisor

ANSWER = "proposal.json"
MOST_LAST = 300
"""Characters of what a program said last."""
MOST_TOLD = 20
"""Of the files that were changed and do not count."""
SESSIONS = 2
"""One, and one more where the first ended without a word."""
ONCE_MORE = f"""\
# Once more

You ended without a proposal. Your edits are still there. Finish them, and hand over: {ANSWER}.
"""
TRIES = """\
You have a shell, as an ordinary user. Training rows that may be looked at are below /data, if the \
task has such; /kit is what the script imports. Look at them, and try your code on them, as a \
person would: what you try is no experiment and has no score, and your processor seconds are \
counted.
"""
REVIEWED = """\
Then type `run_experiment`: it is reviewed at once. What must be mended is said, and once it is \
accepted, the session is over. `run_experiment --check` only asks what the review would say."""
REVIEWED_LATER = "Then end: it is reviewed, and comes back to you if it must be mended."


def how(context: Context) -> str:
    """Say where a program is, and how it hands over."""
    writable = ", ".join((context.patterns.said(), *context.notes))
    return f"""\
# Where you are

You are in /workspace, a copy of the files to start from, in a container of your own. There is no \
network: nothing can be installed, and nothing is reached but your model.
You may change {writable}. Whatever else you change does not count.
{TRIES if context.shell else ""}/box/about/context.json has the task and its history as JSON.

# How to hand the proposal over

When the edit is done, write {ANSWER} with a JSON object with the keys hypothesis, category, \
expectation, takeaway, and answers (a number or null). \
{REVIEWED if context.shell else REVIEWED_LATER}
"""


class Boxed:
    """Runs one program in a box for each proposal."""

    isolation = CONTAINED
    ahead = 0  # no box is at work beside a trial

    def __init__(
        self,
        name: str,
        recipe: Callable[[Context], Recipe],
        *,
        model: str | None,
        folder: Path | None,
        gateway: Callable[[Context, Supervisor], Gateway],
    ) -> None:
        self.name, self._recipe, self._model = name, recipe, model
        self._folder, self._gateway = folder, gateway

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        recipe, talk = self._recipe(context), Talk(context, supervisor, self._model)
        gateway = self._gateway(context, supervisor)
        work = BoxWork(
            command=recipe.command,
            environment=recipe.environment,
            files=context.files,
            about=about(context, how(context)),
            programs=self._folder,
            gateway=gateway,
            answer=talk.answer,
        )
        ended = supervisor.boxed(work)
        if talk.accepted is not None:
            return talk.accepted
        if supervisor.stop_asked():
            return None
        gateway.check()
        return self._forfeit(talk, ended)

    def _forfeit(self, talk: Talk, ended: BoxEnd) -> Proposal:
        if ended.why is not None:
            rule, why = "agent-failed", f"the box was ended: {ended.why}"
        elif talk.code:
            last = escaped(talk.last.strip()[-MOST_LAST:])
            rule, why = "agent-failed", f"the program ended with exit code {talk.code}: {last}"
        else:
            rule, why = "no-proposal", "the program ended without a proposal"
        return handover.forfeited(rule, why, model=self._model)


def load_boxed(name: str, argument: str, settings: Mapping[str, str] = os.environ) -> Boxed:
    """Return the agent that `claude-code`, `codex` or `boxed` describes.

    `boxed` has its program's own files, if it needs any, in the folder that `RUNNER_BOX_PROGRAMS`
    names, or that was fetched for the lock in it; the box sees it as `/box/agents`.

    Raises:
        ConfigError: its program is not there, or there is no key or no price for the model.
    """
    asked = model_of(f"{name}:{argument}")
    if asked is None:
        raise ConfigError("boxed asks no model", hint="say which: --model MODEL")
    provider, model = provider_of(asked, settings)
    provider.prices.of(model)
    key = provider.key(settings)
    recipe, folder = _recipe(name, argument, model, provider.protocol, settings)

    def gateway(context: Context, supervisor: Supervisor) -> Gateway:
        phase = context.phase
        return Gateway(
            provider,
            key=key,
            models=[model],
            reserved=partial(supervisor.reserved, wait=False),  # all its calls share one thread
            record=supervisor.record,
            said=supervisor.said,
            agent=name,
            experiment=context.number,
            searches=phase.web_uses if phase else 0,
            domains=phase.web_domains if phase else (),
        )

    return Boxed(name, recipe, model=model, folder=folder, gateway=gateway)


def _recipe(
    name: str, argument: str, model: str, protocol: str, settings: Mapping[str, str]
) -> tuple[Callable[[Context], Recipe], Path | None]:
    """Return how a program is started, and the folder that it needs."""
    if name == "claude-code":
        made = lambda context: recipes.claude_code(model, shell=context.shell)  # noqa: E731
        return made, programs.require(programs.CLAUDE_CODE)
    if name == "codex":
        return _with_shell(recipes.codex(model)), programs.require(programs.CODEX)
    try:
        command = tuple(shlex.split(NAMED.sub("", argument)))
    except ValueError as error:
        raise ConfigError(f"the agent boxed:{argument}: {error}") from error
    if not command:
        raise ConfigError("boxed runs no program", hint="use: --agent 'boxed:PROGRAM ARGS'")
    own = settings.get(programs.OWN)
    if not own and any(word.startswith(recipes.AGENTS) for word in command):
        hint = f"say again which folder it is: export {programs.OWN}=FOLDER"
        raise ConfigError(f"boxed:{argument}: there are no programs at {recipes.AGENTS}", hint=hint)
    started = recipes.program(command, model, protocol)
    return _with_shell(started), programs.of(Path(own)) if own else None


def _with_shell(recipe: Recipe) -> Callable[[Context], Recipe]:
    """Return a recipe for contexts with a shell: whether this program runs one nobody can say."""

    def made(context: Context) -> Recipe:
        if not context.shell:
            hint = "claude-code can do without; or say agent.shell: true in a policy of your own"
            raise ConfigError("agent.shell is false, and this agent runs commands", hint=hint)
        return recipe

    return made


class Talk:
    """What a box says, and what it is answered; `accepted` is what came of it."""

    def __init__(self, context: Context, supervisor: Supervisor, model: str | None) -> None:
        self._context, self._supervisor, self._model = context, supervisor, model
        self.accepted: Proposal | None = None
        self.code: int | None = None
        self.last = ""
        self._sessions = 0
        self._noted = set[str]()

    def answer(self, request: Mapping[str, Any]) -> Reply:
        match request:
            case {"event": "check", **said}:
                return Reply(text=self._reviewed(said))
            case {"event": "hand-over", **said}:
                return self._handed_over(said)
            case {"event": "ended", "code": int(code), "last": str(last), **said}:
                self.code, self.last = code, last
                return self._ended(said)
        return Reply(text="no request")

    def _reviewed(self, said: Mapping[str, Any]) -> str:
        found = self._proposal(said)
        broken = (found,) if isinstance(found, Violation) else self._supervisor.review(found)
        return mend(broken) if broken else "the review finds nothing to mend"

    def _handed_over(self, said: Mapping[str, Any]) -> Reply:
        found, left = self._proposal(said), None
        if isinstance(found, Violation):
            violations: tuple[Violation, ...] = (found,)
        elif violations := self._supervisor.send_back(found):
            left = self._supervisor.returns_left()
        else:
            self.accepted = found
            return Reply(text="accepted", accepted=True)
        undone = told(self._undone(said))
        return Reply(text=f"{mend(violations, 'hand over again', left)}\n{undone}")

    def _ended(self, said: Mapping[str, Any]) -> Reply:
        """Take what the program left behind, or have it run once more."""
        self._sessions += 1
        if said.get("words") is not None:
            reply, most = self._handed_over(said), SESSIONS + MOST_RETURNS
        else:
            reply, most = Reply(text=ONCE_MORE), SESSIONS if self.code == 0 else 0
        if reply.accepted or self._sessions >= most or self._supervisor.stop_asked():
            return reply
        return replace(reply, prompt=self._again(reply.text))

    def _again(self, words: str) -> str:
        told = about(self._context, how(self._context))["brief.md"].decode()
        return f"{told}\n{words}"

    def _proposal(self, said: Mapping[str, Any]) -> Proposal | Violation:
        """Return what is proposed, or what is wrong with how it is said."""
        try:
            text = said.get("words")
            if not isinstance(text, str):
                raise ValueError(f"there is no {ANSWER}")
            words = handover.read(handover.parsed(text))
            after = {
                path: _bytes(content) for path, content in self._files(said) if self._is_ours(path)
            }
        except ValueError as error:
            return Violation(rule="not-a-proposal", message=str(error), path=ANSWER)
        if isinstance(words, Violation):
            return words
        changes = changed(self._context.files, after)
        return handover.proposal(words, changes, model=self._model)

    def _undone(self, said: Mapping[str, Any]) -> tuple[str, ...]:
        """Name what was changed of the workspace and does not count; results of tries are not."""
        ours = (path for path, _ in self._files(said) if path in self._context.files)
        paths = [path for path in ours if not self._is_ours(path)][:MOST_TOLD]
        for path in {*paths} - self._noted:
            self._supervisor.violation(path, "was changed, and may only be read")
            self._noted.add(path)
        return tuple(f"{path} was changed; it does not count" for path in paths)

    def _is_ours(self, path: str) -> bool:
        return self._context.patterns.may_write(path, self._context.files)

    @staticmethod
    def _files(said: Mapping[str, Any]) -> list[tuple[str, Any]]:
        files = said.get("changed")
        return list(files.items()) if isinstance(files, dict) else []


def _bytes(content: object) -> bytes | None:
    """Return a file's bytes; `None` for one that was removed. Raise `ValueError` for nonsense."""
    if content is None:
        return None
    if not isinstance(content, str):
        raise ValueError("a file's bytes are not said as text")
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise ValueError("a file's bytes are not in base64") from error
