"""Write a data set in two parts, public and sealed, and say later whether it is still whole.

The sealed manifest holds the generator's seed and the digest of every file of both parts.
The public manifest holds the digests of the public files and one digest of the sealed manifest,
so a record can name the sealed data without giving anything of it away.

What this does not protect against: whoever can write to the sealed volume can write a new
manifest too. Compare `sealed_digest` with the one in the journal to notice that.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.mounts import Mounts

FORMAT = 2
"""2: evaluation data lie in a folder per split, and the raw files have a digest."""
MANIFEST = "manifest.json"
PUBLIC_MODE, SEALED_MODE = 0o644, 0o600


class SealedDataDamagedError(Exception):
    """The sealed part is missing or is not what its manifest says; ours to repair."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """A generated data set: relative path → bytes, for each part."""

    public: Mapping[str, bytes]
    sealed: Mapping[str, bytes]


Entry = Mapping[str, str | int]
"""`sha256` and `bytes` of a file."""


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    task: str
    seed: int
    raw: str | None
    public: Mapping[str, Entry]
    sealed: Mapping[str, Entry]


def write(built: Built, *, task: str, seed: int, mounts: Mounts, raw: Path | None = None) -> str:
    """Write every file, then the manifests, and return the sealed digest.

    `raw` is the folder that the data were made from, if any; its digest is recorded.

    Each file appears whole or not at all. Killed half-way, the manifests are missing or still the
    old ones, so `damage` names what does not fit and the next call repairs it.
    """
    _write_part(mounts.public, built.public, mode=PUBLIC_MODE)
    _write_part(mounts.sealed, built.sealed, mode=SEALED_MODE)
    manifest = _json(
        {
            "task": task,
            "format": FORMAT,
            "seed": str(seed),  # a string: 128 bits are more than a JSON number carries safely
            "raw": None if raw is None else raw_digest(raw),
            "public": {name: _entry(content) for name, content in built.public.items()},
            "sealed": {name: _entry(content) for name, content in built.sealed.items()},
        }
    )
    _replace(mounts.sealed / MANIFEST, manifest, mode=SEALED_MODE)
    _replace(mounts.public / MANIFEST, _public_manifest(manifest), mode=PUBLIC_MODE)
    return _digest(manifest)


def recorded_seed(sealed: Path, *, task: str) -> int | None:
    """Return the seed an earlier `write` of this task left, if its manifest can be read."""
    try:
        manifest = _parse((sealed / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest.seed if manifest.task == task else None


def damage(mounts: Mounts, *, raw: Path | None = None) -> tuple[str | None, list[str]]:
    """Return the sealed digest and one `path: what is wrong` per damaged file.

    The public part is checked only where it is mounted, and the raw files where they are given.
    Without a manifest there is no digest.
    """
    try:
        content = (mounts.sealed / MANIFEST).read_bytes()
        manifest = _parse(content)
    except FileNotFoundError:
        return None, [f"{MANIFEST}: missing"]
    except (OSError, ValueError):
        return None, [f"{MANIFEST}: unreadable"]
    damaged = list(_differences(mounts.sealed, manifest.sealed))
    if mounts.public.is_dir():
        damaged += _differences(mounts.public, manifest.public)
        expected = _entry(_public_manifest(content))
        if problem := _problem(mounts.public / MANIFEST, expected):
            damaged.append(f"public/{MANIFEST}: {problem}")
    if raw is not None and raw_digest(raw) != manifest.raw:
        damaged.append("raw files: not what the data were made from")
    return _digest(content), damaged


def raw_digest(raw: Path) -> str:
    """Return one digest over the names and contents of the files below a folder."""
    found = hashlib.sha256()
    for path in sorted(raw.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                one = hashlib.file_digest(stream, "sha256").hexdigest()
            found.update(f"{one} {path.relative_to(raw).as_posix()}\n".encode())
    return found.hexdigest()


def read_sealed(sealed: Path, name: str) -> bytes:
    """Return one sealed file's bytes after checking them against the manifest.

    Raises:
        SealedDataDamagedError: the manifest or the file is missing or altered.
    """
    try:
        expected = _parse((sealed / MANIFEST).read_bytes()).sealed.get(name)
        content = (sealed / name).read_bytes()
    except (OSError, ValueError) as error:
        raise SealedDataDamagedError(f"{name}: {type(error).__name__}") from error
    if _entry(content) != expected:
        raise SealedDataDamagedError(f"{name}: altered")
    return content


def _write_part(root: Path, files: Mapping[str, bytes], *, mode: int) -> None:
    for name, content in files.items():
        _replace(root / name, content, mode=mode)
    for name in _surplus(root, files):
        (root / name).unlink()


def _surplus(root: Path, files: Mapping[str, object]) -> Iterator[str]:
    """Name what lies there and belongs to nothing: of an interrupted write, or of other splits."""
    known = {*files, MANIFEST}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name not in known and (path.is_symlink() or not path.is_dir()):
            yield name


def _replace(path: Path, content: bytes, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
    os.replace(temporary, path)  # noqa: PTH105 - the name everybody knows for an atomic rename


def _public_manifest(sealed_manifest: bytes) -> bytes:
    sealed = json.loads(sealed_manifest)
    kept = {key: sealed[key] for key in ("task", "format", "public")}
    return _json({**kept, "sealed_digest": _digest(sealed_manifest)})


def _parse(content: bytes) -> _Manifest:
    """Return a sealed manifest as a typed value.

    Raises:
        ValueError: it is not one, or not of this format.
    """
    try:
        raw = json.loads(content)
        if raw["format"] != FORMAT:
            raise ValueError(f"format {raw['format']}, not {FORMAT}")
        return _Manifest(
            task=str(raw["task"]),
            seed=int(raw["seed"]),
            raw=raw["raw"],
            public=_entries(raw["public"]),
            sealed=_entries(raw["sealed"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a sealed manifest: {error!r}") from error


def _entries(raw: Mapping[str, Mapping[str, object]]) -> dict[str, Entry]:
    return {
        name: {"sha256": str(entry["sha256"]), "bytes": int(str(entry["bytes"]))}
        for name, entry in raw.items()
    }


def _differences(root: Path, files: Mapping[str, Entry]) -> Iterator[str]:
    for name, expected in sorted(files.items()):
        if problem := _problem(root / name, expected):
            yield f"{name}: {problem}"
    for name in _surplus(root, files):
        yield f"{name}: not in the manifest"


def _problem(path: Path, expected: Entry) -> str | None:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return "not a regular file"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    if _entry(content) == expected:
        return None
    return "truncated" if len(content) < int(expected["bytes"]) else "altered"


def _entry(content: bytes) -> Entry:
    return {"sha256": _digest(content), "bytes": len(content)}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
