"""Raw files in their official formats: what a task asks for, and a folder that holds exactly that.

A task whose data are not generated says in `raw.yaml` which files it is made from. They come from
a download or from a person's own folder, and are checked in the same way.

What this does not protect against: files that a person says to be right (`sha256: null`).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from runner import given
from runner.download import digest, fetch
from runner.errors import ConfigError, DataError
from runner.paths import PROJECT, task_harness
from runner.policy import positions
from runner.policy.paths import unsafe
from runner.policy.schema import Strict

CHOICE = "RUNNER_RAW_DATA"
MOST_BYTES = 64_000
STAGED = ".raw-"
OTHERS_MAY_LOOK = stat.S_IROTH | stat.S_IXOTH


def _below(name: str) -> str:
    """Return a file's path below a folder, whatever letters it has."""
    why = unsafe(name) or ("has a hidden part" if "/." in f"/{name}" else None)
    if why:
        raise ValueError(f"must be a path below a folder, and this {why}")
    return name


RawPath = Annotated[str, AfterValidator(_below)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Member(Strict):
    """One file inside an archive. In `raw.yaml`, its path alone is enough."""

    path: Annotated[str, Field(min_length=1, max_length=200)]
    name: RawPath
    """Where it lies below `/raw`."""
    sha256: Sha256 | None = None
    optional: bool = False
    """Whether a person's own unpacked folder may do without it; an archive must have it."""


def _member(written: Any) -> Any:
    if isinstance(written, str):
        return {"path": written, "name": written}
    if isinstance(written, Mapping) and "path" in written:
        return {"name": written["path"], **written}
    return written


class RawFile(Strict):
    """One official file."""

    name: RawPath
    """Where it lies below `/raw`; an archive that is unpacked lies there by its members only."""
    url: Annotated[str, Field(pattern=r"^https?://")] | None
    """Null for a person's own file, which cannot be downloaded."""
    sha256: Sha256 | None
    """Null for a person's own file, and for an archive whose members all have a digest."""
    bytes: Annotated[int, Field(ge=0)] | None = None
    licence: str
    page: str
    """Where a person reads about it, and gets it by hand."""
    unpack: tuple[Annotated[Member, BeforeValidator(_member)], ...] = ()
    """Members of a tar or zip archive."""


class RawFiles(Strict):
    """What a task is made from."""

    files: tuple[RawFile, ...] = ()
    folder: RawPath | None = None
    """Name of a folder that a person provides, all of which is at `/raw` as it is; or of one that
    was kept when the task was made, and is below `/raw` with others that were."""
    page: str | None = None
    """Where a person gets that folder."""


def read_raw_files(task: str, project: Path = PROJECT) -> RawFiles | None:
    """Return what a task's `raw.yaml` says; `None` if its data are generated.

    Raises:
        ConfigError: it cannot be read, or does not say what it should.
    """
    path = task_harness(task, project) / "raw.yaml"
    if not path.is_file():
        return None
    said = positions.plain(path, given.read_text(path, most=MOST_BYTES))
    try:
        # Through JSON, in which a list is what a tuple is written as.
        return RawFiles.model_validate_json(json.dumps(said))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {given.wrong(error)}") from error


def raw_data(
    task: str,
    downloads: Path,
    *,
    chosen: Path | None,
    environment: Mapping[str, str] = os.environ,
) -> RawData | None:
    """Return where a task's raw files come from; `None` if its data are generated.

    Raises:
        ConfigError: a person chose a source that there is no use for, or that is not there.
    """
    wanted = read_raw_files(task)
    if wanted is None:
        if chosen:
            raise ConfigError(f"{task} generates its data", hint="leave --from out")
        return None
    if chosen is None and (named := environment.get(CHOICE)):
        chosen = given.place(named)
        if not chosen.exists():
            raise ConfigError(f"{CHOICE} is {named}, which is not there", hint=f"unset {CHOICE}")
    if chosen is not None and not chosen.is_dir():
        given.require_plain(chosen)
    return RawData(task=task, wanted=wanted, downloads=downloads, chosen=chosen)


@dataclass(frozen=True, kw_only=True)
class RawData:
    """A task's raw files and where they come from."""

    task: str
    wanted: RawFiles
    downloads: Path
    """Folder that keeps what was downloaded."""
    chosen: Path | None
    """A person's own file or folder, which is then the only source."""

    @contextmanager
    def laid_out(self) -> Iterator[Path]:
        """Yield a folder with the checked files; another user's container may read it.

        Raises:
            DataError: a file is missing, is not the official one, or cannot be downloaded.
        """
        if self.wanted.folder is not None:
            yield self._own_folder(self.wanted.folder)
            return
        self.downloads.mkdir(parents=True, exist_ok=True)
        for left in self.downloads.glob(f"{STAGED}*"):
            shutil.rmtree(left)  # of a preparation that was killed; there is one at a time
        with tempfile.TemporaryDirectory(dir=self.downloads, prefix=STAGED) as found:
            for file in self.wanted.files:
                self._lay_out(file, Path(found))
            open_to_others(Path(found))
            yield Path(found)

    @property
    def at_hand(self) -> bool:
        """Whether there is a folder, where the task is made from one."""
        return self.chosen is not None or self._is_kept or not self.wanted.folder

    @property
    def _is_kept(self) -> bool:
        name = self.wanted.folder
        return name is not None and (self.downloads / name).is_dir()

    def _own_folder(self, name: str) -> Path:
        if self.chosen is None and self._is_kept:
            open_to_others(self.downloads)
            return self.downloads
        if self.chosen is None or not self.chosen.is_dir():
            raise DataError(
                f"{self.task} is made from a folder of yours",
                hint=f"get it from {self.wanted.page}, then: "
                f"runner prepare {self.task} --from FOLDER",
            )
        below = self.chosen / name
        folder = (below if below.is_dir() else self.chosen).resolve()
        if folder.stat().st_mode & OTHERS_MAY_LOOK != OTHERS_MAY_LOOK:
            raise DataError(
                f"{folder} is closed to the user that prepares data in a container",
                hint=f"open it for reading: chmod -R a+rX {shlex.quote(str(folder))}",
            )
        return folder

    def _lay_out(self, file: RawFile, folder: Path) -> None:
        unpacked = {one.name: path for one in file.unpack if (path := self._own(one.name))}
        needed = {one.name for one in file.unpack if not one.optional}
        if unpacked and needed <= unpacked.keys():
            for member in file.unpack:
                if member.name in unpacked:
                    _copy(unpacked[member.name], folder / member.name, member.sha256)
            return
        source = self._source(file)
        if not file.unpack:
            _copy(source, folder / file.name, file.sha256)
            return
        if self.chosen and file.sha256:
            _check(source, file.sha256)
        try:
            for member in file.unpack:
                _unpack(source, member, folder / member.name)
        except DataError:
            if self.chosen is None:
                source.unlink()  # what was downloaded is of no use, so the next try downloads
            raise

    def _source(self, file: RawFile) -> Path:
        """Return a person's own file or, where they name none, one that is downloaded."""
        source = f"download {file.url} (see {file.page})" if file.url else f"see {file.page}"
        hint = (
            f"{source}, then: runner prepare {self.task} --from FILE_OR_FOLDER  (or set {CHOICE})"
        )
        if self.chosen is not None:
            if (found := self._own(file.name)) is not None:
                return found
            named = ", ".join(one.name for one in file.unpack)
            names = f"neither {file.name} nor {named}" if named else f"no {file.name}"
            raise DataError(f"there is {names} at {self.chosen}", hint=hint)
        target = self.downloads / file.name
        if file.url is None and file.sha256 and target.is_file():
            return target  # a copy of a person's own file, kept when the task was made
        checked = file.sha256 or (file.unpack and all(one.sha256 for one in file.unpack))
        if file.url is None or not checked:
            raise DataError(f"{file.name} is not for download", hint=hint)
        fetch(file.url, target, sha256=file.sha256, size=file.bytes, hint=hint)
        return target

    def _own(self, name: str) -> Path | None:
        """Return a person's own file, under whatever name where it is the only one wanted."""
        if self.chosen is None or self.chosen.is_dir():
            path = self.chosen / name if self.chosen else None
            return path if path and path.is_file() else None
        files = self.wanted.files
        wanted = [name for one in files for name in (one.name, *(each.name for each in one.unpack))]
        return self.chosen if name == self.chosen.name or len(wanted) == 1 else None


def open_to_others(folder: Path) -> None:
    """Let another user, a container's, read a folder and all that is in it."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _copy(source: Path, target: Path, sha256: str | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    if sha256:
        _check(target, sha256, named=source)


def _unpack(archive: Path, member: Member, target: Path) -> None:
    """Write one member of a zip or tar archive as a plain file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    opened = zipfile.ZipFile if zipfile.is_zipfile(archive) else tarfile.open
    try:
        with opened(archive) as packed, target.open("wb") as file:
            read = packed.open if isinstance(packed, zipfile.ZipFile) else packed.extractfile
            if (stream := read(member.path)) is None:
                raise KeyError(f"{member.path} is not a plain file")
            with stream:
                shutil.copyfileobj(stream, file)
    except (KeyError, EOFError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive} has no readable {member.path}: {error}") from error
    if member.sha256:
        _check(target, member.sha256)


def _check(path: Path, sha256: str, *, named: Path | None = None) -> None:
    if (found := digest(path)) != sha256:
        raise DataError(
            f"{named or path} is not the official file: sha256 {found}, not {sha256}",
            hint="it may be cut off, converted, or another version",
        )
