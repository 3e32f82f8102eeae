"""What an agent says about its edits, in a JSON document: a tool's arguments, or a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner import given
from runner.records import Change, Proposal, Violation
from runner.sandbox.evidence import escaped

# What each agent is told to say, wherever its own form of it is.
Hypothesis = Annotated[
    str, Field(description="What you change and why it should help, in a sentence or two.")
]
Category = Annotated[
    str, Field(description="One or two words for ideas of this kind, of 24 characters at most.")
]
Expectation = Annotated[
    str, Field(description="What you think the score will do, and by how much.")
]
Takeaway = Annotated[
    str,
    Field(
        description="One sentence on what the last experiment with a result teaches; owed from the"
        " second experiment on. 240 characters of it are shown again."
    ),
]
Answers = Annotated[
    int | None, Field(description="The number of the person's hypothesis that this tests.")
]
Script = Annotated[
    str | None,
    Field(description="A whole Python script; without one, analysis.py of the workspace runs."),
]


Removed = Annotated[
    tuple[str, ...] | None,
    Field(description="Files to take away; only ones that the rules let go."),
]


class Words(BaseModel):
    """What is said of a proposal; its edits come from elsewhere."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    hypothesis: Hypothesis = ""
    category: Category = ""
    expectation: Expectation = ""
    takeaway: Takeaway = ""
    answers: Answers = None


class WithRemoved(Words):
    """The same where edits are files in a folder that an agent cannot take away there."""

    removed: Removed = None


class Analysis(BaseModel):
    """What an agent says to have something analysed."""

    script: Script = None


def schema(model: type[BaseModel], *required: str) -> dict[str, Any]:
    """Return the JSON Schema of what an agent says, with more that it must say."""
    found = model.model_json_schema()
    required = (*found.get("required", ()), *required)
    return {"type": "object", "properties": found["properties"], "required": list(required)}


def parsed(text: str | bytes) -> Any:
    """Return a JSON document; raise `ValueError` for what is none, or too deep to be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read(document: Any) -> WithRemoved | Violation:
    """Return what an agent said, or what is wrong with it, in words for the agent."""
    try:
        return WithRemoved.model_validate(document)
    except ValidationError as error:
        return Violation(rule="not-a-proposal", message=given.wrong(error))


def proposal(words: Words, changes: Sequence[Change], *, model: str | None = None) -> Proposal:
    said = words.model_dump(include=set(Words.model_fields))
    return Proposal(**said, changes=tuple(changes), model=model)


def forfeited(rule: str, message: str, *, model: str | None = None) -> Proposal:
    """Return a proposal with nothing to run, and whose failure that is.

    The message may quote a program or a model; it is escaped, and cut to 500 bytes.
    """
    message = escaped(message)
    return Proposal(
        hypothesis=f"(no proposal: {message})",
        model=model,
        forfeit=Violation(rule=rule, message=message),
    )
