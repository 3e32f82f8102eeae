"""The forgeries of the page on forged scores, in real containers, with the review switched off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from homes import Home

from runner.paths import PROJECT

pytestmark = pytest.mark.docker

FORGED = PROJECT / "docs" / "examples" / "forged"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Home]:
    own = Home(tmp_path / "own")
    yield own
    own.sweep()


def test_no_forgery_has_a_score(own):
    own.ok("prepare", "packing")
    script, policy = FORGED / "forged.yaml", FORGED / "policy.yaml"
    own.ok(
        "run", "packing", "--tag", "forged", "--policy", str(policy), "--agent", f"stub:{script}"
    )
    template, *played = own.json("list", "forged")
    assert template["status"] == "kept"
    for found, entry in zip(played, yaml.safe_load(script.read_text()), strict=True):
        assert {key: found[key] for key in entry["expect"]} == entry["expect"], found
        if found["status"] == "invalid-outputs":
            assert found["score"] is None
