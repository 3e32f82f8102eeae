"""Whom a person wants told of what a run does: a file of their own, which no policy names.

An address holds a token, so it is shown nowhere: no error repeats what the file says but a
target's name, and `repr` leaves it out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError

from runner import given
from runner.errors import ConfigError
from runner.policy import positions
from runner.policy.schema import Strict

CHOICE = "RUNNER_NOTIFY"
MOST_BYTES = 64 * 1024
MOST_TARGETS = 16
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
Kind = Literal["keep", "pause", "plateau", "end"]
"""What a person may be told of."""
KINDS: tuple[Kind, ...] = get_args(Kind)
FORM = f"see docs/notify.md: NAME: ADDRESS, NAME: [PROGRAM, WORD], or a mapping; events: {KINDS}"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One who is told: an address that apprise knows, or a command."""

    name: str
    events: frozenset[str]
    address: str | None = field(default=None, repr=False)
    command: tuple[str, ...] = field(default=(), repr=False)


class _Said(Strict):
    address: Annotated[str, Field(pattern=r"^[a-zA-Z0-9]+://\S+$")] | None = None
    address_in: str | None = None
    command: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None
    events: Annotated[tuple[Kind, ...], Field(strict=False)] = KINDS


def load_targets(environment: Mapping[str, str] = os.environ) -> tuple[Target, ...]:
    """Return everybody whom the file that `RUNNER_NOTIFY` names lists; nobody where it is not set.

    Raises:
        ConfigError: the file cannot be read or says something else, or a variable is not set.
    """
    chosen = environment.get(CHOICE)
    if not chosen:
        return ()
    path = given.place(chosen)
    text = given.read_text(path, most=MOST_BYTES)
    try:
        said = positions.read(text).value
    except positions.RefusedError as error:  # whose words may be those of the file
        where = f"line {error.problem.line}"
        message = f"{path}: {where} is no plain YAML, or names something twice"
        raise ConfigError(message, hint=FORM) from None
    if not isinstance(said, dict) or not 0 < len(said) <= MOST_TARGETS:
        raise ConfigError(f"{path} does not list 1 to {MOST_TARGETS} targets by name", hint=FORM)
    for place, name in enumerate(said, 1):
        if not isinstance(name, str) or not NAME.fullmatch(name):
            hint = "a-z, 0-9, - and _, such as phone"
            raise ConfigError(f"{path}: target {place} has a name that is none", hint=hint)
    return tuple(_target(path, name, one, environment) for name, one in said.items())


def _target(path: Path, name: str, said: Any, environment: Mapping[str, str]) -> Target:
    if isinstance(said, str | tuple):
        said = {"address" if isinstance(said, str) else "command": said}
    try:
        found = _Said.model_validate(said)
    except ValidationError:  # whose words hold the address
        found = _Said()
    if sum(each is not None for each in (found.address, found.address_in, found.command)) != 1:
        raise ConfigError(f"{path}: {name} is not understood", hint=FORM) from None
    address = found.address
    if found.address_in is not None:
        address = environment.get(found.address_in, "").strip()
        if not address:
            hint = f"put the address into the environment: export {found.address_in}=..."
            raise ConfigError(f"{path}: {name}: {found.address_in} is not set", hint=hint)
    return Target(
        name=name,
        events=frozenset(found.events),
        address=address,
        command=found.command or (),
    )
