"""The first run of a project's own command, and in words why it has no number, if it has none."""

from __future__ import annotations

import ast
import posixpath
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from runner import paths
from runner.adopt.keeping import SPLIT
from runner.adopt.project import Project
from runner.data import Prepared
from runner.engines.container import Deadline, Ended, started
from runner.engines.protocol import AGENT_USER, HOME_LABEL, ContainerSpec, Engine
from runner.errors import ConfigError, SandboxError
from runner.policy.paths import WORKSPACE
from runner.records import (
    Budget,
    Files,
    Purpose,
    Reported,
    Resources,
    Shape,
    TrialResult,
    TrialSpec,
    TrialStatus,
)
from runner.sandbox.evidence import escaped
from runner.trial.reported import plain
from runner.trial.run import TRAIN
from runner.workspace import tree_digest

SEED = 0
STARTUP_SECONDS = 20.0
LOOK = "import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if not u.find_spec(m)])"
LOOK_SECONDS = 60.0


def absent(
    engine: Engine, state: paths.State, image_id: str, wanted: Sequence[str], resources: Resources
) -> tuple[str, ...]:
    """Name the top-level modules that an image does not hold.

    Raises:
        SandboxError: the image could not be asked.
    """
    spec = ContainerSpec(
        name=f"runner-{state.id}-look",
        image_id=image_id,
        user=AGENT_USER,
        command=["python", "-I", "-c", LOOK, *wanted],
        mounts=[],
        resources=resources,
        labels={HOME_LABEL: state.id},
    )
    engine.remove(spec.name)  # a killed one may have left it
    with started(engine, spec, seconds=LOOK_SECONDS) as running:
        result = running.finish(Deadline.after(LOOK_SECONDS), threading.Event())
    if result.ended is not Ended.EXITED or result.exit_code:
        raise SandboxError(f"asking the image for its modules failed ({result.ended})")
    return tuple(result.stdout.decode().split())


def first_trial(
    project: Project,
    *,
    task: str,
    tag: str,
    mutable: Sequence[str],
    reported: Reported,
    image_id: str,
    resources: Resources,
    seconds: float,
    prepared: Prepared,
) -> TrialSpec:
    """Return the trial of the project as it is, with all the time that the person gives it."""
    return TrialSpec(
        run=tag,
        experiment=0,
        purpose=Purpose.DECISION,
        task=task,
        split=SPLIT,
        index=0,
        seed=SEED,
        shape=Shape.REPORTED,
        predictors=(),
        image_id=image_id,
        scorer_image_id=image_id,  # no scorer runs
        workspace=project.files,
        mutable=tuple(mutable),
        notes=(),
        data_digest=prepared.digest,
        harness_digest=tree_digest(paths.harness()),
        resources=replace(resources, flush=False),
        budget=Budget(startup=STARTUP_SECONDS, train=seconds, predict=1, score=1),
        reported=reported,
    )


@dataclass(frozen=True, kw_only=True)
class Sign:
    """Words in an output that tell why a command failed, and what a person can do."""

    pattern: str
    says: str
    hint: str
    """Both with `{}` for what the pattern found, if it found something."""


SIGNS = (
    Sign(
        pattern=r"no NVIDIA driver|not compiled with CUDA|No CUDA GPUs|CUDA is not available"
        r"|CUDA(?: driver)? (?:unknown )?error|libcuda",
        says="the code wants a GPU, and its container has none",
        hint="on a machine with one: --gpus 1; else let the code choose:"
        ' "cuda" if torch.cuda.is_available() else "cpu"',
    ),
    Sign(
        pattern=r"(?:Name or service not known|Temporary failure in name resolution|URLError"
        r"|Network is unreachable|Failed to resolve '(?P<a>[\w.-]+)'|NameResolutionError"
        r"|Max retries exceeded with url: (?P<b>\S+)|gaierror|offline mode is enabled"
        r"|LocalEntryNotFoundError|couldn't connect to '(?P<c>[^']+)')",
        says="the code wants {} from the network, and no container has one",
        hint="download it once by hand into a folder of the project, and name that: --data PATH",
    ),
    Sign(
        pattern="EOFError: EOF when reading a line",
        says="the code waits for somebody to type, and nobody is there",
        hint="give the answer on the command line: --run 'python train.py ...'",
    ),
    Sign(
        pattern=r"(?P<a>libGL\.so\.1)",
        says="a package draws on a display with {}, and there is none",
        hint="opencv-python-headless in place of opencv-python: --pip requirements.txt",
    ),
    Sign(
        pattern=r"sh: \d+: (?P<a>[\w./-]+): not found",
        says="there is no program {} in the image",
        hint="say what it runs in the end: --run 'python train.py ...'",
    ),
    Sign(
        pattern=r"os(?:\.py|>)\", line \d+, in __getitem__[^\0]*KeyError: '(?P<a>\w+)'",
        says="the code wants the environment variable {}",
        hint="give it on the command line: --run '{}=... python train.py'",
    ),
    Sign(
        pattern=r"No module named '(?P<a>[\w.]+)'|Missing optional dependency '(?P<b>[\w.-]+)'"
        r"|Unable to find a usable engine; tried using: '(?P<c>[\w.-]+)'",
        says="there is no module {} in the image",
        hint="name its package in a file: --pip requirements.txt",
    ),
    Sign(
        pattern=r"(?:Read-only file system|Permission denied): '(?P<a>[^']+)'",
        says="the code writes to {}, which is data or frozen",
        hint="let it write elsewhere in the project: all of that is thrown away",
    ),
    Sign(
        pattern=r"No such file or directory: '(?P<a>[^']+)'|Error: (?P<b>\S+) not found\.",
        says="the code reads {}, which is not there",
        hint="name the data as the project does: --data PATH; or where they are: --data {}=PATH",
    ),
)
"""The first that is found is told."""
WRITES = re.compile(
    r"(?:Read-only file system|Permission denied|Device or resource busy): '([^']+)'"
    r"(?: -> '([^']+)')?"
)
ENDS = {
    "output": ("the command printed more than 64 MB", "let it print a line for each epoch"),
    "memory": ("out of memory: it may have most of this machine's", "a smaller batch or model"),
    "disk": ("the copy of the project is full", "let it write less: it may have 1 GB a folder"),
}
"""Limit → what to say, and what to do."""
TAIL = 65536


def trouble(result: TrialResult, seconds: float, root: Path, files: Files) -> ConfigError:
    """Say why the project's command ended without a score, where in it, and what to do.

    `files` are those that the command runs.
    """
    text = plain(result.logs[TRAIN])[-TAIL:].decode("utf-8", errors="replace")
    where = ""
    if result.crash and result.crash.file:
        where = f"{result.crash.file.removeprefix('/workspace/')}:{result.crash.line}: "
    if result.status is TrialStatus.TIMEOUT:
        return ConfigError(
            f"{_endless(files)}the command was still running after {seconds:g} s",
            hint="let it train for less (fewer epochs or steps), or give it more: --minutes N",
        )
    if result.limit in ENDS:
        said, hint = ENDS[result.limit]
        if result.limit == "output":
            where = where or _endless(files)
        return ConfigError(f"{where}{said}", hint=hint)
    for sign in SIGNS:
        if found := list(re.finditer(sign.pattern, text, re.IGNORECASE)):
            names = (name for each in found for name in each.groupdict().values() if name)
            name = next(names, None) or _address(text)
            says, hint = (text.format(escaped(name)) for text in (sign.says, sign.hint))
            beside = posixpath.relpath(name, WORKSPACE) if name.startswith("/") else ""
            if beside.startswith("../") and (root / beside).exists():
                hint = f"it is beside the project: --data {posixpath.dirname(beside)}"
            return ConfigError(f"{where}{says}", hint=hint)
    said = result.reason.removeprefix(f"{TRAIN}: ")
    lines = text.strip().splitlines()
    last = f"its last line: {escaped(lines[-1])}" if lines else "it printed nothing"
    if lines and lines[-1].strip() in said:
        last = "is that how it is run? --run 'python train.py ...'; and its data: --data PATH"
    return ConfigError(f"{where}the command failed: {said}", hint=last)


def _endless(files: Files) -> str:
    """Return where a loop has no end, in the words before a message; nothing if none is found.

    A generator ends with whoever asks it.
    """
    for path, file in sorted(files.items()):
        with suppress(SyntaxError, ValueError, RecursionError):
            for node in ast.walk(ast.parse(file.content if path.endswith(".py") else b"")):
                if not isinstance(node, ast.While) or not isinstance(node.test, ast.Constant):
                    continue
                if node.test.value and not any(map(_leaves, ast.walk(node))):
                    return f"{path}:{node.lineno}: this loop has no end, and "
    return ""


def _leaves(node: ast.AST) -> bool:
    """Whether a statement in a loop may be its end."""
    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", "")) in ("exit", "_exit", "quit")
    return isinstance(node, ast.Break | ast.Return | ast.Raise | ast.Yield | ast.YieldFrom)


def refused(result: TrialResult, files: Iterable[str]) -> set[str]:
    """Return the frozen files, of those given, that a command failed to write to."""
    text = plain(result.logs[TRAIN])[-TAIL:].decode("utf-8", errors="replace")
    named = {word for pair in WRITES.findall(text) for word in pair if word}
    inside = {posixpath.normpath(name.removeprefix(f"{WORKSPACE}/")) for name in named}
    return inside & {*files}


def _address(text: str) -> str:
    found = re.findall(r"https?://[^\s'\"<>)]+", text)
    return found[-1] if found else "something"


def lacking(places: Mapping[str, str], image: str) -> ConfigError:
    """Say which modules an image does not hold, all of them at once, each with its place."""
    named = ", ".join(f"{name} ({place})" for name, place in places.items())
    return ConfigError(
        f"the project imports what the image {image} does not hold: {named}",
        hint="name the packages in a file: --pip requirements.txt",
    )
