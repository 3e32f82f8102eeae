"""How fast the dashboard answers on a long journal, what it holds, and what a run pays for it.

    python bench/dashboard.py [--experiments 100000] [--keep FOLDER] [--repeats 3]

The journal is that of `bench/journal.py`, with a call to a model for each experiment. The server is
`runner dashboard`, a process of its own, which a client asks as a browser does: a page and what it
loads, then its parts again whenever an event says that something is new.

The loop is the real one, around trials of a fixed amount of work on every core; it goes once
without a dashboard and once with one and ten open pages, in turns.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.client
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from runner.paths import PROJECT, State

sys.path[:0] = [str(PROJECT / "bench"), str(PROJECT / "tests"), str(PROJECT / "tests/dashboard")]

import a_run  # noqa: E402
import journal as long  # noqa: E402
from fakes import TAG  # noqa: E402

from runner.journal.store import open_journal  # noqa: E402
from runner.records import TrialResult, TrialSpec  # noqa: E402
from runner.scheduler import run_loop  # noqa: E402

PARTS = {"entry": ("experiments",), "result": ("charts",)}
"""Event → the parts of a page that a browser asks for after it."""
GZIP = b"\x1f\x8b"
OPEN_PAGES = 10
LOOKING = 2.0
"""Seconds until a person has opened the link."""
LOOP_EXPERIMENTS = 4
WORK = 40_000_000
"""A trial of the loop computes a tenth as many digests on each core: two seconds or three, which is
less than any real trial takes."""


@dataclass(frozen=True)
class Client:
    """A browser that has the cookie."""

    port: int
    cookie: str

    def sent(self, path: str, **headers: str) -> bytes:
        """Return what the server sends, compressed where it is worth it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        own = {"cookie": self.cookie, "accept-encoding": "gzip"}
        connection.request("GET", path, headers=own | headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, (path, answer.status)
        connection.close()
        return content

    def get(self, path: str, **headers: str) -> bytes:
        content = self.sent(path, **headers)
        return gzip.decompress(content) if content.startswith(GZIP) else content

    def part(self, path: str, name: str) -> bytes:
        return self.get(path, **{"hx-request": "true", "hx-target": name})

    def watch(self, path: str, seen: Callable[[str], None]) -> None:
        """Listen for ever, and ask for the parts that each event is about."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)
        found = re.search(rb'sse-connect="([^"]+)"', self.get(path))
        assert found
        connection.request("GET", found[1].decode(), headers={"cookie": self.cookie})
        answer = connection.getresponse()
        while line := answer.readline():
            if line.startswith(b"event: "):
                name = line.split()[1].decode()
                for part in PARTS.get(name, ()):
                    self.part(path, part)
                seen(name)


@contextmanager
def serving(home: Path) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "runner", "dashboard", "--port", "0"]
    environment = os.environ | {"RUNNER_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        try:
            assert server.stdout
            yield entered(server.stdout.readline().split()[1]), server
        finally:
            server.terminate()


def entered(link: str) -> Client:
    found = urlsplit(link)
    connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=60)
    connection.request("GET", f"{found.path}?{found.query}")
    cookie = connection.getresponse().headers["set-cookie"].partition(";")[0]
    return Client(port=found.port or 0, cookie=cookie)


def took(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def megabytes(server: subprocess.Popen[str], what: str) -> float:
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    found = re.search(rf"{what}:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1024


def answers(home: Path, count: int, repeats: int) -> Iterator[tuple[str, str, str]]:
    """Yield what is measured on the long journal, how it is, and how it should be."""
    run, draw = f"/runs/{long.TAG}", random.Random(1)  # noqa: S311
    with serving(home) as (client, _):
        at_once = took(lambda: client.get(run))
        yield "first page, asked for as the link appears", f"{at_once:.2f} s", ""
    with serving(home) as (client, server):
        time.sleep(LOOKING)
        first = took(lambda: client.get(run))
        page = client.get(run)
        assets = set(re.findall(rb'(?:src|href)="(/static/[^"]+)"', page))
        weight = sum(len(client.sent(each)) for each in [run, *(each.decode() for each in assets)])
        yield "first page", f"{first:.2f} s", "0.5 s"
        yield "the same with all that it loads", f"{weight / 1000:.0f} kB", "200 kB"
        again = min(took(lambda: client.get(run)) for _ in range(repeats))
        yield "the same again", f"{again:.2f} s", "0.5 s"
        numbers = [draw.randrange(count) for _ in range(8)]
        pages = [took(lambda n=n: client.get(f"{run}/experiments/{n}")) for n in numbers]
        yield "any experiment, the slowest of 8", f"{max(pages):.2f} s", "0.2 s"
        asked = {
            "search, found often": "?q=LEARNING",
            "search, found nowhere": "?q=nothing+like+that",
            "filter": "?status=kept",
            "sort": "?sort=score",
            "last page": f"?page={count // 25}",
        }
        for name, query in asked.items():
            found = took(lambda q=query: client.part(run + q, "experiments"))
            yield name, f"{found:.2f} s", "0.3 s"
        yield "lineage", f"{took(lambda: client.get(f'{run}/lineage')):.2f} s", "0.5 s"
        late = list(arrivals(client, home, run, repeats))
        yield "an entry's way onto an open page", f"{max(late):.2f} s", "1 s"
        for _ in range(OPEN_PAGES):
            client.get(run)
            listen(client, run, lambda _: None)
        with open_journal(State(home).journal) as journal:
            for _ in range(5):
                journal.add_hypothesis(long.TAG, "anything")
                time.sleep(2)
        held, most = megabytes(server, "VmRSS"), megabytes(server, "VmHWM")
        yield f"memory, {OPEN_PAGES} open pages", f"{held:.0f} MB, at most {most:.0f}", "200 MB"


def listen(client: Client, run: str, seen: Callable[[str], None]) -> None:
    threading.Thread(target=client.watch, args=(run, seen), daemon=True).start()


def arrivals(client: Client, home: Path, run: str, repeats: int) -> Iterator[float]:
    """Yield how long it takes from an entry of the journal until a page shows it."""
    came = threading.Event()
    listen(client, run, lambda name: came.set() if name == "entry" else None)
    time.sleep(1)
    with open_journal(State(home).journal) as journal:
        for count in range(repeats):
            came.clear()
            began = time.perf_counter()
            journal.add_hypothesis(long.TAG, f"hypothesis {count}")
            came.wait(30)
            yield time.perf_counter() - began
            time.sleep(1.5)


# -- what a run pays ----------------------------------------------------------------------------


def spent(process: subprocess.Popen[str]) -> float:
    """Return the seconds of processor time that a process took."""
    fields = (
        Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def work(_: int) -> None:
    content = b""
    for _ in range(WORK // 10):
        content = hashlib.sha256(content).digest()


def looped(watched: bool) -> tuple[float, float]:
    """Return the seconds that a run takes, watched by open pages or by nobody.

    Returns:
        Also, which share of all cores the server takes meanwhile.
    """
    share = 0.0
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor() as pool:
        cores = os.cpu_count() or 1

        def results(spec: TrialSpec) -> TrialResult:
            list(pool.map(work, range(cores)))
            return a_run.answer(spec)

        list(pool.map(work, range(cores)))  # its processes are there
        with a_run.session(Path(folder), results=results) as session:
            at = serving(session.state.root) if watched else nullcontext()
            with at as served:
                if served:
                    watchers = watching(served[0])
                    before = spent(served[1])
                began = time.perf_counter()
                run_loop(session, a_run.Researcher(LOOP_EXPERIMENTS), experiments=LOOP_EXPERIMENTS)
                seconds = time.perf_counter() - began
                if served:
                    share = (spent(served[1]) - before) / seconds / cores
                    watchers.kill()
                    watchers.wait()
    return seconds, share


def watching(client: Client) -> subprocess.Popen[str]:
    """Start a process with open pages, which stands for browsers."""
    program = (
        "import sys, threading; sys.path.insert(0, 'bench'); import dashboard\n"
        f"client = dashboard.Client({client.port}, {client.cookie!r})\n"
        f"for _ in range({OPEN_PAGES}): dashboard.listen(client, '/runs/{TAG}', lambda _: None)\n"
        "print('ready', flush=True); threading.Event().wait()"
    )
    found = subprocess.Popen(
        [sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert found.stdout
    found.stdout.readline()
    time.sleep(LOOKING)  # they listen
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiments", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="where the journal is or stays")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    console = Console(width=100)
    table = Table("what", "found", "to reach")
    with long.home_of(given.keep) as home:
        long.make(home, given.experiments, calls=True, say=console.print)
        for row in answers(home, given.experiments, given.repeats):
            table.add_row(*row)
    alone, watched, shares = [], [], []
    for _ in range(given.repeats):
        alone.append(looped(False)[0])
        seconds, share = looped(True)
        watched.append(seconds)
        shares.append(share)
    slower = min(watched) / min(alone) - 1
    seen = f"{slower:+.1%}: {min(alone):.1f} s alone, {min(watched):.1f} s watched"
    table.add_row(
        "the server's share of all cores meanwhile", f"{max(shares):.1%}", "less than 2 %"
    )
    table.add_row(f"a run, {OPEN_PAGES} open pages", seen, "less than 2 %")
    console.print(table)


if __name__ == "__main__":
    main()
