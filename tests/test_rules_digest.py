"""A run goes on only under the rules that it began with; it can always be read."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from fakes import TAG, FakeSandbox, ScriptedAgent, make_session, scored

from runner import __version__
from runner.cli import cli
from runner.errors import ConfigError
from runner.rules_digest import RULES, rules_digest
from runner.scheduler import run_loop
from runner.start import _require_as_frozen


@pytest.fixture
def sources(tmp_path):
    for name in ("decision.py", "policy/review.py", "policy/parser/facts.py", "views/page.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    return tmp_path


@pytest.mark.parametrize("name", ["decision.py", "policy/review.py", "policy/parser/facts.py"])
def test_a_changed_or_missing_rule_changes_the_digest(sources, name):
    before = rules_digest(sources)
    (sources / name).write_text("x = 2\n")
    changed = rules_digest(sources)
    (sources / name).unlink()
    assert len({before, changed, rules_digest(sources)}) == 3


def test_a_new_rule_changes_the_digest_and_other_code_does_not(sources):
    before = rules_digest(sources)
    (sources / "views" / "page.py").write_text("x = 2\n")
    (sources / "policy" / "page.txt").write_text("x = 2\n")
    assert rules_digest(sources) == before
    (sources / "rules").mkdir()
    (sources / "rules" / "strict.py").write_text("x = 1\n")
    assert rules_digest(sources) != before


def test_a_run_that_began_under_other_rules_is_not_resumed_and_is_read(tmp_path, monkeypatch):
    with make_session(tmp_path, FakeSandbox(lambda _: scored(100.0))) as session:
        run_loop(session, ScriptedAgent([]), experiments=None)
        _require_as_frozen(session.run, session.harness, session.data)
        other = replace(session.run, rules_digest="0" * 64, runner_version=__version__)
        with pytest.raises(ConfigError) as refused:
            _require_as_frozen(other, session.harness, session.data)
    for said in (TAG, "0" * 12, rules_digest()[:12], __version__, *RULES):
        assert said in str(refused.value)
    assert "read and audit" in refused.value.hint
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    document = json.loads(CliRunner().invoke(cli, ["status", "--json"]).output)
    assert document["rules_digest"] == rules_digest()
    assert document["runner_version"] == __version__
