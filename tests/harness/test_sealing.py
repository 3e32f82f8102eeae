"""Prepared data is whole or says what is not; the public part never tells the seed."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

import pytest

from harness import sealing, tasks, verbs
from harness.mounts import Mounts
from harness.sealing import Built
from harness.tasks import Task, eclip
from harness.tasks.eclip.prepare import Sizes, build

SMALL = Sizes(train=4, holdout=4, locked=4)


@cache
def build_small(seed: int, raw: Path | None) -> Built:
    return build(seed, raw, sizes=SMALL)


@pytest.fixture
def run_verb(monkeypatch, capsys, tmp_path):
    """Run a verb in this process, on a small data set, and return its document."""
    monkeypatch.setitem(tasks.TASKS, "eclip", Task(build=build_small, deal=eclip.deal))

    def run(*arguments: str) -> dict[str, object]:
        assert verbs.main([*arguments, "--root", str(tmp_path)]) == 0
        document: dict[str, object] = json.loads(capsys.readouterr().out)
        return document

    return run


def everything(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_a_prepared_data_set_is_whole(run_verb):
    digest = run_verb("prepare", "eclip", "--seed", "1")["sealed_digest"]
    assert run_verb("verify") == {"damaged": [], "sealed_digest": digest}


def test_the_seed_lies_in_the_sealed_manifest_and_nowhere_in_public(run_verb, tmp_path):
    run_verb("prepare", "eclip", "--seed", "123456789012345678901234567890")
    sealed = json.loads((tmp_path / "sealed" / "manifest.json").read_bytes())
    assert sealed["seed"] == "123456789012345678901234567890"
    assert not any(
        b"123456789012345" in content for content in everything(tmp_path / "public").values()
    )


def test_manifests_name_every_file_with_its_digest(run_verb, tmp_path):
    run_verb("prepare", "eclip", "--seed", "1")
    sealed_bytes = (tmp_path / "sealed" / "manifest.json").read_bytes()
    sealed, public = (
        json.loads(sealed_bytes),
        json.loads((tmp_path / "public/manifest.json").read_bytes()),
    )
    for part, manifest in (("sealed", sealed), ("public", sealed), ("public", public)):
        found = everything(tmp_path / part)
        del found["manifest.json"]
        assert manifest[part] == {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in found.items()
        }
    assert public["sealed_digest"] == hashlib.sha256(sealed_bytes).hexdigest()
    assert set(public) == {"task", "format", "public", "sealed_digest"}


def test_no_sealed_file_is_readable_by_others(run_verb, tmp_path):
    run_verb("prepare", "eclip", "--seed", "1")
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "sealed").rglob("*.*")}
    assert modes == {0o600}


@pytest.mark.parametrize(
    ("damaged", "named"),
    [
        pytest.param("sealed/holdout/train/images.npy", "holdout/train/images.npy", id="sealed"),
        pytest.param("public/train/boxes.npy", "train/boxes.npy", id="public"),
        pytest.param("public/manifest.json", "public/manifest.json", id="the public manifest"),
    ],
)
def test_truncated_altered_and_missing_files_are_named(run_verb, tmp_path, damaged, named):
    run_verb("prepare", "eclip", "--seed", "1")
    path = tmp_path / damaged
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert run_verb("verify")["damaged"] == [f"{named}: truncated"]
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert run_verb("verify")["damaged"] == [f"{named}: altered"]
    path.unlink()
    assert run_verb("verify")["damaged"] == [f"{named}: missing"]
    (tmp_path / "elsewhere").write_bytes(whole)
    path.symlink_to(tmp_path / "elsewhere")
    assert run_verb("verify")["damaged"] == [f"{named}: not a regular file"]


@pytest.mark.parametrize("folder", ["train", "analysis"])
def test_a_file_too_many_is_named_and_swept_away(run_verb, tmp_path, folder):
    """A folder of another split may hold rows that are sealed now."""
    run_verb("prepare", "eclip")
    (tmp_path / "public" / folder).mkdir(exist_ok=True)
    (tmp_path / "public" / folder / "answers.npy").write_bytes(b"")
    assert run_verb("verify")["damaged"] == [f"{folder}/answers.npy: not in the manifest"]
    run_verb("prepare", "eclip")
    assert run_verb("verify")["damaged"] == []


def test_other_raw_files_than_those_it_was_made_from_are_damage(run_verb, tmp_path):
    raw = tmp_path / "raw"
    (raw / "deep").mkdir(parents=True)
    (raw / "deep" / "a.csv").write_bytes(b"1")
    run_verb("prepare", "eclip", "--raw", str(raw))
    assert run_verb("verify", "--raw", str(raw))["damaged"] == []
    (raw / "deep" / "a.csv").write_bytes(b"2")
    changed = ["raw files: not what the data were made from"]
    assert run_verb("verify", "--raw", str(raw))["damaged"] == changed
    assert run_verb("verify")["damaged"] == []


def test_data_of_an_older_layout_are_made_again(run_verb, tmp_path):
    run_verb("prepare", "eclip")
    path = tmp_path / "sealed" / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"format": 2', b'"format": 1'))
    assert run_verb("verify")["damaged"] == ["manifest.json: unreadable"]


def test_nothing_prepared_is_said_so(run_verb):
    assert run_verb("verify") == {"damaged": ["manifest.json: missing"], "sealed_digest": None}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"sealed": 1, "public": 2}', b"\xff"])
def test_a_broken_manifest_is_said_so_and_replaced(run_verb, tmp_path, content):
    run_verb("prepare", "eclip", "--seed", "1")
    (tmp_path / "sealed" / "manifest.json").write_bytes(content)
    assert run_verb("verify")["damaged"] == ["manifest.json: unreadable"]
    run_verb("prepare", "eclip")
    assert run_verb("verify")["damaged"] == []


def test_the_public_part_is_checked_only_where_it_is_mounted(run_verb, tmp_path):
    run_verb("prepare", "eclip", "--seed", "1")
    (tmp_path / "public").rename(tmp_path / "not-mounted")
    assert run_verb("verify")["damaged"] == []


def test_repair_keeps_the_seed_and_restores_the_same_bytes(run_verb, tmp_path):
    run_verb("prepare", "eclip")
    before = everything(tmp_path)
    (tmp_path / "sealed" / "locked" / "train" / "images.npy").write_bytes(b"short")
    run_verb("prepare", "eclip")
    assert everything(tmp_path) == before


def test_fresh_draws_another_seed(run_verb):
    first = run_verb("prepare", "eclip")["sealed_digest"]
    assert run_verb("prepare", "eclip", "--fresh")["sealed_digest"] != first


def test_a_given_seed_wins(run_verb):
    first = run_verb("prepare", "eclip", "--seed", "1")["sealed_digest"]
    assert run_verb("prepare", "eclip", "--seed", "2")["sealed_digest"] != first
    assert run_verb("prepare", "eclip", "--seed", "1")["sealed_digest"] == first


def test_killed_half_way_what_does_not_fit_is_named_and_repaired(run_verb, tmp_path, monkeypatch):
    digest = run_verb("prepare", "eclip", "--seed", "1")["sealed_digest"]

    def replace_two_then_die(source, target, *, left=[2]):  # noqa: B006 - the counter is the point
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        Path(source).rename(target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace_two_then_die)
        with pytest.raises(KeyboardInterrupt):
            run_verb("prepare", "eclip", "--seed", "2")
    damaged = run_verb("verify")["damaged"]
    assert [line for line in damaged if "altered" in line]
    assert [line for line in damaged if "not in the manifest" in line]
    assert run_verb("prepare", "eclip")["sealed_digest"] == digest
    assert run_verb("verify")["damaged"] == []


def test_altered_sealed_data_is_never_read(mounts: Mounts):
    path = mounts.sealed / "holdout" / "train" / "images.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(sealing.SealedDataDamagedError, match=r"holdout/train/images\.npy"):
        sealing.read_sealed(mounts.sealed, "holdout/train/images.npy")
