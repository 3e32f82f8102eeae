"""The real supervisor killed (kill -9) at a moment of a trial, then resumed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from homes import with_bare_template

from runner import engines, paths
from runner.paths import PROJECT

pytestmark = pytest.mark.docker

QUICK = PROJECT / "tests" / "scripts" / "quick-policy.yaml"
CLAMP = "{old: 'LOGIT_SCALE_MAX = 2.0', new: 'LOGIT_SCALE_MAX = 50.0'}"
WARMUP = "{old: 'WARMUP_STEPS = 10', new: 'WARMUP_STEPS = 5'}"
SCRIPT = "".join(
    f"- {{hypothesis: {what}, changes: [{{path: train.py, replace: {edit}}}]}}\n"
    for what, edit in {"raise the clamp": CLAMP, "warm up sooner": WARMUP}.items()
)


@dataclass(frozen=True)
class Moment:
    """What happens to which container, as the engine tells it, when the supervisor dies."""

    action: str
    stage: str
    trial: str = "0-decision"
    leaves: bool = True
    """Whether something of it must be there at that moment."""
    beside: str | None = None
    """The trial that runs at the same time, on another device."""

    @property
    def last(self) -> int:
        """The experiment at which it comes: the run goes no further."""
        return int(self.trial.partition("-")[0])

    @property
    def options(self) -> list[str]:
        devices, ahead = ("2", "1") if self.beside else ("1", "0")
        return ["--experiments", str(self.last), "--devices", devices, "--ahead", ahead]

    def is_it(self, event: dict[str, Any]) -> bool:
        name = event["Actor"]["Attributes"]["name"]
        return (
            event["Action"] == self.action
            and name.endswith(f"-{self.stage}")
            and (f"--{self.trial}-" in name)
        )


MOMENTS = {
    "the scorer is created": Moment("create", "score"),
    "training": Moment("start", "train"),
    "predicting": Moment("start", "predict-captions"),
    "scoring": Moment("destroy", "predict-captions"),
    "scored and not recorded": Moment("destroy", "score", leaves=False),
    "training of a later experiment": Moment("start", "train", "1-decision"),
    "training of an audit": Moment("start", "train", "0-audit"),
    "training of two experiments": Moment("start", "train", "2-decision", beside="1-decision"),
}


@pytest.fixture(scope="module")
def home(home, tmp_path_factory):
    return with_bare_template(home, tmp_path_factory.mktemp("project"), waits=True)


@pytest.fixture(autouse=True)
def device_of_its_own(home, monkeypatch):
    """Whoever else is at work on this machine is not waited for."""
    monkeypatch.setenv("RUNNER_LOCKS", str(home.path / "locks"))


@contextmanager
def supervisor(home, tag: str, *options: str) -> Iterator[subprocess.Popen]:
    script, policy = home.path / "two.yaml", home.path / "one-processor.yaml"
    script.write_text(SCRIPT)
    policy.write_text(QUICK.read_text().replace("{cpus: 2, memory: 2g", "{cpus: 1, memory: 1g"))
    chosen = ["--tag", tag, "--policy", str(policy), "--agent", f"stub:{script}"]
    with subprocess.Popen(
        [sys.executable, "-m", "runner", "run", "eclip", *chosen, *options],
        cwd=home.project,
        env=home.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_at(moment: Moment, home, tag: str) -> None:
    """Start a supervisor and kill it when the moment comes."""
    labels = {"label": [f"{engines.RUN_LABEL}={tag}"], "type": "container"}
    with (
        closing(docker.from_env()) as client,
        closing(client.events(decode=True, filters=labels)) as events,
        supervisor(home, tag, *moment.options) as process,
    ):
        threading.Thread(target=end_with, args=(process, events), daemon=True).start()
        for event in events:
            if moment.is_it(event):
                process.kill()
                break
        assert process.wait() == -signal.SIGKILL, "it ended before the moment came"


def end_with(process: subprocess.Popen, events: Any) -> None:
    process.wait()
    events.close()


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_killed_supervisor_s_run_goes_on_and_nothing_is_left_of_the_first(home, moment):
    tag = f"kill9-{list(MOMENTS.values()).index(moment)}"
    labels = {engines.HOME_LABEL: paths.State(home.path).id, engines.RUN_LABEL: tag}
    kill_at(moment, home, tag)
    before = home.json("list", tag)
    with closing(engines.connect()) as client:
        left = client.leftovers(labels)
        assert left or not moment.leaves
        assert moment.beside is None or any(f"--{moment.beside}-" in name for name in left)
        home.ok("run", "--resume", tag, *moment.options)
        assert client.leftovers(labels) == []
    after = home.json("list", tag)
    assert [found["number"] for found in after] == list(range(moment.last + 1))
    assert {found["status"] for found in after} <= {"kept", "reverted"}
    assert_no_trial_was_lost_or_doubled(before, after)
    assert list((home.path / "stage").iterdir()) == []
    home.ok("audit", tag)


def assert_no_trial_was_lost_or_doubled(before: list[Any], after: list[Any]) -> None:
    """What was recorded before the kill is there as it was, and each place has one trial."""
    for old, new in zip(before, after, strict=False):
        assert [trial for trial in old["trials"] if trial not in new["trials"]] == []
        assert old["chain"] in (None, new["chain"])
    for found in after:
        audits = 1 if found["status"] == "kept" else 0
        purposes = [trial["purpose"] for trial in found["trials"]]
        assert sorted(purposes) == ["audit"] * audits + ["decision"]
