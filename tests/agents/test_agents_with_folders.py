"""A run whose agent works in a folder: what the journal keeps of it."""

from __future__ import annotations

import sys

from fakes import FakeSandbox, make_session, scored

from runner.agents.command import Command
from runner.proposals.context import make_context
from runner.proposals.supervisor import ProposalSupervisor
from runner.records import Change, ExperimentStatus, Proposal
from runner.scheduler import run_loop

PROGRAM = """
import json, os, re
from pathlib import Path
number = json.loads(Path(os.environ["RUNNER_CONTEXT"]).read_text())["experiment"]
os.chmod("run.sh", 0o600)
Path("run.sh").write_text("echo 0\\n")
script = Path("train.py")
script.write_text(re.sub(r"WIDTH = \\d+", f"WIDTH = {32 + number}", script.read_text()))
words = {"hypothesis": f"wider {number}", "category": "size", "takeaway": "so so"}
Path(os.environ["RUNNER_PROPOSAL"]).write_text(json.dumps(words))
"""


def test_a_run_keeps_what_a_program_proposes_and_what_it_tried_besides(tmp_path):
    agent = Command([sys.executable, "-I", "-c", PROGRAM])
    with make_session(tmp_path, FakeSandbox(lambda spec: scored(9 - spec.experiment))) as session:
        run_loop(session, agent, experiments=2, ahead=0)
        violations = [
            event for event in session.journal.events("t1") if event["name"] == "draft.violated"
        ]
        kept = session.history[1:]
    assert [each.status for each in kept] == [ExperimentStatus.KEPT] * 2
    assert [each.hypothesis for each in kept] == ["wider 1", "wider 2"]
    assert [each.changes[0].path for each in kept] == ["train.py"] * 2
    assert {each.origin.isolation for each in kept} == {"none"}
    assert [event["detail"]["experiment"] for event in violations] == [1, 2]
    assert {event["detail"]["path"] for event in violations} == {"run.sh"}
    assert "draft.violated" in session.state.events("t1").read_text()


def test_a_review_in_the_making_is_no_return(tmp_path):
    with make_session(tmp_path, FakeSandbox(lambda _: scored(9))) as session:
        run_loop(session, Command(["true"]), experiments=0)
        supervisor = ProposalSupervisor(session, make_context(session, 1))
        change = Change(path="train.py", content=b"import socket\n")
        found = supervisor.review(Proposal(hypothesis="h", changes=(change,)))
    assert "import-not-allowed" in [violation.rule for violation in found]
    assert supervisor.returned == 0
