from __future__ import annotations

import pytest
from policy_samples import POLICY

from runner.paths import PROJECT
from runner.policy import PolicyError
from runner.policy.load import digest, load_policy, parse_policy, with_train_seconds

SHIPPED = sorted((PROJECT / "policies").glob("*.yaml"))


def replaced(text: str, seconds: float) -> str:
    return with_train_seconds(parse_policy(text), seconds).text


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_policy_s_training_time_changes_and_nothing_else(path):
    before = load_policy(path)
    after = with_train_seconds(before, 2.5)
    assert after.policy.budget.train == 2.5
    budget = before.policy.budget.model_copy(update={"train": 2.5})
    assert after.policy == before.policy.model_copy(update={"budget": budget})
    old, new = before.text.splitlines(), after.text.splitlines()
    assert sum(one != other for one, other in zip(old, new, strict=False)) == 1
    assert len(new) == len(old) + 1


def test_the_text_and_its_digest_say_that_it_was_changed():
    before = parse_policy(POLICY)
    after = with_train_seconds(before, 90)
    assert "train: 90s" in after.text
    assert after.text.endswith("# Changed for this run: budget.train was 8s.\n")
    assert after.digest == digest(after.text) != before.digest
    assert parse_policy(after.text).policy == after.policy


@pytest.mark.parametrize(
    ("written", "seconds", "expected"),
    [
        ("train: 8s", 20, "train: 20s"),
        ('train: "8s"', 20, "train: 20s"),
        ("train: 8s", 0.25, "train: 0.25s"),
        ("train: 8s", 3600, "train: 3600s"),
        ("train: 8s", 12345.5, "train: 12345.5s"),
    ],
)
def test_any_way_to_write_it_is_met(written, seconds, expected):
    assert f"{expected}," in replaced(POLICY.replace("train: 8s", written), seconds)


def test_letters_of_several_bytes_before_it_move_nothing():
    assert "# \u00e9\U0001f600\n" in (text := replaced(f"# \u00e9\U0001f600\n{POLICY}", 20))
    assert "train: 20s, predict" in text


def test_a_byte_order_mark_before_it_moves_nothing():
    assert replaced(f"\ufeff{POLICY}", 20) == replaced(POLICY, 20)


@pytest.mark.parametrize("seconds", [0, -1, 0.0001, 10_000_000, float("nan"), float("inf")])
def test_a_time_that_no_policy_may_hold_is_refused_by_the_same_rules(seconds):
    with pytest.raises(PolicyError, match=r"budget\.train"):
        replaced(POLICY, seconds)


def test_it_can_be_changed_again():
    twice = replaced(replaced(POLICY, 5), 6)
    assert parse_policy(twice).policy.budget.train == 6
    assert "budget.train was 5s" in twice
