"""The workflows of `docs/ci.md`: what they may do, and what their steps do to a real repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import POLICY_TEXT

from runner.audit.pull_request import audit_changes
from runner.cli import VERBS
from runner.commands.audit import command as audit_command
from runner.paths import PROJECT

FOLDER = PROJECT / "docs" / "examples" / "workflows"
FILES = ("audit.yml", "audit-comment.yml")
TRAIN = "workspace-template/eclip/train.py"
HOSTILE = "0\n```\n    @everyone [here](evil.example) <!-- \u202e"
"""A file's name."""
GH = """\
#!/bin/sh
printf '%s\\n' "$*" >> gh.log
case "$*" in
    *"/pulls "*) echo 7 ;;
    *"GET"*"/comments"*) cat known ;;
    *"body=@body.md"*) cp body.md posted.md ;;
esac
"""


def read(name: str) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load((FOLDER / name).read_text())
    return found


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in read(name)["jobs"].values() for step in job["steps"]]


def script(name: str, step: str) -> str:
    [found] = [each["run"] for each in steps(name) if each.get("name") == step]
    return str(found)


# -- what they may do -------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_nothing_that_somebody_else_wrote_becomes_part_of_a_shell_line(name):
    assert [each["run"] for each in steps(name) if "${{" in each.get("run", "")] == []


@pytest.mark.parametrize("name", FILES)
def test_no_secret_is_named_and_every_action_is_an_official_one_of_a_fixed_version(name):
    assert "secrets." not in (FOLDER / name).read_text()
    assert "pull_request_target" not in (FOLDER / name).read_text()
    for used in (each["uses"] for each in steps(name) if "uses" in each):
        assert re.fullmatch(r"actions/[a-z-]+@(v\d+|[0-9a-f]{40})", used)
    checkouts = [
        each for each in steps(name) if each.get("uses", "").startswith("actions/checkout")
    ]
    assert all(each["with"]["persist-credentials"] is False for each in checkouts)


def test_who_looks_at_the_change_writes_nothing_and_who_writes_does_not_see_it():
    assert read("audit.yml")["permissions"] == {"contents": "read"}
    commenting = read("audit-comment.yml")
    assert commenting["permissions"] == {}
    assert commenting[True] == {"workflow_run": {"workflows": ["audit"], "types": ["completed"]}}
    jobs = commenting["jobs"]
    assert jobs["audit"]["permissions"] == {"contents": "read"}
    assert jobs["comment"]["permissions"] == {"pull-requests": "write"}
    assert not any("checkout" in each.get("uses", "") for each in jobs["comment"]["steps"])
    assert read("audit.yml")["name"] == "audit"


@pytest.mark.parametrize("name", FILES)
def test_what_they_call_of_the_runner_is_there(name):
    options = {option for each in audit_command.params for option in each.opts}
    called = re.findall(
        r"\brunner ([a-z-]+) (--[a-z-]+)", "".join(each.get("run", "") for each in steps(name))
    )
    assert called == [("audit", "--base")]
    assert "audit" in VERBS
    assert "--base" in options
    install = script(name, "install")
    for path in re.findall(r"trusted/(\S+)", install):
        assert (PROJECT / path).is_file()


# -- what their steps do ----------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where the steps run: a checked out change beside nothing of ours."""

    root: Path
    base: str

    def run(self, name: str, step: str, folder: str = "", **variables: str) -> int:
        path = f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-c", script(name, step)], cwd=self.root / folder,
            env={"PATH": path, "HOME": str(self.root), "BASE": self.base, **variables},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return done.returncode

    def body(self) -> str:
        assert self.run("audit-comment.yml", "audit") == 0
        return (self.root / "body.md").read_text()

    def audited(self) -> list[str]:
        return audit_changes(self.root / "change", self.base).lines


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a place where the change has edited what it may, and nothing is committed yet."""
    change, programs = tmp_path / "change", tmp_path / "bin"
    for path, text in (("policies/eclip.yaml", POLICY_TEXT), (TRAIN, "first\n"), ("kept", "x\n")):
        (change / path).parent.mkdir(parents=True, exist_ok=True)
        (change / path).write_text(text)
    git(change, "init", "--quiet", "--initial-branch=main")
    base = commit(change)
    (change / TRAIN).write_text("second\n")
    programs.mkdir()
    ours = f'#!/bin/sh\nPYTHONPATH={PROJECT} exec {sys.executable} -P -m runner "$@"\n'
    for name, text in (("runner", ours), ("gh", GH)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return Place(tmp_path, base)


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(
        ["git", *settings, *words], cwd=folder, env=environment, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.slow
def test_a_clean_change_passes_and_the_comment_says_so(place):
    commit(place.root / "change")
    [line] = place.audited()
    said = "The audit finds nothing that an agent may not change."
    assert place.body() == f"<!-- runner audit -->\n{said}\n\n    {line}\n"


@pytest.mark.slow
def test_a_violation_fails_the_check_and_the_comment_shows_it_as_code_alone(place):
    change = place.root / "change"
    (change / HOSTILE).write_text("x")
    (change / "kept").unlink()
    for number in range(150):
        (change / f"{number:04d}-{'é' * 9}").write_text("x")
    commit(change)
    assert place.run("audit.yml", "audit", "change") == 1
    lines = place.audited()
    code = "".join(f"    {line[:500]}\n" for line in lines[:100])
    said = "The audit finds changes that an agent may not make."
    cut = f"\nThe first 100 of {len(lines)} lines.\n"
    body = place.body()
    assert body == f"<!-- runner audit -->\n{said}\n\n{code}{cut}"
    assert "evil.example" in body
    for known, method, target in (
        ("", "POST", "repos/o/r/issues/7/comments"),
        ("99\n", "PATCH", "repos/o/r/issues/comments/99"),
    ):
        (place.root / "known").write_text(known)
        variables = {"REPOSITORY": "o/r", "OWNER": "a", "BRANCH": "$(touch pwned)", "SHA": "1" * 40}
        assert place.run("audit-comment.yml", "comment", **variables) == 0
        calls = (place.root / "gh.log").read_text().splitlines()
        assert calls[-1] == f"api --silent --method {method} {target} -F body=@body.md"
        assert any("head=a:$(touch pwned)" in each for each in calls)
        assert (place.root / "posted.md").read_text() == body
    assert not (place.root / "pwned").exists()


@pytest.mark.slow
def test_where_nothing_can_be_checked_the_comment_says_so(place):
    body = Place(place.root, "no-such-branch").body()
    assert "The audit could not check this.\n\n    error: " in body
