"""What each page shows, as plain values for its template; reads the journal, writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from runner import progress
from runner.charts.lines import Curves
from runner.dashboard.door import Door, stamp
from runner.dashboard.table import EACH_PAGE, STATUSES, Shown
from runner.decision import Metric, percent, verdict_in
from runner.ends import Wish
from runner.experiment.steps import continued
from runner.history import mean_audit, metric_of
from runner.journal.reader import Reader
from runner.paths import State
from runner.progress import machine_seconds
from runner.records import REBASED, Experiment, ExperimentStatus, Run, Spent
from runner.views import diffs, lines, log, pictures, status, summary
from runner.views.overview import Life, Overview, overview_of
from runner.views.running import going_on
from runner.workspace import Workspace

RUNS_A_PAGE = 20
MOST_HYPOTHESIS = 160
MOST_SAID = 2_000
LOG_BYTES = 20_000
"""Of one log, its end, that are shown with an experiment."""
MOST_LOGS = 40
MOST_TRIALS = 200
AFTER = 8
"""Experiments after one that are looked through for what was learned from it."""
KEPT_A_PAGE = 40
ENTRIES_A_PAGE = 50
MOST_CHILDREN = 60
"""Attempts from one parent that a line of descent shows."""
UNKNOWN = "unknown"
SAVED = 128
"""Diffs and charts that are kept in memory, as they never change."""


class NotThere(Exception):  # noqa: N818 - it is an answer, no fault
    """What an address names is not there."""


def run_link(tag: str, *more: object, **query: object) -> str:
    """Return the address of a run's page, or of one below it."""
    path = "/".join(["/runs", quote(tag, safe=""), *(quote(str(part), safe="") for part in more)])
    return f"{path}?{urlencode(query)}" if query else path


@dataclass(frozen=True, kw_only=True)
class Pill:
    """One word with a colour and a shape."""

    kind: str
    """`kept`, `reverted`, `undecided`, `crashed`, `refused`, `open`; or of a run."""
    word: str


def pill(experiment: Experiment, *, running: bool) -> Pill:
    """Name how an experiment ended; what could not be measured is never called rejected."""
    status = experiment.status
    fate = pictures.fate_of(status, experiment.reason)
    if status is None or fate is None:
        return Pill(kind="open", word="running" if running else "not ended")
    if status is ExperimentStatus.REVERTED:
        verdict = verdict_in(experiment.reason)
        word = experiment.rule or (str(verdict) if verdict else "reverted")
        return Pill(kind=str(fate), word=word)
    words = {
        ExperimentStatus.KEPT: "kept",
        ExperimentStatus.REFUSED: "refused",
        ExperimentStatus.CRASHED: "crashed",
        ExperimentStatus.TIMEOUT: "timed out",
        ExperimentStatus.INVALID_OUTPUTS: "invalid outputs",
    }
    return Pill(kind=str(fate), word=words[status])


LIVES = {
    Life.RUNNING: Pill(kind="running", word="running"),
    Life.WAITING: Pill(kind="paused", word="waits: paused by a person"),
    Life.STOPPING: Pill(kind="running", word="stopping"),
    Life.PAUSED: Pill(kind="paused", word="paused"),
    Life.KILLED: Pill(kind="killed", word="was killed"),
    Life.ENDED: Pill(kind="ended", word="ended"),
    Life.IDLE: Pill(kind="idle", word="idle"),
}


WISHES = {
    Life.RUNNING: ((Wish.PAUSE, "Pause"), (Wish.STOP, "Stop after this one")),
    Life.WAITING: ((Wish.RESUME, "Go on"), (Wish.STOP, "Stop")),
    Life.STOPPING: ((Wish.STOP_NOW, "Stop now"),),
}
"""What can be asked of a run, and what the button says."""


def overview(door: Door, journal: Reader, state: State, run: Run) -> Overview:
    """Return how a run is; as long as nothing is written, what was read before.

    Audits are read where they are drawn.
    """
    said = progress.read(state.progress(run.tag))
    found = door.once(
        ("overview", run.tag, *moment(journal, state, run.tag)),
        lambda: overview_of(journal, run, said, cap=_cap(run), audits=False),
    )
    return replace(found, clock=machine_seconds())


def moment(journal: Reader, state: State, tag: str) -> tuple[object, ...]:
    """Return what is the same for as long as nothing new can be said of a run."""
    path = state.progress(tag)
    said = progress.read(path)
    return journal.head(tag), stamp(path), said is not None and said.alive


@lru_cache(SAVED)
def _cap(run: Run) -> float | None:
    """Ask a run's policy, which never changes, what its calls may cost."""
    from runner.money.spending import cap_of

    return cap_of(run)


def find_run(journal: Reader, tag: str) -> Run:
    run = journal.run(tag)
    if run is None:
        raise NotThere(f"there is no run {tag}")
    return run


# -- all runs -----------------------------------------------------------------------------------


def all_runs(door: Door, journal: Reader, state: State, page: int) -> dict[str, Any]:
    """Return the newest runs, by their tasks."""
    runs = journal.runs()[::-1]
    start = (page - 1) * RUNS_A_PAGE
    found = [overview(door, journal, state, run) for run in runs[start : start + RUNS_A_PAGE]]
    shown = [hero(each) | {"spark": pictures.sparkline(each)} for each in found]
    tasks: dict[str, list[dict[str, Any]]] = {}
    for each in shown:
        tasks.setdefault(each["run"].task, []).append(each)
    return {
        "tasks": tasks,
        "count": len(runs),
        "page": page,
        "pages": max(1, -(-len(runs) // RUNS_A_PAGE)),
    }


# -- one run ------------------------------------------------------------------------------------


def hero(found: Overview) -> dict[str, Any]:
    """Return what a person looks for in ten seconds."""
    standing, metric = found.standing, found.metric
    base, best = standing.baseline, standing.best
    scores = [each.score for each in (base, best) if each and each.score is not None]
    written = lines.levels(metric, *scores) if scores else ()
    gain, audit = found.gain, found.audit
    return {
        "run": found.run,
        "link": run_link(found.run.tag),
        "life": LIVES[found.life],
        "metric": metric,
        "best": written[-1] if best and best.score is not None else None,
        "best_number": best.number if best else None,
        "best_link": run_link(found.run.tag, "experiments", best.number) if best else None,
        "baseline": written[0] if base and base.score is not None else None,
        "gain": gain and summary.shown(gain),
        "is_better": gain is not None and gain.value > 0,
        "audit_gain": audit and summary.shown(audit.audited),
        "agreement": audit and str(audit.agreement),
        "audit_says": found.audit_says,
        "believe": found.believe,
        "trust": [text for _, text in summary.trust_rows(standing)],
        "advisory": standing.advisory,
        "self_reported": metric.self_reported,
        "kept": max(0, len(standing.keeps) - 1),
        "tried": sum(standing.counts.values()),
        "counts": [
            (word, standing.counts[status], str(status))
            for status, word in summary.COUNTED
            if standing.counts.get(status)
        ],
        "open": standing.counts.get(None, 0),
        "spent": spent_words(found.spent),
        "boxes": standing.boxes and lines.boxes(standing.boxes),
        "analyses": status.analyses(found) if found.analyses else None,
        "cap": found.cap,
        "cost_each_keep": _each_keep(found),
        "left": None if found.seconds_left is None else lines.duration(found.seconds_left),
        "experiments_left": found.experiments_left,
        "each": None if found.seconds_each is None else lines.duration(found.seconds_each),
        "last_end": _last_end(found),
        "wishes": WISHES.get(found.life, ()),
        "hypotheses": len(found.hypotheses),
    }


def spent_words(spent: Spent | None) -> str | None:
    """Say what calls cost; `None` where none were recorded, which is not the same as nothing."""
    return None if spent is None else lines.money(spent.usd)


def _each_keep(found: Overview) -> str | None:
    keeps = len(found.standing.keeps) - 1
    if found.spent is None or keeps < 1:
        return None
    return lines.money(found.spent.usd / keeps)


def _last_end(found: Overview) -> str | None:
    """Say why a run paused or ended, where it is not at work."""
    if found.last_end is None or found.alive:
        return None
    detail = found.last_end["detail"]
    said = detail.get("reason") or detail.get("message", "")
    return f"{said}; {detail['to_do']}" if detail.get("to_do") else str(said)


def now(found: Overview) -> dict[str, Any]:
    """Return what is being measured, with the evidence for it so far."""
    outlook = found.outlook
    metric = found.metric
    return {
        "life": LIVES[found.life],
        "run": found.run,
        "doing": found.doing,
        "devices": found.devices,
        "pending": [
            (each.number, run_link(found.run.tag, "experiments", each.number))
            for each in found.pending
        ],
        "outlook": outlook,
        "gauge": outlook and pictures.evidence_gauge(outlook),
        "outlook_gain": outlook
        and f"{outlook.gain:+.4g}" + (f" ± {outlook.margin:.2g}" if outlook.margin else ""),
        "outlook_link": outlook and run_link(found.run.tag, "experiments", outlook.experiment),
        "metric": metric,
        "last_end": _last_end(found),
        "going_on": going_on(found.progress, found.run.tag),
        "busy": _busy(found),
    }


def _busy(found: Overview) -> float | None:
    """Return how many devices were at work in the mean while the newest experiments ran."""
    ended = [each for each in found.recent if each.ended_at and each.started_at]
    if len(ended) < 2:
        return None
    start = min(datetime.fromisoformat(each.started_at) for each in ended)
    end = max(datetime.fromisoformat(each.ended_at or "") for each in ended)
    span = (end - start).total_seconds()
    worked = sum(trial.result.wall_seconds for each in ended for trial in each.trials)
    return worked / span if span > 0 else None


@dataclass(frozen=True, kw_only=True)
class Row:
    """An experiment in a table."""

    number: int
    link: str
    pill: Pill
    score: str
    moved: str
    category: str
    hypothesis: str
    why: str
    """Why there is no score."""
    seconds: str
    usd: str | None
    """Absent where the run asked no model."""


def table(journal: Reader, run: Run, shown: Shown, *, running: bool) -> dict[str, Any]:
    """Return a page of a run's experiments."""
    start = (shown.page - 1) * EACH_PAGE
    numbers, count = journal.wanted(run.tag, shown.wanted, start, EACH_PAGE)
    metric, asked = metric_of(run), journal.asked_models(run.tag)
    return {
        "run": run,
        "shown": shown,
        "rows": [_row(journal, metric, run, number, asked, running) for number in numbers],
        "count": count,
        "start": start,
        "pages": max(1, -(-count // EACH_PAGE)),
        "asked": asked,
        "metric": metric,
        "statuses": STATUSES,
    }


def _row(journal: Reader, metric: Metric, run: Run, number: int, asked: bool, running: bool) -> Row:
    found = _must(journal, run, number)
    score, moved = lines.change(metric, found)
    spent = journal.spent_by_experiment(run.tag, number, number).get(number) if asked else None
    return Row(
        number=number,
        link=run_link(run.tag, "experiments", number),
        pill=pill(found, running=running),
        score=score if found.score is not None else "",
        moved=_moved(moved),
        category=found.category,
        hypothesis=lines.plain(found.hypothesis, MOST_HYPOTHESIS) or "(no hypothesis)",
        why="" if found.score is not None else lines.plain(found.reason, MOST_HYPOTHESIS),
        seconds="" if found.wall_seconds is None else lines.duration(found.wall_seconds),
        usd=(spent_words(spent) or UNKNOWN) if asked and number else None,
    )


def charts(
    door: Door,
    journal: Reader,
    found: Overview,
    *,
    first: int,
    last: int | None,
    logarithmic: bool,
) -> dict[str, Any]:
    """Return the pictures of a run, drawn anew after each result."""
    tag = found.run.tag
    key = ("charts", tag, journal.result_chain(tag), first, last, logarithmic)
    return door.once(key, lambda: _charts(journal, found, first, last, logarithmic=logarithmic))


def _charts(
    journal: Reader, found: Overview, first: int, last: int | None, *, logarithmic: bool
) -> dict[str, Any]:
    tag = found.run.tag
    newest = journal.newest(tag) or 0
    failures, categories = pictures.outcomes(
        journal, tag, lambda name, value: run_link(tag, **{name: value}) + "#experiments"
    )
    return {
        "progression": pictures.run_progression(
            journal,
            found,
            lambda number: run_link(tag, "experiments", number),
            first=first,
            last=last,
            logarithmic=logarithmic,
        ),
        "first": first,
        "last": newest if last is None else min(last, newest),
        "newest": newest,
        "logarithmic": logarithmic,
        "ranges": _ranges(newest),
        "failures": failures,
        "categories": categories,
        "cost": pictures.spending(journal, found),
    }


def _ranges(newest: int) -> list[tuple[str, int]]:
    found = [("all", 0)]
    found += [(f"newest {n:,}", newest - n + 1) for n in (500, 100, 30) if newest > n]
    return found


# -- one experiment -----------------------------------------------------------------------------


def experiment(journal: Reader, state: State, run: Run, number: int) -> dict[str, Any]:
    """Return an experiment with all that is known of it."""
    found = _must(journal, run, number)
    metric, newest = metric_of(run), journal.newest(run.tag) or 0
    before = journal.kept_before(run.tag, number)
    incumbent = None if before is None else journal.experiment(run.tag, before)
    said = progress.read(state.progress(run.tag))
    score, moved = lines.change(metric, found)
    origin = found.origin
    asked = origin.answers if origin else None
    files, more_files = _diff(state, run.tag, found.parent_commit, found.attempt_commit)
    calls = journal.calls(run.tag, number, number)
    curves = pictures.curves_of(found, incumbent)
    beside = journal.beside(run.tag, number, number)[number]
    logs, talk = list(_logs(state.logs(run.tag, number))), state.talk(run.tag, number).name
    return {
        "run": run,
        "metric": metric,
        "found": found,
        "number": number,
        "previous": number - 1 if number else None,
        "next": number + 1 if number < newest else None,
        "pill": pill(found, running=bool(said and said.alive)),
        "score": score if found.score is not None else None,
        "moved": _moved(moved),
        "sure": None if found.sure is None else percent(found.sure),
        "sure_of": lines.sure_of(found),
        "seeds": lines.seeds(found).strip(),
        "audit": mean_audit(found, metric.name),
        "hypothesis": found.hypothesis[:MOST_SAID] or "(no hypothesis)",
        "reason": found.reason[:MOST_SAID],
        "origin": origin,
        "asked": next((h for h in journal.hypotheses(run.tag, asked)), None) if asked else None,
        "learned": _learned(journal, run.tag, number),
        "incumbent": incumbent,
        "dots": pictures.trials_of_both(
            metric, found, incumbent, continued(partial(_must, journal, run), found)
        ),
        "trials": found.trials[:MOST_TRIALS],
        "more_trials": max(0, len(found.trials) - MOST_TRIALS),
        "curves": [(each.name, pictures.curve(each), _points(each)) for each in curves],
        "files": files,
        "more_files": more_files,
        "logs": [each for each in logs if each["name"] != talk],
        "talk": [each for each in logs if each["name"] == talk],
        "calls": calls,
        "spent": beside.spent,
        "boxes": [lines.box(each) for each in beside.boxes],
        "analyses": [lines.analysis(each) for each in beside.analyses],
        "asked_models": journal.asked_models(run.tag),
        "gigabytes": lines.memory,
        "duration": lines.duration,
    }


def _learned(journal: Reader, tag: str, number: int) -> tuple[int, str] | None:
    """Return what a later proposal made of an experiment, and which."""
    for later in journal.whole(tag, number + 1, number + AFTER):
        origin = later.origin
        if origin and origin.takeaway and origin.takeaway_of == number:
            return later.number, origin.takeaway[:MOST_SAID]
    return None


def _points(found: Curves) -> dict[str, Any]:
    """Return what a browser draws: the points of each trial's curve."""
    return {"name": found.name, "candidate": found.candidate, "incumbent": found.incumbent}


@lru_cache(SAVED)
def _diff(
    state: State, tag: str, old: str, new: str | None
) -> tuple[Sequence[diffs.FileDiff], int]:
    """Return what became of each file; commits never change, so it is worked out once."""
    if new is None:
        return (), 0
    text = Workspace(state.repository(tag), tag).diff(old, new, diffs.WHOLE)
    return diffs.parsed(text)


def _logs(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the end of what each container printed, and of what a model was told."""
    paths = sorted(folder.glob("*.log"))
    for path in paths[:MOST_LOGS]:
        yield {"name": path.name} | log_end(path, LOG_BYTES)


def log_end(path: Path, most: int) -> dict[str, Any]:
    """Return the last bytes of a file as text, and how many came before them."""
    if not path.is_file():  # a pipe would be waited for
        raise NotThere("there is no such log")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - most))
        text = file.read(most).decode("utf-8", errors="backslashreplace")
    return {"text": text, "size": size, "left_out": max(0, size - most)}


# -- beside -------------------------------------------------------------------------------------


def lineage(journal: Reader, run: Run, page: int) -> dict[str, Any]:
    """Return what was kept, the newest first, with all that was tried from it."""
    line = journal.kept_line(run.tag)[::-1]
    start = (page - 1) * KEPT_A_PAGE
    part = line[start : start + KEPT_A_PAGE]
    children: dict[int, list[dict[str, Any]]] = {each.number: [] for each in part}
    for row in journal.children(run.tag, [each.number for each in part]) if part else ():
        children[row["parent"]].append(_child(run.tag, row))
    metric = metric_of(run)
    return {
        "run": run,
        "nodes": [
            {
                "found": each,
                "experiment": (found := journal.experiment(run.tag, each.number)),
                "merged": found and found.origin and found.origin.why.endswith(REBASED),
                "link": run_link(run.tag, "experiments", each.number),
                "children": children[each.number][:MOST_CHILDREN],
                "more": max(0, len(children[each.number]) - MOST_CHILDREN),
            }
            for each in part
        ],
        "metric": metric,
        "write": lambda score: lines.number(metric, score),
        "page": page,
        "pages": max(1, -(-len(line) // KEPT_A_PAGE)),
        "page_link": lambda number: f"?page={number}",
    }


def _child(tag: str, row: Mapping[str, Any]) -> dict[str, Any]:
    fate = pictures.fate_of(row["status"], row["reason"])
    return {
        "number": row["number"],
        "link": run_link(tag, "experiments", row["number"]),
        "kind": str(fate) if fate else "open",
        "title": f"{row['number']}, {fate or 'not ended'}: {lines.plain(row['hypothesis'])}",
    }


def happened(journal: Reader, run: Run, page: int) -> dict[str, Any]:
    """Return the entries of a run's journal, the newest first."""
    last = journal.head(run.tag).seq
    found = journal.latest(run.tag, last - (page - 1) * ENTRIES_A_PAGE, ENTRIES_A_PAGE)
    return {
        "run": run,
        "entries": [log.document(entry) for entry in found],
        "seq": last,
        "page": page,
        "pages": max(1, -(-last // ENTRIES_A_PAGE)),
        "page_link": lambda number: f"?page={number}",
    }


def two_experiments(
    journal: Reader, state: State, run: Run, first: int, second: int
) -> dict[str, Any]:
    """Return two experiments beside each other, and what differs between their files."""
    metric = metric_of(run)
    both = [_must(journal, run, number) for number in (first, second)]
    old, new = (_tree(each) for each in both)
    files, more = _diff(state, run.tag, old, new) if old and new else ((), 0)
    curves = pictures.curves_of(both[1], both[0])
    return {
        "metric": metric,
        "sides": [_side(journal, metric, each) for each in both],
        "files": files,
        "more_files": more,
        "curves": [(each.name, pictures.curve(each), _points(each)) for each in curves],
        "asked_models": journal.asked_models(run.tag),
        "first": first,
        "second": second,
    }


def _must(journal: Reader, run: Run, number: int) -> Experiment:
    found = journal.experiment(run.tag, number)
    if found is None:
        raise NotThere(f"run {run.tag} has no experiment {number}")
    return found


def _side(journal: Reader, metric: Metric, found: Experiment) -> dict[str, Any]:
    """Return one of two experiments that stand beside each other."""
    score, moved = lines.change(metric, found)
    tag, number = found.run, found.number
    spent = journal.spent_by_experiment(tag, number, number).get(number)
    return {
        "found": found,
        "link": run_link(tag, "experiments", number),
        "pill": pill(found, running=False),
        "score": score if found.score is not None else "none",
        "moved": _moved(moved),
        "sure": None if found.sure is None else percent(found.sure),
        "sure_of": lines.sure_of(found),
        "audit": mean_audit(found, metric.name),
        "spent": spent_words(spent) or UNKNOWN,
        "seconds": found.wall_seconds and lines.duration(found.wall_seconds),
    }


def _moved(change: str) -> str:
    """Return a change without what stands around it in a line."""
    return change.strip("()").removeprefix("Δ ")


def _tree(found: Experiment) -> str | None:
    """Return a commit with an experiment's files."""
    return found.attempt_commit or found.commit or (None if found.number else found.parent_commit)


MADE_BY = {
    "task": "task",
    "policy": "policy_digest",
    "harness": "harness_digest",
    "data": "data_digest",
}
"""What makes a score → where a run has it. The harness holds the scorer."""


def two_runs(door: Door, journal: Reader, state: State, tags: Sequence[str]) -> dict[str, Any]:
    """Return two runs beside each other."""
    found = [overview(door, journal, state, find_run(journal, tag)) for tag in tags]
    return {
        "heroes": [hero(each) for each in found],
        "pictures": [_picture(journal, each) for each in found],
        "apart": [
            word
            for word, name in MADE_BY.items()
            if len({getattr(each.run, name) for each in found}) > 1
        ],
    }


def _picture(journal: Reader, found: Overview) -> Markup:
    tag = found.run.tag
    return pictures.run_progression(journal, found, lambda n: run_link(tag, "experiments", n))
