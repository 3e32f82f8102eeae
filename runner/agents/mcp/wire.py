"""Standard input and output of the server, on which every call gets an answer.

The SDK drops a line that it cannot read, so its client would wait for ever: for a lone surrogate,
which JSON can write and no text can hold, or for lists in lists without end. Here such a line is
answered with an error that has the call's own number.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import anyio
import mcp_types as types
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server
from pydantic import ValidationError
from pydantic_core import from_json

PARSE_ERROR = -32700
MOST_WORDS = 300
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
NUMBER = re.compile(r'-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|"(?:[^"\\]|\\.)*"', re.DOTALL)


async def serve_stdio(server: MCPServer) -> None:
    """Serve one client over standard input and output until it is gone."""
    with _of_our_own(0, os.O_RDONLY) as given, _of_our_own(1, os.O_WRONLY) as taken:
        wire = _Wire(given, taken)
        stream = cast("Any", wire)  # it does what the SDK does with an AsyncFile
        async with stdio_server(stream, stream) as (read, write):
            inner = server._lowlevel_server  # no public way takes streams
            await inner.run(read, write, inner.create_initialization_options())


class _Wire:
    """Lines that can be read; to the others it answers by itself."""

    def __init__(self, given: IO[bytes], taken: IO[bytes]) -> None:
        self._given, self._taken = anyio.wrap_file(given), anyio.wrap_file(taken)
        self._turn = anyio.Lock()

    async def __aiter__(self) -> AsyncIterator[str]:
        async for content in self._given:
            line = content.decode("utf-8", errors="replace")
            if (wrong := _wrong_with(line)) is None:
                yield line
            elif line.strip():
                await self.write(_refusal(line, wrong))

    async def write(self, text: str) -> None:
        """Write a whole line; the SDK's and ours do not mix."""
        async with self._turn:
            await self._taken.write(text.encode())
            await self._taken.flush()

    async def flush(self) -> None:
        """Nothing is held back."""


@contextmanager
def _of_our_own(descriptor: int, flags: int) -> Iterator[IO[bytes]]:
    """Yield standard input or output as a file; meanwhile others read nothing, or write elsewhere.

    Whatever else prints in this process would break the protocol: it goes to standard error.
    """
    ours = os.dup(descriptor)
    elsewhere = os.dup(2) if flags == os.O_WRONLY else os.open(os.devnull, flags)
    os.dup2(elsewhere, descriptor)
    os.close(elsewhere)
    try:
        # Not closed: a thread may still wait for input on it.
        yield os.fdopen(ours, "wb" if flags == os.O_WRONLY else "rb", closefd=False)
    finally:
        os.dup2(ours, descriptor)


def _wrong_with(line: str) -> str | None:
    """Say why the SDK could not read a line; `None` where it can."""
    try:
        message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError as error:
        return str(error.errors(include_url=False, include_input=False)[0]["msg"])
    except (ValueError, RecursionError) as error:
        return str(error)
    # A call whose number is none would be taken for a notification, which has no answer.
    if isinstance(message, types.JSONRPCNotification) and "id" in from_json(line):
        return "its id is neither a whole number nor a text"
    return None


def _refusal(line: str, wrong: str) -> str:
    message = f"the call cannot be read, so nothing was done: {wrong}"[:MOST_WORDS]
    error = json.dumps({"code": PARSE_ERROR, "message": message})
    return f'{{"jsonrpc": "2.0", "id": {_number(line)}, "error": {error}}}\n'


def _number(line: str) -> str:
    """Return the call's number as it is written there, also where the rest cannot be read."""
    depth, key, last = 0, "", ""
    for piece in (found[0] for found in TOKEN.finditer(line)):
        if piece in "{[":
            depth += 1
        elif piece in "}]":
            depth -= 1
        elif depth == 1 and piece in ":,":
            key = last if piece == ":" else ""
        elif depth == 1 and key == '"id"' and NUMBER.fullmatch(piece):
            return piece
        last = piece
    return "null"
