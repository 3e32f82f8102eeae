"""Rows of a task's data that lie in the image in which an agent's code runs.

The packages of an image bring data sets along, and what code can import there is not sealed. A
container of that image, which sees no data, hands out its data files; another one, of the scorers'
image, looks for the rows in them. So packages are never together with targets.

What this does not protect against: data that a package makes, or keeps in a form of its own.
"""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from runner import paths
from runner.data import RESOURCES, frozen_harness, unpack
from runner.declared import DECLARATION
from runner.engines.container import ContainerResult, Deadline, Ended, started
from runner.engines.protocol import (
    AGENT_USER,
    HOME_LABEL,
    MIB,
    SCORER_USER,
    ContainerSpec,
    Engine,
    Mount,
)
from runner.errors import SandboxError
from runner.sandbox import staging

SECONDS = 600.0
CARRIED = Path(__file__).with_name("carried.py")
HARNESS, RAW, FILES = "/harness", "/raw", "/files"


@dataclass(frozen=True, kw_only=True)
class Search:
    """Looks for rows of a task in an image."""

    engine: Engine
    state: paths.State
    task: str
    image_id: str
    """Of agent code."""
    scorer_image_id: str

    def copies(self, raw: Path) -> list[str]:
        """Return one sentence for each file of the image's packages that holds rows of the data.

        Raises:
            SandboxError: it could not be searched.
        """
        name = f"runner-{self.state.id}-search-{self.task}"
        for left in (name, f"{name}-files"):  # of a search that was killed
            shutil.rmtree(self.state.stage / left, ignore_errors=True)
        resources = replace(RESOURCES, output_log_bytes=64 * MIB)
        carried = self._ended(name, ContainerSpec(
            name=name,
            image_id=self.image_id,
            user=AGENT_USER,
            command=["python", "-I", "-c", CARRIED.read_text(encoding="utf-8")],
            mounts=[],
            resources=resources,
            labels={HOME_LABEL: self.state.id},
        ))  # fmt: skip
        with staging.folder(self.state.stage / f"{name}-files") as folder:
            files = folder / "files"
            unpack(iter([carried.stdout]), files)
            return self._found(name, raw, files)

    def _found(self, name: str, raw: Path, files: Path) -> list[str]:
        own = f"{HARNESS}/tasks/{paths.task_harness(self.task).name}/{DECLARATION}"
        with frozen_harness(self.state, name) as harness:
            result = self._ended(name, ContainerSpec(
                name=name,
                image_id=self.scorer_image_id,
                user=SCORER_USER,
                command=["python", "-I", HARNESS, "search", own, "--raw", RAW,
                         "--workspace", FILES, "--packages"],
                mounts=[
                    harness,
                    Mount(source=str(raw), target=RAW),
                    Mount(source=str(files), target=FILES),
                ],
                resources=RESOURCES,
                labels={HOME_LABEL: self.state.id},
            ))  # fmt: skip
        return [str(line) for line in json.loads(result.stdout)["found"]]

    def _ended(self, name: str, spec: ContainerSpec) -> ContainerResult:
        """Return how a container ended, if it ended well."""
        self.engine.remove(name)  # a killed one may have left it
        with started(self.engine, spec, seconds=SECONDS) as running:
            result = running.finish(Deadline.after(SECONDS), threading.Event())
        if result.ended is not Ended.EXITED or result.exit_code:
            said = result.output[-2000:].decode("utf-8", errors="backslashreplace").strip()
            raise SandboxError(
                f"searching the image of {self.task} failed ({result.ended}): {said}"
            )
        return result
