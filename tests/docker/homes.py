"""A state folder and the real command line: what most tests in containers drive."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

from runner import engines
from runner.paths import PROJECT, State

RUN_SECONDS = 900
BARE = """
import sys
import time
import kit
LEARNING_RATE = 1.0
WARMUP_STEPS = 10
LOGIT_SCALE_MAX = 2.0
if sys.argv[1] == "predict":
    import numpy
    count = len(kit.inputs.load(sys.argv[2]))
    kit.outputs.save("embeddings", numpy.ones((count, 4), numpy.float32))
else:
    deadline = kit.Deadline()
    while WAITS and not deadline.expired():
        time.sleep(0.05)
"""
"""A template of eclip that imports next to nothing and learns nothing."""
COPIED = ("runner", "harness", "policies", "workspace-template", "images", "pyproject.toml")
TEXT_BYTES = 1_200_000
DECISION = re.compile(r"^decision:\n(?:[ #].*\n|\n)*", re.MULTILINE)


@dataclass(frozen=True)
class Home:
    """A state folder, and the real command line working in it."""

    path: Path
    _: KW_ONLY
    start: tuple[str, ...] = ("-m", "runner")
    """What Python is given to become the command line."""
    project: Path = PROJECT
    """Where its code and its tasks are."""

    @property
    def environment(self) -> dict[str, str]:
        # These runs wait for each other for a device, and for nobody else.
        locks = self.path.parent / "locks"
        own = {"RUNNER_HOME": str(self.path), "RUNNER_LOCKS": str(locks), "NO_COLOR": "1"}
        own |= {"TMPDIR": str(self.path.parent), "PYTHONPATH": str(self.project)}
        return {**os.environ, **own}

    def runner(self, *arguments: str, seconds: float = RUN_SECONDS) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *self.start, *arguments],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        done = self.runner(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def sweep(self) -> None:
        """Remove the containers and volumes that the engine holds of it."""
        with closing(engines.connect()) as client:
            client.sweep({engines.HOME_LABEL: State(self.path).id})

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "--json"))


def copied_project(root: Path) -> Path:
    """Fill a folder with the project, as a person has it who changes a task of it."""
    for name in COPIED:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, root / name)
        else:
            shutil.copy(PROJECT / name, root / name)
    return root


def with_bare_template(home: Home, root: Path, *, waits: bool) -> Home:
    """Return a home whose eclip costs next to no processor time; it may wait for its deadline."""
    train = copied_project(root) / "workspace-template" / "eclip" / "train.py"
    train.write_text(BARE.replace("WAITS", str(waits)))
    return replace(home, project=root)


def decides_on_one_trial(policy: Path) -> None:
    """Let a policy that ships take one trial for what takes five or more."""
    rule = "decision: {rule: strict, most_trials: 1, min_gain: 0}\n"
    text = DECISION.sub(rule, policy.read_text())
    assert rule in text
    policy.write_text(text)


def write_text(path: Path, *, words: int = 400) -> None:
    """Random words in a random order that favours some followers; few are learnt in seconds."""
    draws = random.Random(4)  # noqa: S311 - text, no secret
    letters = "etaoinshrdlu"
    known = ["".join(draws.choices(letters, k=draws.randint(2, 7))) for _ in range(words)]
    followers = {word: draws.sample(known, 5) for word in known}
    text, size, word = [], 0, known[0]
    while size < TEXT_BYTES:
        text.append(word)
        size += len(word) + 1
        word = draws.choice(followers[word])
    path.write_text(" ".join(text))
