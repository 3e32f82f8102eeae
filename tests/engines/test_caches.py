from __future__ import annotations

from dataclasses import replace

from test_options import SPEC

from runner.engines.caches import MOST_DROPS, SWITCH, helper
from runner.engines.options import container_config


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
    found = helper(replace(SPEC, gpu_ids=("0",)))
    assert found.gpu_ids == ()
    assert SPEC.command[0] not in found.command
    assert found.labels == {"runner.run": "t1"}, "a run's, so that the sweep finds it"


def test_the_helper_speaks_to_the_machine_s_own_kernel_whatever_runtime_the_others_have():
    sandboxed = replace(SPEC, resources=replace(SPEC.resources, runtime="runsc"))
    assert helper(sandboxed).resources == SPEC.resources


def test_all_answers_of_a_helper_fit_into_the_smallest_log():
    assert sum(len(b"%d\n" % number) for number in range(1, MOST_DROPS + 1)) < 4096
