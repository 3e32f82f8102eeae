"""Imports point one way, and where they must not point at all they do not: see pyproject.toml."""

from __future__ import annotations

import subprocess
import sys

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from runner.paths import PROJECT


@pytest.mark.slow
def test_the_architecture_is_the_one_that_pyproject_says(monkeypatch):
    monkeypatch.chdir(PROJECT)
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS


HEAVY = ("docker", "numpy", "optuna", "pydantic", "requests", "rich", "structlog", "yaml")


@pytest.mark.parametrize(
    "module",
    [
        "runner.cli",
        "runner.commands.run",
        "runner.commands.status",
        "runner.views.reading",
        "runner.views.summary",
        "runner.agents",
    ],
)
def test_what_every_start_imports_is_light(module):
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(HEAVY) & set(loaded) == set()


@pytest.mark.slow
def test_importing_does_nothing(tmp_path):
    """No file appears, and nothing is printed, by importing all there is."""
    program = (
        "import pkgutil, importlib, runner\n"
        "for each in pkgutil.walk_packages(runner.__path__, 'runner.'):\n"
        "    if not each.name.endswith('__main__'):\n"
        "        importlib.import_module(each.name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=True, capture_output=True, cwd=tmp_path, env={"RUNNER_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (b"", b"")
    assert list(tmp_path.iterdir()) == []
