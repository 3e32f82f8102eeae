"""The image `cpu` as it is built, and what builds leave on the engine."""

from __future__ import annotations

import io
import json
import re
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.engines import Docker, connect, images
from runner.engines.bases import bootstrapped, flattened, ready_base
from runner.engines.container import Deadline, started
from runner.engines.protocol import AGENT_USER, SCORER_USER, ContainerSpec
from runner.errors import SandboxError
from runner.records import Resources

pytestmark = pytest.mark.docker

MIB = 1024**2
RESOURCES = Resources(
    cpus=2,
    memory_bytes=2048 * MIB,
    pids=256,
    shm_bytes=64 * MIB,
    artifacts_bytes=256 * MIB,
    outputs_bytes=64 * MIB,
    output_log_bytes=MIB,
    gpus=0,
)
Shell = Callable[..., str]


@pytest.fixture(scope="module")
def client() -> Iterator[Docker]:
    found = connect()
    yield found
    found.close()


@pytest.fixture(scope="module")
def cpu(client: Docker) -> str:
    found = images.image_id(client, "cpu")
    assert found, "the image cpu is missing: make setup"
    return found


@pytest.fixture
def shell(client: Docker, cpu: str) -> Shell:
    """Run a command in a container with a trial's own options; return its output."""

    def run(*command: str, user: str = AGENT_USER) -> str:
        spec = ContainerSpec(
            name=f"runner-test-{uuid.uuid4().hex[:12]}",
            image_id=cpu,
            user=user,
            command=command,
            mounts=(),
            resources=RESOURCES,
            labels={},
        )
        with started(client, spec, seconds=300) as running:
            result = running.finish(Deadline.after(300), threading.Event())
        output = result.output.decode()
        assert result.exit_code == 0, output
        return output

    return run


def test_the_only_setting_is_the_path(client: Docker, cpu: str) -> None:
    config = client.client.images.get(cpu).attrs["Config"]
    assert [line.partition("=")[0] for line in config["Env"]] == ["PATH"]
    assert config["Env"][0].startswith("PATH=/opt/venv/bin:")
    assert not config["Volumes"]
    assert not config["Entrypoint"]


def test_the_labels_say_what_it_is_and_where_it_came_from(client: Docker, cpu: str) -> None:
    labels = client.client.images.get(cpu).labels
    assert labels["runner.image"] == "cpu"
    assert labels["runner.base"]


def test_agent_and_scorer_are_different_users_with_names(shell: Shell) -> None:
    say = 'id -un; id -u; id -g; echo ~; test "$HOME" = /tmp'
    assert shell("sh", "-c", say).split() == ["agent", "10001", "10001", "/tmp"]
    assert shell("sh", "-c", say, user=SCORER_USER).split() == ["scorer", "10002", "10002", "/tmp"]


def test_a_volume_copies_its_owner_and_mode_from_the_image(shell: Shell) -> None:
    found = shell("stat", "-c", "%n %U %a", "/sealed", "/public")
    assert found.splitlines() == ["/sealed scorer 700", "/public scorer 755"]


def test_every_mount_point_is_there_and_empty(shell: Shell) -> None:
    points = "/workspace /kit /data /artifacts /outputs /inputs /harness /held /wire"
    assert shell("sh", "-c", f"find {points}").split() == points.split()


def test_no_program_gives_another_users_rights(shell: Shell) -> None:
    assert (
        shell("find", "/usr", "/opt", "/etc", "-xdev", "-type", "f", "-perm", "/6000", user="0:0")
        == ""
    )


def test_nothing_of_the_machine_that_built_it_is_left(shell: Shell) -> None:
    look = (
        "find /etc/apt/sources.list* /etc/pip.conf /root/.config /wheels; grep -ril proxy /etc/apt"
    )
    assert shell("sh", "-c", f"({look}) 2>/dev/null || true", user="0:0") == ""


def test_packages_have_the_locked_versions(shell: Shell) -> None:
    locked = dict(
        match.groups()
        for path in images.locks("cpu")
        for match in re.finditer(r"^([a-z0-9-]+)==(\S+)", path.read_text(), re.MULTILINE)
    )
    script = (
        "import json; from importlib.metadata import distributions as found;"
        "print(json.dumps({one.name.lower().replace('_', '-'): one.version for one in found()}))"
    )
    assert json.loads(shell("python", "-c", script)) == locked


def test_torch_compile_works_with_a_read_only_root(shell: Shell) -> None:
    script = (
        "import torch;"
        "compiled = torch.compile(lambda x: (x.sin() * 2 + x.exp()).sum());"
        "x = torch.randn(1000);"
        "assert torch.allclose(compiled(x), (x.sin() * 2 + x.exp()).sum(), rtol=1e-4);"
        "print('compiled')"
    )
    assert "compiled" in shell("python", "-c", script)


def test_tests_that_use_numpy_still_can(shell: Shell) -> None:
    """Folders named `tests` are left out of the image; nothing public may need them."""
    script = "import numpy.testing, torch.testing, torch.utils.data, PIL.Image; print('fine')"
    assert "fine" in shell("python", "-c", script)


def test_a_built_image_is_not_built_again(client: Docker, cpu: str, tmp_path: Path) -> None:
    said: list[str] = []
    found = images.ensure_image(client, "cpu", wheelhouse_root=tmp_path, say=said.append)
    assert (found, said, list(tmp_path.iterdir())) == (cpu, [], [])


def test_a_missing_image_has_no_id(
    client: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (images.dockerfile(), *images.locks("cpu")):
        (tmp_path / path.name).write_text(path.read_text() + "# changed\n")
    monkeypatch.setattr(images, "FOLDER", tmp_path)
    assert images.image_id(client, "cpu") is None


def test_a_base_keeps_its_files_and_loses_its_settings(client: Docker) -> None:
    source = imported(client, "ENV TOKEN=1", "USER 7", "VOLUME /data", "LABEL a=b")
    flat = flattened(client.client, source, "autoresearch-runner/test:flat")
    try:
        config = client.client.images.get(flat).attrs["Config"]
        left = [config.get(key) for key in ("Env", "User", "Volumes", "Labels")]
        assert not any(left), left
        assert "etc/greeting" in files_of(client, flat)
    finally:
        client.client.images.remove("autoresearch-runner/test:flat")
        client.client.images.remove(source, force=True)


def test_a_chosen_base_out_of_reach_is_refused_at_once(client: Docker) -> None:
    started = time.monotonic()
    with pytest.raises(SandboxError, match=r"pulling 127\.0\.0\.1:9/none:1"):
        ready_base(
            client.client,
            images.dockerfile(),
            tag="unused",
            chosen="127.0.0.1:9/none:1",
            say=[].append,
        )
    assert time.monotonic() - started < 40


def test_a_base_that_broke_off_leaves_no_image(
    client: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = tmp_path / "part.tar"
    content.write_bytes(archive())
    fake = tmp_path / "mmdebstrap"
    fake.write_text(f"#!/bin/sh\ncat {content}\necho 'E: mirror gone' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    before = {one.id for one in client.client.images.list(all=True)}
    with pytest.raises(SandboxError, match="mirror gone"):
        bootstrapped(client.client, images.FOLDER / "base.sh", "unused")
    assert {one.id for one in client.client.images.list(all=True)} <= before


def imported(client: Docker, *changes: str) -> str:
    answer = client.api.import_image_from_data(archive(), changes=list(changes))
    return str(json.loads(answer.splitlines()[-1])["status"])


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        # A time of its own, so that no two imports are the same image.
        entry = tarfile.TarInfo("etc/greeting")
        entry.mtime = time.time()
        tar.addfile(entry)
    return buffer.getvalue()


def files_of(client: Docker, image: str) -> list[str]:
    container = client.client.containers.create(image, ["true"])
    try:
        with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
            return tar.getnames()
    finally:
        container.remove(force=True, v=True)
