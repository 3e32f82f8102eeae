from __future__ import annotations

import json

import pytest
from trials import trial_spec

from runner.engines.container import ContainerResult, Ended
from runner.engines.protocol import Usage
from runner.errors import SandboxError
from runner.records import Purpose, TrialResult, TrialStatus
from runner.trial import SCORE_DOCUMENT_BYTES, failure, read_score, trial_name, trial_prefix

TRACEBACK = b'Traceback (most recent call last):\n  File "train.py", line 3\nValueError: no\n'


def ended(how: Ended = Ended.EXITED, code: int = 0, **more: object) -> ContainerResult:
    given = {"oom_killed": False, "stdout": b"", "stderr": b"", "output": b"", "ran_seconds": 1.0}
    return ContainerResult(ended=how, exit_code=code, usage=Usage(), **(given | more))


# -- how an agent container's end is told -----------------------------------------------------


def test_an_agent_container_that_ends_well_fails_nothing():
    assert failure("train", ended(), 14) is None


@pytest.mark.parametrize(
    ("result", "status", "limit", "reason"),
    [
        pytest.param(
            ended(Ended.DEADLINE, 137), TrialStatus.TIMEOUT, "deadline",
            "train: killed at the deadline of 14 s", id="deadline",
        ),
        pytest.param(
            ended(Ended.DEADLINE, 0), TrialStatus.TIMEOUT, "deadline",
            "train: killed at the deadline of 14 s", id="an exit code after the deadline",
        ),
        pytest.param(
            ended(Ended.OUTPUT, 137), TrialStatus.CRASHED, "output",
            "train: printed more than the output cap", id="output",
        ),
        pytest.param(
            ended(Ended.PROCESSES, 137), TrialStatus.CRASHED, "processes",
            "train: reached the limit of processes", id="processes",
        ),
        pytest.param(
            ended(code=137, oom_killed=True), TrialStatus.CRASHED, "memory",
            "train: out of memory", id="memory",
        ),
        pytest.param(
            ended(code=1, oom_killed=True, output=TRACEBACK), TrialStatus.CRASHED, "memory",
            "train: out of memory", id="memory of a child",
        ),
        pytest.param(
            ended(code=153), TrialStatus.CRASHED, "file-size",
            "train: wrote a file larger than allowed", id="file size by signal",
        ),
        pytest.param(
            ended(code=1, output=b"OSError: [Errno 28] No space left on device"),
            TrialStatus.CRASHED, "disk", "train: reached the disk quota", id="disk",
        ),
        pytest.param(
            ended(code=1, output=TRACEBACK), TrialStatus.CRASHED, None,
            "train: ValueError: no", id="an exception",
        ),
        pytest.param(
            ended(code=139, output=b"Segmentation fault"), TrialStatus.CRASHED, None,
            "train: exit 139", id="no traceback",
        ),
        pytest.param(
            ended(Ended.PROCESSES, 0), TrialStatus.CRASHED, "processes",
            "train: reached the limit of processes", id="an exit code of 0 is no excuse",
        ),
    ],
)  # fmt: skip
def test_an_agent_container_s_end_names_its_limit(result, status, limit, reason):
    found = failure("train", result, 14)
    assert found is not None
    assert (found.status, found.limit, found.reason) == (status, limit, reason)
    assert found.stage == "train"
    assert found.score is None


# -- the one document that is a score ---------------------------------------------------------


def document(**content: object) -> ContainerResult:
    return ended(stdout=json.dumps(content).encode())


def test_what_is_printed_meanwhile_hides_no_exception():
    """Both streams are read apart, so their order is not certain."""
    head, _, last = TRACEBACK.rpartition(b"ValueError")
    mixed = head + b"data: loaded\n" + b"ValueError" + last
    result = ended(code=1, stderr=TRACEBACK, output=mixed, stdout=b"data: loaded\n")
    found = failure("train", result, 15.0)
    assert found is not None
    assert (found.crash.exception, found.crash.message) == ("ValueError", "no")
    printed = failure("train", ended(code=1, stdout=TRACEBACK, output=TRACEBACK), 15.0)
    assert printed is not None
    assert printed.crash == found.crash


def test_a_scored_document_is_a_score():
    found = read_score(document(status="scored", metrics={"mean_rank": 41, "recall_at_1": 0.25}))
    assert found.status is TrialStatus.SCORED
    assert found.score is not None
    assert found.score.metrics == {"mean_rank": 41.0, "recall_at_1": 0.25}


def test_what_stands_beside_the_metrics_is_read_too():
    said = {"artifact_bytes": 8192, "samples": [40, None, 41.5]}
    found = read_score(document(status="scored", metrics={"mean_rank": 41}, **said))
    assert found.artifact_bytes == 8192
    assert found.score is not None
    assert found.score.samples == (40.0, None, 41.5)


def test_refused_outputs_are_a_result_that_names_which():
    found = read_score(document(status="invalid-outputs", output="images", code="not-finite"))
    assert found == TrialResult(
        status=TrialStatus.INVALID_OUTPUTS, stage="score", reason="images: not-finite"
    )


SCORED = b'{"status": "scored", "metrics": {"mean_rank": %s}}'


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(ended(stdout=SCORED % b"NaN"), id="not a number"),
        pytest.param(ended(stdout=SCORED % b"Infinity"), id="infinity"),
        pytest.param(ended(stdout=SCORED % b"-Infinity"), id="the best score there could be"),
        pytest.param(ended(stdout=SCORED % b"1e999"), id="an overflow"),
        pytest.param(ended(stdout=SCORED % b"null"), id="null"),
        pytest.param(ended(stdout=SCORED % b'"low"'), id="a word"),
        pytest.param(ended(stdout=SCORED % b"[1]"), id="a list"),
        pytest.param(
            document(status="scored", metrics={"a": 1}, samples=[1e999]), id="an infinite sample"
        ),
        pytest.param(
            document(status="scored", metrics={"a": 1}, artifact_bytes="big"), id="a size in words"
        ),
        pytest.param(ended(stdout=b""), id="silence"),
        pytest.param(ended(stdout=b"mean_rank: 0.0\n"), id="a printed metric"),
        pytest.param(ended(stdout=b"[]"), id="a list for a document"),
        pytest.param(ended(stdout=b"0.5"), id="a number for a document"),
        pytest.param(ended(stdout=SCORED % b"1" + SCORED % b"2"), id="two documents"),
        pytest.param(ended(stdout=b"\xff\xfe"), id="not UTF-8"),
        pytest.param(ended(stdout=b"[" * 50_000), id="nesting"),
        pytest.param(document(status="fine", metrics={}), id="another status"),
        pytest.param(document(metrics={"mean_rank": 1}), id="no status"),
        pytest.param(document(status="scored"), id="no metrics"),
        pytest.param(document(status="scored", metrics=[1]), id="metrics that are a list"),
        pytest.param(document(status="invalid-outputs"), id="refused without saying which"),
        pytest.param(ended(stdout=b" " * (SCORE_DOCUMENT_BYTES + 1)), id="too large"),
        pytest.param(ended(code=4, stdout=SCORED % b"1"), id="a failed scorer's document"),
        pytest.param(ended(Ended.DEADLINE, stdout=SCORED % b"1"), id="a late scorer's document"),
        pytest.param(ended(Ended.OUTPUT, stdout=SCORED % b"1"), id="a flooding scorer's document"),
    ],
)
def test_anything_else_from_the_scorer_is_our_fault_and_never_a_score(result):
    with pytest.raises(SandboxError):
        read_score(result)


def test_a_metric_that_is_no_finite_number_is_named():
    with pytest.raises(SandboxError, match="mean_rank is nan, and only a finite number is a score"):
        read_score(ended(stdout=SCORED % b"NaN"))


def test_a_failed_scorer_is_quoted_with_its_last_words():
    with pytest.raises(SandboxError, match="sealed data damaged: x"):
        read_score(ended(code=4, output=b"ready\nsealed data damaged: x\n"))


# -- names ------------------------------------------------------------------------------------


def test_a_trial_s_name_is_readable():
    assert trial_name("abcd1234", trial_spec()) == "runner-abcd1234-t1--3-decision-train-0"


@pytest.mark.parametrize(
    "other",
    [
        {"run": "t2"}, {"experiment": 4}, {"purpose": Purpose.AUDIT}, {"split": "b"}, {"index": 1},
    ],
)  # fmt: skip
def test_no_two_trials_share_a_name(other):
    assert trial_name("h", trial_spec()) != trial_name("h", trial_spec(**other))
    assert trial_name("h", trial_spec()) != trial_name("g", trial_spec())


def test_no_run_s_names_begin_like_another_s():
    tags = ["t", "t1", "t-1", "t1-3", "t1-3-decision"]
    names = {tag: trial_name("h", trial_spec(run=tag)) for tag in tags}
    for tag in tags:
        matching = [other for other in tags if names[other].startswith(trial_prefix("h", tag))]
        assert matching == [tag]


def test_a_name_tells_no_seed():
    assert trial_name("h", trial_spec(seed=8)) == trial_name("h", trial_spec(seed=9))
