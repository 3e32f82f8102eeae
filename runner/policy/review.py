"""The review of a proposal: every check of a table, over facts of the sources.

What this does not protect against: code that passes and is hostile.
Every rule here that matters is also a container option; the rest explains itself to an agent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from runner.policy.case import Case, Earlier, Tried, is_python, is_text
from runner.policy.checks import CHECKS, OF_SOURCES
from runner.policy.schema import Policy
from runner.policy.syntax import read_facts
from runner.records import Change, Files, Proposal, Violation

__all__ = ["CHECKS", "RULES", "Earlier", "Examination", "broken_by", "fingerprint", "review"]

RULES = (
    *("path-unsafe", "path-not-ascii", "path-collision", "path-not-mutable", "path-shadows"),
    *("file-kind", "file-missing", "too-many-files"),
    *("file-too-large", "too-many-lines", "line-too-long", "too-much-information"),
    *("not-utf8", "hidden-characters", "not-python"),
    *("import-not-allowed", "dynamic-code", "process", "network"),
    *("seed-only-change", "no-change", "repeat", "no-hypothesis"),
)
"""Most fundamental first: the first broken one is the proposal's rule in the journal."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What review found, and the digest by which a repeat of the proposal is recognised."""

    violations: tuple[Violation, ...]
    """Every rule that the proposal breaks, most fundamental first; none if it may run."""
    fingerprint: str | None
    """None if a change is not a plain file in an allowed place."""


def review(proposal: Proposal, policy: Policy, *, files: Files, earlier: Tried) -> Examination:
    """Review what a proposal makes of these files, against what was tried before.

    Args:
        proposal: what an agent wants.
        policy: the rules.
        files: the workspace that it changes.
        earlier: finds the experiment that had a fingerprint first.
    """
    case = _case(proposal, policy, files, earlier)
    found = [violation for check in CHECKS for violation in check(case)]
    found.sort(key=lambda violation: RULES.index(violation.rule))
    return Examination(violations=tuple(found), fingerprint=case.fingerprint)


def broken_by(files: Files, policy: Policy) -> tuple[Violation, ...]:
    """Return the rules that the files of a template break themselves.

    Every proposal that touches such a file would be refused for what it did not write.
    """
    changes = tuple(
        Change(path=path, content=files[path].content, mode=files[path].mode)
        for path in policy.patterns.among(files)
    )
    case = _case(Proposal(hypothesis="", changes=changes), policy, files, lambda _: None)
    return tuple(violation for check in OF_SOURCES for violation in check(case))


def fingerprint(files: Files, policy: Policy) -> str:
    """The digest that a proposal leading to exactly these files would have."""
    return _case(Proposal(hypothesis=""), policy, files, lambda _: None).fingerprint_before


def _case(proposal: Proposal, policy: Policy, files: Files, earlier: Tried) -> Case:
    """Add facts of the mutable Python files before and after; too large a one is not parsed."""
    bare = Case(proposal, policy, files, {}, earlier)
    contents = (*bare.mutable(files).items(), *bare.edited.items())
    sources = {content for path, content in contents if is_python(path)}
    most = policy.edits.max_file_bytes
    facts = {
        source: read_facts(source) for source in sources if len(source) <= most and is_text(source)
    }
    return replace(bare, facts=facts)
