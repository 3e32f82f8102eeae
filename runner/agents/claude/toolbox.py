"""The tools that the model is given, and what they do here, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from runner import given
from runner.agents import handover
from runner.agents.draft import MOST_SHOWN, Draft, Said
from runner.prompt.brief import mend
from runner.prompt.untrusted import one_line, quoted
from runner.records import Proposal
from runner.seams import Context, Phase, Supervisor

EDITOR = "str_replace_based_edit_tool"
ANALYSIS, REMOVE = "analysis.py", "remove"
MOST_REASON = 1000


class Propose(handover.Words):
    """Hand the draft over as the next experiment. This ends your turn, unless it comes back with rules to mend: then edit, and propose again."""  # noqa: E501

    hypothesis: handover.Hypothesis


class Analyze(handover.Analysis):
    """Run a Python script on training rows in a container without network, and read what it prints. It costs no experiment; the policy says how many you have, and for how many seconds each runs."""  # noqa: E501


class Note(BaseModel):
    """Append text to one of your note files. Notes stay, whatever becomes of the experiment."""

    file: str
    text: str


class Remove(BaseModel):
    """Take one of your files away. A file that you edit stays where it is; one that you create is new."""  # noqa: E501

    file: str


TOOLS: Mapping[str, type[BaseModel]] = {"analyze": Analyze, "note": Note, "propose": Propose,
                                          REMOVE: Remove}  # fmt: skip


class Toolbox:
    """The tools at work on one proposal."""

    def __init__(self, context: Context, supervisor: Supervisor) -> None:
        self.draft = Draft(context.files, context.patterns)
        self.last: Proposal | None = None
        """What was proposed last, whether it was taken or came back."""
        self._notes, self._supervisor = context.notes, supervisor

    def use(self, name: str, said: Mapping[str, Any], model: str) -> Said | Proposal:
        """Do what a tool does; a proposal is one that goes ahead."""
        if name == EDITOR:
            done = self.draft.edit(said)
            shows = said.get("command") == "view" and not done.failed
            return Said(text=quoted(str(said.get("path")), done.text)) if shows else done
        if name not in TOOLS:
            return Said(text=f"there is no tool {one_line(name, 100)}", failed=True)
        try:
            asked = TOOLS[name].model_validate(said)
        except ValidationError as error:
            wrong = one_line(given.wrong(error), MOST_REASON)
            return Said(text=f"the input of {name} is not valid: {wrong}", failed=True)
        match asked:
            case Propose():
                return self._propose(asked, model)
            case Analyze(script=script):
                content = script.encode(errors="surrogatepass") if script else None
                own = next((c.content for c in self.draft.changes() if c.path == ANALYSIS), None)
                return Said(text=quoted("the analysis", self._supervisor.analyze(content or own)))
            case Remove(file=file):
                return self.draft.remove(file)
            case Note(file=file, text=text) if file in self._notes:
                return self.draft.append(file, text)
        return Said(text=f"your notes are: {', '.join(self._notes) or 'none'}", failed=True)

    def _propose(self, asked: Propose, model: str) -> Said | Proposal:
        self.last = handover.proposal(asked, self.draft.changes(), model=model)
        violations = self._supervisor.send_back(self.last)
        if not violations:
            return self.last
        told = mend(violations, "propose again", self._supervisor.returns_left())
        return Said(text=f"Your proposal came back. {told}", failed=True)


def offered(phase: Phase | None, searches: int, *, may_remove: bool) -> list[dict[str, Any]]:
    """Return the tools' definitions; so many searches of the web are left."""
    editor = {"type": "text_editor_20250728", "name": EDITOR, "max_characters": MOST_SHOWN}
    found = [editor, *(one for one in _definitions() if may_remove or one["name"] != REMOVE)]
    if phase and phase.web_domains and searches > 0:
        found.append(
            {
                "type": "web_search_20260318",
                "name": "web_search",
                "allowed_callers": ["direct"],
                "allowed_domains": list(phase.web_domains),
                "max_uses": searches,
            }
        )
    return found


@cache
def _definitions() -> tuple[dict[str, Any], ...]:
    return tuple(
        {"name": name, "description": tool.__doc__, "input_schema": handover.schema(tool)}
        for name, tool in TOOLS.items()
    )
