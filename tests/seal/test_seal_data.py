"""Which data a sealed task is made of, as a project's code names them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from runner import paths
from runner.errors import ConfigError
from runner.policy.schema import Reported
from runner.seal.data import Chosen, choose, files_of, is_table, rows_for_tests, with_tests
from runner.seal.reading import header_of
from runner.seal.script import Script
from runner.seal.writing import run_script

CODE = "import pandas as pd\ndf = pd.read_csv('data/wine.csv')\nX = df.drop(columns=['good'])\n"


def table(folder: Path, name: str, text: str = "acid,good\n1,yes\n2,no\n3,no\n") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def chosen(code: str, found, **said) -> Chosen:
    options = {"table": None, "target": (), "inputs": None, "targets": None, "text": None, **said}
    return choose(found, [Script.read("train.py", code)], code, task="wine", **options)


def test_the_one_table_and_the_column_that_inputs_lack(tmp_path):
    made = chosen(CODE, {"data/wine.csv": table(tmp_path, "wine.csv")})
    assert made.data == {"table": "wine.csv", "target": "good"}
    assert made.places == {"data/wine.csv": "wine.csv"}


@pytest.mark.parametrize(
    ("code", "target"),
    [
        pytest.param("df = read('wine.csv')\ny = df['good']\n", "good", id="by a subscript"),
        pytest.param("T = 'good'\ny = read('wine.csv').pop(T)\n", "good", id="by a constant"),
        pytest.param(
            "d = read('wine.csv')\na = d.pop('acid')\ny = d.pop('good').to_numpy()\n",
            "good",
            id="of two that are taken out",
        ),
        pytest.param("d = read('wine.csv')\nX, y = d[['acid']], d.good\n", "good", id="by name"),
        pytest.param(
            "class C:\n    goal: str = 'good'\ny = read('wine.csv').pop(cfg.goal)\n",
            "good",
            id="by a setting's default",
        ),
        pytest.param(
            "p.add_argument('--goal', default='good')\ny = read('wine.csv')[args.goal]\n",
            "good",
            id="by an option's",
        ),
        pytest.param("d = read('wine.csv')\ny = d.iloc[:, -1]\n", "good", id="by place"),
        pytest.param("d = read('wine.csv')\ny = d[:, 0]\n", "acid", id="the first"),
    ],
)
def test_the_target_is_what_code_takes_out(tmp_path, code, target):
    made = chosen(code, {"wine.csv": table(tmp_path, "wine.csv")})
    assert made.targets == (target,)


def test_without_a_header_columns_are_counted(tmp_path):
    path = table(tmp_path, "rent.train", "7.0\t1\t2\n8.0\t3\t4\n9.0\t1\t1\n")
    code = "a = read('rent.train', header=None)\nb = read('rent.test')\ny_train = a[0]\n"
    made = chosen(code, {"rent.train": path, "rent.test": path})
    assert made.data == {"table": "rent.train", "target": "column_1"}


ADULT = "39, Private, no\n40, ?, yes\n41, ?, no\n"


@pytest.mark.parametrize(
    ("code", "text", "data"),
    [
        pytest.param(
            "cols = ['age', 'work', 'rich']\nd = pd.read_csv(PATH, names=cols)\ny = d['rich']\n",
            ADULT, {"target": "column_3", "header": False}, id="names, and no header",
        ),
        pytest.param(
            "d = pd.read_csv(PATH, header=None)\nd.columns = ['age', 'work', 'rich']\n"
            "a, b, c, e = train_test_split(d[['age']], d.rich)\n",
            ADULT, {"target": "column_3", "header": False}, id="names afterwards",
        ),
        pytest.param(
            "d = pd.read_csv(PATH, header=0, names=['age', 'work', 'rich'])\n"
            "m = SVC().fit(d[['age']], d['rich'])\n",
            "a,b,c\n" + ADULT, {"target": "c"}, id="other names than the header's",
        ),
        pytest.param(
            "d = pd.read_csv(PATH, sep='\\t', header=None, names=['kind', 'text'])\n"
            "a, b, c, e = train_test_split(d.text, d.kind)\n",
            "spam\ta, b\nham\tc, d\n" * 9,
            {"target": "column_1", "header": False, "delimiter": "\t"}, id="what cuts values",
        ),
        pytest.param(
            "d = pd.read_csv(PATH, sep=r'\\s+', names=['mpg', 'cars', 'weight'])\n"
            "y = d.pop('mpg')\n",
            "18.0   8   307.0\n15.0   8   350.0\n" * 9,
            {"target": "column_1", "header": False, "delimiter": " "}, id="blanks",
        ),
    ],
)  # fmt: skip
def test_a_table_is_declared_as_code_reads_it(tmp_path, code, text, data):
    path = table(tmp_path, "rows.data", text)
    found = chosen(code.replace("PATH", "'rows.data'"), {"rows.data": path})
    assert found.data == {"table": "rows.data", **data}


def test_a_person_may_call_a_column_as_code_does(tmp_path):
    path = table(tmp_path, "adult.data", ADULT)
    code = "d = pd.read_csv('adult.data', names=['age', 'work', 'rich'])\n"
    assert chosen(code, {"adult.data": path}, target=("work",)).targets == ("column_2",)


@pytest.mark.parametrize("above", ["A report\n\n", "X1,Y\n", "A report\nX1,Y\n"])
def test_the_columns_are_those_that_code_names_whatever_is_above(tmp_path, above):
    rows = "".join(f"{at},{'yes' if at % 2 else 'no'}\n" for at in range(30))
    path = table(tmp_path, "wine.csv", f"{above}acid,good\n{rows}")
    assert chosen(CODE, {"data/wine.csv": path}).targets == ("good",)


def test_idx_files_of_one_kind_all_hold_the_sealed_rows(tmp_path):
    found = {f"d/{part}-{what}-ubyte.gz": tmp_path for part in ("train", "t10k")
             for what in ("images-idx3", "labels-idx1")}  # fmt: skip
    code = "read(part + '-images-idx3-ubyte.gz', part + '-labels-idx1-ubyte.gz')"
    made = chosen(code, found)
    names = {"inputs": "train-images-idx3-ubyte.gz", "targets": "train-labels-idx1-ubyte.gz"}
    assert made.data == names
    assert made.places == {place: names["inputs" if "images" in place else "targets"]
                           for place in found}  # fmt: skip
    reported = Reported(run="python train.py", pattern="a {}", data=("d",))
    said = run_script(reported, made, "predict.py:predict")
    assert "--data d/t10k-images-idx3-ubyte.gz=train-images-idx3-ubyte.gz.npy" in said
    assert "--target train-labels-idx1-ubyte.gz.npy" in said


def test_two_arrays_by_their_names(tmp_path):
    found = {f"d/{name}.npy": tmp_path for name in ("X_train", "y_train", "X_test", "y_test")}
    made = chosen("load('d/X_train.npy', 'd/y_train.npy', 'X_test.npy', 'y_test.npy')", found)
    assert made.data == {"inputs": "X_train.npy", "targets": "y_train.npy"}


def test_rows_for_tests_are_named_and_stand_where_the_others_do(tmp_path):
    files = {f"d/{name}.csv": table(tmp_path, f"{name}.csv") for name in ("a", "a_test", "a_valid")}
    files["d/b_test.csv"] = table(tmp_path, "b_test.csv", "other,columns\n1,2\n3,4\n")
    code = "".join(f"d = read('{place}')\n" for place in files) + "y = d['good']\n"
    made = chosen(code, files)
    assert made.places == {"d/a.csv": "a.csv"}
    assert rows_for_tests(made, files, code) == ["d/a_test.csv", "d/a_valid.csv"]
    made, names, raw = with_tests(made, ["d/a_test.csv"], files, ["a.csv"])
    assert made.places == {"d/a.csv": "a.csv", "d/a_test.csv": "a.csv"}
    assert (names, raw) == (["a_test.csv"], {"a_test.csv": files["d/a_test.csv"]})


def test_arrays_for_tests_stand_where_the_others_do():
    found = {f"d.npz[{one}_{part}]": b"" for one in "xy" for part in ("train", "test")}
    made = chosen("load('d.npz')", found)
    made, names, _ = with_tests(made, ["d.npz[x_test]", "d.npz[y_test]"], found, [])
    assert names == ["x_test.npy", "y_test.npy"]
    assert made.places["d.npz[y_test]"] == made.places["d.npz[y_train]"] == "y_train.npy"
    with pytest.raises(ConfigError, match="two arrays, inputs and then targets"):
        with_tests(made, ["d.npz[x_test]"], found, [])


@pytest.mark.parametrize("shift", range(3))
def test_a_table_in_another_script_is_one_wherever_reading_stops(tmp_path, shift):
    path = tmp_path / "names.csv"
    path.write_text(
        "\u540d\u5b57,\u57ce\u5e02\n" + "x" * shift + ",y\n" + "\u5f20\u4e09,\u5317\u4eac\n" * 5000
    )
    assert header_of(path) == ["\u540d\u5b57", "\u57ce\u5e02"]
    assert is_table(path)


def test_what_has_only_titles_above_its_rows_has_no_header(tmp_path):
    titles = [f"line {n}" if n % 2 else f"a, {n}" for n in range(10)]
    path = tmp_path / "titled.csv"
    path.write_text("\n".join([*titles, "a,b,y", *(f"{n},{n + 1},1" for n in range(20))]))
    assert header_of(path) == []


def test_files_for_tests_that_are_called_alike_stay_apart(tmp_path):
    files = {f"{part}/d.csv": table(tmp_path, f"{part}.csv") for part in ("train", "valid", "test")}
    made = chosen("y = read('train/d.csv')['good']", {"train/d.csv": files["train/d.csv"]})
    made, [asked], raw = with_tests(made, ["valid/d.csv"], files, ["d.csv"])
    _, [locked], more = with_tests(made, ["test/d.csv"], files, ["d.csv", *raw])
    assert (raw[asked], more[locked]) == (files["valid/d.csv"], files["test/d.csv"])
    assert len({asked, locked, "d.csv"}) == 3

    arrays = {f"{part}/{one}.npy": part.encode() for part in ("train", "test") for one in "Xy"}
    made = chosen("load('X.npy', 'y.npy')", {name: b"" for name in arrays if "train" in name})
    _, names, raw = with_tests(made, ["test/X.npy", "test/y.npy"], arrays, ["X.npy", "y.npy"])
    assert names == ["tests_X.npy", "tests_y.npy"]
    assert set(raw.values()) == {b"test"}

    pictures = {
        f"{part}/images/{kind}/1.png": part.encode() for part in ("a", "b") for kind in "xy"
    }
    made = Chosen(data={"folder": "images"}, places={}, folders=("a/images",), targets=())
    _, names, raw = with_tests(made, ["b/images"], pictures, ["images/x/1.png", "images/y/1.png"])
    assert (names, set(raw)) == (["tests_images"], {"tests_images/x/1.png", "tests_images/y/1.png"})


def test_folders_for_tests_are_beside_the_one_for_training():
    found = {f"data/{part}/{name}/{at}.png": b"x" for part in ("train", "val")
             for name in ("cat", "dog") for at in range(2)}  # fmt: skip
    made = chosen("read('data')", found)
    assert (made.data, made.folders) == ({"folder": "train"}, ("data/train", "data/val"))
    assert rows_for_tests(made, found, "") == ["data/val"]


@pytest.mark.parametrize(
    ("code", "found", "hint"),
    [
        pytest.param("1", {}, "--table FILE", id="no data"),
        pytest.param(
            "read('a.csv', 'b.csv')", {"a.csv": b"", "b.csv": b""}, "--table FILE", id="two tables"
        ),
        pytest.param("read('wine.csv')", None, "--target COLUMN", id="no target"),
        pytest.param("read('wine.csv')", {"x.npy": b""}, "--inputs X.npy", id="one array"),
    ],
)
def test_what_is_not_plain_is_asked_for(tmp_path, code, found, hint):
    found = {"wine.csv": table(tmp_path, "wine.csv")} if found is None else found
    found = {name: path or table(tmp_path, name) for name, path in found.items()}
    with pytest.raises(ConfigError) as caught:
        chosen(code, found)
    assert hint in caught.value.hint


def test_a_packed_file_is_its_arrays_and_a_folder_its_files(tmp_path):
    state = paths.State(tmp_path)
    kept = state.data("digits") / "project"
    (kept / "1" / "cat").mkdir(parents=True)
    (kept / "1" / "cat" / "1.png").write_bytes(b"x")
    packed = io.BytesIO()
    np.savez(packed, images=np.ones((3, 2)), labels=np.arange(3))
    (kept / "0").write_bytes(packed.getvalue())
    found = files_of(state, "digits", ["data/digits.npz", "images"])
    assert sorted(found) == [
        "data/digits.npz[images]", "data/digits.npz[labels]", "images/cat/1.png",
    ]  # fmt: skip
    code = "np.load('data/digits.npz')"
    made = chosen(code, {name: each for name, each in found.items() if "npz" in name})
    assert made.places == {
        "data/digits.npz[images]": "images.npy", "data/digits.npz[labels]": "labels.npy",
    }  # fmt: skip


def test_a_folder_of_classes(tmp_path):
    places = [f"images/{name}/{at}.png" for name in ("cat", "dog") for at in range(2)]
    made = chosen("read('images')", dict.fromkeys(places, b"x"))
    assert made.data == {"folder": "images"}
    assert made.places["images/dog/1.png"] == "images/dog/1.png"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("1 2 3\n" * 9, True),
        ("a;b\n" * 9, True),
        ('{"a": 1, "b": 2}\n' * 9, False),
        ("|1x3 Cross validator\n" + "1, 2\n" * 20, True),
        ("some words\nof a text\nthat differ a lot\n", False),
    ],
)
def test_a_table_is_known_by_its_rows(tmp_path, text, is_one):
    assert is_table(table(tmp_path, "rows.txt", text)) is is_one


def script(run: str, place: str = "data/wine.csv", ask: str = "predict.py:predict") -> str:
    data = Chosen(data={}, places={place: "wine.csv"}, targets=("good",))
    return run_script(Reported(run=run), data, ask)


def test_the_command_runs_where_and_as_the_project_says():
    said = script("cd src && python train.py --seed {seed}", "../shared/wine.csv", "src/p.py:f")
    assert "--data ../shared/wine.csv=wine.csv --target good" in said
    assert "'cd src && python train.py --seed $RUNNER_SEED'" in said
    assert "cd src && exec python -u -P -m kit.asking /cache/project/src/p.py:f" in said
    assert "$PYTHONPATH:/cache/project:/cache/project/src" in said


def test_data_at_home_are_at_a_container_s_home():
    assert "--data /tmp/sets/wine.csv=wine.csv" in script("python train.py", "~/sets/wine.csv")
