"""A client of `runner mcp` and real containers: packing, which takes seconds and no data."""

from __future__ import annotations

import asyncio
import sys

import pytest
import yaml
from mcp import Client, StdioServerParameters

from runner import paths

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

TAG = "packing-mcp"
SQUARE = """
import kit, numpy
place = (numpy.arange(6) + 0.5) / 6
centers = numpy.stack(numpy.meshgrid(place, place), -1).reshape(-1, 2)[:26]
print("words of the container")
kit.curves.log("radius", 1, 1 / 12)
kit.outputs.save("centers", centers)
kit.outputs.save("radii", numpy.full(26, 0.083))
"""
OVERLAPPING = SQUARE.replace("print(", "centers[1] = centers[0]\nprint(")


def test_a_client_runs_experiments_in_containers(home, tmp_path):
    home.ok("prepare", "packing")
    arguments = ["mcp", "--task", "packing", "--tag", TAG, "--policy", str(policy(tmp_path))]
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "runner", *arguments],
        env=home.environment,
        cwd=paths.PROJECT,
    )
    heard = asyncio.run(scenario(server))
    baseline, square, cheat = home.json("list", TAG)
    assert (baseline["status"], square["status"]) == ("kept", "reverted")
    assert square["score"] == pytest.approx(26 * 0.083)
    assert (cheat["status"], cheat["reason"]) == ("invalid-outputs", "centers.npy: overlapping")
    assert "Experiment 1: REVERTED" in heard
    assert "curves: radius 0.0833" in heard
    assert "Experiment 2: INVALID-OUTPUTS" in heard
    assert "words of the container" not in heard
    assert "ADVISORY" in home.ok("status", TAG)
    assert home.runner("audit", TAG).returncode == 0


async def scenario(server: StdioServerParameters) -> str:
    heard = []

    async def call(client: Client, tool: str, **said: object) -> str:
        result = await client.call_tool(tool, said)
        heard.append(result.content[0].text)
        assert not result.is_error, heard[-1]
        return heard[-1]

    async with Client(server) as client:
        while "STILL RUNNING" in await call(client, "get_task"):
            pass
        for number, text in enumerate((SQUARE, OVERLAPPING), 1):
            said = {"hypothesis": f"try {number}", "takeaway": "none", "files": {"train.py": text}}
            while "STILL RUNNING" in await call(client, "propose_experiment", **said):
                pass
        await call(client, "history")
    return "\n".join(heard)


def policy(folder):
    """Write the task's own policy with a short training and one seed."""
    document = yaml.safe_load(paths.policy_path("packing").read_text())
    document["budget"] |= {"startup": "20s", "train": "3s"}
    document["decision"] = {"rule": "strict", "most_trials": 1, "min_gain": 0.002}
    path = folder / "packing.yaml"
    path.write_text(yaml.safe_dump(document))
    return path
