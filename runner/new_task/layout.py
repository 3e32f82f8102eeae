"""A new task as files, and putting them where its three parts are: tried first, never over others.

What this does not protect against: a data set that gives its targets away by its content.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from string import Template

import yaml

from runner import given, paths
from runner.errors import ConfigError, SandboxError
from runner.policy.load import load_policy, parse_policy
from runner.policy.schema import SLUG
from runner.records import EXECUTABLE, REGULAR, File

TEMPLATES = Path(__file__).parent / "templates"
TRY_SECONDS = 600.0
NOTES = ("LEARNING.md", "scratchpad.md")
"""What every task gives its agent to write in."""
RUN_SH = b"""#!/bin/sh
# run.sh train | run.sh predict rows
#   -u  lines appear as they are printed
#   -P  imports come from the installed packages, the kit and, last, this folder
PYTHONPATH="$PYTHONPATH:/workspace" exec python -u -P "$(dirname "$0")/%s" "$@"
"""


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """What will be written."""

    name: str
    policy: str
    harness: Mapping[str, str]
    """Path below the task's folder in the harness → text."""
    template: Mapping[str, File]
    """Path below the task's folder in `workspace-template` → file."""
    raw: Mapping[str, Path] = field(default_factory=dict)
    """Name below `/raw` → the person's own file, of which a copy is kept."""


def blank(name: str) -> NewTask:
    """Return a skeleton that runs as it is: `TODO` marks what is to be replaced."""
    policy = filled(
        "policy.yaml",
        task=name,
        leak="# TODO: say where one split's training targets are another's evaluation targets, if "
        "they are.",
        metric="error",
        direction="minimize",
        mutable="train.py",
        notes=", ".join(NOTES),
        imports="__future__, dataclasses, functools, itertools, kit, math, numpy, sys, typing",
        image="cpu",
        splits="train",
        audit="train",
        shared="false",
        max_information="16_000",
    )
    program = filled(
        "program.md",
        task=name,
        about="TODO: what is optimised, on which data.",
        goal="TODO: which number, which way is better, and what the template has.",
        mutable="`train.py`",
    )
    template = {
        "program.md": script_file(program),
        "run.sh": run_sh("train.py"),
        "train.py": script_file(filled("blank_train.py")),
        **notes(),
    }
    harness = {"task.py": filled("blank_task.py")}
    return NewTask(name=name, policy=policy, harness=harness, template=template)


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
    if (paths.task_harness(name) / "task.py").is_file():
        return True
    path = paths.policy_path(name)
    return path.is_file() and load_policy(path).policy.self_reported


def _places(name: str) -> tuple[Path, Path, Path]:
    template = paths.PROJECT / "workspace-template" / name
    return paths.policy_path(name), paths.task_harness(name), template


def filled(template: str, **words: str) -> str:
    """Return one of our texts with its `$words` filled in."""
    return Template((TEMPLATES / f"{template}.in").read_text(encoding="utf-8")).substitute(words)


def raw_yaml(files: Mapping[str, Path]) -> str:
    """Return a `raw.yaml` that names a person's own files by their digests."""
    entries = []
    for name, path in files.items():
        with given.opened(path) as stream:
            digest = file_digest(stream, "sha256").hexdigest()
        own = {"licence": "your own", "page": "your own file"}
        entries.append({"name": name, "url": None, "sha256": digest, **own})
    said = "# Your own files: a copy was kept when the task was made, and its digest decides.\n"
    return said + yaml.safe_dump({"files": entries}, sort_keys=False)


def script_file(text: str) -> File:
    # A command line is bytes, and may name what no text can hold.
    return File(content=text.encode("utf-8", errors="backslashreplace"), mode=REGULAR)


def notes() -> dict[str, File]:
    """Return the note files, as the tasks of the project have them."""
    shipped = paths.template("tabular")
    return {path: shipped[path] for path in NOTES}


def run_sh(script: str) -> File:
    return File(content=RUN_SH % script.encode(), mode=EXECUTABLE)


def try_data(task: NewTask, *, source: Path) -> list[str]:
    """Build the data in memory, with the harness as it will be, and return the public splits.

    Raises:
        ConfigError: the data are not what the task needs; `source` is what the person named.
    """
    with tempfile.TemporaryDirectory() as folder:
        harness, raw = Path(folder) / "harness", Path(folder) / "raw"
        shutil.copytree(paths.PROJECT / "harness", harness)
        _write(harness / "tasks" / paths.task_harness(task.name).name, task.harness)
        raw.mkdir()
        for name, path in task.raw.items():
            (raw / name).symlink_to(path.resolve())
        try:
            done = subprocess.run(
                [sys.executable, "-I", harness, "try", task.name, "--raw", raw],
                capture_output=True,
                text=True,
                timeout=TRY_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            took = f"it took longer than {TRY_SECONDS:g} s to read"
            raise ConfigError(f"{source}: {took}") from error
    try:
        said = json.loads(done.stdout)
    except ValueError:
        raise SandboxError(f"trying the data failed: {done.stderr[-2000:]}") from None
    if "problem" in said:
        raise ConfigError(f"{source}: {said['problem']}")
    return [str(split) for split in said["splits"]]


def write(task: NewTask, downloads: Path) -> list[Path]:
    """Write the three parts and keep a copy of the raw files; return what a person looks at."""
    parse_policy(task.policy, f"policies/{task.name}.yaml")
    policy, harness, template = _places(task.name)
    for folder in (harness, template):
        shutil.rmtree(folder, ignore_errors=True)
    _write(harness, task.harness)
    _write(template, task.template)
    for name, source in task.raw.items():
        downloads.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, downloads / name)
    policy.write_text(task.policy, encoding="utf-8")  # last: a task is there once its policy is
    return [policy, harness, template]


def write_parts(name: str, policy: str, template: Mapping[str, File]) -> list[Path]:
    """Write the policy and the template of a task that needs no harness; return where they are."""
    parse_policy(policy, f"policies/{name}.yaml")
    path, _, folder = _places(name)
    shutil.rmtree(folder, ignore_errors=True)
    _write(folder, template)
    path.write_text(policy, encoding="utf-8")  # last: a task is there once its policy is
    return [path, folder]


def _write(folder: Path, files: Mapping[str, File] | Mapping[str, str]) -> None:
    for name, each in files.items():
        path, file = folder / name, script_file(each) if isinstance(each, str) else each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode & 0o777)
