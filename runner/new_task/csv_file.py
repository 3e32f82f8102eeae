"""A tabular task from a person's CSV file: expanding windows with a time, else stratified folds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from runner import given, paths
from runner.errors import ConfigError
from runner.new_task.layout import NOTES, NewTask, filled, raw_yaml, script_file
from runner.records import File

FILE = "rows.csv"
"""The file's name among the raw files, whatever the person calls it."""
DELIMITERS = ",;\t|"
IMPORTS = (
    "__future__, collections, dataclasses, flaml, functools, itertools, kit, lightgbm, math, "
    "numpy, pandas, scipy, sklearn, typing, warnings, xgboost"
)
ANALYSIS = ("analysis.py", "findings.md")
CODE = ("features.py", "main.py", "model.py", "run.sh")
WINDOWS_LEAK = """\
# Expanding windows: what a later window trains on, targets included, is what an earlier one
# is asked about. Each window's containers see that window's past only, so what leaves them is the
# leak to watch: no message of a crash and no curve is told, and the last window only audits."""
FOLDS_LEAK = """\
# Cross-validation: what one fold trains on, targets included, is what the others are asked about.
# Each fold's containers see that fold's training rows only, so what leaves them is the leak to
# watch: no message of a crash and no curve is told, and the audit has rows of its own."""
UNORDERED = {
    "; they are in time order": "",
    "; analysis.py imports it": "",
    "this window's past": "this fold's training rows",
    "the rows that come next, without their targets": "rows without their targets",
    "before a future row exists": "before a row that is asked about exists",
}
"""What the template of ordered rows says that is not so of others."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the person says of the file's columns."""

    target: str
    time: str | None = None
    id: str | None = None
    positive: str | None = None
    drop: tuple[str, ...] = ()


def from_csv(name: str, path: Path, columns: Columns) -> NewTask:
    """Return the task; whether the file fits is for `try_data` to say.

    Raises:
        ConfigError: the file cannot be read, or is empty.
    """
    ordered = columns.time is not None
    kind = (
        f"in the order of `{columns.time}`: train on the past, predict the next window"
        if ordered
        else "in five stratified folds: train on four, predict the fifth"
    )
    program = filled(
        "program.md",
        task=name,
        about=f"Rows of a table, {kind}; `{columns.target}` is to be predicted.",
        goal="Make `auc` as high as you can: the area under the ROC curve, mean over the splits.\n"
        "0.5 is a coin, 1 is perfect, and ties count one half.",
        mutable="`features.py` and `model.py`",
    )
    policy = filled(
        "policy.yaml",
        task=name,
        leak=WINDOWS_LEAK if ordered else FOLDS_LEAK,
        metric="auc",
        direction="maximize",
        mutable="model.py, features.py",
        notes=", ".join((*ANALYSIS, *NOTES) if ordered else NOTES),
        imports=IMPORTS,
        image="tabular",
        splits=", ".join(f"w{n}" if ordered else f"fold{n}" for n in range(5)),
        audit="last" if ordered else "full",
        shared="true",
        max_information="16_000",
    )
    harness = {
        "task.py": filled("csv_task.py", module="windows" if ordered else "folds"),
        "columns.json": _description(path, columns),
        "raw.yaml": raw_yaml({FILE: path}),
    }
    template = {**_template(ordered), "program.md": script_file(program)}
    return NewTask(name=name, policy=policy, harness=harness, template=template, raw={FILE: path})


def _description(path: Path, columns: Columns) -> str:
    """Return `columns.json`, from what the person says and the file's first line."""
    with given.opened(path) as file:
        header = file.readline(1_000_000).decode("utf-8-sig", errors="replace").strip()
    if not header:
        raise ConfigError(f"{path}: the first line is empty: it must name the columns")
    delimiter = max(DELIMITERS, key=header.count)
    names = [name.strip().strip('"') for name in header.split(delimiter)]
    # A column that is called id is one, unless it has another role.
    roles = {columns.target, columns.time, *columns.drop}
    found = next((name for name in names if name.lower() == "id" and name not in roles), None)
    said = {"file": FILE, "delimiter": delimiter, **asdict(columns), "id": columns.id or found}
    return json.dumps({key: value for key, value in said.items() if value}, indent=2) + "\n"


def _template(ordered: bool) -> dict[str, File]:
    shipped = paths.template("tabular")
    if ordered:
        return {path: shipped[path] for path in (*CODE, *NOTES, *ANALYSIS)}
    files = {}
    for path in (*CODE, *NOTES):
        text = shipped[path].content.decode()
        for said, instead in UNORDERED.items():
            text = text.replace(said, instead)
        files[path] = File(content=text.encode(), mode=shipped[path].mode)
    return files
