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
from runner.engines.wheels import digest, wheelhouse
from runner.errors import ConfigError, SandboxError
from runner.paths import PROJECT

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
    files = weights(name)
    dockerfiles = {WEIGHTS_DOCKERFILE: FOLDER / WEIGHTS_DOCKERFILE} if files else {}
    return _tag(name, {**dockerfiles, **files})


def _tag(name: str, more: Mapping[str, Path]) -> str:
    """Return the name of an image; without more files, that of the one without weights."""
    recipe = {path.name: path for path in (dockerfile(), *locks(name))}
    return f"{REPOSITORY}/{name}:{digest({**recipe, **more})[:12]}"


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
        if found := image_id(engine, name):
            return found  # somebody else built it while we waited
        plain = find(engine.client, _tag(name, {}))
        plain = plain or _built(engine.client, name, wheelhouse_root, say, base_image)
        if not (files := weights(name)):
            return plain
        say(f"building the image {image_tag(name)} with {len(files)} files of {FOLDER / WEIGHTS}")
        wanted = Build(
            dockerfile=FOLDER / WEIGHTS_DOCKERFILE,
            base=plain,
            network="none",
            files=files,
            scratch=wheelhouse_root,
            tag=image_tag(name),
        )
        return build(engine.client, wanted, say)


def _built(
    client: docker.DockerClient, name: str, root: Path, say: Say, base_image: str | None
) -> str:
    """Build an image without weights."""
    began, tag = time.monotonic(), _tag(name, {})
    say(f"building the image {tag}")
    with our_fault("asking the engine for its architecture"):
        architecture = str(client.api.version()["Arch"])
    if architecture not in MACHINES:
        raise SandboxError(
            f"the engine runs on {architecture}", hint=f"supported: {', '.join(MACHINES)}"
        )
    wheels = wheelhouse(locks(name), root=root, machine=MACHINES[architecture], say=say)
    base, origin = ready_base(client, dockerfile(), tag=tag, chosen=base_image, say=say)
    wanted = Build(
        dockerfile=dockerfile(),
        base=base,
        network="none",
        files={f"wheels/{lock.name}": lock for lock in locks(name)},
        wheels=wheels,
        scratch=root,
        tag=tag,
        labels={LABEL: name, ORIGIN_LABEL: origin},
    )
    try:
        built = build(client, wanted, say)
    finally:
        with our_fault("removing what the build left"):
            client.images.prune(filters={"dangling": True, "label": [STAGE_LABEL]})
    say(f"built the image {tag} in {time.monotonic() - began:.0f} s")
    return built


def dockerfile() -> Path:
    return FOLDER / DOCKERFILE


def locks(name: str) -> tuple[Path, ...]:
    if name not in LOCKS:
        raise ConfigError(f"there is no image {name!r}", hint=f"images: {', '.join(LOCKS)}")
    return tuple(FOLDER / lock for lock in LOCKS[name])


def weights(name: str) -> Mapping[str, Path]:
    """Return a person's pretrained weights, as far as this image takes them, by their places in it.

    A page about them and hidden files are none. What this does not protect against: weights that
    are malicious. They lie in the image as files, and only code in a container reads them.
    """
    found = sorted((FOLDER / WEIGHTS).rglob("*")) if name in WITH_WEIGHTS else []
    files = {path.relative_to(FOLDER).as_posix(): path for path in found if path.is_file()}
    page = f"{WEIGHTS}/README.md"
    return {name: path for name, path in files.items() if "/." not in name and name != page}
