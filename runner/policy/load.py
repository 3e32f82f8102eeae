"""From a policy's file to a typed value, or to one error that names every problem in it."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from runner import given
from runner.errors import ConfigError
from runner.policy.conflicts import conflicts
from runner.policy.positions import Key, Problem, RefusedError, dotted, read
from runner.policy.quantities import show_duration
from runner.policy.schema import Policy
from runner.records import Image

MAX_BYTES = 64_000
SHOWN_VALUE = 60
Schema = Mapping[str, Any]
BOUNDS = {
    "exclusiveMinimum": "greater than {}",
    "minimum": "at least {}",
    "exclusiveMaximum": "less than {}",
    "maximum": "at most {}",
    "minItems": "at least {} long,",
}
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a word",
    "null": "null",
    "boolean": "true or false",
}


class PolicyError(ConfigError):
    """A policy that cannot be used, with each problem and its place."""

    def __init__(self, name: str, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(
            "\n".join(
                f"{name}:{each.line}:{each.key and f' {each.key}:'} {each.message}"
                for each in problems
            ),
            hint="`runner policy schema` prints the whole schema, with the meaning of each key",
        )


@dataclass(frozen=True, kw_only=True)
class LoadedPolicy:
    """A valid policy, and exactly what it was read from."""

    policy: Policy
    text: str
    digest: str
    path: Path | None = None

    @property
    def image(self) -> Image:
        """What agent code runs in; packages of its own are locked beside the policy's file."""
        lock = self.path.with_suffix(".lock") if self.path else None
        asked = self.policy.image
        return Image(base=asked.base, packages=asked.packages, lock=lock)


def load_policy(path: Path) -> LoadedPolicy:
    """Read a policy's file; raise `PolicyError` naming file, line and key of every problem."""
    with given.opened(path) as file:
        content = file.read(MAX_BYTES + 1)
    try:
        return parse_policy(content.decode(), str(path), path=path)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PolicyError(str(path), Problem(line, "is not UTF-8 (allowed: UTF-8 text)")) from error


def parse_policy(text: str, name: str = "policy", *, path: Path | None = None) -> LoadedPolicy:
    """Read a policy from text that was stored before; `name` stands in its messages."""
    if len(text.encode()) > MAX_BYTES:
        raise PolicyError(name, Problem(1, f"is too large (allowed: {MAX_BYTES} bytes)"))
    try:
        document = read(text)
    except RefusedError as error:
        raise PolicyError(name, error.problem) from error
    if not isinstance(document.value, Mapping):
        message = f"must be a mapping, got {_shown(document.value)} (allowed: {_allowed(())})"
        raise PolicyError(name, Problem(document.line(()), message))
    try:
        policy = Policy.model_validate(document.value)
    except ValidationError as error:
        found = [(each["loc"], _message(each)) for each in error.errors(include_url=False)]
    else:
        found = [
            (key, f"{wanted}, got {_shown(value)}") for key, wanted, value in conflicts(policy)
        ]
        if not found:
            return LoadedPolicy(policy=policy, text=text, digest=digest(text), path=path)
    problems = [Problem(document.line(key), message, dotted(key)) for key, message in found]
    raise PolicyError(name, *sorted(problems, key=lambda each: each.line))


def with_train_seconds(loaded: LoadedPolicy, seconds: float) -> LoadedPolicy:
    """Return the policy with another `budget.train`, and a last line that says what it was.

    It is changed in the text itself, so that the digest says so.

    Raises:
        PolicyError: the result is not valid.
    """
    before = loaded.policy.budget.train
    written = f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    given_text = loaded.text.removeprefix("\ufeff")  # a byte order mark: YAML counts without it
    start, end = read(given_text).spans["budget", "train"]
    text = f"{given_text[:start]}{written}{given_text[end:]}"
    note = f"# Changed for this run: budget.train was {show_duration(before)}."
    name = f"{loaded.path or 'policy'} with budget.train: {written}"
    changed = parse_policy(f"{text.rstrip()}\n{note}\n", name, path=loaded.path)
    budget = changed.policy.budget.model_copy(update={"train": before})
    if changed.policy.model_copy(update={"budget": budget}) != loaded.policy:
        raise ConfigError("budget.train cannot be changed in this policy's text alone")
    return changed


def digest(text: str) -> str:
    """Sha256 of the policy's bytes, as records keep it."""
    return hashlib.sha256(text.encode()).hexdigest()


# -- what the schema allows -------------------------------------------------------------------


@cache
def json_schema() -> Schema:
    """The schema that ships beside the policies, for editors, and from which messages are made."""
    schema = Policy.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The schema as its file holds it: `runner policy schema > policies/policy.schema.json`."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _message(error: ErrorDetails) -> str:
    """Say in a person's words what pydantic found wrong, and what is allowed instead."""
    key, value = error["loc"], _shown(error["input"])
    match error["type"]:
        case "missing":
            wrong = "is missing"
        case "extra_forbidden":
            keys = list(_schema_at(key[:-1]).get("properties", {}))
            close = difflib.get_close_matches(str(key[-1]), keys, n=1, cutoff=0.5)
            guess = f", did you mean {close[0]}?" if close else ""
            return f"is not a known key{guess} (allowed: {', '.join(keys)})"
        case "literal_error" | "string_pattern_mismatch" | "tuple_type" | "model_type":
            wrong = f"must not be {value}"
        case _:
            wanted = error["msg"].replace("Input should", "must").replace("String should", "must")
            wrong = f"{wanted}, got {value}"
    return f"{wrong} (allowed: {_allowed(key)})"


def _shown(value: Any) -> str:
    """What somebody wrote, in words of YAML, short and safe to print."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, tuple | list):
        return "a list" if value else "an empty list"
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_VALUE else text[:SHOWN_VALUE] + "..."


def _allowed(key: Key) -> str:
    """Say in words what the schema allows at a key."""
    return _words(_schema_at(key))


def _schema_at(key: Key) -> Schema:
    schema = json_schema()
    for part in key:
        choices = [_resolved(each) for each in schema.get("anyOf", [schema])]
        schema = next((each for each in choices if _has_parts(each)), schema)
        inner = schema.get("items") if isinstance(part, int) else None
        schema = _resolved(inner or schema.get("properties", {}).get(part, {}))
    return schema


def _has_parts(schema: Schema) -> bool:
    return "properties" in schema or "items" in schema


def _resolved(schema: Schema) -> Schema:
    """Follow a reference."""
    if "$ref" not in schema:
        return schema
    return _resolved(json_schema()["$defs"][schema["$ref"].rpartition("/")[2]])


def _words(schema: Schema) -> str:
    schema = _resolved(schema)
    limits = [text.format(schema[name]) for name, text in BOUNDS.items() if name in schema]
    bounds = f" {', '.join(limits)}" if limits else ""
    if "anyOf" in schema:
        return " or ".join(map(_words, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return "one of " + ", ".join(map(str, schema.get("enum") or [schema["const"]]))
    if schema.get("type") == "object":
        return "a mapping with " + ", ".join(schema.get("properties", {}))
    if schema.get("type") == "array":
        return f"a list,{bounds} each {_words(schema['items'])}"
    return str(schema.get("$comment") or TYPES.get(schema.get("type", ""), "any value") + bounds)
