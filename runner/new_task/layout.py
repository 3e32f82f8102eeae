"""A new task as files, and putting them where its three parts are: never over others."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml

from runner import given, paths
from runner.errors import ConfigError
from runner.policy.load import load_policy, parse_policy
from runner.policy.schema import SLUG
from runner.records import EXECUTABLE, REGULAR, File

TEMPLATES = Path(__file__).parent / "templates"
NOTES = ("LEARNING.md", "scratchpad.md")
"""What every task gives its agent to write in."""


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """What will be written."""

    name: str
    policy: str
    harness: Mapping[str, str]
    """Path below the task's folder in the harness → text."""
    template: Mapping[str, File]
    """Path below the task's folder in `workspace-template` → file."""
    raw: Mapping[str, Path | bytes] = field(default_factory=dict)
    """Name below `/raw` → the person's own file, or its bytes, of which a copy is kept."""


def require_name(name: str, *, force: bool) -> str:
    """Return the name; raise `ConfigError` if it is no slug, or taken."""
    if not re.fullmatch(SLUG, name):
        raise ConfigError(f"{name!r} is no task's name", hint="lower-case letters, digits, - and _")
    taken = [path for path in _places(name) if path.exists()]
    if not taken:
        return name
    if not _is_own(name):
        raise ConfigError(f"{taken[0]} is there, and not by this command", hint="choose a name")
    if not force:
        raise ConfigError(f"{taken[0]} is there already", hint="--force writes its files anew")
    return name


def _is_own(name: str) -> bool:
    """Whether a task is a person's: written by `new-task`, or adopted."""
    own = paths.task_harness(name)
    if any((own / file).is_file() for file in ("task.yaml", "task.py")):
        return True
    path = paths.policy_path(name)
    return path.is_file() and load_policy(path).policy.self_reported


def _places(name: str) -> tuple[Path, Path, Path]:
    template = paths.PROJECT / "workspace-template" / name
    return paths.policy_path(name), paths.task_harness(name), template


def filled(template: str, **words: str) -> str:
    """Return one of our texts with its `$words` filled in."""
    return Template((TEMPLATES / f"{template}.in").read_text(encoding="utf-8")).substitute(words)


def raw_yaml(files: Mapping[str, Path | bytes], folder: str | None = None) -> str:
    """Return a `raw.yaml` that names a person's own files by their digests, or their folder."""
    if folder is not None:
        said = "# Your own folder: a copy was kept when the task was made.\n"
        named = {"folder": folder, "page": "your own folder"}
        return said + yaml_text(named)
    entries = []
    for name, file in files.items():
        if isinstance(file, bytes):
            digest = hashlib.sha256(file).hexdigest()
        else:
            with given.opened(file) as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        own = {"licence": "your own", "page": "your own file"}
        entries.append({"name": name, "url": None, "sha256": digest, **own})
    said = "# Your own files: a copy was kept when the task was made, and its digest decides.\n"
    return said + yaml_text({"files": entries})


def yaml_text(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def script_file(text: str) -> File:
    # A command line is bytes, and may name what no text can hold.
    return File(content=text.encode("utf-8", errors="backslashreplace"), mode=REGULAR)


def notes() -> dict[str, File]:
    """Return the note files, as the tasks of the project have them."""
    shipped = paths.template("tabular")
    return {path: shipped[path] for path in NOTES}


def executable(text: str) -> File:
    return File(content=text.encode(), mode=EXECUTABLE)


def write(task: NewTask, downloads: Path) -> list[Path]:
    """Write the three parts and keep a copy of the raw files; return what a person looks at."""
    parse_policy(task.policy, f"policies/{task.name}.yaml")
    policy, harness, template = _places(task.name)
    for folder in (harness, template):
        shutil.rmtree(folder, ignore_errors=True)
    write_files(harness, task.harness)
    write_files(template, task.template)
    for name, source in task.raw.items():
        (downloads / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            (downloads / name).write_bytes(source)
        else:
            shutil.copyfile(source, downloads / name)
    policy.write_text(task.policy, encoding="utf-8")  # last: a task is there once its policy is
    return [policy, harness, template]


def write_parts(name: str, policy: str, template: Mapping[str, File]) -> list[Path]:
    """Write the policy and the template of a task that needs no harness; return where they are."""
    parse_policy(policy, f"policies/{name}.yaml")
    path, _, folder = _places(name)
    shutil.rmtree(folder, ignore_errors=True)
    write_files(folder, template)
    path.write_text(policy, encoding="utf-8")  # last: a task is there once its policy is
    return [path, folder]


def write_files(folder: Path, files: Mapping[str, File] | Mapping[str, str]) -> None:
    """Write files below a folder, which is made where it is not there."""
    for name, each in files.items():
        path, file = folder / name, script_file(each) if isinstance(each, str) else each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode & 0o777)
