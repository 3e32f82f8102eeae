"""New tasks: what is written runs as it stands, and what cannot work is refused by name and row."""

from __future__ import annotations

import random
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from harness import tasks
from runner import paths
from runner.cli import cli
from runner.new_task.csv_file import UNORDERED
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


def written(tmp_path, lines, encoding="utf-8"):
    path = tmp_path / "rows of mine.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
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


def test_what_is_said_otherwise_of_rows_without_an_order_is_said_of_those_with_one():
    shipped = "".join(file.content.decode() for file in paths.template("tabular").values())
    assert [said for said in UNORDERED if said not in shipped] == []


def swapped(lines):
    return [lines[0], lines[-1], *lines[1:-1]]


BAD = {
    "no such column": (table(), ["--target", "ill"], "no column 'ill'"),
    "one class": (
        [line.replace(",yes", ",no") for line in table()],
        ["--target", "sick"],
        "'sick' has one class only",
    ),
    "three classes": ([*table(), "900,2024-12-02,50,a,maybe"], ["--target", "sick"], "'sick' must"),
    "unsorted time": (
        swapped(table()),
        ["--target", "sick", "--time", "day"],
        "column 'day': line 3 (2024-01-01) is earlier",
    ),
    "unparsable time": (
        [*table(), "900,soon,50,a,no"],
        ["--target", "sick", "--time", "day"],
        "column 'day': line 202 holds 'soon'",
    ),
    "duplicate ids": (
        [*table(), "7,2024-12-02,50,a,no"],
        ["--target", "sick", "--id", "patient"],
        "column 'patient': line 202 repeats '7', which line 9 has",
    ),
    "no rows": (table()[:1], ["--target", "sick"], "the file has no rows"),
    "empty": ([""], ["--target", "sick"], "the first line is empty"),
    "too few": (table(40), ["--target", "sick"], "rows of one class"),
}


@pytest.mark.parametrize(("lines", "options", "said"), BAD.values(), ids=BAD)
def test_a_bad_table_is_refused_with_its_column_and_row(project, tmp_path, lines, options, said):
    done = run("wards", "--csv", written(tmp_path, lines), *options)
    assert done.exit_code == 2
    assert said in done.output
    assert not paths.policy_path("wards").exists()
    assert not paths.task_harness("wards").exists()


def test_another_encoding_is_named_by_its_first_line(project, tmp_path):
    lines = [*table(), "900,2024-12-02,50,café,no"]
    done = run("wards", "--csv", written(tmp_path, lines, "latin-1"), "--target", "sick")
    assert done.exit_code == 2
    assert "line 202 is not UTF-8" in done.output


def test_a_column_called_id_must_not_repeat(project, tmp_path):
    lines = [line.replace("patient", "ID") for line in [*table(), "7,2024-12-02,50,a,no"]]
    done = run("wards", "--csv", written(tmp_path, lines), "--target", "sick")
    assert "column 'ID': line 202 repeats" in done.output


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
    (project / "harness" / "tasks" / "mine" / "task.py").unlink()
    found = "\n".join(reading.missing("mine"))
    for lacking in ("task.py is missing", "train.py is missing", "run.sh is not executable"):
        assert lacking in found


SCRIPT = """import numpy as np
from sklearn.linear_model import LogisticRegression

X = np.load("data/X.npy")
y = np.load('data/y.npy')
model = LogisticRegression()
model.fit(X, y)
print(model.score(X, y))
"""


@pytest.fixture
def script(tmp_path):
    draw = np.random.default_rng(3)
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "X.npy", draw.normal(size=(50, 2)))
    np.save(tmp_path / "data" / "y.npy", draw.integers(0, 2, size=50))
    path = tmp_path / "fit.py"
    path.write_text(SCRIPT)
    return path


def test_a_script_is_wrapped_with_its_paths_changed_and_says_so(project, script):
    done = run("mine", "--from-script", script, "--data", script.parent / "data")
    assert done.exit_code == 0, done.output
    changes = [line for line in done.output.splitlines() if line[:1] in "+-"]
    assert [line for line in changes if line[:3] not in ("+++", "---")] == [
        '-X = np.load("data/X.npy")',
        "-y = np.load('data/y.npy')",
        '+X = np.load("/data/X.npy")',
        '+y = np.load("/data/y.npy")',
    ]
    assert reading.missing("mine") == []
    assert load_policy(paths.policy_path("mine")).policy.metric.name == "accuracy"


def test_a_long_script_gets_room_for_as_much_again(project, script):
    noise = random.Random(1).randbytes(12_000).hex()  # noqa: S311 - a test of sizes
    lines = "".join(f"# {noise[at : at + 80]}\n" for at in range(0, len(noise), 80))
    script.write_text(SCRIPT + lines)
    done = run("mine", "--from-script", script, "--data", script.parent / "data")
    assert done.exit_code == 0, done.output
    policy = load_policy(paths.policy_path("mine")).policy
    assert policy.edits.max_information in range(24_000, 30_000)
    assert not policy.evaluation.shared_targets
    assert reading.missing("mine") == []


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
    assert "says 'by at least 0.003', and decision.min_gain is 0.01" in found
    assert "bytes of information, edits.max_information is 100" in found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("model.fit", "print", "fits no model at its top level"),
        ("data/", "elsewhere/", "names no file of"),
        ("'data/y.npy'", 'f"data/{chr(121)}.npy"', "fit.py:5: an f-string leads into"),
        ("import numpy as np", "import numpy as np, torch", "imports torch"),
        ("import numpy as np", "import numpy as", "invalid syntax"),
    ],
)
def test_a_script_that_cannot_be_wrapped_says_why(project, script, old, new, said):
    script.write_text(SCRIPT.replace(old, new))
    done = run("mine", "--from-script", script, "--data", script.parent / "data")
    assert (done.exit_code, said in done.output) == (2, True), done.output
    assert not paths.policy_path("mine").exists()


@pytest.mark.parametrize("name", ["nothing", "../own", "rows", "heart/../eclip", "task"])
def test_only_a_folder_with_a_task_file_is_imported(name):
    with pytest.raises(ValueError, match="no task"):
        tasks.find(name)
