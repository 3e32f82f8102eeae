"""New tasks: what is written runs as it stands, and what cannot work is refused by name and row."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness import tasks
from harness.declared import schema
from runner import paths
from runner.cli import cli
from runner.policy.load import load_policy
from runner.policy.review import review
from runner.records import Change, Proposal
from runner.task_check import reading

ROWS = 200


def table(rows=ROWS) -> list[str]:
    draw = np.random.default_rng(3)
    sick = draw.random(rows) < 0.4
    return ["patient,day,age,ward,sick"] + [
        f"{row},2024-{1 + row * 12 // rows:02d}-01,{50 + 10 * sick[row] + draw.normal():.1f},"
        f"{'ab'[row % 2]},{'yes' if sick[row] else 'no'}"
        for row in range(rows)
    ]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the project that a new task may be written into."""
    root = tmp_path / "project"
    for folder in ("harness", "policies", "workspace-template/tabular"):
        shutil.copytree(paths.PROJECT / folder, root / folder)
    monkeypatch.setattr(paths, "PROJECT", root)
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "home"))
    return root


def run(*arguments):
    return CliRunner().invoke(cli, ["new-task", *map(str, arguments)])


def written(tmp_path, lines):
    path = tmp_path / "rows of mine.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("options", "splits", "audit"),
    [
        ((), ("fold0", "fold1", "fold2", "fold3", "fold4"), ("full",)),
        (("--time", "day"), ("w0", "w1", "w2", "w3", "w4"), ("last",)),
    ],
)
def test_a_table_becomes_three_rooms_that_fit(project, tmp_path, options, splits, audit):
    done = run("wards", "--csv", written(tmp_path, table()), "--target", "sick", *options)
    assert done.exit_code == 0, done.output
    assert reading.missing("wards") == []
    policy = load_policy(paths.policy_path("wards")).policy
    assert (policy.evaluation.splits, policy.evaluation.audited) == (splits, audit)
    assert policy.evaluation.shared_targets
    template = paths.template("wards")
    proposal = Proposal(
        hypothesis="one more constant",
        changes=(Change(path="model.py", content=template["model.py"].content + b"\n\nX = 1\n"),),
    )
    assert review(proposal, policy, files=template, earlier=lambda _: None).violations == ()
    assert (tmp_path / "home" / "downloads" / "wards" / "rows.csv").is_file()


def test_what_was_found_is_in_the_declaration_so_that_nothing_is_found_otherwise_later(
    project, tmp_path
):
    lines = [line.replace(",", ";") for line in table()]
    done = run("wards", "--csv", written(tmp_path, lines), "--target", "sick", "--drop", "patient")
    assert done.exit_code == 0, done.output
    declared = schema.load(paths.task_harness("wards") / "task.yaml")
    data, score = declared.data, declared.score
    assert (data.delimiter, data.encoding, data.header, data.drop) == (
        ";", "utf-8", True, ("patient",))  # fmt: skip
    assert (score.kind, score.positive, score.metric) == ("binary", "yes", "roc_auc")


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_plain_file_is_refused_at_once(project, tmp_path, kind):
    path = {"pipe": tmp_path / "pipe", "folder": tmp_path, "device": Path("/dev/zero")}[kind]
    if kind == "pipe":
        os.mkfifo(path)
    done = run("wards", "--csv", path, "--target", "sick")
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1), done.output
    assert f"{path} is a {kind}, not a plain file" in done.output


@pytest.mark.parametrize("name", ["Wards", "../wards", "1st", "", "a b", "a" * 50])
def test_a_name_is_a_slug(project, name):
    done = run("--blank", "--", name)
    assert (done.exit_code, "is no task's name" in done.output) == (2, True)


def test_rooms_are_written_over_only_by_force_and_only_ones_own(project):
    assert run("mine", "--blank").exit_code == 0
    again = run("mine", "--blank")
    assert (again.exit_code, "--force" in again.output) == (2, True)
    assert run("mine", "--blank", "--force").exit_code == 0
    before = paths.policy_path("tabular").read_bytes()
    assert run("tabular", "--blank", "--force").exit_code == 2
    assert paths.policy_path("tabular").read_bytes() == before


def test_a_blank_task_lacks_what_it_says_is_to_do_and_nothing_else(project):
    assert run("mine", "--blank").exit_code == 0
    found = reading.missing("mine")
    assert found
    assert all(line.endswith("still says TODO") for line in found)


def test_what_a_room_lacks_is_named(project):
    assert run("mine", "--blank").exit_code == 0
    room = project / "workspace-template" / "mine"
    (room / "train.py").unlink()
    (room / "run.sh").chmod(0o644)
    (project / "harness" / "tasks" / "mine" / "task.yaml").unlink()
    found = "\n".join(reading.missing("mine"))
    for lacking in ("task.yaml is missing", "train.py is missing", "run.sh is not executable"):
        assert lacking in found


def test_a_check_names_a_program_that_promises_otherwise_and_a_template_above_its_cap(project):
    assert run("mine", "--blank").exit_code == 0
    path = paths.policy_path("mine")
    text = path.read_text().replace("min_gain: 0.003", "min_gain: 0.01")
    path.write_text(
        text.replace("16_000", "100").replace(
            "max_new_information: 6_000", "max_new_information: 50"
        )
    )
    found = "\n".join(reading.missing("mine"))
    assert "says 'by 0.003', and decision.min_gain is 0.01" in found
    assert "bytes of information, edits.max_information is 100" in found


@pytest.mark.parametrize("name", ["nothing", "../own", "heart/../eclip", "task"])
def test_only_a_folder_with_a_task_file_is_a_task(name):
    with pytest.raises(ValueError, match="no task"):
        tasks.find(name)
