"""A project's folder: which files travel into a run, which are data, and which stay at home.

What this does not protect against: a key in the middle of a source that looks like none.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import subprocess
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from runner import given
from runner.adopt import notebooks
from runner.errors import ConfigError
from runner.policy.paths import WORKSPACE, is_taken, mount_place
from runner.records import EXECUTABLE, REGULAR, File, Files

MOST_FILES = 2000
MOST_BYTES = 2 * 1024**2
"""Of one file that travels as source; a larger one is data, or stays at home."""
CODE = (".py", ".ipynb", ".pyx", ".sh", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".md", ".rst")
PROSE = (".md", ".rst")
DATA_FOLDERS = ("data", "dataset", "datasets", "input", "inputs", "raw")
WRITTEN = ("checkpoint", "ckpt", "log", "out", "plot", "figure", "result", "run", "save", "wandb")
"""How names begin of what a script writes, which is no data."""
SAVES = frozenset(
    (
        *("save", "savefig", "dump", "to_csv", "to_parquet", "to_pickle", "save_model", "savez"),
        *("savetxt", "makedirs", "mkdir", "write_text", "write_bytes", "SummaryWriter"),
        *("FileHandler", "basicConfig"),
    )
)
"""Calls whose paths are written and not read."""
SECRET_NAMES = re.compile(
    r"(^|/)(\.env(\..*)?|\.netrc|\.npmrc|\.pypirc|\.git-credentials|id_(rsa|dsa|ecdsa|ed25519).*"
    r"|credentials(\.json)?|secrets?\.(json|ya?ml|toml|ini|env)|[^/]*\.(pem|key|p12|pfx|kdbx)"
    r"|\.(aws|ssh|kube|azure|gnupg)/.*|kaggle\.json)$",
    re.IGNORECASE,
)
SECRETS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}"
    rb"|\bsk-[A-Za-z0-9_-]{20,}|\bhf_[A-Za-z0-9]{30,}|\bxox[abp]-[A-Za-z0-9-]{10,}"
    rb"|\bAIza[0-9A-Za-z_-]{35}\b|://[^/\s:@]+:[^/\s@]{6,}@"
)
"""Keys and passwords by the forms that their issuers gave them."""
NO_PART = re.compile(r"(^|/)(tests?|docs?)/|(^|/)(test_\w+|conftest|setup)\.py$")
"""What a training does not run."""
CACHES = re.compile(r"(^|/)(__pycache__|\.git|\.venv|venv|node_modules|\.ipynb_checkpoints)(/|$)")
ENVIRONMENT = "pyvenv.cfg"
"""Is in the folder of a virtual environment, whatever that is called."""
POINTER, LARGEST_POINTER = b"version https://git-lfs", 1024
PLAIN = re.compile(r"[\w.@+,=() -]+(/[\w.@+,=() -]+)*", re.ASCII)
"""A path that a policy can name."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file or folder of data: where it is, and where the project looks for it."""

    place: str
    """Relative to the project, or absolute: what `evaluation.reported.data` says."""
    source: Path


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    path: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Project:
    """What was found in a folder."""

    root: Path
    files: Files
    """That travel: source, configuration and small files of the project."""
    data: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]

    def python(self) -> Iterator[tuple[str, ast.Module]]:
        """Yield the Python files that parse; what does not is found by the review."""
        for path, file in self.files.items():
            if path.endswith(".py"):
                try:
                    yield path, ast.parse(file.content)
                except (SyntaxError, ValueError, RecursionError):
                    continue

    def without(self, paths: Iterable[str], why: str) -> Project:
        """Return the project without some of its files, which stay at home."""
        gone = {*paths} & self.files.keys()
        files = {path: file for path, file in self.files.items() if path not in gone}
        more = tuple(LeftOut(path=path, why=why) for path in sorted(gone))
        return replace(self, files=files, left_out=(*self.left_out, *more))


def read_project(root: Path, data: Sequence[str] | None) -> Project:
    """Read a folder, or what of it git does not ignore.

    Args:
        root: the folder.
        data: where its data are; `None` where that is to be found out.

    Raises:
        ConfigError: there is nothing to run in it, too much, or data are not where they should be.
    """
    if not root.is_dir():
        raise ConfigError(f"{root} is no folder", hint="runner adopt DIR: the project's own folder")
    listed = _listed(root)
    wanted = [_at_home(root, path, listed) for path in data or ()]
    if data is None:
        wanted = _found_data(root, listed)
    parts = tuple(part_of(root, path) for path in wanted)
    places = [PurePosixPath(mount_place(part.place)) for part in parts]
    files, left_out = _travelling(root, listed, places)
    if len(files) > MOST_FILES:
        raise ConfigError(
            f"{root} has {len(files)} files besides its data, at most {MOST_FILES} travel",
            hint="adopt the folder of the training code alone, or list the rest in .gitignore",
        )
    if not any(path.endswith(".py") for path in files):
        odd = "; ".join(f"{one.path}: {one.why}" for one in left_out if one.path.endswith(".py"))
        raise ConfigError(
            f"{root} holds no Python file{f' that can be taken ({odd})' if odd else ''}",
            hint="rename it" if odd else "adopt the folder of the script",
        )
    return Project(root=root, files=files, data=parts, left_out=tuple(left_out))


def _travelling(
    root: Path, listed: Sequence[str], places: Sequence[PurePosixPath]
) -> tuple[dict[str, File], list[LeftOut]]:
    """Return the files that are no data and travel, and those that do not."""
    files: dict[str, File] = {}
    left_out: list[LeftOut] = []
    for path in listed:
        inside = PurePosixPath(WORKSPACE, path)
        if any(inside.is_relative_to(place) for place in places):
            continue
        file = _read(root / path, path)
        if isinstance(file, LeftOut):
            left_out.append(file)
        elif path.endswith(notebooks.SUFFIX):
            made = re.sub(
                r"[^\w./-]", "_", f"{path.removesuffix(notebooks.SUFFIX)}.py", flags=re.ASCII
            )
            left_out.append(LeftOut(path=path, why=f"a notebook; its code is {made} from now on"))
            if made not in listed:
                files[made] = File(content=notebooks.script(path, file.content))
        else:
            files[path] = file
    return files, left_out


def _listed(root: Path) -> list[str]:
    """Name the files that git does not ignore, in a repository or not, caches left out."""
    with tempfile.TemporaryDirectory() as empty:
        # A repository of ours, so that no configuration and no hook of the project's is read.
        git = ["git", "-c", "core.fsmonitor=false", "--git-dir", f"{empty}/git"]
        env = {"PATH": os.environ.get("PATH", ""), "HOME": empty, "GIT_CONFIG_NOSYSTEM": "1"}
        asked = [*git, "--work-tree", ".", "ls-files", "-z", "-o", "--exclude-standard"]
        for command in ([*git, "init", "-q"], asked):
            done = subprocess.run(command, cwd=root, env=env, capture_output=True, check=False)
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip()
                raise ConfigError(f"listing the files of {root}: {said}")
    names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    for inner in [name for name in names if name.endswith("/") and not CACHES.search(name)]:
        # A repository inside of this one, as a submodule is, of which git names the folder alone.
        names += (
            [] if (root / inner).is_symlink() else [inner + path for path in _listed(root / inner)]
        )
    apart = tuple(
        name.removesuffix(ENVIRONMENT) for name in names if name.endswith(f"/{ENVIRONMENT}")
    )
    return sorted(
        name
        for name in names
        if not CACHES.search(name) and not name.endswith("/") and not name.startswith(apart)
    )


def _read(path: Path, name: str) -> File | LeftOut:
    """Return a file that travels, or why it does not."""
    if SECRET_NAMES.search(name):
        return LeftOut(path=name, why="its name says that it holds keys or passwords")
    if path.is_symlink():
        return LeftOut(path=name, why="a link")
    if not path.is_file():
        return LeftOut(path=name, why="not a plain file")
    if not PLAIN.fullmatch(name) and not name.endswith(notebooks.SUFFIX):
        return LeftOut(path=name, why="its name is not plain ASCII")
    if (size := path.stat().st_size) > MOST_BYTES:
        return LeftOut(path=name, why=f"{size / 1024**2:.1f} MB, and no --data")
    content = path.read_bytes()
    if SECRETS.search(content):
        return LeftOut(path=name, why="it holds what looks like a key or a password")
    mode = EXECUTABLE if os.access(path, os.X_OK) else REGULAR
    return File(content=content, mode=mode)


def part_of(root: Path, place: str) -> Part:
    """Return data that a person or the project's own code names.

    `PLACE=SOURCE` are data that lie elsewhere here than where the project looks for them.
    """
    place, _, elsewhere = place.partition("=") if not (root / place).exists() else (place, "", "")
    named = Path(place)
    if named.is_absolute() and named.is_relative_to(root):
        named = named.relative_to(root)
    source = root / given.place(elsewhere or str(named))
    place = os.path.normpath(named)
    if not source.exists():
        raise ConfigError(
            f"there is no {source}",
            hint="--data is a path as the project itself names it, or PLACE=WHERE-IT-IS",
        )
    if is_taken(where := mount_place(place)):
        raise ConfigError(
            f"the data {place} would be at {where}, which the container has for itself",
            hint="give the script a path to its data that leads elsewhere",
        )
    for path in _below(source):
        if 0 < _size(path) < LARGEST_POINTER and path.read_bytes().startswith(POINTER):
            raise ConfigError(
                f"{path} is no data but what git LFS keeps in its place", hint="run: git lfs pull"
            )
    return Part(place=place, source=source.resolve())


def _at_home(root: Path, place: str, listed: Iterable[str]) -> str:
    """Return `~/data` for what a shell made of that, unless the project names the whole path."""
    named, home = Path(place), Path.home()
    if not named.is_relative_to(home) or named.is_relative_to(root) or named == home:
        return place
    sources = (root / path for path in listed if path.endswith(CODE))
    if any(place.encode() in source.read_bytes() for source in sources if source.is_file()):
        return place
    return f"~/{named.relative_to(home)}"


# -- data that the project's own code names -----------------------------------------------------


def _found_data(root: Path, listed: Sequence[str]) -> list[str]:
    """Return the outermost folders and files that the code names, that are there, and hold no code.

    A folder that is called `data` counts as well, whatever names it.
    """
    named = {name for name in DATA_FOLDERS if (root / name).is_dir()}
    for path in (path for path in listed if path.endswith(CODE) and not path.endswith(PROSE)):
        if not (root / path).is_file():  # a link that leads nowhere, or to a folder
            continue
        content = (root / path).read_bytes()[:MOST_BYTES]
        for name in paths_in(path, content):
            from_there = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            named |= {name, from_there}
    at_hand = {*listed}
    found = {place for name in named if (place := _data_place(root, name, at_hand)) is not None}
    return sorted(one for one in found if not any(_inside(one, other) for other in found))


def _inside(path: str, other: str) -> bool:
    return path != other and PurePosixPath(path).is_relative_to(other)


def paths_in(path: str, content: bytes) -> Iterator[str]:
    """Yield what may be paths: strings of Python that nothing is written to, words elsewhere."""
    if not path.endswith(".py"):
        yield from re.findall(r"[\w./-]+", content.decode(errors="replace"))
        return
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return
    written = writes(tree)
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and text not in written and 0 < len(text) < 200:
            yield text


def writes(tree: ast.AST) -> set[str]:
    """Return the strings in calls that write a file."""
    nodes = (node for call in ast.walk(tree) for node in _saved(call))
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _saved(call: ast.AST) -> Iterator[ast.AST]:
    """Yield everything in the arguments of a call that writes."""
    if not isinstance(call, ast.Call):
        return
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    modes = [*call.args[1:2], *(one.value for one in call.keywords if one.arg == "mode")]
    opened = name == "open" and any(
        isinstance(mode, ast.Constant) and str(mode.value)[:1] in ("w", "a", "x") for mode in modes
    )
    if name in SAVES or opened:
        yield from (node for argument in call.args for node in ast.walk(argument))


def _data_place(root: Path, name: str, listed: Container[str]) -> str | None:
    """Return the outermost place of data that a name leads to, if it leads to any."""
    if not any(letter.isalnum() for letter in name) or "\0" in name or "\n" in name:
        return None
    place = PurePosixPath(os.path.normpath(name))
    try:
        here = root / Path(place).expanduser()
        if not here.exists() or is_taken(mount_place(str(place))) or SECRET_NAMES.search(str(here)):
            return None
    except (OSError, RuntimeError):  # a word that is no path at all
        return None
    if place.is_absolute() or place.parts[0] in ("..", "~"):
        there = here.resolve()
        around = root.is_relative_to(there)
        return None if around or _is_private(there) or here.suffix in CODE else str(place)
    if place.parts[0].lower().startswith(WRITTEN):
        return None
    folders = [str(PurePosixPath(*place.parts[: end + 1])) for end in range(len(place.parts))]
    outermost = next((each for each in folders if _is_data(root / each, place.parts[0])), None)
    if outermost is None and here.is_file() and here.suffix not in CODE:
        odd = here.is_symlink() or not PLAIN.fullmatch(str(place)) or str(place) not in listed
        if odd or here.stat().st_size > MOST_BYTES:
            return str(place)  # it cannot travel with the sources
    return outermost


def _is_private(place: Path) -> bool:
    """Whether it is a home, settings in one's own, or a folder right below the root: no data."""
    home = Path.home().resolve()
    settings = place.is_relative_to(home) and str(place.relative_to(home)).startswith(".")
    whole = len(place.parts) < 3 or home.is_relative_to(place) or place.parent == Path("/home")
    return settings or (whole and place.is_dir())


def _is_data(folder: Path, first: str) -> bool:
    """Whether a folder, by its name or by what is in it, holds data and no code."""
    if not folder.is_dir():
        return False
    if first.lower() in DATA_FOLDERS:
        return True
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file()}
    return not kinds & {".py", ".ipynb"} and bool(kinds - set(CODE))


def sizes(parts: Iterable[Part]) -> Mapping[str, int]:
    """Return the bytes of each part of the data, by its place."""
    return {part.place: sum(map(_size, _below(part.source))) for part in parts}


def _below(path: Path) -> Iterable[Path]:
    return path.rglob("*") if path.is_dir() else [path]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
