"""What is predicted: which of four kinds it is and why, its classes, and which one is positive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.declared.columns import MANY, YES_NO, Reading, suspicion
from harness.declared.numbers import is_number, number, numbers_of, other_mark
from harness.declared.records import BadTableError
from harness.raw import BadRawDataError

MOST_NUMBERED_CLASSES = 10
"""Whole numbers that are more different ones are amounts, unless said otherwise."""
MOST_CLASSES = 1000
NUMBERS = ("regression", "ranking")
POSITIVE = ("1", "1.0", *(yes for yes, _ in YES_NO), "positive", "pos")
"""What the positive of two classes is called, where nobody says it."""
STRATA = 5
"""Parts of a target of numbers that each side of a split gets its share of."""
OVERRULE = "--kind overrules"
LABEL_MARKS = ("|", ";", ",", " ")
"""What cuts several labels in one column, the first of these that is there."""


@dataclass(frozen=True, kw_only=True)
class Target:
    kind: str
    why: str
    values: NDArray[Any]
    """Binary: [n] uint8, 1 where positive. Multi-class: [n] int64 places among the classes.
    Multi-label: [n, k] uint8. Regression: [n] or [n, k] float64. Ranking: [n] float64, how relevant
    each row is; of pairs [n, 2] int64, which query and which document."""
    classes: tuple[str | float, ...] = ()
    """As they are written in the data, in the order of the places; of labels, their names."""
    notes: tuple[str, ...] = ()

    @property
    def positive(self) -> str | float | None:
        return self.classes[1] if self.kind == "binary" else None

    def counts(self) -> dict[str, int]:
        """Return how many rows each class has."""
        if self.kind == "multi-label":
            sums = self.values.sum(axis=0)
        elif self.classes:
            sums = np.bincount(self.values, minlength=len(self.classes))
        else:
            return {}
        return {str(name): int(count) for name, count in zip(self.classes, sums, strict=True)}

    def strata(self) -> NDArray[np.int64]:
        """Return [n] numbers; a split gives every part its share of each."""
        values = self.values if self.values.ndim == 1 else self.values[:, 0]
        if self.classes:
            return values.astype(np.int64)
        ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        return (ranks * STRATA // max(1, len(ranks))).astype(np.int64)

    def take(self, rows: NDArray[np.int64]) -> Target:
        return replace(self, values=self.values[rows])


def of_words(
    name: str, values: Sequence[str], lines: Sequence[int], reading: Reading, *,
    kind: str | None, positive: Any,
) -> Target:  # fmt: skip
    """Understand one column of a table; no value is absent.

    Args:
        name: of the column.
        values: [n] of it.
        lines: [n] in which of the file each is.
        reading: how they are read.
        kind: what the target is, where a person says so.
        positive: the positive of two classes, where a person says so.

    Raises:
        BadTableError: it is not what `kind` says, or cannot be predicted.
    """
    said, found = f"the target {name!r}", numbers_of(set(values), reading.decimal)
    known = found.known if found else None
    notes = [f"{said}: {found.note}"] if found and found.note else []
    if known is None and (odd := suspicion(values, [False] * len(values), lines, reading)):
        if len(set(values)) > MANY and kind in (None, "regression"):
            away = " --drop-missing-target" if "--missing" in odd[1] else ""
            raise BadTableError(f"{said}: {odd[0]}; {odd[1]}{away}")
        notes = [f"{said}: {odd[0]}"]
    # Spellings of one value: another case, blanks or a point at the end, or 1 and 1.0.
    key = {value: repr(known[value]) if known else " ".join(value.casefold().rstrip(".").split())
           for value in set(values)}  # fmt: skip
    spelt: dict[str, Counter[str]] = {}
    for value, count in Counter(values).items():
        spelt.setdefault(key[value], Counter())[value] += count
    if len(spelt) == 1:
        raise BadTableError(f"{said} has one class only: every row holds {values[0]!r}")
    guess, why = _guess(len(spelt), len(values), known)
    kind, why = (kind, "as declared") if kind else (guess, why)
    if positive is not None and kind != "binary":
        raise BadTableError(f"{said} is {kind}, and only a binary one has a positive class")
    if kind in NUMBERS:
        if known is None:
            word = next((value for value in values if not is_number(value)), values[0])
            raise BadTableError(f"{said} is to be a number, and holds {word!r}: --kind multi-class")
        amounts = _of_numbers(kind, why, np.array([known[value] for value in values]))
        return replace(amounts, notes=tuple(notes))
    _refuse_classes(said, kind, spelt, rows=len(values))
    seen = {one: found.most_common(1)[0][0] for one, found in spelt.items()}
    order = sorted(seen, key=lambda one: known[seen[one]] if known else seen[one])
    if kind == "binary":
        order = _positive_last(said, order, seen, positive)
        if positive is None and seen[order[-1]].casefold() not in POSITIVE:
            why += "; the positive is the last one in sorting order (--positive overrules)"
    places = {one: place for place, one in enumerate(order)}
    codes = np.array([places[key[value]] for value in values])
    merged = [sorted(words) for words in spelt.values() if len(words) > 1]
    return Target(
        kind=kind,
        why=why,
        values=codes.astype(np.uint8 if kind == "binary" else np.int64),
        classes=tuple(seen[one] for one in order),
        notes=(*notes, *(f"{' and '.join(map(repr, words))} are one class" for words in merged)),
    )


def _refuse_classes(said: str, kind: str, spelt: Mapping[str, Counter[str]], *, rows: int) -> None:
    """Raise where a column's values are no classes of this kind."""
    if len(spelt) > rows / 2 or len(spelt) > MOST_CLASSES:
        marks = (mark for mark in "|;" if 2 * sum(mark in one for one in spelt) >= len(spelt))
        mark = next(marks, None)
        several = f"; several labels, cut by {mark!r}, are --kind multi-label" if mark else ""
        raise BadTableError(
            f"{said} holds {len(spelt)} different values in {rows} rows, too many for classes: "
            f"is it the right column?{several}"
        )
    if kind == "binary" and len(spelt) != 2:
        rare = min(spelt.values(), key=Counter.total)
        raise BadTableError(
            f"{said} must hold two classes and holds {len(spelt)}, "
            f"{rare.most_common(1)[0][0]!r} among them: --kind multi-class"
        )


def of_labels(name: str, values: Sequence[str]) -> Target:
    """Understand a column with several labels in a value, `Comedy|Drama` or `['a', 'b']`.

    Raises:
        BadTableError: it has none, or as many as rows.
    """
    said = f"the target {name!r}"
    mark = next((mark for mark in LABEL_MARKS if any(mark in value for value in values)), None)
    if mark is None:
        raise BadTableError(
            f"{said} holds one label a row: --kind multi-class, or a --target for each label"
        )
    rows = [{part.strip(" []{}()'\"") for part in value.split(mark)} - {""} for value in values]
    names = sorted(set().union(*rows))
    if not 2 <= len(names) <= min(MOST_CLASSES, len(rows) / 2):
        raise BadTableError(
            f"{said} holds {len(names)} different labels, cut by {mark!r}, in {len(rows)} rows: "
            "is it the right column?"
        )
    flags = np.array([[name in row for name in names] for row in rows], dtype=np.uint8)
    why = f"as declared; its labels are cut by {mark!r}"
    return Target(kind="multi-label", why=why, values=flags, classes=tuple(names))


def of_columns(
    names: Sequence[str], columns: Sequence[Sequence[str]], reading: Reading, *, kind: str | None
) -> Target:
    """Understand several columns: labels of 0 and 1, or numbers."""
    read = []
    for name, values in zip(names, columns, strict=True):
        known = {value: _flag(value, reading) for value in set(values)}
        if None in known.values():
            odd = next(value for value in values if known[value] is None)
            raise BadTableError(
                f"the target {name!r} holds {odd!r}, and must be 0 and 1 or numbers"
            )
        read.append([known[value] for value in values])
    return of_array(np.array(read, dtype=np.float64).T, kind=kind, names=tuple(names))


def of_array(
    values: NDArray[Any], *, kind: str | None, positive: Any = None, names: tuple[str, ...] = ()
) -> Target:
    """Understand an array of targets, [n] or [n, k].

    Raises:
        BadRawDataError: it holds what nobody can predict.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0])
        raise BadRawDataError(f"the targets' row {row} is not a finite number")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        return _of_matrix(values, kind, names)
    distinct = np.unique(values)
    if len(distinct) < 2:
        raise BadRawDataError(f"every target is {distinct[0] if len(distinct) else 'absent'}")
    found = kind or _kind_of_array(values, distinct)
    why = "as declared" if kind else f"{len(distinct)} different values of {values.dtype}"
    if found in NUMBERS:
        if values.dtype.kind not in "biuf":
            raise BadRawDataError(f"targets of {values.dtype} are not numbers")
        return _of_numbers(found, why, values.astype(np.float64))
    if found == "multi-label" or (found == "binary") != (len(distinct) == 2):
        raise BadRawDataError(f"targets with {len(distinct)} different values are not {found}")
    classes = distinct.tolist()
    if found == "binary" and positive is not None:
        matching = [one for one in classes if str(one) == str(positive) or one == positive]
        if not matching:
            raise BadRawDataError(f"no target is {positive!r}; they are {classes}")
        classes = [*(one for one in classes if one != matching[0]), matching[0]]
    places = np.array([classes.index(one) for one in distinct.tolist()])
    codes = places[np.searchsorted(distinct, values)]
    codes = codes.astype(np.uint8 if found == "binary" else np.int64)
    return Target(kind=found, why=why, values=codes, classes=tuple(classes))


def _of_numbers(kind: str, why: str, values: NDArray[np.float64]) -> Target:
    if kind == "ranking" and (values < 0).any():
        raise BadRawDataError("of a ranking, the target is how relevant a row is: 0 or more")
    return Target(kind=kind, why=why, values=values)


def _kind_of_array(values: NDArray[Any], distinct: NDArray[Any]) -> str:
    """Return what a vector of targets looks like."""
    if len(distinct) == 2:
        return "binary"
    if values.dtype.kind not in "biuf":
        return "multi-class"
    integers = values.dtype.kind in "biu"
    if not integers and (distinct != np.round(distinct)).any():
        return "regression"
    most = max(MOST_NUMBERED_CLASSES, len(values) // 10) if integers else MOST_NUMBERED_CLASSES
    return "multi-class" if len(distinct) <= most else "regression"


def _of_matrix(values: NDArray[Any], kind: str | None, names: tuple[str, ...]) -> Target:
    """Understand several columns of labels, or of amounts."""
    labels = set(np.unique(values).tolist()) <= {0, 1}
    guess, what = ("multi-label", "0 and 1") if labels else ("regression", "numbers")
    found, why = (kind, "as declared") if kind else (guess, f"several columns of {what}")
    if found not in ("multi-label", "regression") or (found == "multi-label" and not labels):
        raise BadRawDataError(f"targets of shape {values.shape} are not {found}")
    if found == "regression":
        return Target(kind=found, why=why, values=values.astype(np.float64))
    names = names or tuple(f"label_{place}" for place in range(values.shape[1]))
    return Target(kind=found, why=why, values=values.astype(np.uint8), classes=names)


def _guess(distinct: int, rows: int, known: Mapping[str, float] | None) -> tuple[str, str]:
    if distinct == 2:
        return "binary", "it has two different values"
    if known is None:
        return "multi-class", f"it has {distinct} different words"
    whole = all(value.is_integer() for value in known.values())
    if whole and distinct <= min(MOST_NUMBERED_CLASSES, max(2, rows // 10)):
        return "multi-class", f"it has {distinct} different whole numbers; {OVERRULE}"
    what = "whole numbers" if whole else "numbers with decimals"
    return "regression", f"it has {distinct} different {what}; {OVERRULE}"


def _positive_last(said: str, order: list[str], seen: dict[str, str], positive: Any) -> list[str]:
    """Return the two classes with the positive one last."""
    by_word = {word.casefold(): one for one, word in seen.items()}
    wanted = {str(positive).casefold()}
    if isinstance(positive, bool):  # what YAML makes of yes and no
        wanted |= {pair[not positive] for pair in YES_NO}
    known = {number(word, ".") for word in wanted} - {None}
    matching = [
        one for word, one in by_word.items() if word in wanted or number(word, ".") in known
    ]
    if positive is None:
        chosen = next((by_word[word] for word in by_word if word in POSITIVE), order[-1])
    elif matching:
        chosen = matching[0]
    else:
        raise BadTableError(
            f"{said} never holds {positive!r}, which is to be predicted; it holds "
            f"{' and '.join(repr(seen[one]) for one in order)}"
        )
    return [*(one for one in order if one != chosen), chosen]


def _flag(value: str, reading: Reading) -> float | None:
    pair = next((pair for pair in YES_NO if value.casefold() in pair), None)
    if pair is not None:
        return float(value.casefold() == pair[0])
    found = number(value, reading.decimal)
    return found if found is not None else number(value, other_mark(reading.decimal))
