"""What `*` and `**` match, and which files of a workspace are mutable."""

from __future__ import annotations

import glob
import time
from dataclasses import replace

import pytest

from runner.patterns import FilePatterns, is_read_by_itself, matches

TREE = (
    *("train.py", "README.md", "src/a.py", "src/b/c.py", "src/b/d/e.py", "src/b/d/data.csv"),
    *("lib/src/a.py", ".hidden.py", "src/.hidden/x.py", "src/b/.x.py", "tests/test_a.py"),
)


@pytest.mark.parametrize(
    ("pattern", "path", "does"),
    [
        pytest.param("train.py", "train.py", True, id="a plain path is itself"),
        pytest.param("train.py", "src/train.py", False, id="and not the same name elsewhere"),
        pytest.param("train.py", "Train.py", False, id="in the same case"),
        pytest.param("*.py", "TRAIN.PY", False, id="a wildcard does not fold case either"),
        pytest.param("*.py", "train.py", True, id="any name"),
        pytest.param("*.py", "src/train.py", False, id="a star does not cross a slash"),
        pytest.param("*.py", ".py", False, id="a star does not match a hidden name"),
        pytest.param("a*c*e.py", "abcde.py", True, id="several stars in a name"),
        pytest.param("a*.py", "a.py", True, id="a star may be nothing"),
        pytest.param("src/*/x.py", "src/a/x.py", True, id="a star for one folder"),
        pytest.param("src/*/x.py", "src/x.py", False, id="and not for none"),
        pytest.param("src/*/x.py", "src/a/b/x.py", False, id="nor for two"),
        pytest.param("src/**/*.py", "src/a.py", True, id="two stars for no folder"),
        pytest.param("src/**/*.py", "src/a/b/c.py", True, id="for several"),
        pytest.param("src/**/*.py", "src/a/b/c.txt", False, id="and the rest still counts"),
        pytest.param("src/**/*.py", "src/.a/b.py", False, id="not for a hidden folder"),
        pytest.param("**/x.py", "x.py", True, id="two stars first, for none"),
        pytest.param("src/**", "src/a/b.csv", True, id="two stars last: everything below"),
        pytest.param("src/**", "src", False, id="and not the folder's own name"),
        pytest.param("**", "a/b/c", True, id="two stars alone: everything"),
        pytest.param("**/b/**/d.py", "a/b/b/c/d.py", True, id="two of them"),
        pytest.param("*", "train.py/", False, id="a slash at the end is another path"),
        pytest.param("*", "", False, id="nothing matches nothing"),
        pytest.param("a/*", "a/", False, id="nor a folder"),
    ],
)
def test_what_a_pattern_matches(pattern, path, does):
    assert matches(path, pattern) is does


@pytest.mark.parametrize(
    "pattern",
    [
        *("*", "*.py", "*/*.py", "**", "**/*.py", "src/**", "src/**/*.py", "**/b/*", "**/a.py"),
        *("src/*", "src/b/**/e.py", "**/d/**", "l*/**/a.py", "train.py", "src/b/d/data.csv"),
    ],
)
def test_it_is_what_python_s_glob_finds(tmp_path, pattern):
    for path in TREE:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = {path for path in glob.glob(pattern, root_dir=tmp_path, recursive=True) if path in TREE}  # noqa: PTH207 - glob is what it is compared with
    assert {path for path in TREE if matches(path, pattern)} == found
    assert found, "a pattern that matches nothing shows nothing"


def test_a_path_that_an_agent_chose_cannot_make_matching_slow():
    began = time.monotonic()
    assert not matches("/".join("a" * 90), "/".join(("**", "a") * 12 + ("b",)))
    assert not matches("a" * 190, "*a" * 40 + "b")
    assert time.monotonic() - began < 20


MANY = FilePatterns(
    mutable=("train.py", "src/**/*.py", "*.md"),
    frozen=("src/scoring/**", "src/split.py"),
    may_add=True,
    notes=("notes.md",),
)


@pytest.mark.parametrize(
    ("path", "is_mutable"),
    [
        pytest.param("train.py", True, id="named in full"),
        pytest.param("src/a/b.py", True, id="matched"),
        pytest.param("src/split.py", False, id="frozen wins"),
        pytest.param("src/scoring/auc.py", False, id="frozen wins by a pattern"),
        pytest.param("notes.md", False, id="a note is a note"),
        pytest.param("program.md", False, id="the task's program"),
        pytest.param("LOG.md", False, id="the supervisor's log"),
        pytest.param("README.md", True, id="its neighbour"),
        pytest.param("src/conftest.py", False, id="what pytest reads by itself"),
        pytest.param("src/Conftest.PY", False, id="in any case"),
        pytest.param("src/a b.py", False, id="a name with a space"),
        pytest.param("src/a\n.py", False, id="a name with a line feed"),
        pytest.param("src/ä.py", False, id="a name outside ASCII"),
    ],
)
def test_which_files_are_mutable(path, is_mutable):
    assert MANY.names(path) is is_mutable
    assert MANY.may_write(path, {path}) is (is_mutable or path == "notes.md")


@pytest.mark.parametrize("path", ["train.py", "src/a.py"])
def test_what_may_come_and_go(path):
    still = FilePatterns(mutable=MANY.mutable)
    listed = path == "train.py"
    assert MANY.may_add_file(path)
    assert still.may_add_file(path) is listed, "a path that the policy names in full may be made"
    assert MANY.may_remove(path) is not listed
    assert not still.may_remove(path)


def test_files_come_in_the_policy_s_order_and_then_by_name():
    tree = ("src/z.py", "README.md", "src/a.py", "train.py", "run.sh", "src/split.py")
    assert MANY.among(tree) == ("train.py", "src/a.py", "src/z.py", "README.md")
    assert MANY.among(()) == ()


def test_what_a_template_lacks():
    assert MANY.absent(("train.py", "notes.md")) == (), "new files may come later"
    assert MANY.absent(("src/a.py",)) == ("train.py", "notes.md")
    still = FilePatterns(mutable=("train.py", "src/*.py"), frozen=("src/a.py",))
    assert still.absent(("train.py", "src/a.py")) == ("src/*.py",)


def test_a_frozen_path_that_freezes_nothing_is_said():
    tree = ("train.py", "src/metrics.py", "src/core/loss.py")
    frozen = ("src/metrics.py", "src/metrcs.py", "src/core", "data", "data/**", "lib/**")
    patterns = FilePatterns(mutable=("train.py", "src/**/*.py"), frozen=frozen)
    folder = "src/core (a folder: write src/core/**)"
    assert patterns.absent(tree) == ("src/metrcs.py", folder)
    may_add = replace(patterns, may_add=True)
    assert may_add.absent(tree) == (folder,), "no new file may have the other's name"


@pytest.mark.parametrize(
    "path",
    [
        *("conftest.py", "a/conftest.py", "pyproject.toml", "Makefile", "setup.cfg", "x.pth"),
        *("a/b.so", "__pycache__/a.cpython-311.pyc", "a.dist-info/entry_points.txt", "*.pth"),
    ],
)
def test_what_is_read_without_being_asked(path):
    assert is_read_by_itself(path)
    assert not is_read_by_itself(f"{path}x".replace("/", "-"))
