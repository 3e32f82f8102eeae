"""What a person names on the command line: a file is read, anything else is one line of error."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from harness.declared.schema import DeclarationError
from harness.declared.schema import load as load_declaration
from runner import given
from runner.addresses import load_targets
from runner.agents.numbers import values
from runner.agents.stub import read_script
from runner.cli import cli
from runner.errors import FAULT, ConfigError, SandboxError
from runner.logs import event_log
from runner.providers import load_providers
from runner.raw import raw_data, read_raw_files
from runner.scheduler import run_loop

KINDS = ("pipe", "device", "socket", "folder", "loop", "nothing", "closed pipe")


@pytest.fixture
def odd(tmp_path) -> dict[str, Path]:
    """A path of each kind that is no file."""
    folder = tmp_path / "odd"
    folder.mkdir()
    paths = {kind: folder / f"{kind}.yaml" for kind in KINDS}
    os.mkfifo(paths["pipe"])
    paths["device"].symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(paths["socket"]))
    paths["folder"].mkdir()
    paths["loop"].symlink_to(paths["loop"])
    paths["closed pipe"].symlink_to(paths["pipe"])
    return paths


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_plain_file_is_read(odd, kind):
    with pytest.raises(ConfigError, match=str(odd[kind])):
        given.read(odd[kind], most=10)


def test_no_more_is_read_than_there_is_a_use_for(tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789")
    assert given.read(tmp_path / "file", most=10) == b"0123456789"
    with pytest.raises(ConfigError, match="holds more than 9 bytes"):
        given.read(tmp_path / "file", most=9)


def test_a_link_to_a_file_is_one(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert given.read(tmp_path / "link", most=10) == b"x"


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_providers_is_a_file(odd, kind):
    with pytest.raises(ConfigError, match=str(odd[kind])):
        load_providers({"RUNNER_PROVIDERS": str(odd[kind])})


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "loop", "nothing"])
def test_raw_files_come_from_a_file_or_a_folder(odd, tmp_path, kind):
    with pytest.raises(ConfigError):
        raw_data("shakespeare", tmp_path, chosen=odd[kind])
    with pytest.raises(ConfigError):
        raw_data(
            "shakespeare", tmp_path, chosen=None, environment={"RUNNER_RAW_DATA": str(odd[kind])}
        )


VERBS = {
    "propose": ("propose", "{}", "-m", "x"),
    "analyze": ("analyze", "--file", "{}"),
    "policy check": ("policy", "check", "{}"),
    "policy": ("baseline", "eclip", "--policy", "{}"),
    "stub": ("run", "eclip", "--agent", "stub:{}"),
    "csv": ("new-task", "given", "--csv", "{}", "--target", "y"),
    "from": ("prepare", "shakespeare", "--from", "{}"),
}
CONTENTS = {
    "bytes": bytes(range(256)) * 4,
    "deep lists": b"[" * 50_000,
    "a line without end": b"x" * 3_000_000,
    "nothing in it": b"",
    "NUL": b"a: \0\n",
    "another encoding": "a: é\n".encode("utf-16"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with make_session(folder, FakeSandbox(lambda _: scored(100.0)), tag=TAG) as session:
        run_loop(session, ScriptedAgent([]), experiments=0)
    return folder


def no_engine():
    raise SandboxError("there is no engine")


@pytest.fixture
def invoke(home, monkeypatch) -> Callable[..., Result]:
    """Whatever happens is in the result; no engine answers."""
    monkeypatch.setenv("RUNNER_HOME", str(home / "state"))
    monkeypatch.setattr("runner.engines.connect", no_engine)
    return lambda *arguments: CliRunner().invoke(cli, arguments)


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_no_path_and_no_content_ends_a_verb_in_a_traceback_or_never(odd, tmp_path, invoke, verb):
    contents = {f"{kind}.yaml": content for kind, content in CONTENTS.items()}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for place in (*odd.values(), *(tmp_path / name for name in contents)):
        done = invoke(*(part.format(place) for part in VERBS[verb]))
        assert isinstance(done.exception, SystemExit), (place, done.exc_info)
        told = [line for line in done.stderr.splitlines() if line.lower().startswith("error")]
        assert done.exit_code != 0, place
        assert len(told) == 1, (place, done.stderr)


@pytest.mark.parametrize("kind", ["device", "pipe", "loop", "nothing below", "file"])
def test_a_state_folder_that_is_none_is_one_error(odd, tmp_path, invoke, monkeypatch, kind):
    (tmp_path / "file").write_text("")
    places = {"nothing below": tmp_path / "file" / "state", "file": tmp_path / "file"}
    monkeypatch.setenv("RUNNER_HOME", str(places.get(kind) or odd[kind]))
    for arguments in (["list"], ["run", "eclip"], ["clean"], ["prepare", "eclip"]):
        done = invoke(*arguments)
        assert done.exit_code == 2, arguments
        assert done.stderr.startswith("error: RUNNER_HOME is ")


DAMAGE = {
    "a file for the runs": ("runs", Path.touch),
    "a pipe for the runs": ("runs", os.mkfifo),
    "a link to nothing for the runs": ("runs", lambda path: path.symlink_to("nothing")),
    "a file for a run": (f"runs/{TAG}", Path.touch),
    "a loop for a run": (f"runs/{TAG}", lambda path: path.symlink_to(path)),
    "a folder for the events": (f"runs/{TAG}/events.jsonl", Path.mkdir),
    "a pipe for the events": (f"runs/{TAG}/events.jsonl", os.mkfifo),
    "a folder for a holder's name": (f"runs/{TAG}/lock.holder", Path.mkdir),
    "a loop for a lock": (f"runs/{TAG}/lock", lambda path: path.symlink_to(path)),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_folder_is_one_error_and_no_wait(home, tmp_path, monkeypatch, damage):
    state = tmp_path / "state"
    shutil.copytree(home / "state", state)
    place, make = DAMAGE[damage]
    if (state / place).is_dir():
        shutil.rmtree(state / place)
    (state / place).unlink(missing_ok=True)
    make(state / place)
    monkeypatch.setenv("RUNNER_HOME", str(state))
    monkeypatch.setattr("runner.engines.connect", no_engine)
    for arguments in (["run", "--resume", TAG], ["step"], ["analyze"], ["export"], ["status"]):
        done = CliRunner().invoke(cli, arguments)
        assert isinstance(done.exception, SystemExit | None), (arguments, done.exc_info)
        assert "Traceback" not in done.output
        told = [line for line in done.stderr.splitlines() if line.startswith("error")]
        assert len(told) == (done.exit_code != 0), (arguments, done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["identity", f"secrets/{TAG}", "logs"])
def test_a_pipe_where_the_runner_left_a_file_is_not_waited_for(home, tmp_path, monkeypatch, place):
    state = tmp_path / "state"
    shutil.copytree(home / "state", state)
    file = state / f"runs/{TAG}/logs/0000/train.log" if place == "logs" else state / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    monkeypatch.setenv("RUNNER_HOME", str(state))
    monkeypatch.setattr("runner.engines.connect", no_engine)
    for arguments in (["run", "--resume", TAG], ["audit"], ["clean"], ["show", "0", "--log"]):
        done = CliRunner().invoke(cli, arguments)
        assert isinstance(done.exception, SystemExit | None), (arguments, done.exc_info)


PLACES = (
    ("take", "--patches", "{pipe}"), ("take", "--patches", "{device}"),
    ("take", "--patches", "{loop}"), ("take", "--patches", "x" * 300), ("noise", "x" * 300),
    ("prepare", "x" * 300), ("seal", "x" * 300), ("task", "check", "x" * 300),
    ("setup", "--task", "x" * 300), ("show", "9" * 40), ("retry", "9" * 40),
)  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A state folder with a run that kept something."""
    folder = tmp_path_factory.mktemp("kept")
    with make_session(folder, FakeSandbox(lambda spec: scored(100.0 - spec.experiment))) as session:
        run_loop(session, ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")]), experiments=1)
    return folder / "state"


@pytest.mark.slow
def test_no_name_is_too_long_and_no_number_too_large_for_a_plain_answer(odd, kept, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(kept))
    monkeypatch.setattr("runner.engines.connect", no_engine)
    for arguments in PLACES:
        done = CliRunner().invoke(cli, [part.format(**odd) for part in arguments])
        assert isinstance(done.exception, SystemExit), (arguments, done.exc_info)
        assert done.exit_code not in (0, FAULT), arguments
        assert done.stderr.startswith("error: "), (arguments, done.stderr)


NAMES = "abcdefghij"
MERGED = "a: &a {k: 1, l: 2, m: 3}\n" + "".join(
    f"{name}: &{name}\n  <<: [{', '.join(9 * [f'*{last}'])}]\n" for last, name in pairwise(NAMES)
)
LISTED = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(9 * [f'*{last}'])}]\n" for last, name in pairwise(NAMES)
)
ENDLESS = {
    "merged again and again": MERGED,
    "listed again and again": LISTED,
    "in itself": "a: &a [*a]\n",
    "deep": f"a: {'[' * 9_000}{']' * 9_000}\n",
    "not what its tag says": "a: !!bool x\n",
    "no moment": "a: !!timestamp x\n",
    "twice": "a: 1\na: 2\n",
}
ENDLESS_SECONDS = 30
"""Of the processor. What is read as it is long takes a part of one, beside other work too."""
READERS: dict[str, Callable[[Path], object]] = {
    "providers": lambda file: load_providers({"RUNNER_PROVIDERS": str(file)}),
    "targets": lambda file: load_targets({"RUNNER_NOTIFY": str(file)}),
    "a script": read_script,
    "raw files": lambda file: read_raw_files("x", file.parents[3]),
    "a declaration": load_declaration,
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("reader", READERS)
def test_no_yaml_takes_longer_to_read_than_it_is_long(tmp_path, reader, text):
    file = tmp_path / "harness/tasks/x/raw.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    before = time.process_time()
    with pytest.raises((ConfigError, DeclarationError)):
        READERS[reader](file)
    assert time.process_time() - before < ENDLESS_SECONDS


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_no_configuration_that_an_agent_wrote_keeps_its_reader(text):
    before = time.process_time()
    with suppress(ValueError, RecursionError):
        values("config.yaml", text.encode())
    assert time.process_time() - before < ENDLESS_SECONDS


def test_merged_keys_of_a_configuration_are_found_once():
    text = b"base: &base {rate: 0.1}\nmore:\n  <<: *base\n  width: 3\n"
    assert values("config.yaml", text) == {
        "config.yaml:base.rate": 0.1,
        "config.yaml:more.width": 3,
    }


@pytest.mark.parametrize(
    ("variable", "verb"),
    [
        ("RUNNER_HOME", ("status",)),
        ("RUNNER_NOTIFY", ("notify",)),
        ("RUNNER_RAW_DATA", ("prepare", "shakespeare")),
    ],
)
def test_a_home_folder_of_nobody_s_is_one_error(invoke, monkeypatch, variable, verb):
    monkeypatch.setenv(variable, "~nobody-of-that-name/x")
    done = invoke(*verb)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (
        2,
        "error: ~nobody-of-that-name/x: no home folder of that name is known",
    )


def test_a_path_that_is_printed_shows_no_character_as_it_is(kept, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(kept))
    odd_name = str(tmp_path / "a\x1b[31m\u202eb")
    for arguments in (["export", "-o", odd_name], ["take", "--patches", f"{odd_name}2"]):
        done = CliRunner().invoke(cli, arguments)
        assert (done.exit_code, r"a\x1b[31m\x202eb" in done.output) == (0, True), done.output


def test_a_log_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "events.jsonl")
    with pytest.raises(OSError, match=r"events\.jsonl"), event_log(tmp_path / "events.jsonl"):
        pass


def test_a_machine_that_refuses_is_one_error(invoke, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/state")

    monkeypatch.setattr("runner.paths.state", refuse)
    done = invoke("list")
    assert done.exit_code == 3
    refused, hint = done.stderr.splitlines()
    assert refused == "error: this machine refuses: [Errno 13] Permission denied: '/state'"
    assert hint == " hint: RUNNER_HOME names a folder of your own"
