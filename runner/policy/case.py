"""One proposal under review, with everything that the checks look at."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from runner.patterns import FilePatterns
from runner.policy.additions import Around, command_lines
from runner.policy.schema import Policy
from runner.policy.syntax import Facts, SourceFacts
from runner.records import EXECUTABLE, REGULAR, Change, File, Files, Proposal
from runner.requirements import requirement

MAX_CHANGES = 100
"""A proposal with more is refused for it; the rest of it is not looked at."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """An experiment that ran, so that a repeat of it can be named with its result.

    One that was refused is none: nothing is known of what it would have done.
    """

    number: int
    fingerprint: str
    outcome: str | None
    """In words, such as `reverted, mean_rank 41.5`; `None` if who proposes is told of no other."""


Tried = Callable[[str], Earlier | None]
"""Returns the first experiment of a fingerprint, if there is one."""


@dataclass(frozen=True)
class Case:
    """A proposal, the policy, the files it would change, and facts by a source's content."""

    proposal: Proposal
    policy: Policy
    files: Files
    facts: Mapping[bytes, Facts]
    earlier: Tried = lambda _: None

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        return self.proposal.changes[:MAX_CHANGES]

    @cached_property
    def sound(self) -> Mapping[str, bytes]:
        """Contents by path of the changes that are plain files in an allowed place."""
        paths = [change.path for change in self.changes]
        return {
            change.path: change.content
            for change in self.changes
            if change.content is not None
            and paths.count(change.path) == 1
            and self.is_known(change.path)
            and change.mode == self.mode(change.path)
        }

    @cached_property
    def removed(self) -> frozenset[str]:
        """The files that the proposal takes away where the policy allows it."""
        paths = [change.path for change in self.changes]
        return frozenset(
            change.path
            for change in self.changes
            if change.content is None
            and paths.count(change.path) == 1
            and change.path in self.files
            and self.patterns.may_remove(change.path)
        )

    @property
    def all_sound(self) -> bool:
        return len(self.sound) + len(self.removed) == len(self.proposal.changes)

    @cached_property
    def edited(self) -> Mapping[str, bytes]:
        """The sound changes of mutable files: what decides the experiment."""
        return {path: new for path, new in self.sound.items() if self.is_mutable(path)}

    @cached_property
    def different(self) -> Mapping[str, bytes]:
        """The edited files whose bytes are not what they were."""
        return {path: new for path, new in self.edited.items() if new != self.before(path)}

    @cached_property
    def after(self) -> Files:
        """What the sound changes of mutable files make of the workspace."""
        kept = {path: file for path, file in self.files.items() if path not in self.removed}
        return kept | {path: File(content=new) for path, new in self.edited.items()}

    @cached_property
    def patterns(self) -> FilePatterns:
        return self.policy.patterns

    @cached_property
    def around(self) -> Around:
        """What the workspace runs with."""
        return around(self.policy, {path: file.content for path, file in self.files.items()})

    def mutable(self, files: Files) -> dict[str, bytes]:
        """Contents by path of those of a tree's files that are mutable."""
        return {path: files[path].content for path in self.patterns.among(files)}

    def before(self, path: str) -> bytes | None:
        file = self.files.get(path)
        return file.content if file else None

    def mode(self, path: str) -> int:
        """The only mode that a path may be proposed with."""
        file = self.files.get(path)
        return EXECUTABLE if file and file.mode == EXECUTABLE else REGULAR

    def is_mutable(self, path: str) -> bool:
        return self.patterns.names(path)

    def is_known(self, path: str) -> bool:
        """Whether the policy lets a proposal write here."""
        return self.patterns.may_write(path, self.files)

    def source(self, path: str) -> Facts | None:
        """Facts of an edited Python file; none for another kind or one that was not parsed."""
        return self.facts.get(self.edited[path]) if is_python(path) else None

    @property
    def ignores_seeds(self) -> bool:
        return "seed-only-change" in self.policy.edits.forbid

    @cached_property
    def fingerprint(self) -> str | None:
        """What the mutable files would be, but for what cannot matter; none if not all sound."""
        return self._digest(self.after) if self.all_sound else None

    @cached_property
    def fingerprint_before(self) -> str:
        return self._digest(self.files)

    def _digest(self, files: Files) -> str:
        lines = []
        for path, content in sorted(self.mutable(files).items()):
            facts = self.facts.get(content) if is_python(path) else None
            if isinstance(facts, SourceFacts):
                said = facts.fingerprint_without_seeds if self.ignores_seeds else facts.fingerprint
            else:
                said = hashlib.sha256(content).hexdigest()
            lines.append(f"{path} {said}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def around(policy: Policy, files: Mapping[str, bytes]) -> Around:
    """Return what a policy, and the scripts of a workspace, run it with."""
    asked = policy.evaluation.reported
    guards = (" ".join(guard.run) for guard in policy.guards if guard.run)
    own = asked.run.split("\n") if asked else ()
    return Around(
        commands=(*command_lines(files, policy.patterns), *guards, *own),
        packages=tuple(requirement(each).name for each in policy.image.packages),
    )


def is_python(path: str) -> bool:
    return path.endswith(".py")


def is_text(content: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
