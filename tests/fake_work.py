"""`runner.start.at_work` without an engine: a run below a folder, its trials scripted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from fakes import POLICY_TEXT, TAG, FakeSandbox, ScriptedAgent, make_session

from runner import paths
from runner.progress import Tracker
from runner.records import TrialResult, TrialSpec
from runner.start import AtWork


@dataclass
class StoppableSandbox(FakeSandbox):
    """Waits in the trials that `held` names, until it is aborted."""

    held: Callable[[TrialSpec], bool] = lambda _: False

    def run(self, spec: TrialSpec) -> TrialResult:
        if self.held(spec):
            self.abort.wait()
        return super().run(spec)


@contextmanager
def fake_work(
    folder: Path, sandbox: Any, *, agent: Any = None, policy_text: str = POLICY_TEXT
) -> Iterator[None]:
    """Let every command that opens a run find the one below `folder`."""

    @contextmanager
    def at_work(state, request, person):
        more = {"policy_text": policy_text, "tag": request.tag or TAG, **vars(person)}
        path = paths.State(folder / "state").progress(more["tag"])
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            Tracker.at(path) as tracker,
            make_session(folder, sandbox, progress=tracker, **more) as session,
        ):
            yield AtWork(session=session, agents=(agent or ScriptedAgent([]),))

    with mock.patch("runner.supervise.at_work", at_work):
        yield
