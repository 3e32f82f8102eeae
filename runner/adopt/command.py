"""Which command a project is run by, and which of its files that command reaches; pure."""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path, PurePosixPath

from runner.adopt.project import CODE, NO_PART, Project, paths_in, writes

FIRST = ("train.py", "main.py", "run.py", "run_train.py", "experiment.py")
NO_ENTRY = re.compile(
    r"(^|/)(tests?|docs?|examples?|scripts?)/|(^|/)(test_\w+|conftest|setup)\.py$"
)
DOCUMENTS = ("readme.md", "readme", "readme.rst", "readme.txt", "makefile")
DOCUMENTED = re.compile(
    rb"(?:^|[`$>\s])(?:python3?|uv run python|uv run|\$[({]PYTHON[)}])[ \t]+"
    rb"((?:-m[ \t]+)?[\w./-]+(?:[ \t][^\n`|&;#]*)?)"
)
PLACEHOLDER = re.compile(r"[<>\[\]{}]|\.\.\.|path/to|\byour\b", re.IGNORECASE)
"""Is in a line that a reader is to complete."""
CONFIGURATION = (".yaml", ".yml", ".toml", ".json")
SETTINGS = re.compile(r"\.(ya?ml|toml)$|(conf|cfg|param|setting|hyper|option|args)[^/]*\.json$")
"""Files that are configuration where the code reads them by name."""
PACKAGED = ("pyproject.toml", "setup.py", "setup.cfg")
SOURCE = PurePosixPath("src")


def candidates(project: Project) -> list[str]:
    """Return command lines that may be the one, the likeliest first."""
    found: list[str] = []
    for document in sorted(project.files, key=lambda name: name.lower() == "makefile"):
        if document.lower() not in DOCUMENTS:
            continue
        text = re.sub(rb"\\\r?\n[ \t]*", b"", project.files[document].content)
        for line in DOCUMENTED.findall(text):
            said = f"python {line.decode(errors='replace').strip()}"
            start = entry(said, project)
            if start and not NO_PART.search(start) and not PLACEHOLDER.search(said):
                found.append(said)
    found.sort(key=lambda said: "train" not in said)
    scripts = [path for path in project.files if path.endswith(".py") and not NO_ENTRY.search(path)]
    scripts.sort(key=lambda path: (path.count("/"), _rank(path), path))
    runnable = [path for path in scripts if _runs(project, path)]
    found += [_line(project, path) for path in runnable]
    return list(dict.fromkeys(found))


def _line(project: Project, path: str) -> str:
    """Return how a script is run: from its own folder where its paths lead from there only."""
    file = PurePosixPath(path)
    named = set(paths_in(path, project.files[path].content))
    from_there = {name for name in named if _leads(project.root / file.parent, name)}
    if file.parent.parts and any(not _leads(project.root, name) for name in from_there):
        return f"cd {shlex.quote(str(file.parent))} && python {shlex.quote(file.name)}"
    return f"python {shlex.quote(path)}"


def _leads(folder: Path, name: str) -> bool:
    try:
        return any(map(str.isalnum, name)) and "/" in name and (folder / name).exists()
    except (OSError, ValueError):
        return False


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


def installed(command: str, project: Project) -> str:
    """Return a command as it runs where a project that is a package was installed in place."""
    start = entry(command, project)
    inside = any(re.fullmatch(f"{SOURCE}/.*/__init__.py", path) for path in project.files)
    from_root = start is None or "/" not in start or "-m" in command.split()
    if "PYTHONPATH" in command or not any(name in project.files for name in PACKAGED):
        return command
    if inside:
        return f"export PYTHONPATH=$PWD/{SOURCE} && {command}"
    return command if from_root else f"export PYTHONPATH=$PWD && {command}"


def entry(command: str, project: Project) -> str | None:
    """Return the file of the project that a command line starts, where it can be told."""
    return next(iter(_entries(command, project)), None)


def _entries(command: str, project: Project) -> Iterator[str]:
    """Yield the files that a command line names, in the folder that it has changed to by then."""
    here = PurePosixPath()
    for part in re.split(r"&&|\|\||[;|\n]", command):
        try:
            words = shlex.split(part)
        except ValueError:
            continue
        if words[:1] == ["cd"]:
            folder = here / "".join(words[1:2])
            if any(PurePosixPath(path).is_relative_to(folder) for path in project.files):
                here = folder  # else a place that only the shell can tell
            continue
        for word, after in pairwise([*words, ""]):
            module = after.replace(".", "/")
            named = (f"{module}.py", f"{module}/__main__.py") if word == "-m" else (word,)
            folders = (here, here / SOURCE) if word == "-m" else (here,)
            paths = (posixpath.normpath(each / name) for each in folders for name in named)
            yield from (path for path in paths if path in project.files)


def reached(command: str, project: Project) -> tuple[str, ...]:
    """Return the files that a command runs or reads, as far as it can be told.

    They are the entry, what it imports of the project, and configuration that the command names.
    """
    sources = dict(project.python())
    waiting = list(_entries(command, project))
    waiting += [
        path for path in ("Makefile",) if "make" in command.split() and path in project.files
    ]
    start = PurePosixPath(waiting[0]).parent if waiting else PurePosixPath()
    found: dict[str, None] = {}
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        found[path] = None
        if path in sources:
            waiting += _imported(path, sources[path], project, start)
            for name in paths_in(path, project.files[path].content):
                if SETTINGS.search(name):
                    paths = (posixpath.normpath(each / name) for each in (PurePosixPath(), start))
                    waiting += [each for each in paths if each in project.files]
        elif path.endswith((".sh", "Makefile")):
            script = project.files[path].content.decode(errors="replace")
            waiting += _entries(script, project)
    given = (word.partition("=")[2] for word in command.split() if "=" in word)
    found |= dict.fromkeys(path for path in given if path in project.files)
    return tuple(
        path
        for path in found
        if path.endswith((".py", *CONFIGURATION))
        and (project.files[path].content or not path.endswith("__init__.py"))
    )


def outputs(runs: Sequence[str], project: Project) -> set[str]:
    """Return the files of the project that its own code writes: what was left of an earlier run."""
    found = {
        posixpath.normpath(each / name)
        for path, tree in project.python()
        if path in runs
        for name in writes(tree)
        for each in (PurePosixPath(), PurePosixPath(path).parent)
    }
    return {path for path in found if path in project.files and not path.endswith(CODE)}


def _imported(path: str, tree: ast.Module, project: Project, start: PurePosixPath) -> Iterator[str]:
    """Yield the project's own files that a source imports."""
    here = PurePosixPath(path).parent
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names, roots = [alias.name for alias in node.names], [start, PurePosixPath(), SOURCE]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names = [f"{base}.{alias.name}".strip(".") for alias in node.names]
            above = [here, *here.parents]
            up = node.level - 1
            roots = above[up : up + 1] if node.level else [start, PurePosixPath(), SOURCE]
        else:
            continue
        for root, name in product(roots, names):
            module = root / name.replace(".", "/")
            inside = [each for each in module.parents if each != root and each.is_relative_to(root)]
            for each in (module, *inside):
                files = (f"{each}.py", f"{each}/__init__.py")
                yield from (file for file in files if file in project.files)


def takes_seed(command: str, project: Project) -> bool:
    """Whether the supervisor's draw can reach the project's code at all."""
    known = any(b"RUNNER_SEED" in file.content for file in project.files.values())
    return known or "{seed}" in command or "RUNNER_SEED" in command
