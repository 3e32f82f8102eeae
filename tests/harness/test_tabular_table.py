"""A CSV file becomes numbers, words and a target, or a message with the column and the line."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest

from harness.tasks.tabular.table import (
    BadTableError,
    Description,
    Table,
    read_description,
    read_table,
)

CSV = """day,age,job,y
2024-01-01,30,cook,no
2024-01-02,,"baker, sweet",yes
2024-01-02,41.5,?,no
2024-01-04,7,café,yes
"""
PLAIN = Description(file="x.csv", target="y")
TIMED = Description(file="x.csv", target="y", time="day")


def table(text: str = CSV, description: Description = TIMED) -> Table:
    return read_table(text.encode(), description)


def complaint(text: str | bytes, description: Description = PLAIN) -> str:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(BadTableError) as bad:
        read_table(content, description)
    return str(bad.value)


def test_types_are_found_and_missing_values_kept_as_such():
    found = table()
    assert found.number_names == ("age",)
    assert found.word_names == ("job",)
    assert np.array_equal(found.numbers, [[30], [np.nan], [41.5], [7]], equal_nan=True)
    assert [word.decode() for word in found.words[:, 0]] == ["cook", "baker, sweet", "", "café"]
    assert found.targets.tolist() == [0, 1, 0, 1]


def test_time_orders_and_is_no_feature():
    found = table()
    assert found.times is not None
    assert np.diff(found.times).tolist() == [86400, 0, 2 * 86400]
    assert "day" not in (*found.number_names, *found.word_names)


def test_neither_target_nor_id_nor_what_is_dropped_is_a_feature():
    found = table(description=Description(file="x.csv", target="y", id="age", drop=("day",)))
    assert (found.number_names, found.word_names) == ((), ("job",))
    assert found.numbers.shape == (4, 0)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        pytest.param(["1", "2e3", "-4."], "number", id="numbers"),
        pytest.param(["1", "NA", ""], "number", id="numbers with gaps"),
        pytest.param(["1", "inf", "2"], "word", id="infinity is no number"),
        pytest.param(["1", "2", "3 kg"], "word", id="a unit makes words"),
        pytest.param(["", "", ""], "number", id="nothing at all"),
    ],
)
def test_a_column_is_of_numbers_if_every_value_is_one(values, kind):
    rows = "".join(f"{value},{number % 2}\n" for number, value in enumerate(values))
    found = read_table(f"x,y\n{rows}".encode(), PLAIN)
    assert ("number" if found.number_names else "word") == kind


def test_another_delimiter_quotes_windows_lines_and_a_byte_order_mark_are_read():
    text = '\ufeff"age";"y"\r\n"1";"a"\r\n"2";"b"\r\n\r\n'
    found = read_table(text.encode(), Description(file="x", target="y", delimiter=";"))
    assert found.numbers[:, 0].tolist() == [1, 2]
    assert found.targets.tolist() == [0, 1]


def test_the_positive_class_can_be_named():
    description = Description(file="x", target="y", positive="no", drop=("day",))
    assert table(description=description).targets.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "the file is empty", id="empty"),
        pytest.param("age,y\n", "the file has no rows", id="no rows"),
        pytest.param("age;y\n1;0\n", "is it the delimiter?", id="another delimiter"),
        pytest.param("age,z\n1,0\n", "no column 'y'; the file has age, z", id="no such column"),
        pytest.param("y,,x\n1,1,1\n", "column 2 of the header has no name", id="no name"),
        pytest.param("y,x,x\n1,1,1\n", "names the column 'x' twice", id="twice"),
        pytest.param("x,y\n1,0\n1,2,3\n", "line 3 has 3 values and the header 2", id="ragged"),
        pytest.param(b"x,y\nsalut,0\ncaf\xe9,1\n", "line 3 is not UTF-8", id="encoding"),
        pytest.param(
            "x,y\n1,0\n1,0\n", "'y' has one class only: every row holds '0'", id="one class"
        ),
        pytest.param("x,y\n1,0\n1,\n1,1\n", "'y': line 3 has no value", id="no target"),
        pytest.param("x,y\n1,0\n1,1\n1,2\n", "holds 3, '2' in line 4", id="three classes"),
        pytest.param(f"x,y\n{'a' * 201},0\nb,1\n", "'x': line 2 holds 201 bytes", id="long text"),
    ],
)
def test_a_bad_file_is_explained(text, said):
    assert said in complaint(text)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        pytest.param(["2024-01-02", "2024-01-01"], "line 3 (2024-01-01) is earlier", id="unsorted"),
        pytest.param(["2024-01-02", "soon"], "line 3 holds 'soon'", id="unparsable"),
        pytest.param(["2024-13-02", "2025-01-01"], "line 2 holds '2024-13-02'", id="no such month"),
        pytest.param(["1", "nan"], "line 3 holds 'nan'", id="not a number"),
        pytest.param(["1", ""], "line 3 holds ''", id="absent"),
    ],
)
def test_a_bad_time_is_explained(times, said):
    text = "day,x,y\n" + "".join(f"{time},1,{number}\n" for number, time in enumerate(times))
    message = complaint(text, TIMED)
    assert message.startswith("column 'day'")
    assert said in message


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(["1", "2.5"], id="numbers"),
        pytest.param(["2024-01-01", "2024-01-01T00:00:01"], id="dates without a zone"),
        pytest.param(["2024-01-01T00:00+02:00", "2023-12-31T23:00Z"], id="dates with zones"),
    ],
)
def test_good_times_ascend(times):
    text = "day,x,y\n" + "".join(f"{time},1,{number}\n" for number, time in enumerate(times))
    assert np.diff(read_table(text.encode(), TIMED).times) > 0


def test_duplicate_ids_are_explained():
    description = Description(file="x", target="y", id="id")
    said = complaint("id,x,y\n7,1,0\n8,1,1\n7,1,0\n", description)
    assert said == "column 'id': line 4 repeats '7', which line 2 has"


def test_a_target_that_never_occurs_is_explained():
    description = Description(file="x", target="y", positive="yes")
    assert "never holds 'yes'" in complaint("x,y\n1,0\n1,1\n", description)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        pytest.param({"file": "x", "target": "y", "tine": "t"}, "unknown key 'tine'", id="unknown"),
        pytest.param({"file": "x"}, "the key 'target' is missing", id="missing"),
    ],
)
def test_a_bad_description_is_explained(tmp_path, keys, said):
    path = tmp_path / "columns.json"
    path.write_text(json.dumps(keys))
    with pytest.raises(BadTableError, match=said):
        read_description(path)


@pytest.mark.parametrize("size", [131_072, 131_073, 3_000_000])
def test_a_field_of_any_size_is_read_where_its_column_is_dropped_and_explained_elsewhere(size):
    """Python's own reader stops at 131,072 characters."""
    text = f'note,age,sick\n"{"x" * size}",50,yes\nb,60,no\n'.encode()
    dropped = Description(file="rows.csv", target="sick", drop=("note",))
    assert read_table(text, dropped).number_names == ("age",)
    with pytest.raises(BadTableError, match=f"'note': line 2 holds {size} bytes"):
        read_table(text, Description(file="rows.csv", target="sick"))


@pytest.mark.parametrize("line", ["a\rb,1,no", '"open,1,no', "\0,1,no", '"a"b,1,no'])
def test_what_the_reader_cannot_read_is_explained_too(line):
    text = f"note,age,sick\na,50,yes\n{line}\n".encode()
    with suppress(BadTableError):
        read_table(text, Description(file="rows.csv", target="sick"))
