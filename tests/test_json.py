"""`docs/json.md` lists every key that a reading command prints as JSON, and no other."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from click.testing import CliRunner
from fakes import (
    SHIPPED,
    TAG,
    FakeSandbox,
    ScriptedAgent,
    crashed,
    edit,
    found,
    make_session,
    scored,
)

from runner import paths
from runner.agents import handover
from runner.cli import cli
from runner.errors import INTERRUPTED
from runner.journal.store import open_journal
from runner.paths import PROJECT
from runner.progress import Tracker
from runner.records import (
    BOX_ENDED,
    Curve,
    ModelCall,
    Proposal,
    Purpose,
    TrialResult,
    TrialSpec,
    Usage,
)
from runner.scheduler import run_loop
from runner.seams import Context, Supervisor

PAGE = PROJECT / "docs" / "json.md"
ROW = re.compile(r"^\| `([^`]+)`", re.MULTILINE)
ELSEWHERE = {
    "best", "baseline", "trials", "spent", "running", "evidence", "total", "counts", "metrics",
    "curves", "models", "log", "experiments",
}  # fmt: skip
"""Keys whose values have a table of their own, or names of the run's own for keys."""


def invoke(*arguments: str) -> Any:
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


# -- a run in which everything happens --------------------------------------------------------


@dataclass
class Researcher(ScriptedAgent):
    """Asks a model, wants an analysis, tests a person's hypothesis, and says what it expects."""

    name: str = "claude"

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        usage = Usage(input_tokens=5, output_tokens=7)
        supervisor.record(
            ModelCall(
                experiment=context.number, agent="claude", model="m", usage=usage, usd=0.5,
                seconds=1.0, outcome="end_turn",
            )
        )  # fmt: skip
        if context.number == 1:
            supervisor.analyze(b"print(1)")
        if context.number == 4:
            return handover.forfeited("agent-failed", "it gave up")
        proposal = super().propose(context, supervisor)
        asked = context.hypotheses[0].id if context.hypotheses else None
        return proposal and replace(
            proposal, expectation="better", takeaway="none", answers=asked, model="m"
        )


def answer(spec: TrialSpec) -> TrialResult:
    if spec.experiment == 3:
        return crashed()
    noise = spec.seed % 9973 / 20_000
    curve = Curve(name="loss", points=((0.0, 1.0), (1.0, 0.5)))
    value = scored(({0: 40.0, 1: 20.0}.get(spec.experiment, 21.0)) + noise)
    return replace(value, curves=(curve,), logs={"train": b"said"})


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Return section of the page → documents that are to have its keys, at work and after."""
    folder = tmp_path_factory.mktemp("json")
    at_work: list[tuple[Any, Any]] = []

    def looked(spec: TrialSpec) -> TrialResult:
        if spec.experiment in (1, 2) and spec.purpose is Purpose.DECISION:
            at_work.append((invoke("status", TAG), invoke("list")[0]))
        return answer(spec)

    edits = [edit("WIDTH = 32", f"WIDTH = {n}") for n in (64, 48, 40)]
    progress = paths.State(folder / "state").progress(TAG)
    progress.parent.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RUNNER_HOME", str(folder / "state"))
        patched.delenv("RUNNER_PROVIDERS", raising=False)
        with (
            Tracker.at(progress) as tracker,
            make_session(
                folder, FakeSandbox(looked), policy_text=SHIPPED, progress=tracker,
                analyst=lambda *_: found(),
            ) as session,
        ):  # fmt: skip
            session.journal.add_hypothesis(TAG, "wider")
            session.journal.event(
                TAG, BOX_ENDED, experiment=1, seconds=1.0, cpu_seconds=None, why=""
            )
            run_loop(session, Researcher(edits), experiments=4, planted=1)
            session.journal.add_hypothesis(TAG, "a later one")
            session.journal.event(TAG, "run.ended", reason="over", outcome="finished")
        with open_journal(paths.State(folder / "state").journal) as journal:
            run, first = journal.run(TAG), journal.experiment(TAG, 1)
            assert run
            assert first
            own = replace(run, tag="own", self_reported=True)
            journal.create_run(own)
            journal.propose(replace(first, run="own"), own)
        listed = [*invoke("list", TAG), invoke("list", "own")[0]]
        runs = [seen[1] for seen in at_work] + invoke("list")
        status = [seen[0] for seen in at_work] + [invoke("status", TAG)]
        cost = invoke("cost", TAG)
        previews = [
            invoke("cost", "--preview", "eclip", "--agent", agent)
            for agent in ("tune", "claude:claude-opus-5-5")
        ]
        metric = run.metric
        return {
            "runner status": status,
            "runner list": runs,
            "runner list TAG": listed,
            "runner show": [invoke("show", str(number), TAG) for number in range(5)],
            "runner log": invoke("log", TAG, "--all"),
            "runner export": [
                {"METRIC" if name == metric else name: value for name, value in row.items()}
                for row in invoke("export", TAG) + invoke("export", "own")
            ],
            "runner cost": [cost],
            "runner cost --preview": previews,
            "A trial": [trial for each in listed for trial in each["trials"]],
            "What was spent": [cost["total"], *cost["models"].values(), status[-1]["spent"]],
            "What runs": [each["running"] for each in status if each["running"]],
            "The evidence": [each["evidence"] for each in status if each["evidence"]],
        }


# -- the page ---------------------------------------------------------------------------------

MORE = {
    "runner status": "A run", "runner list": "A run", "runner list TAG": "An experiment",
    "runner show": "An experiment",
}  # fmt: skip
"""Section → another one whose keys its documents have as well."""


def documented() -> dict[str, set[str]]:
    """Return section → the keys of its table; one key twice is an error."""
    found = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        keys = ROW.findall(section)
        assert len(keys) == len(set(keys)), section
        found[section.partition("\n")[0]] = set(keys)
    return found


def keys_of(document: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in document.items():
        yield above + name
        inside = value if isinstance(value, list) else [value]
        for each in inside if name not in ELSEWHERE else ():
            if isinstance(each, dict):
                yield from keys_of(each, f"{above}{name}.")


def test_every_section_of_the_page_is_held_to_the_output(printed):
    assert {*printed, *MORE.values()} == set(documented())


@pytest.mark.parametrize(
    "section",
    [
        "runner status", "runner list", "runner list TAG", "runner show", "runner log",
        "runner export", "runner cost", "runner cost --preview", "A trial", "What was spent",
        "What runs", "The evidence",
    ],
)  # fmt: skip
def test_the_page_lists_what_is_printed_and_nothing_else(section, printed):
    page = documented()
    said = page[section] | page.get(MORE.get(section, ""), set())
    seen = {key for document in printed[section] for key in keys_of(document)}
    assert seen - said == set(), "not documented"
    assert said - seen == set(), "documented, and never printed"


def empty_texts(value: Any, above: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from empty_texts(each, f"{above}.{name}")
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from empty_texts(each, above)
    elif value == "":
        yield above


def test_what_is_not_there_is_null_and_never_an_empty_text(printed):
    assert {*empty_texts(printed)} == set()


# -- the log ----------------------------------------------------------------------------------


def test_the_log_is_what_happened_in_order(printed):
    log = printed["runner log"]
    assert [each["seq"] for each in log] == list(range(1, len(log) + 1))
    assert log[0]["kind"] == "run-created"
    assert (log[-1]["kind"], log[-1]["text"]) == ("ended", "over | finished")
    texts = {(each["kind"], each["experiment"]): each["text"] for each in log}
    assert texts["decided", 3] == "crashed | train: ValueError: no"
    assert texts["trial-ended", 3] == "train | train: ValueError: no"
    assert texts["hypothesis-added", None] == "2 | a later one"


@pytest.mark.slow
def test_the_log_follows_a_run_and_shows_what_an_agent_wrote_as_text(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("runner.commands.log.NEWEST", 2)
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        journal = session.journal
        for text in ("first", "second", "\x1b[2Jthird\n\u202e"):
            journal.add_hypothesis(TAG, text)
        shown = CliRunner().invoke(cli, ["log"]).output.splitlines()
        assert [line.split("  ")[-1] for line in shown] == ["2 | second", "3 | third"]
        command = [sys.executable, "-m", "runner", "log", "--follow", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as follower:
            assert follower.stdout is not None
            lines = [json.loads(follower.stdout.readline()) for _ in range(4)]
            journal.add_hypothesis(TAG, "a fourth")
            lines.append(json.loads(follower.stdout.readline()))
            follower.send_signal(signal.SIGINT)
        assert follower.returncode == INTERRUPTED
    assert [each["seq"] for each in lines] == [1, 2, 3, 4, 5]
    assert lines[-1]["text"] == "4 | a fourth"
