"""What stands where on the screen, as lines of text from an overview; pure.

Whatever an agent or a container wrote is one printable line, cut to the width.
"""

from __future__ import annotations

import textwrap

from rich.text import Text

from runner.characters import visible
from runner.records import ExperimentStatus
from runner.views import lines, running, status, summary, tables
from runner.views.overview import Life, Overview, gauge
from runner.views.running import Doing

LABEL = 10
"""Columns of what stands before each line."""
FULL, EMPTY = "━", "─"
COLOURS = {
    Life.RUNNING: "bold green",
    Life.STOPPING: "bold yellow",
    Life.WAITING: "bold yellow",
    Life.PAUSED: "bold yellow",
    Life.KILLED: "bold red",
    Life.ENDED: "bold",
    Life.IDLE: "dim",
}
MOST_TAIL = 400
"""Characters of one line that a container printed."""


def title(found: Overview, width: int) -> list[Text]:
    """Name the run, say whether it is alive, and how long it still goes."""
    run = found.run
    left = Text.assemble(
        (lines.plain(run.tag), "bold"), f" of {lines.plain(run.task)}  ",
        (WORDS[found.life], COLOURS[found.life]), *_what_next(found),
    )  # fmt: skip
    right = Text(_left(found))
    gap = width - left.cell_len - right.cell_len
    return [_cut(Text.assemble(left, " " * max(1, gap), right) if gap > 0 else left, width)]


WORDS = {
    Life.RUNNING: "RUNNING",
    Life.STOPPING: "STOPPING",
    Life.WAITING: "PAUSED",
    Life.PAUSED: "NEEDS YOU",
    Life.KILLED: "KILLED",
    Life.ENDED: "ENDED",
    Life.IDLE: "not at work",
}


def _what_next(found: Overview) -> list[str]:
    """Say what a person can type or wait for."""
    match found.life:
        case Life.RUNNING if found.progress and found.progress.wish:
            return ["  pauses when this experiment has ended"]
        case Life.STOPPING:
            return ["  ends when this experiment has ended"]
        case Life.WAITING:
            return ["  r: go on"]
        case Life.PAUSED | Life.ENDED if found.last_end:
            detail = found.last_end["detail"]
            said = detail.get("reason") or detail.get("message", "")
            return [f"  {lines.plain(said, 300)}"]
        case Life.KILLED:
            return [f"  {running.going_on(found.progress, found.run.tag)} goes on"]
        case _:
            return []


def _left(found: Overview) -> str:
    parts = []
    if found.experiments_left is not None:
        parts.append(f"{found.experiments_left} to go")
    if found.seconds_left is not None:
        parts.append(f"about {lines.duration(found.seconds_left)} left")
    return ", ".join(parts)


def hero(found: Overview, width: int, *, brief: bool) -> list[Text]:
    """Say what came of it so far, whether to believe it, and what it cost.

    In brief each is one line, but for whether to believe it.
    """
    standing = found.standing
    rows = [*summary.scores_rows(standing), ("tried", summary.tally(standing))]
    rows += summary.spent_rows(standing, found.cap)
    rows += [row for row in summary.trust_rows(standing) if standing.advisory]
    if found.hypotheses:
        first = lines.plain(found.hypotheses[0].text, 200)
        rows.append(("wanted", f"{len(found.hypotheses)} open, the next: {first}"))
    return [
        line
        for name, text in rows
        for line in _row(name, text, width, 1 if brief and name != "believe" else 2)
    ]


def now(found: Overview, width: int) -> list[Text]:
    """Say what each device and each agent is at, and what waits."""
    if not found.alive:
        return []
    devices = [at for at in found.devices if at]
    shown = [line for at in devices for line in _at_work(at, width)]
    free = len(found.devices) - len(devices)
    if free and len(found.devices) > 1:
        shown += _row("free", f"{free} of {len(found.devices)} devices", width)
    for at in found.doing:
        if at not in devices:
            shown += _at_work(at, width)
    pending = [str(each.number) for each in found.pending]
    if pending:
        shown += _row("waiting", f"experiment {', '.join(pending)}", width)
    return shown or _row("now", "between two steps", width)


def _at_work(at: Doing, width: int) -> list[Text]:
    share = None
    if at.stage_seconds is not None and at.most_seconds:
        share = min(1.0, at.stage_seconds / at.most_seconds)
    words = running.sentence(at)
    if share is None or at.stage_seconds is None or at.most_seconds is None:
        return _row(at.who, words, width)
    size = max(8, min(30, width // 8))
    full = round(size * share)
    clock = f"{lines.duration(at.stage_seconds)} of at most {lines.duration(at.most_seconds)}"
    line = Text.assemble(
        _label(at.who), (FULL * full, "green"), (EMPTY * (size - full), "dim"),
        f" {clock}: ", _one(running.whole(at)),
    )  # fmt: skip
    return [_cut(line, width)]


def evidence(found: Overview, width: int) -> list[Text]:
    """Show where the candidate that is measured stands between its two bounds."""
    outlook = found.outlook
    if outlook is None:
        return []
    said = _row("evidence", status.evidence(outlook), width)
    place = gauge(outlook)
    if place is None:
        return said
    left, right = "dropped ", " kept"
    size = max(10, min(60, width - LABEL - len(left) - len(right)))
    at = min(size - 1, round(place * (size - 1)))
    line = Text.assemble(
        _label(""), (left, "red"), (EMPTY * at, "dim"), ("◆", "bold"),
        (EMPTY * (size - 1 - at), "dim"), (right, "green"),
    )  # fmt: skip
    return [_cut(line, width), *said]


def chart(found: Overview, width: int) -> list[float]:
    """Return the running best, better is higher, as one number for each column at most."""
    points = [keep for keep in found.standing.keeps if keep.score is not None]
    if not points:
        return []
    metric, base = found.metric, points[0].score
    last = max(points[-1].number, found.recent[-1].number if found.recent else 0)
    columns = max(1, min(width, last + 1))
    gains, at = [], 0
    for column in range(columns):
        number = round(column * last / max(1, columns - 1))
        while at + 1 < len(points) and points[at + 1].number <= number:
            at += 1
        gains.append(metric.gain(base or 0.0, points[at].score or 0.0))
    return gains


def chart_title(found: Overview, width: int) -> Text:
    scores = [keep.score for keep in found.standing.keeps if keep.score is not None]
    if not scores:
        return heading("running best: nothing was measured yet", width)
    first, last = lines.levels(found.metric, scores[0], scores[-1])
    keeps = len(scores) - 1
    kept = "1 keep" if keeps == 1 else f"{keeps} keeps"
    return heading(f"running best: {found.metric.label} {first} → {last}, {kept}", width)


def experiments(found: Overview, width: int, height: int) -> list[Text]:
    """Show the newest experiments, the newest first."""
    shown = []
    for each in found.recent[::-1][:height]:
        score, moved = lines.change(found.metric, each)
        colour = tables.COLOURS.get(each.status, "red") if each.status else "dim"
        label = lines.label(each, running=found.alive) + lines.seeds(each)
        said = lines.plain(lines.said(each), 300)
        scored = f"{score} {moved}".strip()
        line = Text.assemble((f"{each.number:>6} ", "bold"), f"{scored:<20} ", (label, colour))
        line.append(f"  {said}", "dim" if each.status is ExperimentStatus.REVERTED else "")
        shown.append(_cut(line, width))
    return shown or [Text("no experiment was proposed yet", "dim")]


def tail(printed: str, width: int, height: int) -> list[Text]:
    """Show the last lines that a container printed; what a carriage return wrote over is gone."""
    last = [line.rstrip("\r").rpartition("\r")[2] for line in printed.split("\n")]
    while last and not last[-1].strip():
        last.pop()
    shown = [visible(line.expandtabs(8))[:MOST_TAIL] for line in last[-height:]]
    return [_cut(Text(line), width) for line in shown]


def tail_title(found: Overview, who: str, width: int) -> Text:
    at = next((each for each in found.devices if each and each.who == who), None)
    if at is None:
        return heading("what containers print", width)
    return heading(f"what {running.place(at)} prints", width)


def heading(text: str, width: int) -> Text:
    """Return a rule with a title in it."""
    title = Text.assemble(("─ ", "dim"), (_one(text), "bold"), " ")
    return _cut(title.append(EMPTY * max(0, width - title.cell_len), "dim"), width)


def diff(text: str, most_lines: int) -> Text:
    """Colour what was added and removed."""
    shown = Text()
    found = visible(text).split("\n")
    for line in found[:most_lines]:
        style = "bold" if line.startswith(("+++", "---", "diff ")) else COLOUR_OF.get(line[:1], "")
        shown.append(f"{line}\n", style)
    if len(found) > most_lines:
        shown.append(f"… {len(found) - most_lines} more lines\n", "dim")
    return shown


COLOUR_OF = {"+": "green", "-": "red", "@": "cyan"}


def _one(text: str) -> str:
    """Make a text one line."""
    return " ".join(visible(text).split())


def _label(name: str) -> tuple[str, str]:
    return f"{_one(name)[: LABEL - 1]:<{LABEL}}", "dim"


def _row(name: str, text: str, width: int, most: int = 2) -> list[Text]:
    """Return a name and a text on two lines at most."""
    room = max(10, width - LABEL)
    wrapped = textwrap.wrap(_one(text), room, max_lines=most, placeholder=" …") or [""]
    return [
        _cut(Text.assemble(_label(name if index == 0 else ""), line), width)
        for index, line in enumerate(wrapped)
    ]


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    return text
