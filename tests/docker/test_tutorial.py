"""The tutorial, word for word: each command works, and prints what the page shows of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from homes import Home, copied_project

from runner.paths import PROJECT

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

PAGE = PROJECT / "docs" / "tutorial.md"
SOMETHING = "..."


def blocks() -> list[tuple[str, list[str]]]:
    """Return each command of the page, and the lines that are shown below it."""
    shown = re.findall(r"^```console\n\$ (.*)\n((?:.*\n)*?)```$", PAGE.read_text(), re.MULTILINE)
    return [(command, output.splitlines()) for command, output in shown]


def is_shown(line: str, output: list[str]) -> bool:
    """Whether a line was printed; dots at its end stand for a number."""
    wanted = line.strip()
    if wanted.endswith(SOMETHING):
        return any(said.strip().startswith(wanted.removesuffix(SOMETHING)) for said in output)
    return wanted in (said.strip() for said in output)


def test_every_command_works_and_prints_what_the_page_shows(tmp_path, tmp_path_factory):
    root = copied_project(tmp_path_factory.mktemp("project"))
    shutil.copytree(PROJECT / "docs" / "projects", root / "docs" / "projects")
    home = Home(tmp_path_factory.mktemp("tutorial-home"), project=root)
    program = tmp_path / "runner"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m runner "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{home.environment['PATH']}"
    try:
        assert len(blocks()) == 4
        for command, shown in blocks():
            line = command.replace("/tmp/", f"{tmp_path}/")
            done = subprocess.run(
                ["sh", "-c", line], cwd=root, env={**home.environment, "PATH": path},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            output = done.stdout.splitlines()
            for each in shown:
                assert each == SOMETHING or is_shown(each, output), f"{each!r}: {done.stdout}"
        assert Path(root / "workspace-template" / "rings-sealed" / "predict.py").is_file()
    finally:
        home.sweep()
