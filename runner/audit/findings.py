"""What an audit says: findings, what was looked at, and what could not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from runner.errors import RunnerError
from runner.records import SELF_REPORTED
from runner.sandbox.evidence import escaped

JOURNAL = "journal"
"""Stands in the place of a file where the journal's own rows disagree."""
SHORT = 12


class CannotCheckError(RunnerError):
    """There is nothing to check, or it cannot be read; neither clean nor a violation."""

    exit_code = 2


@dataclass(frozen=True)
class Finding:
    """One rule that the records break. `file` may also be a ref, the journal or a container."""

    rule: str
    file: str
    message: str
    commit: str | None = None
    experiment: int | None = None

    @property
    def line(self) -> str:
        """Return `rule  file  commit  message`; nothing in it is as somebody else wrote it."""
        where = "-" if self.experiment is None else f"exp {self.experiment}"
        if self.commit is not None:
            where = self.commit[:SHORT]
        return "  ".join((self.rule, escaped(self.file), where, escaped(self.message)))


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome: clean where there is no finding, whatever could not be checked."""

    subject: str
    findings: tuple[Finding, ...]
    examined: Mapping[str, int]
    """What was looked at → how many."""
    unchecked: tuple[str, ...] = ()
    self_reported: bool = False
    """Whether the records, clean or not, are of a number that the code under test printed."""

    @property
    def clean(self) -> bool:
        return not self.findings

    @property
    def lines(self) -> list[str]:
        """Return the findings one per line, then what was not checked, then the sum."""
        verdict = f"violations: {len(self.findings)}" if self.findings else "clean"
        verdict += f" records, {SELF_REPORTED}" if self.self_reported else ""
        looked_at = ", ".join(f"{what}: {count}" for what, count in self.examined.items())
        return [
            *(finding.line for finding in self.findings),
            *(f"not checked: {escaped(reason)}" for reason in self.unchecked),
            f"{self.subject}: {verdict} (examined {looked_at})",
        ]

    @property
    def document(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "clean": self.clean,
            "self_reported": self.self_reported,
            "findings": [
                asdict(each) | {"file": escaped(each.file), "message": escaped(each.message)}
                for each in self.findings
            ],
            "examined": dict(self.examined),
            "not_checked": list(self.unchecked),
        }
