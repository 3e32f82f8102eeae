"""What a person sees of what somebody else wrote: escaped on a terminal and in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner import cli as command_line
from runner.characters import as_json, is_visible, visible
from runner.cli import cli
from runner.errors import FAULT, INTERRUPTED, WorkspaceError
from runner.prompt.untrusted import markdown
from runner.scheduler import run_loop

UNSEEN = {
    "a C1 sequence": "\x9b31m",
    "DEL": "\x7f",
    "a terminal sequence": "\x1b]0;title\x07",
    "a direction": "\u202e\u2066",
    "a zero-width space": "\u200b\u2060\ufeff",
    "a joiner": "\u200d\u200c",
    "a line separator": "\u2028\u2029",
    "a tag": "\U000e0041",
    "a variation selector": "\ufe0f\U000e0101",
    "a letter without a shape": "\u3164\u115f",
    "a mark without a shape": "\u034f\u17b4\u180b\u180f",
    "a lone surrogate": "\ud800",
    "private use": "\ue000",
    "unassigned": "\u0378",
    "an unusual space": "\u00a0\u3000",
}
LETTERS = "naïve Größe Ωμέγα кириллица עברית العربية हिन्दी ไทย 漢字 かな 한글 ∑ 🙂"
EVERYTHING = "".join(UNSEEN.values())


@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_what_is_not_seen_is_escaped_and_reads_back_as_it_was(text):
    document = {"said": f"a{text}b", f"key{text}": [text]}
    shown = as_json(document)
    assert all(is_visible(letter) or letter == "\n" for letter in shown)
    assert json.loads(shown) == document
    assert all(is_visible(letter) for letter in visible(text))


def test_letters_of_all_scripts_stay():
    assert LETTERS in as_json([LETTERS])
    assert visible(f"{LETTERS}\n\tnext") == f"{LETTERS}\n\tnext"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run in which everything that an agent says holds what is not seen."""
    folder = tmp_path_factory.mktemp("characters")
    said = edit("WIDTH = 32", "WIDTH = 64", f"=1+{EVERYTHING}{LETTERS}", notes=f"{UNSEEN['DEL']}\n")
    with make_session(folder, FakeSandbox(lambda spec: scored(9.0 - spec.experiment))) as session:
        run_loop(session, ScriptedAgent([said]), experiments=None)
        session.journal.add_hypothesis(TAG, f"try {EVERYTHING}{LETTERS}")
        session.journal.event(TAG, "run.paused", message=EVERYTHING, to_do=EVERYTHING)
    return folder / "state"


VERBS = [
    ("status",), ("list",), ("list", TAG), ("show", "1"), ("show", "1", "--diff", "--trials"),
    ("show", "1", "--log"), ("export", "--output", "-"), ("hypothesis", "list"), ("cost",),
    ("audit",), ("log", "--all"),
]  # fmt: skip


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_verb_prints_what_is_not_seen(home, verb, as_json):
    arguments = [*verb, *(["--json"] if as_json else [])]
    result = CliRunner().invoke(cli, arguments, env={"RUNNER_HOME": str(home)})
    assert result.exit_code == 0, result.output
    unseen = {letter for letter in result.output if not is_visible(letter)}
    assert unseen <= {"\n", "\t"}
    if as_json and verb in (("list", TAG), ("show", "1"), ("hypothesis", "list")):
        assert LETTERS in result.output


def test_the_event_log_and_git_s_messages_are_ascii(home):
    assert (home / "runs" / TAG / "events.jsonl").read_bytes().isascii()
    repository = f"--git-dir={home / 'runs' / TAG / 'repository.git'}"
    command = ["git", repository, "log", "--all", "--format=%B"]
    assert subprocess.run(command, capture_output=True, check=True).stdout.isascii()


def test_an_error_is_escaped(monkeypatch, tmp_path):
    def fails() -> None:
        raise WorkspaceError(f"git apply: {EVERYTHING}", hint=EVERYTHING)

    monkeypatch.setattr("runner.paths.state", fails)
    result = CliRunner().invoke(cli, ["status"])
    assert result.exit_code == WorkspaceError.exit_code
    assert all(is_visible(letter) or letter == "\n" for letter in result.output)


# -- Markdown -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["![x](http://example.org/x)", "<img src=x>", "\\<b>", "`code`", "[a]: http://example.org"],
)
def test_words_hold_no_markdown_that_loads_or_links(text):
    shown = markdown(text)
    unescaped = shown.replace("\\\\", "")
    for mark in "<[`":
        assert f"\\{mark}" in unescaped or mark not in unescaped
    assert shown.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\") == text


# -- exit codes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("a bug"), FAULT),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), FAULT),
        (RecursionError(), FAULT),
        (OSError(39, "Directory not empty"), FAULT),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
)
@pytest.mark.parametrize("verb", ["audit", "doctor", "task check eclip", "analyze"])
def test_nothing_unexpected_ends_with_the_code_that_means_something(monkeypatch, error, code, verb):
    def fails(*_args: object, **_options: object) -> None:
        raise error

    for name in ("runner.paths.state", "runner.task_check.reading.missing"):
        monkeypatch.setattr(name, fails)
    assert CliRunner().invoke(cli, verb.split()).exit_code == code
    assert code not in (0, 1, 2)


def test_a_reader_that_goes_away_changes_no_verdict(home):
    read, write = os.pipe()
    os.close(read)
    program = [sys.executable, "-m", "runner", "audit"]
    environment = {**os.environ, "RUNNER_HOME": str(home)}
    folder = Path(command_line.__file__).parent.parent
    done = subprocess.run(
        program, stdout=write, stderr=subprocess.PIPE, env=environment, cwd=folder, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
