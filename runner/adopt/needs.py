"""What a project's own code needs: modules, and what the usual rules on source would refuse."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from packaging.utils import canonicalize_name

from runner.adopt.project import NO_PART, Project
from runner.errors import ConfigError
from runner.policy import checks
from runner.policy.syntax import Facts, SourceFacts, Unparsable, read_facts
from runner.records import Files
from runner.requirements import requirement

USUAL = ("__future__", "collections", "dataclasses", "functools", "itertools", "kit", "math",
         "numpy", "random", "torch", "typing")  # fmt: skip
"""Allowed whether the project imports them yet or not."""
MODULES = {
    "beautifulsoup4": "bs4",
    "hydra-core": "hydra",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "python-dotenv": "dotenv",
    "scikit-image": "skimage",
}
"""What is imported of packages that have another name than their module."""
KNOWN = {
    **{
        name: name
        for name in (
            *(
                "catboost",
                "click",
                "datasets",
                "einops",
                "fire",
                "gymnasium",
                "lightgbm",
                "omegaconf",
            ),
            *("optuna", "requests", "rich", "seaborn", "statsmodels", "tensorboard", "tiktoken"),
            *("timm", "torchmetrics", "torchvision", "transformers", "typer", "wandb", "xgboost"),
        )
    },
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dotenv": "python-dotenv",
    "hydra": "hydra-core",
    "skimage": "scikit-image",
}
"""The packages of modules that everybody means the same by, where no requirements name them."""
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
        raise ConfigError(
            f"{path}{line} cannot be reviewed: {facts.reason}",
            hint="it must be Python 3 in UTF-8; or name what an agent may change instead: --change",
        )
    return facts


def modules(project: Project, paths: Sequence[str], *, at_once: bool = False) -> dict[str, str]:
    """Return the modules that some files of the project import, each with its first place.

    An import that the code itself guards against (`try: import wandb`) is none of them.

    Args:
        project: the whole project, whose own modules are none of them either.
        paths: the files; without any, all that are no tests.
        at_once: only what cannot be left out: not what a function imports when it is called, or
            what an `if` decides about.
    """
    own = {PurePosixPath(path).stem for path in project.files if path.endswith(".py")}
    own |= {part for path in project.files for part in PurePosixPath(path).parts[:-1]}
    found: dict[str, str] = {}
    for path, tree in project.python():
        if path not in paths if paths else NO_PART.search(path):
            continue
        for node in _run(tree, at_once=at_once):
            for name in _names(node):
                if name not in own and name not in sys.stdlib_module_names:
                    found.setdefault(name, f"{path}:{getattr(node, 'lineno', 0)}")
    return found


def _run(tree: ast.AST, *, at_once: bool) -> Iterator[ast.AST]:
    """Yield the statements of a source but those that may be left out."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            continue
        if isinstance(node, ast.Try) and any(map(_expects_absence, node.handlers)):
            continue
        if at_once and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if at_once and isinstance(node, ast.If) and "__main__" not in ast.dump(node.test):
            continue
        yield node
        yield from _run(node, at_once=at_once)


def _expects_absence(handler: ast.ExceptHandler) -> bool:
    kinds = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    if handler.type is None:
        return True
    return any(isinstance(node, ast.Name) and node.id in kinds for node in ast.walk(handler.type))


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level and node.module:
        more = ["tensorboard"] if node.module == "torch.utils.tensorboard" else []
        return [node.module.partition(".")[0], *more]
    return []


def packages(project: Project, names: Iterable[str]) -> tuple[str, ...]:
    """Return the packages of modules, as the project's own requirements say them or else by name.

    Nothing unless that of each is known.
    """
    found: dict[str, str] = {}
    for line in _requirements(project):
        try:
            wanted = requirement(line.partition(" #")[0])
        except ValueError:  # an option, a comment, an address
            continue
        name = canonicalize_name(wanted.name)
        found.setdefault(MODULES.get(name, name.replace("-", "_")), str(wanted))
    wanted_ones = [found.get(name, KNOWN.get(name)) for name in names]
    return tuple(filter(None, wanted_ones)) if None not in wanted_ones else ()


def _requirements(project: Project) -> Iterator[str]:
    for path, file in sorted(project.files.items()):
        text = file.content.decode(errors="replace")
        if PurePosixPath(path).name == "requirements.txt":
            yield from text.splitlines()
        elif path == "pyproject.toml":
            with suppress(tomllib.TOMLDecodeError):
                yield from tomllib.loads(text).get("project", {}).get("dependencies", [])
