"""Packages on top of an image: resolved by the real pip from a shelf, and locked."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shelves import only_shelf, write_wheel

from runner.engines import images, packages
from runner.engines.packages import added, is_stale, lock, unmet
from runner.engines.wheels import wheelhouse
from runner.errors import ConfigError
from runner.records import Image

HELD = "held==2.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some wheels, which are all that pip can reach; the image's own lie elsewhere."""
    folder = only_shelf(tmp_path / "shelf", monkeypatch)
    write_wheel(folder, "pebble", needs=["grain>=1", "held"])
    write_wheel(folder, "grain", "1.0")
    write_wheel(folder, "grain", "2.0", needs=["held<2"])
    (tmp_path / "house").mkdir()
    write_wheel(tmp_path / "house", "held", "2.0")
    (tmp_path / "base.lock").write_text(HELD)
    return folder


def image(folder: Path, *asked: str) -> Image:
    return Image(base="cpu", packages=asked, lock=folder / "mine.lock")


def locked(folder: Path, *asked: str) -> str:
    wanted, base = image(folder, *asked), [folder / "base.lock"]
    lock(wanted, base, wheels=folder / "house", machine="x86_64", say=[].append)
    assert not is_stale(wanted, base)
    return (folder / "mine.lock").read_text()


@pytest.mark.slow
def test_a_lock_holds_what_the_image_does_not_in_versions_that_fit_it(shelf, tmp_path):
    text = locked(tmp_path, "pebble")
    assert packages.pinned(tmp_path / "mine.lock") == {"grain": "1.0", "pebble": "1.0"}
    for name in ("grain", "pebble"):
        digest = hashlib.sha256((shelf / f"{name}-1.0-py3-none-any.whl").read_bytes()).hexdigest()
        assert f"{name}==1.0 \\\n    --hash=sha256:{digest}\n" in text
    assert str(tmp_path) not in text


@pytest.mark.slow
def test_the_locked_wheels_are_what_is_downloaded(shelf, tmp_path):
    locked(tmp_path, "pebble")
    root = tmp_path / "root"
    found = wheelhouse([tmp_path / "mine.lock"], root=root, machine="x86_64", say=[].append)
    assert sorted(path.name.split("-")[0] for path in found.iterdir()) == ["grain", "pebble"]


@pytest.mark.slow
def test_all_absent_packages_are_named_at_once(shelf, tmp_path):
    write_wheel(shelf, "needy", needs=["nowhere>=3"])
    with pytest.raises(ConfigError) as caught:
        locked(tmp_path, "missing-one", "pebble==9", "grain", "gone[extra]>2", "needy")
    said = str(caught.value)
    assert said.startswith("no wheel for Python 3.11 on Linux, x86_64: ")
    for part in (
        "missing-one",
        "pebble==9, there are 1.0",
        "gone",
        "nowhere>=3, which needy needs",
    ):
        assert part in said
    assert "grain" not in said
    assert not (tmp_path / "mine.lock").exists()


@pytest.mark.slow
def test_a_source_distribution_is_absent_and_never_run(shelf, tmp_path):
    ran = tmp_path / "ran"
    source = tmp_path / "source"
    source.mkdir()
    (source / "setup.py").write_text(
        f"from setuptools import setup; open({str(ran)!r}, 'w'); setup(name='rock', version='1')"
    )
    command = [sys.executable, "setup.py", "-q", "sdist", "-d", str(shelf)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    ran.unlink()
    with pytest.raises(ConfigError, match="x86_64: rock"):
        locked(tmp_path, "rock")
    assert not ran.exists()


def test_another_version_than_the_image_s_is_refused_by_name(shelf, tmp_path):
    with pytest.raises(ConfigError) as caught:
        locked(tmp_path, "held==1.0", "pebble")
    assert "the image cpu holds other versions: held==1.0 does not fit held 2.0" in str(
        caught.value
    )


@pytest.mark.slow
def test_what_does_not_fit_together_is_told_in_pip_s_words(shelf, tmp_path):
    with pytest.raises(ConfigError, match="do not fit the image cpu, or not each other") as caught:
        locked(tmp_path, "grain==2.0")
    assert "grain 2.0 depends on held<2" in str(caught.value)
    assert "held==2.0" in str(caught.value)


@pytest.mark.slow
def test_what_stands_beside_torch_is_the_build_for_the_image_s_torch_or_refused(shelf, tmp_path):
    write_wheel(tmp_path / "house", "torch", "2.0+cpu")
    for name in ("torchvision", "torchaudio"):
        write_wheel(shelf, name, "0.28", needs=["torch==2.0"])
    (tmp_path / "base.lock").write_text(HELD.replace("held==2.0", "torch==2.0+cpu"))
    with pytest.raises(ConfigError, match="torchaudio: only a build for CUDA") as caught:
        locked(tmp_path, "torchaudio")
    assert caught.value.hint
    locked(tmp_path, "torchvision")  # of which all but its operators works in the image
    assert packages.pinned(tmp_path / "mine.lock") == {"torchvision": "0.28"}
    write_wheel(shelf, "torchvision", "0.28+cpu", needs=["torch==2.0"])
    locked(tmp_path, "torchvision")
    assert packages.pinned(tmp_path / "mine.lock") == {"torchvision": "0.28+cpu"}


@pytest.mark.slow
def test_what_the_image_holds_already_is_put_on_no_image(shelf, tmp_path):
    locked(tmp_path, "held>=2", 'grain; sys_platform == "win32"')
    assert added(image(tmp_path, "held>=2", 'grain; sys_platform == "win32"'),
                 [tmp_path / "base.lock"]) is None  # fmt: skip


@pytest.mark.slow
def test_a_lock_of_other_packages_or_of_another_image_is_none(shelf, tmp_path):
    base, wanted = [tmp_path / "base.lock"], image(tmp_path, "grain")
    with pytest.raises(ConfigError, match=r"mine\.lock is not the lock") as caught:
        added(wanted, base)
    assert "runner setup --task" in str(caught.value.hint)
    locked(tmp_path, "grain")
    assert added(wanted, base) == tmp_path / "mine.lock"
    with pytest.raises(ConfigError):
        added(image(tmp_path, "grain", "pebble"), base)
    base[0].write_text(HELD.replace("2.0", "2.1"))
    with pytest.raises(ConfigError):
        added(wanted, base)


def test_markers_are_read_as_the_image_s_python_whatever_the_host_s_is():
    def item(name: str, *needs: str, extras: tuple[str, ...] = ()) -> dict[str, object]:
        about = {"name": name, "version": "1", "requires_dist": list(needs)}
        return {"metadata": about, "requested_extras": list(extras)}

    report = {
        "install": [
            item("A_b", 'old>=1; python_version < "3.12"', 'new; python_version > "3.11"',
                 'plot; extra == "plot"', "c[fast]", extras=("plot",)),
            item("c", 'quick; extra == "fast"', 'slow; extra == "slow"', "a-b"),
        ]
    }  # fmt: skip
    assert unmet(report) == ["old>=1", "plot", "quick"]


# -- the image's name -------------------------------------------------------------------------


@pytest.fixture
def mine(tmp_path: Path) -> Image:
    """An image whose lock fits, without asking pip."""
    found = image(tmp_path, "grain")
    made_for = packages._made_for(found, images.locks("cpu"))
    (tmp_path / "mine.lock").write_text(f"{made_for}\ngrain==1.0 \\\n    --hash=sha256:0\n")
    return found


def test_another_lock_is_another_image(mine):
    first = images.image_tag(mine)
    assert re.fullmatch(r"autoresearch-runner/cpu:[0-9a-f]{12}", first)
    assert first != images.image_tag("cpu")
    mine.lock.write_text(mine.lock.read_text().replace("1.0", "1.1"))
    assert images.image_tag(mine) not in (first, images.image_tag("cpu"))


def test_an_image_without_packages_of_its_own_needs_no_lock(tmp_path):
    assert images.image_tag(image(tmp_path)) == images.image_tag("cpu")
