"""Review of what a proposal's Python source is and does, and whether it is anything new.

What this does not protect against: code that wants to hide what it does.
See `forbidden.py`; the sandbox is the wall.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.policy.case import Case
from runner.policy.file_checks import refused
from runner.policy.forbidden import FORBIDDEN, forbidden_names
from runner.policy.syntax import Reference, SourceFacts, Unparsable
from runner.records import Violation

SHOWN_NAMES = 5
SHOWN_CHARACTERS = 120
"""Of a name; a rule has looked at all of it."""


def parsed(case: Case) -> Iterator[tuple[str, SourceFacts]]:
    """Each edited Python file that could be parsed."""
    for path in case.edited:
        facts = case.source(path)
        if isinstance(facts, SourceFacts):
            yield path, facts


def python(case: Case) -> Iterator[Violation]:
    """Every edited Python file parses within the parser's limits."""
    for path in case.edited:
        facts = case.source(path)
        if isinstance(facts, Unparsable):
            line = f" on line {facts.line}" if facts.line else ""
            yield refused(
                "not-python", path, f"cannot be parsed{line}: {facts.reason}", "valid Python"
            )


def odd_names(case: Case) -> Iterator[Violation]:
    """Identifiers are ASCII: Python folds others, and readers cannot tell them apart."""
    for path, facts in parsed(case):
        if facts.odd_names:
            problem = f"uses the name {_places(facts.odd_names)}"
            yield refused("hidden-characters", path, problem, "names in ASCII")


def imports(case: Case) -> Iterator[Violation]:
    """Only listed modules are imported."""
    listed = case.policy.edits.imports
    if listed is None:
        return
    for path, facts in parsed(case):
        others = [each for each in facts.imports if not _is_allowed(each.name, listed.allow)]
        if others:
            problem = f"imports {_places(others)}"
            allowed = ", ".join(listed.allow) or "no imports"
            yield refused("import-not-allowed", path, problem, allowed)


def _is_allowed(name: str, allow: Sequence[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in allow)


def uses(case: Case) -> Iterator[Violation]:
    """No name that the policy's rules refuse is used."""
    for rule, table in FORBIDDEN.items():
        if rule not in case.policy.edits.forbid:
            continue
        for path, facts in parsed(case):
            found = list(forbidden_names(facts, rule))
            if found:
                yield refused(rule, path, f"uses {_places(found)}", table.instead)


def _places(found: Sequence[Reference]) -> str:
    names = [f"{_shown(each.name)} (line {each.line})" for each in found[:SHOWN_NAMES]]
    more = len(found) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _shown(name: str) -> str:
    """Return a name with its end, which is what a rule is mostly about, and not all between."""
    left_out = len(name) - SHOWN_CHARACTERS
    half = SHOWN_CHARACTERS // 2
    return name if left_out <= 0 else f"{name[:half]}[{left_out} more]{name[-half:]}"


def seeds(case: Case) -> Iterator[Violation]:
    """A change does more than choose another seed."""
    pairs = [_trees(case, path) for path in case.different]
    if not case.ignores_seeds or not pairs:
        return
    known = [pair for pair in pairs if pair is not None]
    same_without = all(old[1] == new[1] for old, new in known)
    if len(known) == len(pairs) and same_without and any(old != new for old, new in known):
        problem = "nothing changes but a seed, which is luck and not progress"
        yield refused("seed-only-change", None, problem, "a change of what the program does")


def _trees(case: Case, path: str) -> tuple[tuple[str, str], tuple[str, str]] | None:
    old, new = case.facts.get(case.before(path) or b""), case.source(path)
    if not isinstance(old, SourceFacts) or not isinstance(new, SourceFacts):
        return None
    return (
        (old.fingerprint, old.fingerprint_without_seeds),
        (new.fingerprint, new.fingerprint_without_seeds),
    )


def novelty(case: Case) -> Iterator[Violation]:
    """There is something to run, and it has not run before."""
    if not case.all_sound:
        return
    allowed = "a change of what a mutable file does"
    if not case.different:
        yield refused("no-change", None, "no mutable file changes", allowed)
        return
    earlier = next((each for each in case.earlier if each.fingerprint == case.fingerprint), None)
    if earlier is not None:
        but = "comments, layout and seeds" if case.ignores_seeds else "comments and layout"
        problem = f"this is experiment {earlier.number} again ({earlier.outcome}), but for {but}"
        yield refused("repeat", None, problem, "something that was not tried")
    elif case.fingerprint == case.fingerprint_before and not list(seeds(case)):
        yield refused("no-change", None, "only comments or layout change", allowed)


def hypothesis(case: Case) -> Iterator[Violation]:
    """Somebody said what they expect."""
    if not any(letter.isalnum() for letter in case.proposal.hypothesis):
        problem = "the proposal has no hypothesis"
        yield refused("no-hypothesis", None, problem, "a sentence that says what is expected, why")
