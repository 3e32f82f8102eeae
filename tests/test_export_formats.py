from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from fakes import TAG, FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored

from runner import trackers
from runner.cli import cli
from runner.journal.reader import open_reader
from runner.records import Change, Proposal, Purpose, Spent, TrialResult, TrialSpec, Usage
from runner.scheduler import run_loop
from runner.views import export as results
from runner.views import formats

FORMULA = '=HYPERLINK("//evil.example")'
PROPOSALS = (
    edit("WIDTH = 32", "WIDTH = 64", FORMULA),
    edit("WIDTH = 32", "WIDTH = 65", "+crash\tand\nmore"),
    Proposal(hypothesis="cheat", changes=(Change(path="run.sh", content=b"x\n"),)),
    edit("RATE = 0.001", "RATE = 0.002", "a higher rate"),
)
HEADINGS = {
    "karpathy": ["commit", "mean_rank", "memory_gb", "status", "description"],
    "edu": [
        *("commit", "val_mean_rank", "test_mean_rank", "wall_time_s", "status", "description"),
    ],
    "tabular": [
        *("exp_id", "mean_score", "std_score", "n_features", "metric", "per_window_scores"),
        "description",
    ],
}


def answer(spec: TrialSpec) -> TrialResult:
    if spec.purpose is Purpose.AUDIT:
        return scored(91.0)
    if spec.experiment == 2:
        return crashed()
    found = scored({0: 100.0, 1: -90.0, 4: 95.0}[spec.experiment], n_features=7.0)
    return TrialResult(**vars(found) | {"peak_memory_bytes": 3 * 2**30})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    with make_session(folder, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=None)
    return folder / "state"


@pytest.fixture
def export(home, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(home))

    def invoked(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["export", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    return invoked


def table(text: str, delimiter: str = "\t") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


@pytest.mark.parametrize("form", HEADINGS)
def test_a_format_has_the_columns_of_its_program(form, export):
    text = export("--format", form, "-o", "-")
    assert text.splitlines()[0].split("\t") == HEADINGS[form]
    assert len(table(text)) == 5


def test_karpathy_s_words_and_decimals(export):
    rows = table(export("--format", "karpathy", "-o", "-"))
    assert [row["status"] for row in rows] == ["keep", "keep", "crash", "refused", "discard"]
    assert [row["mean_rank"] for row in rows][:3] == ["100.000000", "-90.000000", ""]
    assert rows[0]["memory_gb"] == "3.0"
    assert len(rows[0]["commit"]) == 7


def test_edu_has_the_audit_as_its_test(export):
    rows = table(export("--format", "edu", "-o", "-"))
    assert [row["status"] for row in rows] == ["ok", "ok", "crashed", "refused", "ok"]
    assert [row["test_mean_rank"] for row in rows] == ["91.000000", "91.000000", "", "", ""]


def test_tabular_has_the_score_of_each_split(export):
    rows = table(export("--format", "tabular", "-o", "-"))
    assert json.loads(rows[0]["per_window_scores"]) == {"train": 100.0}
    assert (rows[0]["n_features"], rows[0]["std_score"]) == ("7", "0.000000")
    assert rows[2]["per_window_scores"] == ""


def test_csv_has_one_row_each_and_jsonl_one_document(export):
    rows = table(export("--format", "csv", "-o", "-"), ",")
    found = [json.loads(each) for each in export("--format", "jsonl", "-o", "-").splitlines()]
    assert [row["number"] for row in rows] == [str(each["number"]) for each in found]
    assert [row["rule"] or None for row in rows] == [each["rule"] for each in found]
    assert float(rows[1]["mean_rank"]) == found[1]["score"]
    assert found[1]["hypothesis"] == FORMULA


ROWS = {
    "tsv": lambda run, each, spent: results.row(each, run.metric, {1: spent}, self_reported=True),
    "karpathy": formats.karpathy,
    "csv": formats.flat,
    "trackers": lambda run, each, spent: dict(trackers._numbers(run, each, spent)),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_metric_with_the_name_of_another_column_loses_neither(row, home):
    with open_reader(home / "journal.sqlite") as journal:
        run, best = journal.run(TAG), journal.experiment(TAG, 1)
    best = replace(best, trials=tuple(each for each in best.trials if each.purpose.decides))
    spent = Spent(calls=1, usage=Usage(), usd=2.0, seconds=3.0)
    usual = row(run, best, spent)
    others = {name for name in usual if not name.endswith("mean_rank")}
    for name in others:
        found = row(replace(run, metric=name), best, spent)
        assert found[f"score_{name}"] == best.score
        assert {each: found[each] for each in others} == {each: usual[each] for each in others}
    assert row(replace(run, metric="trust"), best, spent)["score_trust"] == best.score


@pytest.mark.parametrize("form", [*HEADINGS, "csv"])
def test_no_cell_is_a_formula_and_each_experiment_is_a_line(form, export):
    text = export("--format", form, "-o", "-")
    delimiter = "," if form == "csv" else "\t"
    cells = [cell for row in csv.reader(io.StringIO(text), delimiter=delimiter) for cell in row]
    assert f"'{FORMULA}" in cells
    assert not [cell for cell in cells if cell[:1] in "=+@" and cell]
    assert len(text.splitlines()) == 6


def test_each_format_has_a_file_of_its_own_in_the_run_s_folder(export, home):
    for form in (*HEADINGS, "csv", "jsonl"):
        assert export("--format", form).startswith("5 experiments written to")
    names = {path.name for path in (home / "runs" / TAG).glob("results.*")}
    assert names == {
        *("results.karpathy.tsv", "results.edu.tsv", "results.tabular.tsv"),
        *("results.csv", "results.jsonl"),
    }


def test_two_ways_at_once_are_refused(home, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(home))
    result = CliRunner().invoke(cli, ["export", "--format", "csv", "--json"])
    assert result.exit_code == 2
    assert "choose one" in result.output


@pytest.mark.parametrize("form", [None, *HEADINGS, "csv", "jsonl"])
def test_of_a_run_without_experiments_none_are_written(form, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    with make_session(tmp_path, FakeSandbox(lambda _: scored(1.0))):
        pass
    said = CliRunner().invoke(cli, ["export", *(["--format", form] if form else [])])
    assert said.output.startswith("0 experiments written to ")
