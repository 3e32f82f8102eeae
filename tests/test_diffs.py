"""A diff as two columns has a size, whatever an agent wrote."""

from __future__ import annotations

import time

from runner.views import diffs


def diff_of(name: str, lines: int, line: str) -> str:
    head = f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n"
    return f"{head}@@ -0,0 +1,{lines} @@\n" + f"+{line}\n" * lines


def page_bytes(files: list[diffs.FileDiff]) -> int:
    sides = [side for file in files for row in file.rows for side in (row.old, row.new) if side]
    rows = sum(len(file.rows) for file in files)
    return rows * diffs.ROW_BYTES + sum(len(side.html.encode()) for side in sides)


def test_rows_take_no_more_than_there_is_room_for_and_what_is_cut_off_is_said():
    text = diff_of("a.py", 100, "x = 1") + diff_of("b.py", 100, "y = 2") + diff_of("c.py", 1, "z")
    whole, _ = diffs.parsed(text)
    assert [len(file.rows) for file in whole] == [100, 100, 1]
    assert {file.note for file in whole} == {""}
    first, second, third = diffs.parsed(text, page_bytes(whole[:1]) * 3 // 2)[0]
    assert len(first.rows) == 100
    assert 40 < len(second.rows) < 60
    assert second.note == f"{100 - len(second.rows)} more rows are not shown"
    assert (third.rows, third.added) == ((), 1)
    assert "its rows are not shown" in third.note


def test_what_turns_into_the_most_text_stays_small_and_takes_no_long_time():
    """Each of these characters becomes several on the page, and there may be many such files."""
    text = "".join(diff_of(f"f{number}.py", 250, "<[&]>" * 80) for number in range(50))
    began = time.monotonic()
    files, left_out = diffs.parsed(text)
    assert time.monotonic() - began < 20
    assert page_bytes(files) <= diffs.MOST_BYTES
    assert (len(files), left_out) == (50, 0)
    assert sum(file.added for file in files) == 50 * 250


def test_letters_of_several_bytes_are_counted_as_such():
    text = "".join(diff_of(f"f{number}.txt", 400, "\u6f22" * 480) for number in range(10))
    files, _ = diffs.parsed(text)
    assert page_bytes(files) <= diffs.MOST_BYTES
