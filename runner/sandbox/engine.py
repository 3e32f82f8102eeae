"""The connection to the container engine, and the sweep for what an earlier supervisor left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import docker
import requests
from docker.errors import DockerException, NotFound

from runner.errors import SandboxError

RUN_LABEL = "runner.run"
TRIAL_LABEL = "runner.trial"
HOME_LABEL = "runner.home"

CALL_SECONDS = 60
"""How long one call to the engine may take before it is our fault."""


def connect() -> docker.DockerClient:
    """Return a client of the reachable engine; raise `SandboxError` saying what to do."""
    with our_fault("reaching the container engine", hint="run: make setup, then: runner doctor"):
        client = docker.from_env(timeout=CALL_SECONDS)
        client.ping()
    return client


@contextmanager
def our_fault(doing: str, *, hint: str = "run: runner doctor") -> Iterator[None]:
    """Turn every failure of the engine or the way to it into one `SandboxError`."""
    try:
        yield
    except (DockerException, requests.RequestException, OSError) as error:
        raise SandboxError(f"{doing}: {_brief(error)}", hint=hint) from error


def _brief(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    return str(explanation or error).strip().splitlines()[0] if str(error).strip() else repr(error)


def labelled(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"label": [f"{key}={value}" for key, value in labels.items()]}


def leftovers(client: docker.DockerClient, labels: Mapping[str, str]) -> list[str]:
    """Name the containers and volumes that carry these labels."""
    with our_fault("listing what earlier trials left"):
        containers = client.api.containers(all=True, filters=labelled(labels))
        volumes = client.api.volumes(filters=labelled(labels))["Volumes"] or []
    return [
        *(f"container {found['Names'][0].lstrip('/')}" for found in containers),
        *(f"volume {found['Name']}" for found in volumes),
    ]


def tags(client: docker.DockerClient, home_id: str) -> set[str]:
    """Name the runs, and the checks of tasks, that have a container or a volume."""
    filters = labelled({HOME_LABEL: home_id})
    with our_fault("listing what earlier trials left"):
        found = client.api.containers(all=True, filters=filters)
        found += client.api.volumes(filters=filters)["Volumes"] or []
    labels = [each["Labels"] or {} for each in found]
    return {str(each[RUN_LABEL]) for each in labels if RUN_LABEL in each}


def sweep(client: docker.DockerClient, labels: Mapping[str, str]) -> None:
    """Remove every container and volume that carries these labels."""
    with our_fault("removing what earlier trials left"):
        for found in client.api.containers(all=True, filters=labelled(labels)):
            _ignore_missing(client.api.remove_container, found["Id"], force=True, v=True)
        for found in client.api.volumes(filters=labelled(labels))["Volumes"] or []:
            _ignore_missing(client.api.remove_volume, found["Name"], force=True)


def remove_container(client: docker.DockerClient, name: str) -> None:
    """Remove a container, if there is one of this name."""
    with our_fault(f"removing {name}"):
        _ignore_missing(client.api.remove_container, name, force=True, v=True)


def _ignore_missing(remove: Any, *args: Any, **kwargs: Any) -> None:
    with suppress(NotFound):
        remove(*args, **kwargs)
