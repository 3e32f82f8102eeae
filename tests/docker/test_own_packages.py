"""An image with a package of one's own, and the scorers' image beside it, in a real trial."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shelves import write_wheel
from single import RESOURCES
from trials import make_host, of_host, trial_spec

from runner import engines, paths
from runner.engines import images
from runner.engines.protocol import MIB, ContainerSpec, Volume
from runner.records import EXECUTABLE, Budget, File, Image, Shape, TrialStatus
from runner.trial import TrialRunner

pytestmark = pytest.mark.docker

NAME = "autoresearch_runner_pebble"
SCORER = f"""
import importlib.util, json, sys
print("ready", file=sys.stderr, flush=True)
if sys.stdin.readline() == "go\\n":
    lacks = [name for name in ("torch", "{NAME}") if importlib.util.find_spec(name) is None]
    print(json.dumps({{"status": "scored", "metrics": {{"lacks": len(lacks)}}}}))
"""
TRAIN = f"""
import matplotlib, numpy, {NAME}
assert matplotlib.get_backend().lower() == "agg", matplotlib.get_backend()
numpy.save("/outputs/answer.npy", numpy.float32({NAME}.ANSWER))
"""
ROOMY = replace(RESOURCES, memory_bytes=512 * MIB)


class Noting(engines.Docker):
    """Notes which image the engine says that each container has."""

    def create(self, spec: ContainerSpec) -> str:
        identity = super().create(spec)
        self.noted[spec.name.rpartition("-0-")[2]] = self.api.inspect_container(identity)["Image"]
        return identity


@pytest.fixture(scope="module")
def client() -> Iterator[Noting]:
    with closing(engines.connect()) as connected:
        found = Noting(connected.client)
        found.noted = {}
        yield found


@pytest.fixture(scope="module")
def own(client: Noting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ...]]:
    """The image `cpu` with a wheel of this test's; its id, and what was said meanwhile."""
    folder, said = tmp_path_factory.mktemp("own"), list[str]()
    write_wheel(folder, NAME, code="ANSWER = 42\n")
    wanted = Image(base="cpu", packages=(f"{NAME}==1.0", "numpy"), lock=folder / "mine.lock")
    # Beside the wheels that `make setup` has downloaded.
    root = folder / "wheelhouse"
    root.mkdir()
    for place in paths.state().wheelhouse.glob("*-*"):
        (root / place.name).symlink_to(place)
    with pytest.MonkeyPatch.context() as patch:
        # Beside whatever this machine's own pip is told to look at.
        patch.setenv("PIP_FIND_LINKS", f"{os.environ.get('PIP_FIND_LINKS', '')} {folder}")
        found = images.ensure_image(client, wanted, wheelhouse_root=root, say=said.append)
    yield wanted, found, said
    client.client.images.remove(images.image_tag(wanted))


def test_packages_are_a_layer_on_the_image_and_nothing_of_it_is_made_again(client, own) -> None:
    wanted, found, said = own
    plain = client.client.images.get(images.image_tag("cpu")).attrs["RootFS"]["Layers"]
    built = client.client.images.get(found)
    assert built.attrs["RootFS"]["Layers"][:-1] == plain
    assert built.labels["runner.image"] == "cpu"
    assert [line for line in said if line.startswith("resolving 2 packages")]
    again = images.ensure_image(client, wanted, wheelhouse_root=wanted.lock.parent, say=[].append)
    assert again == images.require_image(client, wanted) == found


def test_agents_have_their_image_and_the_scorer_has_its_own(client, own, tmp_path: Path) -> None:
    _, image_id, _ = own
    scorer_id = images.require_image(client, images.SCORER)
    host = make_host(tmp_path, harness={"__main__.py": File(content=SCORER.encode())})
    labels = {engines.HOME_LABEL: host.id}
    client.create_volume(Volume(name=f"runner-{host.id}-sealed-t", labels=labels))
    spec = trial_spec(
        shape=Shape.ONE_SHOT,
        image_id=image_id,
        scorer_image_id=scorer_id,
        workspace={
            "run.sh": File(
                content=b"#!/bin/sh\nexec python /workspace/train.py\n", mode=EXECUTABLE
            ),
            "train.py": File(content=TRAIN.encode()),
        },
        mutable=("train.py",),
        resources=ROOMY,
        budget=Budget(startup=20, train=20, predict=20, score=20),
    )
    try:
        result = TrialRunner(engine=client, host=host).run(of_host(host, spec))
    finally:
        client.sweep(labels)
    assert (result.status, result.reason) == (TrialStatus.SCORED, "scored")
    assert result.score.metrics == {"lacks": 2.0}
    assert client.noted == {"train": image_id, "score": scorer_id}
    assert image_id != scorer_id
