"""Whether a new file would take the place of a frozen one; pure, for the review and the audit.

Python imports `src/metrics/__init__.py` in place of `src/metrics.py`, and finds `json.py` beside a
script before its own. Which folders it looks in depends on how a program is started, so a new
file's module is taken by every name that it could have: `src/a/b.py` is `src.a.b`, `a.b` and `b`.

What this does not protect against: code of a mutable file that replaces what it likes while it
runs. In a process that imports it, nothing is safe from it; the scorer's imports nothing of it.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from runner.patterns import FilePatterns
from runner.policy.paths import twin

INSTALLED = frozenset(
    (
        *("_distutils_hack", "distutils", "pkg_resources", "setuptools", "pip"),
        *("cloudpickle", "cuda", "dateutil", "filelock", "flaml", "fsspec", "functorch", "isympy"),
        *("contourpy", "cycler", "fonttools", "kiwisolver", "matplotlib", "mpl_toolkits", "pylab"),
        *("packaging", "pyparsing", "_yaml", "yaml", "torchvision", "tqdm"),
        *("jinja2", "joblib", "lightgbm", "markupsafe", "mpmath", "narwhals", "networkx"),
        *("numpy", "nvidia", "pandas", "pil", "pyarrow", "pytz", "scipy", "sklearn", "sympy"),
        *("threadpoolctl", "tokenizers", "torch", "torchgen", "triton", "typing_extensions"),
        *("tzdata", "xgboost"),
    )
)
"""What the images' packages are imported as, in lower case; a test looks into the locks."""
IMPORTED_AS: Mapping[str, tuple[str, ...]] = {
    "beautifulsoup4": ("bs4",),
    "fonttools": ("fonttools",),
    "hydra-core": ("hydra",),
    "matplotlib": ("matplotlib", "mpl_toolkits", "pylab"),
    "opencv-python": ("cv2",),
    "opencv-python-headless": ("cv2",),
    "pillow": ("pil",),
    "protobuf": ("google",),
    "python-dateutil": ("dateutil",),
    "pytorch-lightning": ("pytorch_lightning", "lightning_fabric"),
    "pyyaml": ("yaml", "_yaml"),
    "scikit-image": ("skimage",),
    "scikit-learn": ("sklearn",),
    "xgboost-cpu": ("xgboost",),
}
"""Packages whose modules have other names than they."""
OTHERS = frozenset({"kit"} | INSTALLED | sys.stdlib_module_names)
"""Modules that are not the workspace's."""
IMPORTED = (".py", ".pyc", ".so", ".pyd")
SCRIPTS = (".sh", "Makefile")
WORD = re.compile(r"[A-Za-z0-9_./-]+")
MODULES = ("-m", "import", "from")
"""What stands before the name of a module."""
BEFORE_A_ROOT = " \t=:;|&<>,["
"""What stands before a slash that begins an absolute path, and not before that of `$HERE/x`."""


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a workspace runs with, that no new file may become."""

    commands: tuple[str, ...] = ()
    """Lines by which programs are started, as of `command_lines`."""
    packages: tuple[str, ...] = ()
    """Names of packages that are put on the image."""


def taken_place(
    path: str, others: Collection[str], patterns: FilePatterns, around: Around
) -> str | None:
    """Say whose place a new file would take; `None` if nobody's.

    Args:
        path: the new file's.
        others: the paths of the workspace that it comes to.
        patterns: which of those are mutable; the rest, but for notes, are frozen.
        around: what the workspace runs with.
    """
    others = {*others, *(each for each in patterns.frozen if "*" not in each)} - {path}
    if other := _confused(path, others):
        return f"is easily taken for {other}"
    module = _module(path)
    if module == ():
        return "would make the whole workspace a program or a package"
    own = set(_endings(module or ()))
    put_on = {name for each in around.packages for name in imported_as(each)}
    if names := sorted(own & {*OTHERS, *put_on}):
        return f"would be imported in place of the module {names[0]}"
    for other in others:
        is_frozen = not patterns.names(other) and other not in patterns.notes
        if is_frozen and own & _slices(_module(other) or ()):
            return f"would be imported in place of the frozen {other}, or of a folder above it"
    for word in named_by(around.commands):
        same_file = f"/{word}".endswith(f"/{path}") or f"/{path}".endswith(f"/{word}")
        folder = () if "." in PurePosixPath(word).name else tuple(word.lower().split("/"))
        if same_file or own & _slices(_module(word) or folder):
            return f"would be what a command names, {word}"
    return None


def imported_as(package: str) -> tuple[str, ...]:
    """Return what a package is most likely imported as, in lower case; only its wheel knows."""
    name = re.sub(r"[-_.]+", "-", package.lower())
    return IMPORTED_AS.get(name, (name.replace("-", "_"),))


def own_modules(paths: Iterable[str]) -> frozenset[str]:
    """Return what a workspace's files and packages can be imported as, from any of its folders."""
    names = (_slices(_module(path) or ()) for path in paths)
    return frozenset(itertools.chain.from_iterable(names))


def command_lines(files: Mapping[str, bytes], patterns: FilePatterns) -> tuple[str, ...]:
    """Return the lines of the frozen shell scripts of a workspace, `run.sh` first of all."""
    scripts = [path for path in files if path.endswith(SCRIPTS) and not patterns.names(path)]
    lines = (line for path in scripts for line in files[path].decode(errors="replace").split("\n"))
    return tuple(line for line in lines if not line.lstrip().startswith("#"))


def named_by(commands: Iterable[str]) -> frozenset[str]:
    """Return the paths that command lines name, a module as its file, and words that could be one.

    A new file must not become what one of them stands for: `-m tools.score`, `checks/run.py`.
    """
    found = set[str]()
    for line in commands:
        for match in WORD.finditer(line):
            word, before = match[0], line[: match.start()]
            if word.startswith("-m") or before.rstrip().endswith(MODULES):
                word = word.removeprefix("-m").replace(".", "/") + ".py"
            elif word.startswith("/workspace/"):
                word = word.removeprefix("/workspace/")
            elif word.startswith("-") or (word.startswith("/") and before[-1:] in BEFORE_A_ROOT):
                continue
            word = "/".join(part for part in word.split("/") if part not in ("", ".", ".."))
            if word.strip("0123456789.") not in ("", "py"):
                found.add(word)
    return frozenset(found)


def _module(path: str) -> tuple[str, ...] | None:
    """Return a file's module by its parts, from the workspace; a folder's is its own."""
    *folders, name = path.lower().split("/")
    if not name.endswith(IMPORTED):
        return None
    stem = name.partition(".")[0]
    return (*folders, *([] if stem in ("__init__", "__main__") else [stem]))


def _endings(parts: tuple[str, ...]) -> Iterator[str]:
    """Yield each name that a module has from some folder above it."""
    return (".".join(parts[start:]) for start in range(len(parts)))


def _slices(module: tuple[str, ...]) -> frozenset[str]:
    """Return the names, from any folder, of a module and of the packages that hold it."""
    return frozenset(name for end in range(len(module)) for name in _endings(module[: end + 1]))


def _confused(path: str, others: Collection[str]) -> str | None:
    """Return what some file system takes for this path, or for a folder of it; or stands there."""
    folders = {str(above) for other in others for above in PurePosixPath(other).parents}
    spelled = {twin(each): each for each in (*folders, *others)}
    if path in folders:
        return f"the folder {path}"
    above = [str(each) for each in PurePosixPath(path).parents]
    for each in (path, *above):
        other = spelled.get(twin(each), each)
        if other != each or (each in others and each != path):
            return other
    return None
