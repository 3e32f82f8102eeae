"""What a project's own code needs: modules, and what the usual rules on source would refuse."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from runner.adopt.project import Project
from runner.errors import ConfigError
from runner.policy import checks
from runner.policy.syntax import Facts, SourceFacts, Unparsable, read_facts
from runner.records import Files

USUAL = ("__future__", "collections", "dataclasses", "functools", "itertools", "kit", "math",
         "numpy", "random", "torch", "typing")  # fmt: skip
"""Allowed whether the project imports them yet or not."""
NO_PART = re.compile(r"(^|/)(tests?|docs?)/|(^|/)(test_\w+|conftest|setup)\.py$")
"""What a training does not run."""
MOST_LINE_BYTES = 400
MOST_FILE_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What the written policy has to allow, each with where it is needed."""

    imports: Mapping[str, str] = field(default_factory=dict)
    """Top-level module → the first place."""
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Rule that cannot hold → the places that break it."""
    longest_line: int = MOST_LINE_BYTES
    largest_file: int = MOST_FILE_BYTES


def needs(files: Files, mutable: Iterable[str]) -> Needs:
    """Review the files that an agent may change as if an agent had written them.

    Raises:
        ConfigError: one of them is no Python.
    """
    imports: dict[str, str] = {}
    rules: dict[str, list[str]] = {}
    longest, largest = MOST_LINE_BYTES, MOST_FILE_BYTES
    for path in mutable:
        content = files[path].content
        largest = max(largest, 2 * len(content))
        longest = max(longest, *(len(line) for line in content.split(b"\n")))
        if not path.endswith(".py"):
            continue
        facts = _facts(path, content)
        for each in facts.imports:
            top = each.name.removeprefix(":").partition(".")[0]
            if top:
                imports.setdefault(top, f"{path}:{each.line}")
        for rule in checks.FORBIDDEN:
            if found := checks.uses_of(facts, rule):
                rules.setdefault(rule, []).extend(
                    f"{path}:{one.line} uses {one.name}" for one in found[:3]
                )
    return Needs(imports=imports, rules=rules, longest_line=longest, largest_file=largest)


def _facts(path: str, content: bytes) -> SourceFacts:
    facts: Facts = read_facts(content)
    if isinstance(facts, Unparsable):
        line = f":{facts.line}" if facts.line else ""
        raise ConfigError(f"{path}{line} cannot be reviewed: {facts.reason}")
    return facts


def modules(project: Project) -> dict[str, str]:
    """Return the modules that the project cannot do without, each with its first place.

    An import that the code itself guards against (`try: import wandb`) is none of them.
    """
    own = {PurePosixPath(path).stem for path in project.files if path.endswith(".py")}
    own |= {part for path in project.files for part in PurePosixPath(path).parts[:-1]}
    found: dict[str, str] = {}
    for path, tree in project.python():
        if NO_PART.search(path):
            continue
        guarded = {
            id(node)
            for each in ast.walk(tree)
            if isinstance(each, ast.Try) and any(map(_expects_absence, each.handlers))
            for body in each.body
            for node in ast.walk(body)
        }
        for node in ast.walk(tree):
            if id(node) in guarded:
                continue
            for name in _names(node):
                if name not in own and name not in sys.stdlib_module_names:
                    found.setdefault(name, f"{path}:{getattr(node, 'lineno', 0)}")
    return found


def _expects_absence(handler: ast.ExceptHandler) -> bool:
    kinds = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    if handler.type is None:
        return True
    return any(isinstance(node, ast.Name) and node.id in kinds for node in ast.walk(handler.type))


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level and node.module:
        return [node.module.partition(".")[0]]
    return []
