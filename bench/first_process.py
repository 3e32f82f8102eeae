"""What a container's first process costs: nothing before the command, the engine's init, or ours.

python bench/first_process.py [REPEATS]

The three take turns, so that what else the machine does falls on each alike.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from runner import engines
from runner.data import RESOURCES
from runner.engines import Docker, images
from runner.engines.container import order
from runner.engines.options import container_config
from runner.engines.protocol import AGENT_USER, ContainerSpec

COMMAND = ("grep", "-E", "VmRSS|RssAnon", "/proc/1/status")
OURS = "ours"
WAYS = ("none", "the engine's", OURS)


def config(image_id: str, way: str) -> dict[str, Any]:
    spec = ContainerSpec(
        name="",
        image_id=image_id,
        user=AGENT_USER,
        command=COMMAND,
        mounts=[],
        resources=RESOURCES,
        labels={"runner.bench": "first_process"},
    )
    asked = container_config(spec)
    asked["HostConfig"]["LogConfig"] = {"Type": "json-file"}
    if way != OURS:
        asked["Entrypoint"] = list(COMMAND)
        asked["HostConfig"]["Init"] = way != "none"
    return asked


def measured(engine: Docker, asked: dict[str, Any], way: str) -> tuple[float, str]:
    """Return the milliseconds from the start to the end, and what the first process holds."""
    api = engine.api
    identity = api.create_container_from_config(asked)["Id"]
    connection = engine.attach(identity)
    try:
        begun = time.perf_counter()
        api.start(identity)
        if way == OURS:
            connection.send(order(60, {}))
        api.wait(identity)
        took = (time.perf_counter() - begun) * 1000
        return took, " ".join(api.logs(identity).decode().split())
    finally:
        connection.close()
        api.remove_container(identity, force=True)


def main(repeats: int) -> None:
    client = engines.connect()
    image_id = images.require_image(client, "cpu")
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    held: dict[str, str] = {}
    for _ in range(repeats):
        for way in WAYS:
            took, held[way] = measured(client, config(image_id, way), way)
            found[way].append(took)
    table = Table("first process", "n", "median ms", "min", "more than none", "it holds")
    least = statistics.median(found["none"])
    for way, each in found.items():
        median = statistics.median(each)
        cells = (f"{median:.0f}", f"{min(each):.0f}", f"{median - least:+.0f}", held[way])
        table.add_row(way, str(repeats), *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
