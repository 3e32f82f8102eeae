"""How a project is run, which of its files that reaches, and which number it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.adopt import command, metric
from runner.adopt.needs import modules, needs
from runner.adopt.project import Project
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
    ],
)  # fmt: skip
def test_the_likeliest_metric_comes_first(output, pattern, minimize):
    found = metric.candidates(output.encode())[0]
    assert (found.pattern, found.minimize) == (pattern, minimize)


@pytest.mark.parametrize("output", [b"", b"done\n", b"\xff\xfe\x00", b"=" * 100_000])
def test_no_metric_where_there_is_none(output):
    assert metric.candidates(output) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [("val_loss: {}", "val_loss"), ("3-NN Acc %: {}", "nn_acc"), ("Δ: {}", "score")],
)
def test_a_metric_gets_a_name_that_a_policy_can_have(text, name):
    assert metric.slug(text) == name


def test_an_import_that_the_code_guards_is_not_needed():
    source = "import torch\ntry:\n    import wandb\nexcept ImportError:\n    wandb = None\n"
    found = modules(project({"t.py": source, "tests/test_t.py": "import pytest\n"}))
    assert found == {"torch": "t.py:1"}


def test_what_the_code_itself_needs_is_named_with_its_place():
    source = "import pickle\nimport subprocess\n\nx = 1\nexec('x = 2')\n"
    found = needs(project({"t.py": source}).files, ["t.py"])
    assert found.imports["pickle"] == "t.py:1"
    assert "t.py:2 uses subprocess" in found.rules["process"]
    assert any(place.startswith("t.py:5") for place in found.rules["dynamic-code"])
