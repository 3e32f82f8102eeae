"""How a wish to stop reaches a command, and what it leaves: signals, a terminal that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes import make_session
from terminals import at_terminal

from runner.errors import StoppedError
from runner.paths import PROJECT
from runner.records import ExperimentStatus
from runner.stopping import SIGNALS, Stop

DRIVER = Path(__file__).with_name("stopped_driver.py")
ENDING = (signal.SIGTERM, signal.SIGHUP)


@dataclass
class Working:
    abort: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def said() -> list[str]:
    return []


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


# -- while something is at work ---------------------------------------------------------------


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_ends_what_is_at_work_and_raises_nothing_there(number, said):
    stop, working = Stop(said.append), Working()
    with stop.listening(), stop.stopping(working):
        send(number)
    assert working.abort.is_set()
    assert said == ["stopping now"]


@pytest.mark.parametrize("number", ENDING)
def test_a_patient_one_waits_for_ctrl_c_only(number, said):
    stop, working = Stop(said.append, patient=True), Working()
    with stop.listening(), stop.stopping(working):
        send(number)
    assert working.abort.is_set()


def test_a_patient_one_ends_at_the_second_ctrl_c(said):
    stop, working = Stop(said.append, patient=True), Working()
    with stop.listening(), stop.stopping(working):
        send(signal.SIGINT)
        assert stop.asked
        assert not working.abort.is_set()
        send(signal.SIGINT)
        assert working.abort.is_set()


def test_what_begins_after_a_wish_is_stopped_at_once(said):
    stop, first, second = Stop(said.append), Working(), Working()
    with stop.listening():
        with stop.stopping(first):
            send(signal.SIGHUP)
        with stop.stopping(second):
            assert second.abort.is_set()


def test_a_line_that_cannot_be_said_changes_nothing():
    def busy(_: str) -> None:
        raise RuntimeError("reentrant call")

    stop, working = Stop(busy), Working()
    with stop.listening(), stop.stopping(working):
        send(signal.SIGTERM)
    assert working.abort.is_set()


# -- while nothing is -------------------------------------------------------------------------


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("patient", [False, True])
def test_a_command_ends_where_it_is_and_cleans_up(number, patient, said):
    cleaned = []

    def work() -> None:
        with Stop(said.append, patient=patient).listening():
            try:
                send(number)
                pytest.fail("went on")
            finally:
                send(number)  # as a closed terminal's second one does
                cleaned.append(True)

    with pytest.raises(StoppedError):
        work()
    assert cleaned


@pytest.mark.parametrize("number", SIGNALS)
def test_handlers_are_given_back(number, said):
    before = signal.getsignal(number)
    with Stop(said.append).listening():
        assert signal.getsignal(number) != before
    assert signal.getsignal(number) == before


def test_a_hang_up_that_was_ignored_stays_ignored(said):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop, working = Stop(said.append), Working()
        with stop.listening(), stop.stopping(working):
            send(signal.SIGHUP)
        assert not working.abort.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# -- a terminal that is gone ------------------------------------------------------------------


def environment(folder: Path) -> dict[str, str]:
    own = {"RUNNER_HOME": str(folder / "state"), "PYTHONPATH": str(PROJECT)}
    return {**os.environ, **own}


def command(folder: Path, hold: str) -> list[str]:
    return [sys.executable, str(DRIVER), str(folder), hold]


def statuses(folder: Path) -> list[ExperimentStatus | None]:
    with make_session(folder, None) as session:
        return [found.status for found in session.history]


def last_event(folder: Path) -> str:
    with make_session(folder, None) as session:
        return session.state.events(session.run.tag).read_text().splitlines()[-1]


@pytest.mark.slow
def test_a_run_whose_terminal_is_closed_ends_at_once_and_can_go_on(tmp_path):
    run = at_terminal(command(tmp_path, "long"), cwd=tmp_path, env=environment(tmp_path))
    with run as found:
        found.wait_for(b"at work")
        found.close()
        assert found.process.wait(20) == StoppedError.exit_code
    assert statuses(tmp_path) == [ExperimentStatus.KEPT, None]
    assert "stopped by" in last_event(tmp_path)


@pytest.mark.slow
def test_under_nohup_a_run_goes_on_with_nobody_to_read_it(tmp_path):
    run = at_terminal(
        command(tmp_path, "briefly"), cwd=tmp_path, env=environment(tmp_path), deaf=True
    )
    with run as found:
        found.wait_for(b"at work")
        found.close()
        assert found.process.wait(20) == 0
    assert statuses(tmp_path) == [ExperimentStatus.KEPT, ExperimentStatus.REVERTED]


@pytest.mark.slow
@pytest.mark.parametrize("deaf", [False, True])
def test_a_pipe_that_nobody_reads_any_more_ends_a_run_unless_it_is_started_with_nohup(
    tmp_path, deaf
):
    nohup = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"] if deaf else []
    with subprocess.Popen(
        [*nohup, *command(tmp_path, "briefly")], cwd=tmp_path, env=environment(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stderr is not None
        while run.stdout.readline() != b"at work\n":
            assert run.poll() is None, run.stderr.read()
        run.stdout.close()
        said = run.stderr.read().decode()
    assert (run.returncode, said.partition(":")[0]) == (
        (0, "") if deaf else (StoppedError.exit_code, "error")
    )
    assert said.count("\n") <= 1
    assert statuses(tmp_path)[0] is ExperimentStatus.KEPT


@pytest.mark.slow
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_a_run_in_one_line_of_error(tmp_path, number):
    with subprocess.Popen(
        command(tmp_path, "long"), cwd=tmp_path, env=environment(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        while run.stdout.readline() != "at work\n":
            assert run.poll() is None
        run.send_signal(number)
        output, errors = run.communicate(timeout=20)
    assert run.returncode == StoppedError.exit_code
    assert "stopping now" in output
    assert errors.startswith("error: stopped by")
    assert "Traceback" not in errors
