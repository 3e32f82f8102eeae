"""What a project said of itself beside the sealed score of the same program."""

from __future__ import annotations

import pytest

from runner import paths
from runner.policy.load import load_policy
from runner.task_check.comparing import Adopted, compared, origin, reported
from runner.task_check.playing import Played


@pytest.mark.parametrize(
    ("score", "same", "sealed", "says"),
    [
        (0.90, True, 0.88, "they agree within noise"),
        (0.9875, True, 0.6125, "SEALED IT IS 0.6125, more apart than noise"),
        (90.0, True, 0.89, "they agree within noise"),
        (0.35, False, 0.89, "which is another number than val_auc"),
        (0.90, True, None, "the sealed template has no score"),
    ],
)
def test_two_scores_of_one_program(score, same, sealed, says):
    policy = load_policy(paths.policy_path("heart")).policy
    adopted = Adopted(project="wine", metric="accuracy", score=score, same=same)
    played = Played(name="template", outcome="", fine=True, score=sealed, error=0.03)
    assert says in compared(adopted, policy, played)


def test_what_it_said_is_kept_with_the_task(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    assert reported("wine-sealed") is None
    folder = paths.task_harness("wine-sealed")
    folder.mkdir(parents=True)
    (folder / "adopted.json").write_text(origin("wine", "accuracy", 0.9, same=True))
    assert reported("wine-sealed") == Adopted(
        project="wine", metric="accuracy", score=0.9, same=True
    )
