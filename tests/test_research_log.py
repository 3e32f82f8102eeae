from __future__ import annotations

import html
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import POLICY_TEXT, TAG, FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored
from markdown_it import MarkdownIt

from runner.errors import SandboxError
from runner.paths import PROJECT
from runner.prompt.brief import brief
from runner.prompt.history import LATEST
from runner.proposals.context import history_as_told, make_context
from runner.proposals.supervisor import ProposalSupervisor
from runner.records import LOG, Change, Experiment, Proposal, TrialResult, TrialSpec, Violation
from runner.scheduler import run_loop
from runner.session import Session
from runner.workspace import NOTES_REF

ANSWERS = {0: scored(100.26), 1: scored(90.13), 2: crashed()}


def answer(spec: TrialSpec) -> TrialResult:
    return ANSWERS.get(spec.experiment, scored(500.0))


def proposals(count: int) -> list[Proposal]:
    first = edit("WIDTH = 32", "WIDTH = 64", "wider is better", notes="wide\n")
    second = replace(edit("RATE = 0.001", "RATE = 1", "a faster\nrate"), takeaway="wide\nhelps")
    more = [
        replace(edit("WIDTH = 32", f"WIDTH = {width}", f"wide {width}"), takeaway=f"so {width}")
        for width in range(100, 98 + count)
    ]
    return [replace(first, category="width"), second, *more][:count]


def run(folder: Path, count: int, sandbox: FakeSandbox | None = None) -> str:
    policy = POLICY_TEXT.replace("failures: 10", "failures: 99")
    with make_session(folder, sandbox or FakeSandbox(answer), policy_text=policy) as session:
        run_loop(session, ScriptedAgent(proposals(count)), experiments=None)
        return page(session)


def test_a_takeaway_is_of_what_was_tried_and_not_of_an_answer_that_was_cut_off(tmp_path):
    lost = Violation(rule="answer-cut-off", message="too long")
    forfeit = Proposal(hypothesis="(nothing was proposed)", forfeit=lost)
    first, second = proposals(2)
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent([first, forfeit, second]), experiments=None)
        assert "wide helps" in page(session).split("### ")[2]
        assert session.read(3).origin.takeaway_of == 1


@pytest.mark.parametrize(("forfeits", "about"), [(0, "experiment 1"), (2, "experiment 1")])
def test_a_takeaway_is_asked_for_across_forfeits(tmp_path, forfeits, about):
    lost = Violation(rule="model-refused", message="no")
    forfeit = Proposal(hypothesis="(nothing was proposed)", forfeit=lost)
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent([proposals(1)[0], *[forfeit] * forfeits]), experiments=None)
        context = make_context(session, 2 + forfeits)
        returned = ProposalSupervisor(session, context).send_back(edit("RATE = 0.001", "RATE = 1"))
        assert f'Experiment {about[-1]}: "wider' in brief(context).news
    assert [(one.rule, about in one.message) for one in returned] == [("no-takeaway", True)]


def page(session: Session) -> str:
    return (session.state.run(TAG) / LOG).read_text(encoding="utf-8")


def versioned(session: Session) -> str:
    return session.workspace.files(NOTES_REF)[LOG].content.decode()


def test_the_page_says_hypothesis_change_result_and_takeaway_of_each(tmp_path):
    assert run(tmp_path, 2) == (
        "# Log\n\n"
        "Written by the supervisor from the journal: an edit of this page is lost.\n\n"
        "### Exp 0: kept [baseline]\n\n"
        "- **Hypothesis:** the unmodified template\n"
        "- **Change:** none\n"
        "- **Result:** kept: mean_rank 100.5\n"
        "- **Takeaway:**\n\n"
        "### Exp 1: kept [width]\n\n"
        "- **Hypothesis:** wider is better\n"
        "- **Change:**\n"
        "  - train.py (+1 -1)\n\n"
        "        - WIDTH = 32\n"
        "        + WIDTH = 64\n"
        "  - scratchpad.md (notes)\n"
        "- **Result:** kept: mean_rank 90, best before 100.5: gain +10.5, needed 1\n"
        "- **Takeaway:** wide helps\n\n"
        "### Exp 2: crashed\n\n"
        "- **Hypothesis:** a faster rate\n"
        "- **Change:**\n"
        "  - train.py (+2 -2)\n\n"
        "        - WIDTH = 64\n"
        "        - RATE = 0.001\n"
        "        + WIDTH = 32\n"
        "        + RATE = 1\n"
        "- **Result:** crashed (train): ValueError at train.py:3: no\n"
        "- **Takeaway:**\n"
    )


@pytest.mark.slow
def test_the_end_of_it_is_versioned_after_each_experiment(tmp_path):
    run(tmp_path, 23)
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        whole, shown = page(session), versioned(session)
        assert whole.count("### Exp ") == 24
        assert f"The last {LATEST} of 24; all are in the run's folder.\n" in shown
        assert whole.endswith(shown[shown.index("### Exp 4:") :])
        messages = [commit.message for commit in session.workspace.commits(NOTES_REF)]
        logs = [text.partition("\n")[0] for text in messages if text.startswith("Log")]
        assert logs == [f"Log of experiment {number}" for number in range(24)]


def test_writing_it_again_changes_nothing(tmp_path):
    run(tmp_path, 3)
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        before = (page(session), session.workspace.resolve(NOTES_REF))
        told = history_as_told(session)
        session.research_log.update(told[-1], lambda: told)
        assert (page(session), session.workspace.resolve(NOTES_REF)) == before


def test_a_page_that_was_edited_or_lost_is_written_anew_at_the_next_start(tmp_path):
    whole = run(tmp_path, 3)
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        (session.state.run(TAG) / LOG).write_text("forged", encoding="utf-8")
        forged = Change(path=LOG, content=b"forged")
        session.workspace.write_notes([forged], "forged", "2026-01-01T00:00:00+00:00")
    assert run(tmp_path, 3) == whole
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        assert versioned(session) == whole


@pytest.mark.parametrize("damage", [b"", b"forged", None], ids=["cut off", "longer", "gone"])
def test_a_page_that_is_not_as_it_was_left_is_written_whole(tmp_path, damage):
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(proposals(2)), experiments=None)
        whole, path = page(session), session.state.run(TAG) / LOG
        path.unlink() if damage is None else path.write_bytes(
            whole.encode() * bool(damage) + damage
        )
        told = history_as_told(session)
        session.research_log.update(told[-1], lambda: told)
        assert page(session) == whole


def test_it_is_written_before_an_audit_that_fails(tmp_path):
    def failing(spec: TrialSpec) -> TrialResult:
        if spec.purpose.part == "locked":
            raise SandboxError("gone")
        return answer(spec)

    with pytest.raises(SandboxError):
        run(tmp_path, 1, FakeSandbox(failing))
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        assert "### Exp 0: kept" in versioned(session)


def test_no_agent_can_change_it(tmp_path):
    forged = Change(path=LOG, content=b"forged")
    changes = (*edit("WIDTH = 32", "WIDTH = 64").changes, forged)
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        agent = ScriptedAgent([Proposal(hypothesis="mine", changes=changes)])
        run_loop(session, agent, experiments=None)
        assert session.history[1].rule == "path-not-mutable"
        assert page(session) == versioned(session)
        assert page(session).startswith("# Log\n\nWritten by the supervisor")
        assert [line for line in page(session).split("\n") if "forged" in line] == [
            "        + forged"  # what was proposed, and refused
        ]


def test_it_is_never_read_back(tmp_path):
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(proposals(2)), experiments=None)
        assert LOG not in make_context(session, 3).files
        assert LOG not in session.workspace.notes()


def test_odd_changes_are_bounded_and_stay_inside_their_entry(tmp_path):
    lines = b"".join(b"### Exp 9: kept\x1b[31m %d %s\n" % (n, b"x" * 300) for n in range(50))
    many = tuple(Change(path=f"\n### {n}", content=None) for n in range(9))
    odd = Proposal(
        hypothesis="\n### Exp 8: kept\n", changes=(Change(path="train.py", content=lines), *many)
    )
    policy = POLICY_TEXT.replace("max_files: 1", "max_files: 20")
    with make_session(tmp_path, FakeSandbox(answer), policy_text=policy) as session:
        run_loop(session, ScriptedAgent([odd]), experiments=None)
        text = page(session)
    assert [line for line in text.split("\n") if line.startswith("#")] == [
        "# Log",
        "### Exp 0: kept [baseline]",
        "### Exp 1: refused",
    ]
    assert "train.py (+50 -4)" in text
    assert "        … 46 more" in text
    assert "  - ### 3 (removed, +0 -0)" in text
    assert "  - and 5 more" in text
    assert max(map(len, text.split("\n"))) < 1100
    assert "\x1b" not in text


@pytest.mark.parametrize("line", ["![x](//e.example/a.png)", "<img src=x>", "`a` [b](//c)"])
def test_a_changed_line_is_code_for_whoever_shows_the_page_as_markdown(tmp_path, line):
    content = f"{line}\n\t{line}\n  - {line}\n".encode()
    odd = Proposal(hypothesis=line, changes=(Change(path="train.py", content=content),))
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent([odd]), experiments=None)
        shown = MarkdownIt().render(page(session))
    assert f"+ {line}\n" in html.unescape(shown)
    assert not re.search(r"<img|<a ", shown)
    assert shown.count("<pre>") == 1


def test_what_is_told_of_an_experiment_is_made_once_whatever_comes_to_it_later(tmp_path):
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(proposals(2)), experiments=None)
        first, second = history_as_told(session), history_as_told(session)
        assert [a is b for a, b in zip(first, second, strict=True)] == [True] * 3
        trial = session.read(2).trials[0]
        session.journal.trial_ended(TAG, 2, replace(trial, index=7, asked_by=3))
        third: tuple[Experiment, ...] = history_as_told(session)
        assert [len(told.trials) for told in third] == [2, 2, 1]
        assert [a is b for a, b in zip(second, third, strict=True)] == [True] * 3


def test_an_experiment_that_has_not_ended_is_not_told(tmp_path):
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(proposals(2)), experiments=None)
        going_on = replace(session.read(2), number=3, origin=None)
        session.journal.propose(going_on, session.run)
        assert [told.number for told in history_as_told(session)] == [0, 1, 2]


def test_the_views_do_not_need_it():
    code = "import runner.views.summary, sys; sys.exit('runner.research_log' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
