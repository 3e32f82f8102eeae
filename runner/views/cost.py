"""What calls to models took and cost: documents for machines, tables and sentences for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table

from runner.money.usage import spent, together
from runner.records import Run, Spent
from runner.views import lines
from runner.views.documents import spent_document

NEWEST = 50
"""Experiments that are shown to a person."""
HEADINGS = (
    "calls", "input", "output", "written 5m", "written 1h", "read", "searches", "seconds", "USD",
)  # fmt: skip


def cost_document(
    run: Run, models: Mapping[str, Spent], experiments: Mapping[int, Spent], cap: float | None
) -> dict[str, Any]:
    """Return a run's spending, per experiment, per model and in all."""
    total = together(models.values())
    return {
        "run": run.tag,
        "task": run.task,
        "agent": run.agent,
        "total": total and spent_document(total),
        "limit_usd": cap,
        "left_usd": None if cap is None else max(0.0, cap - (total.usd if total else 0.0)),
        "models": {name: spent_document(found) for name, found in models.items()},
        "experiments": [
            {"number": number} | spent_document(found) for number, found in experiments.items()
        ],
    }


def cost_tables(
    models: Mapping[str, Spent], experiments: Mapping[int, Spent]
) -> tuple[Table, Table]:
    """Return what each of the newest experiments took, and each model with the sum below."""
    by_experiment = _table("exp")
    for number, found in list(experiments.items())[-NEWEST:]:
        by_experiment.add_row(str(number), *_cells(found))
    by_model = _table("model")
    for name, found in models.items():
        by_model.add_row(lines.plain(name), *_cells(found))
    by_model.add_section()
    by_model.add_row("all", *_cells(together(models.values()) or spent(())))
    return by_experiment, by_model


def _table(first: str) -> Table:
    table = Table(first)
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    return table


def _cells(found: Spent) -> tuple[str, ...]:
    used = found.usage
    counts = (
        found.calls,
        used.input_tokens,
        used.output_tokens,
        used.cache_write_5m_tokens,
        used.cache_write_1h_tokens,
        used.cache_read_tokens,
        used.web_searches,
    )
    return (*(f"{count:,}" for count in counts), f"{found.seconds:.0f}", f"{found.usd:.4f}")


def so_far(run: Run, total: Spent | None, experiments: int, cap: float | None, as_of: str) -> str:
    """Say what a run has cost and what it may still cost."""
    rows = [("run", f"{run.tag} of {run.task}, agent {run.agent}")]
    if total:
        rows.append(("spent", lines.spending(total)))
        rows.append(("each", f"{lines.money(total.usd / experiments)} an experiment"))
    else:
        rows.append(("spent", "nothing: no calls to models were recorded"))
    if experiments > NEWEST:
        rows.append(("shown", f"the newest {NEWEST} of {experiments} experiments; all: --json"))
    if cap is None:
        rows.append(("left", "no limit: the policy has no limits.usd"))
    else:
        rows.append(
            (
                "left",
                f"{lines.money(max(0.0, cap - (total.usd if total else 0)))} of {lines.money(cap)}",
            )
        )
    return lines.aligned([*rows, ("prices", f"of {as_of}; each call at those of its time")])


# -- beforehand -------------------------------------------------------------------------------


def estimate_document(found: dict[str, Any], covered: int | None, as_of: str) -> dict[str, Any]:
    """Return an estimate, and when its prices held."""
    return {
        **found["plan"],
        "usd": found["usd"],
        "usd_each": found["usd_each"],
        "seconds": found["seconds"],
        "measured_experiments": found["measured"],
        "paid_elsewhere": found["paid_elsewhere"],
        "limit_usd": found["cap"],
        "limit_pays_for": covered,
        "basis": list(found["basis"]),
        "prices_as_of": as_of,
    }


def estimate_lines(document: dict[str, Any]) -> str:
    """Say what a run may cost and take, and what that rests on."""
    count, agent, task = document["experiments"], document["agent"], document["task"]
    unknown = "" if document["usd"] else ", and what the agent thinks: that is not known"
    rows = [
        ("preview", f"{count} experiments of {task} by {agent}"),
        ("money", _money(document)),
        ("limit", _limit(document)),
        ("time", _span(document["seconds"], lines.duration) + unknown),
        *(("basis", text) for text in document["basis"]),
        ("prices", f"of {document['prices_as_of']}"),
    ]
    return lines.aligned(rows)


def _money(document: dict[str, Any]) -> str:
    if document["usd"] is None:
        reason = (
            "it is paid elsewhere" if document["paid_elsewhere"] else "nothing was measured yet"
        )
        return f"not known: {reason}"
    usd, each = (_span(document[key], lines.money) for key in ("usd", "usd_each"))
    return f"{usd}, {each} an experiment"


def _span(ends: dict[str, float], show: Callable[[float], str]) -> str:
    low, high = show(ends["low"]), show(ends["high"])
    return low if low == high else f"{low} to {high}"


def _limit(document: dict[str, Any]) -> str:
    cap, covered = document["limit_usd"], document["limit_pays_for"]
    if cap is None:
        return "none: the policy has no limits.usd"
    if document["paid_elsewhere"]:
        return f"limits.usd is {lines.money(cap)}, which does not hold what is paid elsewhere"
    if document["usd"] is None:
        return f"limits.usd is {lines.money(cap)}; the run ends before it would cost more"
    if covered is None:
        return f"limits.usd is {lines.money(cap)}, which pays for all of it"
    return f"limits.usd is {lines.money(cap)}: at worst the run ends after {covered} experiments"
