"""`/autoresearch [tag]` in the real Claude Code, as a person types it, against a scripted model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from fakes import TAG, make_session
from messages_server import calls, says, serving, tool_use

from runner.agents import programs
from runner.paths import PROJECT

pytestmark = pytest.mark.claude_code

CLIENT = programs.folder() / programs.below(programs.CLAUDE_CODE)
DRIVER = PROJECT / "tests" / "agents_mcp" / "stdio_driver.py"
WIDER = {"path": "train.py", "old": "WIDTH = 32", "new": "WIDTH = 64"}
OURS = "mcp__autoresearch__"
TURNS = (
    calls(tool_use("ToolSearch", query=f"select:{OURS}get_task,{OURS}propose_experiment")),
    calls(tool_use(f"{OURS}get_task", tag=TAG)),
    calls(tool_use(f"{OURS}propose_experiment", hypothesis="wider", edits=[WIDER])),
    says("exp 1 was kept"),
)


@pytest.fixture
def project(tmp_path):
    """A folder with the command, and with the server of a run without an engine."""
    assert CLIENT.exists(), f"there is no {CLIENT}: type make test, which installs it"
    folder = tmp_path / "project"
    shutil.copytree(PROJECT / ".claude", folder / ".claude")
    server = {
        "type": "stdio",
        "command": sys.executable,
        "args": [str(DRIVER), str(tmp_path)],
        "env": {"RUNNER_HOME": str(tmp_path / "state"), "PYTHONPATH": str(PROJECT)},
    }
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"autoresearch": server}}))
    return folder


def typed(project, words: str, url: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    environment |= {
        "HOME": str(project.parent),
        "ANTHROPIC_API_KEY": "any",
        "ANTHROPIC_BASE_URL": url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    options = ["--mcp-config", ".mcp.json", "--strict-mcp-config", "--permission-mode", "dontAsk"]
    return subprocess.run(
        [CLIENT, "-p", words, *options, "--output-format", "json"],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
    )


def test_the_command_creates_the_run_of_its_tag_and_runs_experiments(project):
    turns = iter(TURNS)

    def reply(request):
        told = b"You are the researcher of an autonomous run" in request.raw
        return next(turns) if told else says("ok")

    with serving(reply) as model:
        done = typed(project, f"/autoresearch {TAG}", model.url)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["result"], result["permission_denials"]) == ("exp 1 was kept", [])
    assert f'Tag: "{TAG}"'.encode() in model.requests[-1].raw.replace(b"\\", b"")
    with make_session(project.parent, None) as session:
        assert [found.status for found in session.history] == ["kept", "kept"]
        assert session.history[1].hypothesis == "wider"
