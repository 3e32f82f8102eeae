"""Look at training rows: run a workspace's `analysis.py` and keep what it finds.

It runs in a container like a trainer's, on rows that are training rows in every split, so what it
prints may go back to an agent: nothing that it can say is an answer in any split. What comes out
is capped, escaped and appended to the notes; it is never a score.

`analysis.py` is a note: a question is no experiment, and no trial's container ever has it.

What this does not protect against: rows that a task calls `analysis` and evaluates elsewhere.
Which rows those are is its `prepare`'s to choose, and its tests' to prove.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner import paths
from runner.engines.container import Deadline, Ended, Running
from runner.engines.protocol import AGENT_USER, HOME_LABEL, RUN_LABEL, ContainerSpec, Mount
from runner.errors import ConfigError
from runner.journal.entries import now
from runner.policy.conflicts import FINDINGS
from runner.policy.schema import Policy
from runner.records import Change, File, Files, Findings
from runner.sandbox import staging
from runner.sandbox.evidence import escaped
from runner.session import ANALYSIS_SCRIPT, Session
from runner.trial import TrialRunner, failure, stage_name

SCRIPT = ANALYSIS_SCRIPT
FOLDER = "analysis"
"""Below the public part: what every split trains on, where that is not a split by itself."""
MOST_CHARACTERS = 16_000
SEED = 0
"""The same question has the same answer; nothing here competes."""
ENTRY = "\n## "


def analyze(session: Session, sandbox: TrialRunner, script: bytes | None = None) -> Findings:
    """Run `analysis.py` of the best workspace so far, or `script` in its place.

    Raises:
        ConfigError: there is no `analysis.py`, or there are no rows that every split trains on.
        SandboxError: the engine failed.
    """
    rows, files = shared_rows(session.data.public, session.policy), workspace(session)
    if script is not None:
        files[SCRIPT] = File(content=script)
    if SCRIPT not in files:
        raise ConfigError(f"{session.run.task} has no {SCRIPT}", hint="give one with --file")
    budget = session.policy.budget
    total = budget.startup + session.policy.analysis.seconds
    deadline = Deadline.after(total)
    with _container(session, sandbox, files, rows, deadline) as running:
        result = running.finish(deadline, sandbox.abort)
    failed = failure("analyze", result, total)
    text = readable(result.output)
    noted = failed is None and _note(session, text)
    found = Findings(
        text=text,
        failure=failed.reason if failed else None,
        wall_seconds=round(result.ran_seconds, 3),
        noted=noted,
        exit_code=result.exit_code if result.ended is Ended.EXITED else None,
    )
    session.log.info(
        "analysis.ended", failure=found.failure, wall_seconds=found.wall_seconds, noted=noted
    )
    return found


def require_rows(policy: Policy, public: Path, template: Files) -> None:
    """Refuse a policy that asks for analyses which cannot be.

    Raises:
        ConfigError: there is no `analysis.py`, or there are no rows that every split trains on.
    """
    if policy.analysis.every is None:
        return
    hint = "set analysis.every to null"
    if SCRIPT not in template:
        raise ConfigError(f"analysis.every: the template has no {SCRIPT}", hint=hint)
    try:
        shared_rows(public, policy)
    except ConfigError as error:
        raise ConfigError(f"analysis.every: {error}", hint=hint) from error


def workspace(session: Session) -> dict[str, File]:
    """Return the best workspace so far, with its notes as they are now."""
    return session.workspace.with_notes(session.workspace.head())


def shared_rows(public: Path, policy: Policy) -> Path:
    """Return the folder of rows that are training rows in every split.

    Raises:
        ConfigError: every row is evaluated in some split.
    """
    splits, audited = policy.evaluation.splits, policy.evaluation.audited
    # A split of that name is no set of rows aside: it trains on what others are asked about.
    if FOLDER not in {*splits, *audited} and (public / FOLDER).is_dir():
        return public / FOLDER
    if len(splits) == 1:
        return public / splits[0]
    raise ConfigError(
        f"{policy.task} has no rows to analyse: each is evaluated in one of {', '.join(splits)}",
        hint="what an analysis prints would carry one split's answers into another",
    )


def readable(output: bytes) -> str:
    """Return what a container printed as lines of plain ASCII, the first 16,000 characters."""
    text = output.decode("utf-8", errors="backslashreplace")
    lines = (escaped(line) for line in text.split("\n") if not line.startswith("#curve "))
    shown = "\n".join(lines).strip("\n")
    left_out = len(shown) - MOST_CHARACTERS
    return shown if left_out <= 0 else f"{shown[:MOST_CHARACTERS]}\n... {left_out} more left out"


def with_entry(notes: str, title: str, text: str, *, most_bytes: int) -> str:
    """Append an entry to the findings; the oldest make room where there is none.

    Raises:
        ConfigError: even alone it does not fit.
    """
    indented = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    head, *entries = notes.rstrip("\n").split(ENTRY)
    entries.append(f"{title}\n\n{indented}")
    while entries:
        whole = ENTRY.join([f"{head.rstrip()}\n", *(f"{one.rstrip()}\n" for one in entries)])
        if len(whole.encode()) <= most_bytes:
            return whole
        entries.pop(0)
    raise ConfigError(
        f"the findings do not fit into {most_bytes} bytes of {FINDINGS}",
        hint="print less, or raise edits.max_file_bytes",
    )


def _note(session: Session, text: str) -> bool:
    """Append to `findings.md` where the policy has such a note; say whether."""
    if FINDINGS not in session.policy.files.notes:
        return False
    when, most = now(), session.policy.edits.max_file_bytes
    with session.workspace.notes_turn:
        found = workspace(session).get(FINDINGS, File(content=b""))
        before = found.content.decode("utf-8", errors="replace")
        after = with_entry(before, when, text, most_bytes=most)
        change = Change(path=FINDINGS, content=after.encode())
        session.workspace.write_notes([change], "Findings of an analysis", when)
    return True


@contextmanager
def _container(
    session: Session, sandbox: TrialRunner, files: Files, rows: Path, deadline: Deadline
) -> Iterator[Running]:
    """Yield the analysis at work on fresh copies, everything read-only; it is gone afterwards."""
    name = f"{stage_name(sandbox.host.id, session.run.tag)}-analysis"
    inside = {
        path: file
        for path, file in files.items()
        if path == SCRIPT or path not in session.policy.files.notes
    }
    with staging.folder(sandbox.host.stage / name) as folder:
        code = staging.write_tree(folder / "workspace", inside)
        (folder / "kit").mkdir(mode=0o755)
        staging.write_tree(folder / "kit" / "kit", paths.below(session.harness, "kit"))
        spec = ContainerSpec(
            name=name,
            image_id=session.run.image_id,
            user=AGENT_USER,
            command=["python", "-u", "-P", f"/workspace/{SCRIPT}"],
            mounts=[
                Mount(source=str(code), target="/workspace"),
                Mount(source=str(folder / "kit"), target="/kit"),
                Mount(source=str(rows), target="/data"),
            ],
            resources=session.policy.resources_record(),
            labels={HOME_LABEL: sandbox.host.id, RUN_LABEL: session.run.tag},
            gpu_ids=sandbox.gpu_ids,
        )
        env = {
            "PYTHONPATH": "/kit:/workspace",  # a script that asks may use what it asks about
            "RUNNER_SEED": str(SEED),
            "RUNNER_SPLIT": FOLDER,
            "RUNNER_TRAIN_SECONDS": f"{session.policy.analysis.seconds:g}",
            "RUNNER_KILL_SECONDS": f"{deadline.left:.3f}",
        }
        with sandbox.started(spec, seconds=deadline.left, env=env) as running:
            yield running
