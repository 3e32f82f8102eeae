"""The agent claude against a scripted server: the real SDK, real HTTP, no waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from fakes import TEMPLATE
from messages_server import MessagesServer, Script, serving, tool_use

from runner.agents.claude.agent import Claude, load_claude
from runner.seams import Context

KEY = "sk-ant-a-key-that-must-never-be-seen"
EDITOR = "str_replace_based_edit_tool"


@dataclass
class AtWork:
    """An agent, its server, and the seconds that it would have slept."""

    agent: Claude
    server: MessagesServer
    slept: list[float] = field(default_factory=list)


@contextmanager
def at_work(script: Script, *, model: str = "", silence: float | None = None) -> Iterator[AtWork]:
    slept: list[float] = []
    with serving(script) as server:
        environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.url}
        more = {} if silence is None else {"silence": silence}
        agent = load_claude(model, environment=environment, sleep=slept.append, **more)
        with closing(agent):
            yield AtWork(agent=agent, server=server, slept=slept)


def a_context(**more: Any) -> Context:
    given: dict[str, Any] = {
        "number": 1, "files": TEMPLATE, "mutable": ("train.py",), "notes": ("scratchpad.md",),
        "metric": "mean_rank", "direction": "minimize", "history": (), "task": "eclip",
        "rules": "Only train.py may change.",
    }  # fmt: skip
    return Context(**(given | more))


def edits(old: str, new: str, path: str = "train.py") -> dict[str, Any]:
    return tool_use(EDITOR, command="str_replace", path=path, old_str=old, new_str=new)


def proposes(hypothesis: str = "a wider model", **more: Any) -> dict[str, Any]:
    return tool_use("propose", hypothesis=hypothesis, category="width", **more)


def results(server: MessagesServer, request: int = -1) -> list[dict[str, Any]]:
    """Return the tool results in the last message of a request."""
    content = server.requests[request].messages[-1]["content"]
    return [block for block in content if block["type"] == "tool_result"]
