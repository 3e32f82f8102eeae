"""What of a run's entries a person is told, and in which words; pure but for what it reads.

Agents wrote part of it, and it is shown where links and mentions come alive. So it is cut to short
lines without what a reader does not see, and without what makes a link, a mention or markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runner.addresses import Kind
from runner.errors import StoppedError
from runner.history import metric_of
from runner.journal.entries import Entry
from runner.journal.entries import Kind as Fact
from runner.journal.reader import Reader
from runner.prompt.untrusted import one_line
from runner.records import ExperimentStatus, Run
from runner.scheduler import HELD
from runner.steering.between import CHANGED
from runner.views import lines, summary
from runner.views.standing import standing_of

MOST_LINE, MOST_LINES, MOST_TEXT = 300, 20, 2000
"""Characters of a line, lines and characters of a message: services cut longer ones themselves."""
LIVELY = str.maketrans("<>[]`@", "‹›()'＠")  # noqa: RUF001 - on purpose
"""What makes mentions, links and markup, and what is shown instead."""
DOT = re.compile(r"(?<=\w)\.(?=[^\W\d_]{2})")
"""Inside of a name, as train.py or a domain, which chats and mail programs make links of; a number
has none."""
SHOWN = ("best", "believe", "experiments", "spent", "trust")
"""Of the summary; the scores of the locked part stay on this machine."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that a person is told."""

    kind: Kind
    at: str
    """UTC, ISO 8601."""
    text: str
    experiment: int | None = None


def events(
    journal: Reader, run: Run, strategy: str, after: int
) -> Iterator[tuple[int, Event | None]]:
    """Yield the place of each entry since another one, with what a person is told of it.

    Args:
        journal: the journal.
        run: which run.
        strategy: by which it begins, so that another one means a plateau.
        after: the place of the last entry that is known.
    """
    for entry in journal.entries(run.tag, after=after):
        yield entry.seq, _event(entry, journal, run, strategy)


def _event(entry: Entry, journal: Reader, run: Run, strategy: str) -> Event | None:
    said = entry.document
    match entry.kind:
        case Fact.SETTLED if said["number"]:
            kept = next(journal.outlines(run.tag, said["number"], said["number"]))
            if kept.status is not ExperimentStatus.KEPT:
                return None
            text = harmless(lines.experiment_line(metric_of(run), kept))
            return Event(kind="keep", at=entry.at, text=text, experiment=kept.number)
        case Fact.PAUSED if said.get("kind") == StoppedError.__name__:  # nothing is to be mended
            ending = _ending(journal, run, str(said.get("message", "")))
            return Event(kind="end", at=entry.at, text=harmless(*ending))
        case Fact.PAUSED:
            words = (said.get("message", ""), said.get("to_do", ""))
            return Event(kind="pause", at=entry.at, text=harmless(*filter(None, words)))
        case Fact.NOTED if said["name"] == HELD:
            return Event(kind="pause", at=entry.at, text="a person paused it")
        case Fact.NOTED if said["name"] == CHANGED and said["detail"]["to"] != strategy:
            why = harmless(f"the strategy is {said['detail']['to']} now: {said['detail']['why']}")
            return Event(kind="plateau", at=entry.at, text=why)
        case Fact.ENDED:
            ending = _ending(journal, run, str(said.get("reason", "")))
            return Event(kind="end", at=entry.at, text=harmless(*ending))
    return None


def _ending(journal: Reader, run: Run, reason: str) -> Iterator[str]:
    standing = standing_of(journal, run)
    yield reason
    rows = [*summary.scores_rows(standing), ("experiments", summary.tally(standing))]
    rows += summary.trust_rows(standing) if standing.advisory else []
    for name, text in [*rows, *summary.spent_rows(standing, None)]:
        if name in SHOWN:
            yield f"{name}: {text}"


def harmless(*texts: str) -> str:
    """Return texts as lines in which nothing is hidden, and nothing comes alive."""
    cleaned = (one_line(text, MOST_LINE).translate(LIVELY) for text in texts)
    dotless = (DOT.sub("\N{ONE DOT LEADER}", line) for line in cleaned)
    return "\n".join(line.replace("://", ": //") for line in dotless)


def message(run: Run, told: Sequence[Event], left_out: int = 0) -> dict[str, Any]:
    """Return events as one message, which is also the document that a command gets.

    Args:
        run: whose they are.
        told: at least one of them, the oldest first.
        left_out: how many older ones nobody can be told any more.
    """
    kinds = ", ".join(dict.fromkeys(each.kind for each in told))
    spoken = [line for each in told for line in each.text.split("\n")]
    if len(spoken) > MOST_LINES:
        left_out, spoken = left_out + len(spoken) - MOST_LINES, spoken[-MOST_LINES:]
    more = [f"(and {left_out} earlier lines)"] if left_out else []
    text = "\n".join([*more, *spoken])
    return {
        "run": run.tag,
        "task": run.task,
        "title": f"{run.task} {run.tag}: {kinds}",
        "text": text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…",
        "events": [asdict(each) for each in told],
    }
