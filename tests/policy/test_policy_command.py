from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from runner.cli import cli
from runner.policy.load import schema_text


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["policy", *arguments])


def test_a_valid_policy_is_said_to_be(tmp_path, policy_text):
    path = tmp_path / "p.yaml"
    path.write_text(policy_text)
    result = invoke("check", str(path))
    assert result.exit_code == 0
    assert result.output.startswith(f"{path}: ok, task prints, sha256 ")


def test_an_invalid_one_ends_with_2_and_names_the_place(tmp_path, policy_text):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(policy_text)
    bad.write_text(policy_text.replace("train: 8s", "train: -5s"))
    result = invoke("check", str(bad), str(good))
    assert result.exit_code == 2
    assert f"error: {bad}:17: budget.train: must be greater than 0, got '-5s'" in result.output
    assert f"{good}: ok" in result.output


def test_every_problem_is_there_for_machines_too(tmp_path, policy_text):
    bad = tmp_path / "bad.yaml"
    bad.write_text(policy_text.replace("cpus: 2", "cpu: 2"))
    result = invoke("check", "--json", str(bad), str(tmp_path / "none.yaml"))
    wrong, missing = json.loads(result.stdout)
    assert result.exit_code == 2
    assert [problem["key"] for problem in wrong["problems"]] == ["resources.cpus", "resources.cpu"]
    assert missing["valid"] is False


def test_a_task_is_shown_in_words_and_as_json():
    assert "train.py may be changed" in invoke("show", "eclip").output
    document = json.loads(invoke("show", "eclip", "--json").output)
    assert document["policy"]["task"] == "eclip"
    assert len(document["digest"]) == 64


@pytest.mark.parametrize("task", ["nothing", "../policies/eclip", ""])
def test_an_unknown_task_names_the_known_ones(task):
    result = invoke("show", task)
    assert result.exit_code == 2
    assert "eclip" in result.output


def test_the_schema_is_printed():
    assert invoke("schema").output == schema_text()


def test_help_needs_no_pydantic():
    code = "import sys, runner.commands.policy; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
