from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.box.specification import DRAFT_BYTES, Places, environment, specification
from runner.engines.options import container_config
from runner.engines.protocol import AGENT_USER, HOME_LABEL, RUN_LABEL
from runner.paths import policy_path
from runner.policy.load import load_policy
from runner.seams import BoxWork, Reply

POLICY = load_policy(policy_path("eclip")).policy
PLACES = Places(
    given=Path("/s/given"),
    about=Path("/s/about"),
    kit=Path("/s/kit"),
    inside=Path("/s/inside"),
    door=Path("/m/door"),
    model=Path("/m/model"),
    rows=Path("/d/rows"),
)
WORK = BoxWork(
    command=["agent", "--fast"],
    environment={"ANTHROPIC_BASE_URL": "http://127.0.0.1:8080"},
    files={},
    about={},
    programs=Path("/p/node_modules"),
    gateway=None,
    answer=lambda _: Reply(text=""),
)
LABELS = {HOME_LABEL: "home", RUN_LABEL: "nov21"}


def spec(policy=POLICY, places=PLACES, work=WORK):
    given = {"name": "box", "image_id": "sha256:1", "labels": LABELS}
    return specification(policy, work, places, "gateway.sock", **given)


def test_all_that_is_mounted_is_to_be_read_only():
    assert [mount.target for mount in spec().mounts if mount.writable] == []


def test_it_sees_what_law_one_lets_it_and_nothing_else():
    assert sorted(mount.target for mount in spec().mounts) == [
        "/box/about", "/box/agents", "/box/door", "/box/door/model", "/box/given", "/box/inside",
        "/data", "/kit",
    ]  # fmt: skip


def test_what_it_may_write_is_memory_with_sizes():
    host = container_config(spec())["HostConfig"]
    assert f"size={DRAFT_BYTES}," in host["Tmpfs"]["/workspace"]
    assert all("nr_inodes=" in options for options in host["Tmpfs"].values())
    assert host["ReadonlyRootfs"]
    assert host["NetworkMode"] == "none"


def test_its_limits_are_the_policy_s_words_for_it_and_its_fences_those_of_trials():
    agent = POLICY.agent.model_copy(update={"cpus": 0.5, "memory": 1024**3})
    resources = POLICY.resources.model_copy(update={"runtime": "runsc", "gpus": 1})
    found = spec(POLICY.model_copy(update={"agent": agent, "resources": resources}))
    assert (found.resources.cpus, found.resources.memory_bytes) == (0.5, 1024**3)
    assert (found.resources.runtime, found.resources.gpus, found.gpu_ids) == ("runsc", 0, ())
    assert found.user == AGENT_USER
    assert found.labels == LABELS, "by which what a killed one left is removed"


@pytest.mark.parametrize("flush", [True, False, None])
def test_it_starts_from_dropped_caches_whatever_the_policy_says(flush):
    resources = POLICY.resources.model_copy(update={"flush": flush})
    assert spec(POLICY.model_copy(update={"resources": resources})).resources.flush


def test_without_rows_there_are_none():
    found = spec(places=replace(PLACES, rows=None))
    assert "/data" not in [mount.target for mount in found.mounts]


def test_its_environment_is_said_here_and_holds_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    assert "sk-secret" not in environment(POLICY, WORK).values()
    assert environment(POLICY, WORK)["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8080"
