"""Declared rankings and pairs, and rows that are parted by files of the project's own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.declared import pairs, schema, task
from harness.kit import asking, inputs, outputs
from harness.mounts import under
from harness.raw import BadRawDataError
from harness.scoring.outputs import InvalidOutputsError
from harness.sealing import write

QUERIES, EACH, PAIRS, WIDTH = 40, 6, 120, 5


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    draw = np.random.default_rng(4)
    for name, first in (("searches.csv", 0), ("later.csv", QUERIES), ("last.csv", 2 * QUERIES)):
        rows = [
            f"{first + query},{draw.normal():.4f},{0 if row else 1 + query % 3}"
            for query in range(QUERIES) for row in range(EACH)
        ]  # fmt: skip
        (folder / name).write_text("\n".join(["query,words,clicks", *rows]) + "\n")
    (folder / "odd.csv").write_text("query,words,sold\n1,2,3\n")
    meaning = draw.normal(size=(PAIRS, WIDTH)).astype(np.float32)
    meaning[1] = meaning[0]  # one query with two documents
    np.save(folder / "asks.npy", meaning)
    np.save(folder / "texts.npy", np.arange(PAIRS * 3).reshape(PAIRS, 3))
    for part, rows in (("train", 60), ("test", 50)):
        np.save(folder / f"x_{part}.npy", draw.normal(size=(rows, 3)))
        np.save(folder / f"y_{part}.npy", np.arange(rows) % 2)
        for kind in ("cat", "dog"):
            (folder / part / kind).mkdir(parents=True)
            for number in range(rows // 2):
                (folder / part / kind / f"{kind}{number}.bin").write_bytes(draw.bytes(20))
    return folder


def declared(tmp_path, text):
    (tmp_path / "task.yaml").write_text(text)
    return schema.load(tmp_path / "task.yaml")


def sealed(tmp_path, raw, declaration):
    mounts = under(tmp_path / "mounts")
    built = task.build(5, raw, declaration=declaration)
    write(built, task="own", seed=5, mounts=mounts)
    return built, mounts.sealed


def answer(tmp_path, dealt, answers):
    """Write predictors' answers as they do, and return what the scorer makes of them."""
    for predictor, values in answers.items():
        folder = tmp_path / "outputs" / predictor
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "ids.npy", dealt.inputs[f"{predictor}/ids.npy"])
        np.save(folder / "predictions.npy", values)
    return dealt.measure(tmp_path / "outputs")


# -- rankings ---------------------------------------------------------------------------------

RANKING = """
data: {table: searches.csv, target: clicks}
split: {by: group, column: query, holdout: 0.3, locked: 0.3}
score: {kind: ranking, also: [mean_reciprocal_rank, recall_at_1], metric: mean_rank}
"""


def test_a_table_of_lists_is_scored_list_by_list(tmp_path, raw):
    declaration = declared(tmp_path, RANKING)
    built, folder = sealed(tmp_path, raw, declaration)
    dealt = task.deal(folder, "holdout", "train", declaration=declaration)
    names = [line.split(",")[0] for line in dealt.inputs["rows/searches.csv"].decode().split()[1:]]
    trained = {line.split(",")[0] for line in built.public["train/searches.csv"].decode().split()}
    assert {names.count(name) for name in names} == {EACH}  # no list is parted
    assert not trained & set(names)
    truth = dealt.measure.keywords["target"].values
    perfect = answer(tmp_path, dealt, {"rows": truth.astype(float)})
    assert perfect["mean_reciprocal_rank"] == perfect["recall_at_1"] == perfect["mean_rank"] == 1
    constant = answer(tmp_path, dealt, {"rows": np.zeros(len(names))})
    assert constant["mean_rank"] == EACH
    assert constant["recall_at_1"] == 0
    guessed = answer(tmp_path, dealt, {"rows": np.arange(len(names)) % 7 / 7})
    assert 1 < guessed["mean_rank"] < EACH
    assert guessed["mean_rank_se"] > 0


# -- pairs ------------------------------------------------------------------------------------

OF_PAIRS = """
data: {queries: asks.npy, documents: texts.npy}
split: {holdout: 0.3, locked: 0.3}
score: {metric: mean_reciprocal_rank, also: [recall_at_1]}
ask: embed.py:embed
"""


def test_pairs_are_dealt_to_two_predictors_that_cannot_pair_them(tmp_path, raw):
    declaration = declared(tmp_path, OF_PAIRS)
    _, folder = sealed(tmp_path, raw, declaration)
    dealt = task.deal(folder, "locked", "train", declaration=declaration)
    asks, texts = dealt.inputs["queries/asks.npy"], dealt.inputs["documents/texts.npy"]
    assert sorted(dealt.inputs) == [
        f"{side}/{name}" for side, own in (("documents", "texts"), ("queries", "asks"))
        for name in sorted(("about.json", f"{own}.npy", "ids.npy"))
    ]  # fmt: skip
    meaning = np.load(raw / "asks.npy")
    known_of = {texts_row[0]: meaning[texts_row[0] // 3] for texts_row in texts.tolist()}
    right = np.array([known_of[row[0]] for row in texts.tolist()])
    assert not np.array_equal(right, asks)
    found = answer(tmp_path, dealt, {"queries": asks, "documents": right})
    assert found["mean_reciprocal_rank"] == found["recall_at_1"] == pytest.approx(1)
    by_place = answer(tmp_path, dealt, {"queries": asks, "documents": asks})
    assert by_place["mean_reciprocal_rank"] < 0.5
    with pytest.raises(InvalidOutputsError, match="wrong-shape"):
        answer(tmp_path, dealt, {"queries": asks, "documents": right[:, :2].copy()})


def test_rows_that_share_a_query_stay_in_one_part_and_are_each_others_answers(tmp_path, raw):
    declaration = declared(tmp_path, OF_PAIRS)
    source = task.read(raw, declaration, 1)
    divided, _ = task.divide(source, 1)
    asked = [{0, 1} & set(one.asked.tolist()) for one in divided.evaluated]
    assert all(len(one) != 1 for one in asked)
    [first, second, *_] = pairs.lists(source.target.values, *[np.eye(PAIRS)] * 2)
    assert np.flatnonzero(first[0]).tolist() == np.flatnonzero(second[0]).tolist() == [0, 1]


def test_pairs_that_meet_at_any_remove_are_one_unit():
    declaration = schema.Declaration(
        data=schema.PairsData(queries="q.npy", documents="d.npy"),
        split=schema.Split(holdout=0.2), score=schema.Score(),
    )  # fmt: skip
    chain = pairs.PairsSource(
        declaration=declaration, data=declaration.data, origin=np.zeros(5, np.int64),
        queries=np.array([[0], [0], [1], [2], [3]]), documents=np.array([[7], [8], [8], [8], [9]]),
    )  # fmt: skip
    assert [len(set(part)) for part in (chain.signatures()[:4], chain.signatures())] == [1, 2]


def test_an_embedding_is_asked_of_each_side_by_its_name(tmp_path, monkeypatch):
    for module in (inputs, outputs):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(asking, "WORKSPACE", tmp_path)
    (tmp_path / "embed.py").write_text(
        "def embed(rows, side):\n    return rows * (2 if side == 'queries' else 1)\n"
    )
    np.save(tmp_path / "ids.npy", np.arange(3))
    np.save(tmp_path / "asks.npy", np.ones((3, 2)))
    about = {"side": "queries", "array": "asks.npy"}
    (tmp_path / "about.json").write_text(json.dumps(about))
    asking.main("embed.py:embed")
    found = np.load(tmp_path / "predictions.npy")
    assert (found.dtype, found.tolist()) == (np.float32, [[2, 2]] * 3)


# -- tables that belong to another one --------------------------------------------------------


def test_what_refers_to_a_row_goes_where_the_row_goes_under_the_rows_new_number(tmp_path, raw):
    rows = [f"{row},{row * 7 % 90},{row % 2}" for row in range(90)]
    visits = [f"{row % 95},{row}" for row in range(200)]  # some are of rows that are not there
    (raw / "wells.csv").write_text("\n".join(["well,depth,safe", *rows]) + "\n")
    (raw / "visits.csv").write_text("\n".join(["well,day", *visits]) + "\n")
    declaration = declared(
        tmp_path,
        """
data: {table: wells.csv, target: safe, id: well, joined: [visits.csv]}
split: {holdout: 0.3, locked: 0.3}
""",
    )
    built, folder = sealed(tmp_path, raw, declaration)
    dealt = task.deal(folder, "holdout", "train", declaration=declaration)
    days = {}
    for part, files in (
        ("train", {name: built.public[f"train/{name}"] for name in ("wells.csv", "visits.csv")}),
        ("asked", {name: dealt.inputs[f"rows/{name}"] for name in ("wells.csv", "visits.csv")}),
    ):
        wells, seen = (
            [line.split(",") for line in files[name].decode().split()[1:]] for name in files
        )
        depth = {row[0]: int(row[1]) for row in wells}
        assert {row[0] for row in seen} == set(depth)
        # A day tells the old number, and that the depth: both tables have the same new one.
        assert all(int(day) % 95 * 7 % 90 == depth[well] for well, day in seen)
        days[part] = {day for _, day in seen}
    assert not days["train"] & days["asked"]


def test_a_joined_table_tells_no_target_and_nothing_that_is_dropped(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    wells = [f"{n},{n % 7},{n % 3},{'yes' if n % 4 else 'no'}" for n in range(90)]
    (raw / "wells.csv").write_text("\n".join(["well,depth,owner,safe", *wells]) + "\n")
    other = [f"{n},v{n},{n % 3},{'yes' if n % 4 else 'no'}" for n in range(90)]
    (raw / "raw.csv").write_text("\n".join(["well,depth_text,owner,safe", *other]) + "\n")
    declaration = declared(
        tmp_path,
        """
data: {table: wells.csv, target: safe, id: well, drop: [owner], joined: [raw.csv]}
split: {holdout: 0.3, locked: 0.3}
""",
    )
    built, folder = sealed(tmp_path, raw, declaration)
    dealt = task.deal(folder, "holdout", "train", declaration=declaration)
    for content in (built.public["train/raw.csv"], dealt.inputs["rows/raw.csv"]):
        assert content.decode().splitlines()[0] == "well,depth_text"


def test_documents_and_joined_tables_are_found_in_a_workspace(tmp_path, raw):
    pairs = declared(
        tmp_path, "data: {queries: asks.npy, documents: texts.npy}\nsplit: {holdout: 0.3}\n"
    )
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "some.npy").write_bytes((raw / "texts.npy").read_bytes())
    assert len(task.search(raw, workspace, pairs)["found"]) == 1

    (raw / "wells.csv").write_text(
        "\n".join(
            ["well,depth,safe", *(f"{n},{n % 7},{'yes' if n % 4 else 'no'}" for n in range(90))]
        )
    )
    visits = "\n".join(["well,day", *(f"{n % 90},{n * 31 % 365}" for n in range(200))])
    (raw / "visits.csv").write_text(visits)
    (workspace / "some.npy").unlink()
    (workspace / "copy.csv").write_text(visits)
    joined = declared(
        tmp_path,
        "data: {table: wells.csv, target: safe, id: well, joined: [visits.csv]}\n"
        "split: {holdout: 0.3}\n",
    )
    [found] = task.search(raw, workspace, joined)["found"]
    assert found.startswith("copy.csv holds")


@pytest.mark.parametrize("second", ["1.5", "null"])
def test_parquet_files_whose_numbers_have_other_types_are_one_table(tmp_path, raw, second):
    import pyarrow
    from pyarrow import parquet

    for name, first in (("a.parquet", 1), ("b.parquet", json.loads(second))):
        rows = [{"x": first if row == 0 else row, "y": f"{row % 2}"} for row in range(60)]
        parquet.write_table(pyarrow.Table.from_pylist(rows), raw / name)
    declaration = declared(
        tmp_path,
        "data: {table: a.parquet, target: y}\nsplit: {by: files, asked: b.parquet, locked: 0.5}\n",
    )
    assert task.understand(raw, declaration)["rows"] == 120


# -- files of one's own -----------------------------------------------------------------------

BY_FILES = "data: {table: searches.csv, target: clicks}\nscore: {kind: regression}\nsplit: "


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        ("{by: files, asked: later.csv, locked: 0.5}", [120, 120]),
        ("{by: files, asked: later.csv, locked: last.csv}", [240, 240]),
        ("{by: files, asked: later.csv, locked: 0.5, column: query}", [120, 120]),
    ],
)
def test_one_file_trains_and_another_is_asked_about(tmp_path, raw, split, rows):
    declaration = declared(tmp_path, BY_FILES + split)
    built, folder = sealed(tmp_path, raw, declaration)
    training = built.public["train/searches.csv"].decode().split()[1:]
    own = (raw / "searches.csv").read_text().split()[1:]
    assert sorted(training) == sorted(own)
    asked = []
    for part in ("holdout", "locked"):
        dealt = task.deal(folder, part, "train", declaration=declaration)
        asked.append({line.split(",")[0] for line in
                      dealt.inputs["rows/searches.csv"].decode().split()[1:]})  # fmt: skip
        assert all(int(one) >= QUERIES for one in asked[-1])
    said = task.understand(raw, declaration)
    found = [count for _, count in said["parts"].values()]
    assert found == pytest.approx(rows, abs=2 * EACH)  # a list goes into one part whole
    assert sum(found) == sum(rows)
    if "column" in split:
        assert not asked[0] & asked[1]


@pytest.mark.parametrize(
    "text",
    [
        "data: {inputs: x_train.npy, targets: y_train.npy}\n"
        "split: {by: files, asked: [x_test.npy, y_test.npy], locked: 0.5}",
        "data: {folder: train}\nsplit: {by: files, asked: test, locked: 0.5}",
    ],
)
def test_arrays_and_folders_are_parted_by_files_too(tmp_path, raw, text):
    said = task.understand(raw, declared(tmp_path, text))
    assert said["parts"] == {"holdout/train": [60, 25], "locked/train": [60, 25]} or said[
        "parts"
    ] == {"holdout/train": [60, 24], "locked/train": [60, 26]}


WRONG = {
    BY_FILES + "{by: files, locked: 0.5}": "by: files needs asked",
    BY_FILES + "{by: files, asked: later.csv, folds: 5}": "by: files needs asked",
    BY_FILES + "{holdout: 0.2, locked: last.csv}": "split.locked: must be a share",
    BY_FILES + "{by: files, asked: [later.csv, last.csv]}": "stands for searches.csv",
    BY_FILES + "{by: files, asked: odd.csv}": "odd.csv has other columns than searches.csv",
    RANKING.replace("by: group, column: query, ", ""): "a ranking is of lists",
    RANKING.replace("kind: ranking, ", "kind: regression, "): "is one of kind: ranking",
    RANKING.replace("target: clicks", "target: words"): "0 or more",
    OF_PAIRS.replace("{holdout", "{by: order, cuts: [0.5, 0.7]}  # "): "at random, or by files",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_what_cannot_be_is_refused(tmp_path, raw, text, said):
    with pytest.raises(BadRawDataError) as refused:
        task.understand(raw, declared(tmp_path, text))
    assert said in str(refused.value)
