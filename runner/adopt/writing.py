"""The task that an adopted project becomes: its policy, and the template that agents start from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from string import Template

import yaml

from runner.adopt.needs import USUAL, Needs
from runner.policy.information import information
from runner.policy.quantities import show_duration, show_size
from runner.policy.schema import FORBIDDEN
from runner.records import File, Files, Image, Reported

POLICY = Path(__file__).with_name("policy.yaml.in")
PROGRAM = "program.md"
NOTES = ("LEARNING.md", "scratchpad.md")
LEAST_ROOM = 16_000
GIB = 1024**3
SLACK = 1.5
"""How much longer than its first run a trial may take."""
LEAST_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What was found out about a project, or said by the person."""

    task: str
    mutable: tuple[str, ...]
    """Patterns."""
    files: tuple[str, ...]
    """The files that those are, now."""
    may_add: bool
    reported: Reported
    minimize: bool
    image: Image
    cpus: float
    gpus: int
    value: float
    """Of the first run."""
    seconds: float
    """That the first run took, with the start of its container."""
    peak_bytes: int | None
    seeded: bool
    """Whether a draw reaches the code."""

    @property
    def train_seconds(self) -> float:
        return float(math.ceil(max(LEAST_SECONDS, SLACK * self.seconds)))

    @property
    def memory_bytes(self) -> int:
        return max(1, math.ceil(2 * (self.peak_bytes or GIB) / GIB)) * GIB


def policy_text(known: Understood, needs: Needs, template: Files) -> str:
    """Return the policy, each line that the project's own code makes necessary with its reason."""
    held = information({path: template[path].content for path in known.files})
    notes = [name for name in NOTES if name in template]
    return Template(POLICY.read_text(encoding="utf-8")).substitute(
        task=known.task,
        metric=known.reported.metric,
        direction="minimize" if known.minimize else "maximize",
        round_to=_step(known.value),
        mutable="\n".join(f"    - {quoted(path)}" for path in known.mutable),
        may_add=str(known.may_add).lower(),
        notes=", ".join(notes),
        max_files=min(50, max(2, len(known.files))),
        max_file_bytes=needs.largest_file,
        max_line_bytes=needs.longest_line,
        max_information=max(LEAST_ROOM, math.ceil(2 * held / 1000) * 1000),
        imports=imported(needs),
        forbid=forbidden(needs, FORBIDDEN),
        image=in_words(known.image),
        cpus=f"{known.cpus:g}",
        memory=show_size(known.memory_bytes),
        gpus=known.gpus,
        train=show_duration(known.train_seconds),
        run=quoted(known.reported.command),
        number=_number(known.reported),
        data=f"[{', '.join(map(quoted, known.reported.data))}]",
        workspace=show_size(known.reported.workspace_bytes),
    )


def quoted(text: str) -> str:
    """Write a string so that YAML reads it as one, in a list too; plain where it can be."""
    return yaml.safe_dump([text], default_flow_style=True, width=math.inf).strip()[1:-1]


def in_words(image: Image) -> str:
    if not image.packages:
        return image.base
    return f"{{base: {image.base}, packages: [{', '.join(map(quoted, image.packages))}]}}"


def _step(value: float) -> str:
    """Return about a thousandth of a score, a power of ten."""
    size = abs(value) or 1.0
    return f"{Decimal(1).scaleb(math.floor(math.log10(size)) - 3):f}"


def imported(needs: Needs) -> str:
    """Return the modules that may be imported as lines of a policy, those of the code with why."""
    names = sorted({*USUAL, *needs.imports})
    lines = (
        f"      - {name}" + (f"  # {needs.imports[name]}" if name in needs.imports else "")
        for name in names
    )
    return "\n".join(lines)


def forbidden(needs: Needs, rules: Iterable[str]) -> str:
    """Return the rules that hold, and as comments those that the code itself breaks."""
    holding = [rule for rule in rules if rule not in needs.rules]
    broken = [f"    # - {rule}: {'; '.join(needs.rules[rule])}" for rule in needs.rules]
    return "\n".join([f" [{', '.join(holding)}]", *broken])


def _number(reported: Reported) -> str:
    if reported.pattern is not None:
        return f"    pattern: {quoted(reported.pattern)}  # its last match in what is printed"
    lines = [f"    file: {quoted(reported.file or '')}  # JSON, written in place"]
    return "\n".join([*lines, *([f"    key: {quoted(reported.key)}"] if reported.key else [])])


def template(files: Files, notes: Mapping[str, File], program: str) -> dict[str, File]:
    """Return the project with what a task needs beside it; nothing of the project is replaced."""
    extra = {name: file for name, file in notes.items() if name in NOTES}
    return {PROGRAM: File(content=program.encode()), **extra, **files}


def program_text(known: Understood) -> str:
    """Return what an agent is told."""
    better = "low" if known.minimize else "high"
    number = (
        known.reported.pattern or f"{known.reported.key or 'the number'} in {known.reported.file}"
    )
    return f"""# {known.task}

`{known.reported.command}` is run in a container without network, with the data read-only.
Its score is the number that it reports of itself: `{number}`.

Make `{known.reported.metric}` as {better} as you can, by training a better model.
The number must keep its meaning: it is measured on the same rows, in the same way, as now.
A change of what is measured, or of what is printed, is no progress, and a person will see it.

You may change {_listed(known.mutable)}; everything else is frozen.
A run has {known.train_seconds:g} seconds of wall time.
The code knows no deadline, and a run that is killed at it has no score.
"""


def _listed(paths: Iterable[str]) -> str:
    return ", ".join(f"`{path}`" for path in paths)
