"""A sealed task as files: what travels, what stays behind, and what is said of it."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.declared import schema
from runner import declared, paths
from runner.adopt import keeping, writing
from runner.adopt.needs import needs
from runner.adopt.project import Part
from runner.errors import ConfigError
from runner.policy.load import load_policy
from runner.raw import RawData, read_raw_files
from runner.records import File, Image, Reported
from runner.seal.brief import brief_text
from runner.seal.seal import Wanted, seal
from runner.task_check import comparing, reading

pytestmark = pytest.mark.slow

TRAIN = """
import glob
import json
import pandas as pd
from sklearn.linear_model import LogisticRegression

names = json.load(open("data/names.json"))
days = sorted(glob.glob("data/day_*.txt"))
df = pd.read_csv("data/wine.csv")
X = df.drop(columns=["good"])
model = LogisticRegression().fit(X, df["good"])
print("accuracy", model.score(X, df["good"]))
"""
ROWS = [
    f"{3 + at % 97 / 31:.4f},{at * 7 % 101},{'yes' if at % 97 > 48 else 'no'}" for at in range(300)
]


@pytest.fixture
def state(tmp_path, monkeypatch) -> paths.State:
    """A copy of the runner in which nothing is adopted yet."""
    root = tmp_path / "runner"
    shutil.copytree(paths.PROJECT / "harness", root / "harness")
    shutil.copytree(
        paths.PROJECT / "workspace-template" / "tabular", root / "workspace-template" / "tabular"
    )
    (root / "policies").mkdir()
    monkeypatch.setattr(paths, "PROJECT", root)
    monkeypatch.setattr("runner.raw.PROJECT", root)
    return paths.State(tmp_path / "state")


def adopted(
    state: paths.State, folder: Path, files: dict[str, bytes], place: str = "data",
    metric: str = "accuracy", command: str = "python train.py --seed {seed}",
) -> None:  # fmt: skip
    """Write what `adopt` writes of a project with these files, and a folder of data at a place."""
    data = folder / "data"
    data.mkdir(parents=True)
    (data / "wine.csv").write_text("\n".join(["acid,sugar,good", *ROWS]) + "\n")
    (data / "names.json").write_text('["no", "yes"]')
    (data / "day_1.txt").write_text("sunny")
    (data / "raw.bin").write_bytes(b"unused")
    travels = {path: File(content=content) for path, content in files.items()}
    known = writing.Understood(
        task="wine", mutable=("train.py",), files=("train.py",), may_add=False,
        reported=Reported(
            metric=metric, command=command, pattern="accuracy {}",
            file=None, key="", data=(place,), workspace_bytes=1024**3,
        ),
        minimize=False, image=Image(base="tabular"), cpus=2, gpus=0, value=0.97, seconds=12.0,
        peak_bytes=None, seeded=True,
    )  # fmt: skip
    template = writing.template(travels, {}, "the program")
    root = paths.PROJECT / "workspace-template" / "wine"
    for path, file in template.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(file.content)
    text = writing.policy_text(known, needs(travels, ["train.py"]), template)
    paths.policy_path("wine").write_text(text)
    keeping.keep(state, "wine", [Part(place=place, source=data)], folder)
    keeping.remember(state, "wine", metric, 0.97)


def test_a_sealed_task_is_whole_and_holds_no_row(state, tmp_path):
    copies = "\n".join(ROWS[:9]).encode()
    adopted(state, tmp_path / "theirs", {
        "train.py": TRAIN.encode(), "notes.txt": copies, "run.sh": b"#!/bin/sh\n",
        "old.pkl": pickle.dumps([1]), "README.md": b"wine", "Cache.DB": b"SQLite format 3",
    })  # fmt: skip
    made = seal("wine", Wanted(), state)
    assert reading.missing("wine-sealed") == []
    policy = load_policy(paths.policy_path("wine-sealed")).policy
    assert list(reading.undeclared(policy, made.understood)) == []
    assert (policy.metric.name, policy.metric.direction) == ("accuracy", "maximize")
    assert policy.files.mutable == ("train.py", "predict.py")
    assert policy.budget.train == load_policy(paths.policy_path("wine")).policy.budget.train
    template = paths.template("wine-sealed")
    assert set(template) == {
        "train.py", "predict.py", "run.sh", "run.project.sh", "program.md", "README.md",
        "data/names.json", "data/day_1.txt", "LEARNING.md", "scratchpad.md",
    }  # fmt: skip
    assert "kept = joblib.load" in template["predict.py"].content.decode()
    left = dict(line.split(": ", 1) for line in made.left_out)
    assert left["notes.txt"] == "it holds rows of the data"
    assert left["data/raw.bin"] == "the code does not name it"
    assert {"old.pkl", "Cache.DB"} <= left.keys()
    assert made.lacking is None
    assert made.changed_lines <= 25
    assert comparing.reported("wine-sealed") == comparing.Adopted(
        project="wine", metric="accuracy", score=0.97, same=True
    )
    raw = state.downloads("wine-sealed")
    declaration = paths.task_harness("wine-sealed") / declared.DECLARATION
    assert declared.copies(declaration, raw, paths.PROJECT / "workspace-template/wine-sealed") == []


def test_data_far_outside_are_read_from_the_copy(state, tmp_path):
    place = "/mnt/sets"
    code = TRAIN.replace("data/", f"{place}/")
    config = f"rows: {place}/wine.csv\nother: {place}-of-others/x\n"
    files = {"train.py": code.encode(), "c.yaml": config.encode()}
    adopted(state, tmp_path / "theirs", files, place)
    made = seal("wine", Wanted(), state)
    there = "/cache/project/outside/mnt/sets"
    assert made.notes == (f"{place} is {there} from now on, in c.yaml, train.py",)
    assert f'+df = pd.read_csv("{there}/wine.csv")' in made.diff
    template = paths.template("wine-sealed")
    changed = config.replace(f"{place}/", f"{there}/")
    assert template["c.yaml"].content.decode() == changed
    assert "outside/mnt/sets/names.json" in template
    run = template["run.sh"].content.decode()
    assert "--data outside/mnt/sets/wine.csv=wine.csv" in run
    assert made.lacking is None


def test_an_absolute_place_that_code_puts_together_is_refused(state, tmp_path):
    code = TRAIN.replace("data/wine.csv", "/mnt/' + 'sets/wine.csv")
    adopted(state, tmp_path / "theirs", {"train.py": code.encode()}, "/mnt/sets")
    with pytest.raises(ConfigError, match="no file of it says that path whole"):
        seal("wine", Wanted(), state)


def test_what_cannot_be_followed_is_left_to_a_person_and_does_not_pass(state, tmp_path):
    adopted(state, tmp_path / "theirs", {
        "train.py": b"rows = list(open('data/wine.csv'))\ny = rows['good']\n"
        b"print('accuracy', 0.97)\n",
    })  # fmt: skip
    made = seal("wine", Wanted(), state)
    assert "no fitted model" in made.lacking
    assert any("predict.py" in line and "TODO" in line for line in reading.missing("wine-sealed"))


def test_rows_in_a_source_are_refused_by_file(state, tmp_path):
    rows = "\n".join(ROWS[:9])
    adopted(
        state, tmp_path / "theirs", {"train.py": TRAIN.encode() + f"T = '''\n{rows}'''".encode()}
    )
    with pytest.raises(ConfigError, match=r"train\.py holds \d+ rows of the data"):
        seal("wine", Wanted(), state)


def test_what_the_person_says_wins(state, tmp_path):
    answers = b"def answer(rows):\n    return rows['sugar']\n"
    adopted(state, tmp_path / "theirs", {"train.py": TRAIN.encode(), "own.py": answers})
    wanted = Wanted(
        new_name="vines", ask="own.py:answer", metric="roc_auc", folds=3, group="sugar",
        table="data/wine.csv", target=("good",),
    )  # fmt: skip
    made = seal("wine", wanted, state)
    assert (made.name, made.understood.metric) == ("vines", "roc_auc")
    policy = load_policy(paths.policy_path("vines")).policy
    assert policy.evaluation.splits == ("fold0", "fold1", "fold2")
    assert policy.evaluation.shared_targets
    assert "predict.py" not in paths.template("vines")
    assert b"own.py:answer" in paths.template("vines")["run.sh"].content
    with pytest.raises(ConfigError, match="is there already"):
        seal("wine", wanted, state)


def test_rows_without_a_target_are_left_out_where_the_person_says_so(state, tmp_path):
    from click.testing import CliRunner

    from runner.cli import cli

    adopted(state, tmp_path / "theirs", {"train.py": TRAIN.encode()})
    with (state.data("wine") / "project" / "0" / "wine.csv").open("a") as rows:
        rows.write("3.5,7,\n")
    with pytest.raises(ConfigError, match="line 302 has no value: --drop-missing-target"):
        seal("wine", Wanted(), state)
    home = {"RUNNER_HOME": str(tmp_path / "state")}
    done = CliRunner().invoke(cli, ["seal", "wine", "--drop-missing-target"], env=home)
    assert done.exit_code == 0, done.output
    declaration = (paths.task_harness("wine-sealed") / declared.DECLARATION).read_text()
    assert "drop_missing_target: true" in declaration
    with pytest.raises(ConfigError, match="is for the rows of a table"):
        seal("wine", Wanted(text="data/day_1.txt", drop_missing_target=True, new_name="t"), state)


def test_a_table_that_is_joined_on_the_rows_numbers_is_sealed_with_them(state, tmp_path):
    code = TRAIN.replace("X = df", "df = df.merge(pd.read_csv('more.csv'), on='at')\nX = df")
    code += "pd.read_csv('other.csv')\n"
    code += "pd.read_csv('old/more.csv')\n"
    files = {"more.csv": b"at,b\n1,2\n2,3\n", "other.csv": b"at,b\nx,2\ny,3\n"}
    files["old/more.csv"] = b"at,good\n1,1\n2,0\n"
    adopted(state, tmp_path / "theirs", {"train.py": code.encode(), **files})
    rows = state.data("wine") / "project" / "0" / "wine.csv"
    lines = rows.read_text().splitlines()
    rows.write_text(
        "\n".join([f"at,{lines[0]}", *(f"{n},{one}" for n, one in enumerate(lines[1:]))])
    )
    made = seal("wine", Wanted(table="data/wine.csv"), state)
    declaration = (paths.task_harness("wine-sealed") / declared.DECLARATION).read_text()
    assert "id: at\n  joined:\n  - more.csv\n  - joined_more.csv\n" in declaration
    assert any("more.csv: training and predictions get the lines" in said for said in made.notes)
    template = paths.template("wine-sealed")
    assert "--data more.csv=more.csv" in template["run.sh"].content.decode()
    assert "other.csv" in template
    assert "more.csv" not in template
    assert made.lacking is None


def test_a_text_becomes_a_task_whose_model_is_asked_byte_by_byte(state, tmp_path):
    tale = "".join(f"{'abc'[at % 3]}{'xy'[at % 2]} " for at in range(7000)).encode()
    adopted(state, tmp_path / "theirs", {"train.py": TRAIN.encode(), "tale.txt": tale})
    made = seal("wine", Wanted(text="tale.txt"), state)
    policy = load_policy(paths.policy_path("wine-sealed")).policy
    assert list(reading.undeclared(policy, made.understood)) == []
    assert (policy.evaluation.shape, policy.metric.name) == ("served", "val_bpb")
    declaration = (paths.task_harness("wine-sealed") / declared.DECLARATION).read_text()
    assert "positions: 32" in declaration
    assert "int64 [rows, positions]" in made.diff
    template = paths.template("wine-sealed")
    run = template["run.sh"].content.decode()
    assert "serve) exec python -u -P -m kit.project serve" in run
    assert run.count("predict.py:predict serve") == 1
    assert "tale.txt" not in template


def test_a_folder_of_classes_is_sealed_whatever_its_files_are_called(state, tmp_path):
    adopted(state, tmp_path / "theirs", {"train.py": b"glob('data/*')\nprint('accuracy', 1)\n"})
    kept = state.data("wine") / "project" / "0"
    (kept / "wine.csv").unlink()
    draw = np.random.default_rng(1)
    for at in range(400):  # so many that their names alone would fill a file of names
        part = "val" if at % 4 > 1 else "train"
        path = kept / part / ("été" if at % 2 else "winter") / f"photo ({at}).png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw.bytes(40))
    made = seal("wine", Wanted(asked=("data/val",)), state)
    assert set(made.understood.classes) == {"été", "winter"}
    assert made.understood.parts == {"holdout/train": [200, 100], "locked/train": [200, 100]}
    assert any("sorts nothing" in note for note in made.notes)
    run = paths.template("wine-sealed")["run.sh"].content.decode()
    assert "--data data/train=train --data data/val=train" in run
    assert not any("photo" in line for line in made.left_out)
    wanted = read_raw_files("wine-sealed", paths.PROJECT)
    assert wanted is not None
    raw = RawData(
        task="wine-sealed", wanted=wanted, downloads=state.downloads("wine-sealed"), chosen=None
    )
    assert raw.at_hand
    declaration = paths.task_harness("wine-sealed") / declared.DECLARATION
    with raw.laid_out() as folder:
        assert declared.understand(declaration, folder, source="wine").rows == 400


def test_a_metric_tells_that_whole_numbers_are_amounts(state, tmp_path):
    adopted(state, tmp_path / "theirs", {"train.py": TRAIN.encode()})
    kept = state.data("wine") / "project" / "0" / "wine.csv"
    rows = "".join(f"{at * 7 % 101},{at * 5 % 89},{at % 7}\n" for at in range(100))
    kept.write_text(f"acid,sugar,good\n{rows}")
    made = seal("wine", Wanted(metric="rmse"), state)
    assert (made.understood.kind, made.understood.metric) == ("regression", "rmse")
    declaration = schema.load(paths.task_harness("wine-sealed") / declared.DECLARATION)
    assert declaration.score.kind == "regression"


@pytest.mark.parametrize(
    ("called", "target", "understood", "same"),
    [
        pytest.param("test_loss", "amounts", ("regression", "rmse"), False, id="any loss"),
        pytest.param("val_loss", "classes", ("multi-class", "log_loss"), True, id="of classes"),
        pytest.param(
            "balanced_accuracy", "words", ("binary", "balanced_accuracy"), True, id="balanced"
        ),
        pytest.param("pr_auc", "words", ("binary", "roc_auc"), False, id="another curve"),
        pytest.param("f1_weighted", "classes", ("multi-class", "f1_weighted"), True, id="weighted"),
        pytest.param("top5_acc", "classes", ("multi-class", "log_loss"), False, id="of the first"),
    ],
)
def test_a_number_is_the_metric_that_it_is_called_and_none_that_is_called_alike(
    state, tmp_path, called, target, understood, same
):
    adopted(state, tmp_path / "theirs", {"train.py": TRAIN.encode()}, metric=called)
    kept = state.data("wine") / "project" / "0" / "wine.csv"
    good = {"amounts": lambda at: 18 + at % 43, "classes": lambda at: at % 3,
            "words": lambda at: "yes" if at % 2 else "no"}[target]  # fmt: skip
    kept.write_text(
        "acid,sugar,good\n" + "".join(f"{at / 7},{at * 5 % 89},{good(at)}\n" for at in range(6000))
    )
    made = seal("wine", Wanted(), state)
    assert (made.understood.kind, made.understood.metric) == understood
    assert comparing.reported("wine-sealed").same == same


def test_the_target_is_that_of_the_command(state, tmp_path):
    code = "import argparse\np = argparse.ArgumentParser()\n"
    code += "p.add_argument('--target', default='sugar')\nargs = p.parse_args()\n"
    code += TRAIN.replace('["good"]', "args.target")
    command = "python train.py --target good"
    adopted(state, tmp_path / "theirs", {"train.py": code.encode()}, command=command)
    assert "+    X = df.drop(columns=args.target)" in seal("wine", Wanted(), state).diff
    declaration = schema.load(paths.task_harness("wine-sealed") / declared.DECLARATION)
    assert declaration.data.target == "good"


def test_a_target_that_was_found_and_does_not_fit_is_told_of_as_found(state, tmp_path):
    code = TRAIN.replace('columns=["good"]', 'columns=["lot"]').replace('df["good"]', "1")
    adopted(state, tmp_path / "theirs", {"train.py": code.encode()})
    kept = state.data("wine") / "project" / "0" / "wine.csv"
    kept.write_text("acid,lot,good\n" + "".join(f"{at},lot {at}x,{at % 2}\n" for at in range(60)))
    with pytest.raises(ConfigError, match="'lot' holds 60 different values") as caught:
        seal("wine", Wanted(), state)
    assert caught.value.hint.startswith("lot is what the code seems to predict")


def test_how_a_table_is_written_is_declared_as_it_was_found(state, tmp_path):
    code = TRAIN.replace('wine.csv"', 'wine.csv", sep=";", encoding="latin-1"')
    adopted(state, tmp_path / "theirs", {"train.py": code.encode()})
    lines = (state.data("wine") / "project" / "0" / "wine.csv").read_text()
    (state.data("wine") / "project" / "0" / "wine.csv").write_text(
        lines.replace(",", ";").replace("yes", "schön").replace("no", "übel"), encoding="latin-1"
    )
    seal("wine", Wanted(), state)
    declaration = schema.load(paths.task_harness("wine-sealed") / declared.DECLARATION)
    assert schema.dialect(declaration.data) == {
        "delimiter": ";", "encoding": "cp1252", "header": True, "decimal": ".",
    }  # fmt: skip


def test_the_brief_names_what_there_is(state, tmp_path):
    adopted(state, tmp_path / "theirs", {"train.py": TRAIN.encode()})
    text = brief_text("wine", "wine-sealed")
    assert "runner task check wine-sealed --json" in text
    assert "- `data`" in text
    assert "harness/tasks/wine_sealed/task.yaml" in text
    seal("wine", Wanted(), state)
    with pytest.raises(ConfigError, match="sealed already"):
        brief_text("wine-sealed", "again")


def test_the_document_of_a_check_has_what_is_missing(state, tmp_path, capsys):
    from click.testing import CliRunner

    from runner.cli import cli

    adopted(state, tmp_path / "theirs", {"train.py": b"y = read('data/wine.csv')['good']\n"})
    seal("wine", Wanted(), state)
    done = CliRunner().invoke(cli, ["task", "check", "wine-sealed", "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert not found["fine"]
    assert found["missing"]


def test_rows_for_tests_of_the_projects_own_are_asked_about(state, tmp_path):
    code = TRAIN.replace("model = ", "test = pd.read_csv('data/wine_test.csv')\nmodel = ").replace(
        "model.score(X, df[", "model.score(test.drop(columns=['good']), test["
    )
    adopted(state, tmp_path / "theirs", {"train.py": code.encode()})
    kept = state.data("wine") / "project" / "0"
    rows = "\n".join(["acid,sugar,good", *(f"0{row}" for row in ROWS[:120])])
    (kept / "wine_test.csv").write_text(f"{rows}\n")
    made = seal("wine", Wanted(asked=("data/wine_test.csv",)), state)
    assert made.understood.parts == {"holdout/train": [300, 60], "locked/train": [300, 60]}
    template = paths.template("wine-sealed")
    assert "data/wine_test.csv" not in template
    run = template["run.sh"].content.decode()
    assert "--data data/wine.csv=wine.csv --data data/wine_test.csv=wine.csv" in run
    assert "read_csv('data/wine_test.csv')" in template["predict.py"].content.decode()
    with pytest.raises(ConfigError, match="one file or folder"):
        seal("wine", Wanted(asked=("a", "b"), force=True), state)


DIGITS = """
import numpy as np
from sklearn.svm import SVC
d = np.load("digits.npz")
model = SVC()
model.fit(d["x_train"], d["y_train"])
x_test = d["x_test"] / 255
print("accuracy", model.score(x_test, d["y_test"]))
"""


def test_arrays_for_tests_stay_and_the_question_is_about_the_sealed_ones(state, tmp_path):
    adopted(state, tmp_path / "theirs", {"train.py": DIGITS.encode(), "README.md": b"digits"})
    draw = np.random.default_rng(1)
    arrays = {
        f"{kind}_{part}": draw.normal(size=(rows, 3)) if kind == "x" else np.arange(rows) % 2
        for part, rows in (("train", 200), ("test", 20))
        for kind in "xy"
    }
    np.savez(paths.PROJECT / "workspace-template" / "wine" / "digits.npz", **arrays)
    made = seal("wine", Wanted(), state)
    asked = "--asked 'digits.npz[x_test]' --asked 'digits.npz[y_test]'"
    assert f"{asked} asks about them, and trains on all of the others" in made.notes[0]
    template = paths.template("wine-sealed")
    with np.load(io.BytesIO(template["digits.npz"].content)) as left:
        assert sorted(left) == ["x_test", "y_test"]
    predict = template["predict.py"].content.decode()
    assert "x_test = d['x_train'] / 255" in predict
    assert "x_test'" not in predict


def test_an_array_of_objects_stays_at_home_since_no_search_reads_it(state, tmp_path):
    code = DIGITS.replace('d["x_test"] / 255', 'd["x_test"]; d["names"]; np.load("more.npy")')
    adopted(state, tmp_path / "theirs", {"train.py": code.encode(), "README.md": b"digits"})
    draw, rows = np.random.default_rng(1), {"train": 200, "test": 20}
    arrays = {f"x_{part}": draw.normal(size=(count, 3)) for part, count in rows.items()}
    arrays |= {f"y_{part}": np.arange(count) % 2 for part, count in rows.items()}
    home = paths.PROJECT / "workspace-template" / "wine"
    np.savez(home / "digits.npz", **arrays, names=np.array(["a", {}], dtype=object))
    np.save(home / "more.npy", np.array(["a", {}], dtype=object))
    left = seal("wine", Wanted(), state).left_out
    why = "an array of objects, which no search reads"
    assert {f"digits.npz[names]: {why}", f"more.npy: {why}"} <= {*left}
    template = paths.template("wine-sealed")
    assert "more.npy" not in template
    with np.load(io.BytesIO(template["digits.npz"].content)) as kept:
        assert sorted(kept) == ["x_test", "y_test"]
