"""A dashboard behind a test client."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from runner.dashboard.access import Keys
from runner.dashboard.server import Site, application
from runner.paths import State

COUNT = 14
"""Experiments of the run that is shown."""


def client_of(home: Path, *, control: bool = False) -> tuple[TestClient, Keys]:
    keys = Keys(port=8501)
    site = Site(state=State(home), keys=keys, control=control)
    return TestClient(application(site), base_url="http://127.0.0.1:8501"), keys


def entered(home: Path, *, control: bool = False) -> TestClient:
    """Return the browser of a person who opened the link."""
    client, keys = client_of(home, control=control)
    client.get(keys.link)
    return client
