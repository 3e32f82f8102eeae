"""A task's raw files: what `raw.yaml` may say, and a folder with exactly those files, checked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from runner import raw
from runner.errors import ConfigError, DataError
from runner.paths import PROJECT
from runner.raw import RawData, RawFiles, read_raw_files

ROWS = b"63.0,1.0,1.0\n"
URL = "https://example.org/a.csv"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files(*entries: dict[str, Any], **more: Any) -> RawFiles:
    known = {"url": URL, "sha256": sha256(ROWS), "licence": "CC0", "page": "https://example.org"}
    document = {"files": [{**known, **entry} for entry in entries], **more}
    return RawFiles.model_validate_json(json.dumps(document))


def laid_out(wanted: RawFiles, tmp_path: Path, chosen: Path | None) -> dict[str, bytes]:
    source = RawData(task="t", wanted=wanted, downloads=tmp_path / "downloads", chosen=chosen)
    with source.laid_out() as folder:
        paths = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.stat().st_mode & 0o777 for path in paths} <= {0o644}
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a.csv").write_bytes(ROWS)
    (folder / "private.txt").write_bytes(b"not asked for")
    return folder


def packed(kind: str, members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def test_only_what_is_asked_for_is_taken_from_a_folder(own: Path, tmp_path: Path) -> None:
    assert laid_out(files({"name": "a.csv"}), tmp_path, own) == {"a.csv": ROWS}
    assert (own / "a.csv").read_bytes() == ROWS


def test_what_a_killed_preparation_left_is_removed(own: Path, tmp_path: Path) -> None:
    left = tmp_path / "downloads" / ".raw-killed"
    left.mkdir(parents=True)
    (left / "a.csv").write_bytes(b"half")
    laid_out(files({"name": "a.csv"}), tmp_path, own)
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_single_file_is_the_one_that_is_wanted_under_any_name(own: Path, tmp_path: Path) -> None:
    (own / "a.csv").rename(own / "mine.csv")
    assert laid_out(files({"name": "a.csv"}), tmp_path, own / "mine.csv") == {"a.csv": ROWS}


def test_a_missing_file_is_named_with_where_to_get_it(own: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no b\.csv at") as caught:
        laid_out(files({"name": "b.csv"}), tmp_path, own)
    assert URL in caught.value.hint
    assert "--from" in caught.value.hint


def test_a_persons_copy_is_checked_like_a_download(own: Path, tmp_path: Path) -> None:
    (own / "a.csv").write_bytes(ROWS[:-1])
    with pytest.raises(DataError, match=r"a\.csv is not the official file"):
        laid_out(files({"name": "a.csv"}), tmp_path, own)


def test_a_persons_own_data_have_no_digest(own: Path, tmp_path: Path) -> None:
    wanted = files({"name": "a.csv", "sha256": None, "url": None})
    assert laid_out(wanted, tmp_path, own) == {"a.csv": ROWS}
    with pytest.raises(DataError, match=r"a\.csv is not for download"):
        laid_out(wanted, tmp_path, None)


def test_what_is_downloaded_is_kept_and_laid_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fetch(url: str, target: Path, **_: object) -> None:
        asked.append(url)
        target.write_bytes(ROWS)

    monkeypatch.setattr(raw, "fetch", fetch)
    assert laid_out(files({"name": "a.csv"}), tmp_path, None) == {"a.csv": ROWS}
    assert asked == [URL]
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == ["a.csv"]


def test_an_archive_may_be_known_by_its_members_alone_and_a_bad_one_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [packed("zip", {"a.csv": b"other"}), packed("zip", {"a.csv": ROWS})]
    monkeypatch.setattr(raw, "fetch", lambda _, target, **__: target.write_bytes(answers.pop(0)))
    member = {"path": "a.csv", "name": "a.csv", "sha256": sha256(ROWS)}
    wanted = files({"name": "x.zip", "sha256": None, "unpack": [member]})
    with pytest.raises(DataError, match="is not the official file"):
        laid_out(wanted, tmp_path, None)
    assert list((tmp_path / "downloads").iterdir()) == []
    assert laid_out(wanted, tmp_path, None) == {"a.csv": ROWS}
    unknown = files({"name": "x.zip", "sha256": None, "unpack": ["a.csv"]})
    with pytest.raises(DataError, match="not for download"):
        laid_out(unknown, tmp_path, None)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_of_an_archive_are_laid_out_and_nothing_else(tmp_path: Path, kind: str) -> None:
    content = packed(kind, {"d/a.csv": ROWS, "d/b.csv": b"b", "../evil": b"e"})
    (tmp_path / "x.pack").write_bytes(content)
    member = {"path": "d/b.csv", "name": "b.csv", "sha256": sha256(b"b")}
    wanted = files({"name": "x.pack", "sha256": sha256(content), "unpack": ["d/a.csv", member]})
    expected = {"d/a.csv": ROWS, "b.csv": b"b"}
    assert laid_out(wanted, tmp_path, tmp_path / "x.pack") == expected
    assert laid_out(wanted, tmp_path, tmp_path) == expected


def test_a_person_may_have_unpacked_it_already(own: Path, tmp_path: Path) -> None:
    wanted = files({"name": "x.zip", "unpack": [{"path": "deep/a.csv", "name": "a.csv"}]})
    assert laid_out(wanted, tmp_path, own) == {"a.csv": ROWS}
    assert laid_out(wanted, tmp_path, own / "a.csv") == {"a.csv": ROWS}
    member = {"path": "deep/a.csv", "name": "a.csv", "sha256": sha256(b"other")}
    with pytest.raises(DataError, match="is not the official file"):
        laid_out(files({"name": "x.zip", "unpack": [member]}), tmp_path, own)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_without_its_member_is_said_so(tmp_path: Path, kind: str) -> None:
    content = packed(kind, {"other": b"o"})
    (tmp_path / "x.pack").write_bytes(content)
    wanted = files({"name": "x.pack", "sha256": sha256(content), "unpack": ["a.csv"]})
    with pytest.raises(DataError, match=r"has no readable a\.csv"):
        laid_out(wanted, tmp_path, tmp_path)


def test_a_damaged_archive_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x.pack").write_bytes(b"nothing of the kind")
    wanted = files({"name": "x.pack", "sha256": None, "unpack": ["a.csv"]})
    with pytest.raises(DataError, match=r"has no readable a\.csv"):
        laid_out(wanted, tmp_path, tmp_path)


def test_a_link_in_an_archive_leads_nowhere(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo("a.csv")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    (tmp_path / "x.tar").write_bytes(stream.getvalue())
    wanted = files({"name": "x.tar", "sha256": sha256(stream.getvalue()), "unpack": ["a.csv"]})
    with pytest.raises(DataError, match=r"has no readable a\.csv"):
        laid_out(wanted, tmp_path, tmp_path)


def test_a_folder_of_ones_own_is_used_as_it_is(own: Path, tmp_path: Path) -> None:
    wanted = files(folder="prints", page="https://example.org/prints")
    source = RawData(task="t", wanted=wanted, downloads=tmp_path / "d", chosen=own)
    with source.laid_out() as folder:
        assert folder == own
    (own / "prints").mkdir()
    with source.laid_out() as folder:
        assert folder == own / "prints"
    with pytest.raises(DataError, match="made from a folder of yours") as caught:
        laid_out(wanted, tmp_path, None)
    assert "https://example.org/prints" in caught.value.hint


def test_a_copy_of_a_folder_that_was_kept_is_used_and_open_to_others(tmp_path: Path) -> None:
    for name in ("prints", "tests"):
        kept = tmp_path / "downloads" / name / "a.csv"
        kept.parent.mkdir(parents=True)
        kept.write_bytes(ROWS)
        kept.chmod(0o600)
    wanted = files(folder="prints", page="https://example.org/prints")
    found = laid_out(wanted, tmp_path, None)
    assert found == {"prints/a.csv": ROWS, "tests/a.csv": ROWS}


# -- where they come from -----------------------------------------------------------------------


def test_a_closed_folder_is_said_so_before_a_container_fails_on_it(
    own: Path, tmp_path: Path
) -> None:
    own.chmod(0o700)
    with pytest.raises(DataError, match="closed to the user") as closed:
        laid_out(RawFiles(folder="prints", page="https://example.org"), tmp_path, own)
    assert "chmod -R a+rX" in closed.value.hint


def test_an_unpacked_folder_may_lack_what_is_optional_and_an_archive_may_not(
    own: Path, tmp_path: Path
) -> None:
    unpack = [{"path": "a.csv"}, {"path": "b.csv", "optional": True}]
    wanted = files({"name": "all.zip", "sha256": None, "unpack": unpack})
    assert laid_out(wanted, tmp_path, own) == {"a.csv": ROWS}
    (own / "a.csv").unlink()
    (own / "all.zip").write_bytes(packed("zip", {"a.csv": ROWS}))
    with pytest.raises(DataError, match=r"no readable b\.csv"):
        laid_out(wanted, tmp_path, own)


def test_the_environment_names_a_source_and_the_option_goes_before_it(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "read_raw_files", lambda _: files({"name": "a.csv"}))
    named = {raw.CHOICE: str(own)}

    def chosen(option: Path | None, environment: dict[str, str]) -> Path | None:
        found = raw.raw_data("t", tmp_path, chosen=option, environment=environment)
        assert found is not None
        return found.chosen

    assert chosen(None, {}) is None
    assert chosen(None, named) == own
    assert chosen(tmp_path, named) == tmp_path
    with pytest.raises(ConfigError, match=r"RUNNER_RAW_DATA is .*gone, which is not there"):
        chosen(None, {raw.CHOICE: str(tmp_path / "gone")})


def test_a_task_that_generates_its_data_takes_no_files(tmp_path: Path) -> None:
    named = {raw.CHOICE: str(tmp_path)}
    assert raw.raw_data("eclip", tmp_path, chosen=None, environment=named) is None
    with pytest.raises(ConfigError, match="eclip generates its data"):
        raw.raw_data("eclip", tmp_path, chosen=tmp_path)


# -- raw.yaml -----------------------------------------------------------------------------------

GOOD = f"""
files:
  - name: a.csv
    url: {URL}
    sha256: "{"0" * 64}"
    licence: CC BY 4.0
    page: https://example.org
"""


def written(tmp_path: Path, text: str) -> RawFiles | None:
    folder = tmp_path / "harness" / "tasks" / "t"
    folder.mkdir(parents=True)
    (folder / "raw.yaml").write_text(text)
    return read_raw_files("t", tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "Genève 2024/wine (1).csv"])
def test_a_good_file_is_read_whatever_its_letters(tmp_path: Path, name: str) -> None:
    found = written(tmp_path, GOOD.replace("a.csv", name, 1))
    assert found is not None
    assert [file.name for file in found.files] == [name]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("licence: CC BY 4.0", "license: CC", r"files\.0\.license", id="unknown key"),
        pytest.param("    licence: CC BY 4.0\n", "", r"files\.0\.licence", id="missing key"),
        pytest.param("0" * 64, "abc", r"files\.0\.sha256", id="short digest"),
        pytest.param(URL, "file:///etc/passwd", r"files\.0\.url", id="another kind of address"),
        pytest.param("name: a.csv", "name: ../a.csv", r"files\.0\.name", id="out of the folder"),
        pytest.param("name: a.csv", "name: /a.csv", r"files\.0\.name", id="absolute"),
        pytest.param("name: a.csv", "name: .raw-a", r"files\.0\.name", id="hidden"),
        pytest.param("files:", "files: [", r"raw\.yaml:3: is not YAML", id="not YAML"),
    ],
)
def test_a_bad_file_is_refused_by_its_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        written(tmp_path, GOOD.replace(old, new))


def test_every_raw_yaml_of_the_project_can_be_read() -> None:
    for path in (PROJECT / "harness" / "tasks").glob("*/raw.yaml"):
        assert read_raw_files(path.parent.name)


def test_a_file_that_is_wrong_in_several_places_is_told_with_three(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, "files:\n  - {name: a.csv, url: x, license: CC}\n")
    assert str(caught.value).count("files.0.") == 3
    assert str(caught.value).endswith("(and 2 more)")
