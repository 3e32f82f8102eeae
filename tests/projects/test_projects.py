"""The projects are what they say, so that a test of adopting one tests adopting."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from projects import HERE, PROJECTS, Project, data
from runner.trial.reported import matches

DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "PyYAML"}

each = pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
honest = pytest.mark.parametrize(
    "project", [p for p in PROJECTS if p.outcome == "runs"], ids=lambda project: project.name
)
troublesome = pytest.mark.parametrize(
    "project", [p for p in PROJECTS if p.outcome != "runs"], ids=lambda project: project.name
)


def sources(project: Project) -> dict[str, str]:
    """The Python of a project by path; a notebook's cells, without magics, are one file."""
    found = {
        str(path.relative_to(project.folder)): path.read_text()
        for path in sorted(project.folder.rglob("*.py"))
    }
    for path in sorted(project.folder.glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        found[path.with_suffix(".py").name] = re.sub(r"(?m)^%.*$", "", code)
    return found


def read_text(project: Project, file: str) -> str:
    return sources(project)[file] if file.endswith(".py") else (project.folder / file).read_text()


def reported(project: Project) -> float | None:
    """The number of the recorded run, read as the metric says."""
    if project.json_key is None:
        found = matches(project.metric, project.recorded)
        return found[-1] if found else None
    value = json.loads((HERE / "recorded" / f"{project.name}.json").read_text())
    for key in project.json_key[1].split("."):
        value = value[key]
    assert isinstance(value, float)
    return value


def test_what_a_person_writes_to_seal_it_fits(tmp_path):
    for project in (one for one in PROJECTS if one.sealing and one.sealing.predict):
        folder = tmp_path / project.name
        for path, text in sources(project).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        assert 0 < project.write_by_hand(folder) <= 25
        for path in folder.rglob("*.py"):
            ast.parse(path.read_text())


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_each_folder_is_one_case():
    folders = {path.name for path in HERE.iterdir() if path.is_dir()}
    assert folders - {"recorded", "sealed", "__pycache__"} == {project.name for project in PROJECTS}
    assert len(PROJECTS) == len({project.name for project in PROJECTS})
    assert data.WRITERS.keys() == {project.name for project in PROJECTS if project.data}


@each
def test_data_are_the_same_bytes_each_time_and_lie_where_the_project_looks(project, tmp_path):
    for copy in ("one", "two"):
        (tmp_path / copy).mkdir()
        data.write(project.name, tmp_path / copy)
    written = digests(tmp_path / "one")
    assert written == digests(tmp_path / "two")
    assert bool(written) == bool(project.data)
    assert sum((tmp_path / "one" / name).stat().st_size for name in written) < 2_000_000
    for name in written:
        assert any(name == path or name.startswith(f"{path}/") for path in project.data), name
        assert not (project.folder / name).exists(), "data belong to no project's own files"


@each
def test_sources_compile_and_the_files_that_a_case_names_are_there(project):
    for file, text in sources(project).items():
        compile(text, file, "exec")
    assert (project.folder / project.entry).is_file()
    for name in project.private:
        assert (project.folder / name).is_file()
    for pattern in project.change:
        names = [Path(file) for file in sources(project)]
        assert list(project.folder.glob(pattern)) or any(name.match(pattern) for name in names)


@each
def test_what_a_project_needs_is_what_its_code_imports(project):
    own = {path.stem for path in project.folder.iterdir()}
    needed = set()
    for file, text in sources(project).items():
        if not file.startswith("tests/"):
            needed |= {name.split(".")[0] for name in unguarded_imports(ast.parse(text))}
    third_party = needed - own - set(sys.stdlib_module_names)
    assert {DISTRIBUTIONS.get(name, name) for name in third_party} == set(project.needs)


def unguarded_imports(tree: ast.AST) -> Iterator[str]:
    """Yield the modules that are imported outside of `try`, relative ones left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
        elif not isinstance(node, ast.Try):
            yield from unguarded_imports(node)


@honest
def test_the_recorded_output_holds_the_number_that_the_metric_says(project):
    assert project.score is not None
    assert math.isfinite(project.score)
    assert reported(project) == project.score


@honest
def test_there_is_an_edit_that_clearly_improves(project):
    better = project.better
    assert read_text(project, better.file).count(better.old) == 1
    assert any(Path(better.file).match(pattern) for pattern in project.change)
    assert better.score < project.score if project.minimize else better.score > project.score


@each
def test_only_a_seed_as_an_argument_is_in_the_command(project):
    assert ("{seed}" in project.run) == (project.seeds == "argument")


@troublesome
def test_a_project_that_cannot_be_adopted_shows_why(project):
    assert project.score is None
    entry = (project.folder / project.entry).read_text()
    for culprit in project.culprits:
        assert sum(culprit in line for line in entry.splitlines()) == 1
    assert SHOWN[project.name] in project.recorded.decode()
    if project.outcome != "endless output":
        assert not any(map(math.isfinite, matches(project.metric, project.recorded)))


SHOWN = {
    "needs_gpu": "not compiled with CUDA",
    "downloads_url": "urlopen error",
    "downloads_dataset": "No module named 'torchvision'",
    "downloads_sklearn": "urlopen error",
    "asks_input": "EOFError",
    "never_ends": "step 00000001 loss",
    "prints_nan": "final val loss: nan",
    "prints_nothing": "saved weights.npy",
    "needs_packages": "No module named 'timm'",
}


@pytest.mark.slow
def test_nothing_inside_a_project_is_collected(pytestconfig, tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/projects"],
        cwd=pytestconfig.rootpath, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = {line.split("::")[0] for line in found.stdout.splitlines() if "::" in line}
    assert files == {"tests/projects/test_projects.py"}
