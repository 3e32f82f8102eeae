from __future__ import annotations

import zlib
from dataclasses import replace

import pytest

from runner.journal.entries import (
    GENESIS,
    LONG,
    MOST_BYTES,
    Entry,
    Head,
    Kind,
    as_row,
    broken,
    following,
    of_row,
)


def written(*documents: dict[str, object]) -> list[Entry]:
    head, entries = Head(), []
    for document in documents:
        entry = following(head, run="t1", at="then", kind=Kind.NOTED, document=document)
        head = Head(seq=entry.seq, chain=entry.chain)
        entries.append(entry)
    return entries


THREE = written({"a": 1.5}, {"b": None}, {"c": [1, "x"]})


def test_the_first_entry_follows_nothing_and_each_the_one_before() -> None:
    assert Head() == Head(seq=0, chain=GENESIS)
    assert [entry.seq for entry in THREE] == [1, 2, 3]
    assert list(broken(THREE)) == []


def test_the_same_values_make_the_same_link() -> None:
    assert written({"b": 2, "a": 1}) == written({"a": 1, "b": 2})


@pytest.mark.parametrize(
    "change",
    [
        {"run": "t2"},
        {"seq": 3},
        {"at": "later"},
        {"kind": "decided"},
        {"body": '{"b":0}'},
        {"body": '{"b": null}'},
        {"chain": "0" * 64},
    ],
)
def test_any_other_value_breaks_the_link(change: dict[str, object]) -> None:
    changed = replace(THREE[1], **change)
    assert changed in list(broken([THREE[0], changed, THREE[2]]))


@pytest.mark.parametrize("gone", [0, 1])
def test_an_entry_that_is_missing_breaks_the_one_after_it(gone: int) -> None:
    left = [entry for entry in THREE if entry is not THREE[gone]]
    assert list(broken(left)) == [THREE[gone + 1]]


def test_entries_in_another_order_break() -> None:
    assert list(broken([THREE[1], THREE[0], THREE[2]]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_never_becomes_an_entry(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        written({"a": value})


# -- as rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "x" * LONG, "x" * 100_000, "b\u00fchne \ud800" * 100])
def test_an_entry_comes_back_from_its_row_as_it_was(text: str) -> None:
    entries = written({"a": text}, {"b": text})
    rows = [as_row(entry) for entry in entries]
    assert [of_row(row) for row in rows] == entries
    assert not list(broken(map(of_row, rows)))
    longest = max(len(str(entry.body)) for entry in entries)
    assert all(isinstance(row["body"], bytes) == (longest >= LONG) for row in rows)


def test_a_long_body_is_stored_in_less() -> None:
    points = [[float(step), round(4 - step / 50, 3)] for step in range(100)]
    [entry] = written({"curves": [{"name": "loss", "points": points}]})
    assert len(as_row(entry)["body"]) < len(entry.body) / 2


def bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(b"x" * (MOST_BYTES + 1)) + packer.flush()


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"{}", bomb(), 7, "{"])
def test_a_body_that_nobody_packed_breaks_the_chain_and_nothing_else(body: object) -> None:
    rows = [as_row(entry) for entry in THREE]
    rows[1] |= {"body": body}
    found = [of_row(row) for row in rows]
    assert list(broken(found)) == [found[1]]
    assert len(found[1].body) <= MOST_BYTES
