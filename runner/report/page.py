"""A report as one HTML file, or as Markdown.

The HTML asks nothing of anybody: its policy allows its own style by the hash of it, and no script,
no picture, no form and no other host. What agents wrote is escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from html import unescape
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from runner import __version__, charts
from runner.characters import visible
from runner.journal.entries import now
from runner.records import Experiment
from runner.report import words
from runner.report.gather import Milestone, Report
from runner.views import lines, pictures, summary
from runner.views.overview import Overview

POLICY = (
    "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; img-src data:"
)
FIXED = (
    *("task", "agent", "agent_isolation", "metric", "direction", "policy_digest", "harness_digest"),
    *("template_digest", "data_digest", "image_id", "scorer_image_id", "rules_digest"),
    *("draws_digest", "base_commit", "device", "created_at", "runner_version"),
)
"""What a run was created with, as far as it takes to make it again."""
MOST_LINES = 400
"""Rows of one file's diff in Markdown."""
TAG = re.compile(r"<[^<>]*>")
"""In a line of a diff tags are ours, and everything else is escaped."""
TICKS = re.compile(r"`+")


@cache
def style() -> str:
    own = resources.files(__name__.rpartition(".")[0]).joinpath("templates/report.css")
    return charts.stylesheet() + own.read_text(encoding="utf-8")


@cache
def _environment(*, markup: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("runner.report"),
        autoescape=markup,  # noqa: S701 - in Markdown, what is not ours is told as code
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": lines.plain, "visible": visible, "code": code}
    return environment


def html(found: Report) -> str:
    digest = hashlib.sha256(style().encode()).digest()
    given = _given(found) | {
        "style": style(),
        "policy": POLICY.format(base64.b64encode(digest).decode()),
        "progression": pictures.drawn(found.progression),
        "failures": found.failures_drawn,
        "categories": found.categories_drawn,
        "cost": found.cost_drawn,
        "cost_said": words.cost(found.overview),
    }
    return _environment(markup=True).get_template("report.html").render(given)


def markdown(found: Report, picture: str | None = None) -> str:
    """Return the report as Markdown; `picture` is where a progression lies beside it."""
    given = _given(found) | {"picture": picture, "diff": _diff}
    return _environment(markup=False).get_template("report.md").render(given)


def code(text: str) -> str:
    """Return text as code of Markdown, in which nothing has a meaning: no link, no name, no tag."""
    inside = TICKS.sub("'", lines.plain(text, 600)).replace("|", "¦").strip()
    return f"`{inside}`" if inside else "-"


def _given(found: Report) -> dict[str, Any]:
    overview = found.overview
    metric, fixed, beside = overview.metric, asdict(found.run), found.beside
    boxes = {number: each.boxes for number, each in beside.items() if each.boxes}
    ran = {number: each.analyses for number, each in beside.items() if each.analyses}
    return {
        "report": found,
        "overview": overview,
        "run": found.run,
        "metric": metric,
        "headline": words.headline(overview),
        "sentences": words.sentences(found),
        "state": words.state(overview),
        "verdict": words.verdict(overview.believe),
        "trust": [text for _, text in summary.trust_rows(overview.standing)],
        "tally": summary.tally(overview.standing),
        "fixed": [(name, str(fixed[name])) for name in FIXED],
        "made_at": now(),
        "version": __version__,
        "change": lambda each: lines.change(metric, each),
        "moved": lambda each: lines.change(metric, each)[1].removeprefix("(Δ ").removesuffix(")"),
        "of_newest": f", of the newest {len(found.experiments)}" if found.earlier > 0 else "",
        "label": lambda each: lines.label(each) + lines.seeds(each),
        "boxed": {
            number: f"{sum(box.cpu_seconds or 0.0 for box in each):.1f}"
            for number, each in boxes.items()
        },
        "analysed": {number: lines.analyses(each) for number, each in ran.items()},
        "told": {each.number for each in found.experiments},
        "fate": _fate,
        "sure": words.sure,
        "shown": summary.shown,
        "money": lambda usd: "" if usd is None else lines.money(usd),
        "again": list(_again(overview)),
    }


def _again(found: Overview) -> Iterator[tuple[str, str]]:
    """Yield what to type, for any task, to look at the run once more, and what for."""
    tag, best = found.run.tag, found.standing.best
    yield f"runner audit {tag}", "do the records hold?"
    if best is not None and best.number:
        yield f"runner take {tag} --patches kept", "what was kept, a patch each"
        yield f"runner show {best.number} {tag}", "the best in full"


def _diff(found: Milestone) -> Iterator[str]:
    """Yield what changed as lines of a unified diff without its places."""
    for file in found.files:
        yield f"{lines.plain(file.path, 200)}: {file.what}, +{file.added} -{file.removed}"
        for row in file.rows[:MOST_LINES]:
            if row.skipped:
                yield "..."
                continue
            same = row.old is not None and row.new is not None and not row.old.changed
            sides = [(" ", row.new)] if same else [("-", row.old), ("+", row.new)]
            yield from (sign + unescape(TAG.sub("", line.html)) for sign, line in sides if line)


def _fate(experiment: Experiment) -> str:
    return str(pictures.fate_of(experiment.status, experiment.reason) or "open")
