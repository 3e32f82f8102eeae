"""A declared task from a person's table: windows with a time, groups, or stratified folds."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from runner import declared, given, paths
from runner.declared import DECLARATION, Understood
from runner.errors import ConfigError
from runner.new_task.layout import NOTES, NewTask, filled, raw_yaml, script_file, yaml_text
from runner.records import File

FORMATS = {b"PAR1": "rows.parquet", b"\x1f\x8b": "rows.csv.gz"}
"""How a file begins → its name among the raw files, whatever the person calls it."""
CSV = "rows.csv"
IMPORTS = (
    "__future__, collections, dataclasses, flaml, functools, itertools, kit, lightgbm, math, "
    "numpy, pandas, re, scipy, sklearn, typing, warnings, xgboost"
)
ANALYSIS = ("analysis.py", "findings.md")
FOLDS, MOST_FEATURES, MOST_TREES = 5, 300, 1000
LARGEST = 1e15
"""A spread of which a thousandth is still a number that a policy can hold."""
MOST_WORDS, TEXT_FEATURES = 30, 100
"""Features that the template makes of a column of words, and of one of text."""
WINDOWS_LEAK = """\
# Expanding windows: what a later window trains on, targets included, is what an earlier one
# is asked about. Each window's containers see that window's past only, so what leaves them is the
# leak to watch: no message of a crash and no curve is told, and the last window only audits."""
FOLDS_LEAK = """\
# Cross-validation: what one fold trains on, targets included, is what the others are asked about.
# Each fold's containers see that fold's training rows only, so what leaves them is the leak to
# watch: no message of a crash and no curve is told, and the audit has rows of its own."""
GOALS = {
    "roc_auc": "0.5 is a coin, 1 is perfect, and ties count one half.",
    "rmse": "It is in the units of the target.",
}
OBJECTIVES = {
    "binary": '"objective": "binary"',
    "multi-label": '"objective": "binary"',
    "regression": '"objective": "regression"',
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the person says of the file; what is absent is found."""

    targets: tuple[str, ...]
    time: str | None = None
    group: str | None = None
    id: str | None = None
    positive: str | None = None
    kind: str | None = None
    metric: str | None = None
    folds: int | None = None
    drop: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    decimal: str | None = None
    dates: str | None = None
    drop_missing_target: bool = False

    def declaration(self, file: str) -> dict[str, Any]:
        """Return it as `task.yaml` has it, without what was not said."""
        several = len(self.targets) > 1
        data = {
            "table": file,
            "target": list(self.targets) if several else self.targets[0],
            "given": "columns",
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "header": self.header,
            "decimal": self.decimal,
            "dates": self.dates,
            "missing": list(self.missing) or None,
            "id": self.id,
            "drop": list(self.drop) or None,
            "drop_missing_target": self.drop_missing_target or None,
        }
        folds = self.folds or FOLDS
        if self.time is not None:
            split: dict[str, Any] = {"by": "time", "column": self.time}
        elif self.group is not None:
            split = {"by": "group", "column": self.group, "folds": folds, "locked": 0.2}
        else:
            split = {"by": "random", "folds": folds, "locked": 0.2}
        score = {"metric": self.metric, "kind": self.kind, "positive": self.positive}
        return {"data": _stated(data), "split": split, "score": _stated(score)}


def from_table(name: str, path: Path, said: Said) -> tuple[NewTask, Understood]:
    """Return the task, and what was understood of the file.

    Raises:
        ConfigError: the file cannot be read, or no task can be made of it.
    """
    if said.time is not None and said.group is not None:
        raise ConfigError("--time and --group are two ways to split: give one")
    if said.time is not None and said.folds is not None:
        raise ConfigError("--time cuts windows, and --folds are for rows without an order")
    with given.opened(path) as stream:
        beginning = stream.read(4)
    file = next((file for start, file in FORMATS.items() if beginning.startswith(start)), CSV)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / file).symlink_to(path.resolve())
        declaration = Path(folder) / DECLARATION
        declaration.write_text(yaml_text(said.declaration(file)), encoding="utf-8")
        found = declared.understand(declaration, Path(folder), source=str(path))
    return _task(name, path, file, _completed(said, found), found), found


def _stated(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _completed(said: Said, found: Understood) -> Said:
    """Return what the person said and what was found, so that nothing is found otherwise later."""
    read = found.dialect
    if read is not None and read.delimiter is not None:
        said = replace(
            said, delimiter=read.delimiter, encoding=read.encoding, header=read.header,
            decimal=read.decimal,
        )  # fmt: skip
    return replace(said, kind=found.kind, metric=found.metric, positive=found.positive)


def _task(name: str, path: Path, file: str, said: Said, found: Understood) -> NewTask:
    ordered = said.time is not None
    several = len(said.targets) > 1 or found.kind == "multi-label"
    analysed = ordered and found.kind == "binary"
    declaration = said.declaration(file)
    declaration["score"]["also"] = found.also
    declaration["ask"] = {"command": "python main.py predict rows"}
    step = step_of(found)
    wide = _widest(found)
    words = {
        "task": name, "metric": found.metric, "direction": found.direction,
        "mutable": "model.py, features.py", "min_gain": f"{3 * step:f}",
    }  # fmt: skip
    policy = filled(
        "policy.yaml", **words,
        leak=WINDOWS_LEAK if ordered else FOLDS_LEAK,
        round_to=f"{step:f}",
        max_files="2",
        notes=", ".join((*ANALYSIS, *NOTES) if analysed else NOTES),
        imports=IMPORTS,
        image="tabular",
        splits=", ".join(found.splits),
        audit=", ".join(found.audit_splits),
        shared="true",
        train="60s",
    )  # fmt: skip
    better = "high" if found.direction == "maximize" else "low"
    program = filled(
        "program.md",
        **{**words, "mutable": "`features.py` and `model.py`"},
        about=f"Rows of a table, {_order(said)}; `{'`, `'.join(said.targets)}` is to be predicted.",
        goal=f"Make `{found.metric}` as {better} as you can, mean over the splits: "
        f"{found.measures}.\n{GOALS.get(found.metric, f'Answers: {found.reads}.')}",
        more=f"   `main.py` refuses more than {wide} features or {_most_trees(found):,} trees.\n",
    )
    header = "# What the table is and how it was read; docs/your-own-data.md explains every key.\n"
    return NewTask(
        name=name,
        policy=policy,
        harness={DECLARATION: header + yaml_text(declaration), "raw.yaml": raw_yaml({file: path})},
        template={
            **_template(found, ordered=ordered, analysed=analysed, several=several, wide=wide),
            "program.md": script_file(program),
        },
        raw={file: path},
    )


def _order(said: Said) -> str:
    if said.time is not None:
        return f"in the order of `{said.time}`: train on the past, predict the next window"
    if said.group is not None:
        return f"in folds that part no `{said.group}`: train on all but one, predict that one"
    return "in stratified folds: train on all but one, predict that one"


def step_of(found: Understood) -> Decimal:
    """Return in which steps a score is told: a thousandth, or that share of the target's spread."""
    if found.spread is None or found.metric in ("r2", "explained_variance", "mape", "rmsle"):
        return Decimal("0.001")
    size = found.spread**2 if found.metric == "mse" else found.spread
    return Decimal(f"{min(size, LARGEST) / 1000:.0e}")


def _widest(found: Understood) -> int:
    """Return how many features a model may have: the template's, and half as many again."""
    made = {"words": MOST_WORDS, "text": TEXT_FEATURES}
    count = sum(min(one.distinct, made.get(one.kind, 1)) if one.kind == "words"
                else made.get(one.kind, 1) for one in found.features)  # fmt: skip
    return max(MOST_FEATURES, count * 3 // 2)


def _most_trees(found: Understood) -> int:
    """Return how many trees a model may have; of several classes each has its own."""
    return MOST_TREES * (len(found.classes) if found.kind == "multi-class" else 1)


def _template(
    found: Understood, *, ordered: bool, analysed: bool, several: bool, wide: int
) -> dict[str, File]:
    rows = found.rows
    classes = len(found.classes)
    objective = OBJECTIVES.get(
        found.kind, f'"objective": "multiclass",\n        "num_class": {classes}'
    )
    answers = {
        "binary": "a number per row from 0 to 1, higher for what is likelier positive",
        "multi-class": f"[n, {classes}] a number for each class, in the order of the classes",
        "regression": "the amount expected for each row",
        "multi-label": "a number from 0 to 1 for each label of a row",
    }[found.kind]
    kinds = {
        "binary": "of 0 and 1", "multi-class": f"of 0 to {classes - 1}", "regression": "of amounts",
        "multi-label": "of 0 and 1",
    }  # fmt: skip
    if several:
        answers += ", a column for each target"
    order = "; they are in time order" if ordered else ""
    features = filled(
        "table_features.py",
        texts=json.dumps([one.name for one in found.columns if one.kind == "text"]),
        fewest=str(min(50, max(2, rows // 100))),
        words=str(MOST_WORDS),
        text_features=str(TEXT_FEATURES),
        order=order,
    )
    model = filled(
        "table_models.py" if several else "table_model.py",
        objective=objective, targets=kinds[found.kind], answers=answers,
        leaf=str(min(20, max(2, rows // 30))), leaves=str(31 if rows >= 1000 else 7),
        trees=str(200 if rows >= 1000 else 60),
    )  # fmt: skip
    main = filled(
        "table_main.py", most=str(wide), trees=str(_most_trees(found)),
        part="window's past" if ordered else "fold's rows",
    )  # fmt: skip
    shipped = paths.template("tabular")
    return {
        "features.py": script_file(features),
        "model.py": script_file(model),
        "main.py": script_file(main),
        **{file: shipped[file] for file in ("run.sh", *NOTES, *(ANALYSIS if analysed else ()))},
    }
