from __future__ import annotations

import json
import os
import shlex
import sys

import pytest
from fakes import FakeSupervisor
from processes import ended

from runner.agents import make_agent
from runner.agents.command import Command, load_command
from runner.agents.descriptions import canonical
from runner.errors import ConfigError
from runner.records import Change, File, Hypothesis, Violation
from runner.seams import Context

CONTEXT = Context(
    number=3,
    task="eclip",
    files={
        "train.py": File(content=b"A = 1\n"),
        "run.sh": File(content=b"#!/bin/sh\n"),
        "program.md": File(content=b"Lower the rank.\n"),
    },
    mutable=("train.py",),
    notes=("scratchpad.md",),
    metric="mean_rank",
    direction="minimize",
    history=(),
    rules="The rules in words.",
    hypotheses=(Hypothesis(id=7, run="t1", text="try a seven", added_at=""),),
    guidance="be brave",
)
PREAMBLE = """\
import json, os, sys, subprocess
from pathlib import Path
def say(**words):
    Path(os.environ["RUNNER_PROPOSAL"]).write_text(json.dumps(words))
context = json.loads(Path(os.environ["RUNNER_CONTEXT"]).read_text())
"""
NO = (Violation(rule="line-too-long", message="a line is too long", path="train.py"),)


def program(tmp_path, body, **options):
    """An agent whose program is a Python script; what it leaves in `tmp_path` stays."""
    script = tmp_path / "agent.py"
    script.write_text(PREAMBLE + body)
    return Command([sys.executable, "-I", str(script), str(tmp_path)], **options)


def test_its_edits_and_its_words_become_the_proposal(tmp_path):
    body = """
Path("train.py").write_text("A = 2\\n")
Path("scratchpad.md").write_text("two is next\\n")
say(hypothesis="two", category="numbers", expectation="lower", takeaway="one was bad", answers=7)
"""
    proposal = program(tmp_path, body).propose(CONTEXT, FakeSupervisor())
    assert proposal.changes == (
        Change(path="train.py", content=b"A = 2\n"),
        Change(path="scratchpad.md", content=b"two is next\n"),
    )
    assert (proposal.hypothesis, proposal.category) == ("two", "numbers")
    assert (proposal.expectation, proposal.takeaway, proposal.answers) == (
        "lower",
        "one was bad",
        7,
    )
    assert proposal.forfeit is None


def test_it_is_told_everything_in_json_and_in_words(tmp_path):
    body = """
Path(sys.argv[1], "context.json").write_text(json.dumps(context))
Path(sys.argv[1], "stdin").write_text(sys.stdin.read())
Path(sys.argv[1], "brief").write_text(Path(os.environ["RUNNER_BRIEF"]).read_text())
say(hypothesis="none", category="none")
"""
    program(tmp_path, body).propose(CONTEXT, FakeSupervisor())
    told = json.loads((tmp_path / "context.json").read_text())
    assert told["experiment"] == 3
    assert told["metric"] == {"name": "mean_rank", "direction": "minimize"}
    assert told["mutable"] == ["train.py"]
    assert told["notes"] == ["scratchpad.md"]
    assert told["hypotheses"] == [{"number": 7, "text": "try a seven"}]
    assert (told["rules"], told["guidance"]) == ("The rules in words.", "be brave")
    assert (told["refused"], told["undone"]) == ([], [])
    words = (tmp_path / "stdin").read_text()
    assert words == (tmp_path / "brief").read_text()
    assert "Lower the rank." in words
    assert "proposal.json" in words


def test_what_must_be_mended_is_said_in_the_next_run(tmp_path):
    body = """
Path(sys.argv[1], f"refused{len(context['refused'])}").write_text(json.dumps(context["refused"]))
Path("train.py").write_text("A = 3\\n" if context["refused"] else "A = 2\\n")
say(hypothesis="h", category="c")
"""
    supervisor = FakeSupervisor(verdicts=[NO])
    proposal = program(tmp_path, body).propose(CONTEXT, supervisor)
    assert [each.changes[0].content for each in supervisor.proposals] == [b"A = 2\n", b"A = 3\n"]
    assert proposal == supervisor.proposals[-1]
    told = json.loads((tmp_path / "refused1").read_text())
    assert told == [{"rule": "line-too-long", "path": "train.py", "message": "a line is too long"}]


@pytest.mark.parametrize("said", ["{no json", "[" * 100_000, '{"answers": 1e999}', "7"])
def test_a_program_that_says_nothing_sound_hears_why(tmp_path, said):
    body = f"""
if not context["refused"]:
    Path("proposal.json").write_text({said!r})
else:
    Path(sys.argv[1], "refused").write_text(json.dumps(context["refused"]))
    say(hypothesis="h", category="c")
"""
    supervisor = FakeSupervisor(verdicts=[(Violation(rule="no-hypothesis", message="say one"),)])
    assert program(tmp_path, body).propose(CONTEXT, supervisor).hypothesis == "h"
    rules = [each["rule"] for each in json.loads((tmp_path / "refused").read_text())]
    assert rules == ["not-a-proposal", "no-hypothesis"]


def test_what_it_changes_elsewhere_does_not_count_is_recorded_told_and_undone(tmp_path):
    body = """
if context["refused"]:
    Path(sys.argv[1], "undone").write_text(json.dumps(context["undone"]))
    Path(sys.argv[1], "run.sh").write_bytes(Path("run.sh").read_bytes())
else:
    os.chmod("run.sh", 0o600)
    Path("run.sh").write_text("echo 0\\n")
Path("train.py").write_text("A = 2\\n")
say(hypothesis="h", category="c")
"""
    supervisor = FakeSupervisor(verdicts=[NO])
    proposal = program(tmp_path, body).propose(CONTEXT, supervisor)
    assert [change.path for change in proposal.changes] == ["train.py"]
    assert [path for path, _ in supervisor.violations] == ["run.sh"]
    [undone] = json.loads((tmp_path / "undone").read_text())
    assert undone == "run.sh was changed, and may only be read; it does not count"
    assert (tmp_path / "run.sh").read_bytes() == b"#!/bin/sh\n"


def test_what_was_undone_last_is_told_with_the_next_proposal(tmp_path):
    body = """
Path(sys.argv[1], f"undone{len(context['undone'])}").write_text(json.dumps(context["undone"]))
Path("extra.py").write_text("x")
say(hypothesis="h", category="c")
"""
    agent, supervisor = program(tmp_path, body), FakeSupervisor()
    agent.propose(CONTEXT, supervisor)
    agent.propose(CONTEXT, supervisor)
    [undone] = json.loads((tmp_path / "undone1").read_text())
    assert undone.startswith("extra.py ")


@pytest.mark.parametrize(
    ("body", "options", "said"),
    [
        pytest.param("sys.exit('no idea')", {}, "exit code 1: no idea", id="it fails"),
        pytest.param("import time; time.sleep(600)", {"seconds": 0.5}, "0.5 s", id="it hangs"),
        pytest.param(
            "while True: print('x' * 1000)", {"output_bytes": 50_000}, "50000 bytes", id="it floods"
        ),
    ],
)
def test_a_program_that_does_not_end_well_forfeits(tmp_path, body, options, said):
    supervisor = FakeSupervisor()
    proposal = program(tmp_path, body, **options).propose(CONTEXT, supervisor)
    assert proposal.forfeit.rule == "agent-failed"
    assert said in proposal.forfeit.message
    assert supervisor.proposals == []


@pytest.mark.parametrize("end", ["", "import time; time.sleep(600)"])
@pytest.mark.slow
def test_nothing_that_it_started_is_left(tmp_path, end):
    body = f"""
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(sys.argv[1], "pid").write_text(str(child.pid))
say(hypothesis="h", category="c")
{end}
"""
    program(tmp_path, body, seconds=5).propose(CONTEXT, FakeSupervisor())
    assert ended(int((tmp_path / "pid").read_text()))


def test_it_sees_the_variables_that_are_named_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_FLAG", "mine")
    body = """
Path(sys.argv[1], "seen").write_text(json.dumps(dict(os.environ)))
say(hypothesis="h", category="c")
"""
    program(tmp_path, body, variables=["MY_FLAG"]).propose(CONTEXT, FakeSupervisor())
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["MY_FLAG"] == "mine"
    assert "ANTHROPIC_API_KEY" not in seen
    assert seen["HOME"] != os.environ["HOME"]


def test_what_it_says_of_its_failure_holds_no_named_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_KEY", "sk-secret-" + "x" * 300)
    body = "sys.exit('no such key: ' + os.environ['MODEL_KEY'] + ' in this account')"
    agent = program(tmp_path, body, variables=["MODEL_KEY"])
    message = agent.propose(CONTEXT, FakeSupervisor()).forfeit.message
    assert message.endswith("no such key: (MODEL_KEY) in this account")


def test_a_wish_to_stop_ends_the_program(tmp_path):
    agent = program(tmp_path, "import time; time.sleep(600)")
    assert agent.propose(CONTEXT, FakeSupervisor(stopping=True)) is None


def test_it_is_made_from_its_description(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_COMMAND_ENV", "A_TOKEN,HOME")
    agent = make_agent("command:sh -c 'exit 3'")
    assert (agent.name, agent.isolation) == ("command", "none")
    assert agent.propose(CONTEXT, FakeSupervisor()).forfeit.message.endswith("exit code 3")


def test_words_with_a_leading_dot_mean_the_same_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, _, argument = canonical("command:./agent --file ../data -x .").partition(":")
    assert shlex.split(argument) == [
        str(tmp_path / "agent"), "--file", str(tmp_path / ".." / "data"), "-x", ".",
    ]  # fmt: skip


@pytest.mark.parametrize("argument", ["", "no-such-program-here", "sh -c 'open"])
def test_a_program_that_is_not_there_is_an_error(argument):
    with pytest.raises(ConfigError):
        load_command(canonical(f"command:{argument}").removeprefix("command:"))


def test_a_program_that_takes_its_folder_away_has_failed_and_the_run_goes_on(tmp_path):
    body = """
here = Path.cwd()
say(hypothesis="gone", category="none")
here.rename(here.with_name("elsewhere"))
here.symlink_to("/etc")
"""
    proposal = program(tmp_path, body).propose(CONTEXT, FakeSupervisor())
    assert proposal.forfeit.rule == "draft-unsettled"
    assert proposal.changes == ()


@pytest.mark.slow
def test_what_a_program_leaves_at_work_in_the_draft_cannot_end_the_run(tmp_path, monkeypatch):
    """It fills folders and swaps them for links, beyond the end of the program that began it.

    Its links lead to a folder of the test's: it follows them itself.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("runner.agents.draft_folder.CLEARING_SECONDS", 1.0)
    body = """
bustle = '''
import os, time
until = time.monotonic() + 20
while os.path.isdir("..") and time.monotonic() < until:
    for act in (
        lambda: os.makedirs("junk/inner"),
        lambda: open("junk/inner/file", "w").close(),
        lambda: os.rename("junk", "moved"),
        lambda: os.symlink(ELSEWHERE, "junk"),
        lambda: os.rename("train.py", "train.py~"),
        lambda: os.mkdir("train.py"),
    ):
        try:
            act()
        except OSError:
            pass
'''
subprocess.Popen([sys.executable, "-c", bustle], start_new_session=True,
                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
say(hypothesis="busy", category="none")
"""
    agent = program(tmp_path, body.replace("ELSEWHERE", repr(str(elsewhere))))
    for _ in range(4):
        proposal = agent.propose(CONTEXT, FakeSupervisor())
        assert proposal.forfeit is None or proposal.forfeit.rule == "draft-unsettled"
        assert {change.path for change in proposal.changes} <= {"train.py"}
