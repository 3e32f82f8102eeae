"""A state folder with prepared data, and single containers, for tests that need real ones."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing

import docker
import pytest
from homes import Home
from single import PLENTY_SECONDS, Run

from bench.containers import finished, one
from runner.sandbox import engine, images
from runner.sandbox.container import ContainerResult
from runner.sandbox.options import ContainerSpec


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Iterator[Home]:
    """Data prepared from a fixed seed; runs are told apart by their tags."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.ok("prepare", "eclip", "--seed", "7")
    yield home
    home.sweep()


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    with closing(engine.connect()) as connected:
        yield connected


@pytest.fixture(scope="module")
def image(client) -> str:
    return images.require_image(client, "cpu")


@pytest.fixture
def labels(client) -> Iterator[dict[str, str]]:
    """Labels of this test alone; whatever happened, nothing that carries them may be left."""
    labels = {engine.HOME_LABEL: f"test-{uuid.uuid4().hex[:8]}"}
    yield labels
    left = engine.leftovers(client, labels)
    engine.sweep(client, labels)
    assert left == []


@pytest.fixture
def spec(image, labels) -> Callable[..., ContainerSpec]:
    def made(*command: str, **more: object) -> ContainerSpec:
        return one(image, *command, **{"labels": labels, **more})

    return made


@pytest.fixture
def run(client, spec) -> Run:
    """Run Python code in a container of its own, to its end or the deadline."""

    def ran(code: str, *, seconds: float = PLENTY_SECONDS, **more: object) -> ContainerResult:
        return finished(client, spec("python", "-c", code, **more), seconds)

    return ran
