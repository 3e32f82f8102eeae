from __future__ import annotations

from pathlib import Path

import a_run
import pytest
from dashboards import COUNT, entered
from starlette.testclient import TestClient


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """A state folder with a finished run; nothing below writes into it."""
    return a_run.make(tmp_path_factory.mktemp("dashboard"), COUNT)


@pytest.fixture
def client(home) -> TestClient:
    return entered(home)
