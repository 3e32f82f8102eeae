"""What a recipe pins is fetched once, by its hash, and what it does not pin is not there."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile

import pytest

from runner.agents import programs
from runner.errors import ConfigError, SandboxError


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """One wheel, pinned, and what starts it."""
    monkeypatch.setattr(programs, "ROOT", tmp_path / "fetched")
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny.py", "SAYS = 'tiny'\n")
        for name, text in (
            ("METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"),
            ("WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ("RECORD", ""),
        ):
            file.writestr(f"tiny-1.0.dist-info/{name}", text)
    folder = tmp_path / "recipe"
    folder.mkdir()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    folder.joinpath("requirements.lock").write_text(
        f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}"
    )
    start = folder / "start"
    start.write_text("#!/bin/sh\n")
    start.chmod(0o700)
    return folder


def test_what_a_lock_pins_is_fetched_once_and_anybody_may_read_it(recipe):
    said: list[str] = []
    with pytest.raises(ConfigError, match="not there") as missing:
        programs.of(recipe)
    assert missing.value.hint == f"run: runner setup --programs {recipe}"
    place = programs.fetch(said.append, recipe)
    assert programs.fetch(said.append, recipe) == place == programs.of(recipe)
    assert len(said) == 1
    assert "tiny" in (place / "python" / "tiny.py").read_text()
    modes = {path.name: path.stat().st_mode & 0o777 for path in place.rglob("*")}
    assert (modes["start"], modes["tiny.py"], modes["python"]) == (0o755, 0o644, 0o755)
    (recipe / "start").write_text("#!/bin/sh\necho newer\n")
    assert programs.folder(recipe) != place, "another file, another folder"


def test_what_has_another_hash_is_not_taken(recipe):
    lock = recipe / "requirements.lock"
    lock.write_text(lock.read_text()[:-8] + "00000000")
    with pytest.raises(SandboxError, match="hash"):
        programs.fetch(print, recipe)
    assert not programs.folder(recipe).exists()


def test_a_folder_without_a_lock_is_itself_and_pins_nothing(tmp_path):
    assert programs.of(tmp_path) == tmp_path
    with pytest.raises(ConfigError, match="pins no programs"):
        programs.fetch(print, tmp_path)


@pytest.mark.parametrize(
    ("protocol", "client"),
    [("anthropic", "@ai-sdk/anthropic"), ("openai", "@ai-sdk/openai-compatible")],
)
def test_opencode_is_told_one_model_and_how_it_is_asked(protocol, client):
    start = programs.RECIPE.joinpath("opencode", "start").read_text().splitlines()
    assert start[-1].startswith("exec /box/agents/node_modules/opencode-linux-x64/")
    shown = "\n".join([*start[:-1], 'printf %s "$OPENCODE_CONFIG_CONTENT"'])
    told = {"RUNNER_MODEL": "own/m-1", "RUNNER_PROTOCOL": protocol}
    done = subprocess.run(["sh", "-c", shown], env=told, capture_output=True, check=True)
    found = json.loads(done.stdout)
    assert found["model"] == found["small_model"] == "box/own/m-1"
    assert found["provider"]["box"]["npm"] == client
    assert list(found["provider"]["box"]["models"]) == ["own/m-1"]
