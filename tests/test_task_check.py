"""What `runner task check` plays: how a cheat spoils a trial, and when the task is to blame."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import FakeSandbox

from runner import paths
from runner.policy.load import load_policy
from runner.records import Score, Shape, TrialResult, TrialSpec, TrialStatus
from runner.task_check import cheat, playing, reading
from tests.harness.served_models import SERVED, VOCABULARY, ask, raw


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.setattr(cheat, "OUTPUTS", tmp_path)
    np.save(tmp_path / "ids.npy", np.arange(9))
    np.save(tmp_path / "predictions.npy", np.linspace(0, 1, 9))
    return tmp_path


# -- in the container -------------------------------------------------------------------------


def test_the_names_of_the_cheats_agree():
    assert tuple(cheat.CHEATS) == playing.CHEATS
    assert (cheat.MUTE, *cheat.SERVED_CHEATS) == playing.SERVED_CHEATS


@pytest.mark.parametrize("kind", [kind for kind in playing.CHEATS if kind != "reordered"])
def test_a_cheat_spoils_the_predictions_and_leaves_the_ids(outputs, kind):
    before = (outputs / "predictions.npy").read_bytes()
    cheat.main(kind, serving=False)
    spoilt = outputs / "predictions.npy"
    assert spoilt.is_symlink() or not spoilt.exists() or spoilt.read_bytes() != before
    assert np.load(outputs / "ids.npy").tolist() == list(range(9))


def test_rows_are_reordered_together(outputs):
    cheat.main("reordered", serving=False)
    ids = np.load(outputs / "ids.npy")
    assert ids.tolist() != sorted(ids)
    assert np.allclose(np.load(outputs / "predictions.npy"), ids / 8)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("losses", "wrong-size"), ("not-a-number", "not-finite"), ("looks-ahead", "looks-ahead")],
)
def test_a_served_cheat_is_refused_for_what_it_is(kind, code):
    said = ask(raw(lambda connection: cheat.converse(connection, kind)))
    assert said.document.get("code") == code


def test_a_model_that_is_sure_of_everything_knows_nothing():
    said = ask(raw(lambda connection: cheat.converse(connection, "unnormalised")))
    assert said.bpb == pytest.approx(np.log2(VOCABULARY))
    assert said.document["metrics"]["scored_tokens"] == SERVED.windows[:, 1:].size


# -- what is read -----------------------------------------------------------------------------


def test_it_says_what_tune_would_tune():
    said = "1 number in train.py: train.py:10 INVERSE_PENALTY = 1.0"
    assert reading.tuned("heart") == said


# -- on the host ------------------------------------------------------------------------------


def scored(metric: str, value: float) -> TrialResult:
    return TrialResult(status=TrialStatus.SCORED, reason="", score=Score(metrics={metric: value}))


def failed(status: TrialStatus) -> TrialResult:
    return TrialResult(status=status, reason="why")


def check(
    task: str, answer: Callable[[TrialSpec], TrialResult], cheat: str, honest: float
) -> tuple[playing.Played, list[TrialSpec], TrialSpec]:
    policy = load_policy(paths.policy_path(task)).policy
    prepared = SimpleNamespace(digest="d")
    spec = playing.specification(task, policy, prepared, image_id="image", scorer_image_id="other")
    sandbox = FakeSandbox(answer)
    return playing.play_cheat(sandbox, spec, policy, cheat, honest), sandbox.specs, spec


@pytest.mark.parametrize(
    ("found", "fine"),
    [
        (failed(TrialStatus.INVALID_OUTPUTS), True),
        (failed(TrialStatus.CRASHED), False),
        (failed(TrialStatus.TIMEOUT), False),
        (scored("mean_rank", 100.0), True),
        (scored("mean_rank", 99.5), False),
        (scored("mean_rank", 250.0), True),
        (scored("mean_rank", 99.0), False),
        (scored("mean_rank", 1.0), False),
    ],
)
def test_a_cheat_must_be_refused_or_lose_by_the_policys_min_gain(found, fine):
    played, _, _ = check("eclip", lambda _: found, "constant", 100.0)
    assert played.fine is fine


def test_one_fold_in_which_a_constant_beats_the_template_accuses_nobody():
    """Every fold gives the constant 0.5; the template's own mean over the folds is what counts."""
    assert check("heart", lambda _: scored("val_auc", 0.5), "constant", 0.52)[0].fine
    played, specs, _ = check("heart", lambda _: scored("val_auc", 0.5), "constant", 0.45)
    assert not played.fine
    assert [spec.split for spec in specs] == [f"fold{number}" for number in range(5)]


def test_the_template_is_scored_over_all_splits():
    policy = load_policy(paths.policy_path("heart")).policy
    prepared = SimpleNamespace(digest="d")
    spec = playing.specification(
        "heart", policy, prepared, image_id="image", scorer_image_id="other"
    )
    sandbox = FakeSandbox(lambda spec: scored("val_auc", int(spec.split[-1]) / 10))
    played = playing.play_template(sandbox, spec, policy)
    assert (played.fine, played.score) == (True, pytest.approx(0.2))


def test_a_quick_check_runs_one_split_and_says_how_much_sooner_it_ends():
    whole = load_policy(paths.policy_path("heart")).policy
    quick = playing.quick(whole)
    assert quick.evaluation.splits == ("fold0",)
    shortest, longest = playing.foreseen(whole, with_cheats=True)
    seven = len(playing.CHEATS)
    train = whole.budget.train
    assert shortest == 5 * train + seven * min(train, playing.CHEATING_SECONDS)
    assert longest == 5 * (1 + seven) * whole.trial_seconds
    assert playing.foreseen(quick, with_cheats=True)[1] == longest / 5
    assert playing.foreseen(quick, with_cheats=False) == (train, whole.trial_seconds)


def test_a_refused_cheat_is_played_on_one_split():
    _, specs, _ = check("heart", lambda _: failed(TrialStatus.INVALID_OUTPUTS), "linked", 0.9)
    assert len(specs) == 1


def test_a_cheat_keeps_the_templates_own_program_and_trains_shortly_but_is_killed_no_earlier():
    refuse = lambda _: failed(TrialStatus.INVALID_OUTPUTS)  # noqa: E731
    _, [played], spec = check("cifar10", refuse, "linked", 1.0)
    assert played.workspace["honest.sh"] == spec.workspace["run.sh"]
    assert played.budget.train == playing.CHEATING_SECONDS < spec.budget.train
    ends = [one.startup + one.train for one in (played.budget, spec.budget)]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("cheat", playing.cheats(Shape.SERVED))
def test_a_served_cheat_answers_in_the_models_place_and_trains_like_it(cheat):
    refuse = lambda _: failed(TrialStatus.INVALID_OUTPUTS)  # noqa: E731
    _, [played], _ = check("shakespeare", refuse, cheat, 3.0)
    run = played.workspace["run.sh"].content.decode()
    assert '[ "$1" = serve ] || exec /workspace/honest.sh "$@"' in run
    assert run.endswith(f"cheat.py {cheat} serve\n")
