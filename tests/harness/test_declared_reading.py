"""A table of a person is read as it was meant, or it is said what cannot be: one oddity each."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable

import numpy as np
import pytest

from harness.declared import dates, metrics, schema, tables, task
from harness.declared.numbers import numbers_of
from harness.declared.schema import Score
from harness.declared.targets import Target
from harness.raw import BadRawDataError

ROWS = 120
BASE = "".join(f"{at % 40},{at * 7 % 31 / 4},{'abc'[at % 3]},{at * 5 % 7 // 3 % 2}\n"
               for at in range(ROWS))  # fmt: skip
HEADER = "age,dose,ward,sick\n"
PLAIN = HEADER + BASE


def understood(tmp_path, content, *, table="rows.csv", split=None, score=None, **data):
    """Return what is understood of a table, or what is said of it."""
    data = {"table": table, "target": "sick", "given": "columns", **data}
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / table).write_bytes(content)
    document = {"data": data, "split": split or {"folds": 2, "locked": 0.2}, "score": score or {}}
    (tmp_path / "task.yaml").write_text(json.dumps(document))
    try:
        return task.understand(tmp_path, schema.load(tmp_path / "task.yaml"))
    except BadRawDataError as error:
        return str(error)


def kinds(found):
    return {one["name"]: one["kind"] for one in found["columns"]}


def with_column(value: Callable[[int], object], name="more") -> str:
    """Return the plain table with one more column in front, its values quoted."""
    rows = BASE.splitlines()
    return f"{name},{HEADER}" + "".join(f'"{value(at)}",{row}\n' for at, row in enumerate(rows))


# -- what beside rows a file holds ----------------------------------------------------------------

AS_PLAIN = {
    "a title": ("Ward report\nExported, 2024\n\n" + PLAIN, "above the header, left out"),
    "a padded title": ("Ward report,,,\n,,,\n" + PLAIN, "line 1 ('Ward report'): above"),
    "names of groups of columns": ("Who,,Where,\n" + PLAIN, "line 1 ('Who'): above the header"),
    "a first line of other names": ("X1,X2,X3,Y\n" + PLAIN, "line 1 ('X1'): above the header"),
    "units": (HEADER + "years,mg,,\n" + BASE, "line 2 ('years'): words where the others hold"),
    "a header between rows": (PLAIN + PLAIN, "line 122 ('age'): it repeats the header"),
    "a note below": (PLAIN + "\nSource: a registry\n", "line 123 ('Source: a registry'): below"),
    "delimiters at the ends": (PLAIN.replace("\n", ",,\n") + ",,,,,\n", None),
    "a delimiter at the end of the header alone": (HEADER[:-1] + ",\n" + BASE, None),
    "lines quoted as a whole": ("".join(f'"{line}"\n' for line in PLAIN.splitlines()), None),
    "rows quoted as a whole": (HEADER + "".join(f'"{line}"\n' for line in BASE.splitlines()), None),
    "blanks between values": (PLAIN.replace(",", "   "), None),
    "old line ends": (PLAIN.replace("\n", "\r"), None),
    "blanks before quotes": (", ".join(f'"{one}"' for one in HEADER[:-1].split(",")) + "\n" + BASE,
                             None),
    "single quotes": (PLAIN.replace("a,", "'a',").replace("b,", "'b',").replace("c,", "'c',")
                      .replace("age", "'age'"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", AS_PLAIN)
def test_what_is_no_row_is_left_out_and_said(tmp_path, name):
    content, said = AS_PLAIN[name]
    found = understood(tmp_path, content)
    assert kinds(found) == {"age": "number", "dose": "number", "ward": "words", "sick": "target"}
    assert found["rows"] == (2 * ROWS if name == "a header between rows" else ROWS)
    assert [one["distinct"] for one in found["columns"]] == [40, 31, 3, 2]
    notes = [note for note in found["warnings"] if "left out" in note]
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


def test_a_table_of_two_columns_may_have_a_title_and_a_note(tmp_path):
    rows = "".join(f"{at % 40},{at % 2}\n" for at in range(ROWS))
    found = understood(tmp_path, f"Report\n# by hand, 2024\nage,sick\n{rows}Source: a registry\n")
    assert found["rows"] == ROWS
    assert [one["name"] for one in found["columns"]] == ["age", "sick"]


def test_a_first_row_that_is_nearly_empty_is_a_row_where_there_is_no_header(tmp_path):
    found = understood(tmp_path, "1,,,0\n" + BASE, target="column_4", header=False)
    assert found["rows"] == ROWS + 1


def test_a_tab_before_the_last_column_alone_does_not_cut_a_table_of_blanks(tmp_path):
    rows = "".join(f"{at}.  1{at % 7}   2  4.5\t{at % 2}\n" for at in range(ROWS))
    found = understood(tmp_path, rows, target="column_5")
    assert len(found["columns"]) == 5
    moments = "".join(
        f"2024-01-{1 + at % 28:02d} 10:{at % 60:02d} UTC\t{at % 2}\n" for at in range(ROWS)
    )
    assert kinds(understood(tmp_path, moments, target="column_2"))["column_1"] == "date"


def test_values_that_a_program_left_out_at_the_end_are_absent_and_one_short_row_is_an_error(
    tmp_path,
):
    short = "".join(f"{row[:-2] if at % 9 == 0 else row}\n" for at, row in enumerate(
        row.rpartition(",")[2] + "," + row.rpartition(",")[0] + ",x"
        for row in BASE.splitlines()))  # fmt: skip
    found = understood(tmp_path, "sick,age,dose,ward,note\n" + short)
    assert found["columns"][-1]["missing"] == pytest.approx(1 / 9, abs=0.01)
    assert "14 rows, the first in line 2, have fewer values" in found["warnings"][0]
    one = PLAIN.replace("\n1,", "\n", 1)
    assert "has 3 values, and line 1 has 4: a value is missing" in understood(tmp_path, one)


def test_a_column_without_a_name_is_called_in_a_file_as_pandas_would_call_it(tmp_path):

    content = "".join(
        f"{at - 1 if at else ''},{row}\n" for at, row in enumerate(PLAIN.splitlines())
    )
    understood(tmp_path, content, given="file")
    source = tables.read_source(tmp_path, schema.load(tmp_path / "task.yaml"), 0)
    assert source.training(np.arange(3))["rows.csv"].startswith(b"Unnamed: 0,age,dose")


def test_a_column_without_a_name_is_found_by_the_name_that_pandas_gives_it(tmp_path):
    content = "".join(
        f"{at - 1 if at else ''},{row}\n" for at, row in enumerate(PLAIN.splitlines())
    )
    found = understood(tmp_path, content, drop=["Unnamed: 0"])
    assert "no column 'Unnamed: 0'; did you mean 'column_1'?" in found


AROUND = {
    "nothing": (PLAIN, ("", "", "")),
    "a title": ("Ward report\r\n\r\n" + PLAIN, ("Ward report\n\n", "", "")),
    "another header": ("X1,X2,X3,Y\n" + PLAIN, ("X1,X2,X3,Y\n", "", "")),
    "units and a note": (HEADER + "years,mg,,\n" + BASE + "\nSource: a registry\n",
                         ("", "years,mg,,\n", "\nSource: a registry\n")),
    "what cuts values": ("sep=,\n" + PLAIN, ("sep=,\n", "", "")),
    "a header over two lines": (PLAIN.replace("dose", '"dose\nin mg"', 1), ("", "", "")),
    "blank lines at the end": (PLAIN + "\n\n", ("", "", "")),
}  # fmt: skip


def test_a_title_above_rows_without_a_header_is_left_out(tmp_path):
    for header in (None, False):
        found = understood(
            tmp_path, "|1x3 Cross validator\n" + BASE, target="column_4", header=header
        )
        assert found["rows"] == ROWS
        assert "line 1 ('|1x3 Cross validator'): above the rows, left out" in found["warnings"]


@pytest.mark.parametrize("name", AROUND)
def test_lines_that_are_no_rows_are_kept_for_code_that_skips_them(tmp_path, name):
    content, around = AROUND[name]
    understood(tmp_path, content, given="file")
    source = tables.read_source(tmp_path, schema.load(tmp_path / "task.yaml"), 0)
    assert source.around == {"rows.csv": around}
    assert len(source) == ROWS


def test_quotes_behind_backslashes_are_read_where_that_makes_rows_even(tmp_path):
    content = PLAIN.replace("a,", '"ward \\"a\\", north",')
    assert kinds(understood(tmp_path, content))["ward"] == "words"


def test_a_file_is_read_again_as_its_dialect_was_found(tmp_path):
    content = "sep=;\nA title\n" + PLAIN.replace(",", ";")
    found = understood(tmp_path, content)
    again = understood(tmp_path, content, **found["dialect"])
    assert again == found


# -- values ---------------------------------------------------------------------------------------

READ = {
    "a unit": (lambda at: f"{150 + at} cm", "number", "'269 cm' is read as 269"),
    "a unit in the plural": (lambda at: f"{at} day" + "s" * (at != 1), "number", "is read as"),
    "a plus behind": (lambda at: f"{at * 1000:,}+", "number", "is read as"),
    "thousands and millions": (lambda at: f"{at}k" if at % 2 else f"{at / 10}M", "number",
                               "'11.8M' is read as 11800000"),
    "hours": (lambda at: f"{at % 24}:30", "number", "'9:30' is read as 9.5 hours"),
    "afternoons": (lambda at: f"{1 + at % 12}:15 PM", "number", "'9:15 PM' is read as 21.25"),
    "two currencies": (lambda at: f"{'$€'[at % 2]}{at}", "currency",
                       "numbers with $ and € are read"),
    "percent and not": (lambda at: f"{at}%" if at % 2 else at / 100, "percent", "% and none"),
    "numbers too long to tell apart": (lambda at: 2**63 + at * 7 % 90, "words", None),
    "lakhs": (lambda at: f"{1 + at % 9},{10 + at % 90},{100 + at}", "number", "is read as"),
    "other currencies": (lambda at: f"R$ {at}", "currency", None),
    "a date without zeros": (lambda at: f"2024-{1 + at % 12}-{1 + at % 9}", "date", "%Y-%m-%d"),
    "months": (lambda at: f"{2000 + at}-0{1 + at % 9}", "date", "%Y-%m"),
    "two marks": (lambda at: f"{at}.5" if at % 2 else f"{at},5", "words",
                  "holds '0,5' and line 3 '1.5': marks before decimals differ"),
    "two units": (lambda at: f"{at} kg" if at % 2 else f"{at} lb", "words", "units differ"),
    "two styles of dates": (lambda at: f"2024-01-{at % 28 + 1:02d}" if at % 3 else "05/01/2024",
                            "words", "line 2 holds '05/01/2024' where 80 others are dates like"),
    "no date": (lambda at: f"2024-01-{at % 28 + 1:02d}" if at % 3 else "0000-00-00", "words",
                "--missing 0000-00-00"),
    "bounds": (lambda at: at if at % 3 else f"<{at % 5}", "number",
               "the bound '<0' is read as 0, and so are 4 other bounds"),
    "mostly bounds": (lambda at: at % 4 if at % 3 else f"> {at % 40}", "words", None),
    "quarters": (lambda at: f"{1990 + at // 4}-Q{at % 4 + 1}", "date", "read as %Y-Q%q"),
    "no quarters": (lambda at: f"{1990 + at // 5}Q{at % 5 + 1}", "words", "like %YQ%q"),
    "some with zeros before": (lambda at: f"{at * 7 % 90:03d}", "words", None),
    "houses along a street": (lambda at: f"{at}" if at % 3 else f"{at}a", "words", None),
    "tickets": (lambda at: f"{at * 7919}" if at % 2 else f"A/{at} {at}", "words", None),
    "three and more": (lambda at: f"{at % 4}" + "+" * (at % 4 == 3), "words", None),
    "999 for none": (lambda at: 999 if at % 9 == 0 else at % 30, "number",
                     "14 rows hold 999, far from the others (0 to 29); if it is an absent value"),
    "-1 for none": (lambda at: -1 if at % 9 == 0 else at % 20, "number", "--missing -1"),
    "ten times as many each time": (lambda at: 10 ** (at % 8), "number", None),
    "-200 for none": (lambda at: -200 if at % 9 == 0 else at % 30 - 5, "number", "--missing -200"),
    "accounts with nothing": (lambda at: 0 if at % 3 else 80_000 + at, "number", None),
    "numbers below 0": (lambda at: at % 20 - 2, "number", None),
    "dates that stand for none": (lambda at: f"{2024 if at % 9 else 1900}-01-{at % 28 + 1:02d}",
                                  "date", None),
    "a few zeros": (lambda at: at % 6 * (at % 7), "number", None),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_values_are_read_as_they_are_meant_and_what_a_person_would_doubt_is_said(tmp_path, name):
    value, kind, said = READ[name]
    found = understood(tmp_path, with_column(value))
    assert kinds(found)["more"] == kind
    notes = [note for note in found["warnings"] if note.startswith("column 'more'")
             and "identifier" not in note]  # fmt: skip
    assert len(notes) == (said is not None), notes
    assert said is None or said in notes[0]


@pytest.mark.parametrize(("seen", "decimal", "known"), [
    ({"3 m", "40 m"}, ".", [3, 40]),
    ({"1.5K", "2M"}, ".", [1500, 2e6]),
    ({"1,5 kg", "2 kg"}, ",", [1.5, 2]),
    ({"1:30", "0:00:36"}, ".", [1.5, 0.01]),
    ({"5-", "5"}, ".", None),
    ({"<=50K", ">50K"}, ".", None),
    ({"<20", "20", "30", "40"}, ".", None),
    ({"4a", "5b"}, ".", None),
    ({"1/2", "3"}, ".", None),
])  # fmt: skip
def test_a_columns_numbers_are_read_in_one_way_or_not_at_all(seen, decimal, known):
    found = numbers_of(seen, decimal)
    assert (found and sorted(found.known.values())) == (known and pytest.approx(sorted(known)))


MOMENT = datetime.datetime(2024, 3, 25, 9, 5, 7, tzinfo=datetime.UTC)


@pytest.mark.parametrize("form", [
    "%d.%m.%Y", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%d%b%Y", "%d%b%Y:%H:%M:%S",
    "%b %d, %Y, %I:%M %p", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %z %Y", "%A, %d %B %Y",
    "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%SZ",
    "%d/%b/%Y %H:%M:%S.%f", "%Y/%m/%d %H.%M.%S",
])  # fmt: skip
def test_a_date_is_found_in_the_format_that_it_is_written_in(form):
    written = MOMENT.strftime(form)
    found = dates.format_of({written}, None)
    assert found is not None, written
    day = MOMENT.replace(hour=0, minute=0, second=0) if "H" not in form and "I" not in form else (
        MOMENT.replace(second=0) if "%S" not in form else MOMENT)  # fmt: skip
    assert dates.moment(written, found) == day.timestamp()


def test_summer_and_winter_time_are_read_by_their_names():
    winter, summer = "25.03.2024 10:05:07 CET", "25.03.2024 11:05:07 CEST"
    form = dates.format_of({winter, summer}, None)
    assert form == "%d.%m.%Y %H:%M:%S %Z"
    assert {dates.moment(winter, form), dates.moment(summer, form)} == {MOMENT.timestamp()}
    assert dates.format_of({"25.03.2024 10:05:07 XYZ"}, None) is None


@pytest.mark.parametrize(("written", "day"), [
    ("2021Q3", "2021-07-01"), ("2021-Q1", "2021-01-01"), ("Q4 2021", "2021-10-01"),
    ("2021-W05", "2021-02-01"), ("2020W53", "2020-12-28"),
])  # fmt: skip
def test_quarters_and_weeks_are_their_first_day(written, day):
    form = dates.format_of({written}, None)
    assert form is not None
    expected = datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC)
    assert dates.moment(written, form) == expected.timestamp()
    assert dates.format_of({"2021Q5"}, None) is None


def test_that_days_and_months_may_be_changed_over_is_said_of_what_orders_the_rows_too(tmp_path):
    content = with_column(lambda at: f"{1 + at % 12:02d}/{1 + at // 12:02d}/2024", "day")
    found = understood(tmp_path, content, split={"by": "time", "column": "day"})
    assert any("%m/%d/%Y fits too (--date-format)" in note for note in found["warnings"])


def test_commas_before_three_digits_are_no_decimals_where_small_numbers_have_none(tmp_path):
    rows = "".join(f"{400 + at * 37:,};{at % 2}\n" for at in range(ROWS))
    found = understood(tmp_path, "income;sick\n" + rows)
    assert found["dialect"]["decimal"] == "."
    assert any("'1,029' is read as 1029" in note for note in found["warnings"])


def test_what_a_person_names_as_missing_adds_to_the_usual_marks(tmp_path):
    content = with_column(lambda at: {0: "NA", 1: "lost", 2: "999.0"}.get(at % 10, at % 30))
    shares = {}
    for missing in (["lost", "999"], ["lost", "999", ""]):
        found = understood(tmp_path, content, missing=missing)
        shares[len(missing)] = next(one for one in found["columns"] if one["name"] == "more")
    assert shares[2]["kind"] == "number"
    assert shares[2]["missing"] == pytest.approx(0.3)
    assert shares[3]["kind"] == "words"  # an empty one puts them in place of the usual marks
    assert shares[3]["missing"] == pytest.approx(0.2)


# -- the target -----------------------------------------------------------------------------------


def amounts(value: Callable[[int], object]) -> str:
    return "size,sick\n" + "".join(f"{at % 37},{value(at)}\n" for at in range(ROWS))


TARGETS = {
    "a unit": (lambda at: f"{at / 8} kg", "regression"),
    "a mark for none": (lambda at: "-" if at == 9 else at / 8,
                        "line 11 has no value ('-'): --drop-missing-target"),
    "a word": (lambda at: "lost" if at == 9 else at / 8,
               "line 11 holds 'lost' where 119 others are numbers; if it is an absent value: "
               "--missing lost --drop-missing-target"),
    "none as a class": (lambda at: ["none", "mild", "severe"][at % 3], "multi-class"),
    "a point behind": (lambda at: ["<=50K", ">50K", "<=50K."][at % 3], "binary"),
    "one rare class of numbers": (lambda at: 9 if at == 4 else at % 3, "(--kind regression)"),
    "several rare classes": (lambda at: f"rare{at}" if at < 3 else "ab"[at % 2],
                             "(classes as rare: 'rare0', 'rare1', 'rare2'): take them out, or"),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_understood_or_refused_with_what_to_type(tmp_path, name):
    value, said = TARGETS[name]
    found = understood(tmp_path, amounts(value))
    assert said in (found if isinstance(found, str) else found["kind"])


def test_a_few_rows_that_weigh_more_than_all_others_are_said(tmp_path):
    found = understood(tmp_path, amounts(lambda at: 10**9 if at == 70 else at * 1.5))
    assert any("most extreme rows weigh more" in note for note in found["warnings"])
    found = understood(tmp_path, amounts(lambda at: at * 1.5))
    assert not any("most extreme rows" in note for note in found["warnings"])


@pytest.mark.parametrize(("said", "classes", "positive"), [
    (True, ("yes", "no"), "yes"), (False, ("yes", "no"), "no"), (1, ("1.0", "2.0"), "1.0"),
    ("0", ("0", "1"), "0"), ("NO", ("yes", "no"), "no"),
])  # fmt: skip
def test_the_positive_class_is_found_as_yaml_gives_it(tmp_path, said, classes, positive):
    content = amounts(lambda at: classes[at * 5 % 7 % 2])
    assert understood(tmp_path, content, score={"positive": said})["positive"] == positive


def test_a_declaration_may_name_columns_and_absent_values_by_numbers(tmp_path):
    content = with_column(lambda at: "999" if at % 9 == 0 else at % 30, "2021").replace("sick", "7")
    found = understood(tmp_path, content, target=7, missing=[999])
    assert next(one for one in found["columns"] if one["name"] == "2021")["missing"] > 0.1


# -- what spoils a measurement --------------------------------------------------------------------

TOLD = {
    "a code of three classes": (lambda _, y: f"K{y * 7}", "multi-class", True),
    "numbers in another order": (lambda at, y: y * 2 % 3 * 10 + at % 5, "multi-class", True),
    "two of three classes": (lambda _, y: int(y == 0), "multi-class", False),
    "a logarithm": (lambda _, y: f"{np.log(y):.6f}", "regression", True),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_a_column_that_gives_the_target_away_is_found_whatever_its_shape(tmp_path, name):
    value, kind, told = TOLD[name]
    draw = np.random.default_rng(2)
    targets = [int(draw.integers(3)) if kind == "multi-class"
               else float(np.exp(2 * draw.normal())) for _ in range(ROWS)]  # fmt: skip
    rows = "".join(f"{at % 11},{value(at, y)},{y}\n" for at, y in enumerate(targets))
    found = understood(tmp_path, "age,more,sick\n" + rows, score={"kind": kind})
    assert any("'more' gives the target away" in note for note in found["warnings"]) == told


COLUMNS = {
    "patient_id": (lambda at: f"P{at // 4}", "if rows of one patient_id belong together, --group"),
    "userId": (lambda at: at // 6, "if rows of one userId belong together"),
    "paid": (lambda at: at // 6, None),
    "CustomerId": (lambda at: 10**7 + at * 7919 % 10007, "a number of its own in every row"),
    "Unnamed: 0": (lambda at: at * 7 % ROWS, "numbers the rows: no model gets it"),
    "age_again": (lambda at: at % 40 + 1, "as 'age_again', row by row: one of them will do"),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_are_no_features_are_named_with_what_to_type(tmp_path, name):
    value, said = COLUMNS[name]
    found = understood(tmp_path, with_column(value, name))
    words = ("belong", "own in every row", "numbers the rows", "row by row")
    notes = [note for note in found["warnings"] if any(word in note for word in words)]
    assert len(notes) == (said is not None), notes
    assert said is None or said in notes[0]


@pytest.mark.parametrize("name", ["<age>", "[age]", "{age}"])
def test_a_name_in_brackets_is_no_other_format(tmp_path, name):
    assert name in kinds(understood(tmp_path, PLAIN.replace("age", name)))


@pytest.mark.parametrize(("metric", "said"), [
    ("rmsle", "goes down to -1: --metric rmse"), ("mape", "which is 0 in 1 rows: --metric mae"),
])  # fmt: skip
def test_a_metric_that_says_nothing_of_such_a_target_is_refused(tmp_path, metric, said):
    content = amounts(lambda at: at / 4 - 1)
    assert said in understood(tmp_path, content, score={"metric": metric})


def test_the_largest_error_is_of_one_number_a_row():
    target = Target(kind="regression", why="", values=np.zeros((3, 2)), classes=())
    with pytest.raises(BadRawDataError, match="max_error is of one number a row"):
        metrics.check_values(metrics.chosen("regression", Score(metric="max_error"))[0], target)


def test_the_same_is_said_of_many_columns_once(tmp_path):
    names = ",".join(f"c{number}" for number in range(9))
    rows = "".join(f"{'1,' * 9}{row}\n" for row in BASE.splitlines())
    found = understood(tmp_path, f"{names},{HEADER}{rows}")
    notes = [note for note in found["warnings"] if "constant" in note]
    assert notes == ["columns 'c0', 'c1', 'c2', 'c3', 'c4' and 4 more are constant: they tell "
                     "nothing"]  # fmt: skip


# -- other files ----------------------------------------------------------------------------------

FILES = {
    b"BZh91AY": "packed with bzip2",
    b"@relation iris\n@data\n1,2\n": "ARFF of Weka",
    b'[{"age": 1}]': "this is JSON",
    b"<html>": "a page or XML",
    b"\x80\x04\x95": "a pickle",
    PLAIN.encode() + "Zürich,1,a,1\n".encode("latin-1"): "has one",
    (HEADER + "Zürich,1,a,1\n" * 60).encode() + "Zürich,1,a,0\n".encode("latin-1"):
        "line 62 is not UTF-8, and the rest is",
    (PLAIN + '3,4,"a,1\n' + BASE).encode(): "a quotation mark in it is never closed",
    b"age,sick\n" + b"1,0\n1,1\n" * 40: "no column is left to predict from",
}  # fmt: skip


@pytest.mark.parametrize("content", FILES, ids=FILES.values())
def test_what_is_no_such_table_gets_its_sentence(tmp_path, content):
    found = understood(tmp_path, content)
    said = FILES[content]
    if said == "has one":  # a single odd line says nothing of the encoding of the others
        assert found["dialect"]["encoding"] == "cp1252"
    else:
        assert said in found


def test_parquets_own_types_are_read_and_a_column_of_lists_can_be_dropped(tmp_path):
    import pyarrow
    from pyarrow import parquet

    place = range(ROWS)
    columns = {
        "seen": pyarrow.array([1_700_000_000_123_456_789 + at * 10**12 for at in place],
                              pyarrow.timestamp("ns", "UTC")),
        "took": pyarrow.array([at * 10**9 for at in place], pyarrow.duration("ns")),
        "hour": pyarrow.array([datetime.time(at % 24, 30) for at in place]),
        "ward": pyarrow.array(["ab"[at * 3 % 7 % 2] for at in place]).dictionary_encode(),
        "sick": pyarrow.array([at % 2 == 0 for at in place]),
        "tags": pyarrow.array([["x"]] * ROWS),
    }  # fmt: skip
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), stream)
    said = understood(tmp_path, stream.getvalue(), table="rows.parquet")
    assert "column 'tags' holds list" in said
    assert said.endswith("--drop tags")
    found = understood(tmp_path, stream.getvalue(), table="rows.parquet", drop=["tags"])
    assert kinds(found) == {"seen": "date", "took": "number", "hour": "number", "ward": "words",
                            "sick": "target", "tags": "dropped"}  # fmt: skip
