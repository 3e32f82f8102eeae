"""The journal against itself: its chain, its tables, and what each experiment ran under; pure.

Moments are not compared: a clock may be set back, and an honest run goes on.

What this does not protect against: entries that were forged together with their chain. Those show
against the commits' messages and the event log.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.audit.evidence import RAN_UNDER, Evidence
from runner.audit.findings import JOURNAL, Finding
from runner.policy.load import digest
from runner.policy.schema import Policy
from runner.workspace import HARNESS_REF


def numbering(evidence: Evidence) -> Iterator[Finding]:
    """Find rows that no supervisor writes: unreadable, out of order, closed in part or too late."""
    expected, rows = 0, evidence.written.rows
    decided = max((row["number"] for row in rows if row["status"] is not None), default=-1)
    for number, why in evidence.written.unreadable.items():
        yield Finding("row-unreadable", JOURNAL, why, experiment=number)
    for row in rows:
        number, ended = row["number"], row["ended_at"] is not None
        if number != expected:
            message = f"comes where experiment {expected} is expected"
            yield Finding("numbering", JOURNAL, message, experiment=number)
        expected = number + 1
        if ended != (row["settled"] is not None) or (ended and row["status"] is None):
            message = "an ended experiment has a status and was settled"
            yield Finding("closing", JOURNAL, message, experiment=number)
        if not ended and number < decided:
            message = "is open, and a later one is decided"
            yield Finding("closing", JOURNAL, message, experiment=number)


def chain(evidence: Evidence) -> Iterator[Finding]:
    """Find entries that are not what their links were made of, and tables that are not theirs."""
    for entry in evidence.written.broken:
        message = f"entry {entry.seq} ({entry.kind}) or what stood before it has changed"
        yield Finding("chain", JOURNAL, message)
    for number, difference in evidence.written.differences:
        message = f"the tables are not what the journal's entries make: {difference}"
        yield Finding("projection", JOURNAL, message, experiment=number)


def frozen(evidence: Evidence) -> Iterator[Finding]:
    """Find what is not as it was when the run was created, for the run or an experiment."""
    run, stored = evidence.written.run, evidence.stored
    if (policy := digest(run.policy_text)) != run.policy_digest:
        message = f"the policy's text has the digest {policy}; recorded: {run.policy_digest}"
        yield Finding("policy-text", JOURNAL, message)
    if stored.template_digest != run.template_digest:
        message = f"has the digest {stored.template_digest}; recorded: {run.template_digest}"
        yield Finding("template-digest", stored.branch_ref, message, run.base_commit)
    if stored.harness_digest != run.harness_digest:
        message = f"has the digest {stored.harness_digest}; recorded: {run.harness_digest}"
        yield Finding("harness-digest", HARNESS_REF, message)
    for row in evidence.written.rows:
        proposed = evidence.written.entries.get(row["proposed"])
        for name, rule in RAN_UNDER.items():
            under = proposed.ran_under.get(name) if proposed else None
            if under != (expected := getattr(run, name)):
                message = f"ran under {under}; its run has {expected}"
                yield Finding(rule, JOURNAL, message, experiment=row["number"])


def run_row(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find a run whose own row says other than its policy."""
    run, metric = evidence.written.run, policy.metric
    expected = {
        "task": policy.task,
        "metric": metric.name,
        "direction": metric.direction,
        "round_to": metric.round_to,
        "self_reported": policy.self_reported,
    }
    for column, value in expected.items():
        if getattr(run, column) != value:
            message = f"{column} is {getattr(run, column)}; the policy says {value}"
            yield Finding("run-row", JOURNAL, message)
