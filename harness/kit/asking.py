"""Ask a function of the project about new inputs, and write down what it says.

    python -m kit.asking predict.py:predict           in run.sh, as the predictor
    python -m kit.asking predict.py:predict serve     the same of a language model
    python -m kit.asking embed.py:embed               one side of pairs: queries, or documents

`/inputs/about.json` says what the question is. The function gets inputs as training had them: an
array, a pandas table without its target, or a list of paths; a language model gets tokens, as
`kit.serving` has them. It returns one answer for each row, in their order: a number or a class, or
a row of numbers, one for each class in sorting order. Where classes are words, a whole number is a
place in that order, as encoders of labels give it. Of pairs it gets one side's rows and that side's
name, `queries` or `documents`, and returns an embedding of each row, of one width for both.

What this does not protect against: anything. It runs beside the code that it asks, and only makes
mistakes plain before the scorer refuses them.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import inputs, outputs
from .serving import serve

WORKSPACE = Path("/workspace")


def main(asked: str, *, serving: bool = False) -> None:
    """Ask `FILE.py:FUNCTION` about all inputs, and write its answers; or let it answer a scorer."""
    if serving:
        serve(function(asked))
        return
    about = json.loads((inputs.FOLDER / "about.json").read_text())
    given = question(about)
    outputs.save("ids", inputs.load("ids"))
    if "side" in about:
        embedded = np.asarray(function(asked)(given, about["side"]), dtype=np.float32)
        outputs.save("predictions", embedded)
        return
    said = function(asked)(given)
    outputs.save("predictions", answers(said, given, about))


def function(asked: str) -> Any:
    """Return a function of the workspace by `FILE.py:FUNCTION`.

    Raises:
        ImportError: there is none.
    """
    file, _, name = asked.partition(":")
    spec = importlib.util.spec_from_file_location(Path(file).stem, WORKSPACE / file)
    if spec is None or spec.loader is None or not (WORKSPACE / file).is_file():
        raise ImportError(f"there is no {file} in the workspace")
    module = importlib.util.module_from_spec(spec)
    sys.modules[Path(file).stem] = module
    spec.loader.exec_module(module)
    if not callable(found := getattr(module, name, None)):
        raise ImportError(f"{file} has no function {name!r}")
    return found


def question(about: dict[str, Any]) -> Any:
    """Return the inputs: an array, or a table as pandas reads it."""
    if about.get("files"):
        return sorted((inputs.FOLDER / "files").iterdir())
    if "array" in about:
        return inputs.load(Path(about["array"]).stem)
    if about["file"] is None:
        raise ValueError("rows lie as columns here: read them with kit.tables.asked()")
    return table(inputs.FOLDER / about["file"], about)


def table(path: Path, about: dict[str, Any]) -> Any:
    """Return a file's rows as a DataFrame, read in the dialect that it was written in."""
    pandas: Any = importlib.import_module("pandas")  # images have it, and the host has not
    if path.suffix in (".parquet", ".pq"):
        return pandas.read_parquet(path)
    dialect = about["dialect"]
    header = "infer" if dialect["header"] else None
    found = pandas.read_csv(
        path, sep=dialect["delimiter"], encoding=dialect["encoding"], header=header,
        decimal=dialect["decimal"] or ".", skip_blank_lines=False,
    )  # fmt: skip
    if header is None:
        found.columns = [f"column_{place}" for place in range(1, found.shape[1] + 1)]
    return found


def answers(said: Any, given: Any, about: dict[str, Any]) -> NDArray[Any]:
    """Return what a function said in the form that the scorer reads.

    Raises:
        ValueError: it is not one answer for each row, in their order.
    """
    index: Any = getattr(said, "index", None)
    asked: Any = getattr(given, "index", None)
    # Of tables, whose index compares itself; a list has one that does not.
    if hasattr(index, "equals") and hasattr(asked, "equals") and not index.equals(asked):
        raise ValueError("the answers are for other rows, or in another order, than were asked")
    values = np.asarray(said)
    kind, classes = about["kind"], about["classes"]
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 0 or len(values) != len(given):
        raise ValueError(
            f"{len(given)} rows were asked, and the answer has the shape {values.shape}"
        )
    if kind == "binary" and values.ndim == 2 and values.shape[1] == 2:
        values = values[:, int(classes == sorted(classes, key=_rank))]
    if kind in ("binary", "multi-class") and values.ndim == 1:
        named = _places(values, classes)
        if named is not None and (kind == "multi-class" or about["needs"] == "labels"):
            return named
        if named is not None and values.dtype.kind != "f":
            return named.astype(np.float64)
    width = len(classes) if kind == "multi-class" else about["width"]
    wanted = (len(given),) if width == 1 else (len(given), width)
    if values.shape != wanted or values.dtype.kind not in "biuf":
        raise ValueError(
            f"the answer must be numbers of the shape {wanted}, not {values.dtype} {values.shape}"
        )
    found = values.astype(np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"{int((~np.isfinite(found)).sum())} answers are not finite numbers")
    return found


def _rank(name: Any) -> tuple[float, str]:
    """Order classes as libraries do: numbers by size, words by letters."""
    try:
        return float(name), ""
    except ValueError:
        return 0.0, str(name)


def _places(values: NDArray[Any], classes: list[Any]) -> NDArray[np.int64] | None:
    """Return the place of each answer among the classes, if every answer is one of them."""
    places = {str(name): place for place, name in enumerate(classes)}
    numeric = values.dtype.kind in "iuf"
    if numeric:
        try:
            places = {str(float(name)): place for place, name in enumerate(classes)}
        except ValueError:  # words
            if values.dtype.kind == "f":
                return None
            ordered = sorted(classes, key=_rank)
            places = {str(float(at)): classes.index(name) for at, name in enumerate(ordered)}
    said = [str(float(one)) if numeric else str(one) for one in values.tolist()]
    # Blanks around a table's values are in its file, and in no class.
    found = [places.get(one, places.get(one.strip())) for one in said]
    return None if None in found else np.array(found, dtype=np.int64)


if __name__ == "__main__":
    main(sys.argv[1], serving=sys.argv[2:] == ["serve"])
