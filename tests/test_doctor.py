"""Each check is a table: what is there, and what the doctor says of it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner import doctor
from runner.doctor import Finding, Machine, Verdict
from runner.paths import PROJECT, State
from runner.providers import load_providers

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


OWN = {"RUNNER_BOX_PROGRAMS": str(PROJECT / "docs" / "examples" / "boxed")}
MACHINE = Machine(
    environment={},
    state=Path("/"),
    system="Linux",
    processor="x86_64",
    python="3.11.2",
    git="git version 2.39.5",
    gpus=None,
    claude_code=None,
    programs={},
    asked_at=ASKED_AT,
    engine=INFO,
    images={"autoresearch-runner/cpu:1": "sha256:1", "autoresearch-runner/scorer:1": "sha256:2"},
)


def found(requirement: str, **changes: Any) -> Finding:
    """What the doctor says of one requirement, on a machine with these changes."""
    findings = doctor.examine(dataclasses.replace(MACHINE, **changes))
    [one] = [each for each in findings if each.requirement.startswith(requirement)]
    return one


def engine(**changes: Any) -> dict[str, Any]:
    return {"engine": INFO | changes}


@pytest.mark.parametrize(
    ("system", "processor", "verdict"),
    [
        ("Linux", "x86_64", OK),
        ("Linux", "aarch64", OK),
        ("Darwin", "arm64", WARN),
        ("Linux", "riscv64", FAIL),
        ("Windows", "AMD64", FAIL),
    ],
)
def test_platform(system: str, processor: str, verdict: Verdict) -> None:
    assert found("Linux on", system=system, processor=processor).verdict is verdict


def test_macos_is_said_to_be_untested() -> None:
    assert "untested" in found("Linux on", system="Darwin", processor="arm64").remedy


@pytest.mark.parametrize(
    ("version", "verdict", "what"),
    [
        pytest.param("git version 2.39.5", OK, "2.39.5", id="Debian's"),
        pytest.param("git version 2.39.5 (Apple Git-154)", OK, "2.39.5", id="Apple's"),
        pytest.param("git version 2.4.1", FAIL, "git version 2.4.1", id="4 is less than 30"),
        pytest.param(None, FAIL, "not found", id="absent"),
    ],
)
def test_git(version: str | None, verdict: Verdict, what: str) -> None:
    finding = found("git", git=version)
    assert (finding.verdict, finding.found) == (verdict, what)


@pytest.mark.parametrize(("version", "verdict"), [("3.11.2", OK), ("3.10.14", FAIL)])
def test_python(version: str, verdict: Verdict) -> None:
    assert found("Python", python=version).verdict is verdict


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("20.10.24+dfsg1", OK), ("28.2.2", OK), ("20.9.1", FAIL), ("19.03.15", FAIL), ("", FAIL)],
)
def test_engine_version(version: str, verdict: Verdict) -> None:
    assert found("container engine", **engine(ServerVersion=version)).verdict is verdict


def test_the_engine_row_names_storage_and_runtimes_without_shims() -> None:
    what = "20.10.24+dfsg1, storage overlay2, runtimes runc"
    assert found("container engine").found == what


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
    assert found("limits by control groups", **engine(**change)).verdict is verdict


def test_an_engine_without_seccomp_fails() -> None:
    assert found("seccomp").verdict is OK
    assert found("seccomp", **engine(SecurityOptions=None)).verdict is FAIL


@pytest.mark.parametrize("option", ["name=rootless", "name=userns"])
def test_an_engine_that_cannot_drop_the_caches_is_told_of_before_a_run_needs_it(option):
    assert found("dropping").verdict is OK
    one = found("dropping", **engine(SecurityOptions=["name=seccomp,profile=default", option]))
    assert (one.verdict, "resources.flush" in one.remedy) == (WARN, True)


@pytest.mark.parametrize(("gib", "verdict"), [(24, OK), (4, WARN), (1, FAIL)])
def test_memory(gib: int, verdict: Verdict) -> None:
    assert found("memory", **engine(MemTotal=gib * GIB)).verdict is verdict


@pytest.mark.parametrize(("count", "verdict"), [(8, OK), (2, OK), (1, WARN)])
def test_one_cpu_is_slow_but_enough(count: int, verdict: Verdict) -> None:
    assert found("2 CPUs", **engine(NCPU=count)).verdict is verdict


@pytest.mark.parametrize(
    ("requirement", "gib", "verdict"),
    [
        ("disk for the engine", 20, OK),
        ("disk for the engine", 5, WARN),
        ("disk for the engine", 1, FAIL),
        ("disk for the state", 5, OK),
        ("disk for the state", 1, WARN),
        ("disk for the state", 0.25, FAIL),
    ],
)
def test_disk(monkeypatch, tmp_path, requirement: str, gib: float, verdict: Verdict) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=int(gib * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    there = engine(DockerRootDir=str(tmp_path))
    assert found(requirement, state=tmp_path / "not" / "there", **there).verdict is verdict


def test_a_disk_that_cannot_be_seen_is_no_failure(tmp_path: Path) -> None:
    one = found("disk for the engine", **engine(DockerRootDir=str(tmp_path / "no")))
    assert (one.verdict, one.found) == (OK, "cannot be seen from here")


def test_a_missing_image_comes_with_its_remedy() -> None:
    finding = found("images", images={"cpu:1": "sha256:1", "scorer:1": None})
    assert (finding.verdict, finding.found) == (FAIL, "missing: scorer:1")
    assert finding.remedy == "run: runner setup"
    assert found("images").verdict is OK


@pytest.mark.parametrize(
    ("gpus", "runtimes", "verdict"),
    [
        pytest.param(None, {}, OK, id="no GPU is fine"),
        pytest.param("NVIDIA H200", {"nvidia": {}}, OK, id="both"),
        pytest.param("NVIDIA H200", {"runc": {}}, WARN, id="a GPU that containers cannot have"),
    ],
)
def test_gpu(gpus: str | None, runtimes: dict[str, Any], verdict: Verdict) -> None:
    assert found("GPU", gpus=gpus, **engine(Runtimes=runtimes)).verdict is verdict


def test_an_api_key_is_seen_and_never_shown() -> None:
    finding = found("ANTHROPIC", environment={"ANTHROPIC_API_KEY": SECRET})
    assert finding.found == "set"
    assert SECRET not in repr(finding)
    assert found("ANTHROPIC").verdict is OK


@pytest.mark.parametrize(
    ("arguments", "verdict"), [(["--host-uds=all"], OK), (["--platform=ptrace"], WARN)]
)
def test_a_runtime_that_closes_the_way_to_sockets_is_named(arguments, verdict):
    runtimes = {"runc": {"path": "runc"}, "runsc": {"path": "runsc", "runtimeArgs": arguments}}
    assert found("sockets", **engine(Runtimes=runtimes)).verdict is verdict


@pytest.mark.parametrize(
    ("agent", "changes", "words", "verdict"),
    [
        ("claude-code", {}, ["no program", "contained", "KEY is not set", "price known"], OK),
        ("claude-code", {"programs": {"claude-code": "2.1"}}, ["2.1, isolation contained"], OK),
        ("codex", {"reachable": {"https://api.openai.com/v1": True}}, [", reachable"], OK),
        ("codex", {"reachable": {"https://api.openai.com/v1": False}}, ["not reachable"], WARN),
        ("claude", {}, ["isolation api"], OK),
        ("boxed", {}, ["no programs", "isolation contained", "openai (its key is not set, "], OK),
        (
            "boxed",
            {"environment": OWN, "reachable": {"https://api.openai.com/v1": True}},
            ["examples/boxed", "openai (reachable, ", " prices)"],
            OK,
        ),
        ("boxed", {"environment": {"RUNNER_BOX_PROGRAMS": "/x/y"}}, ["is no folder"], WARN),
    ],
)
def test_an_agent_is_what_would_run_here(agent, changes, words, verdict):
    [finding] = [
        each
        for each in doctor.examine(dataclasses.replace(MACHINE, **changes))
        if each.requirement == f"the agent {agent}"
    ]
    assert finding.verdict is verdict
    assert all(word in finding.found for word in words), finding.found


def test_only_providers_that_can_be_asked_are_knocked_at():
    assert doctor._reachable({}) == {}
    nobody = {"ANTHROPIC_API_KEY": "x", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    assert doctor._reachable(nobody) == {"http://127.0.0.1:9": False}


@pytest.mark.parametrize(
    ("version", "what"), [("2.1.329 (Claude Code)", "2.1.329"), (None, "none")]
)
def test_claude_code_is_looked_for_and_never_needed(version: str | None, what: str) -> None:
    finding = found("Claude Code", claude_code=version)
    assert finding.verdict is OK
    assert what in finding.found


def test_a_program_that_is_named_and_not_there_is_a_warning() -> None:
    finding = found("Claude Code", environment={"RUNNER_CLAUDE_CODE": "/nowhere/claude"})
    assert finding.verdict is WARN
    assert "/nowhere/claude" in finding.found


def test_the_program_that_is_named_is_the_one_that_is_asked(tmp_path: Path) -> None:
    program = tmp_path / "client"
    program.write_text("#!/bin/sh\necho 9.9.9 of $1\n")
    program.chmod(0o755)
    findings = doctor.diagnose(State(tmp_path), {"RUNNER_CLAUDE_CODE": str(program)})
    [one] = [each.found for each in findings if each.requirement.startswith("Claude Code")]
    assert one == "9.9.9 of --version, isolation tool-restricted"


@pytest.mark.parametrize(("days", "verdict"), [(0, OK), (180, OK), (181, WARN), (-10, OK)])
def test_old_prices_are_a_warning(days: int, verdict: Verdict) -> None:
    as_of = load_providers({})["anthropic"].prices.as_of
    today = datetime.combine(as_of + timedelta(days=days), datetime.min.time(), UTC)
    finding = found("prices", asked_at=today.timestamp())
    assert finding.verdict is verdict
    assert str(as_of) in finding.found


def test_prices_that_cannot_be_read_are_found_before_a_run_needs_them(tmp_path: Path) -> None:
    finding = found("prices", environment={"RUNNER_PROVIDERS": str(tmp_path / "no.yaml")})
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
    assert found("the engine's clock", **engine(SystemTime=engine_time)).verdict is verdict


@pytest.mark.parametrize(("now", "verdict"), [(ASKED_AT, OK), (0.0, FAIL)])
def test_a_clock_before_the_project_is_wrong(now: float, verdict: Verdict) -> None:
    assert found("clock", asked_at=now).verdict is verdict


def test_every_finding_that_is_not_fine_has_a_remedy(tmp_path: Path) -> None:
    poor = INFO | {"ServerVersion": "1.0", "MemTotal": 0, "NCPU": 0, "PidsLimit": False}
    bare = dataclasses.replace(MACHINE, engine=poor, asked_at=0.0, images={"cpu": None}, git=None)
    findings = [*doctor.examine(bare), *doctor.diagnose(State(tmp_path / "not" / "there"))]
    assert len([one for one in findings if one.verdict is not OK]) > 5
    assert [one.requirement for one in findings if one.verdict is not OK and not one.remedy] == []


def test_no_requirement_is_asked_twice() -> None:
    requirements = [row[0] for row in doctor.CHECKS]
    assert len(set(requirements)) == len(requirements)


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/no.sock", "ANTHROPIC_API_KEY": SECRET}


def test_a_machine_without_an_engine_fails_with_a_whole_list(nowhere: dict[str, str]) -> None:
    done = run(["doctor", "--json"], nowhere)
    assert done.returncode == 1
    findings = [Finding(**one) for one in json.loads(done.stdout)]
    failed = [one.requirement for one in findings if one.verdict == FAIL]
    assert "container engine 20.10 or newer" in failed
    assert {"clock", "ANTHROPIC_API_KEY"} <= {one.requirement for one in findings}
    assert SECRET not in done.stdout + done.stderr


def test_people_get_a_table_with_remedies(nowhere: dict[str, str]) -> None:
    done = run(["doctor"], nowhere | {"COLUMNS": "160"})
    assert done.returncode == 1
    assert "unset DOCKER_HOST" in done.stdout
    assert "Traceback" not in done.stderr


def run(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
