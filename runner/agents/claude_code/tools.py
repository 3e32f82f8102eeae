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
from runner.agents.draft import RefusedError, Said, not_writable, text_of, without
from runner.agents.draft_folder import DraftFolder, UnsettledError
from runner.errors import ConfigError
from runner.prompt.brief import broken, mend
from runner.prompt.untrusted import quoted
from runner.records import Change, Proposal, Violation
from runner.seams import Context, Supervisor

LATER = frozenset(
    ("not-python", "seed-only-change", "no-change", "repeat", "no-hypothesis", "file-missing")
)
"""Rules of a whole proposal: an edit on the way to it may break them."""
LONGEST_LINE = 16 * 1024 * 1024
READ_SECONDS = 10.0
LONGEST_SOCKET = 100
"""Bytes of a path that every system takes for a socket."""


class Tools:
    """Answers one proposal's hooks and tools; `accepted` is what came of them."""

    def __init__(
        self, draft: DraftFolder, context: Context, supervisor: Supervisor, model: str
    ) -> None:
        self.draft, self.context, self.supervisor, self._model = draft, context, supervisor, model
        self.writable = (*context.mutable, *context.notes)
        """For the client's settings, whose wildcards mean the same; each edit is looked at here."""
        self.accepted: Proposal | None = None

    def answer(self, request: Mapping[str, Any]) -> Said:
        """Answer a request, which has a tool's name and an object of arguments."""
        tool, arguments = request["tool"], request["arguments"]
        try:
            match request.get("event"), tool:
                case "PreToolUse", _:
                    return self._before_edit(tool, arguments)
                case "PostToolUse", _:
                    return Said(text="accepted", failed=self.accepted is not None)
                case None, name if name == RUN:
                    return self._run_experiment(arguments)
                case None, name if name == ANALYZE:
                    script = _bytes(arguments, "script") if arguments.get("script") else None
                    return Said(text=quoted("the analysis", self.supervisor.analyze(script)))
        except (RefusedError, UnsettledError) as error:
            return Said(text=str(error), failed=True)
        return Said(text=f"there is no tool {tool}", failed=True)

    def _run_experiment(self, arguments: Mapping[str, Any]) -> Said:
        if self.accepted is not None:
            return Said(text="the experiment is accepted already; end now")
        self.draft.compare()
        words, left = handover.read(arguments), None
        if isinstance(words, Violation):
            violations: tuple[Violation, ...] = (words,)
        else:
            changes = without(self.draft.changes(), words.removed or (), self.context.files)
            proposal = handover.proposal(words, changes, model=self._model)
            if not (violations := self.supervisor.send_back(proposal)):
                self.accepted = proposal
                return Said(text="accepted, end now")
            left = self.supervisor.returns_left()
        text = mend(violations, f"call {RUN} again", left)
        return Said(text=f"{text}\n{told(self.draft.told())}", failed=True)

    def _before_edit(self, tool: str, arguments: Mapping[str, Any]) -> Said:
        """Review what a file would hold; an edit that does not fit says so by itself."""
        path = os.path.relpath(os.path.normpath(text_of(arguments, "file_path")), self.draft.path)
        if not self.context.patterns.may_write(path, self.context.files):
            return Said(text=not_writable(path, self.context.patterns), failed=True)
        if tool == "Write":
            after = _bytes(arguments, "content")
        else:
            now = self.draft.content(path) or b""
            old, new = (_bytes(arguments, name) for name in ("old_string", "new_string"))
            if old not in now:
                return Said(text="")
            after = now.replace(old, new, -1 if arguments.get("replace_all") else 1)
        edited = Change(path=path, content=after, mode=self.draft.mode(path))
        others = (change for change in self.draft.changes() if change.path != path)
        proposal = Proposal(hypothesis="an edit in the making", changes=(*others, edited))
        found = self.supervisor.review(proposal)
        wrong = [broken(each) for each in found if each.path == path and each.rule not in LATER]
        return Said(text="\n".join(wrong), failed=bool(wrong))


def _bytes(arguments: Mapping[str, Any], name: str) -> bytes:
    return text_of(arguments, name).encode(errors="surrogatepass")


def _answered(content: bytes, answer: Callable[[Mapping[str, Any]], Said]) -> Said:
    try:
        request = handover.parsed(content)
        if not isinstance(request["arguments"], dict) or not isinstance(request["tool"], str):
            raise TypeError("a request has a tool's name, and an object of arguments")
    except (ValueError, KeyError, TypeError) as error:
        return Said(text=f"no request: {error}", failed=True)
    return answer(request)


@contextmanager
def door(
    path: Path, answer: Callable[[Mapping[str, Any]], Said]
) -> Iterator[tuple[socket.socket, Callable[[], None]]]:
    """Yield a socket that listens at `path`, and what to do when somebody knocks.

    It takes one request and answers it; whoever hangs up or talks nonsense gets nothing.

    Raises:
        ConfigError: the path is too long for a socket.
    """
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise ConfigError(f"{path} is too long for a socket", hint="set TMPDIR to a shorter path")

    def let_in() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.settimeout(READ_SECONDS)
            content = b""
            with suppress(OSError), caller.makefile("rb") as lines:
                content = lines.readline(LONGEST_LINE)
            said = _answered(content, answer)
            with suppress(OSError):
                reply = {"text": said.text, "error": said.failed}
                caller.sendall(json.dumps(reply).encode() + b"\n")

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(16)
        try:
            yield listener, let_in
        finally:
            path.unlink(missing_ok=True)
