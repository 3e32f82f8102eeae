from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import runner
from runner import cli as module
from runner import commands, errors
from runner.cli import VERBS, cli
from runner.errors import FAULT, RunnerError
from runner.journal.store import open_journal


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


# -- help -------------------------------------------------------------------------------------


def test_help_lists_every_verb_with_what_it_does():
    shown = " ".join(invoke("--help").output.split())
    for verb, does in VERBS.items():
        assert f"{verb} {does}" in shown


def test_every_command_there_is_is_a_verb():
    names = {each.name for each in pkgutil.iter_modules(commands.__path__)}
    assert names == {verb.replace("-", "_") for verb in VERBS}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb):
    result = invoke(verb, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: cli {verb}")
    command = importlib.import_module(f"runner.commands.{verb.replace('-', '_')}").command
    assert command.name == verb
    assert command.help


def every_command() -> list[click.Command]:
    modules = [f"runner.commands.{verb.replace('-', '_')}" for verb in VERBS]
    found = [importlib.import_module(module).command for module in modules]
    below = [
        sub for each in found if isinstance(each, click.Group) for sub in each.commands.values()
    ]
    return found + below


@pytest.mark.parametrize("command", every_command(), ids=lambda command: str(command.name))
def test_every_option_says_what_it_does(command):
    assert command.help
    silent = [
        each.name for each in command.params if isinstance(each, click.Option) and not each.help
    ]
    assert silent == []


def test_the_version_is_told():
    assert runner.__version__ in invoke("--version").output


# -- errors -----------------------------------------------------------------------------------


def kinds() -> list[type[RunnerError]]:
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, RunnerError)
    ]


def test_every_kind_of_error_has_an_exit_code_of_its_own():
    codes = [each.exit_code for each in kinds()]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes


def test_a_more_special_error_elsewhere_ends_like_its_kind():
    """Modules may name their errors; the exit codes are those of `errors.py`, and of `audit`."""
    for each in pkgutil.walk_packages(runner.__path__, "runner."):
        if not each.name.endswith("__main__"):
            importlib.import_module(each.name)
    known = {each.exit_code for each in kinds()}
    assert {each.exit_code for each in descendants(RunnerError)} <= known


def descendants(kind: type[RunnerError]) -> list[type[RunnerError]]:
    return [kind] + [each for sub in kind.__subclasses__() for each in descendants(sub)]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("hint", ["", "run: runner doctor"])
def test_an_expected_failure_is_a_message_a_hint_and_its_exit_code(kind, hint, monkeypatch):
    @click.command("fail")
    def fail() -> None:
        raise kind("it did not work", hint=hint)

    monkeypatch.setattr(module.Group, "get_command", lambda *_: fail)
    result = invoke("fail")
    assert result.exit_code == kind.exit_code
    assert (
        result.stderr
        == f"error: it did not work\n{f' hint: {hint}' if hint else ''}".rstrip() + "\n"
    )
    assert result.stdout == ""


def test_a_bug_keeps_its_traceback(monkeypatch):
    @click.command("fail")
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module.Group, "get_command", lambda *_: fail)
    result = invoke("fail")
    assert result.exit_code == FAULT
    assert "ZeroDivisionError" in result.stderr


ASKING = [
    *(("status",), ("status", "t9"), ("show", "0"), ("export", "t9"), ("list", "t9"), ("list",)),
    *(("audit",), ("audit", "t9")),
]


@pytest.mark.parametrize("journal", ["none", "empty"])
@pytest.mark.parametrize("arguments", ASKING)
def test_before_the_first_run_the_way_to_it_is_told(arguments, journal, tmp_path):
    if journal == "empty":  # `runner clean` makes one, say
        with open_journal(tmp_path / "journal.sqlite"):
            pass
    result = invoke(*arguments)
    assert result.exit_code == errors.ConfigError.exit_code
    assert result.stderr.startswith("error: there are no runs yet\n hint: ")


def test_asking_creates_nothing(tmp_path):
    for verb in ("status", "list", "export"):
        invoke(verb)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("run",),
        ("run", "eclip", "--resume", "t1"),
        ("run", "eclip", "--experiments", "-1"),
        ("run", "eclip", "--policy", "/nothing.yaml"),
        ("show",),
        ("show", "-1"),
        ("status", "--unknown"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_before_anything_happens(arguments, tmp_path):
    assert invoke(*arguments).exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "code", "told"),
    [
        pytest.param("runner policy schema >/dev/full", 3, "free some of the disk", id="full"),
        pytest.param("runner policy schema 1</dev/null", 0, "", id="not for writing"),
        pytest.param("runner status 2>/dev/full", 2, "", id="nowhere to complain"),
        pytest.param(
            "mkdir gone; cd gone; rmdir ../gone; runner audit --base x", 3, "change to", id="gone"
        ),
    ],
)
def test_what_a_shell_leaves_a_program_in_ends_it_with_its_code_and_no_traceback(
    script, code, told, tmp_path
):
    prelude = f'runner() {{ "{sys.executable}" -m runner "$@"; }}; '
    environment = os.environ | {"PYTHONPATH": str(Path(runner.__file__).parents[1])}
    done = subprocess.run(
        ["bash", "-c", prelude + script],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert told in done.stderr
