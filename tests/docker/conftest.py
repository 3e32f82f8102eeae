"""A state folder with prepared data, shared by the tests that need real containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from homes import Home


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Iterator[Home]:
    """Data prepared from a fixed seed; runs are told apart by their tags."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.ok("prepare", "eclip", "--seed", "7")
    yield home
    home.sweep()
