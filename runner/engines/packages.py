"""Packages of one's own on top of an image: resolved against what it holds, locked with hashes.

Resolving asks this machine's own pip for wheels alone, so nothing of a source distribution is
ever run here, and for versions that fit what the image already holds.

What this does not protect against: a package that was malicious when the lock was written.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from runner.engines.wheels import TORCH_INDEX, pip, platform_options
from runner.errors import ConfigError, RunnerError, SandboxError, last_lines
from runner.records import Image
from runner.requirements import PYTHON, applies, parse_requirements, requirement

__all__ = ["added", "lock", "parse_requirements"]

PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
MADE_FOR = "# made for: "
ABSENT = re.compile(
    r"satisfies the requirement (?P<wanted>\S+?)(?: \(from (?!versions)(?P<by>[^)]*)\))?"
    r" \(from versions: (?P<versions>[^)]*)\)"
)
CONFLICT = re.compile(r"The conflict is caused by:\n(.*?)\n\s*\n", re.DOTALL)
SHOWN_VERSIONS = 5
CPU = "+cpu"
BESIDE_TORCH = ("torchvision", "torchaudio")
"""Built for one build of torch each, and asked for at PyTorch's own index first."""
ONLY_BESIDE = ("torchaudio",)
"""Those whose build for CUDA is no use beside a torch without; of torchvision only its compiled
operators are none, and the image is built so that the rest of it can be imported."""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """Where packages are looked for, and what they must fit."""

    base: str
    held: Mapping[str, str]
    """Package → its version in the image."""
    wheels: Path
    """The image's own wheels, so that none of them is fetched again."""
    machine: str
    indexes: tuple[str, ...] = ()
    """Asked besides this machine's own."""


def pinned(*locks: Path) -> dict[str, str]:
    """Return the packages that locks name, with their versions."""
    return dict(pair for lock in locks for pair in PINNED.findall(lock.read_text()))


def added(image: Image, base_locks: Sequence[Path]) -> Path | None:
    """Return the lock of what is put on an image; `None` where it already holds all of it.

    Raises:
        ConfigError: the lock is not there, or was made for other packages or another image.
    """
    if not image.packages:
        return None
    if is_stale(image, base_locks):
        hint = "run: runner setup --task TASK, which writes it anew"
        raise ConfigError(f"{_place(image)} is not the lock of image.packages", hint=hint)
    return _place(image) if pinned(_place(image)) else None


def is_stale(image: Image, base_locks: Sequence[Path]) -> bool:
    """Say whether a lock is missing, or was made for other packages or another image."""
    place = _place(image)
    return not place.is_file() or _made_for(image, base_locks) not in place.read_text().splitlines()


def _place(image: Image) -> Path:
    if image.lock is None:
        raise ConfigError("image.packages needs a lock beside the policy's file")
    return image.lock


def _made_for(image: Image, base_locks: Sequence[Path]) -> str:
    said = [image.base, PYTHON, sorted(image.packages), sorted(pinned(*base_locks).items())]
    return MADE_FOR + hashlib.sha256(json.dumps(said).encode()).hexdigest()


def lock(
    image: Image,
    base_locks: Sequence[Path],
    *,
    wheels: Path,
    machine: str,
    say: Callable[[str], None],
) -> None:
    """Resolve the packages of an image and write its lock; `wheels` are those of its base.

    Raises:
        ConfigError: a package cannot be had, or does not fit the base; all such are named.
        SandboxError: pip failed otherwise.
    """
    place, held = _place(image), pinned(*base_locks)
    say(f"resolving {len(image.packages)} packages for {place.name}")
    wanted = [each for each in map(requirement, image.packages) if applies(each)]
    _require_fit(image, wanted, held)
    found = resolved(wanted, Resolution(base=image.base, held=held, wheels=wheels, machine=machine))
    lines = [
        f"# What a policy's image.packages add to the image {image.base}, locked for {machine}.",
        "# Written by: runner setup. Where it is missing, or for other packages, it is made anew.",
        _made_for(image, base_locks),
        *(f"{name}=={version} \\\n    --hash=sha256:{digest}" for name, version, digest in found),
    ]
    place.write_text("\n".join(lines) + "\n")


def _require_fit(image: Image, wanted: Sequence[Requirement], held: Mapping[str, str]) -> None:
    """Refuse, all at once, versions that the base has in another version."""
    wrong = [
        f"{each} does not fit {name} {held[name]}"
        for each in wanted
        if (name := canonicalize_name(each.name)) in held
        and not each.specifier.contains(held[name], prereleases=True)
    ]
    if wrong:
        raise ConfigError(
            f"the image {image.base} holds other versions: {'; '.join(wrong)}",
            hint="leave these packages out of image.packages: the image has them already",
        )


def resolved(wanted: Sequence[Requirement], where: Resolution) -> list[tuple[str, str, str]]:
    """Return name, version and sha256 of each wheel that the image does not hold, by name.

    Raises:
        ConfigError: packages cannot be had; all of them are named.
        SandboxError: pip failed otherwise.
    """
    asked, absent = [str(each) for each in wanted], list[str]()
    while True:
        report, output = _report(asked, where)
        if report is None:
            missing = ABSENT.search(output)
            if missing is None and not absent:
                raise _failure(output, where)
            left = _without(asked, missing["wanted"]) if missing else asked
            absent += [_absence(missing)] if missing else []
            if left == asked:  # what another package needs
                break
            asked = left
        elif absent:
            break
        elif more := [each for each in unmet(report) if each not in asked]:
            asked += more
        elif (foreign := _for_cuda(report, where.held)) and not where.indexes:
            where = replace(where, indexes=(TORCH_INDEX,))
        elif useless := [each for each in foreign if each in ONLY_BESIDE]:
            raise ConfigError(
                f"{', '.join(useless)}: only a build for CUDA can be had from this machine, and"
                f" the image {where.base} has torch without",
                hint="let pip reach PyTorch's own index, or leave it out of image.packages",
            )
        else:
            return sorted(set(_wheels(report, where.held)))
    raise ConfigError(
        f"no wheel for Python {PYTHON} on Linux, {where.machine}: {'; '.join(absent)}",
        hint="check these names and versions; what has no wheel cannot be used",
    )


def _failure(output: str, where: Resolution) -> RunnerError:
    if conflict := CONFLICT.search(output):
        return ConfigError(
            f"the packages do not fit the image {where.base}, or not each other:\n{conflict[1]}",
            hint="constraints are what the image holds; leave other versions to pip",
        )
    return SandboxError(
        f"resolving the packages failed:\n{last_lines(output)}",
        hint="pip must reach a package index from this machine: see `pip config list`",
    )


def _without(asked: Sequence[str], text: str) -> list[str]:
    gone = canonicalize_name(re.split(r"[^\w.-]", text)[0])
    return [each for each in asked if canonicalize_name(requirement(each).name) != gone]


def _absence(found: re.Match[str]) -> str:
    versions = [each for each in found["versions"].split(", ") if each != "none"]
    said = [found["wanted"]]
    said += [f"which {found['by']} needs"] if found["by"] else []
    said += [f"there are {', '.join(versions[-SHOWN_VERSIONS:])}"] if versions else []
    return ", ".join(said)


def _report(asked: Sequence[str], where: Resolution) -> tuple[dict[str, Any] | None, str]:
    """Let pip resolve, without installing anything; return its report, or what it printed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        held = (f"{package}=={version}\n" for package, version in where.held.items())
        (folder / "held.txt").write_text("".join(held))
        (folder / "asked.txt").write_text("".join(f"{each}\n" for each in asked))
        command = [
            # Said aloud, since why versions conflict is told on that level only.
            *(
                "install",
                "--verbose",
                "--dry-run",
                "--ignore-installed",
                f"--target={folder / 'nothing'}",
            ),
            *platform_options(where.machine),
            *(f"--find-links={where.wheels}", f"--constraint={folder / 'held.txt'}"),
            *(f"--requirement={folder / 'asked.txt'}", f"--report={folder / 'report.json'}"),
            *(f"--extra-index-url={each}" for each in where.indexes),
            # A machine that cannot reach that one waits for a minute otherwise.
            *(("--retries=1", "--timeout=10") if where.indexes else ()),
        ]
        if (output := pip(command)) is not None:
            return None, output
        report: dict[str, Any] = json.loads((folder / "report.json").read_text())
        return report, ""


def unmet(report: Mapping[str, Any]) -> list[str]:
    """Return what resolved packages need in the images' Python and pip did not ask for; pure.

    Pip reads markers as the Python that it runs on, which may be another.
    """
    named, extras = set[str](), dict[NormalizedName, set[str]]()
    needs = list[tuple[NormalizedName, Requirement]]()
    for each in report["install"]:
        name = canonicalize_name(each["metadata"]["name"])
        named.add(name)
        extras.setdefault(name, set()).update(each.get("requested_extras", ()))
        for text in each["metadata"].get("requires_dist", ()):
            needs.append((name, Requirement(text)))
    for _, need in needs:
        extras.setdefault(canonicalize_name(need.name), set()).update(need.extras)
    found = dict[str, None]()
    for name, need in needs:
        if applies(need, *extras[name]) and canonicalize_name(need.name) not in named:
            need.marker = None
            found[str(need)] = None
    return list(found)


def _for_cuda(report: Mapping[str, Any], held: Mapping[str, str]) -> list[str]:
    """Return the packages whose usual build loads CUDA, where the image's torch is without."""
    if not held.get("torch", "").endswith(CPU):
        return []
    found = {each["metadata"]["name"]: each["metadata"]["version"] for each in report["install"]}
    return [name for name in BESIDE_TORCH if name in found and not found[name].endswith(CPU)]


def _wheels(report: Mapping[str, Any], held: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for each in report["install"]:
        name, version = canonicalize_name(each["metadata"]["name"]), each["metadata"]["version"]
        if name not in held:
            yield name, version, each["download_info"]["archive_info"]["hashes"]["sha256"]
