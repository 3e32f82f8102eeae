"""What an image is made of, and how it is fetched: all that needs no engine."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import pytest
from shelves import only_shelf, write_wheel

from runner.engines import images
from runner.engines.bases import bootstrapped, setting
from runner.engines.builds import Build, context, follow
from runner.engines.packages import pinned
from runner.engines.wheels import digest, pip_command, wheelhouse
from runner.errors import ConfigError, SandboxError

LINE = {
    "stream": "Step 2/3 : RUN   python3 -m venv /opt/venv &&   something long enough to be cut\n"
}


# --- the recipe


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the images folder that a test may change."""
    for path in images.FOLDER.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(images, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["trial.Dockerfile", "cpu.lock", "cpu-torch.lock"])
def test_a_changed_recipe_is_another_image(recipe: Path, name: str) -> None:
    before = images.image_tag("cpu")
    assert re.fullmatch(r"autoresearch-runner/cpu:[0-9a-f]{12}", before)
    (recipe / name).write_text((recipe / name).read_text() + "\n")
    assert images.image_tag("cpu") != before


def test_without_weights_an_image_is_what_its_locks_say(recipe: Path) -> None:
    before = {name: images.image_tag(name) for name in images.LOCKS}
    (recipe / "weights" / ".cache").mkdir(parents=True)
    (recipe / "weights" / "README.md").write_text("a page")
    (recipe / "weights" / ".cache" / "part").write_text("hidden")
    (recipe / "weights.Dockerfile").write_text("another")
    assert {name: images.image_tag(name) for name in images.LOCKS} == before


def test_other_weights_are_another_image_where_an_image_takes_them(recipe: Path) -> None:
    file = recipe / "weights" / "vit" / "model.bin"
    file.parent.mkdir(parents=True)

    def tags() -> list[str]:
        return [images.image_tag(name) for name in ("tabular", "cpu", "cuda")]

    seen = [tags()]
    file.write_bytes(b"one")
    seen.append(tags())
    file.write_bytes(b"two")
    seen.append(tags())
    file.rename(file.with_name("other.bin"))
    seen.append(tags())
    tabular, cpu, cuda = zip(*seen, strict=True)
    assert (len(set(tabular)), len(set(cpu)), len(set(cuda))) == (1, 4, 4)
    assert re.fullmatch(r"autoresearch-runner/cpu:[0-9a-f]{12}", cpu[1])


def test_a_weights_name_is_its_place_in_the_folder(recipe: Path) -> None:
    for name in ("vit/README.md", "vit/model.bin", "vocab.txt", ".gitignore", "README.md"):
        path = recipe / "weights" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [f"weights/{name}" for name in ("vit/README.md", "vit/model.bin", "vocab.txt")]
    assert sorted(images.weights("cpu")) == found


def test_an_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        images.image_tag("gpu")
    assert caught.value.hint == "images: scorer, cpu, tabular, cuda"


def test_the_default_base_names_one_patch_release() -> None:
    default = setting(images.dockerfile(), "ARG BASE_IMAGE")
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", default)


@pytest.mark.parametrize("name", images.LOCKS)
def test_the_locks_name_versions_and_hashes_and_no_place(name: str) -> None:
    for lock in images.locks(name):
        lines = [line for line in lock.read_text().splitlines() if not line.strip().startswith("#")]
        assert all(
            re.fullmatch(r"[a-z0-9-]+==\S+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line)
            for line in lines
        )


def test_torch_is_the_cpu_build_or_nothing() -> None:
    assert "\ntorch==2.13.0+cpu " in images.locks("cpu")[1].read_text()


def test_only_the_image_for_such_machines_brings_cuda() -> None:
    for name in ("cpu", "tabular"):
        for lock in images.locks(name):
            assert not re.findall(r"^(?:nvidia|cuda|triton)\S*==", lock.read_text(), re.MULTILINE)
    assert "\nnvidia-cudnn-cu13==" in images.locks("cuda")[0].read_text()


def named(image: str) -> set[str]:
    return set(pinned(*images.locks(image)))


def test_the_image_for_tables_has_no_torch() -> None:
    assert {"scikit-learn", "lightgbm", "xgboost-cpu", "flaml"} <= named("tabular")
    assert "torch" not in named("tabular")


@pytest.mark.parametrize("image", ["cpu", "tabular", "cuda"])
def test_agents_have_what_most_scripts_import(image: str) -> None:
    assert {"numpy", "pandas", "scikit-learn", "tqdm", "matplotlib", "pyyaml"} <= named(image)


def test_scorers_have_what_measures_and_nothing_that_trains_at_length() -> None:
    assert {"numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "pillow"} <= named("scorer")
    assert not {"torch", "lightgbm", "xgboost-cpu", "flaml", "matplotlib"} & named("scorer")


def test_images_set_no_variable_but_the_path() -> None:
    text = images.dockerfile().read_text()
    assert re.findall(r"^ENV (\w+)", text, re.MULTILINE) == ["PATH"]


# --- wheels


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one wheel, which is all that pip can reach."""
    write_wheel(only_shelf(tmp_path / "shelf", monkeypatch), "tiny")
    return tmp_path / "shelf"


def lock_of(shelf: Path, *, sha256: str | None = None) -> Path:
    (wheel,) = shelf.glob("*.whl")
    real = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = shelf.parent / "tiny.lock"
    lock.write_text(f"tiny==1.0 --hash=sha256:{sha256 or real}\n")
    return lock


@pytest.mark.slow
def test_wheels_are_downloaded_once(shelf: Path, tmp_path: Path) -> None:
    lock, said = lock_of(shelf), []
    for _ in range(2):
        folder = wheelhouse([lock], root=tmp_path / "house", machine="x86_64", say=said.append)
    assert [path.name for path in folder.iterdir()] == ["tiny-1.0-py3-none-any.whl"]
    assert len(said) == 1


@pytest.mark.slow
def test_a_wheel_with_another_hash_is_refused_and_not_kept(shelf: Path, tmp_path: Path) -> None:
    lock = lock_of(shelf, sha256="0" * 64)
    with pytest.raises(SandboxError, match=r"tiny\.lock failed") as caught:
        wheelhouse([lock], root=tmp_path / "house", machine="x86_64", say=[].append)
    assert caught.value.hint
    assert list((tmp_path / "house").iterdir()) == []


def test_wheels_are_for_the_image_whatever_the_host_is() -> None:
    command = pip_command(Path("a.lock"), Path("house"), "aarch64")
    assert {"--require-hashes", "--only-binary=:all:", "--no-deps"} <= set(command)
    assert {"--python-version=3.11", "--platform=manylinux_2_28_aarch64"} <= set(command)
    assert not [word for word in command if "x86_64" in word]


def test_a_digest_covers_names_and_contents(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_text("a")
    before = digest({"one": one})
    assert digest({"two": one}) != before
    one.write_text("b")
    assert digest({"one": one}) != before


# --- builds


def wanted(tmp_path: Path) -> Build:
    wheels = tmp_path / "wheels"
    wheels.mkdir(exist_ok=True)
    (wheels / "a.whl").write_bytes(b"wheel")
    (wheels / "secret.txt").write_text("no")
    for name in ("Dockerfile.x", "a.lock"):
        (tmp_path / name).write_text(name)
    return Build(
        dockerfile=tmp_path / "Dockerfile.x",
        base="base",
        network="none",
        wheels=wheels,
        files={"wheels/a.lock": tmp_path / "a.lock"},
    )


def test_the_build_sees_the_recipe_and_nothing_else(tmp_path: Path) -> None:
    with context(wanted(tmp_path)) as file, tarfile.open(fileobj=file) as archive:
        found = archive.getmembers()
    assert [one.name for one in found] == ["Dockerfile", "wheels/a.lock", "wheels/a.whl"]
    assert {(one.uid, one.gid, one.mtime) for one in found} == {(0, 0, 0)}


def test_the_build_sees_files_under_the_names_that_they_are_given(tmp_path: Path) -> None:
    named = replace(
        wanted(tmp_path), files={"weights/vit/a": tmp_path / "a.lock"}, scratch=tmp_path
    )
    with context(named) as file, tarfile.open(fileobj=file) as archive:
        content = archive.extractfile("weights/vit/a")
        assert content
        assert content.read() == b"a.lock"


def test_steps_are_told_in_short_lines(tmp_path: Path) -> None:
    said: list[str] = []
    built = follow([LINE, {"aux": {"ID": "sha256:1"}}], wanted(tmp_path), said.append)
    assert built == "sha256:1"
    assert said == ["  step 2/3: RUN python3 -m venv /opt/venv && something long enough to..."]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([LINE, {"error": "exit status 1"}], id="the engine says so"),
        pytest.param([LINE], id="the stream ends without an image"),
    ],
)
def test_a_failed_build_shows_the_end_of_its_output(
    tmp_path: Path, lines: list[dict[str, str]]
) -> None:
    with pytest.raises(SandboxError, match="python3 -m venv") as caught:
        follow(lines, wanted(tmp_path), [].append)
    assert str(tmp_path / "wheels") in caught.value.hint


# --- Debian packages


INDEXES = """\
http://mirror.example/debian/ trixie main
http://mirror.example/debian/ trixie contrib
http://mirror.example/debian/ trixie-updates main
http://mirror.example/security/ trixie-security main
http://other.example/docker/ trixie stable
http://other.example/debian/ trixie-backports main
"""


@dataclass
class Host:
    """A machine's tools, of which only what they were called with is left."""

    folder: Path

    def tool(self, name: str, script: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def base(self, release: str = "ID=debian\nVERSION_CODENAME=trixie\n") -> list[str]:
        """Make the base; return what mmdebstrap was told, its environment's options last."""
        self.tool("mmdebstrap", 'printf "%s\\0" "$@" "$HOST_APT"')
        (self.folder / "os-release").write_text(release)
        done = subprocess.run(
            ["sh", images.FOLDER / "base.sh"],
            env={
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "OS_RELEASE": str(self.folder / "os-release"),
            },
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.split("\0")[:-1]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(tmp_path)
    found.tool("apt-get", f'test "$1" = indextargets && cat << END\n{INDEXES}END')
    found.tool("apt-config", 'cat << END\nAcquire::http::Proxy "http://a:b@p";\nAPT::X "1";\nEND')
    return found


FROM_THE_MIRROR = [
    "deb http://mirror.example/debian/ bookworm main",
    "deb http://mirror.example/debian/ bookworm-updates main",
    "deb http://mirror.example/security/ bookworm-security main",
]


def test_the_base_comes_from_the_hosts_own_mirror(host: Host) -> None:
    told = host.base()
    assert [word for word in told if word.startswith("deb ")] == FROM_THE_MIRROR
    assert told[told.index("bookworm") + 1] == "-"


def test_a_host_that_was_never_updated_is_asked_in_a_folder_of_its_own(host: Host) -> None:
    script = f"""
case "$*" in
    *lists=*update*) echo "$2" > {host.folder}/lists ;;
    *lists=*indextargets*) cat << END
{INDEXES}END
esac"""
    host.tool("apt-get", script)
    assert [word for word in host.base() if word.startswith("deb ")] == FROM_THE_MIRROR
    (_, _, lists) = (host.folder / "lists").read_text().strip().partition("=")
    assert not Path(lists).exists()


def test_another_distributions_sources_are_not_debians(host: Host) -> None:
    told = host.base("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=trixie\n")
    assert [word for word in told if word.startswith("deb ")] == []


def test_the_base_uses_how_the_host_downloads_and_forgets_it(host: Host) -> None:
    *told, options = host.base()
    assert options == 'Acquire::http::Proxy "http://a:b@p";'
    assert not [word for word in told if "a:b@p" in word], "everybody may read a command line"
    (written,) = [word for word in told if word.startswith("--setup-hook=")]
    (forgets,) = [word for word in told if word.startswith("--customize-hook=")]
    assert "apt.conf.d/99host" in written
    assert "apt.conf.d/99host" in forgets
    assert "sources.list" in forgets


class Engine:
    """Takes what is imported, as the real one does: whatever comes until the stream ends."""

    def __init__(self) -> None:
        self.api, self.timeout = self, 1
        self.removed: list[str] = []

    def import_image_from_stream(self, stream: IO[bytes]) -> str:
        assert stream.read() == b"part"
        return f"sha256:{'0' * 64}"

    def remove_image(self, image: str, *, force: bool) -> None:
        self.removed.append(image)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        pytest.param(25, "uidmap", id="it failed"),
        pytest.param(2, "apt-get install --no-install-recommends mmdebstrap", id="it is missing"),
    ],
)
def test_a_failed_bootstrap_says_why_and_leaves_nothing(
    tmp_path: Path, status: int, hint: str
) -> None:
    script, engine = tmp_path / "base.sh", Engine()
    script.write_text(f"printf part\necho 'E: no keys' >&2\nexit {status}\n")
    with pytest.raises(SandboxError, match="E: no keys") as caught:
        bootstrapped(engine, script, "a-tag")  # type: ignore[arg-type]
    assert hint in caught.value.hint
    assert engine.removed == [f"sha256:{'0' * 64}"]


def test_an_abandoned_bootstrap_does_not_go_on(tmp_path: Path) -> None:
    script = tmp_path / "base.sh"
    script.write_text(f"echo $$ > {tmp_path}/pid\nprintf x\nexec sleep 600\n")

    class Interrupted(Engine):
        def import_image_from_stream(self, stream: IO[bytes]) -> str:
            assert stream.read(1) == b"x"
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        bootstrapped(Interrupted(), script, "a-tag")  # type: ignore[arg-type]
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()
