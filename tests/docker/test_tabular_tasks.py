"""heart and tabular in real containers, on small files in the official formats."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner import engines, paths
from runner.data import Preparation
from runner.engines import images
from runner.journal.reader import open_reader
from runner.policy.load import load_policy
from runner.raw import RawData, RawFile, RawFiles

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def heart_rows(rows: int = 303) -> str:
    """Age and cholesterol tell the disease in part; nothing else does, and some values are gone."""
    bits = np.random.default_rng(0)
    values = bits.normal(size=(rows, 13)).round(2)
    sick = values[:, 0] - values[:, 4] + 0.8 * bits.normal(size=rows) > 0
    texts = [["?" if bits.random() < 0.02 else str(value) for value in row] for row in values]
    return "".join(f"{','.join(row)},{int(one)}\n" for row, one in zip(texts, sick, strict=True))


def bank_rows(rows: int = 1500) -> str:
    """Job and age tell the answer in part; `duration` tells it all, and must not be there."""
    bits = np.random.default_rng(1)
    age, job = bits.integers(20, 60, rows), bits.integers(0, 3, rows)
    yes = (age - 40) / 20 + job + bits.normal(size=rows) > 1
    lines = [
        f'{age[row]};"job {job[row]}";{int(yes[row])};"{"yes" if yes[row] else "no"}"'
        for row in range(rows)
    ]
    return '"age";"job";"duration";"y"\n' + "\n".join(lines) + "\n"


def prepare(home: Any, folder: Path, task: str, name: str, content: str) -> None:
    """Prepare a task from a file of ours in place of the official one."""
    (folder / name).write_text(content)
    file = RawFile(name=name, url=None, sha256=None, licence="ours", page="none")
    state, client = paths.State(home.path), engines.connect()
    Preparation(
        engine=client,
        state=state,
        task=task,
        image_id=images.require_image(client, images.SCORER),
        say=print,
        raw=RawData(
            task=task, wanted=RawFiles(files=(file,)), downloads=folder / "kept", chosen=folder
        ),
    ).prepare(seed=11)


def policy_of_one_split(folder: Path, task: str, splits: str, one: str) -> Path:
    """Write the task's policy with one split; the kernel's caches are other tests' too."""
    text = paths.policy_path(task).read_text()
    for ours, here in ((splits, one), ("flush: null", "flush: false")):
        assert text.count(ours) == 1
        text = text.replace(ours, here)
    path = folder / f"{task}.yaml"
    path.write_text(text)
    return path


def script(folder: Path, changes: Sequence[str]) -> Path:
    path = folder / "script.yaml"
    path.write_text("\n".join(changes))
    return path


@pytest.fixture(scope="module")
def heart(home, tmp_path_factory) -> list[dict[str, Any]]:
    """A run of the template, and of three cheats after it."""
    folder = tmp_path_factory.mktemp("heart")
    prepare(home, folder, "heart", "processed.cleveland.data", heart_rows())
    policy = policy_of_one_split(folder, "heart", "[fold0, fold1, fold2, fold3, fold4]", "[fold0]")
    cheats = {
        "a constant": "return X * 0 + 1",
        "hard rows dropped": "return X[X['age'] > 0]",
        "the label copied from where training has it": "import numpy; "
        "return X.assign(label=numpy.load('/data/targets.npy')[: len(X)])",
    }
    played = script(
        folder,
        [
            f"- hypothesis: {name}\n"
            "  changes:\n"
            f'    - {{path: train.py, replace: {{old: "    return X", new: "    {cheat}"}}}}'
            for name, cheat in cheats.items()
        ],
    )
    home.ok("run", "heart", "--tag", "heart", "--policy", str(policy), "--agent", f"stub:{played}")
    return home.json("list", "heart")


@pytest.fixture(scope="module")
def tabular(home, tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tabular")
    prepare(home, folder, "tabular", "bank-additional-full.csv", bank_rows())
    policy = policy_of_one_split(folder, "tabular", "[w0, w1, w2, w3, w4]", "[w0]")
    home.ok("baseline", "tabular", "--tag", "tabular", "--policy", str(policy))
    [baseline] = home.json("list", "tabular")
    return baseline


def audit_of(experiment: dict[str, Any], metric: str) -> float:
    [trial] = [one for one in experiment["trials"] if one["purpose"] == "audit"]
    return float(trial["metrics"][metric])


def test_hearts_template_is_honest_about_what_can_be_known(heart):
    assert heart[0]["status"] == "kept"
    assert 0.8 < heart[0]["score"] < 0.98
    assert 0.75 < audit_of(heart[0], "val_auc") <= 1


def test_a_constant_is_worth_a_coin(heart):
    """What was measured; the level of a program is drawn towards the best, by what rows say."""
    assert heart[1]["status"] == "reverted"
    measured = [trial for trial in heart[1]["trials"] if trial["purpose"] == "decision"]
    assert {trial["metrics"]["val_auc"] for trial in measured} == {0.5}


def test_dropping_rows_is_noticed_in_training_already(heart):
    trial = heart[2]["trials"][-1]
    assert (heart[2]["status"], trial["stage"]) == ("crashed", "train")
    assert "rows of" in heart[2]["reason"]


def test_there_is_no_label_to_copy_where_predictions_are_made(heart):
    trial = heart[3]["trials"][-1]
    assert (heart[3]["status"], trial["stage"]) == ("crashed", "predict rows")
    assert "FileNotFoundError" in heart[3]["reason"]


def test_heart_has_no_rows_to_analyse_in_five_folds(home, heart):
    """This run has one fold, so its own policy would let it; the whole task's does not."""
    from runner.analysis import shared_rows
    from runner.errors import ConfigError

    policy = load_policy(paths.policy_path("heart")).policy
    with pytest.raises(ConfigError, match="no rows to analyse"):
        shared_rows(paths.State(home.path).data("heart"), policy)


def test_tabulars_template_learns_from_the_past_and_has_no_duration(tabular):
    assert tabular["status"] == "kept"
    assert 0.7 < tabular["score"] < 0.95
    assert 0.7 < audit_of(tabular, "auc") < 0.95


def test_an_analysis_sees_the_first_past_and_is_noted(home, tabular):
    document = home.json("analyze", "tabular")
    assert document["failure"] is None
    assert document["noted"]
    assert "\nage     " in document["text"]
    assert "  600" in document["text"]  # 40 % of 1,500 rows
    assert "## worst segments" in document["text"]
    assert "duration" not in document["text"]


def test_an_analysis_of_ones_own_is_capped_escaped_and_sees_no_future(home, tabular, tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        "import os, kit\n"
        "rows, targets = kit.tables.training()\n"
        "print(len(rows), os.path.exists('/sealed'), os.listdir('/data'))\n"
        "print('\\x1b[31mred')\n"
        "print('x' * 10 + '\\n', end='')\n"
        "for _ in range(9000): print('many lines')\n"
    )
    text = home.json("analyze", "tabular", "--file", str(own))["text"]
    assert text.startswith("600 ")
    assert "\\x1b[31mred" in text
    assert "more left out" in text
    assert len(text) < 17_000


def test_an_analysis_that_fails_says_why_and_is_not_noted(home, tabular, tmp_path):
    own = tmp_path / "own.py"
    own.write_text("raise KeyError('nothing')\n")
    done = home.runner("analyze", "tabular", "--file", str(own))
    assert done.returncode == 1
    assert "analyze: KeyError" in done.stderr


def test_an_analysis_is_killed_at_its_seconds_and_is_in_the_record(home, tabular, tmp_path):
    """It is there to look at rows: a whole solver does not fit into one."""
    own = tmp_path / "endless.py"
    own.write_text("print('begun', flush=True)\nwhile True:\n    pass\n")
    done = home.runner("analyze", "tabular", "--file", str(own))
    assert done.returncode == 1
    assert "analyze: killed at the deadline" in done.stderr
    with open_reader(paths.State(home.path).journal) as journal:
        last = journal.analyses("tabular")[-1]
    assert last.asked_by == "person"
    assert last.script_digest == hashlib.sha256(own.read_bytes()).hexdigest()
    assert last.exit_code is None
    assert "killed at the deadline" in last.failure
    assert last.seconds >= 15
