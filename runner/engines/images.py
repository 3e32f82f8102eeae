"""The images that containers start from, built on this machine from what the project pins.

An image's tag is a digest of its recipe, so a changed recipe is another image and the old one
stays usable by whoever recorded its id.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import docker
from filelock import FileLock

from runner.engines.bases import find, ready_base
from runner.engines.builds import Build, Say, build
from runner.engines.docker import Docker, our_fault
from runner.engines.weights import weights_digest, weights_in
from runner.engines.wheels import digest, wheelhouse
from runner.errors import ConfigError, SandboxError
from runner.rooms import PROJECT

FOLDER = PROJECT / "images"
REPOSITORY = "autoresearch-runner"
LABEL = "runner.image"
ORIGIN_LABEL = "runner.base"
STAGE_LABEL = "runner.stage"
DOCKERFILE = "trial.Dockerfile"
LOCKS: Mapping[str, tuple[str, ...]] = {
    "cpu": ("cpu.lock", "cpu-torch.lock"),
    "tabular": ("tabular.lock",),
    "cuda": ("cuda.lock",),
}
"""Image → the locks that it is made of; one Dockerfile makes them all."""
WEIGHTS = "weights"
WEIGHTS_DOCKERFILE = "weights.Dockerfile"
WITH_WEIGHTS = frozenset({"cpu", "cuda"})
"""The images whose packages can read a person's weights; without any, they are as they were."""
MACHINES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}


def image_tag(name: str) -> str:
    """Return the full name of an image as this version of the project builds it here."""
    plain, files = _plain_tag(name), weights(name)
    if not files:
        return plain
    recipe = weights_digest(f"{plain} {digest([weights_dockerfile()])}", files)
    return f"{REPOSITORY}/{name}:{recipe[:12]}"


def _plain_tag(name: str) -> str:
    """Return the name of an image without weights, which one with weights is built on."""
    recipe = digest([dockerfile(), *locks(name)])
    return f"{REPOSITORY}/{name}:{recipe[:12]}"


def image_id(engine: Docker, name: str) -> str | None:
    """Return the id of a built image, or None where it is missing or out of date."""
    return find(engine.client, image_tag(name))


def require_image(engine: Docker, name: str) -> str:
    """Return the id of a built image; raise `SandboxError` where it is missing."""
    if (found := image_id(engine, name)) is None:
        raise SandboxError(f"the image {name} is missing", hint=f"run: runner setup --image {name}")
    return found


def ensure_image(
    engine: Docker,
    name: str,
    *,
    wheelhouse_root: Path,
    say: Say,
    base_image: str | None = None,
) -> str:
    """Return the id of an image, building it first where it is missing."""
    if found := image_id(engine, name):
        return found
    wheelhouse_root.mkdir(parents=True, exist_ok=True)
    with FileLock(wheelhouse_root / "images.lock"):
        # Somebody else may have built it while we waited.
        return image_id(engine, name) or _built(
            engine.client, name, wheelhouse_root, say, base_image
        )


def _built(
    client: docker.DockerClient, name: str, root: Path, say: Say, base_image: str | None
) -> str:
    plain = find(client, _plain_tag(name)) or _plainly_built(client, name, root, say, base_image)
    return _with_weights(client, name, plain, root, say) if weights(name) else plain


def _with_weights(client: docker.DockerClient, name: str, plain: str, root: Path, say: Say) -> str:
    tag, files = image_tag(name), weights(name)
    say(f"building the image {tag} with {len(files)} files of {FOLDER / WEIGHTS}")
    wanted = Build(
        dockerfile=weights_dockerfile(),
        base=plain,
        network="none",
        files={f"{WEIGHTS}/{file}": path for file, path in files.items()},
        scratch=root,
        tag=tag,
    )
    return build(client, wanted, say)


def _plainly_built(
    client: docker.DockerClient, name: str, root: Path, say: Say, base_image: str | None
) -> str:
    started, tag = time.monotonic(), _plain_tag(name)
    say(f"building the image {tag}")
    wheels = wheelhouse(locks(name), root=root, machine=_machine(client), say=say)
    base = ready_base(client, dockerfile(), tag=tag, chosen=base_image, say=say)
    wanted = Build(
        dockerfile=dockerfile(),
        base=base.image_id,
        network="none",
        wheels=wheels,
        locks=locks(name),
        scratch=root,
        tag=tag,
        labels={LABEL: name, ORIGIN_LABEL: base.origin},
    )
    try:
        built = build(client, wanted, say)
    finally:
        _remove_stages(client)
    say(f"built the image {tag} in {time.monotonic() - started:.0f} s")
    return built


def dockerfile() -> Path:
    return FOLDER / DOCKERFILE


def locks(name: str) -> tuple[Path, ...]:
    return tuple(FOLDER / lock for lock in LOCKS[_known(name)])


def weights_dockerfile() -> Path:
    return FOLDER / WEIGHTS_DOCKERFILE


def weights(name: str) -> Mapping[str, Path]:
    """Return what a person put into the folder of weights, as far as this image takes it."""
    return weights_in(FOLDER / WEIGHTS) if name in WITH_WEIGHTS else {}


def _known(name: str) -> str:
    if name not in LOCKS:
        raise ConfigError(f"there is no image {name!r}", hint=f"images: {', '.join(LOCKS)}")
    return name


def _machine(client: docker.DockerClient) -> str:
    with our_fault("asking the engine for its architecture"):
        architecture = str(client.api.version()["Arch"])
    if architecture not in MACHINES:
        raise SandboxError(
            f"the engine runs on {architecture}", hint=f"supported: {', '.join(MACHINES)}"
        )
    return MACHINES[architecture]


def _remove_stages(client: docker.DockerClient) -> None:
    with our_fault("removing what the build left"):
        client.images.prune(filters={"dangling": True, "label": [STAGE_LABEL]})
