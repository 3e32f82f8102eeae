from __future__ import annotations

from dataclasses import replace

from test_options import SPEC

from runner.sandbox.caches import MOST_DROPS, SWITCH, helper
from runner.sandbox.options import container_config
from runner.trial import DockerSandbox


def test_the_helper_is_held_like_an_agent_but_for_its_user_and_the_one_file():
    asked, agents = container_config(helper(SPEC)), container_config(SPEC)
    scratch_too = ("Mounts", "Tmpfs", "DeviceRequests")
    for each in (asked, agents):
        for name in scratch_too:
            each[name] = each["HostConfig"].pop(name)
    assert asked["HostConfig"] == agents["HostConfig"]
    assert asked["User"] == "0:0"
    [mount] = asked["Mounts"]
    assert (mount["Source"], mount["ReadOnly"]) == (SWITCH, False)
    assert asked["DeviceRequests"] == []


def test_the_helper_carries_nothing_of_an_agent_s():
    found = helper(replace(SPEC, env={"RUNNER_SEED": "7"}, gpu_ids=("0",)))
    assert found.env == {}
    assert SPEC.command[0] not in found.command
    assert found.labels == {"runner.run": "t1"}, "a run's, so that the sweep finds it"


def test_all_answers_of_a_helper_fit_into_the_smallest_log():
    assert sum(len(b"%d\n" % number) for number in range(1, MOST_DROPS + 1)) < 4096


def test_the_caches_are_dropped_before_a_container_is_made_where_the_policy_says_so(monkeypatch):
    for flush in (True, False):
        events: list[str] = []

        def made(_client: object, _spec: object, to: list[str] = events) -> None:
            to.append("made")

        monkeypatch.setattr("runner.trial.run.started", made)
        sandbox = DockerSandbox(
            client=None,
            home_id="h",
            stage_root=None,  # type: ignore[arg-type]
            drop_caches=lambda spec, to=events: to.append(f"dropped for {spec.name}"),
        )
        sandbox.started(replace(SPEC, resources=replace(SPEC.resources, flush=flush)))
        assert events == [*(["dropped for runner-x-train"] if flush else []), "made"]
