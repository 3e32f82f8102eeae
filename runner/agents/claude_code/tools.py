"""The supervisor's side of a session: hooks and tools of Claude Code end here.

Everything happens in the thread that proposes, between two looks at the client's output.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from runner.agents import handover
from runner.agents.about import told
from runner.agents.claude_code.launch import ANALYZE, RUN
from runner.agents.draft import Said, not_writable
from runner.agents.draft_folder import DraftFolder, UnsettledError
from runner.errors import ConfigError
from runner.prompt.untrusted import quoted
from runner.prompt.violations import line, mend
from runner.records import Change, Proposal, Violation
from runner.seams import Context, Desk

LATER = frozenset(
    ("not-python", "seed-only-change", "no-change", "repeat", "no-hypothesis", "file-missing")
)
"""Rules of a whole proposal: an edit on the way to it may break them."""
LONGEST_LINE = 16 * 1024 * 1024
READ_SECONDS = 10.0
LONGEST_SOCKET = 100
"""Bytes of a path that every system takes for a socket."""


class _IncompleteError(Exception):
    """An argument is missing; its text says which."""


class Tools:
    """Answers one proposal's hooks and tools; `accepted` is what came of them."""

    def __init__(self, draft: DraftFolder, context: Context, desk: Desk, model: str) -> None:
        self._draft, self._context, self._desk, self._model = draft, context, desk, model
        self.accepted: Proposal | None = None

    def answer(self, request: Mapping[str, Any]) -> Said:
        """Answer a request, which has a tool's name and an object of arguments."""
        try:
            return self._answer(request)
        except (_IncompleteError, UnsettledError) as error:
            return Said(text=str(error), failed=True)

    def _answer(self, request: Mapping[str, Any]) -> Said:
        tool, arguments = request["tool"], request["arguments"]
        match request.get("event"), tool:
            case "PreToolUse", _:
                return self._before_edit(tool, arguments)
            case "PostToolUse", _:
                return Said(text="accepted", failed=self.accepted is not None)
            case None, name if name == RUN:
                return self._run_experiment(arguments)
            case None, name if name == ANALYZE:
                return self._analyze(arguments)
        return Said(text=f"there is no tool {tool}", failed=True)

    def _run_experiment(self, arguments: Mapping[str, Any]) -> Said:
        if self.accepted is not None:
            return Said(text="the experiment is accepted already; end now")
        self._draft.compare()
        words = handover.read(arguments)
        if isinstance(words, Violation):
            return self._refused((words,))
        proposal = handover.proposal(words, self._draft.changes(), model=self._model)
        violations = self._desk.send_back(proposal)
        if violations:
            return self._refused(violations, self._desk.returns_left())
        self.accepted = proposal
        return Said(text="accepted, end now")

    def _refused(self, violations: tuple[Violation, ...], left: int | None = None) -> Said:
        undone = told(self._draft.told())
        text = mend(violations, f"call {RUN} again", left)
        return Said(text=f"{text}\n{undone}", failed=True)

    def _analyze(self, arguments: Mapping[str, Any]) -> Said:
        script = _bytes(arguments, "script") if arguments.get("script") else None
        found = self._desk.analyze(script)
        return Said(text=quoted("the analysis", found))

    def _before_edit(self, tool: str, arguments: Mapping[str, Any]) -> Said:
        named = os.path.normpath(_text(arguments, "file_path"))
        path = os.path.relpath(named, self._draft.path)
        allowed = (*self._context.mutable, *self._context.notes)
        if path not in allowed:
            return Said(text=not_writable(path, allowed), failed=True)
        after = self._after(path, tool, arguments)
        broken = [] if after is None else self._broken(path, after)
        return Said(text="\n".join(map(line, broken)), failed=bool(broken))

    def _after(self, path: str, tool: str, arguments: Mapping[str, Any]) -> bytes | None:
        """Return what the file would hold; `None` where the edit does not fit, as it will say."""
        if tool == "Write":
            return _bytes(arguments, "content")
        now = self._draft.content(path) or b""
        old, new = (_bytes(arguments, name) for name in ("old_string", "new_string"))
        count = -1 if arguments.get("replace_all") else 1
        return now.replace(old, new, count) if old in now else None

    def _broken(self, path: str, content: bytes) -> list[Violation]:
        others = [change for change in self._draft.changes() if change.path != path]
        mode = self._draft.mode(path)
        edited = Change(path=path, content=content, mode=mode)
        proposal = Proposal(hypothesis="an edit in the making", changes=(*others, edited))
        found = self._desk.review(proposal)
        return [each for each in found if each.path == path and each.rule not in LATER]


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise _IncompleteError(f"{name} must be given, as text")
    return value


def _bytes(arguments: Mapping[str, Any], name: str) -> bytes:
    return _text(arguments, name).encode(errors="surrogatepass")


@contextmanager
def door(
    path: Path, answer: Callable[[Mapping[str, Any]], Said]
) -> Iterator[tuple[socket.socket, Callable[[], None]]]:
    """Yield a socket that listens at `path`, and what to do when somebody knocks.

    Raises:
        ConfigError: the path is too long for a socket.
    """
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise ConfigError(f"{path} is too long for a socket", hint="set TMPDIR to a shorter path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(16)
        try:
            yield listener, lambda: _let_in(listener, answer)
        finally:
            path.unlink(missing_ok=True)


def _let_in(listener: socket.socket, answer: Callable[[Mapping[str, Any]], Said]) -> None:
    """Take one request and answer it; whoever hangs up or talks nonsense gets nothing."""
    caller, _ = listener.accept()
    with caller:
        caller.settimeout(READ_SECONDS)
        request = b""
        with suppress(OSError), caller.makefile("rb") as lines:
            request = lines.readline(LONGEST_LINE)
        said = _answered(request, answer)
        with suppress(OSError):
            caller.sendall(json.dumps({"text": said.text, "error": said.failed}).encode() + b"\n")


def _answered(text: bytes, answer: Callable[[Mapping[str, Any]], Said]) -> Said:
    try:
        request = handover.parsed(text)
        if not isinstance(request["arguments"], dict) or not isinstance(request["tool"], str):
            raise TypeError("a request has a tool's name, and an object of arguments")
    except (ValueError, KeyError, TypeError) as error:
        return Said(text=f"no request: {error}", failed=True)
    return answer(request)
