"""Checks what this machine has against what runs need: requirement, found, remedy.

Everything is asked once; each row of `CHECKS` looks at the answers.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runner import given
from runner.errors import RunnerError
from runner.paths import State

GIB = 1024**3
MACHINES = ("x86_64", "amd64", "aarch64", "arm64")
SKEW_SECONDS = 5.0
CLAUDE_CODE = "RUNNER_CLAUDE_CODE"
"""Names another program than `claude`, as for the agent itself."""
PORTS = {"http": 80, "https": 443}
KNOCK_SECONDS = 3.0
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
class Machine:
    """What this machine, and an engine that answers, say of themselves."""

    environment: Mapping[str, str]
    state: Path
    system: str
    processor: str
    python: str
    git: str | None
    gpus: str | None
    claude_code: str | None
    programs: Mapping[str, str]
    """Agent in a container → the version of its program, where that is there."""
    asked_at: float
    engine: Mapping[str, Any] = field(default_factory=dict)
    """Its own words; empty where none answers."""
    no_engine: str = ""
    """Why none does."""
    engine_remedy: str = ""
    images: Mapping[str, str | None] = field(default_factory=dict)
    """Name → id; `None` where it is missing."""
    reachable: Mapping[str, bool] = field(default_factory=dict)
    """Address of a provider whose key is there → whether something answers at it."""


def diagnose(state: State, environment: Mapping[str, str] = os.environ) -> tuple[Finding, ...]:
    """Run every check; never raises for what it finds."""
    return examine(ask(state, environment))


def ask(state: State, environment: Mapping[str, str]) -> Machine:
    """Ask this machine and its engine whatever a check looks at."""
    from runner.agents import programs
    from runner.engines.docker import connect, our_fault
    from runner.engines.images import SCORER, image_id, image_tag

    engine, no_engine, remedy, asked_at = {}, "", "", time.time()
    images = dict[str, str | None]()
    try:
        with closing(connect()) as docker:
            with our_fault("asking the engine about itself"):
                said, asked_at = docker.client.info(), time.time()
            images = {image_tag(name): image_id(docker, name) for name in ("cpu", SCORER)}
            engine = said
    except RunnerError as error:
        no_engine, remedy = str(error), error.hint
    return Machine(
        environment=environment,
        state=state.root,
        system=platform.system(),
        processor=platform.machine(),
        python=platform.python_version(),
        git=_output("git", "--version"),
        gpus=_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader"),
        claude_code=_output(environment.get(CLAUDE_CODE) or "claude", "--version"),
        programs={
            name: programs.version(package)
            for name, package in (("claude-code", programs.CLAUDE_CODE), ("codex", programs.CODEX))
            if package in programs.here()
        },
        reachable=_reachable(environment),
        asked_at=asked_at,
        engine=engine,
        no_engine=no_engine,
        engine_remedy=remedy,
        images=images,
    )


def examine(machine: Machine) -> tuple[Finding, ...]:
    """Judge each requirement; what only an engine can tell is left out where there is none."""
    checks = [row[:2] for row in CHECKS if machine.engine or not row[2]]
    answers = ((requirement, *_checked(check, machine)) for requirement, check in checks)
    return tuple(
        Finding(requirement=requirement, verdict=verdict, found=found, remedy=remedy)
        for requirement, verdict, found, remedy in answers
    )


# -- the checks -------------------------------------------------------------------------------

Answer = tuple[Verdict, str, str]
"""Verdict, what was found, remedy."""


def _answer(found: str, remedy: str = "", *, warn: bool = False, fail: bool = False) -> Answer:
    verdict = Verdict.FAIL if fail else Verdict.WARN if warn else Verdict.OK
    return verdict, found, remedy if warn or fail else ""


def _checked(check: Callable[[Machine], Answer], machine: Machine) -> Answer:
    """Return a check's answer; what a person said wrongly is one, too."""
    try:
        return check(machine)
    except RunnerError as error:
        return _answer(str(error).partition("\n")[0], error.hint, warn=True)


def _system(machine: Machine) -> Answer:
    found = f"{machine.system} {machine.processor}"
    if machine.system == "Darwin":
        remedy = "macOS is untested: an engine that listens at DOCKER_HOST may do"
        return _answer(found, remedy, warn=True)
    is_known = machine.system == "Linux" and machine.processor in MACHINES
    return _answer(found, "use Linux on x86-64 or arm64", fail=not is_known)


def _engine(machine: Machine) -> Answer:
    from runner.engines.docker import known_runtimes

    said = machine.engine
    if not said:
        return _answer(machine.no_engine, machine.engine_remedy, fail=True)
    version = str(said.get("ServerVersion", ""))
    verdict, _, remedy = _at_least((20, 10), version, "upgrade the engine")
    runtimes = ", ".join(known_runtimes(said))
    return verdict, f"{version}, storage {said.get('Driver')}, runtimes {runtimes}", remedy


def _limits(machine: Machine) -> Answer:
    """A limit that the kernel does not offer is a limit that a trial does not have."""
    said = machine.engine
    wanted = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "CPU"}
    lacking = [name for key, name in wanted.items() if not said.get(key)]
    swaps = not lacking and not said.get("SwapLimit")
    remedy = "enable these controllers, or use an engine that runs as root"
    if swaps:
        remedy = "a trial may swap beyond its memory: boot with swapaccount=1, or swapoff -a"
    found = f"cgroup v{said.get('CgroupVersion', '?')}, driver {said.get('CgroupDriver', '?')}"
    missing = ", ".join(lacking or ["swap"] * swaps)
    found += f", without {missing}" if missing else ""
    return _answer(found, remedy, warn=swaps, fail=bool(lacking))


def _seccomp(machine: Machine) -> Answer:
    names, remedy = _security(machine), "use a kernel and an engine with seccomp"
    return _answer(", ".join(names) or "none", remedy, fail="seccomp" not in names)


def _caches(machine: Machine) -> Answer:
    """Only the machine's own root may tell the kernel to drop its caches."""
    others = sorted({"rootless", "userns"} & set(_security(machine)))
    remedy = "use an engine whose root is the machine's, or set resources.flush to false"
    found = f"not allowed: {', '.join(others)}" if others else "the engine's root is the machine's"
    return _answer(found, remedy, warn=bool(others))


def _sockets(machine: Machine) -> Answer:
    """An agent's container and a served model meet the outside at sockets of the host."""
    runtimes = machine.engine.get("Runtimes") or {}
    closed = [
        name
        for name, said in runtimes.items()
        if name.startswith("runsc")
        and not any(str(each).startswith("--host-uds") for each in said.get("runtimeArgs") or [])
    ]
    remedy = "register it with --host-uds=all, as images/runsc.sh does"
    found = f"{', '.join(closed)} without --host-uds" if closed else "not closed"
    return _answer(found, remedy, warn=bool(closed))


def _memory(machine: Machine) -> Answer:
    total = int(machine.engine.get("MemTotal", 0))
    remedy = "lower resources.memory in the policy, or give the engine more"
    found = f"{total / GIB:.1f} GiB"
    return _answer(found, remedy, warn=total < 5 * GIB, fail=total < 2 * GIB)


def _cpus(machine: Machine) -> Answer:
    count = int(machine.engine.get("NCPU", 0))
    remedy = "lower resources.cpus in the policy; training gets less done"
    return _answer(str(count), remedy, warn=count < 2)


def _engine_disk(machine: Machine) -> Answer:
    """The engine of a virtual machine keeps its files where we cannot look."""
    root = Path(str(machine.engine.get("DockerRootDir", "")))
    return _disk(root, fail=3, warn=8) if root.is_dir() else _answer("cannot be seen from here")


def _images(machine: Machine) -> Answer:
    missing = [name for name, found in machine.images.items() if not found]
    said = f"missing: {', '.join(missing)}" if missing else ", ".join(machine.images)
    return _answer(said, "run: runner setup", fail=bool(missing))


def _engine_clock(machine: Machine) -> Answer:
    said = str(machine.engine.get("SystemTime", ""))
    try:
        # Nanoseconds are more than Python reads.
        engine = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", said)).timestamp()
    except ValueError:
        return _answer(f"the engine does not say: {said!r}")
    skew, remedy = engine - machine.asked_at, "synchronise both clocks; deadlines hold all the same"
    return _answer(f"{skew:+.1f} s", remedy, warn=abs(skew) > SKEW_SECONDS)


def _gpus(machine: Machine) -> Answer:
    if machine.gpus is None:
        return _answer("none; not needed for the image cpu")
    lacks = "nvidia" not in (machine.engine.get("Runtimes") or {})
    remedy = (
        "for trials on the GPU install nvidia-container-toolkit, then run: "
        "nvidia-ctk runtime configure --runtime=docker"
    )
    names = ", ".join(machine.gpus.splitlines())
    return _answer(f"{names}, {'no ' if lacks else ''}runtime nvidia", remedy, warn=lacks)


def _api_key(machine: Machine) -> Answer:
    """Only whether it is there; the value goes nowhere."""
    is_set = bool(machine.environment.get("ANTHROPIC_API_KEY"))
    return _answer("set" if is_set else "not set; only agents that ask a model need one")


def _agent(machine: Machine, name: str) -> Answer:
    """Say how an agent would be run here, and whether its model can be asked."""
    from runner.agents.descriptions import MODELS
    from runner.providers import provider_of

    provider, model = provider_of(MODELS[name], machine.environment)
    boxed = name != "claude"
    program = machine.programs.get(name) or "no program: runner setup --agents"
    answers = machine.reachable.get(provider.address)
    words = [
        *([program] if boxed else []),
        f"isolation {'contained' if boxed else 'api'}",
        f"{model} at {provider.address}",
        {None: f"{provider.key_in} is not set", True: "reachable", False: "not reachable"}[answers],
        "price known" if provider.free or provider.prices.find(model) else "price not known",
    ]
    remedy = f"look at the network, or name another address with {provider.address_in}"
    return _answer(", ".join(words), remedy, warn=answers is False)


def _boxed(machine: Machine) -> Answer:
    """Say what `boxed` would start here, and whom it could ask."""
    from runner.agents import programs
    from runner.providers import load_providers

    own = machine.environment.get(programs.OWN)
    place = programs.of(Path(own)) if own else None
    providers = load_providers(machine.environment)
    answers = {True: "reachable", False: "not reachable", None: "its key is not set"}
    asked = (
        f"{name} ({answers[machine.reachable.get(provider.address)]}, "
        f"{'free' if provider.free else f'{len(provider.prices.models)} prices'})"
        for name, provider in providers.items()
    )
    what = f"{own} in {place}" if place else f"no programs: {programs.OWN} is not set"
    return _answer(f"{what}, isolation contained, may ask {', '.join(asked)}")


def _reachable(environment: Mapping[str, str]) -> dict[str, bool]:
    """Knock at each provider whose key is there, or at the proxy before it; nothing is sent."""
    from runner.providers import load_providers

    found = {}
    with suppress(RunnerError):  # the row of prices says what is wrong
        for provider in load_providers(environment).values():
            if provider.key_in is None or environment.get(provider.key_in):
                proxy = environment.get("HTTPS_PROXY") or environment.get("https_proxy")
                where = urlsplit(proxy or provider.address)
                place = (where.hostname or "", where.port or PORTS.get(where.scheme, 443))
                try:
                    socket.create_connection(place, KNOCK_SECONDS).close()
                    found[provider.address] = True
                except OSError:
                    found[provider.address] = False
    return found


def _claude_code(machine: Machine) -> Answer:
    """Only `--on-host` needs it, but a program that is named should be there."""
    if machine.claude_code:
        return _answer(f"{machine.claude_code.splitlines()[0]}, isolation tool-restricted")
    if named := machine.environment.get(CLAUDE_CODE):
        remedy = f"correct the path in {CLAUDE_CODE}, or unset it"
        return _answer(f"{named} does not say its version", remedy, warn=True)
    return _answer("none; no other agent needs it")


def _prices(machine: Machine) -> Answer:
    """A list that is old, or that cannot be read, makes the cap on money wrong or useless."""
    from runner.providers import load_providers

    providers = load_providers(machine.environment).values()
    as_of = min(provider.prices.as_of for provider in providers)
    days = (datetime.fromtimestamp(machine.asked_at, UTC).date() - as_of).days
    remedy = "compare them with the vendor's, and say others in a file: RUNNER_PROVIDERS=FILE"
    age = f", {days} days old" if days > PRICES_DAYS else ""
    return _answer(f"of {as_of}{age}", remedy, warn=days > PRICES_DAYS)


def _clock(machine: Machine) -> Answer:
    found = datetime.fromtimestamp(machine.asked_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    remedy = "set the clock: package downloads and records depend on it"
    return _answer(found, remedy, fail=machine.asked_at < RELEASED.timestamp())


def _notifications(machine: Machine) -> Answer:
    """Only the names; what an address holds goes nowhere."""
    from runner.addresses import CHOICE, load_targets

    names = [each.name for each in load_targets(machine.environment)]
    if not names:
        return _answer(f"none: {CHOICE} is not set")
    path = given.place(machine.environment[CHOICE])
    is_open = bool(path.stat().st_mode & 0o077)
    said = f"{', '.join(names)}{'; other users can read the file' if is_open else ''}"
    return _answer(said, f"addresses hold tokens: chmod 600 {path}", warn=is_open)


CHECKS: tuple[tuple[str, Callable[[Machine], Answer], bool], ...] = (
    ("Linux on x86-64 or arm64", _system, False),
    (
        "Python 3.11 or newer",
        lambda m: _at_least((3, 11), m.python, "make setup PYTHON=python3.11"),
        False,
    ),
    ("git 2.30 or newer", lambda m: _at_least((2, 30), m.git, "apt-get install git"), False),
    ("container engine 20.10 or newer", _engine, False),
    ("limits by control groups", _limits, True),
    ("seccomp", _seccomp, True),
    ("dropping the kernel's caches", _caches, True),
    ("sockets under runsc", _sockets, True),
    ("memory", _memory, True),
    ("2 CPUs", _cpus, True),
    ("disk for the engine", _engine_disk, True),
    ("images cpu and scorer", _images, True),
    ("the engine's clock agrees", _engine_clock, True),
    ("disk for the state folder", lambda m: _disk(m.state, fail=0.5, warn=2), False),
    ("GPU and NVIDIA runtime", _gpus, False),
    ("ANTHROPIC_API_KEY", _api_key, False),
    ("the agent claude", lambda m: _agent(m, "claude"), False),
    ("the agent claude-code", lambda m: _agent(m, "claude-code"), False),
    ("the agent codex", lambda m: _agent(m, "codex"), False),
    ("the agent boxed", _boxed, False),
    ("Claude Code on this machine, for --on-host", _claude_code, False),
    ("prices of models", _prices, False),
    ("notifications", _notifications, False),
    ("clock", _clock, False),
)
"""Requirement, its check, and whether it needs an engine that answers."""


def _at_least(floor: tuple[int, ...], version: str | None, remedy: str) -> Answer:
    numbers = re.search(r"\d+(\.\d+)+", version or "")
    if numbers and tuple(map(int, numbers[0].split("."))) >= floor:
        return _answer(numbers[0])
    return _answer(version or "not found", remedy, fail=True)


def _security(machine: Machine) -> list[str]:
    options = [str(option) for option in machine.engine.get("SecurityOptions") or []]
    return [option.partition(",")[0].removeprefix("name=") for option in options]


def _disk(path: Path, *, fail: float, warn: float) -> Answer:
    """Compare the free space where a path is, or will be, with two floors in GiB."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / GIB
    remedy = f"free at least {warn:g} GiB"
    return _answer(f"{free:.1f} GiB free", remedy, warn=free < warn, fail=free < fail)


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
