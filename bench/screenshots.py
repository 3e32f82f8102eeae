"""Make the pictures of `docs/dashboard.md`: a run is made, opened in chromium, and photographed.

    python bench/screenshots.py [--to docs/pictures] [--home FOLDER --run TAG]

Without `--home` the run is that of `tests/dashboard/a_run.py`, whose trials are made up; with it,
pictures are of a run of yours. Looking at them is up to you.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console

from runner.paths import PROJECT, State
from runner.progress import Tracker
from runner.records import Outlook

sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "tests/dashboard")]

import a_run  # noqa: E402

TAG, COUNT = "evening", 96
MOST_BYTES = 200_000
WIDTH, HEIGHT = 1240, 900
PHONE = 390
SHOTS = (
    ("overview", "/runs/{tag}", "light", WIDTH, 1330),
    ("overview-dark", "/runs/{tag}", "dark", WIDTH, 1330),
    ("experiment", "/runs/{tag}/experiments/{kept}", "light", WIDTH, 1500),
    ("lineage", "/runs/{tag}/lineage", "light", WIDTH, HEIGHT),
    ("phone", "/runs/{tag}", "light", PHONE, 1100),
)
"""Name, page, theme, width and height in pixels."""


@contextmanager
def at_work(state: State, tag: str) -> Iterator[Callable[[], None]]:
    """Have the run look as if its supervisor were in the middle of a trial, then and again."""
    with Tracker.at(state.progress(tag)) as tracker:
        tracker.course(COUNT + 24, devices=2)
        tracker.outlook(
            Outlook(
                experiment=COUNT, trials=3, most_trials=14, against=9, gain=1.12, margin=0.94,
                better=0.81, keep_from=0.87, hope=0.62, drop_below=0.05,
            )
        )  # fmt: skip

        def again() -> None:
            for place, stage in enumerate(("train", "predict images"), 1):
                about = {"experiment": COUNT, "trial": place + 3, "trials": 14}
                tracker.now(f"device {place}", "a trial of", usual_seconds=8.0, **about)
                tracker.stage(f"device {place}", stage, 16.0 / place)
            tracker.now("claude", "the agent thinks about", experiment=COUNT + 1)

        yield again


@contextmanager
def served(home: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "runner", "dashboard", "--port", "0"]
    environment = os.environ | {"RUNNER_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout
            yield server.stdout.readline().split()[1]
        finally:
            server.terminate()


def photographed(
    browser: Browser,
    link: str,
    page: str,
    theme: str,
    width: int,
    height: int,
    again: Callable[[], None],
) -> bytes:
    """Return the top of a page as PNG, with few colours, so that it is small."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        device_scale_factor=2 if width == PHONE else 1.5,
        reduced_motion="reduce",
        is_mobile=width == PHONE,
    )
    shown = context.new_page()
    shown.goto(link)
    shown.wait_for_url(f"{link.partition('/enter')[0]}/")
    again()
    shown.goto(f"{link.partition('/enter')[0]}{page}")
    shown.wait_for_timeout(4000)
    picture = Image.open(io.BytesIO(shown.screenshot()))
    context.close()
    small = io.BytesIO()
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=Path, default=PROJECT / "docs" / "pictures")
    parser.add_argument("--home", type=Path, help="a state folder with a run of yours")
    parser.add_argument("--run", help="its tag")
    given = parser.parse_args()
    console, program = Console(), shutil.which("chromium")
    assert program, "this needs chromium: sudo apt-get install chromium"
    given.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        with a_run.made_up_time():
            home = given.home or a_run.make(Path(folder), COUNT, tag=TAG)
        tag = given.run or TAG
        busy = nullcontext(lambda: None) if given.home else at_work(State(home), tag)
        kept = newest_keep(home, tag)
        with busy as again, served(home) as link, sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            for name, page, *how in SHOTS:
                path = page.format(tag=tag, kept=kept)
                picture = photographed(browser, link, path, *how, again)
                (given.to / f"dashboard-{name}.png").write_bytes(picture)
                size = f"{len(picture) / 1000:.0f} kB"
                console.print(f"dashboard-{name}.png: {size}", highlight=False)
                assert len(picture) < MOST_BYTES, name
            browser.close()


def newest_keep(home: Path, tag: str) -> int:
    from runner.journal.reader import open_reader

    with open_reader(State(home).journal) as journal:
        return journal.best(tag) or 0


if __name__ == "__main__":
    main()
