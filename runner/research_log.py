"""LOG.md: hypothesis, change, result and takeaway of every experiment, written from the journal.

The page in the run's folder holds all of them; the run's git gets, after each experiment, the last
20, so that each entry is in a commit and a thousand of them do not fill the disk.
It is a view: whatever becomes of it, the next experiment or the next start writes it anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

from runner import commit_messages
from runner.prompt.history import LATEST, result, takeaways_of
from runner.prompt.untrusted import cleaned, markdown, one_line
from runner.records import LOG, Analysis, AskedBy, Change, Experiment, File
from runner.workspace import Workspace

WORDS = 1000
"""Characters of a hypothesis or a takeaway."""
CHANGES = 5
TOGETHER = 200
"""Experiments whose changes are read from git at once."""
LINES, LINE = 8, 100
"""Of one file's changed lines, and their characters."""
HEAD = "# Log\n\nWritten by the supervisor from the journal: an edit of this page is lost.\n"


class ResearchLog:
    """The page of one run. An entry is appended; a takeaway that arrives goes into its own."""

    def __init__(
        self,
        page: Path,
        workspace: Workspace,
        notes: Sequence[str],
        head: Callable[[], str],
        analyses: Callable[[int], Sequence[Analysis]],
        trust: str = "",
    ) -> None:
        """Make it.

        Args:
            page: where it is.
            workspace: the run's.
            notes: the files that are notes.
            head: says where the journal's chain is, which each version's commit carries.
            analyses: returns those before an experiment.
            trust: what is to be known of every score on the page.
        """
        self._title = (f"{HEAD}{trust}.\n" if trust else HEAD).encode()
        self._page, self._workspace, self._notes = page, workspace, notes
        self._head, self._analyses = head, analyses
        self._starts: list[int] = []
        """Where each entry of the page begins, as far as it was written here."""
        self._size = -1
        """Of the page as it was left."""
        self._told: str | None = None
        """The newest head that a commit of the notes carries, once it was looked up."""

    def update(self, newest: Experiment, everything: Callable[[], Iterable[Experiment]]) -> None:
        """Write the newest experiment that ended; twice is as good as once.

        Args:
            newest: as an agent may know it, as all of them.
            everything: returns all that ended, for a page that is not as it was left.
        """
        there = self._page.is_file() and self._page.stat().st_size == self._size
        if there and newest.number in (len(self._starts) - 1, len(self._starts)):
            self._append(newest)
        else:
            self._write(everything())
        self._version(newest)

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

    def _write(self, told: Iterable[Experiment]) -> None:
        """Write the whole page."""
        history = list(told)
        takeaways, fresh = takeaways_of(history), self._page.with_name(f"{LOG}.new")
        self._starts = []
        with fresh.open("wb") as file:
            file.write(self._title)
            for each, changes in self._loaded(history):
                self._starts.append(file.tell() + 1)
                takeaway = takeaways.get(each.number, "")
                file.write(b"\n" + self._entry(each, takeaway, changes))
            self._size = file.tell()
        fresh.replace(self._page)

    def _loaded(
        self, history: Sequence[Experiment]
    ) -> Iterator[tuple[Experiment, tuple[Change, ...]]]:
        """Yield experiments with what is shown of their changes; git is asked for many at once."""
        for start in range(0, len(history), TOGETHER):
            some = history[start : start + TOGETHER]
            named = [change for each in some for change in each.changes[:CHANGES]]
            loaded = iter(self._workspace.loaded(named))
            for each in some:
                yield each, tuple(islice(loaded, len(each.changes[:CHANGES])))

    def _append(self, newest: Experiment) -> None:
        """Write the newest entry at the end, and its takeaway where it belongs."""
        entries, origin = self._entries(newest.number - LATEST), newest.origin
        about = origin.takeaway_of if origin else None
        if about is not None and origin:
            entries = entries if about in entries else self._entries(about)
            before, _, _ = entries[about].rstrip(b"\n").rpartition(b"\n")
            entries[about] = before + b"\n" + _takeaway(origin.takeaway)
        [(_, changes)] = self._loaded([newest])
        entries[newest.number] = self._entry(newest, "", changes)
        first = min(entries)
        with self._page.open("r+b") as file:
            at = self._starts[first] - 1 if first < len(self._starts) else self._size
            file.seek(at)
            del self._starts[first:]
            for number in sorted(entries):
                self._starts.append(file.tell() + 1)
                file.write(b"\n" + entries[number])
            file.truncate()
            self._size = file.tell()

    def _entries(self, first: int) -> dict[int, bytes]:
        """Read the page's entries from this experiment's on."""
        first = max(0, first)
        starts = [*self._starts[first:], self._size + 1]
        with self._page.open("rb") as file:
            file.seek(starts[0])
            sizes = [end - start - 1 for start, end in pairwise(starts)]
            return {first + n: file.read(size + 1)[:size] for n, size in enumerate(sizes)}

    def _version(self, last: Experiment) -> None:
        count = len(self._starts)
        some = f"The last {LATEST} of {count}; all are in the run's folder.\n".encode()
        head = self._title if count <= LATEST else self._title + some
        latest = self._entries(count - LATEST).values()
        change = Change(path=LOG, content=b"\n".join([head, *latest]))
        when = last.ended_at or last.started_at
        message = commit_messages.log(last.number, self._head())
        if self._workspace.write_notes([change], message, when):
            self._told = commit_messages.trailer(message)

    def _entry(self, found: Experiment, takeaway: str, changes: Sequence[Change]) -> bytes:
        asked = self._analyses(found.number)
        ran = _ran([each for each in asked if each.asked_by is not AskedBy.POLICY])
        lines = "\n".join(_entry(found, list(self._changes(found, changes)), ran))
        return f"{lines}\n".encode("utf-8", errors="backslashreplace") + _takeaway(takeaway)

    def _changes(self, found: Experiment, changes: Sequence[Change]) -> Iterator[str]:
        """Yield each change as an item of a list, and below it which lines went and came."""
        before = self._workspace.files(found.parent_commit)
        for change in changes:
            if change.path in self._notes:
                yield f"  - {_text(change.path, LINE)} (notes)"
            else:
                yield from _change(change, before.get(change.path))
        if len(found.changes) > CHANGES:
            yield f"  - and {len(found.changes) - CHANGES} more"


def _ran(analyses: Sequence[Analysis]) -> str:
    seconds = sum(each.seconds or 0.0 for each in analyses)
    return f"{len(analyses)} before it, {seconds:.0f} s in all" if analyses else ""


def _entry(found: Experiment, changes: Sequence[str], analyses: str) -> Iterator[str]:
    category = f" [{_text(found.category, 40)}]" if found.category else ""
    yield f"### Exp {found.number}: {found.status}{category}\n"
    yield f"- **Hypothesis:** {_text(found.hypothesis, WORDS)}"
    yield "- **Change:**" if changes else "- **Change:** none"
    yield from changes
    if analyses:
        yield f"- **Analyses:** {analyses}"
    yield f"- **Result:** {markdown(result(found))}"


def _takeaway(text: str) -> bytes:
    """Return the last line of an entry: what an agent made of it, once it said so."""
    line = f"- **Takeaway:** {_text(text, WORDS)}".rstrip() + "\n"
    return line.encode("utf-8", errors="backslashreplace")


def _text(text: str, most: int) -> str:
    """Return an agent's words as one line of a page that is shown as Markdown."""
    return markdown(one_line(text, most))


def _change(change: Change, before: File | None) -> Iterator[str]:
    """Yield a summary and the lines themselves, as a block of code in which nothing is Markdown.

    A moved line is no change here.
    """
    old, new = _lines(before.content if before else b""), _lines(change.content or b"")
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    verb = "" if before else "new, "
    verb = "removed, " if change.content is None else verb
    yield f"  - {_text(change.path, LINE)} ({verb}+{come.total()} -{gone.total()})"
    signed = [*(f"- {line}" for line in gone), *(f"+ {line}" for line in come)]
    if signed:
        yield ""
    yield from (f"        {cleaned(line[: 2 * LINE])[:LINE].rstrip()}" for line in signed[:LINES])
    if len(signed) > LINES:
        yield f"        … {len(signed) - LINES} more"


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", errors="backslashreplace").split("\n")
