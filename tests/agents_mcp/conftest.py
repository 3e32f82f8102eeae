from __future__ import annotations

import sys
from functools import lru_cache

import pytest

from runner.policy.syntax import read_facts

PARSED = lru_cache(read_facts)


@pytest.fixture(autouse=True)
def each_source_is_parsed_once(monkeypatch):
    """The same few sources come again and again, and each parse is a process."""
    monkeypatch.setattr(sys.modules["runner.policy.review"], "read_facts", PARSED)
