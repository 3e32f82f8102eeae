"""The real Claude Code and the real Codex in containers of their own, before scripted models.

Each looks at data, edits, tries its code, proposes, is refused, mends, and is kept.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import messages_server
import pytest
import responses_server
import yaml
from messages_server import calls, says, tool_use
from responses_server import Says, Shell

from runner import paths
from runner.agents import programs
from runner.paths import State
from runner.scheduler import run_loop
from runner.session import Person
from runner.start import Request, at_work

pytestmark = [pytest.mark.docker, pytest.mark.claude_code, pytest.mark.timeout(300)]

KEY = "sk-a-key-that-nobody-may-see"
LOOK = "python -c \"import numpy; print('circles', numpy.load('/data/circles.npy'))\"; id -un"
WIDER = "sed -i 's/^MARGIN = 1e-12/MARGIN = 0.02/' train.py"
IMPORTS = "echo 'import os' >> train.py"
MENDS = "sed -i '/^import os$/d' train.py"
TRY = "RUNNER_TRAIN_SECONDS=0.5 sh run.sh train && ls /outputs"
WORDS = json.dumps({"hypothesis": "a wider margin", "category": "margin", "expectation": "less"})
WRITE = f"echo '{WORDS}' > proposal.json"


@pytest.fixture(scope="module")
def packing(home, tmp_path_factory):
    """Packing the other way round: a wider margin is a smaller sum, and is kept."""
    for package in (programs.CLAUDE_CODE, programs.CODEX):
        assert package in programs.here(), "type make test, which fetches it"
    home.ok("prepare", "packing")
    document = yaml.safe_load(paths.policy_path("packing").read_text())
    document["metric"]["direction"] = "minimize"
    document["budget"] |= {"startup": "20s", "train": "1s"}
    document["decision"] = {"rule": "strict", "most_trials": 1, "min_gain": 0.0001}
    path = tmp_path_factory.mktemp("policy") / "packing.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@contextmanager
def conducted(home, policy, agent, monkeypatch, **environment):
    """Yield what one experiment of an agent came to."""
    for name, value in {"RUNNER_LOCKS": home.environment["RUNNER_LOCKS"], **environment}.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    request = Request(task="packing", tag=f"boxed-{agent}", agent=agent, policy=policy)
    with at_work(State(home.path), request, Person(say=said.append)) as work:
        run_loop(work.session, *work.agents, experiments=1)
        yield work.session, said
    found = [path for path in Path(home.path).rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in found), "the key is in no file"


def check(session, said, tag):
    [kept] = session.history[1:]
    assert kept.status == "kept", kept
    assert kept.hypothesis == "a wider margin"
    assert kept.origin.isolation == "contained"
    assert kept.origin.returned == 1
    assert b"MARGIN = 0.02" in session.workspace.loaded(kept.changes)[0].content
    [box] = session.journal.boxes(tag)
    assert box.experiment == 1
    assert 0 < box.cpu_seconds < 60
    assert session.journal.spent(tag) > 0
    assert any("training rows" in each and "circles" not in each for each in said)


def test_claude_code_looks_edits_tries_is_refused_mends_and_is_kept(home, packing, monkeypatch):
    margins = {"old_string": "MARGIN = 1e-12", "new_string": "MARGIN = 0.02"}
    edit = tool_use("Edit", file_path="/workspace/train.py", **margins)
    turns = [
        bash(LOOK),
        calls(tool_use("Read", file_path="/workspace/train.py")),
        calls(edit),
        bash(TRY),
        bash(f"{IMPORTS}; {WRITE}; run_experiment"),
        bash(f"{MENDS}; run_experiment"),
    ]

    def script(request):
        assert KEY not in request.raw.decode()
        assert request.headers["x-api-key"] == KEY
        return turns.pop(0) if turns else says("there is no more")

    with (
        messages_server.serving(script) as server,
        conducted(
            home, packing, "claude-code", monkeypatch,
            ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=server.url,
        ) as (session, said),
    ):  # fmt: skip
        check(session, said, "boxed-claude-code")
    looked, _, _, tried, refused = told(server.requests[-1])
    assert "circles 26" in looked
    assert "agent" in looked
    assert "centers.npy" in tried
    assert "import-not-allowed" in refused
    assert turns == []


def bash(command):
    return calls(tool_use("Bash", command=f"cd /workspace; {command}", description="as I do"))


def told(request):
    """Return what the tools said, in the order in which they were asked."""
    contents = [
        each["content"] for each in request.messages if not isinstance(each["content"], str)
    ]
    blocks = {
        block["tool_use_id"]: json.dumps(block["content"])
        for content in contents
        for block in content
        if block["type"] == "tool_result"
    }
    return list(blocks.values())


def test_codex_looks_edits_tries_is_refused_mends_and_is_kept(home, packing, monkeypatch):
    answers: list[str] = []
    commands = [LOOK, WIDER, TRY, f"{IMPORTS}; {WRITE}; run_experiment", f"{MENDS}; run_experiment"]

    def script(body):
        answers.append(responses_server.output(body))
        return Shell(commands.pop(0)) if commands else Says("there is no more")

    with (
        responses_server.serving(script) as server,
        conducted(
            home, packing, "codex", monkeypatch, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url
        ) as (session, said),
    ):
        check(session, said, "boxed-codex")
    assert all(each["authorization"] == f"Bearer {KEY}" for each in server.headers)
    _, looked, _, tried, refused = answers
    assert "circles 26" in looked
    assert "centers.npy" in tried
    assert "import-not-allowed" in refused
    assert commands == []
