"""Whole runs of `boxed:`: the agent of the documentation in containers, its model scripted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import chat_server
import pytest
import yaml
from chat_server import Says, Shell

from runner import engines, paths
from runner.paths import PROJECT, State
from runner.sandbox.staging import memory_root

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

KEY = "sk-company-key-that-nobody-may-see"
AGENT = "boxed:python /box/agents/agent.py"
FORBIDDEN = "echo 'import os' >> train.py"
MENDED = "sed -i '/^import os$/d' train.py"
LOOKS = "cat /data/circles.npy | wc -c; env; cat /proc/self/environ | tr '\\0' '\\n'"


def margin(value: str) -> str:
    return f"sed -i 's/^MARGIN = .*/MARGIN = {value}/' train.py"


def words(hypothesis: str) -> str:
    said = {"hypothesis": hypothesis, "category": "margin", "takeaway": "wider is less"}
    return f"echo '{json.dumps(said)}' > proposal.json"


REFUSED = (FORBIDDEN, words("with os"))
SESSIONS: tuple[tuple[str, ...], ...] = (
    (LOOKS, margin("0.02"), f"{words('wider')}; run_experiment"),
    (margin("0.001"), words("narrower")),
    (
        margin("0.04"), f"{FORBIDDEN}; {words('wider still')}; run_experiment",
        f"{MENDED}; run_experiment",
    ),
    REFUSED, REFUSED, REFUSED, REFUSED,
)  # fmt: skip
"""What the model says in each conversation; the fourth proposal comes back three times."""


@pytest.fixture(scope="module")
def prepared(home, tmp_path_factory):
    """Packing the other way round, as a policy, and the agent's folder."""
    home.ok("prepare", "packing")
    document = yaml.safe_load(paths.policy_path("packing").read_text())
    document["metric"]["direction"] = "minimize"
    document["budget"] |= {"startup": "20s", "train": "1s"}
    document["decision"] = {"rule": "strict", "most_trials": 1, "min_gain": 0.0001}
    folder = tmp_path_factory.mktemp("boxed")
    (folder / "packing.yaml").write_text(yaml.safe_dump(document))
    return folder


class Model:
    """Plays one session after the other: a conversation begins with the brief alone."""

    def __init__(self, sessions: tuple[tuple[str, ...], ...]) -> None:
        self._sessions, self._now = list(sessions), list[str]()

    def __call__(self, body: chat_server.Body) -> Shell | Says:
        if len(body["messages"]) == 1:
            self._now = list(self._sessions.pop(0))
        return Shell(self._now.pop(0)) if self._now else Says("that is all")


@contextmanager
def company(prepared: Path, script: Callable[[chat_server.Body], Shell | Says], monkeypatch):
    """A provider with a key and prices, and an agent in a container that asks it."""
    with chat_server.serving(script) as server:
        prices = {"as_of": date(2026, 11, 1), "models": {"m-1": {"input": 1, "output": 10}}}
        said = {"protocol": "openai", "address": server.url, "key_in": "COMPANY_KEY"}
        path = prepared / "providers.yaml"
        path.write_text(yaml.safe_dump({"company": {**said, "prices": prices}}))
        monkeypatch.setenv("RUNNER_PROVIDERS", str(path))
        monkeypatch.setenv("COMPANY_KEY", KEY)
        monkeypatch.setenv("RUNNER_BOX_PROGRAMS", str(PROJECT / "docs" / "examples" / "boxed"))
        yield server


def options(prepared: Path, tag: str) -> list[str]:
    policy = str(prepared / "packing.yaml")
    return ["packing", "--tag", tag, "--policy", policy, "--agent", AGENT, "--model", "company/m-1"]


def test_a_run_of_any_program_keeps_reverts_refuses_and_is_paid(home, prepared, monkeypatch):
    with company(prepared, Model(SESSIONS), monkeypatch) as server:
        said = home.ok("run", *options(prepared, "boxed-run"), "--experiments", "4")
    assert said.index("whoever serves company/m-1 sees these files") < said.index("wider")
    found = home.json("list", "boxed-run")
    assert [each["status"] for each in found] == ["kept", "kept", "reverted", "kept", "refused"]
    assert [each["hypothesis"] for each in found[1:]] == [
        "wider", "narrower", "wider still", "with os"
    ]  # fmt: skip
    assert [each["origin"]["returned"] for each in found[1:]] == [0, 0, 1, 3]
    assert {each["origin"]["isolation"] for each in found[1:]} == {"contained"}
    for each in found[1:]:
        [box] = each["boxes"]
        assert 0 < box["cpu_seconds"] < 60
        assert 0 < box["seconds"] < 60
    home.ok("audit", "boxed-run")
    calls = len(server.requests)
    total = home.json("cost", "boxed-run")["total"]
    assert total["calls"] == calls
    assert total["usd"] == pytest.approx(calls * (1000 * 1 + 50 * 10) / 1e6)
    assert {each["authorization"] for each in server.headers} == {f"Bearer {KEY}"}
    looked = json.dumps(server.requests[1])
    assert "the-gateway-has-it" in looked, "what it found in its environment"
    assert KEY not in json.dumps(server.requests) + said
    files = [path for path in Path(home.path).rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_killed_supervisor_s_box_is_swept_and_its_proposal_made_again(
    home, prepared, monkeypatch
):
    """The supervisor dies with a box at work, and another one with the same run goes on."""
    tag = "boxed-kill9"
    labels = {engines.HOME_LABEL: State(home.path).id, engines.RUN_LABEL: tag}
    command = [sys.executable, "-m", "runner", "run", *options(prepared, tag), "--experiments", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with (
        company(prepared, Model((("sleep 600",),)), monkeypatch) as server,
        subprocess.Popen(command, cwd=PROJECT, env=home.environment, **quiet) as process,
    ):
        while not server.requests:  # a call is a box at work
            assert process.poll() is None, "it ended before its box began"
            time.sleep(0.1)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert [name for name in left(labels) if name.endswith("-box")]
    assert staged(home), "its draft and its sockets"
    with company(prepared, Model((SESSIONS[0],)), monkeypatch) as server:
        home.ok("run", "--resume", tag, "--experiments", "1")
    assert server.requests
    assert left(labels) == []
    assert staged(home) == []
    found = home.json("list", tag)
    assert [each["status"] for each in found] == ["kept", "kept"]
    assert len(found[1]["boxes"]) == 1
    home.ok("audit", tag)


def left(labels):
    with closing(engines.connect()) as client:
        return client.leftovers(labels)


def staged(home):
    """Name what of this home's containers lies on the disk and in memory."""
    stage = home.path / "stage"
    ours = f"{paths.State(home.path).id}"
    return [
        path.name
        for root in {stage, memory_root(stage)}
        for path in root.glob("*")
        if ours in path.name
    ]
