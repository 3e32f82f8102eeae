"""A person's own Claude Code seals a project: the real client against a scripted model."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys

import pytest
from messages_server import calls, says, serving, tool_use

from runner.agents.claude_code.launch import SWITCHES
from runner.agents.programs import CLAUDE_CODE, below, require
from runner.paths import PROJECT
from tests.docker.homes import Home, copied_project

pytestmark = [pytest.mark.claude_code, pytest.mark.docker]

TRAIN = """
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression

def load(path):
    table = pd.read_csv(path)
    y = table.pop("good")
    return table[:100], table[100:], y[:100], y[100:]

a, b, c, d = load("wine.csv")
model = LogisticRegression().fit(a, c)
joblib.dump(model, "model.joblib")
print("accuracy:", model.score(b, d))
"""
PREDICT = """import joblib


def predict(rows):
    return joblib.load("model.joblib").predict(rows)
"""


@pytest.fixture
def copy(tmp_path):
    """A copy of the runner with an adopted project, as a person has it who opens Claude Code."""
    (tmp_path / "project").mkdir()
    copy = Home(tmp_path / "home", project=copied_project(tmp_path / "project"))
    shutil.copytree(PROJECT / ".claude", copy.project / ".claude")
    program = copy.project / ".venv" / "bin" / "runner"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m runner "$@"\n')
    program.chmod(0o755)
    theirs = tmp_path / "wine"
    theirs.mkdir()
    (theirs / "train.py").write_text(TRAIN)
    draw = random.Random(1)  # noqa: S311 - rows, no secret
    rows = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(240)]
    lines = [
        f"{a:.4f},{b:.4f},{'yes' if a + b + draw.gauss(0, 0.5) > 0 else 'no'}" for a, b in rows
    ]
    (theirs / "wine.csv").write_text("\n".join(["acid,sugar,good", *lines]) + "\n")
    copy.ok("adopt", str(theirs), "--metric", "accuracy: {}", "--maximize", "--yes")
    yield copy
    copy.sweep()


def results(request) -> list[str]:
    """What came back from the tools so far."""
    blocks = [
        block
        for message in request.messages
        if message["role"] == "user" and not isinstance(message["content"], str)
        for block in message["content"]
        if block["type"] == "tool_result"
    ]
    said = [block["content"] for block in blocks]
    return [one if isinstance(one, str) else "".join(each["text"] for each in one) for one in said]


def test_it_follows_the_brief_and_ends_with_the_check_that_the_brief_names(copy, tmp_path):
    predict = str(copy.project / "workspace-template" / "wine-sealed" / "predict.py")

    def bash(command):
        return tool_use("Bash", command=f".venv/bin/runner {command}", timeout=600_000)

    steps = [
        bash("seal wine --brief"),
        bash("seal wine --as wine-sealed"),
        tool_use("Read", file_path=predict),
        tool_use("Write", file_path=predict, content=PREDICT),
        bash("task check wine-sealed --json --no-cheats --quick"),
    ]

    def model(request):
        if not request.body.get("tools"):
            return says("a title")
        done = len(results(request))
        return calls(steps[done]) if done < len(steps) else says("sealed")

    with serving(model) as server:
        connection = {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": "sk-ant-none"}
        done = subprocess.run(
            [require(CLAUDE_CODE) / below(CLAUDE_CODE), "--print", "/seal-task wine"],
            cwd=copy.project,
            env={**copy.environment, **SWITCHES, **connection, "HOME": str(tmp_path)},
            capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "sealed"
    told = results(server.requests[-1])
    assert "task check wine-sealed --json" in told[0]
    assert "predict.py is yours to write: load() of train.py parts the rows by itself" in told[1]
    found = json.loads(told[-1][told[-1].index("{") :])  # what goes on is told before it
    assert found["missing"] == found["wrong"] == []
    assert found["fine"], found
    assert found["template"]["score"] == pytest.approx(found["reported"]["score"], abs=0.2)
