"""The front page and the tutorial, word for word: each command prints what the page shows of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from homes import Home, copied_project, decides_on_one_trial

from runner.paths import PROJECT

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

SOMETHING = "..."
FOLDS = re.compile(r"\bsplits: \[fold0, .*\]")
SHOWN = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def commands(page: str) -> list[tuple[str, list[str]]]:
    """Return each command of a page, and the lines that are shown below it."""
    blocks = re.findall(
        r"^```console\n((?:.*\n)*?)```$", (PROJECT / page).read_text(), re.MULTILINE
    )
    return [
        (command, output.splitlines())
        for block in blocks
        for command, output in SHOWN.findall(block)
    ]


def is_shown(line: str, output: list[str]) -> bool:
    """Whether a line was printed; dots at its end stand for a number."""
    wanted = line.strip()
    if wanted.endswith(SOMETHING):
        return any(said.strip().startswith(wanted.removesuffix(SOMETHING)) for said in output)
    return wanted in (said.strip() for said in output)


def clone(root: Path) -> Path:
    """A copy of the project, with a `.venv` that `make` finds ready: this Python's."""
    copied_project(root)
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(PROJECT / name, root / name)
    for name in ("projects", "examples"):
        shutil.copytree(PROJECT / "docs" / name, root / "docs" / name)
    programs = root / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("runner", "pip"):
        program = programs / name
        start = f'exec {sys.executable} -m {name} "$@"'
        program.write_text(f"#!/bin/sh\n{start}  # {programs}/python\n")
        program.chmod(0o755)
    (programs / "python").symlink_to(sys.executable)
    (root / ".venv" / ".runtime").touch()
    return root


def shorten(root: Path) -> None:
    """Let a run of a task that was just written take one trial, and that one split."""
    for name in ("rings", "wards"):
        policy = root / "policies" / f"{name}.yaml"
        if policy.exists():
            decides_on_one_trial(policy)
            policy.write_text(FOLDS.sub("splits: [fold0]", policy.read_text()))


@pytest.mark.parametrize(("page", "count"), [("README.md", 4), ("docs/tutorial.md", 4)])
def test_every_command_works_and_prints_what_the_page_shows(page, count, tmp_path):
    root = clone(tmp_path / "project")
    home = Home(tmp_path / "home", project=root)
    environment = home.environment | {"PATH": f"{root}/.venv/bin:{home.environment['PATH']}"}
    shown = commands(page)
    assert len(shown) == count
    try:
        for command, wanted in shown:
            line = command.replace("/tmp/", f"{tmp_path}/")
            done = subprocess.run(
                ["sh", "-c", line], cwd=root, env=environment,
                capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            output = done.stdout.splitlines()
            for each in wanted:
                assert each == SOMETHING or is_shown(each, output), f"{each!r}: {done.stdout}"
            shorten(root)
    finally:
        home.sweep()
