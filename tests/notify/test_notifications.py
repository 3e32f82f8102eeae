"""A person is told of a run over a real apprise, a real server and a real command; nobody waits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes import (
    POLICY_TEXT,
    TAG,
    FakeSandbox,
    ScriptedAgent,
    edit,
    make_session,
    scored,
)

from runner.addresses import KINDS, Target, load_targets
from runner.cli import cli
from runner.doctor import diagnose
from runner.errors import ConfigError, ModelError
from runner.notify import telling
from runner.notify.delivery import MOST_WAITING, Outbox, Patience
from runner.notify.events import MOST_LINE, MOST_TEXT, Event, harmless, message
from runner.paths import State
from runner.policy.load import parse_policy
from runner.records import Run
from runner.start import AtWork
from runner.supervise import go_through
from runner.views.live import Live

TOKEN = "s3cr3t-t0ken"  # noqa: S105 - to be looked for
DRIVER = Path(__file__).parent.parent / "stopped_driver.py"
QUICK = Patience(spacing=0.0, attempt=20.0, again=(0.05, 0.05), end=20.0)
HOSTILE = "\x1b[2Jwider \u202e @everyone <!channel> [me](http://evil.example) " + "x" * 5000


# -- who listens ------------------------------------------------------------------------------


@dataclass
class Server:
    """A webhook on the loopback; answers each request with the next status, the last for good."""

    statuses: Sequence[int] = (200,)
    hangs: bool = False
    got: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    def answer(self, document: dict[str, str]) -> int:
        status = self.statuses[min(self.asked, len(self.statuses) - 1)]
        self.asked += 1
        if self.hangs:
            self.over.wait()
        if status == 200:
            self.got.append(document)
        return status


@contextmanager
def listening(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            status = server.answer(json.loads(self.rfile.read(size)))
            try:
                self.send_response(status)
                self.end_headers()
            except OSError:
                assert server.hangs  # whoever asked was ended meanwhile

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.port = http.server_port
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield server
        server.over.set()
        http.shutdown()
        thread.join()


def by_address(server: Server, *kinds: str) -> Target:
    return Target(name="hook", events=frozenset(kinds or KINDS), address=server.address)


def by_command(folder: Path, *kinds: str) -> tuple[Target, Path]:
    """Return a target that writes down each document that it gets, a line each."""
    heard = folder / "heard.jsonl"
    command = ("/bin/sh", "-c", f"cat >> {heard}; echo >> {heard}; echo {TOKEN}; echo {TOKEN} >&2")
    return Target(name="desk", events=frozenset(kinds or KINDS), command=command), heard


def documents(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# -- a run ------------------------------------------------------------------------------------


@dataclass
class Told:
    warnings: list[str]
    seconds: float


def gone_through(
    folder: Path,
    *targets: Target,
    agent: object = None,
    patience: Patience = QUICK,
    policy_text: str = POLICY_TEXT,
) -> Told:
    """Run experiment 1, which is kept, and two that are worse, while targets are told."""
    edits = [edit("WIDTH = 32", f"WIDTH = {n}", hypothesis=HOSTILE) for n in (64, 48, 40)]
    scores = {0: 100.0, 1: 50.0}
    sandbox = FakeSandbox(lambda spec: scored(scores.get(spec.experiment, 200.0)))
    warnings: list[str] = []
    agent = agent or ScriptedAgent(edits)
    live = Live()
    live.describe = lambda found: f"exp {found.number}"
    with make_session(folder, sandbox, policy_text=policy_text) as session:
        begun = time.monotonic()
        try:
            with telling(targets, session, warnings.append, patience):
                go_through(AtWork(session=session, agents=(agent,)), (agent,), live, None)
        except ModelError:
            pass
        return Told(warnings=warnings, seconds=time.monotonic() - begun)


@pytest.mark.slow
def test_an_address_is_told_of_a_run_by_apprise_and_no_secret_is_left_anywhere(tmp_path, capfd):
    patient = POLICY_TEXT.replace("patience: null", "patience: 2")
    with listening(Server()) as server:
        told = gone_through(tmp_path, by_address(server), policy_text=patient)
    assert told.warnings == []
    kinds = ", ".join(each["title"].removeprefix(f"eclip {TAG}: ") for each in server.got)
    assert set(kinds.split(", ")) == {"keep", "plateau", "end"}
    text = "\n".join(each["message"] for each in server.got)
    assert "exp 1 | mean_rank 50.0 (Δ -50.0) | KEPT" in text
    assert "the strategy is topk now" in text
    assert "the agent scripted has nothing more to propose" in text
    assert "experiments: 3 after the baseline: 1 kept, 2 reverted" in text
    assert not set(text) & set("\x1b\u202e@<>[]`")
    assert "://" not in text
    assert all(len(each["message"]) <= MOST_TEXT for each in server.got)
    shown = "".join(capfd.readouterr())
    assert TOKEN not in shown
    state = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert [path for path in state if TOKEN.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("agent", "more", "kind", "words"),
    [
        pytest.param(None, "", "end", "has nothing more to propose", id="no proposal is left"),
        pytest.param(None, "stop_at: 60", "end", "reached stop_at 60", id="the goal"),
        pytest.param(
            ModelError("402: pay", hint="add some"),
            "",
            "pause",
            "402: pay\nadd some;",
            id="a pause",
        ),
    ],
)
def test_a_command_gets_how_a_run_ends_as_json(agent, more, kind, words, tmp_path):
    if agent is not None:
        error = agent

        @dataclass
        class Failing(ScriptedAgent):
            def propose(self, context, supervisor):
                raise error

        agent = Failing([])
    text = f"{POLICY_TEXT}\n{more}\n"
    target, heard = by_command(tmp_path, "end", "pause")
    assert gone_through(tmp_path, target, agent=agent, policy_text=text).warnings == []
    [document] = documents(heard)
    assert set(document) == {"run", "task", "title", "text", "events"}
    [event] = document["events"]
    assert set(event) == {"kind", "at", "experiment", "text"}
    assert (document["run"], document["title"]) == (TAG, f"eclip {TAG}: {kind}")
    assert (event["kind"], event["experiment"]) == (kind, None)
    assert words in event["text"]


@pytest.mark.slow
def test_a_run_that_is_stopped_from_outside_tells_its_end(tmp_path, monkeypatch):
    target, heard = by_command(tmp_path)
    file = tmp_path / "notify.yaml"
    file.write_text(json.dumps({"desk": list(target.command)}))
    monkeypatch.setenv("RUNNER_NOTIFY", str(file))
    command = [sys.executable, str(DRIVER), str(tmp_path), "for good"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as driver:
        assert driver.stdout is not None
        while b"at work" not in (line := driver.stdout.readline()):
            assert line
        driver.send_signal(signal.SIGTERM)
        shown = driver.stdout.read().decode()
    assert driver.returncode == 130
    [document] = documents(heard)
    assert [each["kind"] for each in document["events"]] == ["end"]
    assert document["text"].startswith("stopped by hand\nbest: mean_rank 100.0")
    assert TOKEN not in shown


def test_what_a_run_did_before_is_not_told_again(tmp_path):
    target, heard = by_command(tmp_path, "keep")
    gone_through(tmp_path, target)
    gone_through(tmp_path, target)
    assert [each["experiment"] for one in documents(heard) for each in one["events"]] == [1]


# -- slow and failing ones --------------------------------------------------------------------


@pytest.mark.slow
def test_a_server_that_never_answers_holds_up_no_run_and_its_process_is_ended(tmp_path):
    patience = Patience(spacing=0.0, attempt=30.0, again=(), end=1.0)
    alone = gone_through(tmp_path / "alone").seconds
    with listening(Server(hangs=True)) as server:
        told = gone_through(tmp_path / "told", by_address(server), patience=patience)
    assert told.seconds < alone + patience.end + 5
    [warning] = told.warnings
    assert warning == "hook could not be notified: no answer before the end of the run"
    assert [each for each in threading.enumerate() if each.name.startswith("notify")] == []


def an_event(text: str = "it ended") -> Event:
    return Event(kind="end", at="2026-01-01T00:00:00.000+00:00", text=text)


def a_run(tmp_path: Path) -> Run:
    with make_session(tmp_path, FakeSandbox(lambda _: scored(1.0))) as session:
        return session.run


def delivered(
    run: Run, target: Target, *batches: Sequence[Event], patience: Patience = QUICK
) -> list[str]:
    """Have a target told of batches one after another; return the warnings."""
    warnings: list[str] = []
    box = Outbox(target, partial(message, run), warnings.append, patience)
    for batch in batches:
        for event in batch:
            box.put(event)
        until = time.monotonic() + 20
        while not box.is_idle:
            assert time.monotonic() < until
            time.sleep(0.01)
    box.close(time.monotonic() + patience.end)
    box.join()
    return warnings


@pytest.mark.slow
def test_what_a_server_refuses_is_sent_again_and_given_up_with_one_line(tmp_path):
    with listening(Server(statuses=(500, 200, 404))) as server:
        batches = [an_event()], [an_event()]
        once = Patience(spacing=0.0, attempt=20.0, again=(0.01,), end=20.0)
        warnings = delivered(a_run(tmp_path), by_address(server), *batches, patience=once)
    assert warnings == ["hook could not be notified: status 404"]
    assert (server.asked, len(server.got)) == (4, 1)


@pytest.mark.parametrize(
    ("command", "seconds", "why"),
    [
        pytest.param(("/no/such/program",), 20, "there is no such program", id="no program"),
        pytest.param(("/bin/sh", "-c", "exit 7"), 20, "it ended with exit code 7", id="it fails"),
        pytest.param(("sleep", "60"), 0.2, "no answer within 0.2 s", id="it does not end"),
        pytest.param(
            ("/bin/sh", "-c", "sleep 60 & wait"), 0.2, "no answer within 0.2 s", id="a child of it"
        ),
    ],
)
def test_a_command_that_fails_is_one_line(command, seconds, why, tmp_path):
    target = Target(name="desk", events=frozenset(KINDS), command=command)
    patience = Patience(spacing=0.0, attempt=seconds, again=(0.01,), end=5.0)
    warnings = delivered(a_run(tmp_path), target, [an_event()], [an_event()], patience=patience)
    assert warnings == [f"desk could not be notified: {why}"]


def test_what_happens_between_two_messages_is_told_together(tmp_path):
    target, heard = by_command(tmp_path)
    rests = Patience(spacing=60.0, attempt=20.0, again=(), end=20.0)
    run = a_run(tmp_path)
    box = Outbox(target, partial(message, run), pytest.fail, rests)
    box.put(an_event("the first"))
    until = time.monotonic() + 20
    while not heard.exists() or not heard.read_text().endswith("\n"):
        assert time.monotonic() < until
        time.sleep(0.01)
    count = MOST_WAITING + 5
    for number in range(count):
        box.put(an_event(f"number {number}"))
    box.close(time.monotonic() + rests.end)
    box.join()
    first, second = documents(heard)
    assert first["text"] == "the first"
    assert len(second["events"]) == MOST_WAITING
    assert second["text"].startswith(f"(and {count - 20} earlier lines)\nnumber {count - 20}\n")
    assert second["text"].endswith(f"number {count - 1}")


def test_putting_an_event_into_a_box_never_waits(tmp_path):
    target = Target(name="desk", events=frozenset(KINDS), command=("sleep", "60"))
    box = Outbox(target, partial(message, a_run(tmp_path)), lambda _: None, QUICK)
    begun = time.monotonic()
    for _ in range(10_000):
        box.put(an_event())
    assert time.monotonic() - begun < 30
    box.close(time.monotonic())
    box.join()


def test_a_line_of_an_agent_is_short_and_has_nothing_that_comes_alive():
    line = harmless(HOSTILE)
    assert line.startswith("wider ＠everyone ‹!channel› (me)(http: //evil․example)")  # noqa: RUF001 - on purpose
    assert len(line) <= MOST_LINE + 1


def test_a_name_with_a_dot_is_no_link_and_numbers_and_sentences_stay():
    said = "see evil.example/x and train.py, 1.5 s, 99.5 %, 1e-4.2, i.e. so."
    assert harmless(said) == said.replace(".example", "․example").replace(".py", "․py")  # noqa: RUF001


# -- the file ---------------------------------------------------------------------------------


def loaded(folder: Path, text: str, **environment: str) -> tuple[Target, ...]:
    file = folder / "notify.yaml"
    file.write_text(text)
    return load_targets({"RUNNER_NOTIFY": str(file), **environment})


def test_a_target_is_one_line_an_address_a_command_or_a_variable(tmp_path):
    text = f"""
        phone: ntfy://{TOKEN}
        desk: [notify, "a word"]
        mail: {{address_in: MAIL, events: [pause, end]}}
    """
    phone, desk, mail = loaded(tmp_path, text, MAIL=f"mailtos://me:{TOKEN}@example.com")
    assert (phone.address, phone.events) == (f"ntfy://{TOKEN}", set(KINDS))
    assert desk.command == ("notify", "a word")
    assert mail.address == f"mailtos://me:{TOKEN}@example.com"
    assert mail.events == {"pause", "end"}
    assert TOKEN not in repr((phone, desk, mail))


def test_without_the_variable_nobody_is_told():
    assert load_targets({}) == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"- ntfy://{TOKEN}", id="a list"),
        pytest.param(f"ntfy://{TOKEN}", id="an address alone"),
        pytest.param(f"ntfy://{TOKEN}: phone", id="an address for a name"),
        pytest.param(f"phone: {TOKEN}", id="no address"),
        pytest.param(f"phone: 'ntfy://{TOKEN} x'", id="a space"),
        pytest.param(f"phone: *{TOKEN}", id="an alias"),
        pytest.param(f"phone: !{TOKEN} x", id="a tag"),
        pytest.param(f"phone: 'ntfy://{TOKEN}", id="an open quote"),
        pytest.param(f"phone: [[{TOKEN}]]", id="a list in a command"),
        pytest.param("phone: []", id="an empty command"),
        pytest.param(f"phone: {{address: 'ntfy://{TOKEN}', events: [{TOKEN}]}}", id="no event"),
        pytest.param(f"phone: {{address: 'ntfy://{TOKEN}', {TOKEN}: 1}}", id="an unknown key"),
        pytest.param(f"phone: {{address: 'ntfy://{TOKEN}', command: [x]}}", id="two ways"),
        pytest.param("phone: {events: [keep]}", id="no way"),
        pytest.param(f"phone: {{address_in: {TOKEN.upper()}}}", id="a variable that is not set"),
        pytest.param("", id="nothing"),
        pytest.param("\n".join(f"n{n}: ntfy://{TOKEN}" for n in range(17)), id="too many"),
        pytest.param("[" * 2000, id="too deep"),
    ],
)
def test_a_file_that_is_wrong_is_refused_without_a_word_of_it(text, tmp_path):
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    assert TOKEN not in refused.value.in_a_line
    assert str(tmp_path) in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_policy_cannot_say_who_is_told():
    with pytest.raises(ConfigError, match="notify"):
        parse_policy(f"{POLICY_TEXT}\nnotify: {{desk: [touch, /tmp/x]}}\n", "policy.yaml")


# -- the verb, and what the doctor says -------------------------------------------------------


def test_the_verb_names_targets_and_tries_them_and_shows_no_secret(tmp_path, monkeypatch):
    target, heard = by_command(tmp_path)
    file = tmp_path / "notify.yaml"
    said = {"desk": list(target.command), "gone": [f"/{TOKEN}"], "odd": f"nosuch://{TOKEN}"}
    file.write_text(json.dumps(said))
    monkeypatch.setenv("RUNNER_NOTIFY", str(file))
    listed = CliRunner().invoke(cli, ["notify"])
    assert "desk: a command, told of: end, keep, pause, plateau" in listed.output
    tried = CliRunner().invoke(cli, ["notify", "--test"])
    assert tried.exit_code == 1
    assert tried.output.splitlines() == [
        "desk: told",
        "gone: failed: there is no such program",
        "odd: failed: apprise does not know such an address",
    ]
    assert documents(heard)[0]["run"] is None
    assert TOKEN not in listed.output + tried.output


def test_the_doctor_names_targets_only_and_warns_of_a_file_that_others_can_read(tmp_path):
    file = tmp_path / "notify.yaml"
    file.write_text(f"phone: ntfy://{TOKEN}\n")
    file.chmod(0o644)
    environment = {"RUNNER_NOTIFY": str(file)}
    for mode, verdict in ((0o644, "warn"), (0o600, "ok")):
        file.chmod(mode)
        findings = diagnose(State(tmp_path), environment)
        [found] = [each for each in findings if each.requirement == "notifications"]
        assert found.verdict == verdict
        assert found.found.startswith("phone")
        assert TOKEN not in repr(findings)
