"""What of a person's folder travels, what is data, and what stays at home."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.adopt.project import Project, read_project
from runner.errors import ConfigError

SCRIPT = "import sys\nprint('loss:', 3)\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "mine"
    root.mkdir()
    (root / "train.py").write_text(SCRIPT)
    return root


def put(root: Path, name: str, content: str | bytes = "1\n") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def places(project: Project) -> list[str]:
    return [part.place for part in project.data]


def left(project: Project) -> dict[str, str]:
    return {one.path: one.why for one in project.left_out}


def test_what_git_ignores_stays_at_home_with_a_repository_and_without(folder):
    put(folder, ".gitignore", "*.pt\nold/\n")
    put(folder, "model.pt")
    put(folder, "old/train.py")
    without = read_project(folder, None)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    assert set(read_project(folder, None).files) == set(without.files) == {".gitignore", "train.py"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(".env", "A=1", id="an environment file"),
        pytest.param("conf/.env.local", "A=1", id="one in a folder"),
        pytest.param("server.pem", "x", id="a certificate's key"),
        pytest.param("id_ed25519", "x", id="a key of ssh"),
        pytest.param("kaggle.json", "{}", id="an account of Kaggle"),
        pytest.param("aws.py", "KEY = 'AKIA" + "A" * 16 + "'", id="a key of AWS in a source"),
        pytest.param("hub.py", "T = 'hf_" + "a" * 34 + "'", id="a token of a hub"),
        pytest.param("bot.py", "T = 'ghp_" + "a" * 36 + "'", id="a token of GitHub"),
        pytest.param("k.txt", "-----BEGIN RSA PRIVATE KEY-----", id="a private key"),
        pytest.param("db.yaml", "url: postgres://me:hunter22@db/x", id="a password in an address"),
    ],
)
def test_keys_and_passwords_do_not_travel(folder, name, content):
    put(folder, name, content)
    found = read_project(folder, None)
    assert name not in found.files
    assert name in left(found)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("keys.py", "KEYS = ['a', 'b']", id="a word that only sounds so"),
        pytest.param("environment.yml", "name: x", id="packages"),
        pytest.param("m.py", "url = 'https://host/path@2'", id="an address without a password"),
    ],
)
def test_what_only_looks_like_a_key_travels(folder, name, content):
    put(folder, name, content)
    assert name in read_project(folder, None).files


def test_links_large_files_and_odd_names_are_listed(folder):
    (folder / "link.py").symlink_to("/etc/passwd")
    put(folder, "weights.h5", bytes(3 << 20))
    put(folder, "naïve.py", SCRIPT)
    assert set(left(read_project(folder, None))) == {"link.py", "weights.h5", "naïve.py"}
    (folder / "train.py").unlink()
    with pytest.raises(ConfigError, match=r"naïve\.py: its name is not plain ASCII"):
        read_project(folder, None)


@pytest.mark.parametrize(
    ("source", "there", "found"),
    [
        pytest.param("open('data/a.csv')", ["data/a.csv"], ["data"], id="a folder called data"),
        pytest.param("open('set/a.csv')", ["set/a.csv"], ["set"], id="one that the code names"),
        pytest.param("p = 'a/b/x.npy'", ["a/b/x.npy", "a/c/y.npy"], ["a"], id="outermost"),
        pytest.param("p = 'a/b/x.npy'", ["a/b/x.npy", "a/c.py"], ["a/b"], id="but no code in it"),
        pytest.param("open('../d/x.csv')", ["../d/x.csv"], ["../d/x.csv"], id="beside the project"),
        pytest.param("open('rows.csv')", ["rows.csv"], [], id="small ones travel as sources"),
        pytest.param("torch.save(x, 'out/m.pt')", ["out/m.pt"], [], id="what is written is none"),
        pytest.param("open('st/m.bin', 'wb')", ["st/m.bin"], [], id="by its mode too"),
        pytest.param("c = 'configs/a.yaml'", ["configs/a.yaml"], [], id="configuration is none"),
        pytest.param("c = '/etc'", [], [], id="nor what a container has for itself"),
        pytest.param("c = 'x' * 3 + '\\0'", [], [], id="nor what is no path"),
        pytest.param("c = '~nobody-here/x'", [], [], id="nor a home that is not known"),
    ],
)
def test_data_are_what_the_code_reads(folder, source, there, found):
    put(folder, "train.py", f"{SCRIPT}{source}\n")
    for name in there:
        put(folder, name, b"\x00\x01")
    assert places(read_project(folder, None)) == found


def test_what_cannot_travel_as_source_is_data(folder, tmp_path):
    put(tmp_path, "far/rows.csv")
    (folder / "linked.csv").symlink_to(tmp_path / "far" / "rows.csv")
    put(folder, "ignored.csv")
    put(folder, ".gitignore", "*.csv\n")
    put(folder, "tablé.csv")
    put(folder, "train.py", "[open(name) for name in ('linked.csv', 'ignored.csv', 'tablé.csv')]")
    assert set(places(read_project(folder, None))) == {"linked.csv", "ignored.csv", "tablé.csv"}


def test_what_the_same_file_writes_is_no_data(folder):
    put(folder, "model.pt")
    put(folder, ".gitignore", "*.pt\n")
    put(folder, "train.py", "torch.save(m, 'model.pt')\nm = torch.load('model.pt')\n")
    assert places(read_project(folder, None)) == []


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder whose place no container has for itself, as it has `/dev/shm`."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made)


def test_data_at_home_and_at_absolute_places_are_found_and_named_as_the_code_does(
    folder, tmp_path, elsewhere, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    put(tmp_path, "me/rows/a.csv")
    put(tmp_path, "me/.netrc")
    put(tmp_path, "me/.cache/b.csv")
    put(elsewhere, "far/c.csv")
    named = ["~/rows/a.csv", "~/.netrc", "~/.cache/b.csv", f"{elsewhere}/far/c.csv", str(tmp_path)]
    put(folder, "train.py", f"x = {named}\n")
    found = ["~/rows/a.csv", f"{elsewhere}/far/c.csv"]
    assert set(places(read_project(folder, None))) == set(found)
    typed = [f"{tmp_path}/me/rows", f"{elsewhere}/far/c.csv"]  # as a shell hands `~/rows` over
    assert places(read_project(folder, typed)) == ["~/rows", f"{elsewhere}/far/c.csv"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        pytest.param("go.sh", "singularity exec -B {}:{} image python train.py", id="a mount"),
        pytest.param("job.sh", "#SBATCH --chdir={}", id="a folder to work in"),
        pytest.param("conf.yaml", "root: {}", id="a setting"),
        pytest.param("more.py", "ROOT = '{}'", id="a string"),
    ],
)
def test_a_home_and_a_folder_below_the_root_are_data_only_where_a_person_says_so(
    folder, elsewhere, monkeypatch, name, line
):
    monkeypatch.setenv("HOME", str(elsewhere / "me"))
    put(elsewhere, "me/.ssh/x")
    for place in ("/mnt", "/srv", f"{elsewhere}/me", f"{elsewhere}/me/.ssh", str(elsewhere)):
        put(folder, name, line.format(place, place))
        assert places(read_project(folder, None)) == []
    put(folder, "more.py", "ROOT = '~/x/..'")
    put(elsewhere, "me/x/y")
    assert places(read_project(folder, None)) == []
    assert places(read_project(folder, ["/mnt"])) == ["/mnt"]


def test_a_link_that_leads_nowhere_is_no_code(folder):
    (folder / ".#train.py").symlink_to("me@host.123")
    (folder / "old.py").symlink_to(folder.parent)
    assert set(read_project(folder, None).files) == {"train.py"}


def test_data_may_lie_elsewhere_than_where_the_project_looks(folder, tmp_path):
    put(tmp_path, "far/c.csv")
    part = read_project(folder, [f"/kaggle/input={tmp_path}/far"]).data[0]
    assert (part.place, part.source) == ("/kaggle/input", tmp_path / "far")


def test_a_pointer_of_git_lfs_is_no_data(folder):
    put(folder, "data/a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    with pytest.raises(ConfigError, match="git LFS keeps in its place"):
        read_project(folder, None)


def test_a_submodule_travels_and_a_virtual_environment_of_any_name_does_not(folder):
    put(folder, "part/mod.py")
    subprocess.run(["git", "init", "-q", str(folder / "part")], check=True)
    put(folder, "mine/pyvenv.cfg")
    put(folder, "mine/lib/x.py")
    assert set(read_project(folder, None).files) == {"train.py", "part/mod.py"}


def test_a_script_in_a_folder_names_data_from_there(folder):
    put(folder, "src/fit.py", "open('../rows/a.bin')\n")
    put(folder, "rows/a.bin")
    assert places(read_project(folder, None)) == ["rows"]


def test_data_that_the_person_names_is_taken_at_its_word(folder):
    put(folder, "stuff/x.py")
    put(folder, "stuff/rows.csv")
    found = read_project(folder, ["stuff"])
    assert (places(found), set(found.files)) == (["stuff"], {"train.py"})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(["nowhere"], "there is no ", id="not there"),
        pytest.param(["/etc"], "which the container has for itself", id="a place that is taken"),
        pytest.param(["."], "which the container has for itself", id="all of the project"),
    ],
)
def test_data_that_cannot_be_mounted_is_refused(folder, data, says):
    with pytest.raises(ConfigError, match=says):
        read_project(folder, data)


def test_a_folder_without_python_is_refused(tmp_path):
    put(tmp_path, "model.r")
    with pytest.raises(ConfigError, match="holds no Python file"):
        read_project(tmp_path, None)


def test_a_hook_or_setting_of_the_project_s_repository_runs_nothing(folder, tmp_path):
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    config = folder / ".git" / "config"
    config.write_text(f"{config.read_text()}[core]\n\tfsmonitor = touch {tmp_path}/ran\n")
    read_project(folder, None)
    assert not (tmp_path / "ran").exists()


def cell(kind: str, source: str) -> dict[str, object]:
    more = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **more}


def test_a_notebook_becomes_a_script_and_stays_at_home(folder):
    cells = [
        cell("markdown", "# Title"),
        cell("code", "%matplotlib inline\n!pip install x\nloss = 3"),
        cell("code", "display(loss)\nprint('loss:', loss)"),
    ]
    (folder / "train.py").unlink()
    put(folder, "my fit.ipynb", json.dumps(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))  # fmt: skip
    found = read_project(folder, None)
    assert set(found.files) == {"my_fit.py"}
    assert left(found) == {"my fit.ipynb": "a notebook; its code is my_fit.py from now on"}
    done = subprocess.run(
        [sys.executable, "-c", found.files["my_fit.py"].content], capture_output=True, check=True
    )
    assert done.stdout.split() == [b"3", b"loss:", b"3"]


def test_what_is_no_notebook_is_refused(folder):
    put(folder, "fit.ipynb", "{")
    with pytest.raises(ConfigError, match="fit\\.ipynb is no notebook"):
        read_project(folder, None)
