"""Docker, and what speaks its API, as an engine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import docker
import requests
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.errors import APIError, DockerException, NotFound
from docker.utils.socket import STDERR, frames_iter

from runner.engines.options import container_config, differences, volume_options
from runner.engines.protocol import ContainerSpec, Exit, Usage, Volume
from runner.errors import SandboxError

ANSWER_SECONDS = 20
"""How long an engine may take to say that it is there."""
CALL_SECONDS = 60
"""How long one call to the engine may take before it is our fault."""
SHIMS = {"io.containerd.runc.v2", "io.containerd.runtime.v1.linux"}
"""What the engine lists beside the runtimes that it has."""


class NamedEngineError(SandboxError):
    """A person named an engine that does not answer, so that another one is of no use."""


def connect() -> Docker:
    """Return the reachable engine; raise `SandboxError` saying what to do."""
    named, hint = named_engine()
    doing = f"reaching the container engine{f' that {named} names' if named else ''}"
    try:
        with our_fault(doing, hint=hint):
            client = docker.from_env(timeout=ANSWER_SECONDS)
            client.ping()
    except ValueError as error:  # an address that is none
        raise NamedEngineError(f"{doing}: {error}", hint=hint) from error
    except SandboxError as error:
        raise (NamedEngineError(str(error), hint=hint) if named else error) from error
    client.api.timeout = CALL_SECONDS
    return Docker(client)


def named_engine(environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return what names the engine, nothing where it is the usual one, and what to type then."""
    if host := environment.get("DOCKER_HOST"):
        return f"DOCKER_HOST={host}", "start that engine, or: unset DOCKER_HOST"
    variable = environment.get("DOCKER_CONTEXT")
    with our_fault("reading docker's context", hint="type: docker context use default"):
        context = ContextAPI.get_context(variable)
    name = variable or (context.Name if context else get_current_context_name())
    if name == ContextAPI.DEFAULT_CONTEXT.Name:
        return "", "run: make setup, then: runner doctor"
    undo = "unset DOCKER_CONTEXT" if variable else "docker context use default"
    if context is None:
        raise NamedEngineError(f"there is no docker context {name}", hint=f"type: {undo}")
    where = f"the docker context {name} ({context.Host})"
    return where, f"start that engine, or: {undo}"


@contextmanager
def our_fault(doing: str, *, hint: str = "run: runner doctor") -> Iterator[None]:
    """Turn every failure of the engine or the way to it into one `SandboxError`."""
    try:
        yield
    except (DockerException, requests.RequestException, OSError) as error:
        raise SandboxError(f"{doing}: {_brief(error)}", hint=hint) from error


def _brief(error: Exception) -> str:
    if isinstance(error, requests.Timeout) or isinstance(error.__cause__, requests.Timeout):
        return "it does not answer; it may hang"
    explanation = getattr(error, "explanation", None)
    return str(explanation or error).strip().splitlines()[0] if str(error).strip() else repr(error)


class DockerConnection:
    """The socket that the SDK attaches to a container."""

    def __init__(self, file: Any) -> None:
        self._file, self._socket = file, file._sock

    def frames(self) -> Iterator[tuple[bool, bytes]]:
        # The engine closing the connection under us is the normal end.
        with suppress(OSError, ValueError):
            for channel, chunk in frames_iter(self._file, tty=False):  # type: ignore[no-untyped-call]
                yield channel == STDERR, chunk

    def send(self, data: bytes) -> None:
        with our_fault("sending to a container"):
            self._socket.sendall(data)

    def shut(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(2)

    def close(self) -> None:
        # Closing the file that the SDK hands out leaves the socket under it open.
        for each in (self._file, self._socket):
            with suppress(OSError):
                each.close()


class Docker:
    """An `Engine` behind the SDK's client."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client, self.api = client, client.api

    def close(self) -> None:
        self.client.close()

    def ping(self) -> None:
        with our_fault("reaching the container engine"):
            self.api.ping()

    def runtimes(self) -> tuple[str, ...]:
        with our_fault("asking the engine for its runtimes"):
            return known_runtimes(self.client.info())

    # -- volumes --------------------------------------------------------------------------

    def create_volume(self, volume: Volume) -> None:
        with our_fault(f"creating the volume {volume.name}"):
            self.api.create_volume(
                volume.name, "local", volume_options(volume), dict(volume.labels)
            )

    def remove_volume(self, name: str) -> None:
        with our_fault(f"removing the volume {name}"), suppress(NotFound):
            self.api.remove_volume(name, force=True)

    # -- containers -----------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> str:
        asked = container_config(spec)
        hint = "run: make setup" if not spec.image_id else "run: runner doctor"
        with our_fault(f"creating {spec.name}", hint=hint):
            # The SDK's types leave this call out.
            made = self.api.create_container_from_config(asked, name=spec.name)  # type: ignore[no-untyped-call]
            identity = str(made["Id"])
        try:
            with our_fault(f"looking at {spec.name}"):
                wrong = differences(asked, self.api.inspect_container(identity))
            if wrong:
                raise SandboxError(
                    f"the engine made {spec.name} other than asked: {'; '.join(wrong)}",
                    hint="this engine cannot hold the sandbox; see docs/threat-model.md",
                )
        except SandboxError:
            self.remove(identity)
            raise
        return identity

    def attach(self, identity: str) -> DockerConnection:
        channels = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with our_fault("attaching to a container"):
            return DockerConnection(self.api.attach_socket(identity, params=channels))

    def start(self, identity: str) -> None:
        with our_fault("starting a container"):
            self.api.start(identity)

    def ended(self, identity: str) -> Exit | None:
        with our_fault("looking at a container"):
            state = self.api.inspect_container(identity)["State"]
        if state["Status"] not in ("exited", "dead"):
            return None
        return Exit(code=int(state["ExitCode"]), oom_killed=bool(state["OOMKilled"]))

    def kill(self, identity: str) -> None:
        with our_fault("killing a container"), suppress(APIError):  # it may have ended by itself
            self.api.kill(identity, "KILL")

    def usage(self, identity: str) -> Usage | None:
        with our_fault("asking for a container's figures"):
            stats = self.api.stats(identity, stream=False, one_shot=True)
        memory = stats.get("memory_stats", {})
        if not memory.get("usage"):
            return None
        resident = memory["usage"] - memory.get("stats", {}).get("inactive_file", 0)
        return Usage(
            # Only cgroup v1 keeps the peak itself; elsewhere it is the largest sample.
            peak_memory_bytes=memory.get("max_usage") or resident,
            cpu_seconds=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
            most_processes=stats.get("pids_stats", {}).get("current", 0),
        )

    def archive(self, identity: str, path: str) -> Iterator[bytes]:
        with our_fault(f"reading {path} of a container"):
            stream, _ = self.api.get_archive(identity, path)
            yield from stream

    def remove(self, identity: str) -> None:
        with our_fault(f"removing {identity}"), suppress(NotFound):
            self.api.remove_container(identity, force=True, v=True)

    # -- what carries labels ----------------------------------------------------------------

    def _carrying(self, labels: Mapping[str, str]) -> tuple[list[Any], list[Any]]:
        """Return the containers, running or not, and the volumes."""
        filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
        with our_fault("listing what earlier trials left"):
            containers = self.api.containers(all=True, filters=filters)
            return containers, self.api.volumes(filters=filters)["Volumes"] or []

    def leftovers(self, labels: Mapping[str, str]) -> list[str]:
        containers, volumes = self._carrying(labels)
        return [
            *(f"container {found['Names'][0].lstrip('/')}" for found in containers),
            *(f"volume {found['Name']}" for found in volumes),
        ]

    def values(self, label: str, labels: Mapping[str, str]) -> set[str]:
        containers, volumes = self._carrying(labels)
        carried = [found["Labels"] or {} for found in [*containers, *volumes]]
        return {str(each[label]) for each in carried if label in each}

    def sweep(self, labels: Mapping[str, str]) -> None:
        containers, volumes = self._carrying(labels)
        for found in containers:
            self.remove(found["Id"])
        for found in volumes:
            self.remove_volume(found["Name"])


def known_runtimes(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the runtimes in what an engine says of itself."""
    return tuple(sorted(set(info.get("Runtimes") or {}) - SHIMS))
