"""A host's answers to what a trial's specification names by digest.

A specification says nothing of a machine, so that any machine that has these data, this harness
and this image can run it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from runner import data, paths
from runner.errors import ConfigError, DataError
from runner.records import Files, TrialSpec
from runner.workspace import tree_digest


@dataclass(frozen=True, kw_only=True)
class Host:
    """Where this machine keeps things, and the frozen harness that it was given."""

    state: paths.State
    harness: Files = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.state.id

    @property
    def stage(self) -> Path:
        return self.state.stage

    @cached_property
    def _harness_digest(self) -> str:
        return tree_digest(self.harness)

    def data_of(self, spec: TrialSpec) -> data.Prepared:
        """Return the data of a trial.

        Raises:
            DataError: this host has none, or others.
        """
        found = data.load(self.state, spec.task)
        if found.digest != spec.data_digest:
            raise DataError(
                f"the data of {spec.task} here are others than the trial's",
                hint=f"they have the digest {found.digest[:12]}, its {spec.data_digest[:12]}",
            )
        return found

    def rows_of(self, spec: TrialSpec) -> Path:
        """Return the folder of the split's training rows.

        Raises:
            DataError: this host has none, or others.
        """
        path = self.data_of(spec).public / spec.split
        if not path.is_dir():
            raise DataError(f"no public data at {path}", hint=f"run: runner prepare {spec.task}")
        return path

    def harness_of(self, spec: TrialSpec) -> Files:
        """Return the files of a trial's harness.

        Raises:
            ConfigError: this host was given another.
        """
        if spec.harness_digest != self._harness_digest:
            raise ConfigError(
                f"the harness here is not the one of the trial: {spec.harness_digest[:12]}",
                hint="run: runner audit",
            )
        return self.harness
