"""Tables as people have them: each with what is understood of it, or the sentence that it gets.

They are made here, small, by one seed, in the styles of real exports. `CASES` is data: a test runs
`runner new-task NAME --csv FILE OPTIONS` on each, and a bench prints what became of them.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

ROWS = 200
Row = Sequence[object]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One table, and what `new-task` says of it."""

    name: str
    content: Callable[[], bytes]
    options: tuple[str, ...] = ("--target", "sick")
    says: tuple[str, ...] = ()
    """What is printed of a table that becomes a task; else the sentence of the refusal."""
    refused: bool = False
    file: str = "table.csv"


def patients(rows: int = ROWS, seed: int = 3) -> list[list[object]]:
    """Return age, weight, ward and whether sick, which the first two tell in part."""
    draw = np.random.default_rng(seed)
    found: list[list[object]] = []
    for _ in range(rows):
        sick = bool(draw.random() < 0.4)
        age = round(float(50 + 12 * sick + 9 * draw.normal()), 1)
        weight = round(float(70 + 14 * draw.normal()), 2)
        found.append([age, weight, str(draw.choice(list("abc"))), "yes" if sick else "no"])
    return found


HEADER = ("age", "weight", "ward", "sick")


def text(
    header: Iterable[object] | None, rows: Iterable[Row], *, delimiter: str = ",", end: str = "\n"
) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end)
    if header is not None:
        writer.writerow(list(header))
    writer.writerows(rows)
    return stream.getvalue()


def table(
    header: Iterable[object] | None, rows: Iterable[Row], encoding: str = "utf-8",
    delimiter: str = ",",
) -> bytes:  # fmt: skip
    return text(header, rows, delimiter=delimiter).encode(encoding)


def plain() -> bytes:
    return table(HEADER, patients())


def with_column(name: str, value: Callable[[int, Row], object]) -> bytes:
    """Return patients with one more column in front."""
    return table((name, *HEADER), [[value(at, row), *row] for at, row in enumerate(patients())])


def with_sick(value: Callable[[int, Row], object]) -> bytes:
    """Return patients with another target."""
    return table(HEADER, [[*row[:3], value(at, row)] for at, row in enumerate(patients())])


def comma(value: object, places: int = 2) -> str:
    return f"{value:,.{places}f}".replace(",", "_").replace(".", ",").replace("_", ".")


def decimal_commas() -> bytes:
    rows = [[comma(row[0], 1), comma(1000 * float(str(row[1]))), *row[2:]] for row in patients()]
    return table(HEADER, rows, delimiter=";")


def western() -> bytes:
    rows = [[*row[:2], {"a": "Zürich", "b": "Genève", "c": "Bern"}[str(row[2])], row[3]]
            for row in patients()]  # fmt: skip
    return table(("âge", "weight", "ville", "sick"), rows, encoding="latin-1")


def day(at: int) -> tuple[int, int, int]:
    """Return year, month and day; three rows a day, through one and a half years."""
    moment = np.datetime64("2023-01-05") + at * 2
    year, month, number = str(moment).split("-")
    return int(year), int(month), int(number)


def iso(at: int, _: Row) -> str:
    return "{:04d}-{:02d}-{:02d}".format(*day(at))


def day_first(at: int, _: Row) -> str:
    year, month, number = day(at)
    return f"{number:02d}.{month:02d}.{year}"


def unclear_day(at: int, _: Row) -> str:
    return f"{1 + at * 12 // ROWS:02d}/{1 + at % 12:02d}/2024"


def zoned(at: int, row: Row) -> str:
    return f"{iso(at, row)}T{at % 24:02d}:15:00+0{at % 3}:00"


def wine() -> bytes:
    draw = np.random.default_rng(5)
    rows = []
    for _ in range(3 * ROWS):  # as many of each class as another table has of two
        kind = int(draw.integers(0, 3))
        rows.append([f"{kind + draw.normal():.2f}", f"{draw.normal():.2f}", "xyz"[kind]])
    return table(("sugar", "acid", "grape"), rows)


def houses(*, outlier: bool = False) -> bytes:
    draw = np.random.default_rng(6)
    rows: list[list[object]] = []
    for at in range(ROWS):
        size = float(draw.uniform(30, 200))
        price = 2000 * size + 20_000 * float(draw.normal())
        if outlier and at % 50 == 7:
            price *= 1000
        rows.append([f"{size:.0f}", str(draw.choice(["flat", "house"])), f"${price:,.2f}"])
    return table(("size", "kind", "price"), rows)


def percents() -> bytes:
    return with_column("share", lambda at, _: f"{(at * 37) % 100} %")


def reviews(size: int = 12) -> bytes:
    draw = np.random.default_rng(7)
    good, bad = ["great", "lovely", "warm", "kind"], ["poor", "cold", "rude", "dirty"]
    rows = []
    for at in range(ROWS):
        liked = bool(draw.random() < 0.5)
        words = [str(draw.choice(good if liked else bad))]
        words += [
            str(draw.choice(["room", "staff", "the", "a", "of", "view"])) for _ in range(size)
        ]
        rows.append([" ".join(words), at % 5 + round(float(draw.random()), 3), int(liked)])
    return table(("review", "stars", "liked"), rows)


def quoted_newlines() -> bytes:
    rows = [[*row[:2], f'ward "{row[2]}",\nsecond floor', row[3]] for row in patients()]
    return table(HEADER, rows)


def a_long_field() -> bytes:
    rows = [list(row) for row in patients()]
    rows[17][2] = "lorem ipsum dolor " * 11_500
    return table(HEADER, rows)


def wide() -> bytes:
    draw = np.random.default_rng(8)
    names = [f"gene{number}" for number in range(300)]
    rows = [[*(f"{value:.3f}" for value in draw.normal(size=300)), at % 2] for at in range(120)]
    return table((*names, "sick"), rows)


def groups() -> bytes:
    draw = np.random.default_rng(9)
    rows = []
    for person in range(60):
        sick = int(draw.random() < 0.5)
        rows += [[f"P{person:03d}", f"{50 + 8 * sick + draw.normal():.2f}", sick] for _ in range(4)]
    return table(("person", "pulse", "sick"), rows)


def twins() -> bytes:
    return table(HEADER, [row for row in patients(120) for _ in range(2)])


def a_rare_class() -> bytes:
    return with_sick(lambda at, row: "maybe" if at in (20, 150) else row[3])


def parquet() -> bytes:
    import pyarrow
    from pyarrow import parquet

    rows = patients()
    columns: dict[str, list[object]] = {
        name: [row[place] for row in rows] for place, name in enumerate(HEADER)
    }
    columns["seen"] = [date(2024, 1, 1) + timedelta(days=at) for at in range(len(rows))]
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def several(at: int, row: Row) -> str:
    """Return one to three labels, of which the last tells something of the row."""
    return "|".join(["sweet"] * (at % 2) + ["dry"] * (at % 3 == 0) + [f"from {row[2]}"])


def labels() -> bytes:
    draw = np.random.default_rng(10)
    rows = []
    for _ in range(ROWS):
        a, b = draw.normal(size=2)
        rows.append([f"{a:.3f}", f"{b:.3f}", int(a > 0), int(a + b > 0.5), int(b > 0)])
    return table(("a", "b", "red", "round", "sweet"), rows)


def a_bad_line() -> bytes:
    lines = plain().decode().splitlines()
    lines[41] += ",one more"
    return "\n".join(lines).encode()


def a_bad_date() -> bytes:
    return with_column("day", lambda at, row: "soon" if at == 99 else iso(at, row))


CASES = (
    Case(name="plain", content=plain, says=("binary", "positive  yes", "ward    words",
         "roc_auc (sklearn.metrics.roc_auc_score), maximize")),
    Case(name="semicolons and decimal commas", content=decimal_commas,
         says=("';' between values", "decimal comma", "weight  number")),
    Case(name="latin-1", content=western, says=("cp1252", "âge     number", "ville   words")),
    Case(name="utf-16", content=lambda: table(HEADER, patients(), encoding="utf-16"),
         says=("utf-16", "age     number")),
    Case(name="a mark at the beginning", content=lambda: table(HEADER, patients(), "utf-8-sig"),
         says=("utf-8-sig", "age     number")),
    Case(name="tabs", content=lambda: table(HEADER, patients(), delimiter="\t"),
         says=("tab between values",)),
    Case(name="sep line of a spreadsheet", content=lambda: b"sep=;\n" + table(
         HEADER, patients(), delimiter=";"), says=("';' between values", "age     number")),
    Case(name="no header", content=lambda: table(None, patients()), refused=True,
         says=("there is no column 'sick', and line 1", "--no-header --target column_4")),
    Case(name="no header, said", content=lambda: table(None, patients()),
         options=("--target", "column_4", "--no-header"), says=("no header", "column_3  words")),
    Case(name="no header, found", content=lambda: table(None, patients()),
         options=("--target", "column_4"), says=("line 1 holds values, so there is no header",)),
    Case(name="an unnamed index", content=lambda: with_column("", lambda at, _: at),
         says=("column 1 of the header has no name: it is called column_1",
               "'column_1' numbers the rows: no model gets it")),
    Case(name="iso dates as order", content=lambda: with_column("day", iso),
         options=("--target", "sick", "--time", "day"),
         says=("time  2023-01-05 to 2024-02-07", "w0 80 → 20", "last 180 → 20")),
    Case(name="dates with the day first", content=lambda: with_column("day", day_first),
         options=("--target", "sick", "--time", "day"), says=("time  2023-01-05 to",)),
    Case(name="dates that may be either", content=lambda: with_column("day", unclear_day),
         says=("dates are read as %d/%m/%Y; %m/%d/%Y fits too (--date-format)",)),
    Case(name="dates in a format that is said", content=lambda: with_column("day", unclear_day),
         options=("--target", "sick", "--time", "day", "--date-format", "%m/%d/%Y"),
         says=("time  2024-01-01 to 2024-12-12",)),
    Case(name="moments with zones", content=lambda: with_column("seen", zoned),
         says=("seen    date",)),
    Case(name="a date that is none", content=a_bad_date,
         options=("--target", "sick", "--time", "day"), refused=True,
         says=("column 'day': line 101 holds 'soon', neither a number nor a date",)),
    Case(name="rows out of order", content=lambda: table(("day", *HEADER), list(reversed([
         [iso(at, row), *row] for at, row in enumerate(patients())]))),
         options=("--target", "sick", "--time", "day"),
         says=("time  2023-01-05", "rows are not in the order of 'day': they are sorted")),
    Case(name="words of yes and no", content=lambda: with_column(
         "smokes", lambda at, _: "TRUE" if at % 3 else "FALSE"), says=("smokes  yes/no",)),
    Case(name="a target with gaps", content=lambda: with_sick(
         lambda at, row: "" if at in (30, 60) else row[3]), refused=True,
         says=("line 32 has no value, nor have 1 others: --drop-missing-target",)),
    Case(name="a target with gaps, left out", content=lambda: with_sick(
         lambda at, row: "" if at in (30, 60) else row[3]),
         options=("--target", "sick", "--drop-missing-target"),
         says=("2 rows without a target are left out, the first in line 32", "rows  198")),
    Case(name="a rare class", content=a_rare_class, refused=True,
         says=("no row of the class 'maybe'; there are 2 in all",)),
    Case(name="one class", content=lambda: with_sick(lambda *_: "no"), refused=True,
         says=("'sick' has one class only: every row holds 'no'",)),
    Case(name="three classes", content=wine, options=("--target", "grape"),
         says=("multi-class: it has 3 different words", "log_loss (sklearn.metrics.log_loss)")),
    Case(name="three classes, said to be two", content=wine,
         options=("--target", "grape", "--kind", "binary"), refused=True,
         says=("must hold two classes and holds 3", "--kind multi-class")),
    Case(name="amounts of money", content=houses, options=("--target", "price"),
         says=("regression", "root_mean_squared_error), minimize", "range  ")),
    Case(name="amounts with outliers", content=lambda: houses(outlier=True),
         options=("--target", "price", "--metric", "mae"), says=("mae (", "regression")),
    Case(name="tiny amounts", content=lambda: with_sick(lambda at, _: f"{at * 1e-9:.3e}"),
         says=("regression", "range  0 to 1.99e-07")),
    Case(name="huge amounts", content=lambda: with_sick(lambda at, _: at * 10**12 + 0.5),
         options=("--target", "sick", "--metric", "mse"), says=("regression", "mse (")),
    Case(name="a positive class that is said", content=plain,
         options=("--target", "sick", "--positive", "no"), says=("positive  no",)),
    Case(name="a positive class that is not there", content=plain,
         options=("--target", "sick", "--positive", "ill"), refused=True,
         says=("never holds 'ill', which is to be predicted; it holds 'no' and 'yes'",)),
    Case(name="classes in two spellings", content=lambda: with_sick(
         lambda at, row: str(row[3]).upper() if at % 9 == 0 else row[3]),
         says=("'NO' and 'no' are one class", "binary")),
    Case(name="an identifier", content=lambda: with_column(
         "record", lambda at, _: f"R{at * 7919 % 100_003:06d}"),
         says=("'record' is an identifier, a word of its own in every row: --drop record",)),
    Case(name="a column that tells", content=lambda: with_column(
         "ended", lambda _, row: "2024" if row[3] == "yes" else ""),
         options=("--target", "sick", "--missing", "none"),
         says=("column 'ended' gives the target away, alone it has AUC 1.000", "--drop ended")),
    Case(name="an amount that tells", content=lambda: houses().replace(b"size", b"tax ", 1),
         options=("--target", "price", "--drop", "kind"), says=("regression",)),
    Case(name="a constant", content=lambda: with_column("country", lambda *_: "CH"),
         says=("column 'country' is constant: it tells nothing",)),
    Case(name="300 columns", content=wide,
         says=("and 261 more columns", "300 columns for 120 rows")),
    Case(name="too many columns", content=lambda: table(
         [f"c{n}" for n in range(2500)], [[0] * 2500 for _ in range(30)]),
         options=("--target", "c0"), refused=True, says=("2500 columns, and 2000 are the most",)),
    Case(name="long text", content=reviews, options=("--target", "liked"),
         says=("review  text", "stars   number")),
    Case(name="quotes with newlines", content=quoted_newlines, says=("ward    words", "rows  200")),
    Case(name="a field of 200 kB", content=a_long_field, says=("ward    text",)),
    Case(name="gzip", content=lambda: gzip.compress(plain()), file="table.csv.gz",
         says=("rows  200", "ward    words")),
    Case(name="half a gzip", content=lambda: gzip.compress(plain())[:-400], file="table.csv.gz",
         refused=True, says=("no whole gzip file",)),
    Case(name="parquet", content=parquet, file="table.parquet",
         says=("seen    date", "rows  200", "weight  number")),
    Case(name="half a parquet", content=lambda: parquet()[:-400], file="table.parquet",
         refused=True, says=("no whole Parquet file",)),
    Case(name="groups", content=groups, options=("--target", "sick", "--group", "person"),
         says=("groups the rows", "full 192 → 48")),
    Case(name="an id that repeats", content=groups,
         options=("--target", "sick", "--id", "person"), refused=True,
         says=("line 3 repeats 'P000', which line 2 has", "--group person instead of --id person")),
    Case(name="a column that is called ID and repeats", content=lambda: groups().replace(
         b"person", b"ID", 1), says=("column 'ID' repeats values", "--group ID")),
    Case(name="words among numbers", content=lambda: with_column(
         "pulse", lambda at, _: "lost" if at == 44 else 60 + at % 30),
         says=("line 46 holds 'lost' where 199 others are numbers", "--missing lost")),
    Case(name="words among numbers, said to be absent", content=lambda: with_column(
         "pulse", lambda at, _: "lost" if at == 44 else 60 + at % 30),
         options=("--target", "sick", "--missing", "lost"), says=("pulse   number",)),
    Case(name="two columns of one name", content=lambda: table(
         ("age", "age", "ward", "sick"), patients()),
         says=("two columns are called 'age': column 2 is called age_2",)),
    Case(name="marks between thousands", content=lambda: with_column(
         "income", lambda at, _: f"{20_000 + at * 137:,}"),
         says=("column 'income': '20,000' is read as 20000",)),
    Case(name="percent", content=percents, says=("share   percent",)),
    Case(name="codes that begin with zeros", content=lambda: with_column(
         "zip", lambda at, _: f"{at % 7:05d}"), says=("zip     words",)),
    Case(name="twins", content=twins,
         says=("240 rows have a twin", "twins stay together in one part")),
    Case(name="several labels", content=labels,
         options=("--target", "red", "--target", "round", "--target", "sweet"),
         says=("multi-label", "average_precision_macro")),
    Case(name="several labels in one column", content=lambda: with_sick(several),
         options=("--target", "sick", "--kind", "multi-label"),
         says=("its labels are cut by '|'", "classes  dry", "average_precision_macro")),
    Case(name="several labels in one column, unsaid", content=lambda: with_sick(
         lambda at, row: f"{several(at, row)}|{at}"), refused=True,
         says=("too many for classes", "several labels, cut by '|', are --kind multi-label")),
    Case(name="two colons between values", content=lambda: plain().replace(b",", b"::"),
         refused=True, says=("'::' cuts it, and one character should: sed",)),
    Case(name="empty", content=lambda: b"", refused=True, says=("the file is empty",)),
    Case(name="a header and no rows", content=lambda: b"age,weight,sick\n", refused=True,
         says=("the file has a header and no rows",)),
    Case(name="one column", content=lambda: b"sick\n" + b"yes\nno\n" * 50, refused=True,
         says=("has one column", "--delimiter")),
    Case(name="a line with one value more", content=a_bad_line, refused=True,
         says=("line 42 has 5 values, and line 1 has 4", "needs quotes")),
    Case(name="another column", content=plain, options=("--target", "Sick"), refused=True,
         says=("there is no column 'Sick'; did you mean 'sick'?",)),
    Case(name="the wrong encoding, said", content=western,
         options=("--target", "sick", "--encoding", "utf-8"), refused=True,
         says=("line 1 is not utf-8", "--encoding")),
    Case(name="few rows", content=lambda: table(HEADER, patients(12)), refused=True,
         says=("12 rows, and 20 are the fewest",)),
    Case(name="words in a small table", content=lambda: table(HEADER, patients(40)),
         says=("rows  40", "ward    words")),
    Case(name="another kind is said", content=lambda: with_sick(lambda at, _: at % 7),
         options=("--target", "sick", "--kind", "regression"),
         says=("regression: as declared",)),
    Case(name="a workbook", content=lambda: b"PK\x03\x04" + bytes(range(200)), refused=True,
         says=("this is an Excel workbook or a zip archive: save the sheet as CSV",)),
    Case(name="json", content=lambda: b'[{"age": 3, "sick": 1}]', refused=True,
         says=("this is JSON: write its rows as CSV",)),
    Case(name="a web page", content=lambda: b"\n<!DOCTYPE html><html>", refused=True,
         says=("this is a page or XML",)),
    Case(name="comments at the beginning", content=lambda: b"# exported\n# by hand\n" + plain(),
         says=("line 1 ('# exported'), and 1 more: above the header, left out", "age     number")),
    Case(name="two roles", content=plain, options=("--target", "sick", "--drop", "sick"),
         refused=True, says=("column 'sick' is named twice",)),
    Case(name="three groups", content=lambda: with_column("ward_group", lambda at, _: at % 3),
         options=("--target", "sick", "--group", "ward_group"), refused=True,
         says=("there are 3 groups of rows, too few for 6 parts: --folds 2",)),
    Case(name="two folds", content=lambda: table(HEADER, patients(40)),
         options=("--target", "sick", "--folds", "2"), says=("fold0 16 → 16, fold1 16 → 16",)),
    Case(name="an export with a title, units and a note", content=lambda: (
         "Patients of 2024;;;;\n;;;;\nage;weight;ward;sick;\nyears;kg;;;\n"
         + text(None, [[*row, ""] for row in patients()], delimiter=";")
         + "Source: the registry\n").encode("cp1252"),
         says=("rows  200", "line 1 ('Patients of 2024'): above the header, left out",
               "line 4 ('years'): words where the others hold numbers",
               "line 205 ('Source: the registry'): below the rows")),
    Case(name="names with quotes and line ends", content=lambda: reviews().replace(
         b"review", b'"it\'s a ""long""\nreview"', 1), options=("--target", "liked"),
         says=('"long"', "text  ")),
    Case(name="columns between blanks", content=lambda: plain().replace(b",", b"    "),
         says=("space between values", "weight  number")),
    Case(name="not a table", content=lambda: bytes(range(256)) * 20, refused=True,
         says=("table.csv",)),
)  # fmt: skip
"""In no order; each stands alone."""
