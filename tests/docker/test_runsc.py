"""The wall's attacks in gVisor, by `resources.runtime: runsc`, which `make test` registers.

The template imports next to nothing, since imports are slow there. What the scorer refuses of an
array's content it refuses whatever ran the agent; those entries are played under runc only.
"""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import yaml
from homes import with_bare_template
from test_scripts import SCRIPTS, check

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

PLAYED_ELSEWHERE = ("captions", "clamp", "pickle", "header", "not a number", "rows", "doubles")
OTHERWISE = {
    # runsc itself dies of the limit of processes, most often before the host can look.
    "a fork bomb": {"status": "crashed", "stage": "train"},
    # Its own /tmp counts bytes and no names; those cost the container's memory.
    "every writable place filled, with bytes and with files": {
        "status": "crashed",
        "stage": "train",
        "reason": "exit 1",
    },
    # Its way to the volume makes no such thing.
    "fifo in place of the embeddings of images": {
        "status": "invalid-outputs",
        "stage": "score",
        "reason": "images/embeddings.npy: missing",
    },
}
ENTRIES = [
    entry
    for entry in yaml.safe_load((SCRIPTS / "wall.yaml").read_text())
    if not any(word in entry["hypothesis"] for word in PLAYED_ELSEWHERE)
]


@pytest.fixture(scope="module")
def wall(home, tmp_path_factory) -> list[dict[str, Any]]:
    own = with_bare_template(home, tmp_path_factory.mktemp("project"), waits=False)
    root = own.project
    shutil.copytree(SCRIPTS / "wall", root / "scripts" / "wall")
    script, policy = root / "scripts" / "script.yaml", root / "scripts" / "policy.yaml"
    script.write_text(yaml.safe_dump(ENTRIES))
    text = (SCRIPTS / "wall-policy.yaml").read_text()
    assert text.count("flush: null}") == 1
    policy.write_text(text.replace("flush: null}", "flush: null, runtime: runsc}"))
    own.ok("run", "eclip", "--tag", "runsc", "--agent", f"stub:{script}", "--policy", str(policy))
    found: list[dict[str, Any]] = own.json("list", "runsc")
    return found


@pytest.mark.parametrize(
    ("number", "entry"),
    [pytest.param(n, each, id=each["hypothesis"]) for n, each in enumerate(ENTRIES, start=1)],
)
def test_the_wall_holds_under_runsc_too(wall, number, entry):
    check(wall[number], OTHERWISE.get(entry["hypothesis"], entry["expect"]))
