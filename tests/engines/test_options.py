from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from runner.engines import syscalls
from runner.engines.options import (
    COUNTERS,
    ENGINES_OWN,
    OFFLINE_ENV,
    container_config,
    differences,
    disks,
    environment,
    first_process,
    volume_options,
)
from runner.engines.protocol import AGENT_USER, SCORER_USER, ContainerSpec, Mount, Volume
from runner.policy.conflicts import OURS, OURS_FROM
from runner.records import Resources

MIB = 1024**2
RESOURCES = Resources(
    cpus=1.5,
    memory_bytes=4096 * MIB,
    pids=512,
    shm_bytes=1024 * MIB,
    artifacts_bytes=256 * MIB,
    outputs_bytes=64 * MIB,
    output_log_bytes=4 * MIB,
    gpus=0,
)
SPEC = ContainerSpec(
    name="runner-x-train",
    image_id=f"sha256:{'1' * 64}",
    user=AGENT_USER,
    command=["/workspace/run.sh", "train"],
    mounts=[
        Mount(source="/stage/workspace", target="/workspace"),
        Mount(source="/stage/0", target="/workspace/train.py", writable=True),
        Mount(source="artifacts", target="/artifacts", writable=True, volume=True),
        Mount(source="sealed", target="/sealed", volume=True, copy_up=True),
    ],
    resources=RESOURCES,
    labels={"runner.run": "t1", "runner.trial": "x"},
)


# -- what is asked of the engine --------------------------------------------------------------


def test_what_is_asked_of_the_engine_holds_every_wall():
    host = container_config(SPEC)["HostConfig"]
    assert {key: host[key] for key in WALLS} == WALLS


WALLS: dict[str, Any] = {
    "NetworkMode": "none",
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges:true", f"seccomp={syscalls.profile()}"],
    "Privileged": False,
    "ReadonlyRootfs": True,
    "MaskedPaths": [*ENGINES_OWN, *COUNTERS, *disks()],
    "Init": False,
    "IpcMode": "private",
    "ShmSize": 1024 * MIB,
    "PidsLimit": 512,
    "Memory": 4096 * MIB,
    "MemorySwap": 4096 * MIB,
    "NanoCpus": 1_500_000_000,
    "LogConfig": {"Type": "none", "Config": {}},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "DeviceRequests": [],
}


def test_swap_is_never_added():
    host = container_config(SPEC)["HostConfig"]
    assert host["MemorySwap"] == host["Memory"]


def test_nothing_that_opens_a_container_is_ever_asked_for():
    asked = set(container_config(SPEC)["HostConfig"])
    opening = {"CapAdd", "Binds", "Devices", "VolumesFrom", "GroupAdd", "PidMode", "UsernsMode"}
    assert not asked & opening


def test_the_process_is_the_one_that_was_asked_for():
    config = container_config(SPEC)
    assert config["Image"] == SPEC.image_id
    assert config["Entrypoint"] == [*first_process(takes_input=False), "/workspace/run.sh", "train"]
    assert config["Cmd"] == []
    assert config["User"] == "10001:10001"
    assert config["NetworkDisabled"] is True
    assert config["Tty"] is False
    assert config["Labels"] == {"runner.run": "t1", "runner.trial": "x"}


def test_standard_input_is_open_for_the_order_and_ends_with_us():
    config = container_config(SPEC)
    assert {config[key] for key in ("OpenStdin", "StdinOnce", "AttachStdin")} == {True}


@pytest.mark.parametrize("takes_input", [True, False])
def test_the_first_process_knows_whether_the_command_takes_input(takes_input):
    config = container_config(replace(SPEC, takes_input=takes_input))
    assert config["Entrypoint"][6] == ("input" if takes_input else "none")


def test_a_runtime_is_asked_for_by_name_and_compared():
    plain, sandboxed = (
        container_config(replace(SPEC, resources=replace(RESOURCES, runtime=name)))
        for name in (None, "runsc")
    )
    assert "Runtime" not in plain["HostConfig"], "the engine's own default"
    assert sandboxed["HostConfig"]["Runtime"] == "runsc"
    other = copy.deepcopy(inspected(replace(SPEC, resources=replace(RESOURCES, runtime="runsc"))))
    assert differences(sandboxed, other) == []
    other["HostConfig"]["Runtime"] = "runc"
    assert differences(sandboxed, other) == ["HostConfig.Runtime: asked 'runsc', found 'runc'"]


def test_limits_of_a_process():
    limits = {each["Name"]: each for each in container_config(SPEC)["HostConfig"]["Ulimits"]}
    assert {name: (each["Soft"], each["Hard"]) for name, each in limits.items()} == {
        "core": (0, 0),
        "nofile": (4096, 4096),
        "fsize": (256 * MIB, 256 * MIB),
    }


def test_a_file_may_be_as_large_as_the_larger_quota():
    outputs = replace(RESOURCES, outputs_bytes=512 * MIB)
    limits = container_config(replace(SPEC, resources=outputs))["HostConfig"]["Ulimits"]
    assert limits[-1] == {"Name": "fsize", "Soft": 512 * MIB, "Hard": 512 * MIB}


@pytest.mark.parametrize(("user", "uid"), [(AGENT_USER, 10001), (SCORER_USER, 10002)])
def test_scratch_is_bounded_and_only_the_cache_may_hold_programs(user, uid):
    tmpfs = container_config(replace(SPEC, user=user))["HostConfig"]["Tmpfs"]
    assert set(tmpfs) == {"/tmp", "/cache"}
    flags = {path: set(options.split(",")) for path, options in tmpfs.items()}
    assert {"nosuid", "nodev", "noexec", f"size={256 * MIB}", "nr_inodes=16384"} <= flags["/tmp"]
    assert {"nosuid", "nodev", "exec", f"size={1024 * MIB}", f"uid={uid}"} <= flags["/cache"]
    assert "mode=700" in flags["/cache"]


def test_mounts_are_read_only_unless_said_otherwise():
    mounts = container_config(SPEC)["HostConfig"]["Mounts"]
    assert mounts == [
        {"Type": "bind", "Source": "/stage/workspace", "Target": "/workspace", "ReadOnly": True},
        {
            "Type": "bind",
            "Source": "/stage/0",
            "Target": "/workspace/train.py",
            "ReadOnly": False,
        },
        {
            "Type": "volume",
            "Source": "artifacts",
            "Target": "/artifacts",
            "ReadOnly": False,
            "VolumeOptions": {"NoCopy": True},
        },
        {
            "Type": "volume",
            "Source": "sealed",
            "Target": "/sealed",
            "ReadOnly": True,
            "VolumeOptions": {"NoCopy": False},
        },
    ]


def test_a_volume_has_a_hard_quota_and_runs_nothing():
    asked = Volume(name="v", labels={}, memory_bytes=64 * MIB, uid=10001)
    options = volume_options(asked)
    assert options["type"] == options["device"] == "tmpfs"
    assert set(options["o"].split(",")) == {
        f"size={64 * MIB}", "nr_inodes=16384", "uid=10001", "gid=10001", "mode=0755",
        "nosuid", "nodev", "noexec",
    }  # fmt: skip
    scorers = replace(asked, uid=int(SCORER_USER.partition(":")[0]))  # a file for each image
    assert "nr_inodes=1000000" in volume_options(scorers)["o"]


# -- environment ------------------------------------------------------------------------------


def test_nothing_of_the_host_s_environment_goes_in(monkeypatch):
    monkeypatch.setenv("SECRET_API_KEY", "s3cret")
    monkeypatch.setenv("PATH", "/host/bin")
    inside = environment(SPEC)
    assert "SECRET_API_KEY" not in inside
    assert "/host/bin" not in inside["PATH"]
    assert not [name for name in inside if name.startswith("RUNNER_")], "a slot is nobody's"


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, "1"), (1.5, "1"), (2, "2"), (16, "16")])
def test_libraries_are_told_how_many_threads_there_are(cpus, threads):
    inside = environment(replace(SPEC, resources=replace(RESOURCES, cpus=cpus)))
    assert (inside["OMP_NUM_THREADS"], inside["MKL_NUM_THREADS"]) == (threads, threads)


def test_threads_of_openmp_wait_without_spinning_unless_the_policy_says_otherwise():
    assert environment(SPEC)["OMP_WAIT_POLICY"] == "PASSIVE"
    assert environment(replace(SPEC, user=SCORER_USER))["OMP_WAIT_POLICY"] == "PASSIVE"
    chosen = replace(RESOURCES, environment={"OMP_WAIT_POLICY": "ACTIVE", "MY_FLAG": "1"})
    inside = environment(replace(SPEC, resources=chosen))
    assert (inside["OMP_WAIT_POLICY"], inside["MY_FLAG"]) == ("ACTIVE", "1")
    scorer = environment(replace(SPEC, resources=chosen, user=SCORER_USER))
    assert scorer["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "MY_FLAG" not in scorer


@pytest.mark.parametrize("user", [AGENT_USER, SCORER_USER])
def test_a_policy_may_set_nothing_but_threads_and_offline_modes_of_what_is_set_here(user):
    ours = environment(replace(SPEC, user=user, gpu_ids=("0",)))
    free = {"OMP_WAIT_POLICY", "OMP_NUM_THREADS", "MKL_NUM_THREADS", *OFFLINE_ENV}
    assert {name for name in ours if name not in OURS and not name.startswith(OURS_FROM)} == free
    tried = replace(RESOURCES, environment=dict.fromkeys(ours, "x"))
    inside = environment(replace(SPEC, user=AGENT_USER, resources=tried, gpu_ids=("0",)))
    assert {name for name, value in inside.items() if value == "x"} == free


def test_without_gpus_none_is_asked_for_nor_spoken_of():
    config = container_config(SPEC)
    assert config["HostConfig"]["DeviceRequests"] == []
    assert not [each for each in config["Env"] if each.startswith("NVIDIA")]


def test_gpus_are_asked_for_by_id_and_for_computing_only():
    config = container_config(replace(SPEC, gpu_ids=("0", "3")))
    assert config["HostConfig"]["DeviceRequests"] == [
        {"Driver": "nvidia", "DeviceIDs": ["0", "3"], "Capabilities": [["compute", "utility"]]}
    ]
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in config["Env"]


# -- what was made is what was asked ----------------------------------------------------------


def inspected(spec: ContainerSpec = SPEC) -> dict[str, Any]:
    """What an honest engine says of a created container: what was asked, and its defaults."""
    config = copy.deepcopy(container_config(spec))
    host = config.pop("HostConfig")
    image = config.pop("Image")
    defaults = {"CapAdd": None, "Binds": None, "Devices": [], "PidMode": "", "UTSMode": ""}
    host.update(defaults, VolumesFrom=None, GroupAdd=None, UsernsMode="", CgroupParent="")
    host["DeviceRequests"] = host["DeviceRequests"] or None
    mounts = [{"Destination": mount["Target"], "Type": mount["Type"]} for mount in host["Mounts"]]
    config |= {"Image": image, "Cmd": None, "Volumes": None}
    return {"Image": image, "Config": config, "HostConfig": host, "Mounts": mounts}


@pytest.mark.parametrize(
    "spec", [SPEC, replace(SPEC, takes_input=True), replace(SPEC, gpu_ids=("0",))]
)
def test_an_honest_engine_agrees(spec):
    assert differences(container_config(spec), inspected(spec)) == []


def test_the_order_of_the_environment_does_not_matter():
    found = inspected()
    found["Config"]["Env"].reverse()
    assert differences(container_config(SPEC), found) == []


TAMPERINGS: list[tuple[str, Any]] = [
    ("HostConfig.Privileged", True),
    ("HostConfig.CapAdd", ["SYS_ADMIN"]),
    ("HostConfig.CapDrop", []),
    ("HostConfig.CapDrop", None),
    ("HostConfig.SecurityOpt", ["no-new-privileges:true", "seccomp=unconfined"]),
    ("HostConfig.SecurityOpt", None),
    ("HostConfig.SecurityOpt", ["no-new-privileges:true"]),
    ("HostConfig.SecurityOpt", ["no-new-privileges:true", "seccomp=builtin"]),
    ("HostConfig.SecurityOpt", ["no-new-privileges:true", f"seccomp={syscalls.profile()} "]),
    ("HostConfig.Binds", ["/:/host"]),
    ("HostConfig.Devices", [{"PathOnHost": "/dev/sda"}]),
    ("HostConfig.DeviceCgroupRules", ["c 1:1 rwm"]),
    ("HostConfig.DeviceRequests", [{"Count": -1, "Capabilities": [["gpu"]]}]),
    ("HostConfig.VolumesFrom", ["other"]),
    ("HostConfig.GroupAdd", ["docker"]),
    ("HostConfig.Links", ["/other:/x"]),
    ("HostConfig.PidMode", "host"),
    ("HostConfig.UTSMode", "host"),
    ("HostConfig.UsernsMode", "host"),
    ("HostConfig.IpcMode", "host"),
    ("HostConfig.IpcMode", "shareable"),
    ("HostConfig.CgroupParent", "/"),
    ("HostConfig.NetworkMode", "bridge"),
    ("HostConfig.PortBindings", {"80/tcp": [{"HostPort": "80"}]}),
    ("HostConfig.ExtraHosts", ["a:1.1.1.1"]),
    ("HostConfig.Sysctls", {"kernel.shmmax": "1"}),
    ("HostConfig.OomKillDisable", True),
    ("HostConfig.OomScoreAdj", -1000),
    ("HostConfig.MaskedPaths", []),
    ("HostConfig.ReadonlyPaths", []),
    ("HostConfig.ReadonlyRootfs", False),
    ("HostConfig.Init", None),
    ("HostConfig.Init", True),
    ("HostConfig.AutoRemove", True),
    ("HostConfig.RestartPolicy.Name", "always"),
    ("HostConfig.Memory", 0),
    ("HostConfig.MemorySwap", -1),
    ("HostConfig.PidsLimit", None),
    ("HostConfig.PidsLimit", 0),
    ("HostConfig.NanoCpus", 0),
    ("HostConfig.ShmSize", 64 * MIB),
    ("HostConfig.Ulimits", None),
    ("HostConfig.Ulimits", [{"Name": "core", "Soft": 0, "Hard": 0}]),
    ("HostConfig.Tmpfs./tmp", "rw"),
    ("HostConfig.Tmpfs./more", "rw,exec"),
    ("HostConfig.LogConfig.Type", "json-file"),
    ("HostConfig.Mounts.0.ReadOnly", False),
    ("HostConfig.Mounts.0.Source", "/"),
    ("HostConfig.Mounts.0.BindOptions", {"Propagation": "shared"}),
    ("HostConfig.Mounts.2.VolumeOptions.NoCopy", False),
    ("Config.User", ""),
    ("Config.User", "0:0"),
    ("Config.Entrypoint", ["/bin/sh"]),
    ("Config.Entrypoint", ["/workspace/run.sh", "train"]),
    ("Config.Entrypoint", [*first_process(takes_input=True), "/workspace/run.sh", "train"]),
    ("Config.Cmd", ["more"]),
    ("Config.WorkingDir", "/workspace"),
    ("Config.Env", []),
    ("Config.OpenStdin", False),
    ("Config.NetworkDisabled", False),
    ("Config.Tty", True),
    ("Config.Labels", {}),
    ("Config.Hostname", "other"),
    ("Image", f"sha256:{'2' * 64}"),
]


@pytest.mark.parametrize(("key", "value"), TAMPERINGS, ids=lambda value: str(value)[:60])
def test_a_container_that_was_made_otherwise_is_found_out(key, value):
    found = inspected()
    tamper(found, key.split("."), value)
    assert differences(container_config(SPEC), found)


def tamper(document: Any, path: list[str], value: Any) -> None:
    *parents, last = path
    for part in parents:
        document = document[int(part) if part.isdigit() else part]
    document[last] = value


@pytest.mark.parametrize("added", ["LD_PRELOAD=/artifacts/evil.so", "PATH=/artifacts"])
def test_an_environment_that_the_image_brought_along_is_found_out(added):
    found = inspected()
    found["Config"]["Env"].append(added)
    assert differences(container_config(SPEC), found)


@pytest.mark.parametrize("where", ["HostConfig", "Mounts"])
def test_one_mount_more_is_found_out(where):
    found = inspected()
    if where == "Mounts":
        found["Mounts"].append({"Destination": "/var/lib/data", "Type": "volume"})
    else:
        more = {"Type": "bind", "Source": "/", "Target": "/host", "ReadOnly": False}
        found["HostConfig"]["Mounts"].append(more)
    assert differences(container_config(SPEC), found)


def test_one_mount_fewer_is_found_out():
    found = inspected()
    del found["HostConfig"]["Mounts"][0]
    assert differences(container_config(SPEC), found)


def test_a_difference_says_where_what_was_asked_and_what_was_found():
    found = inspected()
    found["HostConfig"]["NetworkMode"] = "bridge"
    [line] = differences(container_config(SPEC), found)
    assert line == "HostConfig.NetworkMode: asked 'none', found 'bridge'"
