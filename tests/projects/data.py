"""The data of each project, drawn from a fixed seed: the same bytes every time, less than 2 MB.

`write("mnist_cnn", folder)` puts them where the project in `folder` looks for them.
They are no part of the projects, as most people's data are in no repository.
"""

from __future__ import annotations

import csv
import gzip
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def write(name: str, folder: Path) -> None:
    """Write the data of project `name` into `folder`; nothing if it has none."""
    if name in WRITERS:
        WRITERS[name](folder)


def mnist_cnn(folder: Path) -> None:
    draw = np.random.default_rng(1)
    for prefix, count in (("train", 1500), ("t10k", 400)):
        labels = draw.integers(0, 10, count)
        images = np.stack([_digit(draw, label) for label in labels])
        _idx(folder / "data" / f"{prefix}-images-idx3-ubyte.gz", images)
        _idx(folder / "data" / f"{prefix}-labels-idx1-ubyte.gz", labels.astype(np.uint8))


def tiny_gpt(folder: Path) -> None:
    text = _tale(np.random.default_rng(2), sentences=3500)
    place = folder / "data" / "tales"
    place.mkdir(parents=True, exist_ok=True)
    chars = sorted(set(text))
    numbers = {char: number for number, char in enumerate(chars)}
    ids = np.array([numbers[char] for char in text], dtype=np.uint16)
    held_out = len(ids) // 10
    (place / "train.bin").write_bytes(ids[:-held_out].tobytes())
    (place / "val.bin").write_bytes(ids[-held_out:].tobytes())
    meta = {"vocab_size": len(chars), "stoi": numbers, "itos": dict(enumerate(chars))}
    (place / "meta.pkl").write_bytes(pickle.dumps(meta, protocol=4))


def names_lm(folder: Path) -> None:
    draw = np.random.default_rng(3)
    starts = ["ma", "jo", "el", "ka", "ra", "bren", "sa", "ty", "al", "cor", "no", "vi"]
    middles = ["ri", "la", "na", "ve", "di", "sto", "li", "be", ""]
    ends = ["a", "n", "na", "ra", "th", "lyn", "s", "do", "el", "ie"]
    names = {
        "".join(part[int(len(part) * draw.beta(1, 2))] for part in (starts, middles, middles, ends))
        for _ in range(6000)
    }
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in sorted(names)))


def lightgbm_rent(folder: Path) -> None:
    draw = np.random.default_rng(4)
    rows = draw.normal(size=(10_000, 10))
    rent = (
        700
        + 160 * rows[:, 0]
        + 110 * rows[:, 1] * (rows[:, 2] > 0)
        + 90 * np.sin(2 * rows[:, 3])
        + 60 * np.abs(rows[:, 4])
        + draw.normal(scale=40, size=len(rows))
    )
    table = np.column_stack([rent, rows])
    place = folder / "data"
    place.mkdir(exist_ok=True)
    for name, part in (("rent.train", table[:8000]), ("rent.test", table[8000:])):
        np.savetxt(place / name, part, fmt="%.3f", delimiter="\t")


def kaggle_churn(folder: Path) -> None:
    draw = np.random.default_rng(5)
    count = 5000
    plan = draw.choice(["Basic", "Family", "Business"], count, p=[0.5, 0.3, 0.2])
    region = draw.choice(["North", "East", "South", "West"], count)
    payment = draw.choice(["Card", "Invoice", "Transfer"], count)
    tenure = draw.integers(0, 72, count)
    monthly = np.round(draw.uniform(15, 110, count), 2)
    calls = draw.poisson(2, count)
    usage = draw.normal(size=(count, 4))
    leaning = (
        1.5 * (payment == "Invoice") * (tenure < 24)
        + 0.6 * calls * (plan == "Basic")
        + 1.2 * usage[:, 0] * usage[:, 1]
        - 0.02 * tenure * (monthly < 60)
        - 0.8
    )
    churn = np.where(draw.random(count) < _sigmoid(2 * leaning), "Yes", "No")
    columns: dict[str, Sequence[object]] = {
        "id": [f"C{number:05d}" for number in range(count)],
        "Plan": list(plan),
        "Region": [None if draw.random() < 0.03 else value for value in region],
        "Payment": list(payment),
        "Tenure": list(tenure),
        "MonthlyCharges": list(monthly),
        "TotalCharges": [
            None if months == 0 else round(float(months * price), 2)
            for months, price in zip(tenure, monthly, strict=True)
        ],
        "Calls": list(calls),
        **{f"Usage{n}": [f"{value:.3f}" for value in usage[:, n]] for n in range(4)},
    }
    known = 4000
    train = {name: values[:known] for name, values in columns.items()}
    _csv(folder / "input" / "train.csv", {**train, "Churn": list(churn[:known])})
    test = {name: values[known:] for name, values in columns.items()}
    _csv(folder / "input" / "test.csv", test)
    empty = {"id": test["id"], "Churn": [0.5] * (count - known)}
    _csv(folder / "input" / "sample_submission.csv", empty)


def wine_svm(folder: Path) -> None:
    draw = np.random.default_rng(6)
    rows = draw.normal(size=(3000, 9))
    sweetness = rows[:, 0] ** 2 + rows[:, 1] * rows[:, 2] + 0.7 * rows[:, 3]
    noisy = sweetness + draw.normal(scale=0.25, size=len(rows))
    grade = np.array(["plain", "good", "fine"])[np.digitize(noisy, [0.2, 1.3])]
    names = ["alcohol", "acidity", "sugar", "sulphates", "chlorides"]
    names += ["density", "citric", "ph", "minerals"]
    scales = 10.0 ** draw.integers(-2, 4, len(names))
    columns: dict[str, Sequence[object]] = {
        name: [f"{value:.5g}" for value in rows[:, n] * scales[n] + 5 * scales[n]]
        for n, name in enumerate(names)
    }
    _csv(folder / "data" / "wine.csv", {**columns, "grade": list(grade)}, delimiter=";")


def spirals_yaml(folder: Path) -> None:
    draw = np.random.default_rng(7)
    labels = np.arange(6000) % 3
    turn = draw.uniform(0.1, 1, len(labels))
    angle = 2 * np.pi * (labels / 3 + 1.5 * turn)
    points = (turn * np.stack([np.cos(angle), np.sin(angle)])).T
    points += draw.normal(scale=0.03, size=points.shape)
    _npz(folder / "data" / "spirals.npz", points=points.astype(np.float32), labels=labels)


def signals_tqdm(folder: Path) -> None:
    draw = np.random.default_rng(8)
    count, length = 1600, 256
    time = np.linspace(0, 1, length)
    labels = draw.integers(0, 5, count)
    base = np.array([9, 11, 13, 15, 17])[labels] + draw.normal(scale=0.4, size=count)
    phase = draw.uniform(0, 2 * np.pi, (2, count, 1))
    signals = np.sin(2 * np.pi * base[:, None] * time + phase[0])
    overtone = np.sin(2 * np.pi * 2.5 * base[:, None] * time + phase[1])
    signals += 0.6 * overtone * (labels % 2)[:, None]
    signals += draw.normal(scale=1.3, size=signals.shape)
    signals = np.round(signals, 2).astype(np.float16)
    _npz(folder / "data" / "signals.npz", signals=signals, labels=labels.astype(np.uint8))


def forecast_wandb(folder: Path) -> None:
    draw = np.random.default_rng(9)
    day = np.arange(2200)
    weather = np.convolve(draw.normal(scale=4, size=len(day) + 6), np.full(7, 1 / 7), "valid")
    temperature = 11 - 9 * np.cos(2 * np.pi * day / 365) + 2 * weather
    weekend = (day % 7) >= 5
    demand = (
        410 - 55 * weekend + 2.2 * np.abs(temperature - 16) + draw.normal(scale=6, size=len(day))
    )
    columns: dict[str, Sequence[object]] = {
        "date": [str(np.datetime64("2017-01-02") + int(number)) for number in day],
        "demand": [f"{value:.1f}" for value in demand],
        "temperature": [f"{value:.1f}" for value in temperature],
    }
    _csv(folder / "demand.csv", columns)


def housing_json(folder: Path) -> None:
    draw = np.random.default_rng(10)
    count = 4000
    area = draw.gamma(6, 18, count)
    rooms = np.maximum(1, np.round(area / 28 + draw.normal(scale=0.8, size=count)))
    year = draw.integers(1900, 2024, count)
    distance = draw.exponential(6, count)
    quality = np.array([1.0, 1.35, 0.8, 1.1, 0.95])
    district = draw.integers(0, len(quality), count)
    heating = draw.choice(["gas", "district", "pump"], count)
    price = (
        area * 2600 * quality[district] * np.exp(-distance / 18)
        + 300 * (year - 1960) * (heating == "pump")
        + 4000 * rooms
    ) * np.exp(draw.normal(scale=0.06, size=count))
    columns: dict[str, Sequence[object]] = {
        "area": [f"{value:.1f}" for value in area],
        "rooms": [int(value) for value in rooms],
        "year": [None if draw.random() < 0.05 else int(value) for value in year],
        "distance_km": [f"{value:.2f}" for value in distance],
        "district": [["Old Town", "Harbour", "Mills", "Park", "Station"][n] for n in district],
        "heating": list(heating),
        "price": [int(value) for value in price],
    }
    _csv(folder / "data" / "houses.csv", columns)


def moons_fixed_seed(folder: Path) -> None:
    draw = np.random.default_rng(11)
    labels = np.arange(3000) % 2
    angle = draw.uniform(0, np.pi, len(labels))
    x = np.where(labels == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(labels == 0, np.sin(angle), 0.4 - np.sin(angle))
    points = np.column_stack([x, y]) + draw.normal(scale=0.12, size=(len(labels), 2))
    np.savetxt(folder / "moons.txt", np.column_stack([points, labels]), fmt=["%.4f", "%.4f", "%d"])


def wells_data_dir(folder: Path) -> None:
    draw = np.random.default_rng(12)
    count = 4000
    village = draw.integers(0, 120, count)
    soil = draw.normal(size=120)[village]
    depth = draw.gamma(3, 15, count)
    age = draw.integers(0, 40, count)
    days = [np.sort(draw.choice(700, draw.integers(1, 5), replace=False)) for _ in range(count)]
    arsenic = np.exp(0.8 * soil - 0.02 * depth + draw.normal(scale=0.4, size=count))
    risk = 1.6 * (arsenic - 1.0) * (depth < 60) + 0.05 * (age - 20) * (soil > 0)
    safe = (draw.random(count) > _sigmoid(2.5 * risk)).astype(int)
    wells: dict[str, Sequence[object]] = {
        "well": list(range(count)),
        "village": list(village),
        "depth": [f"{value:.1f}" for value in depth],
        "age": list(age),
        "safe": list(safe),
    }
    place = folder / "datasets" / "wells"
    _csv(place / "wells.csv", wells)
    for year in (0, 1):
        seen = [(w, d) for w in range(count) for d in days[w] if d // 350 == year]
        visits: dict[str, Sequence[object]] = {
            "well": [w for w, _ in seen],
            "day": [int(d) for _, d in seen],
            "arsenic": [f"{arsenic[w] * np.exp(draw.normal(scale=0.1)):.3f}" for w, _ in seen],
            "ph": [f"{7 + 0.3 * draw.normal():.2f}" for _ in seen],
        }
        _csv(place / f"visits_{2021 + year}.csv", visits)


def image_folders(folder: Path) -> None:
    draw = np.random.default_rng(13)
    size = 24
    rows, columns = np.mgrid[:size, :size]
    for kind in ("circle", "cross", "square", "triangle"):
        place = folder / "images" / kind
        place.mkdir(parents=True, exist_ok=True)
        for number in range(180):
            y, x = draw.uniform(8, 16, 2)
            radius = draw.uniform(4, 7)
            down, right = (rows - y) / radius, (columns - x) / radius
            inside = {
                "circle": down**2 + right**2 < 1,
                "cross": (np.minimum(abs(down), abs(right)) < 0.35)
                & (np.maximum(abs(down), abs(right)) < 1),
                "square": np.maximum(abs(down), abs(right)) < 0.85,
                "triangle": (abs(right) < (down + 1) / 2) & (down < 1),
            }[kind]
            ink, paper = draw.integers(20, 110, 3), draw.integers(130, 236, 3)
            pixels = np.where(inside[..., None], ink, paper) + draw.normal(0, 22, (size, size, 3))
            image = np.clip(pixels, 0, 255).astype(np.uint8)
            header = b"P6\n%d %d\n255\n" % (size, size)
            (place / f"{number:04d}.ppm").write_bytes(header + image.tobytes())


def flowers_notebook(folder: Path) -> None:
    draw = np.random.default_rng(14)
    kind = draw.integers(0, 3, 1500)
    centres = draw.normal(scale=1.2, size=(3, 2, 5))
    rows = centres[kind, draw.integers(0, 2, len(kind))] + draw.normal(size=(len(kind), 5))
    names = ["petal_length", "petal_width", "stem", "weight", "scent"]
    columns: dict[str, Sequence[object]] = {
        name: [f"{value:.2f}" for value in 2 * rows[:, n] + 10] for n, name in enumerate(names)
    }
    kinds = np.array(["lily", "rose", "tulip"])[kind]
    _csv(folder / "flowers.csv", {**columns, "kind": list(kinds)})


def points(folder: Path) -> None:
    """A linear regression in ten columns, for the projects that cannot be adopted as they are."""
    draw = np.random.default_rng(20)
    x = draw.normal(size=(1000, 10))
    y = x @ draw.normal(size=10) + draw.normal(scale=0.3, size=len(x))
    _npz(folder / "data" / "points.npz", x=x, y=y)


def asks_input(folder: Path) -> None:
    draw = np.random.default_rng(21)
    x = np.linspace(-2, 2, 120)
    y = x**3 - 2 * x + draw.normal(scale=0.2, size=len(x))
    np.savetxt(folder / "measured.txt", np.column_stack([x, y]), fmt="%.4f")


WRITERS: dict[str, Callable[[Path], None]] = {
    "mnist_cnn": mnist_cnn,
    "tiny_gpt": tiny_gpt,
    "names_lm": names_lm,
    "lightgbm_rent": lightgbm_rent,
    "kaggle_churn": kaggle_churn,
    "wine_svm": wine_svm,
    "spirals_yaml": spirals_yaml,
    "signals_tqdm": signals_tqdm,
    "forecast_wandb": forecast_wandb,
    "housing_json": housing_json,
    "moons_fixed_seed": moons_fixed_seed,
    "wells_data_dir": wells_data_dir,
    "image_folders": image_folders,
    "flowers_notebook": flowers_notebook,
    "needs_gpu": points,
    "asks_input": asks_input,
    "prints_nan": points,
    "prints_nothing": points,
    "needs_packages": points,
}


def _sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


def _csv(path: Path, columns: dict[str, Sequence[object]], delimiter: str = ",") -> None:
    """Write columns of equal length as a table with a header; None is an empty field."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as table:
        writer = csv.writer(table, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _npz(path: Path, **arrays: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def _idx(path: Path, values: NDArray[np.uint8]) -> None:
    """Write bytes of any shape as a gzipped idx file; the time in its header is 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">i4").tobytes()
    path.write_bytes(gzip.compress(header + values.tobytes(), mtime=0))


# Seven rows of five dots for each digit.
GLYPHS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "11110 00001 00001 01110 00001 00001 11110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)


def _digit(draw: np.random.Generator, digit: int) -> NDArray[np.uint8]:
    """Draw a digit of 28 by 28 grey pixels: stretched, slanted, moved, and with a few specks."""
    glyph = np.array([[int(dot) for dot in row] for row in GLYPHS[digit].split()])
    height, width = draw.uniform(14, 22), draw.uniform(9, 16)
    slant = draw.uniform(-0.3, 0.3)
    centre = draw.uniform(12.5, 15.5, 2)
    rows, columns = np.mgrid[:28, :28]
    down = (rows - centre[0]) / height + 0.5
    right = (columns - centre[1] + slant * (rows - centre[0])) / width + 0.5
    inside = (down >= 0) & (down < 1) & (right >= 0) & (right < 1)
    row = np.clip((down * 7).astype(int), 0, 6)
    column = np.clip((right * 5).astype(int), 0, 4)
    ink = np.where(inside, glyph[row, column], 0) * draw.integers(150, 256)
    specks = draw.random((28, 28)) < 0.04
    return np.where(specks, draw.integers(0, 256), ink).astype(np.uint8)


def _tale(draw: np.random.Generator, sentences: int) -> str:
    """Write sentences of a small grammar, with the usual words more often than the rare ones."""
    who = ["The old fisherman", "A quiet fox", "My sister", "The miller's son", "A grey owl"]
    does = ["found", "followed", "painted", "forgot", "carried", "was afraid of", "sang about"]
    what = ["the lantern", "a broken boat", "seven stones", "the winter", "an unread letter"]
    where = ["near the mill", "under the bridge", "at dawn", "behind the hill", "in the rain"]

    def one_of(words: list[str]) -> str:
        return words[int(len(words) * draw.beta(1, 1.6))]

    told = []
    for _ in range(sentences):
        sentence = f"{one_of(who)} {one_of(does)} {one_of(what)}"
        if draw.random() < 0.6:
            sentence += f" {one_of(where)}"
        told.append(sentence + draw.choice([".", ".", "!", ";"]))
    return "\n".join(told) + "\n"
