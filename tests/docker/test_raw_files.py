"""Raw files reach the container that prepares, read-only, and no other data do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner import paths
from runner.data import Preparation
from runner.engines import connect, images
from runner.raw import RawData, RawFile, RawFiles
from runner.records import File

pytestmark = pytest.mark.docker

TASK = b'''"""One task, made from a raw file."""
from harness.sealing import Built
from harness.tasks import Task

def build(seed, raw):
    assert [path.name for path in raw.iterdir()] == ["a.csv"]
    try:
        (raw / "b.csv").write_bytes(b"")
    except OSError:
        return Built(public={"train/a.csv": (raw / "a.csv").read_bytes()}, sealed={"x": b"x"})

TASK = Task(build=build, deal=None)
'''


@pytest.fixture
def preparation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Preparation]:
    harness = {**paths.harness(), "tasks/rawtask/task.py": File(content=TASK)}
    monkeypatch.setattr(paths, "harness", lambda: harness)
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    (own / "a.csv").write_bytes(b"1")
    (own / "private").write_bytes(b"no")
    wanted = RawFile(name="a.csv", url=None, sha256=None, licence="mine", page="here")
    raw = RawData(
        task="rawtask",
        wanted=RawFiles(files=(wanted,)),
        downloads=tmp_path / "downloads",
        chosen=own,
    )
    client = connect()
    state = paths.State(tmp_path / "state")
    yield Preparation(
        engine=client,
        state=state,
        task="rawtask",
        image_id=images.require_image(client, images.SCORER),
        say=lambda _: None,
        raw=raw,
    )
    client.api.remove_volume(f"runner-{state.id}-sealed-rawtask", force=True)
    client.close()


def test_data_are_made_from_a_persons_file_and_again_when_it_changes(preparation: Preparation):
    own = preparation.raw.chosen / "a.csv"
    first = preparation.prepare()
    assert (first.public / "train" / "a.csv").read_bytes() == b"1"
    assert preparation.prepare() == first
    own.write_bytes(b"2")
    second = preparation.prepare()
    assert (second.public / "train" / "a.csv").read_bytes() == b"2"
    assert second.digest != first.digest
    assert [path.name for path in preparation.raw.downloads.iterdir()] == []
