"""Shared places: what another user plants there steers nothing, and is never followed."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from runner import paths
from runner.errors import ConfigError
from runner.locks import device_lock
from runner.private import is_private, private_folder, runtime_folder
from runner.sandbox import staging
from runner.trial import Host, TrialRunner
from runner.trial.naming import stage_name

NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def belongs_to_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it another user's; who is not root makes himself another instead."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.lstat().st_uid + 1)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_folder_of_ours_is_closed_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        assert mode(private_folder(tmp_path / "ours")) == 0o700
        assert private_folder(tmp_path / "ours") == tmp_path / "ours"
    finally:
        os.umask(before)


def test_one_that_others_could_only_read_is_closed(tmp_path):
    (tmp_path / "ours").mkdir(mode=0o755)
    assert mode(private_folder(tmp_path / "ours")) == 0o700


def test_a_link_is_refused_and_what_it_leads_to_stays_as_it_is(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    secret.chmod(0o600)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    for target in (secret, elsewhere, tmp_path / "nothing"):
        planted = tmp_path / "planted"
        planted.symlink_to(target)
        with pytest.raises(ConfigError, match="planted"):
            private_folder(planted)
        planted.unlink()
    assert mode(secret) == 0o600
    assert list(elsewhere.iterdir()) == []
    assert not (tmp_path / "nothing").exists()


def test_a_file_is_refused(tmp_path):
    (tmp_path / "planted").write_text("")
    with pytest.raises(ConfigError, match="no folder of ours"):
        private_folder(tmp_path / "planted")


def test_another_user_s_folder_is_refused(tmp_path, monkeypatch):
    planted = tmp_path / "planted"
    planted.mkdir()
    belongs_to_another(planted, monkeypatch)
    with pytest.raises(ConfigError, match="belongs to another user"):
        private_folder(planted)


def test_one_that_others_write_to_is_refused(tmp_path):
    planted = tmp_path / "planted"
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.raises(ConfigError, match="other users can write"):
        private_folder(planted)


def test_one_that_others_can_rename_is_refused(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ConfigError, match="everybody can rename"):
        private_folder(shared / "ours")
    shared.chmod(0o1777)
    assert private_folder(shared / "ours").is_dir()


# -- where locks lie --------------------------------------------------------------------------


@pytest.fixture
def shared(monkeypatch):
    """A temporary folder that all users share, for somebody who is not root."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)


def test_they_lie_below_the_folder_of_the_user_s_session(shared):
    session = shared / "session"
    session.mkdir(mode=0o700)
    found = runtime_folder({"XDG_RUNTIME_DIR": str(session)})
    assert (found.parent, mode(found)) == (session, 0o700)


@pytest.mark.parametrize("session", ["nothing", "", "open", "a link"])
def test_a_session_s_folder_that_is_none_is_passed_over(shared, session):
    (shared / "open").mkdir()
    (shared / "open").chmod(0o755)
    (shared / "a link").symlink_to("/")
    environment = {"XDG_RUNTIME_DIR": str(shared / session) if session else ""}
    if is_private(Path(f"/run/user/{os.geteuid()}")) and not session:
        return  # the machine has one, and it is taken
    found = runtime_folder(environment)
    assert found == shared / f"autoresearch-runner-{os.geteuid()}"
    assert mode(found) == 0o700


def test_a_name_that_somebody_took_is_an_error_that_says_what_to_do(shared):
    (shared / f"autoresearch-runner-{os.geteuid()}").symlink_to("/etc")
    with pytest.raises(ConfigError, match="no folder of ours") as refused:
        runtime_folder({"XDG_RUNTIME_DIR": str(shared)})
    assert "RUNNER_LOCKS=FOLDER" in refused.value.hint
    own = shared / "own"
    assert runtime_folder({"RUNNER_LOCKS": str(own)}) == own
    assert mode(own) == 0o700


def test_a_device_is_held_without_a_look_at_the_temporary_folder(tmp_path, monkeypatch):
    """A link that somebody left there once made a private file open to everybody."""
    secret = tmp_path / "secret"
    secret.write_text("mine")
    secret.chmod(0o600)
    for name in ("autoresearch-runner-devices", "autoresearch-runner"):
        (tmp_path / name).symlink_to(secret)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("RUNNER_LOCKS", str(tmp_path / "locks"))
    with device_lock(["cpu-0"], "t", print, threading.Event()):
        assert mode(secret) == 0o600


# -- shared memory ----------------------------------------------------------------------------


@pytest.mark.parametrize("plant", ["link", "file", "folder", "another's folder"])
def test_a_run_s_name_in_shared_memory_is_in_nobody_s_way(tmp_path, monkeypatch, plant):
    memory, stage, secret = (tmp_path / name for name in ("memory", "stage", "secret"))
    for folder in (memory, stage, secret):
        folder.mkdir()
    (secret / "labels").write_text("mine")
    host = Host(state=paths.State(tmp_path))
    planted = memory / stage_name(host.id, "t1")
    if plant == "link":
        planted.symlink_to(secret)
    elif plant == "file":
        planted.write_text("")
    else:
        planted.mkdir()
    if plant == "another's folder":
        belongs_to_another(planted, monkeypatch)
    monkeypatch.setattr(staging, "memory_root", lambda _: memory)
    TrialRunner(engine=None, host=host).clean_stage("t1")
    assert planted.exists() is (plant != "folder")  # what we left ourselves goes
    assert (secret / "labels").read_text() == "mine"
    with staging.folder(memory / stage_name(host.id, "t1")) as fresh:
        assert mode(fresh) == 0o700
