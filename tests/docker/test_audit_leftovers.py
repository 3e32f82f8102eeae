"""What a killed supervisor left on a real engine shows in `runner audit`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import docker
import pytest
from click.testing import CliRunner, Result
from docker.errors import NotFound
from fakes import TAG, FakeSandbox, ScriptedAgent, make_session, scored

from runner import paths
from runner.cli import cli
from runner.engines import HOME_LABEL, RUN_LABEL, TRIAL_LABEL, connect, images
from runner.scheduler import run_loop

pytestmark = pytest.mark.docker


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    with closing(connect()) as found:
        yield found


@pytest.fixture
def state(tmp_path: Path) -> paths.State:
    sandbox = FakeSandbox(lambda _: scored(100.0))
    with make_session(tmp_path, sandbox) as session:
        run_loop(session, ScriptedAgent([]), experiments=0)
        return session.state


def labels(state: paths.State, tag: str = TAG) -> dict[str, str]:
    return {HOME_LABEL: state.id, RUN_LABEL: tag, TRIAL_LABEL: "0-decision-train-1"}


def audit(state: paths.State) -> Result:
    return CliRunner().invoke(cli, ["audit", TAG], env={"RUNNER_HOME": str(state.root)})


def test_a_volume_that_is_left_is_found(client: docker.DockerClient, state: paths.State) -> None:
    name = f"runner-test-{uuid.uuid4().hex[:8]}"
    client.api.create_volume(name, "local", {}, labels(state))
    try:
        result = audit(state)
    finally:
        client.api.remove_volume(name, force=True)
    assert result.exit_code == 1
    assert result.output.startswith(f"leftover  volume {name}  -  ")
    assert audit(state).exit_code == 0


def test_a_container_that_is_left_is_found(client: docker.DockerClient, state: paths.State) -> None:
    image = images.image_id(client, "cpu")
    assert image, "the image cpu is missing: make setup"
    name = f"runner-test-{uuid.uuid4().hex[:8]}"
    try:
        client.api.create_container(image, ["true"], name=name, labels=labels(state))
        result = audit(state)
    finally:
        with suppress(NotFound):
            client.api.remove_container(name, force=True)
    assert result.exit_code == 1
    assert result.output.startswith(f"leftover  container {name}  -  ")
    assert audit(state).exit_code == 0


def test_what_belongs_to_others_is_none_of_its_business(
    client: docker.DockerClient, state: paths.State
) -> None:
    name = f"runner-test-{uuid.uuid4().hex[:8]}"
    client.api.create_volume(name, "local", {}, labels(state, tag="another"))
    try:
        result = audit(state)
    finally:
        client.api.remove_volume(name, force=True)
    assert result.exit_code == 0, result.output
    assert "not checked" not in result.output
