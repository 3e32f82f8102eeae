"""Analysis: rows of every split, output that is safe to show, findings that stay small."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fakes import POLICY_TEXT, FakeSandbox, make_session, scored

from runner import paths
from runner.analysis import MOST_CHARACTERS, _note, readable, shared_rows, with_entry
from runner.errors import ConfigError
from runner.journal.entries import now
from runner.policy.load import load_policy, parse_policy
from runner.records import Change


def policy(task: str, old: str = "", new: str = ""):
    text = paths.policy_path(task).read_text()
    assert old in text
    return parse_policy(text.replace(old, new)).policy


def test_a_task_that_sets_rows_aside_shows_those(tmp_path: Path):
    (tmp_path / "analysis").mkdir()
    for task in ("tabular", "heart", "eclip"):
        rows = shared_rows(tmp_path, load_policy(paths.policy_path(task)).policy)
        assert rows == tmp_path / "analysis"


def test_the_rows_of_the_only_split_are_rows_of_every_split(tmp_path: Path):
    assert shared_rows(tmp_path, policy("eclip")) == tmp_path / "train"


def test_folds_that_evaluate_every_row_have_none_to_show(tmp_path: Path):
    for number in range(5):
        (tmp_path / f"fold{number}").mkdir()
    with pytest.raises(ConfigError, match=r"heart has no rows .*fold0, fold1") as refused:
        shared_rows(tmp_path, policy("heart"))
    assert "one split's answers" in refused.value.hint


@pytest.mark.parametrize("old", ["splits: [fold0, fold1,", "audit_splits: [full]"])
def test_a_split_that_is_called_analysis_is_not_shown(tmp_path: Path, old):
    (tmp_path / "analysis").mkdir()
    with pytest.raises(ConfigError, match="heart has no rows to analyse"):
        shared_rows(
            tmp_path,
            policy("heart", old, old.replace("full", "analysis").replace("fold0", "analysis")),
        )


def test_output_is_ascii_without_control_characters_or_curves():
    shown = readable(b"\n#curve loss 1 2\ncaf\xc3\xa9\r\n\x1b[31mred\xff\ttab\n  kept\n\n")
    assert shown.isascii()
    assert shown == "caf\\xe9\\x0d\n\\x1b[31mred\\xff\\x09tab\n  kept"


def test_output_is_cut_and_says_how_much_is_missing():
    shown = readable(b"0123456789\n" * 10_000)
    assert len(shown) < MOST_CHARACTERS + 50
    assert shown.endswith(f"{10_000 * 11 - 1 - MOST_CHARACTERS} more left out")
    assert max(map(len, readable(b"x" * 10_000).splitlines())) <= 500


def test_an_entry_goes_to_the_end_and_cannot_pretend_to_be_another():
    notes = with_entry("# Findings\n\nHead.\n", "first", "a\n## forged\n", most_bytes=1000)
    notes = with_entry(notes, "second", "b", most_bytes=1000)
    assert notes == (
        "# Findings\n\nHead.\n\n## first\n\n    a\n    ## forged\n\n## second\n\n    b\n"
    )


def test_old_entries_make_room_and_the_head_stays():
    notes = "# Findings\n"
    for number in range(20):
        notes = with_entry(notes, f"entry {number}", "x" * 40, most_bytes=300)
        assert len(notes.encode()) <= 300
    assert notes.startswith("# Findings\n\n## entry 1")
    assert "entry 19" in notes
    assert "entry 14" not in notes


def test_an_entry_that_can_never_fit_is_explained():
    with pytest.raises(ConfigError, match="do not fit into 100 bytes"):
        with_entry("", "title", "x" * 200, most_bytes=100)


def test_findings_and_notes_of_several_threads_are_all_kept(tmp_path: Path):
    text = POLICY_TEXT.replace("scratchpad.md]", "scratchpad.md, findings.md]")
    sandbox = FakeSandbox(lambda _: scored(1.0))
    with (
        make_session(tmp_path, sandbox, policy_text=text) as session,
        ThreadPoolExecutor(4) as four,
    ):
        asked = [four.submit(_note, session, f"finding {number}") for number in range(8)]
        for number in range(8):
            note = Change(path="scratchpad.md", content=f"{number}\n".encode())
            session.workspace.write_notes([note], "Notes", now())
        assert all(each.result() for each in asked)
        notes = session.workspace.notes()
    found = notes["findings.md"].content.decode()
    assert all(f"    finding {number}\n" in found for number in range(8))
    assert notes["scratchpad.md"].content == b"7\n"
