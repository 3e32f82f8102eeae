"""Projects in the styles of real ones run unmodified, or get the sentence that helps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from homes import Home, copied_project
from projects import PROJECTS, Project, data

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

RUN = ("wine_svm", "lightgbm_rent", "flowers_notebook", "evolve_no_data")
TOLD = {
    "needs_gpu": "the code wants a GPU",
    "downloads_url": "from the network",
    "asks_input": "waits for somebody to type",
    "needs_packages": "the project imports what the image",
}
BY_NAME = {project.name: project for project in PROJECTS}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Iterator[Home]:
    """A copy of the runner, as a person has it who takes projects in."""
    root = copied_project(tmp_path_factory.mktemp("project"))
    copy = Home(tmp_path_factory.mktemp("projects-home"), project=root)
    yield copy
    copy.sweep()


def adopt(copy: Home, project: Project, place, *options: str):
    """Adopt a copy of a project, with its command and its metric; the rest is found out."""
    root = place / project.name
    shutil.copytree(project.folder, root)
    data.write(project.name, root)
    way = "--minimize" if project.minimize else "--maximize"
    name = project.name.replace("_", "-")
    said = ["--name", name, "--run", project.run, "--metric", project.metric, way, *options]
    return copy.runner("adopt", str(root), *said)


@pytest.mark.parametrize("name", RUN)
def test_a_project_runs_as_its_author_has_it(copy, tmp_path, name):
    project = BY_NAME[name]
    done = adopt(copy, project, tmp_path)
    assert done.returncode == 0, done.stderr
    found = dict(line.strip().split("  ", 1) for line in done.stdout.splitlines() if "  " in line)
    assert float(found["first run"].split()[1]) == pytest.approx(
        project.score, rel=1.5
    )  # some draw no seed
    assert not [path for path in project.private if path in found["may change"]]
    for path in project.private:
        assert path in found["left at home"]
    task = copy.project / "workspace-template" / name.replace("_", "-")
    assert all(not (task / path).exists() for path in project.private)


@pytest.mark.parametrize("name", TOLD)
def test_what_cannot_run_gets_its_sentence_with_the_line(copy, tmp_path, name):
    project = BY_NAME[name]
    done = adopt(copy, project, tmp_path)
    assert done.returncode == 2, done.stdout
    sentence = done.stderr.splitlines()[0]
    assert TOLD[name] in sentence
    source = (project.folder / project.entry).read_text().splitlines()
    numbers = [
        number
        for number, line in enumerate(source, 1)
        if any(text in line for text in project.culprits)
    ]
    assert any(f"{project.entry}:{number}" in sentence for number in numbers), sentence
    assert not (copy.project / "policies" / f"{name.replace('_', '-')}.yaml").exists()
