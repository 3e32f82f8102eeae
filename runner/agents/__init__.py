"""Who proposes, by the name before the first colon."""

from __future__ import annotations

from runner.agents.descriptions import BEST_OF_N, asking, is_independent, name_of
from runner.errors import ConfigError
from runner.records import Proposal
from runner.seams import Agent, Context, Supervisor

AGENTS = (
    *("claude", "claude-code", "codex", "boxed", "command", "mcp", "tune", "random"),
    *(BEST_OF_N, "stub"),
)
PLAIN = ("mcp", "tune", "random")
"""Agents that take no argument."""
SINGLE = ("stub",)
"""Agents of which there is one: it plays one script."""


class BestOfN:
    """Independent draws: what the best of n tries is worth without any learning.

    It hands over what another agent proposes. The run starts every proposal from the template and
    tells it no history (the strategy `baseline`). The n is the number of experiments.
    """

    def __init__(self, inner: Agent) -> None:
        self._inner = inner
        self.name = f"best-of-n:{inner.name}"
        self.isolation = inner.isolation
        self.ahead = inner.ahead

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        return self._inner.propose(context, supervisor)


def make_agent(description: str) -> Agent:  # noqa: C901 - a table; each imports what it needs
    """Return the agent that `NAME` or `NAME:ARGUMENT` describes; raise `ConfigError` otherwise."""
    name, _, argument = description.partition(":")
    if argument and name in PLAIN:
        raise ConfigError(f"the agent {name} takes no argument", hint=f"use: --agent {name}")
    match name:
        case "claude":
            from runner.agents.claude.agent import load_claude

            return load_claude(argument)
        case "claude-code" | "codex" | "boxed":
            from runner.agents.boxed.agent import load_boxed

            return load_boxed(name, argument)
        case "claude-code-on-host":
            from runner.agents.claude_code.agent import load_claude_code

            return load_claude_code(argument)
        case "command":
            from runner.agents.command import load_command

            return load_command(argument)
        case "mcp":
            from runner.agents.mcp import Mcp

            return Mcp()
        case "tune":
            from runner.agents.tune import Tune

            return Tune()
        case "random":
            from runner.agents.tune import RandomSearch

            return RandomSearch()
        case "best-of-n":
            if is_independent(argument):
                raise ConfigError(
                    "best-of-n of best-of-n is best-of-n", hint="use: --agent best-of-n"
                )
            return BestOfN(make_agent(argument or "random"))
        case "stub":
            from runner.agents.stub import load_stub

            return load_stub(argument)
    raise ConfigError(f"there is no agent {name!r}", hint=f"agents: {', '.join(AGENTS)}")


def make_agents(description: str, count: int) -> tuple[Agent, ...]:
    """Return so many agents of one description, each an object of its own.

    Raises:
        ConfigError: there is no such agent, or there can be only one of it.
    """
    inner = name_of(asking(description))
    if count > 1 and inner in SINGLE:
        raise ConfigError(f"there is only one {inner}", hint="leave out --agents")
    return tuple(make_agent(description) for _ in range(count))
