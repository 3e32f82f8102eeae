"""What an agent says about its edits, in a JSON document: a tool's arguments, or a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
        description="One sentence on what the experiment before teaches; owed from the second."
        " 240 characters of it are shown again."
    ),
]
Answers = Annotated[
    int | None, Field(description="The number of the person's hypothesis that this tests.")
]
Script = Annotated[
    str | None,
    Field(description="A whole Python script; without one, analysis.py of the workspace runs."),
]


class Words(BaseModel):
    """What is said of a proposal; its edits come from elsewhere."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    hypothesis: Hypothesis = ""
    category: Category = ""
    expectation: Expectation = ""
    takeaway: Takeaway = ""
    answers: Answers = None


class Analysis(BaseModel):
    """What an agent says to have something analysed."""

    script: Script = None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the words."""
    return _schema(Words) | {"required": ["hypothesis", "category"]}


def analysis_schema() -> dict[str, Any]:
    """Return the JSON Schema of what is to be analysed."""
    return _schema(Analysis)


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"type": "object", "properties": model.model_json_schema()["properties"]}


def parsed(text: str | bytes) -> Any:
    """Return a JSON document; raise `ValueError` for what is none, or too deep to be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read(document: Any) -> Words | Violation:
    """Return what an agent said, or what is wrong with it, in words for the agent."""
    try:
        return Words.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        return Violation(rule="not-a-proposal", message=f"{where}: {first['msg']}")


def proposal(words: Words, changes: Sequence[Change], *, model: str | None = None) -> Proposal:
    return Proposal(
        hypothesis=words.hypothesis,
        category=words.category,
        expectation=words.expectation,
        takeaway=words.takeaway,
        answers=words.answers,
        changes=tuple(changes),
        model=model,
    )


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
