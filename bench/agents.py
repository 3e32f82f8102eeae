"""What an experiment that a model proposes costs the supervisor, in processor time, memory, tokens.

    python bench/agents.py [EXPERIMENTS]

The model is scripted and served by another process, whose time is not counted; trials end at
once. It views a file, edits, notes, and proposes: four calls per experiment. Each experiment is
taken to outlast the cache's five minutes, so only what is cached for an hour lasts longer.
Processor time is this process's and that of all it starts: git, and the parser of sources.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "agents")]

from fakes import TAG, make_session  # noqa: E402

from runner import paths  # noqa: E402
from runner.agents.claude.agent import load_claude  # noqa: E402
from runner.records import (  # noqa: E402
    EXECUTABLE,
    Curve,
    Experiment,
    File,
    Files,
    Guard,
    GuardResult,
    Score,
    TrialResult,
    TrialSpec,
    TrialStatus,
)
from runner.scheduler import run_loop  # noqa: E402

NO_OP: Files = {
    "program.md": File(content=b"# Do nothing\n\nChange STEP, and see that nothing comes of it.\n"),
    "run.sh": File(content=b'#!/bin/sh\nexec python train.py "$@"\n', mode=EXECUTABLE),
    "scratchpad.md": File(content=b"# Scratchpad\n"),
    "train.py": File(content=b'"""Do nothing."""\n\nSTEP = 0\n'),
}
FIRST, LAST = 20, 200
TARGETS = {"ms": 150.0, "growth": 20.0, "read": 80.0}


# -- the model, in a process of its own ---------------------------------------------------------


def serve() -> None:
    from messages_server import MessagesServer, Request, serving

    def reply(request: Request) -> Any:
        if len(request.messages) == 1:
            server.forget_short()
            server.requests.clear()  # this process would grow by every prompt
        return _answer(request)

    server: MessagesServer
    with serving(reply) as server:
        print(server.url, flush=True)
        sys.stdin.read()


def _answer(request: Any) -> Any:
    from messages_server import Fault, calls, text, thinking, tool_use

    editor = "str_replace_based_edit_tool"
    told = json.dumps(request.messages[0])
    number = int(re.findall(r"# Experiment (\d+)", told)[0])
    step = re.findall(r"STEP = (\d+)", told)[0]
    path = {"command": "view", "path": "run.sh"}
    edit = {"command": "str_replace", "path": "train.py"}
    answers = (
        calls(thinking("What was tried so far? " * 40), tool_use(editor, **path)),
        calls(
            thinking("So the next one is clear. " * 20),
            tool_use(editor, **edit, old_str=f"STEP = {step}\n", new_str=f"STEP = {number}\n"),
        ),
        calls(tool_use("note", file="scratchpad.md", text=f"- tried STEP {number}")),
        calls(
            text("Proposing."),
            tool_use(
                "propose",
                hypothesis=f"STEP {number} may do more than {step} did, though nothing reads it; "
                "if it does, something else than this file decides the score",
                category=("steps", "counting", "patience")[number % 3],
                expectation="no change in the score beyond what the seeds make",
                takeaway="as expected nothing came of it, so STEP alone decides nothing here",
            ),
        ),
    )
    place = len(request.messages) // 2
    return answers[place] if place < len(answers) else Fault(status=400, message="came back")


@contextmanager
def model_server() -> Iterator[str]:
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        yield child.stdout.readline().strip()
        child.stdin.close()


# -- the run -------------------------------------------------------------------------------------


class Instant:
    """Trials that end at once; every tenth experiment is a little better."""

    def run(self, spec: TrialSpec) -> TrialResult:
        score = 5000.0 - 10 * (spec.experiment // 10)
        points = tuple((float(step), 1 / (step + 1)) for step in range(20))
        return TrialResult(
            status=TrialStatus.SCORED,
            reason="scored",
            score=Score(metrics={"mean_rank": score}),
            curves=(Curve(name="loss", points=points),),
        )

    def guard(self, spec: TrialSpec, guard: Guard) -> GuardResult:
        return GuardResult(failed=None)


@dataclass
class Measured:
    """Marks taken as each experiment ended."""

    self_seconds: list[float] = field(default_factory=list)
    child_seconds: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)

    def mark(self, _: Experiment) -> None:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.self_seconds.append(time.process_time())
        self.child_seconds.append(children.ru_utime + children.ru_stime)
        self.resident_mb.append(_resident_mb())


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def template(task: str) -> Files:
    """Return the files of the row: nothing at all, or a real task's with a STEP to change."""
    if task == "no-op":
        return NO_OP
    files = dict(paths.template(task))
    train = files["train.py"].content + b"\nSTEP = 0\n"
    return {**files, "train.py": File(content=train)}


def measure(task: str, experiments: int) -> tuple[Measured, list[Any]]:
    measured = Measured()
    with (
        tempfile.TemporaryDirectory() as folder,
        model_server() as url,
        make_session(
            Path(folder), Instant(), template=template(task), finished=measured.mark
        ) as at_work,
    ):
        environment = {"ANTHROPIC_API_KEY": "bench", "ANTHROPIC_BASE_URL": url}
        agent = load_claude("", environment=environment)
        print(task, run_loop(at_work, agent, experiments=experiments), file=sys.stderr)
        agent.close()
        refused = [found.rule for found in at_work.history if found.rule]
        assert not refused, refused
        return measured, list(at_work.journal.calls(TAG))


# -- the table -----------------------------------------------------------------------------------


def figures(task: str, experiments: int) -> tuple[str, ...]:
    measured, calls = measure(task, experiments)
    first, last = min(FIRST, experiments), min(LAST, experiments)
    count = last - first
    own = (measured.self_seconds[last] - measured.self_seconds[first]) / count * 1000
    helpers = (measured.child_seconds[last] - measured.child_seconds[first]) / count * 1000
    read, whole = _input(calls[1:])
    return (
        task,
        f"{own + helpers:.1f}",
        f"{own:.1f}",
        f"{helpers:.1f}",
        f"{measured.resident_mb[first]:.0f}",
        f"{measured.resident_mb[last] - measured.resident_mb[first]:+.1f}",
        f"{_prompt(calls, first):,.0f} → {_prompt(calls, last):,.0f}",
        f"{len(calls) / experiments:.1f}",
        f"{100 * read / whole:.1f}",
    )


def _input(calls: list[Any]) -> tuple[int, int]:
    """Return the input tokens that the cache read, and all of them."""
    used = [call.usage for call in calls]
    read = sum(each.cache_read_tokens for each in used)
    written = sum(each.cache_write_5m_tokens + each.cache_write_1h_tokens for each in used)
    return read, read + written + sum(each.input_tokens for each in used)


def _prompt(calls: list[Any], experiment: int) -> int:
    """Return the input tokens of an experiment's first call: all that it is told."""
    return _input([call for call in calls if call.experiment == experiment][:1])[1]


def main(experiments: int) -> None:
    first, last = min(FIRST, experiments), min(LAST, experiments)
    table = Table(
        "task", "CPU ms", "own", "git, parser", f"RSS MB at {first}", f"to {last}",
        f"prompt tokens, {first} → {last}", "calls", "cache read %",
    )  # fmt: skip
    for task in ("no-op", "eclip"):
        table.add_row(*figures(task, experiments))
    table.add_section()
    table.add_row(
        "target", f"≤ {TARGETS['ms']:.0f}", "", "", "", f"≤ +{TARGETS['growth']:.0f}", "", "",
        f"≥ {TARGETS['read']:.0f}",
    )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else LAST)
