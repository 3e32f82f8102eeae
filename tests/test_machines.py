"""Machines as they are: settings, terminals, limits and folders under which commands must work.

Whoever runs these may be root: then what others may not do is tried without root's powers.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from fake_engine import FakeEngine
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, prepare, scored

from runner import data, paths
from runner.cli import Group
from runner.engines import docker as docker_module
from runner.errors import DataError, SandboxError
from runner.paths import PROJECT
from runner.scheduler import run_loop
from runner.views import summary
from runner.views.standing import standing_of

DRIVER = Path(__file__).with_name("stopped_driver.py")
NOBODY = 65534
NO_POWERS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Root without what makes it root: others' folders are closed to it."""
READING = [
    ["status"], ["list"], ["list", TAG], ["list", TAG, "--all"], ["show", "1"],
    ["show", "1", "--diff"], ["show", "1", "--log"], ["export", "--output", "-"],
    ["hypothesis", "list"], ["cost"], ["audit"], ["show", "1", "--json"],
]  # fmt: skip
"""Every verb that only reads, the one for machines last."""
ALL_OF_THEM = """
import json, sys
from runner.cli import cli
for words in json.loads(sys.argv[1]):
    try:
        cli(words)
    except SystemExit as ended:
        if ended.code:
            sys.exit(f"{words} ended with {ended.code}")
    sys.stdout.write("----\\n")
"""
WORDS = "größer: Δ 漢字 🙂"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A run with two experiments, whose agent writes more than ASCII."""
    folder = tmp_path_factory.mktemp("machines")
    proposals = [edit("WIDTH = 32", f"WIDTH = {width}", WORDS) for width in (64, 65)]
    with make_session(folder, FakeSandbox(lambda spec: scored(9.0 - spec.experiment))) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=None)
    return folder / "state"


def start(
    command: Sequence[str], home: Path, *, prefix: Sequence[str] = (), **more: object
) -> subprocess.Popen:
    environment = {**os.environ, "RUNNER_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    environment |= more.pop("env", {})
    words = [*prefix, sys.executable, *command]
    return subprocess.Popen(words, cwd=PROJECT, env=environment, **more)


def runner(
    *arguments: str, home: Path, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": dict(env or {})}
    with start(["-m", "runner", *arguments], home, prefix=prefix, **pipes) as process:
        said, wrong = process.communicate(timeout=120)
    assert b"Traceback" not in wrong, wrong.decode()
    return subprocess.CompletedProcess(arguments, process.returncode, said, wrong)


def read_all(
    home: Path, *, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> bytes:
    """Let one process read whatever there is to read; return what it printed."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": dict(env or {})}
    words = ["-c", ALL_OF_THEM, json.dumps(READING)]
    with start(words, home, prefix=prefix, **pipes) as process:
        said, wrong = process.communicate(timeout=120)
    assert (process.returncode, wrong.decode()) == (0, "")
    return said


# -- git ----------------------------------------------------------------------------------------


def test_a_clone_has_the_bytes_that_were_committed_whatever_git_makes_of_line_endings(tmp_path):
    clone = ["git", "-c", "safe.directory=*", "-c", "core.autocrlf=true", "clone", "--quiet"]
    subprocess.run([*clone, "--no-hardlinks", str(PROJECT), str(tmp_path / "c")], check=True)
    listed = ["git", "-C", str(tmp_path / "c"), "ls-files", "--eol"]
    found = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(found) > 100
    assert [line for line in found if line.split()[:2] not in SAME] == []


SAME = [[f"i/{end}", f"w/{end}"] for end in ("lf", "crlf", "mixed", "none", "-text")]


# -- folders ------------------------------------------------------------------------------------


def test_data_whose_sealed_part_is_gone_are_not_made_anew_unasked(tmp_path):
    state, said = paths.State(tmp_path), []
    manifest = prepare(state, "eclip").public / "manifest.json"
    before = manifest.read_bytes()
    preparation = data.Preparation(
        engine=FakeEngine(), state=state, task="eclip", image_id="", say=said.append
    )
    with pytest.raises(DataError, match="is not on this engine") as refused:
        preparation.prepare()
    assert "runner prepare eclip --force" in refused.value.hint
    assert (manifest.read_bytes(), said) == (before, [])


@pytest.mark.slow
def test_a_venv_that_was_moved_with_its_clone_is_made_anew(tmp_path):
    clone = tmp_path / "a clone"
    (clone / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(PROJECT / "Makefile", clone)
    pip = clone / ".venv" / "bin" / "pip"

    def would_be_made_anew() -> bool:
        done = subprocess.run(
            ["make", "--dry-run", ".venv/bin/pip"], cwd=clone, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        return "rm -rf .venv" in done.stdout

    pip.write_text(f'#!/bin/sh\n\'\'\'exec\' "{clone}/.venv/bin/python" "$0" "$@"\n')
    assert not would_be_made_anew()
    pip.write_text(f"#!{tmp_path}/old/.venv/bin/python3.11\n")
    assert would_be_made_anew()
    shutil.rmtree(clone / ".venv")
    (clone / ".venv").symlink_to(tmp_path / "old" / ".venv")
    (tmp_path / "old" / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(PROJECT / "Makefile", tmp_path / "old")
    (tmp_path / "old" / ".venv" / "bin" / "pip").write_text(f"#!{tmp_path}/old/.venv/bin/python3\n")
    assert not would_be_made_anew(), "a link to another clone's is whole"


IN_MEMORY = """
set -e
mount -t tmpfs -o size=8m none "$1"
cp -a "$2"/. "$1"
[ "$3" = full ] && { dd if=/dev/zero of="$1/fill" bs=4k 2> /dev/null || :; }
[ "$3" = read-only ] && mount -o remount,ro "$1"
shift 3
exec "$@"
"""


def mounted(folder: Path, home: Path, how: str) -> list[str]:
    """Return what runs a command where a copy of the state folder is mounted: full, or read-only.

    Nobody else sees the mount, and it goes with the command.
    """
    own = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    return [*own, "sh", "-c", IN_MEMORY, "sh", str(folder), str(home), how]


def leave_a_log(home: Path) -> None:
    """Leave the journal as a killed supervisor does: its newest entries beside it."""
    program = (
        "import os, sys; from pathlib import Path; from runner.journal.store import open_journal\n"
        "with open_journal(Path(sys.argv[1])) as journal:\n"
        f"    journal.add_hypothesis({TAG!r}, 'the newest'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(home / "journal.sqlite")], check=True)
    assert (home / "journal.sqlite-wal").stat().st_size


@pytest.fixture(params=["at rest", "killed"])
def own(request, home, tmp_path) -> Path:
    """A copy of the run's folder, in each state that a supervisor may have left it in."""
    copy = Path(shutil.copytree(home, tmp_path / "own", symlinks=True))
    if request.param == "killed":
        leave_a_log(copy)
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_results_are_read_on_a_disk_that_takes_nothing(own, tmp_path, how):
    place = tmp_path / "mounted"
    place.mkdir()
    killed = (own / "journal.sqlite-wal").exists()
    said = read_all(place, prefix=mounted(place, own, how))
    assert (b"the newest" in said) == killed


@pytest.fixture
def somebody_s(own) -> Iterator[tuple[Path, Sequence[str]]]:
    """Another user's folder that can be read, and what commands are started with there."""
    if os.geteuid():  # what is one's own and closed is as good
        subprocess.run(["chmod", "-R", "a-w", str(own)], check=True)
        yield own, ()
        subprocess.run(["chmod", "-R", "u+w", str(own)], check=True)
    else:
        subprocess.run(["chown", "-R", str(NOBODY), str(own)], check=True)
        yield own, NO_POWERS


@pytest.mark.slow
def test_results_of_another_user_are_read(somebody_s):
    home, prefix = somebody_s
    read_all(home, prefix=prefix)


def test_what_cannot_be_written_there_is_said_with_where_it_can(somebody_s):
    home, prefix = somebody_s
    done = runner("export", home=home, prefix=prefix)
    assert done.returncode == SandboxError.exit_code
    assert b"results.tsv: Permission denied\n hint: --output - prints" in done.stderr


def test_a_folder_that_is_closed_is_said(own):
    (own / "journal.sqlite").chmod(0)
    done = runner("status", home=own, prefix=() if os.geteuid() else NO_POWERS)
    assert done.returncode not in (0, 1, 70)
    assert b"may not read" in done.stderr


# -- terminals and readers ----------------------------------------------------------------------

ENCODINGS = {
    "C": {"LC_ALL": "C"},
    "POSIX, and no UTF-8 in its place": {
        "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
    },
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("env", ENCODINGS.values(), ids=ENCODINGS)
def test_what_an_encoding_lacks_is_spelled(home, env):
    said = read_all(home, env=env).decode("latin-1" if "latin-1" in str(env) else "utf-8")
    assert json.loads(said.split("----\n")[-2])["hypothesis"] == WORDS


@pytest.mark.slow
def test_a_run_ends_well_on_a_terminal_that_lacks_a_letter_of_its_lines(tmp_path):
    said = at_work(tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert "exp 1 | mean_rank 100.0" in said


@pytest.mark.slow
def test_a_run_ends_well_on_a_narrow_terminal(tmp_path):
    said = at_work(tmp_path, columns=20)
    assert "exp 1 | mean_rank" in said


def at_work(folder: Path, *, columns: int = 80, env: Mapping[str, str] | None = None) -> str:
    """Let a run with one experiment go through at a terminal; return what it showed."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 10, columns, 0, 0))
    terminal = {"stdin": its, "stdout": its, "stderr": its, "env": {"TERM": "xterm", **(env or {})}}
    tests = os.pathsep.join([str(PROJECT), str(DRIVER.parent)])
    terminal["env"] |= {"PYTHONPATH": tests}
    process = start([str(DRIVER), str(folder), "briefly"], folder / "state", **terminal)
    os.close(its)
    shown = b""
    with suppress(OSError):  # it is closed with its last user
        while more := os.read(ours, 65536):
            shown += more
    os.close(ours)
    said = shown.decode("latin-1")
    assert process.wait(60) == 0, said
    assert "Traceback" not in said
    return said


def test_a_narrow_terminal_gets_the_lines_of_a_wider_one(home):
    """Columns of one letter would take a screen for each row."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 20, 0, 0))
    process = start(["-m", "runner", "list", TAG], home, stdout=its, stderr=its)
    os.close(its)
    shown = b""
    with suppress(OSError):
        while more := os.read(ours, 65536):
            shown += more
    os.close(ours)
    assert process.wait(60) == 0
    assert len(shown.splitlines()) < 20, shown.decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb", [["list", TAG, "--all"], ["show", "1"], ["doctor"], ["--help"]], ids=" ".join
)
def test_a_reader_that_goes_away_gets_no_complaint(home, verb):
    read, write = os.pipe()
    os.close(read)
    pipes = {"stdout": write, "stderr": subprocess.PIPE}
    with start(["-m", "runner", *verb], home, **pipes) as process:
        _, wrong = process.communicate(timeout=120)
    os.close(write)
    assert wrong == b""


# -- limits -------------------------------------------------------------------------------------


def limited(files: int, *, softly: bool = False) -> list[str]:
    return ["sh", "-c", f'ulimit {"-Sn" if softly else "-n"} {files}; exec "$@"', "sh"]


def test_a_low_limit_of_open_files_is_raised_where_that_is_allowed(home):
    seen = "import resource; from runner.cli import cli; cli(['list'], standalone_mode=False)\n"
    seen += "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    with start(
        ["-c", seen], home, prefix=limited(64, softly=True), stdout=subprocess.PIPE
    ) as process:
        said, _ = process.communicate()
    assert int(said.split()[-1]) > 64


@pytest.mark.slow
def test_few_open_files_are_enough_to_read(home):
    read_all(home, prefix=limited(64))


@pytest.mark.parametrize("files", [12, 7])
def test_too_few_open_files_are_said(home, files):
    done = runner("audit", home=home, prefix=limited(files))
    assert done.returncode not in (0, 1, 70)
    assert b"ulimit -n" in done.stderr


# -- the container engine -----------------------------------------------------------------------


@pytest.fixture
def no_engine(tmp_path, monkeypatch) -> Path:
    """A person's folder for docker's client, in which contexts can be named."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def name_context(folder: Path, host: str) -> None:
    """Leave what `docker context create gone` and `use gone` do."""
    place = folder / "contexts" / "meta" / hashlib.sha256(b"gone").hexdigest()
    place.mkdir(parents=True)
    meta = {"Name": "gone", "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}
    (place / "meta.json").write_text(json.dumps(meta))
    (folder / "config.json").write_text(json.dumps({"currentContext": "gone"}))


REACHING = """
from runner.engines import docker
from runner.errors import SandboxError
from runner.setup import reachable_engine
docker.ANSWER_SECONDS = 0.2
try:
    reachable_engine(print)
except SandboxError as error:
    print(error, error.hint, sep="\\n")
"""


def refused(**environment: str) -> list[str]:
    """Return what is said instead; in a process, since a client that fails leaves its socket."""
    done = subprocess.run(
        [sys.executable, "-c", REACHING], env={**os.environ, **environment}, cwd=PROJECT,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_a_docker_host_that_leads_nowhere_is_named(no_engine):
    host = f"unix://{no_engine}/no.sock"
    said, hint = refused(DOCKER_HOST=host)
    assert said.startswith(f"reaching the container engine that DOCKER_HOST={host} names: ")
    assert hint == "start that engine, or: unset DOCKER_HOST"


def test_a_docker_context_that_leads_nowhere_is_named(no_engine):
    host = f"unix://{no_engine}/no.sock"
    name_context(no_engine, host)
    said, hint = refused()
    named = f"reaching the container engine that the docker context gone ({host}) names: "
    assert said.startswith(named)
    assert hint == "start that engine, or: docker context use default"


def test_an_engine_that_hangs_is_not_waited_for_without_end(no_engine):
    path = no_engine / "hangs.sock"
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()
        said, _ = refused(DOCKER_HOST=f"unix://{path}")
    assert said.endswith(f"that DOCKER_HOST=unix://{path} names: it does not answer; it may hang")


def test_a_docker_context_that_there_is_not_is_named(no_engine, monkeypatch):
    (no_engine / "config.json").write_text(json.dumps({"currentContext": "never"}))
    with pytest.raises(SandboxError, match="there is no docker context never") as e:
        docker_module.connect()
    assert e.value.hint == "type: docker context use default"
    monkeypatch.setenv("DOCKER_CONTEXT", "neither")
    with pytest.raises(SandboxError, match="there is no docker context neither") as e:
        docker_module.connect()
    assert e.value.hint == "type: unset DOCKER_CONTEXT"


# -- lines to copy ------------------------------------------------------------------------------


def test_lines_to_copy_hold_whatever_the_folders_are_called(tmp_path):
    folder = tmp_path / "a folder's name"
    folder.mkdir()
    with make_session(folder, FakeSandbox(lambda spec: scored(9.0 - spec.experiment))) as session:
        run_loop(session, ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")]), experiments=None)
        standing = standing_of(session.journal, session.run)
        shown = summary.summary(standing, session.state, reason="it is over", experiments=None)
    [line] = [line for line in shown.splitlines() if "best diff  " in line]
    copied = line.partition("best diff  ")[2]
    done = subprocess.run(["sh", "-c", copied], check=True, capture_output=True, text=True)
    assert "+WIDTH = 64" in done.stdout


def test_the_program_is_called_what_can_be_typed(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["/somewhere/runner/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "a venv" / "python"))
    monkeypatch.chdir(tmp_path)
    assert summary.program() == "'a venv/python' -m runner"
    (tmp_path / "a venv").mkdir()
    (tmp_path / "a venv" / "runner").touch()
    assert summary.program() == "'a venv/runner'"
    assert shlex.split(summary.program()) == ["a venv/runner"]


def test_usage_names_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "runner", "run", "--nothing"], cwd=PROJECT, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.stderr.startswith("Usage: runner run ")


def test_faults_that_lead_to_each_other_are_told_once():
    first, last = SandboxError("first", hint="what helps"), SandboxError("last")
    first.__cause__, last.__context__ = last, first

    @click.command()
    def fails() -> None:
        raise first

    class Only(Group):
        def get_command(self, ctx, cmd_name):
            return fails

    done = CliRunner().invoke(Only("only"), ["fails"])
    assert done.exit_code == SandboxError.exit_code
    assert done.stderr == "error: first\n hint: what helps\n"
