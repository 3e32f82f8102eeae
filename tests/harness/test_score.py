"""The scorer as the supervisor runs it: a real process, its pipes, its folders, and cheats."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import harness.verbs
from harness.mounts import Mounts, under
from harness.scoring import protocol

HARNESS = Path(harness.verbs.__file__).parent
CHANCE = (20 - 1) / 2
Embed = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a scorer container has it: elsewhere, and without the kit."""
    folder = tmp_path_factory.mktemp("mounted") / "harness"
    shutil.copytree(HARNESS, folder, ignore=shutil.ignore_patterns("kit", "__pycache__"))
    return folder


@contextmanager
def scorer(mounted: Path, mounts: Mounts, part: str = "holdout") -> Iterator[subprocess.Popen[str]]:
    """A running scorer that has said ready."""
    root = str(mounts.sealed.parent)
    command = [sys.executable, "-I", str(mounted), "score", "eclip"]
    command += ["--part", part, "--split", "train", "--root", root]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd="/") as run:
        assert run.stderr is not None
        assert run.stderr.readline() == "ready\n"
        yield run


def dealt(mounts: Mounts, name: str) -> np.ndarray:
    return np.load(mounts.inputs / name / f"{name}.npy", allow_pickle=False)


def answer(mounts: Mounts, name: str, embeddings: np.ndarray) -> None:
    np.save(mounts.outputs / name / "embeddings.npy", embeddings.astype(np.float32))


def scored(mounted: Path, mounts: Mounts, images: Embed, captions: Embed) -> dict[str, object]:
    with scorer(mounted, mounts) as run:
        answer(mounts, "images", images(dealt(mounts, "images")))
        answer(mounts, "captions", captions(dealt(mounts, "captions")))
        out, err = run.communicate("go\n", timeout=20)
    assert (run.returncode, err) == (0, "")
    assert out.count("\n") == 1
    document: dict[str, object] = json.loads(out)
    return document


def sealed_pairs(mounts: Mounts, part: str = "holdout") -> tuple[np.ndarray, np.ndarray]:
    images, captions = (
        np.load(mounts.sealed / part / "train" / f"{n}.npy") for n in ("images", "captions")
    )
    return images, captions


def knowing(rows: np.ndarray) -> Embed:
    """An embedder that knows the sealed row of every input: what a perfect model would."""
    place = {row.tobytes(): number for number, row in enumerate(rows)}
    return lambda given: np.eye(len(rows))[[place[row.tobytes()] for row in given]]


def test_a_model_that_knows_every_pair_has_rank_zero_through_the_shuffles(mounted, mounts):
    images, captions = sealed_pairs(mounts)
    document = scored(mounted, mounts, knowing(images), knowing(captions))
    assert document["status"] == "scored"
    metrics = {name: value for name, value in document["metrics"].items() if name[-3:] != "_se"}
    assert metrics == {
        "mean_rank": 0.0,
        "median_rank": 0.0,
        "recall_at_1": 1.0,
        "recall_at_5": 1.0,
        "recall_at_10": 1.0,
    }


def test_pairing_by_position_gains_nothing(mounted, mounts):
    def one_hot(given: np.ndarray) -> np.ndarray:
        return np.eye(len(given))

    document = scored(mounted, mounts, one_hot, one_hot)
    assert document["metrics"]["mean_rank"] >= CHANCE


@pytest.mark.slow
def test_pairing_by_position_along_a_line_gains_nothing_on_average(mounted, mounts):
    """Positions on a half circle, so that no ties count against the cheat."""

    def half_circle(given: np.ndarray) -> np.ndarray:
        angle = np.linspace(0, np.pi, len(given))
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    ranks = []
    for _ in range(4):
        document = scored(mounted, mounts, half_circle, half_circle)
        ranks.append(document["metrics"]["mean_rank"])
    assert np.mean(ranks) > CHANCE * 0.6


def test_equal_embeddings_are_worst(mounted, mounts):
    def constant(given: np.ndarray) -> np.ndarray:
        return np.ones((len(given), 3))

    assert scored(mounted, mounts, constant, constant)["metrics"]["mean_rank"] == 19


def test_the_inputs_are_the_sealed_rows_in_unrelated_new_orders(mounted, mounts):
    images, captions = sealed_pairs(mounts)
    orders = []
    for _ in range(2):
        with scorer(mounted, mounts) as run:
            for name, rows in (("images", images), ("captions", captions)):
                orders.append(knowing(rows)(dealt(mounts, name)).argmax(axis=1).tolist())
            run.communicate("", timeout=20)
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert list(range(20)) not in orders


def test_the_locked_part_is_another_part(mounted, mounts):
    images, _ = sealed_pairs(mounts, "locked")
    with scorer(mounted, mounts, "locked") as run:
        assert sorted(map(bytes, dealt(mounts, "images"))) == sorted(map(bytes, images))
        run.communicate("", timeout=20)


@pytest.mark.parametrize("said", ["", "stop\n", "go", "gone\n"])
def test_without_a_go_there_is_no_score(mounted, mounts, said):
    with scorer(mounted, mounts) as run:
        out, err = run.communicate(said, timeout=20)
    assert (run.returncode, out, err) == (3, "", "")


NOWHERE = Path("/nowhere")


@pytest.mark.parametrize(
    "number",
    [np.float32(0.5), np.float64(0.5), np.array(0.5), np.array(0.5, dtype=np.float16), 0.5],
)
def test_a_scorer_may_give_any_one_number(number):
    said = io.StringIO()
    protocol.tell(lambda: {"accuracy": number, "rows": np.int64(3)}, under(NOWHERE), said)
    assert json.loads(said.getvalue()) == {
        "status": "scored", "metrics": {"accuracy": 0.5, "rows": 3.0}, "artifact_bytes": None,
    }  # fmt: skip


def test_how_much_training_left_is_told_as_its_quota_counts_it(tmp_path):
    said = io.StringIO()
    protocol.tell(lambda: {"accuracy": 1}, replace(under(tmp_path), held=tmp_path), said)
    found = os.statvfs(tmp_path)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    assert json.loads(said.getvalue())["artifact_bytes"] == pytest.approx(used, rel=0.1)


@pytest.mark.parametrize("number", [float("nan"), np.float32("inf"), np.array(float("-inf"))])
def test_outputs_whose_metric_is_no_finite_number_are_refused_in_a_sentence(number):
    said = io.StringIO()
    protocol.tell(lambda: {"accuracy": number}, under(NOWHERE), said)
    refused = json.loads(said.getvalue())
    assert (refused["status"], refused["code"]) == ("invalid-outputs", "not-finite")
    assert refused["output"] == f"the metric accuracy is {float(number)}"


def test_a_missing_output_is_named(mounted, mounts):
    with scorer(mounted, mounts) as run:
        answer(mounts, "images", np.ones((20, 2)))
        out, _ = run.communicate("go\n", timeout=20)
    assert run.returncode == 0
    assert json.loads(out) == {
        "status": "invalid-outputs",
        "code": "missing",
        "output": "captions/embeddings.npy",
    }


def test_embeddings_of_two_widths_do_not_fit(mounted, mounts):
    document = scored(
        mounted,
        mounts,
        lambda given: np.ones((len(given), 2)),
        lambda given: np.ones((len(given), 3)),
    )
    assert document["code"] == "wrong-shape"


def test_outputs_are_read_after_go_and_not_before(mounted, mounts):
    images, captions = sealed_pairs(mounts)
    with scorer(mounted, mounts) as run:
        answer(mounts, "images", np.zeros((3, 3)))
        answer(mounts, "images", knowing(images)(dealt(mounts, "images")))
        answer(mounts, "captions", knowing(captions)(dealt(mounts, "captions")))
        out, _ = run.communicate("go\n", timeout=20)
    assert json.loads(out)["metrics"]["mean_rank"] == 0


def test_damaged_sealed_data_is_our_failure_and_nobodys_score(mounted, mounts):
    (mounts.sealed / "holdout" / "train" / "captions.npy").write_bytes(b"other")
    command = [sys.executable, "-I", str(mounted), "score", "eclip"]
    command += ["--part", "holdout", "--split", "train"]
    run = subprocess.run(
        [*command, "--root", str(mounts.sealed.parent)],
        input="go\n", capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (4, "")
    assert run.stderr == "sealed data damaged: holdout/train/captions.npy: altered\n"
