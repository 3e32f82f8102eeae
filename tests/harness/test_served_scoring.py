"""A served model's score: what an honest one gets, and what cheats get."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from harness.scoring.served import Served, bits_per_byte, cut, true_log_probabilities
from tests.harness.served_models import (
    NEXT,
    POSITIONS,
    SERVED,
    VOCABULARY,
    WINDOWS,
    ask,
    honest,
    looks_ahead,
    raw,
    sure_of,
)

TARGETS = SERVED.windows[:, 1:]
TRUE_BPB = -np.log2(NEXT[SERVED.windows[:, :-1], TARGETS]).mean()
"""What knowing the language exactly is worth on this text."""


def scored(said) -> float:
    assert said.document["status"] == "scored", said
    return said.bpb


def refused(said) -> str:
    assert said.code == 0
    assert said.document["status"] == "invalid-outputs", said
    assert set(said.document) == {"status", "code", "output"}
    return said.document["code"]


# -- honest models ----------------------------------------------------------------------------


def test_an_honest_model_gets_the_entropy_of_the_text():
    said = ask(lambda: honest)
    assert scored(said) == pytest.approx(TRUE_BPB, abs=1e-5)
    metrics = said.document["metrics"]
    assert metrics["scored_tokens"] == metrics["scored_bytes"] == WINDOWS * POSITIONS
    assert metrics["probed_prefixes"] == 2 * WINDOWS
    assert metrics["lookahead_rms_bpb"] < 1e-6 < metrics["lookahead_tolerance_bpb"]
    assert metrics["largest_difference_nats"] < 1e-5
    assert "480 prefixes probed" in said.words


def test_knowing_nothing_costs_the_whole_alphabet():
    def nothing(tokens):
        return np.zeros((*tokens.shape, VOCABULARY))

    assert scored(ask(lambda: nothing)) == pytest.approx(math.log2(VOCABULARY))


def test_rounding_that_differs_from_batch_to_batch_is_no_leak():
    def noisy():
        random = np.random.default_rng()
        return lambda tokens: honest(tokens) + random.normal(0, 1e-3, (*tokens.shape, VOCABULARY))

    assert scored(ask(noisy)) == pytest.approx(TRUE_BPB, abs=0.01)


# -- cheats that gain nothing -----------------------------------------------------------------


def test_unnormalised_distributions_are_normalised_by_the_scorer():
    """Probabilities that sum to far more than one: the classic "0 bits per byte"."""
    assert scored(ask(lambda: lambda tokens: honest(tokens) + 1e4)) == pytest.approx(
        TRUE_BPB, abs=0.01
    )


def test_claiming_certainty_about_everything_is_knowing_nothing():
    def everything_is_sure(tokens):
        return np.full((*tokens.shape, VOCABULARY), 3e38)

    assert scored(ask(lambda: everything_is_sure)) == pytest.approx(math.log2(VOCABULARY))


def test_windows_share_no_token_and_leave_none_out_but_the_first():
    windows = cut(np.arange(100), positions=9)
    assert windows.shape == (10, 10)
    assert windows.ravel().tolist() == list(range(100))


# -- cheats that are refused ------------------------------------------------------------------


def test_looking_at_the_next_token_is_refused():
    said = ask(lambda: looks_ahead)
    assert refused(said) == "looks-ahead"
    assert "root mean square difference" in said.words


def test_a_little_looking_ahead_is_refused():
    said = ask(lambda: lambda tokens: looks_ahead(tokens, bonus=0.2))
    assert refused(said) == "looks-ahead"


def test_looking_at_what_comes_later_but_not_next_is_refused():
    def counts_what_is_to_come(tokens):
        found = honest(tokens)
        for place in range(POSITIONS - 1):
            for row in range(len(tokens)):
                counts = np.bincount(tokens[row, place + 1 :], minlength=VOCABULARY)
                found[row, place] += np.log(counts + 0.1)
        return found

    assert refused(ask(lambda: counts_what_is_to_come)) == "looks-ahead"


def test_looking_ahead_and_repeating_itself_by_prefix_is_refused():
    """The cache answers every later question about a prefix as the first: with one stateful
    predictor this passes any probe that comes after the window."""

    def caching():
        cache: dict[bytes, np.ndarray] = {}

        def model(tokens):
            found = looks_ahead(tokens)
            for row in range(len(tokens)):
                for place in range(POSITIONS):
                    key = tokens[row, : place + 1].tobytes()
                    found[row, place] = cache.setdefault(key, found[row, place])
            return found

        return model

    assert refused(ask(caching)) == "looks-ahead"


def test_recognising_a_probe_does_not_help():
    """B knows that it is B, and is honest: then it lacks what A gained."""
    assert refused(ask(lambda: looks_ahead, lambda: honest)) == "looks-ahead"


def test_looking_ahead_in_few_places_by_much_is_refused():
    def rarely(tokens):
        found = honest(tokens)
        where = (tokens[:, :-1] == 3) & (tokens[:, 1:] != 3)
        found[:, :-1] += where[..., None] * sure_of(tokens[:, 1:])
        return found

    assert refused(ask(lambda: rarely)) in ("looks-ahead", "inconsistent")


def test_another_model_behind_the_probes_is_refused():
    def bold(tokens):
        return 3 * honest(tokens)

    assert refused(ask(lambda: honest, lambda: bold)) in ("looks-ahead", "inconsistent")


def test_remembering_earlier_questions_is_refused():
    """What a model has seen before hangs on the order, and so do its answers."""

    def remembering():
        seen: dict[bytes, int] = {}

        def model(tokens):
            found = honest(tokens)
            for row in range(len(tokens)):
                for place in range(7, POSITIONS):
                    key = tokens[row, place - 7 : place + 1].tobytes()
                    if key in seen:
                        found[row, place] += sure_of(np.array(seen[key]), bonus=0.5)
            for row in tokens:
                for place in range(7, POSITIONS - 1):
                    seen[row[place - 7 : place + 1].tobytes()] = int(row[place + 1])
            return found

        return model

    assert refused(ask(remembering)) in ("looks-ahead", "inconsistent")


def test_answering_by_chance_is_refused():
    """Dropout that was left on."""

    def chancy():
        random = np.random.default_rng()
        return lambda tokens: honest(tokens) + random.normal(0, 0.1, (*tokens.shape, VOCABULARY))

    assert refused(ask(chancy)) in ("looks-ahead", "inconsistent")


@pytest.mark.parametrize("gain", [0.06, 0.10])
def test_looking_ahead_in_balance_is_refused(gain):
    """Up or down by just under a nat at each token, a little more often up."""
    nats, bits = 0.95, 0.95 / np.log(2)

    def balanced(tokens):
        found = honest(tokens)
        log_p = found - np.log(np.exp(found).sum(axis=2, keepdims=True))
        true = tokens[:, 1:, None]
        p = np.exp(np.take_along_axis(log_p[:, :-1], true, axis=2))
        up = random.random(p.shape) < (1 + gain / bits) / 2
        moved = np.clip(p * np.exp(np.where(up, nats, -nats)), 1e-9, 1 - 1e-9)
        bonus = np.log(moved / (1 - moved)) - np.log(p / (1 - p))
        np.put_along_axis(
            found[:, :-1], true, np.take_along_axis(found[:, :-1], true, axis=2) + bonus, axis=2
        )
        return found

    random = np.random.default_rng(1)
    assert refused(ask(lambda: balanced)) == "looks-ahead"


def test_looking_ahead_at_the_last_position_alone_is_refused():
    """Its target is never sent; the window that follows it in the text is, in another row."""
    follower = {
        tuple(window[:6]): (tuple(after[:6]), int(window[-1]))
        for window, after in pairwise(SERVED.windows)
    }

    def joining():
        seen: set[tuple[int, ...]] = set()

        def model(tokens):
            found = honest(tokens)
            seen.update(tuple(row[:6]) for row in tokens)
            for row in range(len(tokens)):
                after, target = follower.get(tuple(tokens[row, :6]), ((), 0))
                if after in seen:
                    found[row, -1] += sure_of(np.array(target))
            return found

        return model

    assert refused(ask(joining)) == "looks-ahead"


def test_neither_predictor_can_tell_by_its_questions_shapes_which_it_is():
    said: list[list[tuple[int, ...]]] = []

    def listening():
        shapes: list[tuple[int, ...]] = []
        said.append(shapes)
        return lambda tokens: shapes.append(tokens.shape) or honest(tokens)

    for windows in (WINDOWS, 97, 3):
        said.clear()
        few = replace(SERVED, windows=SERVED.windows[:windows])
        scored(ask(listening, served=few))
        a, b = said
        assert a == b
        assert len(set(a)) == 1


def test_reading_the_other_rows_of_a_batch_is_refused():
    """Windows of one text side by side: a row learns from the rows that it is asked with."""

    def sees_the_batch(tokens):
        counts = np.bincount(tokens[:, 1:].ravel(), minlength=VOCABULARY)
        found = honest(tokens)
        favoured = np.eye(VOCABULARY)[tokens[np.arange(len(tokens)), -1]][:, None, :]
        return found + 2 * favoured + 0 * counts

    assert refused(ask(lambda: sees_the_batch)) in ("looks-ahead", "inconsistent")


# -- what is no answer ------------------------------------------------------------------------


def losses(tokens):
    """One number per position, as the original's model returned."""
    return -np.log(NEXT[tokens]).min(axis=2)


@pytest.mark.parametrize(
    ("factory", "code"),
    [
        pytest.param(lambda c: speak(c, lambda t: losses(t)), "wrong-size", id="losses"),
        pytest.param(
            lambda c: speak(c, lambda t: honest(t)[:, :-1]), "wrong-size", id="too few positions"
        ),
        pytest.param(
            lambda c: speak(c, lambda t: np.repeat(honest(t), 2, axis=1)),
            "wrong-size", id="too many positions",
        ),
        pytest.param(
            lambda c: speak(c, lambda t: honest(t).astype(np.float64), dtype="<f8"),
            "wrong-size", id="doubles",
        ),
        pytest.param(
            lambda c: speak(c, lambda t: honest(t) * np.nan), "not-finite", id="not a number"
        ),
        pytest.param(
            lambda c: speak(c, lambda t: np.log(np.eye(VOCABULARY)[t] + 0.0)),
            "not-finite", id="infinite",
        ),
        pytest.param(lambda c: say(c, b"\xff" * 4096), "wrong-size", id="garbage"),
        pytest.param(lambda c: say(c, b"\x00\x00\x00\x00"), "wrong-size", id="nothing"),
        pytest.param(lambda c: c.close(), "disconnected", id="hangs up at once"),
        pytest.param(lambda c: (c.recv(4), c.close()), "disconnected", id="hangs up later"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_answer_is_refused_with_a_code(factory, code):
    said = ask(raw(factory), lambda: honest)
    assert refused(said) == code
    assert said.document["output"] == "a"


def test_a_model_that_answers_once_and_hangs_up_is_refused():
    def once(tokens):
        if seen:
            raise ValueError("I have said what I had to say")
        seen.append(tokens)
        return honest(tokens)

    seen: list[np.ndarray] = []
    assert refused(ask(lambda: honest, lambda: once)) == "disconnected"


@pytest.mark.parametrize(
    "factory",
    [
        pytest.param(lambda c: c.recv(1) and time.sleep(1.5), id="silent"),
        pytest.param(lambda _: time.sleep(1.5), id="does not even read"),
        pytest.param(lambda c: drip(c), id="a byte at a time"),
        pytest.param(lambda c: speak(c, lambda t: (time.sleep(0.3), honest(t))[1]), id="slow"),
    ],
)
@pytest.mark.slow
def test_slowness_is_refused_within_the_scoring_budget(factory):
    begun = time.monotonic()
    said = ask(raw(factory), lambda: honest, seconds=1.0)
    assert refused(said) == "too-slow"
    assert time.monotonic() - begun < 5


def speak(connection, model, dtype="<f4"):
    """Answer like the kit, but whatever comes out of the model."""

    def receive(size):
        content = b""
        while len(content) < size:
            content += connection.recv(size - len(content)) or b"\x00" * size
        return content

    receive(4 + 12)
    while size := int.from_bytes(receive(4), "little"):
        tokens = np.frombuffer(receive(size), dtype="<i4").reshape(-1, POSITIONS)
        content = model(tokens).astype(dtype).tobytes()
        connection.sendall(len(content).to_bytes(4, "little") + content)


def say(connection, content):
    """Say this and listen politely."""
    connection.sendall(content)
    while connection.recv(65536):
        pass


def drip(connection):
    connection.sendall((32 * POSITIONS * VOCABULARY * 4).to_bytes(4, "little"))
    for _ in range(40):
        connection.sendall(b"\x00")
        time.sleep(0.05)


# -- arithmetic -------------------------------------------------------------------------------


def test_normalisation_is_over_the_whole_vocabulary_in_double_precision():
    logits = np.array([[0.0, 0.0, 0.0, 0.0], [88.0, 0.0, 0.0, 0.0]], dtype=np.float32)
    found = true_log_probabilities(logits, np.array([2, 0], dtype=np.int32))
    assert found[0] == pytest.approx(-math.log(4))
    assert found[1] == pytest.approx(-3 * math.exp(-88), abs=1e-12)
    assert found.dtype == np.float64


def test_bytes_are_counted_by_token_and_a_token_without_bytes_is_not_scored():
    log_probabilities = np.log(np.array([[0.5, 0.25], [0.5, 1e-9]]))
    found = bits_per_byte(log_probabilities, np.array([[1, 2], [4, 0]]))
    assert found["val_bpb"] == pytest.approx((1 + 2 + 1) / 7)
    assert (found["scored_tokens"], found["scored_bytes"]) == (3, 7)


def test_the_standard_error_is_that_of_windows():
    random = np.random.default_rng(1)
    per_window = random.normal(2.0, 0.3, size=(400, 1)).repeat(50, axis=1)
    found = bits_per_byte(-per_window * math.log(2), np.ones((400, 50), dtype=np.int64))
    assert found["val_bpb_se"] == pytest.approx(0.3 / math.sqrt(400), rel=0.1)


def test_bytes_of_tokens_reach_the_unit_of_the_probe():
    wide = Served(
        windows=SERVED.windows, donor=SERVED.donor,
        token_bytes=np.full(VOCABULARY, 4, dtype=np.int64),
    )  # fmt: skip
    assert scored(ask(lambda: honest, served=wide)) == pytest.approx(TRUE_BPB / 4, abs=1e-5)
