"""A project's own command as a trial: where it runs, and the number that it reports of itself.

It gets a writable copy of the project that is thrown away: a file system in memory for each of its
folders, with a size, and every frozen file mounted on top, where nothing can replace it.

What this does not protect against: code that prints a number it did not earn. That is why
everything that shows the number says that it is self-reported.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from runner.policy.paths import WORKSPACE, mount_place
from runner.records import Reported, Score, TrialResult, TrialStatus

MOST_BYTES = 1024 * 1024
"""Of a JSON file that is read."""
LARGEST = 1e15
"""A number beyond it is no metric."""
NUMBER = (
    r"[-+]?(?:(?:[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+(?:_\d+)*\.?\d*|\.\d+)"
    r"(?:[eE][-+]?\d+)?|inf(?:inity)?\b|nan\b)"
)
"""As Python prints one, with marks between thousands (`1_000` or `1,000.5`) as well."""
CONTROL = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
"""A terminal's colours and movements (ECMA-48), which progress bars print between numbers."""


def command(reported: Reported, seed: int) -> list[str]:
    """Return what the container runs."""
    line = reported.command.replace("{seed}", str(seed))
    return ["/bin/sh", "-c", f"cd {WORKSPACE} && {line}"]


def folders(reported: Reported, paths: Iterable[str]) -> tuple[str, ...]:
    """Name every folder of the copy, `/workspace` first: each is a file system of its own."""
    places = [PurePosixPath(WORKSPACE, path) for path in paths]
    places += [PurePosixPath(mount_place(path)) for path in reported.data]
    if reported.file:
        places.append(PurePosixPath(mount_place(reported.file)))
    inside = {str(parent) for place in places for parent in place.parents}
    own = {one for one in inside if PurePosixPath(one).is_relative_to(WORKSPACE)}
    elsewhere = {"/outputs"} & inside
    if "/kaggle" in inside:
        elsewhere.add("/kaggle/working")  # where such a notebook writes
    return tuple(sorted(own | {WORKSPACE} | elsewhere))


def hidden(reported: Reported, path: str) -> bool:
    """Whether something of the trial's own is mounted where this file of the project would be."""
    place = PurePosixPath(WORKSPACE, path)
    taken = [mount_place(each) for each in (*reported.data, *filter(None, [reported.file]))]
    return any(place.is_relative_to(each) for each in taken)


def read(reported: Reported, output: bytes, written: Path | None) -> TrialResult:
    """Return the number as a score, or why there is none.

    Args:
        reported: where it is.
        output: what the command printed, both streams.
        written: the file that it may have written instead.
    """
    found = _in_file(reported, written) if written else _in_output(reported, output)
    if isinstance(found, str):
        return TrialResult(status=TrialStatus.INVALID_OUTPUTS, stage="train", reason=found)
    if not math.isfinite(found) or abs(found) > LARGEST:
        reason = f"{reported.metric} is {found}, and a score is a finite number up to {LARGEST:g}"
        return TrialResult(status=TrialStatus.INVALID_OUTPUTS, stage="train", reason=reason)
    score = Score(metrics={reported.metric: found})
    return TrialResult(status=TrialStatus.SCORED, reason="self-reported", score=score)


def explained(failed: TrialResult) -> TrialResult:
    """Add to a deadline what it means for code that nobody told of one."""
    if failed.status is not TrialStatus.TIMEOUT:
        return failed
    why = "the project's code knows no deadline, and a run that is killed has no score"
    return replace(failed, reason=f"{failed.reason}; {why}")


def matches(pattern: str, output: bytes) -> list[float]:
    """Return every number that stands in the output where the pattern has its `{}`."""
    found = expression(pattern).findall(plain(output))
    return [float(each.translate(None, b"_,")) for each in found]


def expression(pattern: str) -> re.Pattern[bytes]:
    """Return the pattern as a regular expression; any white space stands for any other.

    A pattern that is `{}` alone stands for a number that is alone in its line.
    """
    if pattern == "{}":
        return re.compile(rf"^[ \t]*({NUMBER})[ \t]*$".encode(), re.IGNORECASE | re.MULTILINE)
    parts = pattern.partition("{}")
    before, _, after = (r"[ \t]+".join(map(re.escape, part.split())) for part in parts)
    # `loss: {}` must not be found in `val_loss: 3`.
    start = r"(?<![\w.-])" if re.match(r"\w", before) else ""
    number = rf"({NUMBER})"
    return re.compile(f"{start}{before}[ \\t]*{number}[ \\t]*{after}".encode(), re.IGNORECASE)


def plain(output: bytes) -> bytes:
    """Return what a terminal would show, a redrawn line as a line of its own."""
    return CONTROL.sub(b"", output).replace(b"\r", b"\n")


def _in_output(reported: Reported, output: bytes) -> float | str:
    assert reported.pattern is not None  # noqa: S101 - a policy has a pattern or a file
    found = matches(reported.pattern, output)
    if not found:
        return f"no number: nothing that it printed matches {reported.pattern!r}"
    return found[-1]


def _in_file(reported: Reported, path: Path) -> float | str:
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if not content:
        return f"no number: {reported.file} was not written, or was put in place by a rename"
    if len(content) > MOST_BYTES:
        return f"no number: {reported.file} has more than {MOST_BYTES} bytes"
    try:
        value = json.loads(content)
        for part in reported.key.split(".") if reported.key else []:
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (ValueError, RecursionError) as error:
        return f"no number: {reported.file} is no JSON: {error}"
    except (KeyError, IndexError, TypeError):
        return f"no number: {reported.file} holds nothing at {reported.key!r}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"no number: {reported.file} holds at {reported.key!r} no number"
    try:
        return float(value)
    except OverflowError:
        return math.inf
