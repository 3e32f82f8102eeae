"""Each check is a table: what is there, and what the doctor says of it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner import doctor
from runner.doctor import Engine, Finding, Verdict
from runner.money.prices import load_prices
from runner.rooms import State

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
GIB = 1024**3
SECRET = "sk-never-shown"  # noqa: S105 - made up

# What Engine 20.10 said of itself, shortened to what is read.
INFO: dict[str, Any] = {
    "ServerVersion": "20.10.24+dfsg1",
    "Driver": "overlay2",
    "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}},
    "CgroupVersion": "1",
    "CgroupDriver": "cgroupfs",
    "MemoryLimit": True,
    "SwapLimit": True,
    "PidsLimit": True,
    "CpuCfsQuota": True,
    "SecurityOptions": ["name=seccomp,profile=default"],
    "MemTotal": 25 * GIB,
    "NCPU": 2,
    "DockerRootDir": "/var/lib/docker",
    "SystemTime": "2026-11-21T03:47:55.123456789Z",
}
ASKED_AT = datetime.fromisoformat("2026-11-21T03:47:55+00:00").timestamp()


@pytest.mark.parametrize(
    ("system", "machine", "verdict"),
    [
        ("Linux", "x86_64", OK),
        ("Linux", "aarch64", OK),
        ("Darwin", "arm64", WARN),
        ("Linux", "riscv64", FAIL),
        ("Windows", "AMD64", FAIL),
    ],
)
def test_platform(system: str, machine: str, verdict: Verdict) -> None:
    assert doctor.check_platform(system, machine).verdict is verdict


def test_macos_is_said_to_be_untested() -> None:
    assert "untested" in doctor.check_platform("Darwin", "arm64").remedy


@pytest.mark.parametrize(
    ("version", "verdict", "found"),
    [
        pytest.param("git version 2.39.5", OK, "2.39.5", id="Debian's"),
        pytest.param("git version 2.39.5 (Apple Git-154)", OK, "2.39.5", id="Apple's"),
        pytest.param("git version 2.4.1", FAIL, "git version 2.4.1", id="4 is less than 30"),
        pytest.param(None, FAIL, "not found", id="absent"),
    ],
)
def test_git(version: str | None, verdict: Verdict, found: str) -> None:
    finding = doctor.check_git(version)
    assert (finding.verdict, finding.found) == (verdict, found)


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("20.10.24+dfsg1", OK), ("28.2.2", OK), ("20.9.1", FAIL), ("19.03.15", FAIL), ("", FAIL)],
)
def test_engine_version(version: str, verdict: Verdict) -> None:
    assert doctor.check_version(INFO | {"ServerVersion": version}).verdict is verdict


def test_the_engine_row_names_storage_and_runtimes_without_shims() -> None:
    assert doctor.check_version(INFO).found == "20.10.24+dfsg1, storage overlay2, runtimes runc"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        pytest.param({}, OK, id="all there"),
        pytest.param({"MemoryLimit": False}, FAIL, id="memory cannot be limited"),
        pytest.param({"PidsLimit": False}, FAIL, id="nor processes"),
        pytest.param({"CpuCfsQuota": False}, FAIL, id="nor CPU"),
        pytest.param({"SwapLimit": False}, WARN, id="swap escapes the memory limit"),
    ],
)
def test_a_limit_that_the_kernel_lacks_is_found(change: dict[str, Any], verdict: Verdict) -> None:
    assert doctor.check_limits(INFO | change).verdict is verdict


def test_an_engine_without_seccomp_fails() -> None:
    assert doctor.check_confinement(INFO).verdict is OK
    assert doctor.check_confinement(INFO | {"SecurityOptions": None}).verdict is FAIL


@pytest.mark.parametrize("option", ["name=rootless", "name=userns"])
def test_an_engine_that_cannot_drop_the_caches_is_told_of_before_a_run_needs_it(option):
    assert doctor.check_flush(INFO).verdict is OK
    found = doctor.check_flush(INFO | {"SecurityOptions": ["name=seccomp,profile=default", option]})
    assert (found.verdict, "resources.flush" in found.remedy) == (doctor.Verdict.WARN, True)


@pytest.mark.parametrize(("gib", "verdict"), [(24, OK), (4, WARN), (1, FAIL)])
def test_memory(gib: int, verdict: Verdict) -> None:
    assert doctor.check_memory(gib * GIB).verdict is verdict


@pytest.mark.parametrize(("count", "verdict"), [(8, OK), (2, OK), (1, WARN)])
def test_one_cpu_is_slow_but_enough(count: int, verdict: Verdict) -> None:
    assert doctor.check_cpus(count).verdict is verdict


@pytest.mark.parametrize(
    ("free", "verdict"), [(20 * GIB, OK), (5 * GIB, WARN), (GIB, FAIL), (None, OK)]
)
def test_disk(free: int | None, verdict: Verdict) -> None:
    assert doctor.check_disk("disk", free).verdict is verdict


def test_a_missing_image_comes_with_its_remedy() -> None:
    engine = Engine(info=INFO, asked_at=ASKED_AT, image=None, tag="autoresearch-runner/cpu:1")
    finding = doctor.check_image(engine)
    assert finding.verdict is FAIL
    assert finding.remedy == "run: runner setup"
    assert doctor.check_image(dataclasses.replace(engine, image="sha256:1")).verdict is OK


@pytest.mark.parametrize(
    ("gpu", "runtimes", "verdict"),
    [
        pytest.param(None, {}, OK, id="no GPU is fine"),
        pytest.param("NVIDIA H200", {"nvidia": {}}, OK, id="both"),
        pytest.param("NVIDIA H200", {"runc": {}}, WARN, id="a GPU that containers cannot have"),
    ],
)
def test_gpu(gpu: str | None, runtimes: dict[str, Any], verdict: Verdict) -> None:
    assert doctor.check_gpu(gpu, {"Runtimes": runtimes}).verdict is verdict


def test_an_api_key_is_seen_and_never_shown() -> None:
    finding = doctor.check_api_key({"ANTHROPIC_API_KEY": SECRET})
    assert finding.found == "set"
    assert SECRET not in repr(finding)
    assert doctor.check_api_key({}).verdict is OK


@pytest.mark.parametrize(
    ("version", "found"), [("2.1.329 (Claude Code)", "2.1.329"), (None, "none")]
)
def test_claude_code_is_looked_for_and_never_needed(version: str | None, found: str) -> None:
    finding = doctor.check_claude_code(version)
    assert finding.verdict is OK
    assert found in finding.found


def test_a_program_that_is_named_and_not_there_is_a_warning() -> None:
    finding = doctor.check_claude_code(None, named="/nowhere/claude")
    assert finding.verdict is Verdict.WARN
    assert "/nowhere/claude" in finding.found


def test_the_program_that_is_named_is_the_one_that_is_asked(tmp_path: Path) -> None:
    program = tmp_path / "client"
    program.write_text("#!/bin/sh\necho 9.9.9 of $1\n")
    program.chmod(0o755)
    findings = doctor.diagnose(State(tmp_path), {"RUNNER_CLAUDE_CODE": str(program)})
    [found] = [one.found for one in findings if one.requirement.startswith("Claude Code")]
    assert found == "9.9.9 of --version"


@pytest.mark.parametrize(("days", "verdict"), [(0, OK), (180, OK), (181, WARN), (-10, OK)])
def test_old_prices_are_a_warning(days: int, verdict: Verdict) -> None:
    today = load_prices({}).as_of + timedelta(days=days)
    finding = doctor.check_prices({}, today)
    assert finding.verdict is verdict
    assert str(load_prices({}).as_of) in finding.found


def test_prices_that_cannot_be_read_are_found_before_a_run_needs_them(tmp_path: Path) -> None:
    finding = doctor.check_prices({"RUNNER_PRICES": str(tmp_path / "no.yaml")}, date(2026, 11, 1))
    assert finding.verdict is WARN
    assert "no.yaml" in finding.found


@pytest.mark.parametrize(
    ("engine_time", "verdict"),
    [
        pytest.param("2026-11-21T03:47:55.123456789Z", OK, id="nanoseconds"),
        pytest.param("2026-11-21T04:47:54+01:00", OK, id="another zone"),
        pytest.param("2026-11-21T03:37:55Z", WARN, id="ten minutes behind"),
        pytest.param("", OK, id="an engine that does not say"),
    ],
)
def test_the_clocks_of_host_and_engine(engine_time: str, verdict: Verdict) -> None:
    assert doctor.check_skew(engine_time, ASKED_AT).verdict is verdict


@pytest.mark.parametrize(("now", "verdict"), [(ASKED_AT, OK), (0.0, FAIL)])
def test_a_clock_before_the_project_is_wrong(now: float, verdict: Verdict) -> None:
    assert doctor.check_clock(now).verdict is verdict


def test_every_finding_that_is_not_fine_has_a_remedy(tmp_path: Path) -> None:
    poor = INFO | {"ServerVersion": "1.0", "MemTotal": 0, "NCPU": 0, "PidsLimit": False}
    engine = Engine(info=poor, asked_at=0.0, image=None, tag="x")
    findings = [*doctor.check_engine(engine), *doctor.diagnose(State(tmp_path / "not" / "there"))]
    assert [one.requirement for one in findings if one.verdict is not OK and not one.remedy] == []


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/no.sock", "ANTHROPIC_API_KEY": SECRET}


def test_a_machine_without_an_engine_fails_with_a_whole_list(nowhere: dict[str, str]) -> None:
    done = run(["doctor", "--json"], nowhere)
    assert done.returncode == 1
    findings = [Finding(**one) for one in json.loads(done.stdout)]
    failed = [one.requirement for one in findings if one.verdict == FAIL]
    assert "container engine" in failed
    assert {"clock", "ANTHROPIC_API_KEY"} <= {one.requirement for one in findings}
    assert SECRET not in done.stdout + done.stderr


def test_people_get_a_table_with_remedies(nowhere: dict[str, str]) -> None:
    done = run(["doctor"], nowhere | {"COLUMNS": "160"})
    assert done.returncode == 1
    assert "make setup" in done.stdout
    assert "Traceback" not in done.stderr


def run(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
