"""Well-known agents by `boxed:`: fetched as pinned, and driven by a scripted model in real boxes.

    RUNNER_HOME=... python bench/recipes.py [NAME...]    # a state folder with the data of packing

Each looks at data, edits, tries its code, proposes, is refused, mends and is kept, in both
protocols of the gateway. They are too large for the tests: run this when a lock has changed. It
ends with an error where one of them did not get there.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import chat_server  # noqa: E402
import messages_server  # noqa: E402
from chat_server import Says, Shell  # noqa: E402
from messages_server import calls, says, tool_use  # noqa: E402

from runner import paths  # noqa: E402
from runner.agents import programs  # noqa: E402
from runner.scheduler import run_loop  # noqa: E402
from runner.session import Person  # noqa: E402
from runner.start import Request, at_work  # noqa: E402

RECIPES = {"opencode": "/box/agents/start", "mini-swe-agent": "python /box/agents/start.py"}
WORDS = json.dumps({"hypothesis": "a wider margin", "category": "margin", "expectation": "less"})
COMMANDS = (
    "python -c \"import numpy; print('circles', numpy.load('/data/circles.npy'))\"",
    "sed -i 's/^MARGIN = 1e-12/MARGIN = 0.02/' train.py",
    "RUNNER_TRAIN_SECONDS=0.5 sh run.sh train && ls /outputs",
    f"echo 'import os' >> train.py; echo '{WORDS}' > proposal.json; run_experiment",
    "sed -i '/^import os$/d' train.py; run_experiment",
)
HEARD = ("circles 26", "centers.npy", "import-not-allowed")
"""What the model must have been told, of data, of a try and of the review."""


@contextmanager
def anthropic(heard: list[str]) -> Iterator[str]:
    left = list(COMMANDS)

    def script(request: messages_server.Request) -> messages_server.Answer:
        heard.append(request.raw.decode())
        shells = [each["name"] for each in request.body.get("tools", ()) if "bash" in each["name"]]
        if not shells or not left:
            return says("there is no more")
        return calls(tool_use(shells[0], command=left.pop(0), description="as I do"))

    with messages_server.serving(script) as server:
        os.environ |= {"ANTHROPIC_API_KEY": "sk-scripted", "ANTHROPIC_BASE_URL": server.url}
        yield "claude-opus-5-5"


@contextmanager
def local(heard: list[str]) -> Iterator[str]:
    left = list(COMMANDS)

    def script(body: chat_server.Body) -> Shell | Says:
        heard.append(json.dumps(body))
        return Shell(left.pop(0)) if left and body.get("tools") else Says("there is no more")

    with chat_server.serving(script) as server, tempfile.NamedTemporaryFile("w") as providers:
        own = {"local": {"protocol": "openai", "address": server.url, "prices": "free"}}
        yaml.safe_dump(own, providers)
        providers.flush()
        os.environ["RUNNER_PROVIDERS"] = providers.name
        yield "local/a-model"
    del os.environ["RUNNER_PROVIDERS"]


PROTOCOLS = {"anthropic": anthropic, "openai": local}


def policy(folder: Path) -> Path:
    """Packing the other way round: a wider margin is a smaller sum, and is kept."""
    document = yaml.safe_load(paths.policy_path("packing").read_text())
    document["metric"]["direction"] = "minimize"
    document["budget"] |= {"startup": "20s", "train": "1s"}
    document["decision"] = {"rule": "strict", "most_trials": 1, "min_gain": 0.0001}
    path = folder / "packing.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def version(recipe: Path) -> str:
    """Return which one a recipe pins, as its maker wrote it."""
    if (npm := recipe / "package.json").is_file():
        [said] = json.loads(npm.read_text())["dependencies"].values()
        return str(said)
    return (recipe / "requirements.in").read_text().strip().partition("==")[2]


def row(name: str, protocol: str, folder: Path) -> tuple[str, ...]:
    """Return what one agent came to, as cells; the last one is empty where all went well."""
    recipe, heard = programs.RECIPE / name, list[str]()
    begun = time.monotonic()
    there = programs.folder(recipe).is_dir()
    place = programs.fetch(print, recipe)
    fetched = "there" if there else f"{time.monotonic() - begun:.0f} s"
    os.environ["RUNNER_BOX_PROGRAMS"] = str(recipe)
    with PROTOCOLS[protocol](heard) as model:
        request = Request(
            task="packing",
            tag=f"recipe-{time.time_ns()}",
            agent=f"boxed:model={model} {RECIPES[name]}",
            policy=policy(folder),
        )
        with at_work(paths.state(), request, Person()) as work:
            run_loop(work.session, *work.agents, experiments=1)
            found, [box] = work.session.history[-1], work.session.journal.boxes(request.tag)
    megabytes = sum(path.lstat().st_size for path in place.rglob("*")) / 1e6
    missing = [words for words in HEARD if not any(words in each for each in heard)]
    returned = found.origin.returned if found.origin else 0
    took = (f"{box.seconds:.1f}", f"{box.cpu_seconds or 0:.1f}", str(len(heard)), str(returned))
    wrong = "" if found.status == "kept" and not missing else f"not heard: {missing}"
    return (
        f"{name} {version(recipe)}",
        f"{megabytes:.0f}",
        fetched,
        protocol,
        *took,
        str(found.status),
        wrong,
    )


def main(names: list[str]) -> None:
    headings = ("agent", "MB", "fetched", "protocol", "box s", "cpu s", "calls", "returned")
    table = Table(*headings, "came to", "wrong")
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(name, protocol, Path(folder)) for name in names for protocol in PROTOCOLS]
    for cells in rows:
        table.add_row(*cells)
    Console(width=120).print(table)
    sys.exit(any(cells[-1] for cells in rows))


if __name__ == "__main__":
    main(sys.argv[1:] or list(RECIPES))
