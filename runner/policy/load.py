"""From a policy's file to a typed value, or to one error that names every problem in it."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from runner import given
from runner.errors import ConfigError
from runner.policy.allowed import allowed_at, keys_at
from runner.policy.positions import Document, Key, Problem, RefusedError, dotted, read
from runner.policy.schema import Policy

MAX_BYTES = 64_000
SHOWN_VALUE = 60


class PolicyError(ConfigError):
    """A policy that cannot be used, with each problem and its place."""

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        self.name = name
        self.problems = problems
        super().__init__(
            "\n".join(_sentence(name, problem) for problem in problems),
            hint="`runner policy schema` prints the whole schema, with the meaning of each key",
        )


@dataclass(frozen=True, kw_only=True)
class LoadedPolicy:
    """A valid policy, and exactly what it was read from."""

    policy: Policy
    text: str
    digest: str
    path: Path | None = None


def load_policy(path: Path) -> LoadedPolicy:
    """Read a policy's file; raise `PolicyError` naming file, line and key of every problem."""
    name = str(path)
    with given.opened(path) as file:
        content = file.read(MAX_BYTES + 1)
    return parse_policy(_decode(content, name), name, path=path)


def parse_policy(text: str, name: str = "policy", *, path: Path | None = None) -> LoadedPolicy:
    """Read a policy from text that was stored before; `name` stands in its messages."""
    if len(text.encode()) > MAX_BYTES:
        raise _whole_file(name, f"is too large (allowed: {MAX_BYTES} bytes)")
    try:
        document = read(text)
    except RefusedError as error:
        raise PolicyError(name, (error.problem,)) from error
    if not isinstance(document.value, Mapping):
        message = f"must be a mapping, got {_value(document.value)} (allowed: {allowed_at(())})"
        raise _whole_file(name, message, document.line(()))
    try:
        policy = Policy.model_validate(document.value)
    except ValidationError as error:
        problems = [_problem(each, document) for each in error.errors(include_url=False)]
        raise PolicyError(name, tuple(sorted(problems, key=lambda each: each.line))) from error
    return LoadedPolicy(policy=policy, text=text, digest=digest(text), path=path)


def digest(text: str) -> str:
    """Sha256 of the policy's bytes, as records keep it."""
    return hashlib.sha256(text.encode()).hexdigest()


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _whole_file(name, "is not UTF-8 (allowed: UTF-8 text)", line) from error


def _whole_file(name: str, message: str, line: int = 1) -> PolicyError:
    return PolicyError(name, (Problem(line=line, key="", message=message),))


def _sentence(name: str, problem: Problem) -> str:
    key = f" {problem.key}:" if problem.key else ""
    return f"{name}:{problem.line}:{key} {problem.message}"


def _problem(error: ErrorDetails, document: Document) -> Problem:
    key: Key = tuple(part for part in error["loc"])
    message = MESSAGES.get(error["type"], _other_message)(key, error)
    return Problem(line=document.line(key), key=dotted(key), message=message)


def _missing_message(key: Key, _error: ErrorDetails) -> str:
    return f"is missing (allowed: {allowed_at(key)})"


def _unknown_message(key: Key, _error: ErrorDetails) -> str:
    keys = keys_at(key[:-1])
    close = difflib.get_close_matches(str(key[-1]), keys, n=1, cutoff=0.5)
    guess = f", did you mean {close[0]}?" if close else ""
    return f"is not a known key{guess} (allowed: {', '.join(keys)})"


def _refused_message(key: Key, error: ErrorDetails) -> str:
    return f"must not be {_value(error['input'])} (allowed: {allowed_at(key)})"


def _impossible_message(_key: Key, error: ErrorDetails) -> str:
    return f"{error['msg']}, got {_value(error['input'])}"


def _other_message(key: Key, error: ErrorDetails) -> str:
    wanted = error["msg"].replace("Input should", "must").replace("String should", "must")
    return f"{wanted}, got {_value(error['input'])} (allowed: {allowed_at(key)})"


MESSAGES = {
    "missing": _missing_message,
    "extra_forbidden": _unknown_message,
    "literal_error": _refused_message,
    "string_pattern_mismatch": _refused_message,
    "tuple_type": _refused_message,
    "model_type": _refused_message,
    "impossible": _impossible_message,
}


def _value(value: Any) -> str:
    """What somebody wrote, in words of YAML, short and safe to print."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, tuple | list):
        return "a list" if value else "an empty list"
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_VALUE else text[:SHOWN_VALUE] + "..."
