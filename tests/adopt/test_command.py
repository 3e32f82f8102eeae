"""How a project is run, which of its files that reaches, and which number it prints."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runner.adopt import command, metric
from runner.adopt.needs import modules, needs
from runner.adopt.project import Project
from runner.commands import adopt as asking
from runner.errors import ConfigError
from runner.records import File

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
    [("val_loss: {}", "val_loss"), ("3-NN Acc %: {}", "nn_acc"), ("Δ: {}", "score")],
)
def test_a_metric_gets_a_name_that_a_policy_can_have(text, name):
    assert metric.slug(text) == name


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


def test_what_the_code_itself_needs_is_named_with_its_place():
    source = "import pickle\nimport subprocess\n\nx = 1\nexec('x = 2')\n"
    found = needs(project({"t.py": source}).files, ["t.py"])
    assert found.imports["pickle"] == "t.py:1"
    assert "t.py:2 uses subprocess" in found.rules["process"]
    assert any(place.startswith("t.py:5") for place in found.rules["dynamic-code"])
