"""The images that containers start from, built on this machine from what the project pins.

An image's tag is a digest of its recipe, so a changed recipe is another image and the old one
stays usable by whoever recorded its id.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import docker
from filelock import FileLock

from runner.engines.bases import find, ready_base
from runner.engines.builds import Build, Say, build
from runner.engines.docker import Docker, our_fault
from runner.engines.packages import added, is_stale, lock
from runner.engines.wheels import digest, wheelhouse
from runner.errors import ConfigError, SandboxError
from runner.paths import PROJECT
from runner.records import Image

FOLDER = PROJECT / "images"
REPOSITORY = "autoresearch-runner"
LABEL = "runner.image"
ORIGIN_LABEL = "runner.base"
STAGE_LABEL = "runner.stage"
DOCKERFILE = "trial.Dockerfile"
SCORER = "scorer"
"""The image of every scorer, and of what prepares data, whatever image a policy names."""
LOCKS: Mapping[str, tuple[str, ...]] = {
    SCORER: ("scorer.lock",),
    "cpu": ("cpu.lock", "cpu-torch.lock"),
    "tabular": ("tabular.lock",),
    "cuda": ("cuda.lock",),
}
"""Image → the locks that it is made of; one Dockerfile makes them all."""
PACKAGES_DOCKERFILE = "packages.Dockerfile"
WEIGHTS = "weights"
WEIGHTS_DOCKERFILE = "weights.Dockerfile"
WITH_WEIGHTS = frozenset({"cpu", "cuda"})
"""The images whose packages can read a person's weights; without any, they are as they were."""
MACHINES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}


def image_tag(image: Image | str) -> str:
    """Return the full name of an image as this version of the project builds it here.

    Raises:
        ConfigError: there is none of this name, or the lock of its packages is not theirs.
    """
    wanted = _wanted(image)
    own = added(wanted, locks(wanted.base))
    return _tag(wanted.base, *_steps(wanted.base, own))


def _wanted(image: Image | str) -> Image:
    return Image(base=image) if isinstance(image, str) else image


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A Dockerfile that puts something on an image."""

    what: str
    dockerfile: Path
    files: Mapping[str, Path]
    lock: Path | None = None
    """Whose wheels it installs."""


def _steps(base: str, own: Path | None) -> tuple[_Step, ...]:
    """Return what is put on an image of the project, each on the one before."""
    steps = []
    if files := weights(base):
        what, recipe = f"{len(files)} files of {FOLDER / WEIGHTS}", FOLDER / WEIGHTS_DOCKERFILE
        steps.append(_Step(what=what, dockerfile=recipe, files=files))
    if own:
        what, files = f"the packages of {own}", {"wheels/own.lock": own}
        recipe = FOLDER / PACKAGES_DOCKERFILE
        steps.append(_Step(what=what, dockerfile=recipe, files=files, lock=own))
    return tuple(steps)


def _tag(base: str, *steps: _Step) -> str:
    """Return the name of an image; without steps, of the one as the project has it."""
    recipe = {path.name: path for path in (dockerfile(), *locks(base))}
    for step in steps:
        recipe |= {step.dockerfile.name: step.dockerfile, **step.files}
    return f"{REPOSITORY}/{base}:{digest(recipe)[:12]}"


def image_id(engine: Docker, image: Image | str) -> str | None:
    """Return the id of a built image, or None where it is missing or out of date."""
    return find(engine.client, image_tag(image))


def require_image(engine: Docker, image: Image | str) -> str:
    """Return the id of a built image; raise `SandboxError` where it is missing."""
    if (found := image_id(engine, image)) is None:
        wanted = _wanted(image)
        own, how = " with packages of its own", "runner setup --task TASK"
        if not wanted.packages:
            own, how = "", f"runner setup --image {wanted.base}"
        raise SandboxError(f"the image {wanted.base}{own} is missing", hint=f"run: {how}")
    return found


def ensure_image(
    engine: Docker,
    image: Image | str,
    *,
    wheelhouse_root: Path,
    say: Say,
    base_image: str | None = None,
) -> str:
    """Return the id of an image, building it first where it is missing.

    Packages of its own are locked first, where their lock is missing or was made for others.

    Raises:
        ConfigError: such packages cannot be had, or do not fit the image that they are put on.
        SandboxError: the engine, pip or the network failed.
    """
    wanted = _wanted(image)
    stale = bool(wanted.packages) and is_stale(wanted, locks(wanted.base))
    if not stale and (found := image_id(engine, wanted)):
        return found
    wheelhouse_root.mkdir(parents=True, exist_ok=True)
    with FileLock(wheelhouse_root / "images.lock"):
        if stale:
            machine = _machine(engine.client)
            wheels = wheelhouse(locks(wanted.base), root=wheelhouse_root, machine=machine, say=say)
            lock(wanted, locks(wanted.base), wheels=wheels, machine=machine, say=say)
        if found := image_id(engine, wanted):
            return found  # somebody else built it while we waited
        built = find(engine.client, _tag(wanted.base))
        built = built or _built(engine.client, wanted.base, wheelhouse_root, say, base_image)
        steps = _steps(wanted.base, added(wanted, locks(wanted.base)))
        for last, step in enumerate(steps, 1):
            tag = _tag(wanted.base, *steps[:last])
            found = find(engine.client, tag)
            built = found or _put_on(engine.client, built, step, tag, wheelhouse_root, say)
        return built


def _put_on(
    client: docker.DockerClient, base: str, step: _Step, tag: str, root: Path, say: Say
) -> str:
    say(f"building the image {tag} with {step.what}")
    locked = [step.lock] if step.lock else []
    machine = _machine(client)
    wanted = Build(
        dockerfile=step.dockerfile,
        base=base,
        network="none",
        files=step.files,
        wheels=wheelhouse(locked, root=root, machine=machine, say=say) if locked else None,
        scratch=root,
        tag=tag,
    )
    return _build(client, wanted, say)


def _built(
    client: docker.DockerClient, name: str, root: Path, say: Say, base_image: str | None
) -> str:
    """Build an image without anything put on it."""
    began, tag = time.monotonic(), _tag(name)
    say(f"building the image {tag}")
    wheels = wheelhouse(locks(name), root=root, machine=_machine(client), say=say)
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
    built = _build(client, wanted, say)
    say(f"built the image {tag} in {time.monotonic() - began:.0f} s")
    return built


def _build(client: docker.DockerClient, wanted: Build, say: Say) -> str:
    try:
        return build(client, wanted, say)
    finally:
        with our_fault("removing what the build left"):
            client.images.prune(filters={"dangling": True, "label": [STAGE_LABEL]})


def _machine(client: docker.DockerClient) -> str:
    with our_fault("asking the engine for its architecture"):
        architecture = str(client.api.version()["Arch"])
    if architecture not in MACHINES:
        raise SandboxError(
            f"the engine runs on {architecture}", hint=f"supported: {', '.join(MACHINES)}"
        )
    return MACHINES[architecture]


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
