"""What calls to models took and cost: documents for machines, tables and sentences for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table

from runner.money.usage import Spent, by_experiment, by_model, spent
from runner.records import ModelCall, Run
from runner.views import lines
from runner.views.documents import spent_document

HEADINGS = (
    "calls", "input", "output", "written 5m", "written 1h", "read", "searches", "seconds", "USD",
)  # fmt: skip


def cost_document(run: Run, calls: Sequence[ModelCall], cap: float | None) -> dict[str, Any]:
    """Return a run's spending, per experiment, per model and in all."""
    total = spent(calls)
    return {
        "run": run.tag,
        "task": run.task,
        "agent": run.agent,
        "total": spent_document(total),
        "limit_usd": cap,
        "left_usd": None if cap is None else cap - total.usd,
        "models": {name: spent_document(found) for name, found in by_model(calls).items()},
        "experiments": [
            {"number": number} | spent_document(found)
            for number, found in by_experiment(calls).items()
        ],
    }


def cost_tables(calls: Sequence[ModelCall]) -> tuple[Table, Table]:
    """Return what each experiment took, and what each model took with the sum below."""
    experiments = _table("exp")
    for number, found in by_experiment(calls).items():
        experiments.add_row(str(number), *_cells(found))
    models = _table("model")
    for name, found in by_model(calls).items():
        models.add_row(lines.plain(name), *_cells(found))
    models.add_section()
    models.add_row("all", *_cells(spent(calls)))
    return experiments, models


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


def so_far(run: Run, calls: Sequence[ModelCall], cap: float | None, as_of: str) -> str:
    """Say what a run has cost and what it may still cost."""
    total = spent(calls)
    each = total.usd / len(by_experiment(calls)) if calls else 0.0
    rows = [("run", f"{run.tag} of {run.task}, agent {run.agent}")]
    if calls:
        rows.append(("spent", lines.spending(total)))
        rows.append(("each", f"{lines.money(each)} an experiment"))
    else:
        rows.append(("spent", "nothing: no calls to models were recorded"))
    if cap is None:
        rows.append(("left", "no limit: the policy has no limits.usd"))
    else:
        rows.append(("left", f"{lines.money(max(0.0, cap - total.usd))} of {lines.money(cap)}"))
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
