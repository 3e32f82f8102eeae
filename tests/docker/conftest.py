"""A state folder with prepared data, and single containers, for tests that need real ones."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from homes import Home
from single import NEVER, PLENTY_SECONDS, RESOURCES, Run

from runner import engines
from runner.engines import Docker, images
from runner.engines.container import ContainerResult, Deadline, started
from runner.engines.protocol import AGENT_USER, ContainerSpec


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Iterator[Home]:
    """Data prepared from a fixed seed; runs are told apart by their tags."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.ok("prepare", "eclip", "--seed", "7")
    yield home
    home.sweep()


@pytest.fixture(scope="module")
def client() -> Iterator[Docker]:
    with closing(engines.connect()) as connected:
        yield connected


@pytest.fixture(scope="module")
def image(client) -> str:
    return images.require_image(client, "cpu")


@pytest.fixture
def labels(client) -> Iterator[dict[str, str]]:
    """Labels of this test alone; whatever happened, nothing that carries them may be left."""
    labels = {engines.HOME_LABEL: f"test-{uuid.uuid4().hex[:8]}"}
    yield labels
    left = client.leftovers(labels)
    client.sweep(labels)
    assert left == []


@pytest.fixture
def runtime() -> str | None:
    """The OCI runtime of a test's containers; a contract that every one must pass names more."""
    return None


@pytest.fixture
def spec(image, labels, runtime) -> Callable[..., ContainerSpec]:
    def made(*command: str, **more: object) -> ContainerSpec:
        given = ContainerSpec(
            name=f"runner-test-{uuid.uuid4().hex[:12]}",
            image_id=image,
            user=AGENT_USER,
            command=command,
            mounts=[],
            resources=RESOURCES,
            labels=labels,
        )
        wanted = replace(given, **more)
        return replace(wanted, resources=replace(wanted.resources, runtime=runtime))

    return made


@pytest.fixture
def run(client, spec) -> Run:
    """Run Python code in a container of its own, to its end or the deadline."""

    def ran(code: str, *, seconds: float = PLENTY_SECONDS, **more: object) -> ContainerResult:
        wanted = spec("python", "-c", code, **more)
        with started(client, wanted, seconds=PLENTY_SECONDS) as running:
            return running.finish(Deadline.after(seconds), NEVER)

    return ran
