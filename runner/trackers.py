"""A run in other people's trackers: in MLflow or trackio, one run of theirs for each experiment.

Both are extras that a person installs. What is there from before stays as it is, so that the same
command again adds what has come since.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from runner.errors import ConfigError, SandboxError
from runner.history import mean_audit
from runner.journal.reader import Reader
from runner.prompt.untrusted import markdown
from runner.records import SELF_REPORTED, Experiment, ExperimentStatus, Run, Spent
from runner.views import lines
from runner.views.documents import peak_memory
from runner.views.export import score_column

TAG, NUMBER = "runner.tag", "runner.experiment"
ODD = re.compile(r"[^\w\-./ ]")
MOST_TEXT = 500
AT_ONCE = 1000
"""Metrics that MLflow takes in one request."""
MEASURED = (ExperimentStatus.KEPT, ExperimentStatus.REVERTED)


def to_mlflow(journal: Reader, run: Run, uri: str) -> str:
    """Log a run to an MLflow server or database, and say what was added.

    Raises:
        ConfigError: its package is not installed.
        SandboxError: it cannot be reached, or refuses.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its own 7 take minutes
    mlflow, entities = _imported("mlflow"), _imported("mlflow.entities", "mlflow")
    with _theirs("MLflow"):
        client = mlflow.MlflowClient(tracking_uri=uri)
        group = client.get_experiment_by_name(run.task)
        place = group.experiment_id if group else client.create_experiment(run.task)
        known = _known_to_mlflow(client, place, run.tag)
        parent = known.pop(None, None) or client.create_run(
            place, run_name=run.tag, start_time=_milliseconds(run.created_at),
            tags={TAG: run.tag, "runner.policy": run.policy_digest, "runner.agent": run.agent},
        ).info.run_id  # fmt: skip
        added = 0
        for each, spent in _fresh(journal, run, {int(number) for number in known if number}):
            _log(client, entities, place, parent, run, each, spent)
            added += 1
        client.set_terminated(parent)
    return f"{added} experiments added to MLflow, {len(known)} were there: {run.task}, {run.tag}"


def _known_to_mlflow(client: Any, place: str, tag: str) -> dict[str | None, str]:
    """Return which experiments of a run it has; under `None` the run itself."""
    found: dict[str | None, str] = {}
    token = None
    while True:
        page = client.search_runs([place], f"tags.`{TAG}` = '{tag}'", page_token=token)
        found |= {each.data.tags.get(NUMBER): each.info.run_id for each in page}
        token = page.token
        if not token:
            return found


def _log(
    client: Any, entities: Any, place: str, parent: str, run: Run, each: Experiment,
    spent: Spent | None,
) -> None:  # fmt: skip
    ended = _milliseconds(each.ended_at or each.started_at)
    said = {
        TAG: run.tag, NUMBER: str(each.number), "mlflow.parentRunId": parent,
        "mlflow.note.content": markdown(lines.plain(each.reason, MOST_TEXT)),
    }  # fmt: skip
    made = client.create_run(
        place, run_name=f"{each.number:04d} {each.status}", tags=said,
        start_time=_milliseconds(each.started_at),
    )  # fmt: skip
    metrics = [entities.Metric(name, value, ended, 0) for name, value in _numbers(run, each, spent)]
    for name, points in _curves(each):
        metrics += [entities.Metric(name, y, ended, int(x)) for x, y in points]
    parameters = [entities.Param(name, text) for name, text in _words(run, each).items()]
    for start in range(0, max(len(metrics), 1), AT_ONCE):
        some = metrics[start : start + AT_ONCE]
        client.log_batch(made.info.run_id, metrics=some, params=parameters if not start else [])
    status = "FINISHED" if each.status in MEASURED else "FAILED"
    client.set_terminated(made.info.run_id, status, ended)


def to_trackio(journal: Reader, run: Run, project: str) -> str:
    """Log a run to a project of trackio on this machine, and say what was added.

    Raises:
        ConfigError: its package is not installed.
        SandboxError: it refuses.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    trackio = _imported("trackio")
    added = 0
    with _theirs("trackio"), contextlib.redirect_stdout(io.StringIO()):
        known = set()
        with contextlib.suppress(ValueError):  # there is no such project yet
            known = {each.name for each in trackio.Api().runs(project)}
        names = {
            number: f"{run.tag} {number:04d}"
            for number in range((journal.newest(run.tag) or 0) + 1)
        }
        there = {number for number, name in names.items() if name in known}
        for each, spent in _fresh(journal, run, there):
            theirs = trackio.init(
                project=project, name=names[each.number], group=run.tag, config=_words(run, each),
                embed=False, auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip
            for name, points in _curves(each):
                for x, y in points:
                    theirs.log({name: y}, step=int(x))
            theirs.log(dict(_numbers(run, each, spent)))
            theirs.finish()
            added += 1
    return f"{added} experiments added to trackio, {len(there)} were there: {project}, {run.tag}"


def _fresh(journal: Reader, run: Run, known: set[int]) -> Iterator[tuple[Experiment, Spent | None]]:
    """Yield what has ended and is not known there, with what it cost."""
    took = journal.spent_by_experiment(run.tag)
    for each in journal.whole(run.tag):
        if each.number not in known and each.ended_at is not None:
            yield each, took.get(each.number)


def _numbers(run: Run, each: Experiment, spent: Spent | None) -> Iterator[tuple[str, float]]:
    """Yield what is known as a number; what is not is left out, for 0 would be one."""
    peak = peak_memory(each)
    found: Mapping[str, float | None] = {
        score_column(run.metric): each.score,
        "gain": each.gain,
        "probability_better": each.sure,
        f"audit_{run.metric}": mean_audit(each, run.metric),
        "wall_seconds": each.wall_seconds,
        "peak_memory_gb": None if peak is None else peak / 1024**3,
        "usd": spent.usd if spent else None,
    }
    yield from (
        (ODD.sub("_", name), float(value)) for name, value in found.items() if value is not None
    )


def _curves(each: Experiment) -> Iterator[tuple[str, tuple[tuple[float, float], ...]]]:
    """Yield the curves of the first trial that decides."""
    first = next((trial for trial in each.trials if trial.purpose.decides), None)
    for curve in first.result.curves if first else ():
        yield f"curve/{ODD.sub('_', lines.plain(curve.name, 60))}", curve.points


def _words(run: Run, each: Experiment) -> dict[str, str]:
    origin = each.origin
    said = {
        "hypothesis": lines.plain(each.hypothesis, MOST_TEXT),
        "category": lines.plain(each.category, 60),
        "status": str(each.status),
        "rule": each.rule or "",
        "commit": each.commit or each.attempt_commit or "",
        "agent": origin.agent if origin else "",
        "model": lines.plain(origin.model or "", 60) if origin else "",
        "parent": str(origin.parent) if origin else "",
        "trust": SELF_REPORTED if run.self_reported else "",
    }
    return {name: text for name, text in said.items() if text}


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def _imported(module: str, extra: str = "") -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = extra or module
        hint = f"type in the clone: .venv/bin/pip install -e '.[{name}]'"
        raise ConfigError(f"{name} is not installed", hint=hint) from error


@contextmanager
def _theirs(name: str) -> Iterator[None]:
    """Turn whatever goes wrong there into one message; an address may hold a password."""
    try:
        yield
    except (ConfigError, SandboxError):
        raise
    except Exception as error:
        said = re.sub(r"\S*://\S*", "(address)", str(error)).strip().split("\n")[0]
        hint = "is it running, and is the address right? What was added stays"
        raise SandboxError(f"{name}: {type(error).__name__}: {said}", hint=hint) from error
