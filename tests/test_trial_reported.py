"""The number that a project's own command reports, read from what it printed or wrote."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.records import Reported, TrialResult, TrialStatus
from runner.trial import reported

ASKED = Reported(
    metric="val_loss",
    command="python train.py",
    pattern="val_loss: {}",
    file=None,
    key="",
    data=(),
    workspace_bytes=1,
)


def in_json(path: str, key: str) -> Reported:
    return Reported(
        metric="acc", command="x", pattern=None, file=path, key=key, data=(), workspace_bytes=1
    )


@pytest.mark.parametrize(
    ("pattern", "output", "value"),
    [
        pytest.param("val_loss: {}", b"val_loss: 0.5\nval_loss: 0.25\n", 0.25, id="the last match"),
        pytest.param("val_loss: {}", b"val_loss:0.5", 0.5, id="white space may be missing"),
        pytest.param("val_loss: {}", b"Val_Loss:   .5e1", 5.0, id="or wider, in other case"),
        pytest.param("loss: {}", b"loss: 1\nval_loss: 3", 1.0, id="a name is whole"),
        pytest.param("acc {}%", b"acc 93.5%\nacc 12", 93.5, id="what follows must be there"),
        pytest.param("R^2 = {}", b"R^2 = -0.5", -0.5, id="signs are no expression"),
        pytest.param("loss {}", b"\x1b[32mloss\x1b[0m 4\r\x1b[Kloss 3", 3.0, id="a redrawn line"),
        pytest.param("loss {}", b"loss 1_000.5", 1000.5, id="digits in groups"),
        pytest.param("RMSE: {}", b"RMSE: 61,416.50", 61416.5, id="marks between thousands"),
        pytest.param("loss: {}", b"loss: 1,20,3", 1.0, id="but not any comma"),
        pytest.param("{}", b"epoch 3\n0.95\nsaved in 2 s\n", 0.95, id="alone in its line"),
        pytest.param("step 5 loss {} lr", b"step 5 loss 2.0 lr 1", 2.0, id="in the middle"),
        pytest.param("wer: {}", "Übung wer: 3".encode(), 3.0, id="beside other alphabets"),
    ],
)
def test_a_number_is_found_where_the_pattern_says(pattern, output, value):
    assert reported.matches(pattern, output)[-1] == value


@pytest.mark.parametrize(
    ("output", "says"),
    [
        pytest.param(b"", "nothing that it printed matches", id="nothing printed"),
        pytest.param(b"train_loss: 3", "nothing that it printed matches", id="another name"),
        pytest.param(b"val_loss: nan", "is nan", id="NaN is no score"),
        pytest.param(b"val_loss: 1\nval_loss: NaN", "is nan", id="nor is a number before it"),
        pytest.param(b"val_loss: -inf", "is -inf", id="nor infinity"),
        pytest.param(b"val_loss: 1e400", "is inf", id="nor what no float holds"),
        pytest.param(b"val_loss: 1e300", "up to 1e+15", id="nor what is too large to be one"),
    ],
)
def test_no_score_without_a_number(output, says):
    found = reported.read(ASKED, output, None)
    assert found.status is TrialStatus.INVALID_OUTPUTS
    assert says in found.reason
    assert found.score is None


@given(st.binary(max_size=300))
def test_any_output_is_read(output):
    assert reported.read(ASKED, output + b"\nval_loss: 2\n", None).score.metrics == {"val_loss": 2}


def test_a_hostile_output_is_read_in_time():
    output = b"val_loss" * 4_000_000 + b"\x1b[" * 4_000_000
    begun = time.monotonic()
    reported.read(ASKED, output, None)
    assert time.monotonic() - begun < 20  # 40 MB; an expression that goes back would take days


@pytest.mark.parametrize(
    ("key", "content", "value"),
    [
        pytest.param("", "3.5", 3.5, id="the number alone"),
        pytest.param("val.acc", '{"val": {"acc": 0.5}}', 0.5, id="below names"),
        pytest.param("1", "[1, 2]", 2.0, id="in a list"),
        pytest.param("h.-1", '{"h": [1, 7]}', 7.0, id="from its end"),
    ],
)
def test_a_json_file_holds_the_number(tmp_path, key, content, value):
    path = tmp_path / "m.json"
    path.write_text(content)
    assert reported.read(in_json("m.json", key), b"", path).score.metrics == {"acc": value}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "was not written, or was put in place by a rename", id="empty"),
        pytest.param("{", "is no JSON", id="cut off"),
        pytest.param("[" * 100_000, "is no JSON", id="nested without end"),
        pytest.param('{"a": {}}', "holds nothing at 'a.b'", id="no such key"),
        pytest.param('{"a": 3}', "holds nothing at 'a.b'", id="no further"),
        pytest.param('{"a": {"b": "3"}}', "no number", id="a text"),
        pytest.param('{"a": {"b": true}}', "no number", id="a truth"),
        pytest.param('{"a": {"b": NaN}}', "is nan", id="NaN"),
        pytest.param(json.dumps({"a": {"b": 10**400}}), "is inf", id="too large"),
        pytest.param(" " * 2_000_000, "more than 1048576 bytes", id="a large file"),
    ],
)
def test_a_json_file_without_a_number_is_no_score(tmp_path, content, says):
    path = tmp_path / "m.json"
    path.write_text(content)
    found = reported.read(in_json("m.json", "a.b"), b"", path)
    assert found.status is TrialStatus.INVALID_OUTPUTS
    assert says in found.reason


def test_every_folder_of_the_copy_is_a_place_to_write_into():
    asked = Reported(
        metric="a", command="x", pattern=None, file="results/m.json", key="",
        data=("data/raw", "../shared", "/datasets/d"), workspace_bytes=1,
    )  # fmt: skip
    assert reported.folders(asked, ["train.py", "src/deep/model.py"]) == (
        "/workspace",
        "/workspace/data",
        "/workspace/results",
        "/workspace/src",
        "/workspace/src/deep",
    )


def test_what_lies_under_the_data_is_not_mounted_beside_it():
    asked = Reported(
        metric="a", command="x", pattern=None, file="m.json", key="", data=("data",),
        workspace_bytes=1,
    )  # fmt: skip
    found = {
        path for path in ("data/a.csv", "database.py", "m.json") if reported.hidden(asked, path)
    }
    assert found == {"data/a.csv", "m.json"}


@pytest.mark.parametrize(
    ("status", "says"),
    [
        pytest.param(TrialStatus.TIMEOUT, True, id="killed"),
        pytest.param(TrialStatus.CRASHED, False, id="ended by itself"),
    ],
)
def test_a_run_that_is_killed_says_that_its_code_knew_no_deadline(status, says):
    found = reported.explained(TrialResult(status=status, reason="train: it ended"))
    assert found.reason.startswith("train: it ended")
    assert found.reason.endswith("a run that is killed has no score") is says
    assert found.status is status


def test_the_command_gets_its_draw():
    asked = Reported(
        metric="a", command="python t.py --seed {seed}", pattern="a {}", file=None, key="", data=(),
        workspace_bytes=1,
    )  # fmt: skip
    assert reported.command(asked, 7)[-1] == "cd /workspace && python t.py --seed 7"
