"""A project in its copy: what it finds where it reads its data, and what it finds again."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness.declared.arrays import _array
from harness.kit import data, inputs, project
from harness.raw import BadRawDataError

COMMA = {"delimiter": ",", "encoding": "utf-8", "header": True, "decimal": "."}


@pytest.fixture
def places(tmp_path, monkeypatch) -> Path:
    """Every folder of a trial's containers, and a copy that is not there yet."""
    for module, name, folder in (
        (project, "WORKSPACE", "workspace"), (project, "ARTIFACTS", "artifacts"),
        (data, "FOLDER", "data"), (inputs, "FOLDER", "inputs"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, tmp_path / folder)
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(project, "PROJECT", tmp_path / "cache" / "project")
    return tmp_path


def run(places: Path, stage: str, code: str, *options: str) -> str:
    """Run Python in the copy, fresh as a container's, and return what it printed."""
    if (places / "cache").exists():
        (places / "cache").rename(places / f"cache-{len(list(places.iterdir()))}")
    said = places / "said"
    command = [sys.executable, "-c", f"import sys; sys.stdout = open({str(said)!r}, 'w')\n{code}"]
    assert project.main([stage, *options, "--", *command]) == 0
    return said.read_text()


def table(places: Path, *, dialect=COMMA, name="rows.csv", training: str, asked: str) -> None:
    opener = gzip.open if name.endswith(".gz") else open
    for folder, text in (("data", training), ("inputs", asked)):
        (places / folder / "about.json").write_text(
            json.dumps({"dialect": dialect, "kind": "", "file": name})
        )
        with opener(places / folder / name, "wt", encoding=dialect["encoding"]) as file:
            file.write(text)


def test_what_a_command_writes_is_there_again_where_it_wrote_it(places):
    (places / "workspace" / "src").mkdir()
    (places / "workspace" / "src" / "own.txt").write_text("own")
    table(places, training="a,y\n1,yes\n", asked="a\n2\n")
    options = ("--data", "data/rows.csv=rows.csv", "--target", "y")
    write = (
        "import os; os.makedirs('out'); open('out/model', 'w').write('weights')\n"
        "open('src/own.txt', 'a').write('+')"
    )
    run(places, "train", write, *options)
    kept = {path.relative_to(places / "artifacts").as_posix()
            for path in (places / "artifacts").rglob("*") if path.is_file()}  # fmt: skip
    assert kept == {"project/out/model", "project/src/own.txt", "example.json"}
    read = "print(open('out/model').read(), open('src/own.txt').read())"
    assert run(places, "predict", read, *options) == "weights own+\n"


def test_what_is_too_large_is_left_and_said(places, monkeypatch, capfd):
    table(places, training="a,y\n1,yes\n", asked="a\n2\n")
    free = type("Usage", (), {"free": 10})
    monkeypatch.setattr(project.shutil, "disk_usage", lambda _: free)
    run(places, "train", "open('big', 'w').write('x' * 11); open('small', 'w').write('x')",
        "--data", "rows.csv=rows.csv", "--target", "y")  # fmt: skip
    assert [path.name for path in (places / "artifacts" / "project").iterdir()] == ["small"]
    assert "not kept: big has 11 bytes" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("dialect", "name", "training", "asked", "found"),
    [
        pytest.param(
            COMMA, "rows.csv", 'a,y,b\n1,yes,"x, z"\n2,no,w\n', 'a,b\n3,"p, q"\n4,r\n',
            'a,y,b\n3,yes,"p, q"\n4,yes,r\n', id="a column between others",
        ),
        pytest.param(
            {**COMMA, "delimiter": ";", "encoding": "cp1252", "decimal": ","}, "rows.csv",
            "a;y\n1,5;Genève\n", "a\n2,5\n", "a;y\n2,5;Genève\n", id="as the file is written",
        ),
        pytest.param(
            {**COMMA, "header": False}, "rows.csv", "7,1,2\n", "3,4\n", "7,3,4\n", id="no header"
        ),
        pytest.param(
            COMMA, "rows.csv", "x, y,x, y\n1, yes,2, 5\n", "x,x, y\n3,4, 6\n",
            "x, y,x, y\n3, yes,4, 6\n", id="blanks, and two of a name",
        ),
        pytest.param(COMMA, "rows.csv.gz", "a,y\n1,0\n", "a\n2\n", "a,y\n2,0\n", id="packed"),
    ],
)  # fmt: skip
def test_questions_lie_where_the_table_was(places, dialect, name, training, asked, found):
    table(places, dialect=dialect, name=name, training=training, asked=asked)
    target = "y" if dialect["header"] else "column_1"
    options = ("--data", f"data/{name}={name}", "--target", target)
    opener = "gzip.open" if name.endswith(".gz") else "open"
    read = (
        f"import gzip; print({opener}('data/{name}', 'rt', encoding='{dialect['encoding']}')"
        ".read(), end='')"
    )
    assert run(places, "train", read, *options) == training
    assert run(places, "predict", read, *options) == found


class Frame(dict):
    """Of a table of pandas, what training asks."""

    columns = property(list)

    @property
    def iloc(self):
        return [np.array([values[0] for values in self.values()])]

    def __getitem__(self, name):
        return SimpleNamespace(iloc=super().__getitem__(name))


@pytest.mark.parametrize("beside", [np.array(["u", "v"], dtype=object), np.array([0.5, 1.5])])
@pytest.mark.parametrize(
    ("values", "first"),
    [
        (np.array([True, False]), True), (np.array([3, 4]), 3), (np.array([2.5, 4]), 2.5),
        (np.array(["yes", "no"], dtype=object), "yes"),
    ],
)  # fmt: skip
def test_a_target_of_a_parquet_file_is_kept_with_its_type(
    places, monkeypatch, beside, values, first
):
    table(places, name="rows.parquet", training="", asked="")
    frame = Frame(a=beside, y=values)
    monkeypatch.setattr(project, "_pandas", lambda: SimpleNamespace(read_parquet=lambda _: frame))
    run(places, "train", "", "--data", "rows.parquet=rows.parquet", "--target", "y")
    [kept] = json.loads((places / "artifacts" / "example.json").read_text())
    assert kept == [1, "y", first]
    assert type(kept[2]) is type(first)


def test_a_value_may_be_a_whole_document_and_may_hold_old_ends_of_lines(places):
    document = f'"{"word " * 30_000}\r"'
    table(places, training=f"a,y\n{document},yes\n", asked=f"a\n{document}\n")
    read = "print(len(open('data/rows.csv', newline='').read()), end='')"
    options = ("--data", "data/rows.csv=rows.csv", "--target", "y")
    assert int(run(places, "train", read, *options)) > 150_000
    assert int(run(places, "predict", read, *options)) > 150_000


def test_lines_that_are_no_rows_are_where_a_project_skips_them(places):
    table(places, training="a,y\n1,yes\n", asked="a\n2\n")
    for folder in ("data", "inputs"):
        path = places / folder / "about.json"
        around = {"rows.csv": ["A title\n\n", "mg,\n", "Source: x\n"], "test.csv": ["A\n", "", ""]}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"around": around}))
    options = ("--data", "rows.csv=rows.csv", "--data", "d/test.csv=rows.csv", "--target", "y")
    read = "print(open('rows.csv').read(), end='')"
    assert run(places, "train", read, *options) == "A title\n\na,y\nmg,\n1,yes\nSource: x\n"
    assert run(places, "predict", read, *options) == "A title\n\na,y\nmg,\n2,yes\nSource: x\n"
    test = read.replace("rows.csv", "d/test.csv")
    assert run(places, "predict", test, *options) == "A\na,y\n2,yes\n"


def test_questions_lie_where_the_rows_for_tests_were_too(places):
    table(places, training="a,y\n1,yes\n", asked="a\n2\n")
    options = ("--data", "train.csv=rows.csv", "--data", "test.csv=rows.csv", "--target", "y")
    read = "print(open('train.csv').read() + open('test.csv').read(), end='')"
    assert run(places, "train", read, *options) == "a,y\n1,yes\n" * 2
    assert run(places, "predict", read, *options) == "a,y\n2,yes\n" * 2


def test_arrays_of_a_packed_file_lie_together(places):
    training = {"images": np.ones((3, 2)), "labels": np.array(["b", "a", "b"])}
    for name, array in training.items():
        np.save(places / "data" / f"{name}.npy", array)
    np.save(places / "inputs" / "images.npy", np.zeros((2, 2)))
    np.save(places / "inputs" / "ids.npy", np.array([4, 5]))
    (places / "inputs" / "about.json").write_text(json.dumps({"array": "images.npy"}))
    np.savez(places / "workspace" / "d.npz", test=np.array([7]))
    options = ("--data", "d.npz[images]=images.npy", "--data", "d.npz[labels]=labels.npy",
               "--target", "labels.npy")  # fmt: skip
    read = (
        "import numpy as np; d = np.load('d.npz'); "
        "print(d['images'].sum(), *d['labels'], *d['test'])"
    )
    assert run(places, "train", read, *options) == "6.0 b a b 7\n"
    assert run(places, "predict", read, *options) == "0.0 b b 7\n"


def test_an_array_of_objects_stays_in_its_packed_file(places):
    for name in ("x", "y"):
        np.save(places / "data" / f"{name}.npy", np.arange(2))
    np.savez(places / "workspace" / "d.npz", names=np.array(["a", None], dtype=object))
    options = ("--data", "d.npz[x]=x.npy", "--data", "d.npz[y]=y.npy", "--target", "y.npy")
    read = (
        "import numpy as np; d = np.load('d.npz', allow_pickle=True); "
        "print(*d['x'], *d['y'], *d['names'])"
    )
    assert run(places, "train", read, *options) == "0 1 0 1 a None\n"


@pytest.mark.parametrize("name", ["x-idx3-ubyte", "x-idx3-ubyte.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_array_lies_as_an_idx_file_where_the_project_reads_one(places, name, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    np.save(places / "data" / f"{name}.npy", array)
    for folder in ("mine", "test"):
        run(places, "train", "", "--data", f"{folder}/{name}={name}.npy")
        found = _array(project.PROJECT / folder, name)
        assert (found.dtype, found.tolist()) == (array.dtype, array.tolist())


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0", b"\x93NUMPY", b"\0\0\x08\1\0\0\0\3ab", b"\0\0\x08\1\0\0\0\1ab"],
)
def test_what_is_no_whole_idx_file_is_refused(tmp_path, content):
    (tmp_path / "x-ubyte").write_bytes(content)
    with pytest.raises(BadRawDataError, match="x-ubyte is no plain array"):
        _array(tmp_path, "x-ubyte")


def test_files_of_a_folder_keep_their_order_and_all_classes_are_there(places):
    for name in ("dog/1.png", "cat/2.png"):
        (places / "data" / "images" / name).parent.mkdir(parents=True)
        (places / "data" / "images" / name).write_text(name)
    (places / "inputs" / "files").mkdir()
    for place in range(3):
        (places / "inputs" / "files" / f"{place:06d}.png").write_text(str(place))
    about = {"files": True, "classes": ["dog", "cat"]}
    (places / "inputs" / "about.json").write_text(json.dumps(about))
    options = ("--data", "images=images", "--data", "tests=images")
    read = (
        "from pathlib import Path; print(*(f'{one.parent.name}:{one.read_text()}' "
        "for one in sorted(Path('tests').glob('*/*'))), len(list(Path('images').iterdir())))"
    )
    assert run(places, "train", read, *options) == "cat:cat/2.png dog:dog/1.png 2\n"
    assert run(places, "predict", read, *options) == "cat:0 cat:1 cat:2 2\n"


def test_a_command_that_fails_leaves_nothing(places):
    table(places, training="a,y\n1,yes\n", asked="a\n2\n")
    command = ["--", sys.executable, "-c", "open('out', 'w').write('x'); raise SystemExit(3)"]
    options = ["--data", "rows.csv=rows.csv", "--target", "y"]
    assert project.main(["train", *options, *command]) == 3
    assert list((places / "artifacts").iterdir()) == []
