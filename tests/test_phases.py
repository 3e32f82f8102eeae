"""Parts of a run: where they begin, what agents hear in them, and what they relax."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from fakes import POLICY_TEXT, TRAIN, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner.policy.load import parse_policy
from runner.policy.schema import Phase
from runner.proposals.context import make_context
from runner.records import Change, ExperimentStatus, Proposal
from runner.scheduler import run_loop
from runner.steering import course
from runner.steering.phases import phase_at, policy_in

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
REFUSED = ExperimentStatus.REFUSED
PHASES = """\
phases:
  - {name: wide, share: 0.5, hint: be bold, relax: {max_added_lines: 40, imports: [socketserver]}}
  - {name: narrow, share: 0.3}
  - {name: last, share: 0.2, web_search: {domains: [arxiv.org], uses: 2}}
"""
TEXT = POLICY_TEXT.replace("phases: [] ", f"{PHASES}#").replace(
    "max_added_lines: 300", "max_added_lines: 5"
)
POLICY = parse_policy(TEXT).policy


def names(count: int, phases=POLICY.phases) -> list[str]:
    found = [phase_at(phases, done / count) for done in range(count)]
    return [phase.name for phase in found if phase]


def test_each_phase_has_its_share_of_the_experiments():
    assert names(10) == ["wide"] * 5 + ["narrow"] * 3 + ["last"] * 2


def test_shares_that_add_up_a_little_off_leave_no_gap():
    tenths = tuple(Phase(name=f"p{number}", share=0.1) for number in range(10))
    assert names(10, tenths) == [f"p{number}" for number in range(10)]


def test_beyond_the_end_the_last_phase_goes_on_and_an_unknown_end_stays_in_the_first():
    assert phase_at(POLICY.phases, 1.7).name == "last"
    assert phase_at(POLICY.phases, None).name == "wide"
    assert phase_at((), 0.5) is None


def test_a_phase_relaxes_what_it_names_and_nothing_else():
    wide = policy_in(POLICY, "wide").edits
    assert (wide.max_added_lines, wide.max_files) == (40, POLICY.edits.max_files)
    assert {"torch", "socketserver"} <= set(wide.imports.allow)
    assert policy_in(POLICY, "narrow") == POLICY
    assert policy_in(POLICY, None) == POLICY


def test_a_policy_that_allows_every_import_allows_it_in_a_phase_too():
    open_to_all = POLICY.model_copy(
        update={"edits": POLICY.edits.model_copy(update={"imports": None})}
    )
    assert policy_in(open_to_all, "wide").edits.imports is None


# -- in a run ---------------------------------------------------------------------------------


def long(number: int) -> Proposal:
    lines = "".join(f"X{line} = {number + line}\n" for line in range(20))
    return Proposal(
        hypothesis=f"long {number}",
        changes=(Change(path="train.py", content=TRAIN + lines.encode()),),
    )


def run(folder, proposals, *, experiments=None, text=TEXT, **more):
    sandbox = FakeSandbox(lambda _: scored(100.0))
    with make_session(folder, sandbox, policy_text=text, **more) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=experiments)
        return session.history


@pytest.mark.slow
def test_the_journal_names_each_experiment_s_phase_and_its_review_is_that_phase_s(tmp_path):
    history = run(tmp_path, [long(100 * number) for number in range(10)], experiments=10)
    phases = [found.origin.phase for found in history[1:]]
    assert phases == ["wide"] * 5 + ["narrow"] * 3 + ["last"] * 2
    assert [found.status for found in history[1:6]] == [REVERTED] * 5
    assert {(found.status, found.rule) for found in history[6:]} == {(REFUSED, "too-many-lines")}


def test_a_resumed_experiment_is_reviewed_in_the_phase_that_it_was_proposed_in(tmp_path):
    def cut_off(spec):
        if spec.experiment == 1:
            raise KeyboardInterrupt
        return scored(100.0)

    with (
        make_session(tmp_path, FakeSandbox(cut_off), policy_text=TEXT) as session,
        pytest.raises(KeyboardInterrupt),
    ):
        run_loop(session, ScriptedAgent([long(1)]), experiments=2)
    history = run(tmp_path, [], experiments=1)
    assert (history[1].origin.phase, history[1].status) == ("wide", REVERTED)


def test_an_agent_hears_the_hint_the_searches_and_the_relaxed_rules(tmp_path):
    with make_session(tmp_path, FakeSandbox(lambda _: scored(100.0)), policy_text=TEXT) as session:
        run_loop(session, ScriptedAgent([]), experiments=None)
        wide, last = (
            make_context(session, 1, phase=phase_at(POLICY.phases, done)) for done in (0.0, 0.9)
        )
    assert wide.phase.hint == "be bold"
    assert "40 added lines" in wide.rules
    assert (last.phase.web_domains, last.phase.web_uses) == (("arxiv.org",), 2)
    assert "5 added lines" in last.rules


def test_hours_lead_from_phase_to_phase_where_they_are_the_limit(tmp_path, monkeypatch):
    clock = itertools.count(step=900)  # a quarter of an hour whenever somebody looks
    monkeypatch.setattr(course, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    text = TEXT.replace("hours: null", "hours: 4")
    history = run(tmp_path, [edit("32", str(64 + number)) for number in range(20)], text=text)
    phases = [found.origin.phase for found in history[1:]]
    assert list(dict.fromkeys(phases)) == ["wide", "narrow", "last"]
    assert phases == sorted(phases, key=["wide", "narrow", "last"].index)


def test_a_run_without_an_end_stays_in_its_first_phase_and_says_so_once(tmp_path):
    said: list[str] = []
    history = run(tmp_path, [edit("32", "64"), edit("32", "65")], say=said.append)
    assert {found.origin.phase for found in history[1:]} == {"wide"}
    assert [line for line in said if "stays in the phase wide" in line] == said
    assert len(said) == 1
