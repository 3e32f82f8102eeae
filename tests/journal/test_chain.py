from __future__ import annotations

from dataclasses import replace

import pytest

from runner.journal.entries import GENESIS, Entry, Head, Kind, broken, following


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
