"""LOG.md: hypothesis, change, result and takeaway of every experiment, written from the ledger.

The page in the run's folder holds all of them; the run's git gets, after each experiment, the last
20, so that each entry is in a commit and a thousand of them do not fill the disk.
It is a view: whatever becomes of it, the next experiment or the next start writes it anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from runner import commit_messages
from runner.prompt.history import LATEST, result, takeaways_of
from runner.prompt.untrusted import cleaned, markdown, one_line
from runner.records import LOG, Analysis, AskedBy, Change, Experiment, File
from runner.workspace import Workspace

WORDS = 1000
"""Characters of a hypothesis or a takeaway."""
CHANGES = 5
LINES, LINE = 8, 100
"""Of one file's changed lines, and their characters."""
HEAD = b"# Log\n\nWritten by the supervisor from the ledger: an edit of this page is lost.\n"


class ResearchLog:
    """The page of one run. An entry is rendered once, and again when its takeaway arrives."""

    def __init__(
        self, page: Path, workspace: Workspace, notes: Sequence[str], head: Callable[[], str]
    ) -> None:
        """Make it; `head` says where the ledger's chain is, which each version's commit carries."""
        self._page, self._workspace, self._notes, self._head = page, workspace, notes, head
        self._rendered: dict[int, tuple[Experiment, str, str, bytes]] = {}
        self._written: Sequence[bytes] = ()
        self._told: str | None = None
        """The newest head that a commit of the notes carries, once it was looked up."""

    def update(self, told: Sequence[Experiment], analyses: Sequence[Analysis] = ()) -> None:
        """Write the page, from what ended, as an agent may know it; twice is as good as once."""
        asked = [each for each in analyses if each.asked_by is not AskedBy.POLICY]
        before = {each.experiment: _analyses(asked, each.experiment) for each in asked}
        if not told:
            return
        takeaways = takeaways_of(told)
        entries = [
            self._entry(found, takeaways.get(found.number, ""), before.get(found.number, ""))
            for found in told
        ]
        self._write(entries)
        self._version(told[-1], entries)

    def audited(self, last: Experiment) -> None:
        """Leave the chain's head beside the notes where an audit has moved it."""
        head = self._head()
        if self._told is None:
            self._told = commit_messages.trailer(
                self._workspace.newest_notes(commit_messages.CHAIN)
            )
        if self._told != head:
            message = commit_messages.audit(last.number, head)
            self._workspace.write_notes([], message, last.ended_at or last.started_at, anew=True)
            self._told = head

    def _write(self, entries: Sequence[bytes]) -> None:
        """Write what changed at the page's end; all of it if it is not as it was left."""
        same = sum(1 for _ in takewhile(_is_same, zip(entries, self._written, strict=False)))
        left = len(_page(HEAD, self._written))
        if not same or not self._page.is_file() or self._page.stat().st_size != left:
            fresh = self._page.with_name(f"{LOG}.new")
            fresh.write_bytes(_page(HEAD, entries))
            fresh.replace(self._page)
        else:
            with self._page.open("r+b") as stream:
                stream.seek(len(_page(HEAD, entries[:same])))
                stream.writelines(b"\n" + entry for entry in entries[same:])
                stream.truncate()
        self._written = entries

    def _version(self, last: Experiment, entries: Sequence[bytes]) -> None:
        some = f"The last {LATEST} of {len(entries)}; all are in the run's folder.\n".encode()
        head = HEAD if len(entries) <= LATEST else HEAD + some
        change = Change(path=LOG, content=_page(head, entries[-LATEST:]))
        when = last.ended_at or last.started_at
        message = commit_messages.log(last.number, self._head())
        if self._workspace.write_notes([change], message, when):
            self._told = commit_messages.trailer(message)

    def _entry(self, found: Experiment, takeaway: str, analyses: str) -> bytes:
        known = self._rendered.get(found.number)
        if known and known[0] is found and known[1:3] == (takeaway, analyses):
            return known[3]
        text = "\n".join(_entry(found, takeaway, list(self._changes(found)), analyses))
        entry = text.encode("utf-8", errors="backslashreplace")
        self._rendered[found.number] = (found, takeaway, analyses, entry)
        return entry

    def _changes(self, found: Experiment) -> Iterator[str]:
        """Yield each change as an item of a list, and below it which lines went and came."""
        before = self._workspace.files(found.parent_commit)
        for change in self._workspace.loaded(found.changes[:CHANGES]):
            if change.path in self._notes:
                yield f"  - {_text(change.path, LINE)} (notes)"
            else:
                yield from _change(change, before.get(change.path))
        if len(found.changes) > CHANGES:
            yield f"  - and {len(found.changes) - CHANGES} more"


def _page(head: bytes, entries: Sequence[bytes]) -> bytes:
    return b"\n".join([head, *entries])


def _is_same(pair: tuple[bytes, bytes]) -> bool:
    return pair[0] is pair[1]


def _analyses(ran: Sequence[Analysis], experiment: int) -> str:
    seconds = [each.seconds or 0.0 for each in ran if each.experiment == experiment]
    return f"{len(seconds)} before it, {sum(seconds):.0f} s in all"


def _entry(
    found: Experiment, takeaway: str, changes: Sequence[str], analyses: str
) -> Iterator[str]:
    category = f" [{_text(found.category, 40)}]" if found.category else ""
    yield f"### Exp {found.number}: {found.status}{category}\n"
    yield f"- **Hypothesis:** {_text(found.hypothesis, WORDS)}"
    yield "- **Change:**" if changes else "- **Change:** none"
    yield from changes
    if analyses:
        yield f"- **Analyses:** {analyses}"
    yield f"- **Result:** {markdown(result(found))}"
    yield f"- **Takeaway:** {_text(takeaway, WORDS)}".rstrip() + "\n"


def _text(text: str, most: int) -> str:
    """Return an agent's words as one line of a page that is shown as Markdown."""
    return markdown(one_line(text, most))


def _change(change: Change, before: File | None) -> Iterator[str]:
    """Yield a summary and the lines themselves; a moved line is no change here."""
    old, new = _lines(before.content if before else b""), _lines(change.content or b"")
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    verb = "" if before else "new, "
    verb = "removed, " if change.content is None else verb
    yield f"  - {_text(change.path, LINE)} ({verb}+{come.total()} -{gone.total()})"
    signed = [*(f"- {line}" for line in gone), *(f"+ {line}" for line in come)]
    yield from (f"        {cleaned(line[: 2 * LINE])[:LINE].rstrip()}" for line in signed[:LINES])
    if len(signed) > LINES:
        yield f"        … {len(signed) - LINES} more"


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", errors="backslashreplace").split("\n")
