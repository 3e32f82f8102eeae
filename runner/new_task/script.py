"""Wrap an existing training script: only paths into its data folder change, and main.py asks it.

What this does not protect against: a script that keeps the rows it should be asked about in its
own source, or whose rows are not independent of each other.
"""

from __future__ import annotations

import ast
import difflib
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runner import given
from runner.errors import ConfigError
from runner.new_task.layout import NOTES, NewTask, filled, notes, raw_yaml, run_sh, script_file
from runner.policy.information import information

MOST_BYTES = 1024 * 1024
IMPORTS = ("joblib", "kit", "lightgbm", "math", "numpy", "pandas", "scipy", "sklearn", "xgboost")
LEAST_ROOM = 16_000
"""Bytes of information that a program may hold, as in the shipped policies."""
LEAK = "# One split: its training rows are in no part that is asked about."


@dataclass(frozen=True, kw_only=True)
class Wrapped:
    """The task, and every change that the script needed, as a unified diff."""

    task: NewTask
    diff: str


def from_script(name: str, path: Path, data: Path, *, target: str) -> Wrapped:
    """Return the wrapped script.

    Raises:
        ConfigError: the script fits no model at its top level, or the folder is not two arrays.
    """
    source = _read(path)
    tree = _parse(source, path)
    inputs = _inputs(data, target)
    metric = _metric(data / f"{target}.npy")
    changed = _with_paths(source, tree, path, data)
    words = {"script": path.name, "model": _model(tree, path), "inputs": inputs}
    raw = {f"{one}.npy": data / f"{one}.npy" for one in (inputs, target)}
    task = NewTask(
        name=name,
        policy=_policy(name, path.name, metric, changed),
        harness={
            "task.py": filled(
                "script_task.py", script=path.name, inputs=inputs, target=target, metric=metric
            ),
            "raw.yaml": raw_yaml(raw),
        },
        template={
            path.name: script_file(changed),
            "main.py": script_file(filled("script_main.py", **words)),
            "run.sh": run_sh("main.py"),
            **notes(),
            "program.md": script_file(_program(name, path.name, metric, words["model"])),
        },
        raw=raw,
    )
    lines = difflib.unified_diff(
        source.splitlines(), changed.splitlines(), str(path), f"wrapped/{path.name}", lineterm=""
    )
    return Wrapped(task=task, diff="\n".join(lines))


def _read(path: Path) -> str:
    if path.suffix != ".py" or path.name in ("main.py", "kit.py"):
        raise ConfigError(f"{path} must be a .py file, and not be called main.py or kit.py")
    return given.read_text(path, most=MOST_BYTES)


def _parse(source: str, path: Path) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{path} is no Python: {error or 'it is nested too deeply'}") from error


def _inputs(data: Path, target: str) -> str:
    """Name the one array that is not the target."""
    names = sorted(path.stem for path in data.glob("*.npy"))
    others = [name for name in names if name != target]
    if target not in names or len(others) != 1 or not others[0].isidentifier():
        raise ConfigError(
            f"{data} must hold {target}.npy and one other array, and holds {', '.join(names) or 0}",
            hint="--target NAME says which array is predicted; for other data: --blank",
        )
    return others[0]


def _metric(path: Path) -> str:
    given.require_plain(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"{path} is no plain array: {error}") from error
    return "accuracy" if array.dtype.kind in "biu" else "rmse"


def _model(tree: ast.Module, path: Path) -> str:
    """Return the name of what the script fits last at its top level, `if __name__` included."""
    blocks = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.If))]
    nodes = [each for block in blocks for one in block for each in _top_level(one)]
    fitted = [
        node.func.value.id
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "fit"
        and isinstance(node.func.value, ast.Name)
    ]
    if not fitted:
        raise ConfigError(
            f"{path} fits no model at its top level",
            hint="call NAME.fit(...) outside of functions, on something that has predict()",
        )
    return fitted[-1]


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _top_level(child)


def _with_paths(source: str, tree: ast.Module, path: Path, data: Path) -> str:
    """Return the script with each literal path into the data folder below `/data` instead."""
    lines = source.encode().splitlines(keepends=True)
    _refuse_f_strings(tree, path, data)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        place = _inside(node.value, path, data)
        if place is None or node.end_lineno != node.lineno:
            continue
        line = lines[node.lineno - 1]
        new = repr(place).replace("'", '"').encode()
        lines[node.lineno - 1] = line[: node.col_offset] + new + line[node.end_col_offset :]
    changed = b"".join(lines).decode()
    if changed == source:
        raise ConfigError(
            f"{path} names no file of {data}", hint="write the path as one string, or use --blank"
        )
    return changed


def _refuse_f_strings(tree: ast.Module, path: Path, data: Path) -> None:
    """Raise where an f-string makes a path; its pieces have no place of their own in the line."""
    for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
        if any(_inside(getattr(piece, "value", None), path, data) for piece in text.values):
            raise ConfigError(
                f"{path}:{text.lineno}: an f-string leads into {data}",
                hint="write the path as one string, or use --blank",
            )


def _inside(value: object, path: Path, data: Path) -> str | None:
    """Return where a string leads in a trainer, if it leads into the data folder."""
    if not isinstance(value, str) or "\n" in value or "\0" in value:
        return None
    if not any(letter.isalnum() for letter in value):
        return None  # "." and "/" separate more things than folders
    for base in (path.parent, Path.cwd()):
        place = (base / value).resolve()
        if place.exists() and place.is_relative_to(data.resolve()):
            return (Path("/data") / place.relative_to(data.resolve())).as_posix()
    return None


def _room(source: str) -> int:
    """Return what the script may come to hold: as much again as it does, in round numbers."""
    held = information({"script.py": source.encode()})
    return max(LEAST_ROOM, math.ceil(2 * held / 1000) * 1000)


def _policy(name: str, script: str, metric: str, source: str) -> str:
    tree = ast.parse(source)
    imported = {alias.name for node in ast.walk(tree) for alias in _aliases(node)}
    allowed = sorted({*IMPORTS, *(each.split(".")[0] for each in imported)} - {""})
    foreign = [each for each in allowed if each not in IMPORTS and each not in _standard()]
    if foreign:
        raise ConfigError(
            f"{script} imports {', '.join(foreign)}, which the image tabular does not hold",
            hint="images/tabular.in lists what it holds; --blank writes a task to fill in",
        )
    return filled(
        "policy.yaml",
        task=name,
        leak=LEAK,
        metric=metric,
        direction="maximize" if metric == "accuracy" else "minimize",
        mutable=script,
        notes=", ".join(NOTES),
        imports=", ".join(allowed),
        image="tabular",
        splits="train",
        audit="train",
        shared="false",
        max_information=f"{_room(source):_}",
    )


def _aliases(node: ast.AST) -> list[ast.alias]:
    if isinstance(node, ast.ImportFrom):
        return [ast.alias(name=node.module or "")]
    return node.names if isinstance(node, ast.Import) else []


def _standard() -> frozenset[str]:
    return frozenset(sys.stdlib_module_names)


def _program(name: str, script: str, metric: str, model: str) -> str:
    better = "high" if metric == "accuracy" else "low"
    return filled(
        "program.md",
        task=name,
        about=f"`{script}` trains `{model}` on the arrays in /data; `main.py` asks it elsewhere.",
        goal=f"Make `{metric}` as {better} as you can.\n"
        f"`{model}` must still be there when `{script}` ends, and have `predict`.",
        mutable=f"`{script}`",
        notes="`LEARNING.md` and `scratchpad.md`",
    )
