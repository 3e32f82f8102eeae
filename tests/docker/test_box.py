"""The red team in an agent's box: what it looks for is not there, and what it breaks is its own."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import box_attacks
import messages_server
import pytest
from boxes import FILES, Asked, Pipe, work
from fakes import FakeSupervisor

from runner.agents.boxed.agent import Talk
from runner.box import run_in_box
from runner.paths import State
from runner.records import File, Violation
from runner.seams import Context, Reply
from runner.session import Person
from runner.start import Request, at_work

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

KEY = "sk-ant-the-key-that-nobody-may-see"
ATTACKS = Path(box_attacks.__file__).read_text()


@pytest.fixture(scope="module")
def session(home):
    """A run that is open; its boxes are the only containers of it."""
    patch = pytest.MonkeyPatch()
    patch.setenv("ANTHROPIC_API_KEY", KEY)
    patch.setenv("RUNNER_LOCKS", home.environment["RUNNER_LOCKS"])
    state, request = State(home.path), Request(task="eclip", tag="box", agent="tune")
    with at_work(state, request, Person()) as opened:
        yield opened.session
    patch.undo()


def boxed(session, command, answer, *, stop=lambda: False, **agent):
    """Run a box under the policy's words for it, or others."""
    policy = session.policy.model_copy(
        update={"agent": session.policy.agent.model_copy(update=agent)}
    )
    boxer = session.boxer
    sandbox = boxer.args[1]
    return run_in_box(replace(session, policy=policy), sandbox, work(command, answer), stop)


@pytest.fixture(scope="module")
def found(session):
    """One box in which everything is tried, and what the supervisor heard of it."""
    asked = Asked()
    ended = boxed(session, ["python", "-c", ATTACKS, KEY[::-1]], asked)
    [said] = asked.heard
    lines = [line for line in said["last"].splitlines() if line.startswith("{")]
    assert lines, said
    return ended, json.loads(lines[-1]), said


def test_the_key_is_nowhere(found):
    assert found[1]["keys"] == []


def test_nothing_is_reached_but_the_two_sockets(found):
    assert found[1]["reached"] == []
    assert found[1]["interfaces"] == ["lo"]
    assert found[1]["sockets"] == ["/box/door/model/gateway.sock", "/box/door/supervisor"]


def test_data_kit_brief_and_the_frozen_side_stay_as_they_are(found):
    assert all(found[1]["there"].values()), found[1]["there"]
    assert found[1]["written"] == []
    assert found[1]["devices"] == []


def test_what_fills_the_draft_stops_at_its_size(found):
    assert found[1]["filled"]["/workspace"] <= 256 * box_attacks.MIB
    assert found[1]["filled"]["/box/home"] <= 512 * box_attacks.MIB


def test_links_pipes_and_giant_folders_in_the_draft_reach_nobody(found):
    ended, _, said = found
    assert ended.why is None
    assert said["changed"]["train.py"] is said["changed"]["scratchpad.md"] is None
    assert "root:" not in json.dumps(said)


def test_a_process_that_is_left_behind_ends_with_the_box(found):
    assert not runs(box_attacks.MARK)


def runs(mark):
    """Say whether a process of this machine, in a container or not, was told this."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            if mark.encode() in line.read_bytes().split(b"\0"):
                return True
    return False


def test_a_fork_bomb_ends_its_box(session):
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    ended = boxed(session, ["python", "-c", bomb], Asked())
    assert ended.why == "it had too many processes"


DEAF = """
import signal, subprocess, sys, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
subprocess.Popen(["sleep", "27182.818"], start_new_session=True)
while True: time.sleep(1)
"""


def test_who_ignores_every_signal_is_ended_at_the_deadline_with_all_that_it_started(session):
    begun = time.monotonic()
    ended = boxed(session, ["python", "-c", DEAF], Asked(), minutes=0.05)
    assert ended.why == "it took more than 0.05 minutes"
    assert ended.seconds < 3 + 5
    assert time.monotonic() - begun < 20
    assert not runs("27182.818")


TALKS = """
import json, socket, subprocess
def ask(request):
    with socket.socket(socket.AF_UNIX) as way:
        way.connect("/box/door/supervisor")
        way.sendall(request + b"\\n")
        return way.makefile("rb").readline()
def changes(**files):
    return json.dumps({"event": "hand-over", "words": "{}", "changed": files}).encode()
for request in (b"nonsense", b"[" * 100_000, b"[]", b'{"event": 7}', changes(**{"../../x": "eA=="}),
                changes(**{"run.sh": "eA==", "/etc/passwd": "eA=="}), changes(**{"train.py": 7}),
                b'{"event": "ended", "code": 0, "last": "x", "words": null}'):
    ask(request)
open("train.py", "a").write("B = 2\\n")
open("run.sh", "w").write("exec evil")
open("proposal.json", "w").write('{"hypothesis": "two", "category": "numbers"}')
done = subprocess.run(["run_experiment", "--check"], capture_output=True, text=True)
print(done.returncode, done.stdout)
done = subprocess.run(["run_experiment"], capture_output=True, text=True)
print(done.returncode, done.stdout)
open("train.py", "a").write("C = 3\\n")
subprocess.run(["run_experiment"])
import time; time.sleep(60)
"""
WRONG = (Violation(rule="line-too-long", message="a line is too long", path="train.py"),)


def test_only_bytes_of_mutable_files_and_notes_leave_it(session):
    """Whatever is said at the door; what the review wants mended is mended in the same box."""
    files = FILES | {"run.sh": File(content=b"exec python train.py\n")}
    context = Context(
        number=1, files=files, mutable=("train.py",), notes=("scratchpad.md",), metric="mean_rank",
        direction="minimize", history=(),
    )  # fmt: skip
    supervisor = FakeSupervisor(verdicts=[WRONG] * 3)
    talk = Talk(context, supervisor, None)
    ended = boxed(session, ["python", "-c", TALKS], talk.answer)
    assert ended.why is None
    assert ended.seconds < 50, "the box ends with its hand-over"
    assert [change.path for change in talk.accepted.changes] == ["train.py"]
    assert talk.accepted.changes[0].content == b"A = 1\nB = 2\nC = 3\n"
    assert all(
        change.path == "train.py" for each in supervisor.proposals for change in each.changes
    )
    assert ("run.sh", "was changed, and may only be read") in supervisor.violations


def test_a_program_that_is_not_there_is_said(session):
    asked = Asked()
    assert boxed(session, ["no-such-program"], asked).why is None
    [said] = asked.heard
    assert (said["event"], said["code"]) == ("ended", 127)
    assert "no-such-program" in said["last"]


WAITS = """
import socket, time
with socket.socket(socket.AF_UNIX) as way:
    way.connect("/box/door/supervisor")
    way.sendall(b"{}\\n")
    way.recv(1)
time.sleep(60)
"""


def test_both_sockets_are_reached_under_runsc_too(session):
    policy = session.policy
    resources = policy.resources.model_copy(update={"runtime": "runsc"})
    own = replace(session, policy=policy.model_copy(update={"resources": resources}))
    asked = Asked()
    with messages_server.serving([]) as server:
        code = (
            "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080').read())"
        )
        pipe = Pipe(int(server.url.rpartition(":")[2]))
        wanted = work(["python", "-c", code], asked, gateway=pipe)
        run_in_box(own, session.boxer.args[1], wanted, lambda: False)
    assert "true" in asked.heard[0]["last"], "the end was told at the other one"


def test_no_trial_begins_while_a_box_is_at_work(session):
    there, over, trial = (threading.Event() for _ in range(3))

    def answer(_):
        there.set()
        return Reply(text="go on")

    def measure():
        with session.executor.device({"what": "a trial of"}):
            trial.set()

    box = threading.Thread(
        target=boxed, args=(session, ["python", "-c", WAITS], answer), kwargs={"stop": over.is_set}
    )
    box.start()
    assert there.wait(60)
    measuring = threading.Thread(target=measure)
    measuring.start()
    assert not trial.wait(1)
    over.set()
    assert trial.wait(60), "once the box is gone"
    box.join()
    measuring.join()
