"""Which command a project is run by, and which of its files that command reaches; pure."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from runner.adopt.project import Project

FIRST = ("train.py", "main.py", "run.py", "run_train.py", "experiment.py")
NO_ENTRY = re.compile(
    r"(^|/)(tests?|docs?|examples?|scripts?)/|(^|/)(test_\w+|conftest|setup)\.py$"
)
DOCUMENTED = re.compile(
    rb"(?:^|[`$>\s])(?:python3?|uv run python|uv run)\s+((?:-m\s+)?[\w./-]*train[\w./-]*[^\n`|&;]*)"
)
CONFIGURATION = (".yaml", ".yml", ".toml", ".json")


def candidates(project: Project) -> list[str]:
    """Return command lines that may be the one, the likeliest first."""
    readme = next((name for name in project.files if name.lower() in ("readme.md", "readme")), None)
    found: list[str] = []
    if readme:
        for line in DOCUMENTED.findall(project.files[readme].content):
            said = f"python {line.decode(errors='replace').strip()}"
            if entry(said, project):
                found.append(said)
    scripts = [path for path in project.files if path.endswith(".py") and not NO_ENTRY.search(path)]
    scripts.sort(key=lambda path: (path.count("/"), _rank(path), path))
    runnable = [path for path in scripts if _runs(project, path)]
    found += [f"python {shlex.quote(path)}" for path in runnable]
    return list(dict.fromkeys(found))


def _rank(path: str) -> int:
    name = PurePosixPath(path).name
    if name in FIRST:
        return FIRST.index(name)
    return len(FIRST) + (0 if "train" in name else 1)


def _runs(project: Project, path: str) -> bool:
    """Whether a file does something when it is run, beyond defining things."""
    try:
        tree = ast.parse(project.files[path].content)
    except (SyntaxError, ValueError, RecursionError):
        return True
    plain = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    quiet = (*plain, ast.Assign, ast.AnnAssign)
    docstring = ast.get_docstring(tree, clean=False)
    body = tree.body[1:] if docstring is not None else tree.body
    return any(not isinstance(node, quiet) for node in body)


def entry(command: str, project: Project) -> str | None:
    """Return the file of the project that a command line starts, where it can be told."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == "-m":
            module = after.replace(".", "/")
            named = (f"{module}.py", f"{module}/__main__.py")
            return next((path for path in named if path in project.files), None)
        path = str(PurePosixPath(word))
        if path in project.files and path.endswith((".py", ".sh")):
            return path
    return None


def reached(command: str, project: Project) -> tuple[str, ...]:
    """Return the files that an agent may want to change.

    They are the entry, what it imports of the project, and configuration that the command names.
    """
    sources = dict(project.python())
    start = entry(command, project)
    found: dict[str, None] = {}
    waiting = [start] if start else []
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = None
        if path in sources:
            waiting += _imported(path, sources[path], project, PurePosixPath(start or "").parent)
    named = [word for word in command.split() if word.endswith(CONFIGURATION)]
    named += [word.partition("=")[2] for word in command.split() if "=" in word]
    for word in named:
        if (path := str(PurePosixPath(word))) in project.files:
            found[path] = None
    return tuple(path for path in found if path.endswith((".py", *CONFIGURATION)))


def _imported(path: str, tree: ast.Module, project: Project, start: PurePosixPath) -> Iterator[str]:
    """Yield the project's own files that a source imports, packages' `__init__` left out."""
    here = PurePosixPath(path).parent
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names, roots = [alias.name for alias in node.names], [start, PurePosixPath()]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names = [f"{base}.{alias.name}".strip(".") for alias in node.names]
            names += [base] if base else []
            above = [here, *here.parents]
            up = node.level - 1
            roots = [start, PurePosixPath()] if not node.level else above[up : up + 1]
        else:
            continue
        for root in roots:
            for name in names:
                file = str(root / f"{name.replace('.', '/')}.py")
                if file in project.files:
                    yield file


def takes_seed(command: str, project: Project) -> bool:
    """Whether the supervisor's draw can reach the project's code at all."""
    known = any(b"RUNNER_SEED" in file.content for file in project.files.values())
    return known or "{seed}" in command or "RUNNER_SEED" in command
