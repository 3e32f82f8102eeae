"""How a project is run, which of its files that reaches, and which number it prints."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runner.adopt import command, metric
from runner.adopt.first import refused, trouble
from runner.adopt.needs import modules, needs, packages
from runner.adopt.project import Project
from runner.commands import adopt as asking
from runner.errors import ConfigError
from runner.records import File, TrialResult, TrialStatus

MAIN = 'if __name__ == "__main__":\n    print(1)\n'


def project(files: dict[str, str]) -> Project:
    made = {path: File(content=text.encode()) for path, text in files.items()}
    return Project(root=Path("/nowhere"), files=made, data=(), left_out=())


@pytest.mark.parametrize(
    ("files", "line"),
    [
        pytest.param({"fit.py": MAIN}, "python fit.py", id="the only script"),
        pytest.param({"model.py": "x = 1\n", "fit.py": MAIN}, "python fit.py", id="that does it"),
        pytest.param({"a.py": MAIN, "train.py": MAIN}, "python train.py", id="train before others"),
        pytest.param(
            {"train.py": MAIN, "README.md": "Run `python train.py --epochs 3` now"},
            "python train.py --epochs 3",
            id="as the page says",
        ),
        pytest.param(
            {"src/train.py": MAIN, "README.md": "    $ python -m src.train --config a.yaml\n"},
            "python -m src.train --config a.yaml",
            id="as a module",
        ),
        pytest.param({"tests/test_a.py": MAIN, "go.py": MAIN}, "python go.py", id="no test"),
        pytest.param(
            {"make.py": MAIN, "aa.py": MAIN, "README.md": "```\n$ python make.py -i a.txt\n```"},
            "python make.py -i a.txt",
            id="whatever it is called",
        ),
        pytest.param(
            {"fit.py": MAIN, "aa.py": MAIN, "Makefile": "go:\n\t$(PYTHON) fit.py --epochs 3\n"},
            "python fit.py --epochs 3",
            id="as make runs it",
        ),
        pytest.param(
            {
                "t.py": MAIN,
                "README.md": "python t.py --data <DIR>\n\npython t.py --a 1 \\\n  --b 2\n",
            },
            "python t.py --a 1 --b 2",
            id="over two lines, and nothing to complete",
        ),
    ],
)
def test_the_likeliest_command_comes_first(files, line):
    assert command.candidates(project(files))[0] == line


@pytest.mark.parametrize(
    ("line", "files", "found"),
    [
        pytest.param("python t.py", {"t.py": "import m", "m.py": "", "n.py": ""}, "t.py m.py",
                     id="what it imports"),
        pytest.param("python -m a.t", {"a/t.py": "from . import m\nfrom .b import c",
                                       "a/m.py": "", "a/b/c.py": ""}, "a/t.py a/m.py a/b/c.py",
                     id="relative imports"),
        pytest.param("cd py && python t.py", {"py/t.py": "import m", "py/m.py": ""},
                     "py/t.py py/m.py", id="from a folder"),
        pytest.param("python t.py --config c/a.yaml", {"t.py": "", "c/a.yaml": "", "c/b.yaml": ""},
                     "t.py c/a.yaml", id="configuration that is named"),
        pytest.param("python t.py --config=c.json", {"t.py": "", "c.json": ""}, "t.py c.json",
                     id="behind an equals sign"),
        pytest.param("./run.sh 3", {"run.sh": 'cd "$(dirname "$0")"\npython t.py', "t.py": ""},
                     "t.py", id="through a shell script"),
        pytest.param("python t.py", {"t.py": "from a import b", "a/m.py": "",
                                     "a/__init__.py": "from a.m import b"},
                     "t.py a/__init__.py a/m.py",
                     id="what a package passes on"),
        pytest.param("python t.py", {"t.py": "open('p.yaml'), open('rows.json'), open('conf.json')",
                                     "p.yaml": "", "rows.json": "", "conf.json": ""},
                     "t.py p.yaml conf.json", id="settings that the code reads"),
        pytest.param("python -m a.t", {"src/a/t.py": "from a.m import f", "src/a/m.py": ""},
                     "src/a/t.py src/a/m.py", id="a package below src"),
        pytest.param("make fit", {"t.py": "", "Makefile": "fit:\n\tpython t.py\n"}, "t.py",
                     id="through make"),
        pytest.param("python t.py", {"t.py": "import m", "m.py": "import t"}, "t.py m.py",
                     id="in circles"),
    ],
)  # fmt: skip
def test_what_an_agent_may_change_is_what_the_command_reaches(line, files, found):
    assert command.reached(line, project(files)) == tuple(found.split())


@pytest.mark.parametrize(
    ("output", "pattern", "minimize"),
    [
        pytest.param("epoch 1 train_loss: 3 val_loss: 4\n", "val_loss: {}", True, id="held out"),
        pytest.param("step 10: train loss 4.1, val loss 4.2\n", "val loss {}", True, id="words"),
        pytest.param("acc: 0.5\nacc: 0.6\nAUC = 0.7\n", "AUC = {}", False, id="the last printed"),
        pytest.param("Test accuracy: 93.1%\nelapsed: 3 s\n", "Test accuracy: {}", False,
                     id="a name that is known"),
        pytest.param("The RMSE of prediction is: 0.7\n", "The RMSE of prediction is: {}", True,
                     id="in a sentence"),
        pytest.param("Loss: 0.3\nAccuracy of the net on the 10000 test images: 97 %\n",
                     "Accuracy of the net on the 10000 test images: {}", False,
                     id="a number in its name"),
        pytest.param("lr: 1\nacc: tensor(0.91)\n", "acc: tensor( {}", False, id="a tensor"),
        pytest.param('{"epoch": 3, "val_loss": 0.3}\n', 'val_loss": {}', True, id="a line of JSON"),
        pytest.param("{'eval_f1': np.float64(0.9)}\n", "eval_f1': np.float64( {}", False,
                     id="a dictionary"),
        pytest.param("│ test_acc │ 0.93 │\n", "test_acc │ {}", False, id="a table of boxes"),
        pytest.param("valAcc=0.9 lr=1\n", "valAcc= {}", False, id="in camel case"),
        pytest.param("[4]\ttest-mlogloss:0.41\n", "test-mlogloss: {}", True, id="by its ending"),
        pytest.param("5-fold RMSE 3.2 ± 0.1\n", "RMSE {}", True, id="behind a dash"),
        pytest.param("neg_log_loss: -0.4\n", "neg_log_loss: {}", False, id="a negated loss"),
        pytest.param("Brier score: 0.2\n", "Brier score: {}", True, id="a score that is a loss"),
        pytest.param("(150, 4)\n0.95\n", "{}", None, id="alone in the last line"),
    ],
)  # fmt: skip
def test_the_likeliest_metric_comes_first(output, pattern, minimize):
    found = metric.candidates(output.encode())[0]
    assert (found.pattern, found.minimize) == (pattern, minimize)


@pytest.mark.parametrize(
    "line", [b"a ", b"loss 1 ", b"loss: 1,000", b"\xff", b"acc -> ", b"acc: tensor(1) b "]
)
def test_a_long_line_is_looked_through_in_time(line):
    begun = time.monotonic()
    metric.candidates(line * (40_000 // len(line)))
    assert time.monotonic() - begun < 5  # adopt looks at the last 256 kB


def test_with_yes_a_guess_is_refused():
    with pytest.raises(ConfigError, match="minimize; maximize"):
        asking._first("Which way?", ["minimize", "maximize"], hint="--minimize", likely=False)


@pytest.mark.parametrize("output", [b"", b"done\n", b"\xff\xfe\x00", b"=" * 100_000])
def test_no_metric_where_there_is_none(output):
    assert metric.candidates(output) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("val_loss: {}", "val_loss"),
        ("R2 = np.float64( {}", "r2"),
        ("3-NN Acc %: {}", "nn_acc"),
        ("Δ: {}", "score"),
    ],
)
def test_a_metric_gets_a_name_that_a_policy_can_have(text, name):
    assert metric.slug(text) == name


@pytest.mark.parametrize(
    ("line", "files", "runs"),
    [
        pytest.param("python -m a.t", {"pyproject.toml": "", "src/a/__init__.py": "",
                                       "src/a/t.py": ""},
                     "export PYTHONPATH=$PWD/src && python -m a.t", id="below src"),
        pytest.param("python x/t.py", {"setup.py": "", "x/t.py": "", "a/__init__.py": ""},
                     "export PYTHONPATH=$PWD && python x/t.py", id="beside a script's folder"),
        pytest.param("python t.py", {"setup.py": "", "t.py": ""}, "python t.py", id="at the root"),
        pytest.param("python x/t.py", {"x/t.py": ""}, "python x/t.py", id="no package"),
    ],
)  # fmt: skip
def test_a_package_runs_as_if_it_were_installed_in_place(line, files, runs):
    assert command.installed(line, project(files)) == runs


def test_what_the_command_writes_is_left_of_an_earlier_run():
    source = "plt.savefig('out/p.png')\nopen('log.txt', 'a')\nx = open('rows.txt')\n"
    files = {"t.py": source, "out/p.png": "", "log.txt": "", "rows.txt": "", "other.py":
             "open('rows.txt', 'w')"}  # fmt: skip
    assert command.outputs(["t.py"], project(files)) == {"out/p.png", "log.txt"}


def test_packages_are_those_of_the_project_s_requirements_or_well_known_or_none_at_all():
    files = {
        "requirements.txt": "-e .\ntorch==1.0\nopencv-python>=4  # images\n\nscikit_image\n",
        "pyproject.toml": '[project]\ndependencies = ["click"]\n',
    }
    found = project(files)
    assert packages(found, ["cv2", "skimage", "click"]) == (
        "opencv-python>=4", "scikit_image", "click")  # fmt: skip
    assert packages(found, ["cv2", "nowhere"]) == packages(found, []) == ()
    assert packages(project({}), ["tensorboard", "cv2"]) == (
        "tensorboard", "opencv-python-headless")  # fmt: skip


def ended(output: str) -> TrialResult:
    return TrialResult(
        status=TrialStatus.CRASHED, reason="train: E: x", logs={"train": output.encode()}
    )


@pytest.mark.parametrize(
    ("output", "says", "hint"),
    [
        pytest.param('  File "<frozen os>", line 679, in __getitem__\nKeyError: \'ROWS\'',
                     "environment variable ROWS", "--run 'ROWS=... python", id="a variable"),
        pytest.param("sh: 1: make: not found", "no program make", "--run", id="a program"),
        pytest.param("ImportError: libGL.so.1: cannot open", "a display", "headless", id="OpenCV"),
        pytest.param("raise E(f'{p} not found.')\nFileNotFoundError: a.npy not found.",
                     "reads a.npy", "--data a.npy=PATH", id="a file, not the line that says so"),
        pytest.param("No such file or directory: '/beside/rows.csv'", "reads /beside/rows.csv",
                     "it is beside the project: --data ../beside", id="data beside the project"),
        pytest.param("gaierror: Temporary failure in name resolution\nFailed to resolve 'a.org'",
                     "wants a.org from the network", "--data", id="an address"),
        pytest.param("ImportError: Missing optional dependency 'openpyxl'.  Use pip or conda",
                     "no module openpyxl", "--pip", id="what a package needs for a format"),
        pytest.param("ImportError: Unable to find a usable engine; tried using: 'pyarrow', 'f'.",
                     "no module pyarrow", "--pip", id="what Parquet needs"),
        pytest.param("Traceback\nE: x", "the command failed: E: x", "is that how it is run?",
                     id="nothing known"),
    ],
)  # fmt: skip
def test_a_failure_gets_its_sentence(tmp_path, output, says, hint):
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "rows.csv").touch()
    (tmp_path / "mine").mkdir()
    found = trouble(ended(output), 60, tmp_path / "mine", {})
    assert says in str(found)
    assert hint in (found.hint or "")


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("x = 1\nwhile True:\n    x += 1\n", "a.py:2: this loop has no end, and the command"),
        ("while 1:\n    if input():\n        break\n", "the command"),
        ("while x < 3:\n    x += 1\n", "the command"),
        ("while True print(", "the command"),
        ("def cycle(x):\n    while True:\n        yield from x\n", "the command"),
        ("while True:\n    if input():\n        sys.exit()\n", "the command"),
    ],
)
def test_what_was_still_running_names_the_loop_that_has_no_end(tmp_path, source, where):
    late = TrialResult(status=TrialStatus.TIMEOUT, reason="train: killed", logs={"train": b"x"})
    found = trouble(late, 60, tmp_path, {"a.py": File(content=source.encode())})
    assert str(found) == f"{where} was still running after 60 s"
    assert "--minutes" in (found.hint or "")


def test_output_without_an_end_names_its_loop_too(tmp_path):
    flood = TrialResult(
        status=TrialStatus.CRASHED, reason="train: x", limit="output", logs={"train": b"x"}
    )
    source = File(content=b"while True:\n    print(1)\n")
    said = str(trouble(flood, 60, tmp_path, {"a.py": source}))
    assert said == "a.py:1: this loop has no end, and the command printed more than 64 MB"


def test_frozen_files_that_a_command_cannot_write_are_named():
    output = "PermissionError: [Errno 13] Permission denied: '/workspace/out/a.json'\n" \
        "OSError: [Errno 16] Device or resource busy: 'tmp' -> 'm.pt'\n"  # fmt: skip
    assert refused(ended(output), ["out/a.json", "m.pt", "train.py"]) == {"out/a.json", "m.pt"}


IMPORTS = """import torch
try:
    import wandb
except ImportError:
    wandb = None
if torch.x:
    import apex
def export():
    import onnx
if __name__ == "__main__":
    import tqdm
"""


def test_needed_is_what_runs_and_neither_guards_nor_decides():
    other = {"tests/test_t.py": "import pytest", "plot.py": "import cv2\n"}
    found = project({"t.py": IMPORTS, **other})
    assert modules(found, ["t.py"], at_once=True) == {"torch": "t.py:1", "tqdm": "t.py:11"}
    assert modules(found, ["t.py"]).keys() == {"torch", "apex", "onnx", "tqdm"}
    assert modules(found, []).keys() == {"torch", "apex", "onnx", "tqdm", "cv2"}


def test_a_source_with_a_mark_at_its_beginning_is_reviewed_and_another_encoding_refused():
    assert needs({"t.py": File(content=b"\xef\xbb\xbfimport numpy\n")}, ["t.py"]).imports == {
        "numpy": "t.py:1"
    }
    for content in (b"# coding: latin-1\n", b"x = '\xfc'\n", b"print 'loss'\n"):
        with pytest.raises(ConfigError, match=r"t\.py.* cannot be reviewed") as caught:
            needs({"t.py": File(content=content)}, ["t.py"])
        assert "Python 3 in UTF-8" in (caught.value.hint or "")


def test_what_the_code_itself_needs_is_named_with_its_place():
    source = "import pickle\nimport subprocess\n\nx = 1\nexec('x = 2')\n"
    found = needs(project({"t.py": source}).files, ["t.py"])
    assert found.imports["pickle"] == "t.py:1"
    assert "t.py:2 uses subprocess" in found.rules["process"]
    assert any(place.startswith("t.py:5") for place in found.rules["dynamic-code"])
