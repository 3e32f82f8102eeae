"""Who proposes: an explicit registry, by the name before the first colon."""

from __future__ import annotations

from collections.abc import Callable

from runner.agents.descriptions import BEST_OF_N, asking, is_independent, name_of
from runner.errors import ConfigError
from runner.seams import Agent

SINGLE = ("stub",)
"""Agents of which there is one: it plays one script."""


def _stub(argument: str) -> Agent:
    from runner.agents.stub import load_stub

    return load_stub(argument)


def _tune(argument: str) -> Agent:
    from runner.agents.tune import Tune

    _require_none("tune", argument)
    return Tune()


def _claude(argument: str) -> Agent:
    from runner.agents.claude.agent import load_claude

    return load_claude(argument)


def _claude_code(argument: str) -> Agent:
    from runner.agents.claude_code.agent import load_claude_code

    return load_claude_code(argument)


def _command(argument: str) -> Agent:
    from runner.agents.command import load_command

    return load_command(argument)


def _mcp(argument: str) -> Agent:
    from runner.agents.mcp import Mcp

    _require_none("mcp", argument)
    return Mcp()


def _random(argument: str) -> Agent:
    from runner.agents.random_search import RandomSearch

    _require_none("random", argument)
    return RandomSearch()


def _best_of_n(argument: str) -> Agent:
    from runner.agents.best_of_n import BestOfN

    if is_independent(argument):
        raise ConfigError("best-of-n of best-of-n is best-of-n", hint="use: --agent best-of-n")
    return BestOfN(make_agent(argument or "random"))


def _require_none(name: str, argument: str) -> None:
    if argument:
        raise ConfigError(f"the agent {name} takes no argument", hint=f"use: --agent {name}")


AGENTS: dict[str, Callable[[str], Agent]] = {
    "claude": _claude,
    "claude-code": _claude_code,
    "command": _command,
    "mcp": _mcp,
    "tune": _tune,
    "random": _random,
    BEST_OF_N: _best_of_n,
    "stub": _stub,
}


def make_agent(description: str) -> Agent:
    """Return the agent that `NAME` or `NAME:ARGUMENT` describes; raise `ConfigError` otherwise."""
    name, _, argument = description.partition(":")
    if name not in AGENTS:
        raise ConfigError(f"there is no agent {name!r}", hint=f"agents: {', '.join(AGENTS)}")
    return AGENTS[name](argument)


def make_agents(description: str, count: int) -> tuple[Agent, ...]:
    """Return so many agents of one description, each an object of its own.

    Raises:
        ConfigError: there is no such agent, or there can be only one of it.
    """
    inner = name_of(asking(description))
    if count > 1 and inner in SINGLE:
        raise ConfigError(f"there is only one {inner}", hint="leave out --agents")
    return tuple(make_agent(description) for _ in range(count))
