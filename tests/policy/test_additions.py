"""A new file takes nobody's place: no frozen file's, no module's, none that a command names."""

from __future__ import annotations

import re

import pytest

from runner.engines.images import LOCKS, locks
from runner.patterns import FilePatterns
from runner.policy.additions import (
    INSTALLED,
    Around,
    command_lines,
    imported_as,
    named_by,
    taken_place,
)

PATTERNS = FilePatterns(
    mutable=("train.py", "**/*.py", "cfg/*"),
    frozen=("src/metrics.py", "lib/**", "data/loader.py"),
    may_add=True,
    notes=("scratchpad.md",),
)
TREE = (
    *("train.py", "run.sh", "src/metrics.py", "src/model.py", "lib/deep/scores.py"),
    *("data/loader.py", "data/rows.csv", "scratchpad.md", "LICENSE"),
)
COMMANDS = (
    'exec python -u -P "$(dirname "$0")/train.py" "$@"',
    "PYTHONPATH=/workspace /usr/bin/env python -m tools.report --config cfg/base.yaml",
    "python /workspace/checks/smoke.py 100 && pytest checks2",
)

AROUND = Around(commands=COMMANDS, packages=("tiktoken", "scikit-image"))


def taken(path: str) -> str | None:
    return taken_place(path, [each for each in TREE if each != path], PATTERNS, AROUND)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("src/blocks.py", None, id="a module of its own"),
        pytest.param("src/parts/blocks.py", None, id="in a folder of its own"),
        pytest.param("src/parts/__init__.py", None, id="a package of its own"),
        pytest.param("src/model/__init__.py", None, id="in place of a mutable file"),
        pytest.param("cfg/rows.csv", None, id="no module at all"),
        pytest.param("env.py", None, id="a program of the machine that a command names"),
        pytest.param("src/metrics/__init__.py", "src/metrics.py", id="a package for a module"),
        pytest.param("metrics.py", "src/metrics.py", id="found before it, from another folder"),
        pytest.param("lib/deep.py", "lib/deep/scores.py", id="a module for a folder"),
        pytest.param("lib/deep/__init__.py", "lib/deep/scores.py", id="a folder made a package"),
        pytest.param("deep/scores.py", "lib/deep/scores.py", id="a package's module elsewhere"),
        pytest.param("src/data.py", "data/loader.py", id="a module for a package elsewhere"),
        pytest.param("Metrics.py", "src/metrics.py", id="in another case"),
        pytest.param("json.py", "the module json", id="a module of Python"),
        pytest.param("src/random/__init__.py", "the module random", id="a package of that name"),
        pytest.param("src/torch.py", "the module torch", id="a package of the image"),
        pytest.param("PIL.py", "the module pil", id="imported by another name"),
        pytest.param("src/skimage.py", "the module skimage", id="a package of the policy's own"),
        pytest.param("tiktoken/__init__.py", "the module tiktoken", id="another"),
        pytest.param("kit.py", "the module kit", id="the kit"),
        pytest.param("checks/smoke.py", "checks/smoke.py", id="a path that a command names"),
        pytest.param("a/checks/smoke.py", "checks/smoke.py", id="from another folder"),
        pytest.param("tools/report.py", "tools/report.py", id="a module that a command names"),
        pytest.param("tools/__init__.py", "tools/report.py", id="its package"),
        pytest.param("src/checks2/__main__.py", "checks2", id="a folder that a command names"),
        pytest.param("cfg/base.yaml", "cfg/base.yaml", id="configuration that a command names"),
        pytest.param("__main__.py", "the whole workspace", id="the workspace itself"),
        pytest.param("src/Model.py", "src/model.py", id="a twin of a mutable file"),
        pytest.param("SRC/blocks.py", "src", id="a twin of a folder"),
        pytest.param("data", "the folder data", id="a file for a folder"),
        pytest.param("LICENSE/a.py", "LICENSE", id="a folder for a file"),
    ],
)
def test_a_new_file_takes_nobody_s_place(path, said):
    found = taken(path)
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert said in found


def test_only_frozen_scripts_are_read_for_what_they_name_and_no_comments():
    files = {"run.sh": b"# python a.py\npython b.py\n", "src/x.sh": b"python c.py\n"}
    patterns = FilePatterns(mutable=("src/**",))
    assert command_lines(files, patterns) == ("python b.py", "")
    assert named_by(("python b.py", "")) == {"python", "b.py"}


@pytest.mark.parametrize(
    ("line", "names"),
    [
        pytest.param("python -m a.b.c", {"python", "a/b/c.py"}, id="a module"),
        pytest.param("python -ma.b", {"python", "a/b.py"}, id="in one word"),
        pytest.param('python -c "import a.b"', {"python", "import", "a/b.py"}, id="an import"),
        pytest.param(
            "$HERE/x.sh ${A}/y.sh ./z.sh", {"HERE/x.sh", "A", "y.sh", "z.sh"}, id="folders"
        ),
        pytest.param("/bin/sh --steps=100 -n 3 2>&1", set(), id="programs, numbers, options"),
        pytest.param("sh ../../etc/x", {"sh", "etc/x"}, id="steps up"),
    ],
)
def test_what_a_command_names(line, names):
    assert named_by([line]) == names


@pytest.mark.parametrize("image", LOCKS)
def test_every_package_of_an_image_is_known_by_what_it_is_imported_as(image):
    text = "\n".join(lock.read_text() for lock in locks(image))
    packages = set(re.findall(r"^([A-Za-z0-9._-]+)==", text, flags=re.MULTILINE))
    assert packages
    shared = {each for each in packages if each.startswith(("nvidia-", "cuda-"))}
    names = {name for each in packages - shared for name in imported_as(each)}
    assert names <= INSTALLED
    assert not shared or {"nvidia", "cuda"} <= INSTALLED
