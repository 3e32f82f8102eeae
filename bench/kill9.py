"""The supervisor killed (kill -9) after each kind of entry, with one and with two trials in flight.

    python bench/kill9.py [--experiments N]

A real engine, the task packing. Each row is a run of its own: a process is killed as soon as an
entry of this kind, of experiment 1 or 2, is in the journal; another one goes on with the run.
`lost` counts entries that were there at the kill and are not afterwards, `twice` trials that the
journal has twice, `left` containers and volumes on the engine. With two devices the trials of
experiments 1 and 2 run at once, 1.5 s apart.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from scripted import Home, Scripted, home, load

from runner import paths
from runner.audit.run import audit_run
from runner.journal.entries import Entry, Kind
from runner.journal.store import Journal, open_journal
from runner.scheduler import run_loop

TRAIN, APART = 2.0, 1.5
"""Seconds of training, and of thinking: so far apart two trials begin that run at once."""
KINDS = {
    Kind.RUN_CREATED: 0,
    Kind.HYPOTHESIS_ADDED: 0,
    Kind.PROPOSED: 1,
    Kind.REVIEWED: 1,
    Kind.ATTEMPT_STORED: 1,
    Kind.TRIAL_ENDED: 1,
    Kind.DECIDED: 1,
    Kind.SETTLED: 1,
    Kind.HYPOTHESIS_ENDED: 1,
    Kind.NOTED: 0,
}
"""Each kind that such a run has → whether it is about an experiment after the baseline."""
INTENT = (Kind.PROPOSED, Kind.REVIEWED, Kind.ATTEMPT_STORED)


class Answers(Scripted):
    """Tests the person's hypothesis with its first proposal."""

    def propose(self, context: Any, supervisor: Any) -> Any:
        made = super().propose(context, supervisor)
        if made is None or not context.hypotheses:
            return made
        return replace(made, answers=context.hypotheses[0].id)


def conduct(folder: Path, tag: str, devices: int, experiments: int, kind: str) -> None:
    """Start a run or go on with it; die after an entry of this kind."""
    if kind:
        die_after(Kind(kind), devices)
    at = Home(None, paths.State(folder / "home"), folder / "locks")
    with at.start(tag, TRAIN, devices) as work:
        session = work.session
        if not session.journal.hypotheses(tag):
            session.journal.add_hypothesis(tag, "a line more")
        if not session.now.noted:
            session.journal.event(tag, "bench.noted")
        run_loop(session, Answers(lambda: APART, ahead=1), experiments=experiments)


def die_after(kind: Kind, devices: int) -> None:
    """Kill this process after an entry of a kind; with two devices after one of experiment 2.

    An experiment's intent is killed at while a trial of the one before it runs; its end while a
    trial of the one behind it does.
    """
    append = Journal._append
    wanted = 2 if devices == 2 and kind in INTENT else 1

    def appended(self: Journal, tag: str, what: Kind, document: Any) -> Entry:
        entry = append(self, tag, what, document)
        about = document.get("number", document.get("experiment"))
        if what is kind and (not KINDS[kind] or about == wanted):
            os.kill(os.getpid(), signal.SIGKILL)
        return entry

    Journal._append = appended  # type: ignore[method-assign]


def process(folder: Path, tag: str, devices: int, experiments: int, kind: str = "") -> int:
    command = [sys.executable, __file__, "--conduct", str(folder), tag, str(devices)]
    done = subprocess.run(
        [*command, "--experiments", str(experiments), "--kind", kind],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(done.stderr)
    return done.returncode


def entries(at: Home, tag: str) -> list[Entry]:
    with open_journal(at.state.journal) as journal:
        return list(journal.entries(tag))


def row(at: Home, folder: Path, kind: Kind, devices: int, experiments: int) -> tuple[Any, ...]:
    tag = f"{kind}-{devices}"
    assert process(folder, tag, devices, experiments, kind) == -signal.SIGKILL
    before, running = entries(at, tag), at.leftovers(tag)
    trials = len({name.rpartition("--")[2].split("-")[0] for name in running})
    assert process(folder, tag, devices, experiments) == 0
    after = entries(at, tag)
    ended = [each.document for each in after if each.kind in (Kind.TRIAL_ENDED, Kind.AUDITED)]
    places = Counter((one["experiment"], one["purpose"], one["index"]) for one in ended)
    settled = [each.document["number"] for each in after if each.kind == Kind.SETTLED]
    assert settled == list(range(experiments + 1)), settled
    lost = sum(one != other for one, other in zip(before, after, strict=False))
    lost += max(0, len(before) - len(after))
    twice = sum(count - 1 for count in places.values())
    report = audit_run(at.state, tag, lambda _tag: at.leftovers(tag))
    return trials, len(running), lost, twice, len(at.leftovers(tag)), report.clean


@click.command()
@click.option("--experiments", default=2, show_default=True)
@click.option("--kind", default="")
@click.option("--conduct", "conducting", nargs=3, default=None, hidden=True)
def main(experiments: int, kind: str, conducting: tuple[str, str, str] | None) -> None:
    if conducting:
        folder, tag, devices = conducting
        conduct(Path(folder), tag, int(devices), experiments, kind)
        return
    table = Table(
        "killed after", "devices", "trials in flight", "on the engine then",
        "lost", "twice", "left", "audit",
    )  # fmt: skip
    bad = 0
    with tempfile.TemporaryDirectory() as folder, home(Path(folder)) as at:
        for each in [Kind(kind)] if kind else KINDS:
            for devices in (1, 2):
                flight, there, *counts, clean = row(at, Path(folder), each, devices, experiments)
                bad += sum(counts) + (not clean)
                shown = (str(count) for count in (devices, flight, there, *counts))
                table.add_row(str(each), *shown, "clean" if clean else "findings")
                print(each, devices, flight, there, *counts, clean, file=sys.stderr)
    Console(width=120).print(table)
    print(load())
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
