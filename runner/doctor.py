"""Checks what this machine has against what runs need: requirement, found, remedy."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.rooms import State

GIB = 1024**3
ENGINE_FLOOR = (20, 10)
GIT_FLOOR = (2, 30)
PYTHON_FLOOR = (3, 11)
MACHINES = ("x86_64", "amd64", "aarch64", "arm64")
SKEW_SECONDS = 5.0
CLAUDE_CODE = "RUNNER_CLAUDE_CODE"
"""Names another program than `claude`, as for the agent itself."""
PRICES_DAYS = 180
"""After that many days somebody should look whether prices still hold."""
RELEASED = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time."""


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One requirement, what is there, and what to do about it."""

    requirement: str
    found: str
    verdict: Verdict = Verdict.OK
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What a reachable engine says of itself: its own JSON, when it said so, and the image."""

    info: Mapping[str, Any]
    asked_at: float
    image: str | None
    tag: str


def diagnose(state: State, environment: Mapping[str, str] = os.environ) -> tuple[Finding, ...]:
    """Run every check; never raises for what it finds."""
    engine = ask_engine()
    return (
        check_platform(platform.system(), platform.machine()),
        check_python(platform.python_version()),
        check_git(_output(["git", "--version"])),
        *(check_engine(engine) if isinstance(engine, Engine) else [engine]),
        check_disk("disk for the state folder", _free_bytes(state.root), fail=0.5, warn=2),
        check_gpu(_gpu(), engine.info if isinstance(engine, Engine) else {}),
        check_api_key(environment),
        check_claude_code(
            _output([environment.get(CLAUDE_CODE) or "claude", "--version"]),
            named=environment.get(CLAUDE_CODE),
        ),
        check_prices(environment, datetime.now(UTC).date()),
        check_clock(time.time()),
    )


def ask_engine() -> Engine | Finding:
    """Return what the engine says, or the finding that there is none."""
    from runner.engines.docker import connect, our_fault
    from runner.engines.images import image_id, image_tag

    try:
        with closing(connect()) as engine:
            with our_fault("asking the engine about itself"):
                info, asked_at = engine.client.info(), time.time()
            image = image_id(engine, "cpu")
        return Engine(info=info, asked_at=asked_at, image=image, tag=image_tag("cpu"))
    except RunnerError as error:
        return Finding(
            requirement="container engine",
            found=str(error),
            verdict=Verdict.FAIL,
            remedy="run: make setup",
        )


def check_engine(engine: Engine) -> list[Finding]:
    """Check what only a reachable engine can tell."""
    info = engine.info
    root = Path(str(info.get("DockerRootDir", "")))
    return [
        check_version(info),
        check_limits(info),
        check_confinement(info),
        check_flush(info),
        check_memory(int(info.get("MemTotal", 0))),
        check_cpus(int(info.get("NCPU", 0))),
        # The engine of a virtual machine keeps its files where we cannot look.
        check_disk("disk for the engine", _free_bytes(root) if root.is_dir() else None),
        check_image(engine),
        check_skew(str(info.get("SystemTime", "")), engine.asked_at),
    ]


def check_platform(system: str, machine: str) -> Finding:
    requirement, found = "Linux on x86-64 or arm64", f"{system} {machine}"
    if system == "Linux" and machine in MACHINES:
        return Finding(requirement=requirement, found=found)
    if system == "Darwin":
        remedy = "macOS is untested: an engine that listens at DOCKER_HOST may do"
        return Finding(requirement=requirement, found=found, verdict=Verdict.WARN, remedy=remedy)
    remedy = "use Linux on x86-64 or arm64"
    return Finding(requirement=requirement, found=found, verdict=Verdict.FAIL, remedy=remedy)


def check_python(version: str) -> Finding:
    return _at_least("Python", PYTHON_FLOOR, version, remedy="make setup PYTHON=python3.11")


def check_git(version: str | None) -> Finding:
    return _at_least("git", GIT_FLOOR, version, remedy="apt-get install git")


def check_version(info: Mapping[str, Any]) -> Finding:
    from runner.engines.docker import known_runtimes

    version = str(info.get("ServerVersion", ""))
    finding = _at_least("container engine", ENGINE_FLOOR, version, remedy="upgrade the engine")
    runtimes = ", ".join(known_runtimes(info))
    found = f"{version}, storage {info.get('Driver')}, runtimes {runtimes}"
    return Finding(
        requirement=finding.requirement,
        found=found,
        verdict=finding.verdict,
        remedy=finding.remedy,
    )


def check_limits(info: Mapping[str, Any]) -> Finding:
    """A limit that the kernel does not offer is a limit that a trial does not have."""
    wanted = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "CPU"}
    lacking = [name for key, name in wanted.items() if not info.get(key)]
    requirement = "limits by control groups"
    found = f"cgroup v{info.get('CgroupVersion', '?')}, driver {info.get('CgroupDriver', '?')}"
    if lacking:
        return Finding(
            requirement=requirement,
            found=f"{found}, without {', '.join(lacking)}",
            verdict=Verdict.FAIL,
            remedy="enable these controllers, or use an engine that runs as root",
        )
    if not info.get("SwapLimit"):
        return Finding(
            requirement=requirement,
            found=f"{found}, without swap",
            verdict=Verdict.WARN,
            remedy="a trial may swap beyond its memory: boot with swapaccount=1, or swapoff -a",
        )
    return Finding(requirement=requirement, found=found)


def check_confinement(info: Mapping[str, Any]) -> Finding:
    names = _security(info)
    found = ", ".join(names) or "none"
    if "seccomp" in names:
        return Finding(requirement="seccomp", found=f"{found}; trials bring a profile of their own")
    return Finding(
        requirement="seccomp",
        found=found,
        verdict=Verdict.FAIL,
        remedy="use a kernel and an engine with seccomp",
    )


def check_flush(info: Mapping[str, Any]) -> Finding:
    """Only the machine's own root may tell the kernel to drop its caches."""
    requirement = "dropping the kernel's caches"
    if others := {"rootless", "userns"} & set(_security(info)):
        return Finding(
            requirement=requirement,
            found=f"not allowed: {', '.join(sorted(others))}",
            verdict=Verdict.WARN,
            remedy="use an engine whose root is the machine's, or set resources.flush to false",
        )
    return Finding(requirement=requirement, found="the engine's root is the machine's")


def _security(info: Mapping[str, Any]) -> list[str]:
    options = [str(option) for option in info.get("SecurityOptions") or []]
    return [part.removeprefix("name=") for option in options for part in option.split(",")[:1]]


def check_memory(total: int) -> Finding:
    found = f"{total / GIB:.1f} GiB"
    if total >= 5 * GIB:
        return Finding(requirement="memory", found=found)
    return Finding(
        requirement="memory",
        found=found,
        verdict=Verdict.WARN if total >= 2 * GIB else Verdict.FAIL,
        remedy="lower resources.memory in the policy, or give the engine more",
    )


def check_cpus(count: int) -> Finding:
    if count >= 2:
        return Finding(requirement="2 CPUs", found=str(count))
    remedy = "lower resources.cpus in the policy; training gets less done"
    return Finding(requirement="2 CPUs", found=str(count), verdict=Verdict.WARN, remedy=remedy)


def check_disk(requirement: str, free: int | None, *, fail: float = 3, warn: float = 8) -> Finding:
    """Compare free bytes with two floors, in GiB."""
    if free is None:
        return Finding(requirement=requirement, found="cannot be seen from here")
    found = f"{free / GIB:.1f} GiB free"
    if free >= warn * GIB:
        return Finding(requirement=requirement, found=found)
    return Finding(
        requirement=requirement,
        found=found,
        verdict=Verdict.FAIL if free < fail * GIB else Verdict.WARN,
        remedy=f"free at least {warn:g} GiB",
    )


def check_image(engine: Engine) -> Finding:
    requirement = "image cpu"
    if engine.image:
        return Finding(requirement=requirement, found=engine.tag)
    return Finding(
        requirement=requirement,
        found=f"missing: {engine.tag}",
        verdict=Verdict.FAIL,
        remedy="run: runner setup",
    )


def check_skew(engine_time: str, host_time: float) -> Finding:
    requirement = "the engine's clock agrees"
    try:
        # Nanoseconds are more than Python reads.
        told = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", engine_time)).timestamp()
    except ValueError:
        return Finding(requirement=requirement, found=f"not told: {engine_time!r}")
    skew = told - host_time
    if abs(skew) <= SKEW_SECONDS:
        return Finding(requirement=requirement, found=f"{skew:+.1f} s")
    return Finding(
        requirement=requirement,
        found=f"{skew:+.0f} s",
        verdict=Verdict.WARN,
        remedy="synchronise both clocks; deadlines are kept all the same",
    )


def check_gpu(gpu: str | None, info: Mapping[str, Any]) -> Finding:
    requirement = "GPU and NVIDIA runtime"
    if gpu is None:
        return Finding(requirement=requirement, found="none; not needed for the image cpu")
    if "nvidia" in (info.get("Runtimes") or {}):
        return Finding(requirement=requirement, found=f"{gpu}, runtime nvidia")
    return Finding(
        requirement=requirement,
        found=f"{gpu}, no runtime nvidia",
        verdict=Verdict.WARN,
        remedy="for trials on the GPU install nvidia-container-toolkit, then: "
        "nvidia-ctk runtime configure --runtime=docker",
    )


def check_api_key(environment: Mapping[str, str]) -> Finding:
    """Only whether it is there; the value goes nowhere."""
    if environment.get("ANTHROPIC_API_KEY"):
        return Finding(requirement="ANTHROPIC_API_KEY", found="set")
    found = "not set; only agents that ask a model need one"
    return Finding(requirement="ANTHROPIC_API_KEY", found=found)


def check_claude_code(version: str | None, *, named: str | None = None) -> Finding:
    """Only the agent of that name needs it, but a program that is named should be there."""
    requirement = "Claude Code, for the agent claude-code"
    if version:
        return Finding(requirement=requirement, found=version.splitlines()[0])
    if named:
        return Finding(
            requirement=requirement,
            found=f"{named} does not say its version",
            verdict=Verdict.WARN,
            remedy=f"mend the path that {CLAUDE_CODE} names, or unset it",
        )
    return Finding(requirement=requirement, found="none; no other agent needs it")


def check_prices(environment: Mapping[str, str], today: date) -> Finding:
    """A list that is old, or that cannot be read, makes the cap on money wrong or useless."""
    from runner.money.prices import load_prices

    requirement, remedy = "prices of models", "mend the list that RUNNER_PRICES names, or unset it"
    try:
        as_of = load_prices(environment).as_of
    except RunnerError as error:
        found = str(error).partition("\n")[0]
        return Finding(requirement=requirement, found=found, verdict=Verdict.WARN, remedy=remedy)
    days = (today - as_of).days
    if days <= PRICES_DAYS:
        return Finding(requirement=requirement, found=f"of {as_of}")
    return Finding(
        requirement=requirement,
        found=f"of {as_of}, {days} days old",
        verdict=Verdict.WARN,
        remedy="compare them with the vendor's, and name a list with RUNNER_PRICES if they differ",
    )


def check_clock(now: float) -> Finding:
    found = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now >= RELEASED.timestamp():
        return Finding(requirement="clock", found=found)
    remedy = "set the clock: package downloads and records depend on it"
    return Finding(requirement="clock", found=found, verdict=Verdict.FAIL, remedy=remedy)


def _at_least(name: str, floor: tuple[int, ...], version: str | None, *, remedy: str) -> Finding:
    requirement = f"{name} {'.'.join(map(str, floor))} or newer"
    numbers = re.search(r"\d+(\.\d+)+", version or "")
    if numbers and tuple(map(int, numbers[0].split("."))) >= floor:
        return Finding(requirement=requirement, found=numbers[0])
    found = version or "not found"
    return Finding(requirement=requirement, found=found, verdict=Verdict.FAIL, remedy=remedy)


def _free_bytes(path: Path) -> int:
    """Return the free space where a path is, or will be."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def _gpu() -> str | None:
    names = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return ", ".join(names.splitlines()) if names else None


def _output(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
