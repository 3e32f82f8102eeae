"""A state folder with prepared data, shared by the tests that need real containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from homes import Home

from runner.rooms import State
from runner.sandbox import engine


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Iterator[Home]:
    """Data prepared from a fixed seed; runs are told apart by their tags."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.ok("prepare", "eclip", "--seed", "7")
    yield home
    with closing(engine.connect()) as client:
        engine.sweep(client, {engine.HOME_LABEL: State(home.path).id})
