"""Draw why a ratchet needs more than a better number: `python bench/luck.py`.

Runs of 100 proposals are simulated as in `bench/decisions.py`, under `strict` and under `posterior`
with the product's own numbers. The picture of `docs/decisions.md` shows what each rule claims after
so many proposals, and what is true then, in the mean over runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from decisions import in_turn

from runner.charts import raster
from runner.charts.lines import Lines, Points, lines
from runner.charts.svg import Size
from runner.noise.simulation import World, posterior
from runner.paths import PROJECT
from runner.rules import constants

WORLD = World(name="independent noise", helpful=0.05)
RULES = (("strict", "crashed"), ("posterior", "kept"))
SIZE = Size(width=760, height=360)


def mean(levels: np.ndarray) -> Points:
    return [(number, float(each)) for number, each in enumerate(levels.mean(axis=0), 1)]


def picture(runs: int) -> str:
    """Return the chart as SVG."""
    bounds = constants.bounds(0.05, 14)
    tallies = {
        "strict": in_turn(WORLD, "strict", runs, 1),
        "posterior": posterior(WORLD, constants.PRIOR, bounds, constants.BASELINE, runs, 1),
    }
    sets = []
    for rule, colour in RULES:
        claimed, reached = mean(tallies[rule].claimed), mean(tallies[rule].reached)
        sets += [
            Lines(name=f"{rule} claims", drawn=[claimed], colour=colour, look="line dashed"),
            Lines(name=f"{rule}, in truth", drawn=[reached], colour=colour, look="line"),
        ]
    ends = [f"{each.name} {each.drawn[0][-1][1]:.1f}" for each in sets]
    return lines(
        sets, SIZE, title="The gain after so many proposals, in standard deviations of a trial",
        below="proposals", whole=True, told=f"After 100 proposals: {', '.join(ends)}.",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--to", type=Path, default=PROJECT / "docs/pictures/luck.png")
    said = parser.parse_args()
    chart = picture(said.runs)
    said.to.write_bytes(raster.png(chart))
    print(said.to)


if __name__ == "__main__":
    main()
