"""What an agent is called, by a person and in the journal: `NAME` or `NAME:ARGUMENT`."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from pathlib import Path

from runner.errors import ConfigError

BEST_OF_N = "best-of-n"
ON_HOST = "claude-code-on-host"
RELATIVE = re.compile(r"\.\.?/")
MODELS = {
    **dict.fromkeys(("claude", "claude-code", ON_HOST), "claude-opus-5-5"),
    "codex": "gpt-6.1-sol",
}
"""Agents whose argument is the model that they ask, and which one it is if none is named."""
BOXED = "boxed"
NAMED = re.compile(r"model=(\S+) ")
"""Before the program of `boxed`: the model that it may ask."""


def name_of(description: str) -> str:
    return description.partition(":")[0]


def canonical(description: str) -> str:
    """Return the description so that it means the same from any folder.

    In a command, words that begin with `./` or `../` do not.
    """
    name, _, argument = description.partition(":")
    if name == BEST_OF_N and argument:
        return f"{name}:{canonical(argument)}"
    if name == "stub":
        return f"{name}:{Path(argument).resolve()}"
    if name == "command":
        with suppress(ValueError):  # whoever makes the agent says what is wrong with it
            words = shlex.split(argument)
            found = [str(Path.cwd() / word) if RELATIVE.match(word) else word for word in words]
            return f"{name}:{shlex.join(found)}"
    return description


def on_host(description: str) -> str:
    """Return the description of the same program on this machine.

    Raises:
        ConfigError: only Claude Code has rules of its own that hold it there.
    """
    asker = asking(description)
    if name_of(asker) != "claude-code":
        hint = "only claude-code does; any program does so as command:PROGRAM, with isolation none"
        raise ConfigError(f"{description} does not run on the host", hint=hint)
    around = description.removesuffix(asker)
    return f"{around}{ON_HOST}{asker.removeprefix('claude-code')}"


def is_independent(description: str) -> bool:
    """Say whether each proposal is drawn from the template, knowing no other."""
    return name_of(description) == BEST_OF_N


def with_model(description: str, model: str | None = None) -> str:
    """Return an agent's description with the model that it asks, if it asks one.

    A run keeps it so, and does not change its model when it goes on under another version.

    Raises:
        ConfigError: the agent asks none and `model` names one, or the two disagree.
    """
    asker = asking(description)
    around, (name, _, argument) = description.removesuffix(asker), asker.partition(":")
    if name == BOXED:
        named = NAMED.match(argument)
        if (named is None) == (model is None):
            hint = "say it once: --agent 'boxed:PROGRAM ARGS' --model MODEL"
            raise ConfigError(f"{description}: which model does it ask?", hint=hint)
        return description if named else f"{around}{name}:model={model} {argument}"
    if name not in MODELS:
        if model is not None:
            hint = f"agents that do: {', '.join(MODELS)}"
            raise ConfigError(f"the agent {description} asks no model", hint=hint)
        return description
    if model is not None and (not model or argument not in ("", model)):
        raise ConfigError(f"--agent {description} and --model {model!r} disagree", hint="name one")
    return f"{around}{name}:{model or argument or MODELS[name]}"


def model_of(description: str) -> str | None:
    """Return the model that an agent asks; `None` for one that asks none."""
    name, _, argument = asking(description).partition(":")
    if name == BOXED:
        return named[1] if (named := NAMED.match(argument)) else None
    return argument or MODELS[name] if name in MODELS else None


def asking(description: str) -> str:
    """Return the agent that does the asking, where another one chooses among its proposals."""
    return description.removeprefix(f"{BEST_OF_N}:")
