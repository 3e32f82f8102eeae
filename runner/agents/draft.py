"""What an agent has changed so far, in memory: nothing is written before the review has seen it.

It speaks the commands of the text-editor tool (`view`, `str_replace`, `create`, `insert`).
Only files of the context can be seen, so neither the harness nor the host can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.patterns import FilePatterns
from runner.records import REGULAR, Change, Files

MOST_SHOWN = 60_000
"""Characters of one answer."""
MOST_PLACES = 20
"""Of a text that is not unique; a hundred thousand of them would take minutes to count."""
ROOT = "/workspace/"
"""How the containers name the workspace; a model may do so too."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What an agent is told about something that it tried."""

    text: str
    failed: bool = False


class RefusedError(Exception):
    """What was asked cannot be done; its text says what can."""


class Draft:
    """The files of one context, and what became of them."""

    def __init__(self, files: Files, patterns: FilePatterns) -> None:
        self._before = files
        self._texts: dict[str, str] = {}
        """Every file that was written, also where it is as it was before."""
        self._removed: set[str] = set()
        self._patterns = patterns

    def edit(self, command: Mapping[str, Any]) -> Said:
        """Do one command of the text-editor tool; a failure is words for the agent."""
        try:
            path = text_of(command, "path").removeprefix(ROOT).removeprefix("./")
            return Said(text=self._edited(path, command))
        except RefusedError as refused:
            return Said(text=str(refused), failed=True)

    def append(self, path: str, text: str) -> Said:
        """Add lines to the end of a file; a failure is words for the agent."""
        try:
            before = self._read(path) if path in self._paths else ""
            gap = "" if not before or before.endswith("\n") else "\n"
            return Said(text=self._write(path, f"{before}{gap}{text.rstrip()}\n", "appended"))
        except RefusedError as refused:
            return Said(text=str(refused), failed=True)

    def remove(self, path: str) -> Said:
        """Take a file away; a failure is words for the agent."""
        try:
            self._read(path)
            if path in self._before and not self._patterns.may_remove(path):
                raise RefusedError(f"{path} must stay: only what a pattern matches may go")
        except RefusedError as refused:
            return Said(text=str(refused), failed=True)
        self._texts.pop(path, None)
        self._removed |= {path} & set(self._before)
        return Said(text=f"{path}: removed")

    def changes(self) -> tuple[Change, ...]:
        """Return what differs from the start, by path."""
        # What is no text (a lone surrogate) stays for the review to refuse.
        after = {path: text.encode(errors="surrogatepass") for path, text in self._texts.items()}
        gone = dict.fromkeys(self._removed)
        return changed(self._before, dict(sorted({**gone, **after}.items())))

    @property
    def _paths(self) -> list[str]:
        """Every file that there is now."""
        return sorted({*self._before, *self._texts} - self._removed)

    def _edited(self, path: str, command: Mapping[str, Any]) -> str:
        match command.get("command"):
            case "view":
                return self._view(path, command.get("view_range"))
            case "str_replace":
                return self._replace(path, text_of(command, "old_str"), text_of(command, "new_str"))
            case "create":
                return self._write(path, text_of(command, "file_text"), "written")
            case "insert":
                words = "insert_text" if "insert_text" in command else "new_str"
                new, after = text_of(command, words), command.get("insert_line")
                rows = self._read(path).split("\n")
                if not isinstance(after, int) or not 0 <= after <= len(rows):
                    raise RefusedError(f"insert_line must be a whole number from 0 to {len(rows)}")
                rows[after:after] = new.removesuffix("\n").split("\n")
                return self._write(path, "\n".join(rows), f"inserted after line {after}")
        raise RefusedError("command must be one of view, str_replace, create, insert")

    def _view(self, path: str, lines: Any) -> str:
        if path in ("", ".", ROOT.rstrip("/")):
            return "\n".join(self._paths)
        rows = self._read(path).split("\n")
        most = len(rows)
        match lines:
            case None:
                first, last = 1, most
            case [int(first), int(last)] if 1 <= first <= most and (last == -1 or last >= first):
                last = most if last == -1 else last
            case _:
                what = f"view_range must be [first, last], from 1 to {most}; last may be -1"
                raise RefusedError(what)
        numbered = (f"{n:6}\t{row}" for n, row in enumerate(rows[first - 1 : last], start=first))
        shown = "\n".join(numbered)
        if len(shown) > MOST_SHOWN:
            return f"{shown[:MOST_SHOWN]}\n(cut off; view a range of its {most} lines)"
        return shown

    def _replace(self, path: str, old: str, new: str) -> str:
        text = self._read(path)
        if not old:
            raise RefusedError("old_str is empty; use insert, or create for the whole file")
        # The line of each place, those that overlap too, and of no more than are shown.
        places, start, counted, line = list[int](), text.find(old), 0, 1
        while start >= 0 and len(places) <= MOST_PLACES:
            line, counted = line + text.count("\n", counted, start), start
            places.append(line)
            start = text.find(old, start + 1)
        if not places:
            raise RefusedError(f"old_str is not in {path}; view it, and copy the text exactly")
        if len(places) > 1:
            where = ", ".join(map(str, places[:MOST_PLACES]))
            many = len(places) > MOST_PLACES
            times = "many times, first at" if many else f"{len(places)} times, at"
            raise RefusedError(f"old_str is in {path} {times} lines {where}")
        return self._write(path, text.replace(old, new, 1), f"replaced at line {places[0]}")

    def _write(self, path: str, text: str, done: str) -> str:
        if not self._patterns.may_write(path, self._before):
            raise RefusedError(not_writable(path, self._patterns))
        self._texts[path] = text
        self._removed.discard(path)
        return f"{path}: {done}"

    def _read(self, path: str) -> str:
        if path in self._texts:
            return self._texts[path]
        if path not in self._paths:
            files = ", ".join(self._paths)
            raise RefusedError(f"there is no file {path}; there are: {files}")
        try:
            return self._before[path].content.decode()
        except UnicodeDecodeError:
            raise RefusedError(f"{path} is not text") from None


def without(changes: Sequence[Change], removed: Sequence[str], before: Files) -> list[Change]:
    """Return changes after which some files are gone, of those before or those just made.

    Raises:
        RefusedError: there is no such file.
    """
    made = {change.path for change in changes}
    if absent := [path for path in removed if path not in before and path not in made]:
        raise RefusedError(f"there is no file {absent[0]} to remove")
    gone = [
        Change(path=path, content=None, mode=before[path].mode)
        for path in dict.fromkeys(removed) if path in before
    ]  # fmt: skip
    return [*(change for change in changes if change.path not in removed), *gone]


def changed(before: Files, after: Mapping[str, bytes | None]) -> tuple[Change, ...]:
    """Return what differs; a mode stays what it was, and a new file is a plain one."""
    pairs = ((path, before.get(path), content) for path, content in after.items())
    return tuple(
        Change(path=path, content=content, mode=old.mode if old else REGULAR)
        for path, old, content in pairs
        if content != (old.content if old else None)
    )


def not_writable(path: str, patterns: FilePatterns) -> str:
    writable = ", ".join((patterns.said(), *patterns.notes))
    return f"{path} may not be changed; you may change: {writable}"


def text_of(command: Mapping[str, Any], name: str) -> str:
    """Return what a command says under a name; raise `RefusedError` where that is no text."""
    value = command.get(name)
    if not isinstance(value, str):
        raise RefusedError(f"{name} must be given, as text")
    return value
