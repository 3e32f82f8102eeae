"""Declared tasks: the schema is strict, the parts are fair, and nothing but answers comes back."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import numpy as np
import pytest

from harness import tasks
from harness.declared import cells, metrics, parts, schema, targets, task
from harness.kit import asking, inputs, outputs
from harness.mounts import under
from harness.raw import BadRawDataError
from harness.scoring.outputs import InvalidOutputsError
from harness.sealing import write
from runner.trial import volumes

TABLE = {
    "data": {"table": "rows.csv", "target": "sick"},
    "split": {"folds": 3},
    "score": {"metric": "roc_auc"},
}


def declared(tmp_path, **changes):
    """Return a declaration, changed by `section={key: value}`."""
    document = {section: {**TABLE[section], **changes.get(section, {})} for section in TABLE}
    path = tmp_path / "task.yaml"
    path.write_text(json.dumps(document))
    return schema.load(path)


# -- the schema -------------------------------------------------------------------------------

WRONG = {
    "data: {table: rows.csv, target: y, colour: red}\nsplit: {folds: 5}":
        "task.yaml:1: data.colour: is not a known key (allowed: table, target, given",
    "data: {table: rows.csv}\nsplit: {folds: 5}": "task.yaml:1: data.target: is missing",
    "data: {inputs: x.csv, targets: y.npy}": "must be a .npy or an idx file, not 'x.csv'",
    "data: {table: ../rows.csv, target: y}": "data.table: must be the name of a raw file",
    "data: {table: rows.csv, target: yes}\nsplit: {folds: 5}":
        "data.target: must be a column, or a list of them, not True",
    "data: {table: r.csv, target: y}\n\nsplit:\n  folds: 50":
        "task.yaml:4: split.folds: must be a whole number from 2 to 20, not 50",
    "data: {table: r.csv, target: y}\nsplit: {folds: 5, holdout: 0.2}": "needs one of holdout",
    "data: {table: r.csv, target: y}\nsplit: {by: time, folds: 5}": "by: time cuts windows",
    "data: {table: r.csv, target: y}\nsplit: {by: group, folds: 5}":
        "split.column: is needed, and by is group",
    "data: {table: r.csv, target: y}\nsplit: {by: time, column: day, cuts: [0.9, 0.5]}":
        "split.cuts: must be two or more shares between 0 and 1, rising",
    "data: {table: r.csv, target: y}\nsplit: {holdout: 0.6, locked: 0.5}":
        "leaves nothing to train on",
    "data: {table: r.csv, target: y}\ndata: {table: s.csv, target: y}":
        "task.yaml:2: data: is there twice",
    "data: {table: r.csv, target: y}\nsplit: {folds: 5}\nask: predict":
        "ask: must be FILE.py:FUNCTION",
    "[1, 2": "is not YAML",
    "- 1": "must be a mapping with: data, split, score, ask",
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_a_declaration_that_says_something_else_is_refused_by_line_and_key(tmp_path, text, said):
    path = tmp_path / "task.yaml"
    path.write_text(text)
    with pytest.raises(schema.DeclarationError) as refused:
        schema.load(path)
    assert said in str(refused.value)


def test_a_folder_with_a_declaration_and_no_code_is_a_task(tmp_path, monkeypatch):
    folder = tmp_path / "tasks" / "my_own"
    folder.mkdir(parents=True)
    (folder / "task.yaml").write_text(json.dumps(TABLE))
    monkeypatch.setattr(tasks, "__file__", str(folder.parent / "__init__.py"))
    assert tasks.find("my-own").build.keywords["declaration"].data.table == "rows.csv"


# -- parts ------------------------------------------------------------------------------------


def split(**keys):
    return schema.Split(**keys)


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_disjoint_have_their_share_of_each_class_and_part_no_unit(seed):
    draw = np.random.default_rng(seed)
    units = draw.integers(0, 150, 400)
    strata = (draw.random(400) < 0.3).astype(np.int64)
    divided = parts.divide(seed, split(folds=4, locked=0.2), strata, units)
    asked = [one.asked for one in divided.evaluated]
    assert sorted(np.concatenate(asked).tolist()) == list(range(400))
    for one in divided.evaluated:
        assert not set(units[one.asked]) & set(units[one.training])
        assert strata[one.asked].mean() == pytest.approx(strata.mean(), abs=0.08)
        assert len(one.asked) == pytest.approx(80, abs=12)
    folds = [one for one in divided.evaluated if one.part == parts.HOLDOUT]
    locked = divided.evaluated[-1].asked
    assert all(not set(locked) & set(one.training) for one in folds)


def test_a_holdout_is_one_split_and_trains_on_neither_part():
    strata = np.zeros(100, dtype=np.int64)
    divided = parts.divide(1, split(holdout=0.2, locked=0.2), strata, np.arange(100))
    assert (divided.splits, divided.audit_splits) == (("train",), ("train",))
    assert [len(one.asked) for one in divided.evaluated] == [20, 20]
    assert not divided.shared
    everything = [*divided.evaluated[0].training, *(row for one in divided.evaluated
                                                    for row in one.asked)]  # fmt: skip
    assert sorted(everything) == list(range(100))


def test_windows_train_on_the_past_and_part_no_moment():
    times = np.repeat(np.arange(50.0), 4)[::-1]
    divided = parts.windows(split(by="time", column="t"), times, len(times))
    assert [one.split for one in divided.evaluated] == ["w0", "w1", "w2", "w3", "w4", "last"]
    for one in divided.evaluated:
        assert times[one.training].max() < times[one.asked].min()


def test_training_rows_are_in_no_order_that_tells_anything():
    strata = np.repeat([0, 1], 100)
    divided = parts.divide(1, split(folds=2, locked=0.2), strata, np.arange(200))
    assert all((np.diff(one.training) < 0).any() for one in divided.evaluated)


@pytest.mark.parametrize(("units", "together"), [(200, True), (4, False)])
def test_twins_stay_together_where_there_are_enough_different_rows(units, together):
    signatures = [str(row % units).encode() for row in range(400)]
    found = parts.twins(signatures)
    assert (found.rows, found.together) == (400, together)


# -- targets of arrays ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([0, 1] * 20), "binary"),
        (np.array([3.0, 7.0] * 20), "binary"),
        (np.array(["a", "b", "c"] * 20), "multi-class"),
        (np.arange(40) % 10, "multi-class"),
        (np.arange(40), "regression"),
        (np.linspace(0, 1, 40), "regression"),
        (np.eye(4, dtype=int)[np.arange(40) % 4], "multi-label"),
        (np.random.default_rng(1).normal(size=(40, 2)), "regression"),
    ],
)
def test_an_arrays_kind_is_found(values, kind):
    found = targets.of_array(values, kind=None)
    assert found.kind == kind
    if kind == "multi-class":
        assert [found.classes[place] for place in found.values] == values.tolist()


def test_a_metric_of_another_kind_is_refused_with_those_there_are():
    with pytest.raises(BadRawDataError, match="no metric of a regression target; there are: rmse"):
        metrics.find("regression", "accuracy")


# -- from the raw files to an answer, in memory ---------------------------------------------------

ROWS = 120


def table_bytes():
    lines = [
        f"{1000 + row},{row * 37 % 89},{'ab'[row % 2]},{'yes' if row % 3 else 'no'}"
        for row in range(ROWS)
    ]
    return "\n".join(["id,age,ward,sick", *lines]).encode()


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "rows.csv").write_bytes(table_bytes())
    draw = np.random.default_rng(4)
    np.save(folder / "x.npy", draw.normal(size=(ROWS, 4, 4)).astype(np.float32))
    np.save(folder / "y.npy", draw.integers(0, 3, ROWS))
    return folder


def sealed(tmp_path, raw, declaration):
    mounts = under(tmp_path / "mounts")
    built = task.build(5, raw, declaration=declaration)
    write(built, task="own", seed=5, mounts=mounts)
    return built, mounts


def test_a_table_is_given_as_the_file_it_was_and_its_targets_stay(tmp_path, raw):
    declaration = declared(tmp_path)
    built, mounts = sealed(tmp_path, raw, declaration)
    training = built.public["fold0/rows.csv"].decode().splitlines()
    assert training[0] == "id,age,ward,sick"
    assert not {line.split(",")[0] for line in training[1:]} & {str(1000 + n) for n in range(ROWS)}
    dealt = task.deal(mounts.sealed, "holdout", "fold0", declaration=declaration)
    asked = dealt.inputs["rows/rows.csv"].decode().splitlines()
    assert asked[0] == "id,age,ward"
    assert len(training) + len(asked) - 2 == 96
    assert not any(b"yes" in content for name, content in built.sealed.items() if "rows" in name)
    again = task.deal(mounts.sealed, "holdout", "fold0", declaration=declaration)
    assert again.inputs["rows/rows.csv"] != dealt.inputs["rows/rows.csv"]


def test_blanks_and_names_are_as_the_file_has_them_and_no_target_comes_with_them(tmp_path, raw):
    lines = [f"{n}.5, w{n % 7},{n % 3} , {'yes' if n % 4 else 'no'}" for n in range(ROWS)]
    (raw / "rows.csv").write_text("\n".join(["x, ward,x, sick", *lines]))
    (tmp_path / "task.yaml").write_text(
        "data: {table: rows.csv, target: sick}\nsplit: {holdout: 0.25, locked: 0.25}\n"
    )
    declaration = schema.load(tmp_path / "task.yaml")
    built, mounts = sealed(tmp_path, raw, declaration)
    header, *training = built.public["train/rows.csv"].decode().splitlines()
    dealt = task.deal(mounts.sealed, "holdout", "train", declaration=declaration)
    named, *asked = dealt.inputs["rows/rows.csv"].decode().splitlines()
    assert (header, named) == ("x, ward,x, sick", "x, ward,x")
    assert set(training) <= set(lines)
    assert set(asked) <= {line.rpartition(",")[0] for line in lines}
    held = b"".join(content for name, content in built.sealed.items() if "rows" in name)
    assert b"yes" not in held


@pytest.mark.parametrize(
    "content",
    ['a, "b", y\n{}, "p, q", yes\n', "a;b;y\n'{}';'p ';' yes'\n", '"a, b, y"\n"{}, p, yes"\n'],
    ids=["quotes after blanks", "other quotes", "lines in quotes"],
)
def test_blanks_that_are_no_part_of_values_stay_away(content):
    header, row = content.splitlines()
    text = "\n".join([header, *(row.format(n) for n in range(9))]).encode()
    data = schema.TableData(table="t.csv", target="y", given="file")
    found = cells.read(text, data)
    assert found.names == ("a", "b", "y")
    assert found.written == ()
    assert found.take(np.array([3])).content().splitlines()[1].startswith(b"3")


def test_a_name_of_the_scorers_own_is_refused(tmp_path, raw):
    (raw / "scored.npy").write_bytes((raw / "x.npy").read_bytes())
    (tmp_path / "task.yaml").write_text(
        "data: {inputs: scored.npy, targets: y.npy}\nsplit: {holdout: 0.25, locked: 0.25}\n"
    )
    with pytest.raises(BadRawDataError, match=r"scored\.npy is a name of the scorer's own"):
        task.build(5, raw, declaration=schema.load(tmp_path / "task.yaml"))


def test_inputs_that_no_volume_holds_are_refused_when_they_are_prepared(tmp_path, raw, monkeypatch):
    declaration = declared(tmp_path)
    monkeypatch.setattr(task, "MOST_INPUT_BYTES", task.PAGE_BYTES)
    assert task.build(5, raw, declaration=declaration)
    monkeypatch.setattr(task, "MOST_INPUT_BYTES", task.PAGE_BYTES - 1)
    said = r"the rows of \w+ in fold0 take 4,096 bytes, and a predictor can be given 4,095"
    with pytest.raises(BadRawDataError, match=said):
        task.build(5, raw, declaration=declaration)


def test_the_supervisor_makes_room_for_what_may_be_dealt():
    assert volumes.INPUTS_BYTES * 7 / 8 == task.MOST_INPUT_BYTES


@pytest.mark.parametrize(
    ("odd", "data"),
    [
        pytest.param('"a\rb"', {}, id="an old end of a line in a value"),
        pytest.param("", {"delimiter": " "}, id="nothing at the end of a line of blanks"),
    ],
)
def test_odd_values_are_dealt_in_the_rows_that_they_are_of(tmp_path, raw, odd, data):
    """The column `place` tells the row; the target follows from it."""
    mark = data.get("delimiter", ",")
    rows = [[f"{n}", "yes" if n % 3 else "no", "x" if n % 14 else odd] for n in range(ROWS)]
    lines = [mark.join(row).rstrip() for row in [["place", "sick", "note"], *rows]]
    (raw / "rows.csv").write_bytes("\n".join(lines).encode())
    (tmp_path / "task.yaml").write_text(json.dumps({
        "data": {"table": "rows.csv", "target": "sick", "id": "place", **data},
        "split": {"holdout": 0.3, "locked": 0.3}, "ask": {"command": "x"},
    }))  # fmt: skip
    declaration = schema.load(tmp_path / "task.yaml")
    _, mounts = sealed(tmp_path, raw, declaration)
    for part in ("holdout", "locked"):
        dealt = task.deal(mounts.sealed, part, "train", declaration=declaration)
        about = json.loads(dealt.inputs["rows/about.json"])["dialect"]
        content = dealt.inputs["rows/rows.csv"].decode()
        read = list(csv.reader(io.StringIO(content, newline=""), delimiter=about["delimiter"]))
        assert {len(row) for row in read} == {2}
        assert len(read) - 1 == len(dealt.measure.keywords["target"].values)


def test_columns_are_given_as_kit_tables_reads_them(tmp_path, raw):
    built, _ = sealed(tmp_path, raw, declared(tmp_path, data={"given": "columns"}))
    names = np.load(io.BytesIO(built.public["full/number_names.npy"]))
    assert names.tolist() == ["age"]
    assert set(np.load(io.BytesIO(built.public["full/targets.npy"]))) == {0, 1}


def test_arrays_are_asked_about_in_a_drawn_order_without_targets(tmp_path, raw):
    (tmp_path / "task.yaml").write_text(
        "data: {inputs: x.npy, targets: y.npy}\nsplit: {holdout: 0.25, locked: 0.25}\n"
    )
    declaration = schema.load(tmp_path / "task.yaml")
    built, mounts = sealed(tmp_path, raw, declaration)
    assert sorted(built.public) == ["train/about.json", "train/x.npy", "train/y.npy"]
    dealt = task.deal(mounts.sealed, "locked", "train", declaration=declaration)
    assert sorted(dealt.inputs) == ["rows/about.json", "rows/ids.npy", "rows/x.npy"]
    assert dealt.inputs["rows/x.npy"].shape == (30, 4, 4)


def test_columns_of_an_array_that_tell_the_target_or_number_rows_are_said(tmp_path, raw):
    (raw / "task.yaml").write_text(
        "data: {inputs: wide.npy, targets: y.npy}\nsplit: {holdout: 0.25, locked: 0.25}\n"
    )
    targets = np.load(raw / "y.npy")
    noise = np.random.default_rng(1).normal(size=len(targets))
    absent = np.full(len(targets), np.nan)
    wide = np.stack([noise, 3.0 + targets, np.arange(len(targets)), absent], axis=1)
    np.save(raw / "wide.npy", wide)
    warnings = task.understand(raw, schema.load(raw / "task.yaml"))["warnings"]
    assert [line for line in warnings if "column" in line] == [
        "column 1 of wide.npy gives the target away, alone it has AUC 1.000; if it is known only "
        "afterwards, take it out",
        "column 2 of wide.npy numbers the rows: a model may learn their order from it",
    ]


def test_answers_for_other_rows_are_refused(tmp_path, raw):
    declaration = declared(tmp_path)
    _, mounts = sealed(tmp_path, raw, declaration)
    dealt = task.deal(mounts.sealed, "holdout", "fold1", declaration=declaration)
    folder = tmp_path / "outputs" / "rows"
    folder.mkdir(parents=True)
    ids = dealt.inputs["rows/ids.npy"]
    np.save(folder / "ids.npy", ids[::-1])
    np.save(folder / "predictions.npy", np.zeros(len(ids)))
    with pytest.raises(InvalidOutputsError, match="wrong-ids"):
        dealt.measure(tmp_path / "outputs")


# -- reading an answer ------------------------------------------------------------------------

BINARY = targets.Target(
    kind="binary", why="", values=np.array([0, 1, 1], np.uint8), classes=("no", "yes")
)
THREE = targets.Target(
    kind="multi-class", why="", values=np.array([0, 1, 2]), classes=("x", "y", "z")
)
REFUSED = [
    (BINARY, "probabilities", np.array([0.2, 1.2, 0.1]), "outside"),
    (BINARY, "probabilities", np.array([0.2, -0.2, 0.1]), "negative"),
    (BINARY, "scores", np.array([0.2, np.nan, 0.1]), "not-finite"),
    (BINARY, "scores", np.array([0, 1, 1]), "wrong-dtype"),
    (BINARY, "labels", np.array([0, 2, 1]), "outside"),
    (THREE, "probabilities", np.zeros((3, 3)), "outside"),
    (THREE, "labels", np.zeros((3, 2)), "wrong-shape"),
    (THREE, "scores", np.zeros(3), "wrong-shape"),
]


@pytest.mark.parametrize(("target", "needs", "answer", "code"), REFUSED)
def test_an_answer_that_the_metric_cannot_use_is_refused(tmp_path, target, needs, answer, code):
    np.save(tmp_path / "answers.npy", answer)
    with pytest.raises(InvalidOutputsError) as refused:
        metrics.read_answer(tmp_path, "answers.npy", target, needs=needs)
    assert refused.value.code == code


def test_probabilities_are_brought_to_one_however_large_they_are(tmp_path):
    np.save(tmp_path / "answers.npy", np.array([[1e308, 1e308, 0], [1, 1, 2], [0, 0, 5.0]]))
    found, _ = metrics.read_answer(tmp_path, "answers.npy", THREE, needs="probabilities")
    assert found.tolist() == [[0.5, 0.5, 0], [0.25, 0.25, 0.5], [0, 0, 1]]


# -- the kit's side ---------------------------------------------------------------------------


def ask(tmp_path, monkeypatch, source: str, about: dict, given) -> np.ndarray:
    """Ask a function of a workspace about an array."""
    for module, name in ((inputs, "in"), (outputs, "out")):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(module, "FOLDER", tmp_path / name)
    monkeypatch.setattr(asking, "WORKSPACE", tmp_path)
    monkeypatch.setitem(asking.sys.modules, "answers", None)
    (tmp_path / "answers.py").write_text(source)
    np.save(tmp_path / "in" / "x.npy", given)
    np.save(tmp_path / "in" / "ids.npy", np.arange(len(given)))
    (tmp_path / "in" / "about.json").write_text(json.dumps({"array": "x.npy", "width": 1, **about}))
    asking.main("answers.py:say")
    return np.load(tmp_path / "out" / "predictions.npy")


SAY = "def say(x):\n    import numpy as np\n    return {}\n"


@pytest.mark.parametrize(
    ("says", "about", "expected"),
    [
        ("x.sum(axis=1)", {"kind": "regression", "classes": [], "needs": "values"}, [1.0, 5.0]),
        ("x", {"kind": "binary", "classes": [0, 1], "needs": "scores"}, [1.0, 3.0]),
        ("x", {"kind": "binary", "classes": [1, 0], "needs": "scores"}, [0.0, 2.0]),
        ("['no', 'yes']", {"kind": "binary", "classes": ["no", "yes"], "needs": "labels"}, [0, 1]),
        ("[8, 3]", {"kind": "multi-class", "classes": [3, 5, 8], "needs": "labels"}, [2, 0]),
        ("np.array([1.0, 0.0])", {"kind": "binary", "classes": [0, 1], "needs": "scores"}, [1, 0]),
    ],
)
def test_what_a_function_says_is_brought_into_the_scorers_form(
    tmp_path, monkeypatch, says, about, expected
):
    said = ask(tmp_path, monkeypatch, SAY.format(says), about, np.array([[0.0, 1.0], [2.0, 3.0]]))
    assert said.tolist() == expected
    assert said.dtype == (np.int64 if about["needs"] == "labels" else np.float64)


def test_a_list_of_files_may_be_answered_with_a_list():
    about = {"kind": "binary", "classes": ["no", "yes"], "needs": "labels", "width": 1}
    assert asking.answers(["yes", "no"], ["a.png", "b.png"], about).tolist() == [1, 0]
    assert asking.answers([" yes", " no"], ["a.png", "b.png"], about).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ("x[:1].sum(axis=1)", "2 rows were asked"),
        ("x", "must be numbers of the shape"),
        ("np.array([np.nan, 1])", "1 answers are not finite"),
    ],
)
def test_what_a_function_must_not_say_is_an_error_that_says_so(
    tmp_path, monkeypatch, says, message
):
    about = {"kind": "regression", "classes": [], "needs": "values"}
    with pytest.raises(ValueError, match=message):
        ask(tmp_path, monkeypatch, SAY.format(says), about, np.array([[0.0, 1.0], [2.0, 3.0]]))


# -- folders and texts --------------------------------------------------------------------------


def test_files_of_a_folder_have_names_that_tell_nothing(tmp_path):
    raw = tmp_path / "raw"
    for name in ("cat", "dog"):
        (raw / "pets" / name).mkdir(parents=True)
        for number in range(30):
            (raw / "pets" / name / f"{name}{number}.png").write_bytes(
                f"{name} {number}".encode() * 40
            )
    (tmp_path / "task.yaml").write_text(
        "data: {folder: pets}\nsplit: {holdout: 0.2, locked: 0.2}\nscore: {metric: accuracy}\n"
    )
    declaration = schema.load(tmp_path / "task.yaml")
    built, mounts = sealed(tmp_path, raw, declaration)
    names = [name.split("/")[1:] for name in built.public if name.endswith(".png")]
    assert {name[:2] for name in map(tuple, names)} == {("pets", "cat"), ("pets", "dog")}
    assert not any("cat" in name[2] or "dog" in name[2] for name in names)
    dealt = task.deal(mounts.sealed, "holdout", "train", declaration=declaration)
    files = {name: content for name, content in dealt.inputs.items() if "/files/" in name}
    assert sorted(files) == [f"rows/files/{place:06d}.png" for place in range(12)]
    assert {content.split()[0] for content in files.values()} == {b"cat", b"dog"}
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "thumbs.bin").write_bytes(b"x" * 99 + (raw / "pets/cat/cat7.png").read_bytes())
    assert len(task.search(raw, workspace, declaration)["found"]) == 1


def test_a_text_is_cut_by_position_and_served(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    text = bytes(np.random.default_rng(1).integers(97, 123, 60_000, dtype=np.uint8))
    (raw / "corpus.txt").write_bytes(text)
    (tmp_path / "task.yaml").write_text(
        "data: {text: corpus.txt, positions: 64}\n"
        "split: {by: order, holdout: 0.1, locked: 0.1}\nask: predict.py:predict\n"
    )
    declaration = schema.load(tmp_path / "task.yaml")
    built, mounts = sealed(tmp_path, raw, declaration)
    assert built.public["train/corpus.txt"] == text[: 60_000 - 15_000]
    dealt = task.deal(mounts.sealed, "holdout", "train", declaration=declaration)
    assert dealt.windows.shape == (92, 65)
    assert bytes(dealt.windows[0].astype(np.uint8)) == text[45_000:45_065]
    assert task.understand(raw, declaration)["metric"] == "val_bpb"


# -- copies of the data -----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "notebook", "gzip", "tabs", "columns", "python"])
def test_rows_of_the_data_are_found_in_a_workspace_in_any_format(tmp_path, raw, form):
    import gzip

    lines = table_bytes().decode().splitlines()[10:14]
    text = "\n".join(lines)
    contents = {
        "csv": text.encode(),
        "notebook": json.dumps({"cells": [{"outputs": [{"text": [f"{one}\n" for one in lines]}]}]}),
        "gzip": gzip.compress(text.encode()),
        "tabs": text.replace(",", "\t").encode(),
        "columns": text.replace(",", "   ").encode(),
        "python": "ROWS = [\n" + "\n".join(f"    ({one})," for one in lines) + "\n]\n",
    }
    content = contents[form]
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "train.py").write_text("print('age, ward, sick')\nX = 1, 2, 3\n")
    (workspace / "some").write_bytes(content if isinstance(content, bytes) else content.encode())
    found = task.search(raw, workspace, declared(tmp_path))["found"]
    assert found == ["some holds 4 rows of the data: take them out"]


@pytest.mark.parametrize("form", ["quoted", "blanks"])
def test_rows_with_marks_or_single_blanks_between_their_values_are_found(tmp_path, raw, form):
    rows = [[f"{n * 37 % 89}", f"Braund, {n}", "yes" if n % 3 else "no"] for n in range(ROWS)]
    with io.StringIO() as stream:
        csv.writer(stream).writerows([["age", "name", "sick"], *rows])
        (raw / "rows.csv").write_text(stream.getvalue())
    copy = (raw / "rows.csv").read_text()
    if form == "blanks":
        (raw / "rows.csv").write_text(copy.replace(", ", "-"))
        copy = copy.replace('"', "").replace(", ", "-").replace(",", " ")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "some").write_text(copy)
    found = task.search(raw, workspace, declared(tmp_path))["found"]
    assert found == [f"some holds {ROWS} rows of the data: take them out"]


def test_what_is_damaged_among_the_files_ends_no_search(tmp_path, raw):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as packed:
            packed.writestr("a", b"abcdefgh")
        damaged = stream.getvalue().replace(b"abcdefgh", b"abcdefgX")
    (workspace / "damaged.zip").write_bytes(damaged)
    (workspace / "no.parquet").write_bytes(b"PAR1 and nothing like it")
    (workspace / "rows.csv").write_bytes(table_bytes())
    [found] = task.search(raw, workspace, declared(tmp_path))["found"]
    assert found.startswith("rows.csv holds")


@pytest.mark.parametrize(("share", "is_found"), [(1.0, True), (0.02, False)])
def test_a_copy_of_the_data_among_packages_is_found_and_no_coincidence(
    tmp_path, raw, share, is_found
):
    lines = table_bytes().decode().splitlines()[1:]
    (tmp_path / "packages" / "sets").mkdir(parents=True)
    kept = lines[: round(share * len(lines))]
    (tmp_path / "packages" / "sets" / "some.csv").write_text("\n".join(kept))
    found = task.search(raw, tmp_path / "packages", declared(tmp_path), packages=True)["found"]
    assert found == [f"sets/some.csv holds {ROWS} rows of the data"] * is_found


def test_rows_that_say_little_are_no_copy(tmp_path, raw):
    (raw / "rows.csv").write_text(
        "".join(f"{row}\n" for row in ["a,b,sick", *(f"{at % 17},{at % 2},{at % 3 // 2}"
                                                     for at in range(ROWS))])
    )  # fmt: skip
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "digits.csv").write_text(
        "".join(f"{at % 17},{at % 2},{at % 3},0,0,1\n" for at in range(500))
    )
    assert task.search(raw, tmp_path / "packages", declared(tmp_path), packages=True)["found"] == []


@pytest.mark.parametrize("form", ["npz", "float64", "whole"])
def test_rows_of_an_array_are_found_in_a_workspace(tmp_path, raw, form):
    (tmp_path / "task.yaml").write_text(
        "data: {inputs: x.npy, targets: y.npy}\nsplit: {holdout: 0.25, locked: 0.25}\n"
    )
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    array = np.load(raw / "x.npy")
    (workspace / "weights.npy").write_bytes(bytes(2000))
    if form == "npz":
        np.savez_compressed(workspace / "some.npz", a=array[5:9])
    else:
        np.save(workspace / "some.npy", array.astype(np.float64) if form == "float64" else array)
    [found] = task.search(raw, workspace, schema.load(tmp_path / "task.yaml"))["found"]
    assert found.startswith("some.np")
