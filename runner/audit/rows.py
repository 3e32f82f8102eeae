"""The journal against itself: its chain, its tables, and what each experiment ran under; pure.

Moments are not compared: a clock may be set back, and an honest run goes on.

What this does not protect against: entries that were forged together with their chain. Those show
against the commits' messages and the event log.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.audit.evidence import RAN_UNDER, Evidence, Row
from runner.audit.findings import LEDGER, Finding
from runner.policy.load import digest
from runner.policy.schema import Policy
from runner.workspace import HARNESS_REF


def _row(rule: str, row: Row, message: str) -> Finding:
    return Finding(rule=rule, file=LEDGER, experiment=row["number"], message=message)


def readable(evidence: Evidence) -> Iterator[Finding]:
    """Find rows that no supervisor writes."""
    for number, why in evidence.written.unreadable.items():
        yield Finding(rule="row-unreadable", file=LEDGER, experiment=number, message=why)


def numbering(evidence: Evidence) -> Iterator[Finding]:
    """Find gaps: experiments are numbered from 0, one by one."""
    expected = 0
    for row in evidence.written.rows:
        if row["number"] != expected:
            message = f"comes where experiment {expected} is expected"
            yield _row("numbering", row, message)
        expected = row["number"] + 1


def closing(evidence: Evidence) -> Iterator[Finding]:
    """Find rows that are closed in part, and open ones that another follows."""
    rows = evidence.written.rows
    for row in rows:
        ended = row["ended_at"] is not None
        if ended != (row["settled"] is not None) or (ended and row["status"] is None):
            yield _row("closing", row, "an ended experiment has a status and was settled")
        if not ended and row is not rows[-1]:
            yield _row("closing", row, "is open, and another one follows")


def chain(evidence: Evidence) -> Iterator[Finding]:
    """Find entries that are not what their links were made of."""
    for entry in evidence.written.broken:
        message = f"entry {entry.seq} ({entry.kind}) or what stood before it has changed"
        yield Finding(rule="chain", file=LEDGER, message=message)


def projection(evidence: Evidence) -> Iterator[Finding]:
    """Find tables for reading that say other than the entries that they are made from."""
    for number, difference in evidence.written.differences:
        message = f"the tables are not what the journal's entries make: {difference}"
        yield Finding(rule="projection", file=LEDGER, experiment=number, message=message)


def ran_under(evidence: Evidence) -> Iterator[Finding]:
    """Find experiments that ran under another policy, harness or image than their run."""
    for row in evidence.written.rows:
        proposed = evidence.written.entries.get(row["proposed"])
        for name, rule in RAN_UNDER.items():
            expected = getattr(evidence.written.run, name)
            under = proposed.ran_under.get(name) if proposed else None
            if under != expected:
                yield _row(rule, row, f"ran under {under}; its run has {expected}")


def frozen(evidence: Evidence) -> Iterator[Finding]:
    """Find what is not as it was when the run was created: policy, template, harness."""
    run, stored = evidence.written.run, evidence.stored
    policy = digest(run.policy_text)
    if policy != run.policy_digest:
        message = f"the policy's text has the digest {policy}; recorded: {run.policy_digest}"
        yield Finding(rule="policy-text", file=LEDGER, message=message)
    if stored.template_digest != run.template_digest:
        message = f"has the digest {stored.template_digest}; recorded: {run.template_digest}"
        yield Finding(
            rule="template-digest", file=stored.branch_ref, commit=run.base_commit, message=message
        )
    if stored.harness_digest != run.harness_digest:
        message = f"has the digest {stored.harness_digest}; recorded: {run.harness_digest}"
        yield Finding(rule="harness-digest", file=HARNESS_REF, message=message)


def run_row(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find a run whose own row says other than its policy."""
    run, metric = evidence.written.run, policy.metric
    expected = {
        "task": policy.task,
        "metric": metric.name,
        "direction": metric.direction,
        "round_to": metric.round_to,
    }
    for column, value in expected.items():
        if getattr(run, column) != value:
            message = f"{column} is {getattr(run, column)}; the policy says {value}"
            yield Finding(rule="run-row", file=LEDGER, message=message)
