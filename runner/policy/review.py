"""The review of a proposal: pure checks in a table, and the wrapper that gets them their facts.

What this does not protect against: code that passes and is hostile.
Every rule here that matters is also a container option; the rest explains itself to an agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.policy import file_checks, source_checks
from runner.policy.case import Case, Earlier, is_python, is_text
from runner.policy.schema import Policy
from runner.policy.syntax import Facts, read_facts
from runner.records import Files, Proposal, Violation

__all__ = ["CHECKS", "RULES", "Earlier", "Examination", "examine", "fingerprint", "review"]

Check = Callable[[Case], Iterator[Violation]]
CHECKS: tuple[Check, ...] = (
    file_checks.paths,
    file_checks.kinds,
    file_checks.counts,
    file_checks.sizes,
    file_checks.information,
    file_checks.encodings,
    file_checks.characters,
    source_checks.odd_names,
    source_checks.python,
    source_checks.imports,
    source_checks.uses,
    source_checks.seeds,
    source_checks.novelty,
    source_checks.hypothesis,
)
RULES = (
    *("path-unsafe", "path-not-ascii", "path-collision", "path-not-mutable"),
    *("file-kind", "file-missing", "too-many-files"),
    *("file-too-large", "too-many-lines", "line-too-long", "too-much-information"),
    *("not-utf8", "hidden-characters", "not-python"),
    *("import-not-allowed", "dynamic-code", "process", "network"),
    *("seed-only-change", "no-change", "repeat", "no-hypothesis"),
)
"""Most fundamental first: the first broken one is the proposal's rule in the ledger."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What review found, and the digest by which a repeat of the proposal is recognised."""

    violations: tuple[Violation, ...]
    fingerprint: str | None
    """None if a change is not a plain file in an allowed place."""


def review(
    proposal: Proposal,
    policy: Policy,
    *,
    files: Files,
    facts: Mapping[bytes, Facts],
    earlier: Sequence[Earlier],
) -> tuple[Violation, ...]:
    """Every rule that the proposal breaks, most fundamental first; none if it may run.

    `files` is the workspace it would change; `facts` are those of each source by its content.
    """
    return _violations(Case(proposal, policy, files, facts, earlier))


def examine(
    proposal: Proposal,
    policy: Policy,
    *,
    files: Files,
    earlier: Sequence[Earlier],
) -> Examination:
    """Parse what the proposal and the workspace hold, then review."""
    bare = Case(proposal, policy, files, {}, earlier)
    case = Case(proposal, policy, files, _facts(bare), earlier)
    return Examination(violations=_violations(case), fingerprint=case.fingerprint)


def fingerprint(files: Files, policy: Policy) -> str:
    """The digest that a proposal leading to exactly these files would have."""
    proposal = Proposal(hypothesis="")
    bare = Case(proposal, policy, files, {})
    return Case(proposal, policy, files, _facts(bare)).fingerprint_before


def _violations(case: Case) -> tuple[Violation, ...]:
    found = [violation for check in CHECKS for violation in check(case)]
    return tuple(sorted(found, key=lambda violation: RULES.index(violation.rule)))


def _facts(case: Case) -> Mapping[bytes, Facts]:
    """Facts of the mutable Python files before and after; what is too large is not parsed."""
    paths = [path for path in case.policy.files.mutable if is_python(path)]
    sources = [case.edited.get(path) for path in paths] + [case.before(path) for path in paths]
    most = case.policy.edits.max_file_bytes
    return {
        source: read_facts(source)
        for source in sources
        if source is not None and len(source) <= most and is_text(source)
    }
