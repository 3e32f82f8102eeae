"""Projects and tables in the styles that people have: which run unmodified, and what is said.

    python bench/adopt.py [NAME ...]

Adopts each project of tests/projects as its author has it, with its command and its metric and
everything else found out; seals those that run, with what a person writes by hand; and reads each
table of tests/tables. Writes bench/adopt.md.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.paths import PROJECT

for folder in ("tests", "tests/docker"):
    sys.path.append(str(PROJECT / folder))

from homes import Home, copied_project  # noqa: E402
from projects import PROJECTS, Project, data  # noqa: E402
from tables import CASES, Case  # noqa: E402

OUTPUT = Path(__file__).with_suffix(".md")
PREAMBLE = """# Projects and tables as people have them

`python bench/adopt.py` adopts each project of `tests/projects` unmodified, and reads each table of
`tests/tables`. Scores of projects are what their own code printed. Seconds are those of the whole
command, with its first run, on two cores.

Those that run are sealed: `runner seal`, what a person writes where it cannot, and
`runner task check --no-cheats`, which measures the sealed template. *Written* are lines that
`seal` added to the project or changed in it, *by hand* those that a person did afterwards. Minutes
are those of both commands.

The two scores are the same number where the names say so, of different rows. Sealed, a script has
three fifths of the rows, and most of these stop after so many epochs, far from done: fewer rows are
fewer steps. On three fifths of its rows and unsealed, housing_json says 92,495 of itself in place
of 63,555, and mnist_cnn 2.271 in place of 2.118: what they are worth sealed.

## Projects
"""
MOST, MOST_LINES = 110, 25


@dataclass(frozen=True)
class Outcome:
    """What became of one of them."""

    fine: bool
    said: str
    seconds: float
    sealed: tuple[str, ...] = ()
    """Lines written, lines by hand, minutes, score reported, score sealed."""


def adopted(home: Home, project: Project, place: Path) -> Outcome:
    """Adopt a copy of a project; a sentence that names what is wrong is fine where it is wrong."""
    root = place / project.name
    shutil.copytree(project.folder, root)
    data.write(project.name, root)
    way = "--minimize" if project.minimize else "--maximize"
    arguments = [str(root), "--name", project.name.replace("_", "-"), "--run", project.run]
    arguments += ["--metric", project.metric, way, "--minutes", "2"]
    begun = time.monotonic()
    done = home.runner("adopt", *arguments)
    seconds = time.monotonic() - begun
    if done.returncode == 0:
        found = dict(
            line.strip().split("  ", 1) for line in done.stdout.splitlines() if "  " in line.strip()
        )
        fine, columns = sealed(home, project, arguments[2])
        fine &= project.outcome == "runs"
        return Outcome(fine, found["first run"].strip(), seconds, columns)
    sentence = done.stderr.strip().splitlines()[0].removeprefix("error: ")
    expected = project.outcome != "runs" and done.returncode == 2
    return Outcome(expected, sentence, seconds)


def sealed(home: Home, project: Project, name: str) -> tuple[bool, tuple[str, ...]]:
    """Seal an adopted project, as a person would; return whether it came out as expected."""
    begun, sealing = time.monotonic(), project.sealing
    done = home.runner("seal", name, *(sealing.options if sealing else ()))
    if done.returncode != 0 or sealing is None:
        said = done.stderr.strip().splitlines()[:1] or ["sealed, and not expected to be"]
        return done.returncode != 0 and sealing is None, (
            "no", "", "", "", said[0].removeprefix("error: ")
        )  # fmt: skip
    [written] = re.findall(r"(\d+) lines changed or added", done.stdout)
    template = home.project / "workspace-template" / f"{name}-sealed"
    by_hand = project.write_by_hand(template)
    checked = home.runner("task", "check", f"{name}-sealed", "--no-cheats", "--json")
    minutes = f"{(time.monotonic() - begun) / 60:.1f}"
    if checked.returncode == 2:
        return False, (written, str(by_hand), minutes, "", checked.stderr.strip().splitlines()[0])
    found = json.loads(checked.stdout)
    if found["template"] is None or found["template"]["score"] is None:
        said = found["missing"] + found["wrong"] or [found["template"]["outcome"]]
        return False, (written, str(by_hand), minutes, "", said[0])
    own, score = found["reported"], found["template"]["outcome"]
    error = found["template"]["error"]
    score += f" ± {error:.2g}" if error else ""
    return found["fine"] and max(int(written), by_hand) <= MOST_LINES, (
        "" if sealing.predict else written, str(by_hand), minutes,
        f"{own['metric']} {own['score']:.6g}", score,
    )  # fmt: skip


def understood(home: Home, number: int, case: Case, place: Path) -> Outcome:
    """Read a table; what has to be said of it is in what is printed."""
    path = place / case.file
    path.write_bytes(case.content())
    begun = time.monotonic()
    done = home.runner("new-task", f"t-{number}", "--csv", str(path), *case.options)
    seconds = time.monotonic() - begun
    output = done.stdout + done.stderr
    fine = all(said in output for said in case.says) and (done.returncode == 2) == case.refused
    if case.refused:
        return Outcome(fine, done.stderr.strip().splitlines()[0].removeprefix("error: "), seconds)
    facts = [
        line.strip() for line in output.splitlines() if line.strip()[:6] in ("target", "rows  ")
    ]
    warnings = output.count("  warning  ")
    return Outcome(fine, "; ".join(facts) + (f"; {warnings} warnings" if warnings else ""), seconds)


def rows_of_projects(home: Home, names: list[str], place: Path) -> Iterator[str]:
    yield ("| project | style | as expected | what came of it | s | written | by hand | min"
           " | reported | sealed |")  # fmt: skip
    yield "|---|---|---|---|--:|--:|--:|--:|---|---|"
    for project in PROJECTS:
        if names and project.name not in names:
            continue
        found = adopted(home, project, place)
        yield row(project.name, project.style, found, sealed=5)


def rows_of_tables(home: Home, names: list[str], place: Path) -> Iterator[str]:
    yield "| table | as expected | what was understood | s |"
    yield "|---|---|---|--:|"
    for number, case in enumerate(CASES):
        if names and case.name not in names:
            continue
        yield row(case.name, None, understood(home, number, case, place))


def row(name: str, style: str | None, found: Outcome, *, sealed: int = 0) -> str:
    said = " ".join(found.said.replace("|", "/").split())
    said = said if len(said) <= MOST else f"{said[:MOST]}…"
    cells = [name, *([style] if style else []), "yes" if found.fine else "NO", said]
    cells.append(f"{found.seconds:.0f}")
    cells += [one.replace("|", "/") for one in found.sealed] or [""] * sealed
    return f"| {' | '.join(cells)} |"


def main(names: list[str]) -> None:
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        project = place / "runner"
        project.mkdir()
        home = Home(place / "home", project=copied_project(project))
        (place / "theirs").mkdir()
        for heading, rows in (
            (PREAMBLE, rows_of_projects(home, names, place / "theirs")),
            ("\n## Tables\n", rows_of_tables(home, names, place)),
        ):
            lines.append(heading)
            for line in rows:
                lines.append(line.replace(f"{place}/", ""))
                print(lines[-1], flush=True)
    if not names:
        OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
