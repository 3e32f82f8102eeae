"""Rows are dealt without targets under fresh ids, and what returns is measured or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from harness import sealing
from harness.kit import inputs, outputs, tables
from harness.mounts import Mounts, under
from harness.scoring.outputs import Code, InvalidOutputsError
from harness.scoring.protocol import Dealt
from harness.tasks.tabular import score
from harness.tasks.tabular.table import Description, read_table
from harness.tasks.tabular.windows import build_table

ROWS = 400
FUTURE = 40
DESCRIPTION = Description(file="x.csv", target="y")


@pytest.fixture(scope="module")
def built() -> sealing.Built:
    """Rows with a number each, words, and a target that goes with neither."""
    bits = np.random.default_rng(3)
    lines = [f"{row},{row % 5},w{row % 3},{bits.integers(0, 2)}" for row in range(ROWS)]
    text = "number,five,word,y\n" + "\n".join(lines)
    return build_table(read_table(text.encode(), DESCRIPTION), DESCRIPTION)


@dataclass
class Trial:
    """One trial's folders and what was dealt into them; `dealt` is the scorer's memory."""

    mounts: Mounts
    dealt: Dealt = field(init=False)

    def __post_init__(self) -> None:
        for folder in (self.mounts.inputs, self.mounts.outputs):
            (folder / score.PREDICTOR).mkdir(parents=True, exist_ok=True)
        self.deal()

    def deal(self, part: str = "holdout", split: str = "w1") -> None:
        self.dealt = score.deal(self.mounts.sealed, part, split, metric="auc")
        for name, array in self.dealt.inputs.items():
            np.save(self.mounts.inputs / name, array, allow_pickle=False)

    def asked(self, name: str) -> np.ndarray:
        return np.load(self.mounts.inputs / score.PREDICTOR / f"{name}.npy", allow_pickle=False)

    def answer(self, predictions: np.ndarray, ids: np.ndarray | None = None) -> None:
        chosen = self.asked("ids") if ids is None else ids
        np.save(self.mounts.outputs / score.IDS, chosen)
        np.save(self.mounts.outputs / score.PREDICTIONS, predictions)

    def auc(self) -> float:
        return self.dealt.measure(self.mounts.outputs)["auc"]

    def refusal(self) -> tuple[Code, str]:
        with pytest.raises(InvalidOutputsError) as refused:
            self.dealt.measure(self.mounts.outputs)
        return refused.value.code, refused.value.output

    def truth(self) -> np.ndarray:
        """The targets in the order asked, which only this test can know."""
        sealed = self.mounts.sealed / "holdout" / "w1"
        numbers, targets = np.load(sealed / "numbers.npy"), np.load(sealed / "targets.npy")
        by_number = dict(zip(numbers[:, 0], targets, strict=True))
        return np.array([by_number[number] for number in self.asked("numbers")[:, 0]], dtype=float)


@pytest.fixture
def trial(tmp_path: Path, built: sealing.Built) -> Trial:
    mounts = under(tmp_path)
    sealing.write(built, task="tabular", seed=1, mounts=mounts)
    return Trial(mounts)


def test_a_model_that_knows_scores_one_and_its_opposite_zero(trial):
    truth = trial.truth()
    trial.answer(truth)
    assert trial.auc() == 1
    trial.answer(-truth)
    assert trial.auc() == 0


def test_no_input_is_the_target_or_follows_it(trial):
    """Copying a label into a feature needs a label: there is none in the predictor."""
    assert {Path(name).stem for name in trial.dealt.inputs} == {
        *("ids", "numbers", "words", "number_names", "word_names"),
    }
    names = [*trial.asked("number_names"), *trial.asked("word_names")]
    assert "y" not in names


def test_ids_and_order_say_nothing(trial):
    areas = []
    for _ in range(60):
        trial.deal()
        for guess in (trial.asked("ids"), trial.asked("ids") % 2, np.arange(FUTURE)):
            trial.answer(guess.astype(float))
            areas.append(trial.auc())
    assert np.mean(areas) == pytest.approx(0.5, abs=0.04)


def test_every_trial_draws_order_and_ids_anew(trial):
    first = trial.asked("ids"), trial.asked("numbers")[:, 0]
    trial.deal()
    second = trial.asked("ids"), trial.asked("numbers")[:, 0]
    assert not set(first[0]) & set(second[0])
    assert sorted(first[1]) == sorted(second[1]) == list(range(200, 200 + FUTURE))
    assert not np.array_equal(first[1], second[1])


def test_a_rows_words_and_numbers_travel_together(trial):
    for number, word in zip(trial.asked("numbers")[:, 0], trial.asked("words")[:, 0], strict=True):
        assert word.decode() == f"w{int(number) % 3}"


def test_the_locked_part_is_another_part(trial):
    trial.deal("locked", "last")
    assert sorted(trial.asked("numbers")[:, 0]) == list(range(360, 400))


def test_a_constant_is_a_coin(trial):
    trial.answer(np.full(FUTURE, 0.9))
    assert trial.auc() == 0.5


Cheat = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@pytest.mark.parametrize(
    ("cheat", "code", "output"),
    [
        pytest.param(
            lambda ids, best: (ids[:-1], best[:-1]), Code.WRONG_SHAPE, score.IDS, id="dropped row"
        ),
        pytest.param(
            lambda ids, best: (np.append(ids, 1), np.append(best, 1.0)),
            Code.WRONG_SHAPE, score.IDS, id="added row",
        ),
        pytest.param(
            lambda ids, best: (ids[::-1], best[::-1]), Code.WRONG_IDS, score.IDS, id="reordered"
        ),
        pytest.param(
            lambda ids, best: (ids[np.argsort(best)], np.sort(best)),
            Code.WRONG_IDS, score.IDS, id="sorted by prediction",
        ),
        pytest.param(
            lambda ids, best: (np.full_like(ids, ids[0]), best),
            Code.WRONG_IDS, score.IDS, id="one row again and again",
        ),
        pytest.param(
            lambda ids, best: (np.arange(len(ids)), best), Code.WRONG_IDS, score.IDS, id="no ids"
        ),
        pytest.param(
            lambda ids, best: (ids.astype(float), best),
            Code.WRONG_DTYPE, score.IDS, id="no integers",
        ),
        pytest.param(
            lambda ids, best: (ids, best[:-1]),
            Code.WRONG_SHAPE, score.PREDICTIONS, id="dropped prediction",
        ),
        pytest.param(
            lambda ids, best: (ids, np.append(best, 1.0)),
            Code.TOO_LARGE, score.PREDICTIONS, id="far too many predictions",
        ),
        pytest.param(
            lambda ids, best: (ids, best[:, None]),
            Code.WRONG_SHAPE, score.PREDICTIONS, id="a column for a vector",
        ),
        pytest.param(
            lambda ids, best: (ids, np.where(np.arange(len(best)) == 3, np.nan, best)),
            Code.NOT_FINITE, score.PREDICTIONS, id="nan",
        ),
        pytest.param(
            lambda ids, best: (ids, np.full(len(best), np.inf)),
            Code.NOT_FINITE, score.PREDICTIONS, id="infinity",
        ),
        pytest.param(
            lambda ids, best: (ids, best.astype(object)),
            Code.WRONG_DTYPE, score.PREDICTIONS, id="objects",
        ),
    ],
)  # fmt: skip
def test_cheats_are_refused_however_good_their_numbers(trial, cheat: Cheat, code, output):
    ids, predictions = cheat(trial.asked("ids"), trial.truth())
    if code is Code.TOO_LARGE:
        predictions = np.resize(predictions, 10_000)
    trial.answer(predictions, ids)
    assert trial.refusal() == (code, output)


def test_answers_for_another_split_are_refused(trial):
    trial.deal(split="w2")
    ids = trial.asked("ids")
    trial.deal(split="w1")
    trial.answer(trial.truth(), ids)
    assert trial.refusal() == (Code.WRONG_IDS, score.IDS)


def test_answers_of_an_earlier_trial_are_refused(trial):
    ids, predictions = trial.asked("ids"), trial.truth()
    trial.deal()
    trial.answer(predictions, ids)
    assert trial.refusal() == (Code.WRONG_IDS, score.IDS)


def test_nothing_written_is_refused(trial):
    assert trial.refusal() == (Code.MISSING, score.IDS)


def test_the_kit_reads_what_is_dealt_and_writes_what_is_read(trial, monkeypatch):
    monkeypatch.setattr(inputs, "FOLDER", trial.mounts.inputs / score.PREDICTOR)
    monkeypatch.setattr(outputs, "FOLDER", trial.mounts.outputs / score.PREDICTOR)
    rows, ids = tables.asked()
    columns = rows.columns()
    assert list(columns) == ["number", "five", "word"]
    assert [f"w{int(number) % 3}" for number in columns["number"]] == columns["word"].tolist()
    tables.answer(ids, trial.truth())
    assert trial.auc() == 1


@pytest.mark.parametrize("predictions", [np.zeros(3), np.zeros((4, 2)), np.full(4, np.nan)])
def test_the_kit_explains_an_answer_that_would_be_refused(predictions):
    with pytest.raises(ValueError, match="predict"):
        tables.answer(np.arange(4), predictions)
