"""Docker's options, as pure functions from what a trial needs to the engine's own JSON.

The body sent to the engine is plain data, so what was asked can be compared with what
`inspect` says of the created container, key by key, before it is started.

What this does not protect against: an attack on the kernel or the engine itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from runner.engines import syscalls
from runner.engines.init import TAKES_INPUT
from runner.engines.protocol import AGENT_USER, MIB, SCORER_USER, ContainerSpec, Mount, Volume
from runner.records import Resources

PATH = "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

TMP_BYTES = 256 * MIB
CACHE_BYTES = 1024 * MIB
INODES, SCORER_INODES = 16_384, 1_000_000
"""Files of a folder in memory; the scorer deals a file for each row of a folder of images."""

INIT_SOURCE = Path(__file__).with_name("init.py")

THREADS_ENV = {
    # A thread that spins while it waits takes the processor from the one that it waits for, when
    # anything else runs on the machine. A policy's resources.environment may say otherwise.
    "OMP_WAIT_POLICY": "PASSIVE",
}

CACHE_ENV = {
    # Compilers of kernels dlopen what they write, and /tmp is noexec.
    "XDG_CACHE_HOME": "/cache",
    "TORCHINDUCTOR_CACHE_DIR": "/cache/inductor",
    # A precompiled header costs ten seconds and more than a small file size limit allows.
    "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    "TRITON_CACHE_DIR": "/cache/triton",
    "TORCH_EXTENSIONS_DIR": "/cache/extensions",
    "CUDA_CACHE_PATH": "/cache/cuda",
    "MPLCONFIGDIR": "/cache/matplotlib",
}

OFFLINE_ENV = {
    # Libraries that would wait for a network that is not there, or for a display.
    "MPLBACKEND": "Agg",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB_DIR": "/cache",
    "HF_HOME": "/cache/huggingface",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TORCH_HOME": "/cache/torch",
    "NLTK_DATA": "/cache/nltk",
    # A bar redrawn ten times a second fills the log.
    "TQDM_MININTERVAL": "5",
}

ENGINES_OWN = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats"),
    *("/sys/devices/virtual/powercap", "/sys/firmware"),
)
"""What engines hide by themselves, as far as they are not told what to hide."""
COUNTERS = (
    *("/proc/buddyinfo", "/proc/diskstats", "/proc/fs", "/proc/interrupts", "/proc/irq"),
    *("/proc/key-users", "/proc/loadavg", "/proc/locks", "/proc/pagetypeinfo", "/proc/pressure"),
    *(
        "/proc/schedstat",
        "/proc/softirqs",
        "/proc/stat",
        "/proc/sys/fs",
        "/proc/vmstat",
        "/proc/zoneinfo",
    ),
    *("/sys/block", "/sys/class/block", "/sys/dev/block", "/sys/devices/system/node"),
    *(
        "/sys/devices/virtual/bdi",
        "/sys/devices/virtual/block",
        "/sys/fs/btrfs",
        "/sys/fs/ext4",
        "/sys/fs/xfs",
        "/sys/kernel",
    ),
)
"""Counts of the whole kernel that a container could raise to a chosen value for the next to read:
that of huge pages arrived unchanged, with the caches dropped between them."""


def container_config(spec: ContainerSpec) -> dict[str, Any]:
    """Return the body of the engine's "create container" call."""
    return {
        "Image": spec.image_id,
        "Entrypoint": [*first_process(takes_input=spec.takes_input), *spec.command],
        "Cmd": [],
        "User": spec.user,
        "WorkingDir": "/tmp",  # noqa: S108 - a tmpfs inside the container
        "Env": [f"{key}={value}" for key, value in sorted(environment(spec).items())],
        "Hostname": "sandbox",
        "Labels": dict(spec.labels),
        "NetworkDisabled": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        # Whoever waits for a word must see the end of input when the supervisor dies.
        "StdinOnce": True,
        "Tty": False,
        "HostConfig": host_config(spec),
    }


def first_process(*, takes_input: bool) -> list[str]:
    """Return what waits for an order, starts a command, and ends it in time; see `init`."""
    input_is = TAKES_INPUT if takes_input else "none"
    return ["python", "-I", "-S", "-B", "-c", _init_source(), input_is]


@cache
def _init_source() -> str:
    return INIT_SOURCE.read_text(encoding="utf-8")


def host_config(spec: ContainerSpec) -> dict[str, Any]:
    resources = spec.resources
    return {
        "NetworkMode": "none",
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", f"seccomp={syscalls.profile()}"],
        "Privileged": False,
        "ReadonlyRootfs": True,
        "MaskedPaths": [*ENGINES_OWN, *COUNTERS, *disks()],
        # Ours must be the first process: the engine's could be killed by what it starts.
        "Init": False,
        "AutoRemove": False,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        # "none" would take /dev/shm away, and data loaders' workers with it.
        "IpcMode": "private",
        "ShmSize": resources.shm_bytes,
        "PidsLimit": resources.pids,
        "Memory": resources.memory_bytes,
        "MemorySwap": resources.memory_bytes,
        "NanoCpus": round(resources.cpus * 1e9),
        # Below the default of 1024, so that the supervisor gets its turn on a busy machine.
        "CpuShares": 512,
        "Ulimits": ulimits(resources, spec.scratch.values()),
        "Tmpfs": scratch(spec.user, spec.scratch),
        "Mounts": [mount_config(mount) for mount in spec.mounts],
        # Output is read from the attached stream, under a cap of ours.
        "LogConfig": {"Type": "none", "Config": {}},
        "DeviceRequests": device_requests(spec.gpu_ids),
        **({"Runtime": resources.runtime} if resources.runtime else {}),
    }


def environment(spec: ContainerSpec) -> dict[str, str]:
    """What every process inside finds in its environment; what a trial adds comes at its start."""
    threads = str(max(1, int(spec.resources.cpus)))
    user = "agent" if spec.user == AGENT_USER else "scorer"
    fixed = {
        "PATH": PATH,
        "HOME": "/tmp",  # noqa: S108 - a tmpfs inside the container
        "USER": user,
        "LOGNAME": user,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **CACHE_ENV,
    }
    if spec.gpu_ids:
        fixed["NVIDIA_DRIVER_CAPABILITIES"] = "compute,utility"
    counts = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    chosen = spec.resources.environment if spec.user == AGENT_USER else {}
    return {**THREADS_ENV, **counts, **OFFLINE_ENV, **chosen, **fixed}


@cache
def disks() -> tuple[str, ...]:
    """Return where this machine's disks count what was read, below the bus that each hangs on."""
    found = sorted(str(disk.resolve()) for disk in Path("/sys/block").glob("*"))
    return tuple(path for path in found if not path.startswith(COUNTERS))


def ulimits(resources: Resources, scratch: Iterable[int] = ()) -> list[dict[str, Any]]:
    # fsize is all that bounds what goes into a writable file mounted from the host.
    largest = max(resources.artifacts_bytes, resources.outputs_bytes, *scratch)
    limits = {"core": 0, "nofile": 4096, "fsize": largest}
    return [{"Name": name, "Soft": value, "Hard": value} for name, value in limits.items()]


def scratch(user: str, more: Mapping[str, int] | None = None) -> dict[str, str]:
    """Return the folders in memory: those of every container, and a container's own."""
    uid, gid = user.split(":")
    owned = f"uid={uid},gid={gid}"
    own = {
        path: f"rw,nosuid,nodev,exec,size={size},nr_inodes={INODES},{owned},mode=755"
        for path, size in (more or {}).items()
    }
    return own | {
        "/tmp": f"rw,nosuid,nodev,noexec,size={TMP_BYTES},nr_inodes={INODES},mode=1777",  # noqa: S108
        "/cache": f"rw,nosuid,nodev,exec,size={CACHE_BYTES},nr_inodes={INODES},{owned},mode=700",
    }


def mount_config(mount: Mount) -> dict[str, Any]:
    config: dict[str, Any] = {
        "Type": "volume" if mount.volume else "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": not mount.writable,
    }
    if mount.volume:
        config["VolumeOptions"] = {"NoCopy": not mount.copy_up}
    return config


def device_requests(gpu_ids: Sequence[str]) -> list[dict[str, Any]]:
    if not gpu_ids:
        return []
    return [
        {
            "Driver": "nvidia",
            "DeviceIDs": list(gpu_ids),
            "Capabilities": [["compute", "utility"]],
        }
    ]


def volume_options(volume: Volume) -> dict[str, str]:
    """Return the local driver's options; for a volume in memory a hard quota.

    Mode 0755: its owner writes, the other user of the trial may read what the owner lets it.
    """
    if volume.memory_bytes is None:
        return {}
    size, uid = volume.memory_bytes, volume.uid
    files = SCORER_INODES if f"{uid}:{uid}" == SCORER_USER else INODES
    options = f"size={size},nr_inodes={files},uid={uid},gid={uid},mode=0755"
    return {"type": "tmpfs", "device": "tmpfs", "o": f"{options},nosuid,nodev,noexec"}


def differences(asked: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Compare a create body with what `inspect` says; an empty list means they agree.

    Keys that were not asked for may hold only what grants nothing.
    """
    config = {key: value for key, value in asked.items() if key != "HostConfig"}
    return [
        *_compare("Config", config, found["Config"] | {"Image": found["Image"]}),
        *_compare("HostConfig", asked["HostConfig"], found["HostConfig"]),
        *_granted(found["HostConfig"]),
        *_extra_mounts(asked["HostConfig"]["Mounts"], found["Mounts"]),
    ]


GRANTS = (
    *("CapAdd", "Binds", "Devices", "DeviceCgroupRules", "VolumesFrom", "GroupAdd", "Links"),
    *("PortBindings", "PublishAllPorts", "ExtraHosts", "Sysctls", "OomKillDisable", "OomScoreAdj"),
)
SHARES = ("PidMode", "UTSMode", "UsernsMode", "CgroupParent")
HIDES = ("MaskedPaths", "ReadonlyPaths")
MERGED = ("Config", "HostConfig", "Config.Labels")
"""Where the engine adds its defaults, and the image its labels."""


def _granted(host: Mapping[str, Any]) -> list[str]:
    """Name every option that would open the container and that we never ask for."""
    return [
        *(
            f"HostConfig.{key}: not asked for, found {host[key]!r}"
            for key in (*GRANTS, *SHARES)
            if host.get(key)
        ),
        *(f"HostConfig.{key}: nothing is hidden" for key in HIDES if host.get(key) == []),
        # Left open, it is what the engine's own configuration says.
        *(["HostConfig.Init: left to the engine"] if host.get("Init") is None else []),
    ]


def _extra_mounts(
    asked: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Name mounts that the image brought along by itself."""
    wanted = {mount["Target"] for mount in asked}
    return [
        f"Mounts: {mount['Destination']} was not asked for"
        for mount in found
        if mount["Destination"] not in wanted
    ]


def _compare(where: str, asked: Any, found: Any) -> list[str]:
    if isinstance(asked, Mapping) and isinstance(found, Mapping):
        keys = asked if where in MERGED else {**asked, **found}
        return [
            line
            for key in keys
            for line in _compare(f"{where}.{key}", asked.get(key), found.get(key))
        ]
    if isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        return [
            line
            for index, (left, right) in enumerate(
                zip(_ordered(asked), _ordered(found), strict=True)
            )
            for line in _compare(f"{where}[{index}]", left, right)
        ]
    if asked == found or (not asked and not found):
        return []
    return [f"{where}: asked {asked!r}, found {found!r}"]


def _ordered(values: list[Any]) -> list[Any]:
    """Sort plain strings; the engine keeps the order of everything else."""
    return sorted(values) if all(isinstance(value, str) for value in values) else values
