"""Adopting as a whole, without an engine: what is left where it fails."""

from __future__ import annotations

from typing import Any

import pytest

from runner import paths
from runner.adopt import adopt as adopting
from runner.adopt.writing import _step
from runner.errors import ConfigError
from runner.stopping import Stop


@pytest.mark.parametrize("before", [None, "an older lock"])
def test_a_lock_is_as_it_was_where_no_task_comes_about(tmp_path, monkeypatch, before):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    lock = tmp_path / "policies" / "mine.lock"
    lock.parent.mkdir()
    if before:
        lock.write_text(before)
    project = tmp_path / "theirs"
    project.mkdir()
    (project / "train.py").write_text("import einops\nprint('loss 1')\n")
    (project / "wanted.txt").write_text("einops\n")

    def written_then_failed(engine: Any, image: Any, **_: Any) -> str:
        image.lock.write_text("a new lock")
        raise ConfigError("no image")

    monkeypatch.setattr(adopting.images, "ensure_image", written_then_failed)
    engine: Any = None
    wanted = adopting.Wanted(run="python train.py", pip=project / "wanted.txt")
    with pytest.raises(ConfigError, match="no image"):
        adopting.adopt(
            project, "mine", wanted, engine=engine, state=paths.State(tmp_path / "state"),
            stop=Stop(print), ask=lambda *_, **__: "no", say=print,
        )  # fmt: skip
    assert (lock.read_text() if lock.exists() else None) == before


@pytest.mark.parametrize(
    ("value", "step"),
    [(3e-9, "0.000000000001"), (0.25, "0.0001"), (0.0, "0.001"), (-71234.0, "10")],
)
def test_scores_are_rounded_to_a_thousandth_of_the_first_however_small_it_is(value, step):
    assert _step(value) == step
