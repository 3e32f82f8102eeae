"""The tools that the model is given, and what they do here, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from runner.agents import handover
from runner.agents.draft import MOST_SHOWN, Draft, Said
from runner.prompt.untrusted import one_line, quoted
from runner.prompt.violations import mend
from runner.records import Proposal
from runner.seams import Context, Desk, Phase

EDITOR = "str_replace_based_edit_tool"
ANALYSIS = "analysis.py"
MOST_REASON = 1000


class _Input(BaseModel):
    """A tool's input; what it does not know is left out of account."""

    model_config = ConfigDict(frozen=True)


class Propose(handover.Words):
    """Hand the draft over as the next experiment. This ends your turn, unless it comes back with rules to mend: then edit, and propose again."""  # noqa: E501

    hypothesis: handover.Hypothesis


class Analyze(handover.Analysis):
    """Run a Python script on training rows in a container without network, and read what it prints. It costs no experiment; the policy says how many you have, and for how many seconds each runs."""  # noqa: E501


class Note(_Input):
    """Append text to one of your note files. Notes stay, whatever becomes of the experiment."""

    file: str
    text: str


TOOLS: Mapping[str, type[BaseModel]] = {"analyze": Analyze, "note": Note, "propose": Propose}


class Toolbox:
    """The tools at work on one proposal."""

    def __init__(self, context: Context, desk: Desk) -> None:
        self.draft = Draft(context.files, mutable=context.mutable, notes=context.notes)
        self.last: Proposal | None = None
        """What was proposed last, whether it was taken or came back."""
        self._notes, self._desk = context.notes, desk

    def use(self, name: str, given: Mapping[str, Any], model: str) -> Said | Proposal:
        """Do what a tool does; a proposal is one that goes ahead."""
        if name == EDITOR:
            return self._edit(given)
        if name not in TOOLS:
            return Said(text=f"there is no tool {one_line(name, 100)}", failed=True)
        try:
            match TOOLS[name].model_validate(given):
                case Propose() as asked:
                    return self._propose(asked, model)
                case Analyze(script=script):
                    return self._analyze(script)
                case Note(file=file, text=text):
                    return self._note(file, text)
        except ValidationError as error:
            return Said(text=f"the input of {name} is not valid: {_wrong(error)}", failed=True)
        raise AssertionError(name)

    def _edit(self, given: Mapping[str, Any]) -> Said:
        said = self.draft.edit(given)
        shows = given.get("command") == "view" and not said.failed
        return Said(text=quoted(str(given.get("path")), said.text)) if shows else said

    def _propose(self, asked: Propose, model: str) -> Said | Proposal:
        self.last = handover.proposal(asked, self.draft.changes(), model=model)
        violations = self._desk.send_back(self.last)
        if not violations:
            return self.last
        told = mend(violations, "propose again", self._desk.returns_left())
        return Said(text=f"Your proposal came back. {told}", failed=True)

    def _analyze(self, script: str | None) -> Said:
        given = script.encode(errors="surrogatepass") if script else None
        own = next((c.content for c in self.draft.changes() if c.path == ANALYSIS), None)
        return Said(text=quoted("the analysis", self._desk.analyze(given or own)))

    def _note(self, file: str, text: str) -> Said:
        if file not in self._notes:
            return Said(text=f"your notes are: {', '.join(self._notes) or 'none'}", failed=True)
        return self.draft.append(file, text)


def offered(phase: Phase | None, searches: int) -> list[dict[str, Any]]:
    """Return the tools' definitions; so many searches of the web are left."""
    editor = {"type": "text_editor_20250728", "name": EDITOR, "max_characters": MOST_SHOWN}
    return [editor, *_definitions(), *_web(phase, searches)]


def _web(phase: Phase | None, searches: int) -> list[dict[str, Any]]:
    if phase is None or not phase.web_domains or searches < 1:
        return []
    search = {"type": "web_search_20260318", "name": "web_search", "allowed_callers": ["direct"]}
    return [{**search, "allowed_domains": list(phase.web_domains), "max_uses": searches}]


@cache
def _definitions() -> tuple[dict[str, Any], ...]:
    return tuple(map(_definition, TOOLS))


def _definition(name: str) -> dict[str, Any]:
    schema = _untitled(TOOLS[name].model_json_schema())
    return {"name": name, "description": schema.pop("description"), "input_schema": schema}


def _untitled(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _untitled(each)
        for key, each in schema.items()
        if key != "title" or not isinstance(each, str)
    }


def _wrong(error: ValidationError) -> str:
    found = [f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors()]
    return one_line("; ".join(found), MOST_REASON)
