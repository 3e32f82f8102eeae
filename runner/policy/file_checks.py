"""Review of where a proposal writes, what kind of file, how much, and in which characters."""

from __future__ import annotations

from collections.abc import Iterator

from runner.characters import is_hidden
from runner.policy.case import MAX_CHANGES, Case, is_python, is_text
from runner.policy.diffs import added_lines
from runner.policy.information import information as compressed
from runner.policy.paths import is_too_long, shown, twin, unsafe
from runner.policy.syntax import declared_encoding
from runner.policy.words import listed
from runner.records import EXECUTABLE, REGULAR, Change, Violation

KINDS = {
    0o120000: "a symbolic link",
    0o160000: "a git submodule",
    0o040000: "a folder",
    0o020000: "a device",
    0o060000: "a device",
    0o010000: "a pipe",
    0o140000: "a socket",
}


def refused(rule: str, path: str | None, problem: str, allowed: str) -> Violation:
    """A violation whose message says what is allowed instead; the path stands beside it."""
    name = None if path is None else shown(path)
    return Violation(rule=rule, message=f"{problem}; allowed: {allowed}", path=name)


def paths(case: Case) -> Iterator[Violation]:
    """Each path is one that the policy lists, spelled exactly so, once."""
    for index, change in enumerate(case.changes):
        path = change.path
        problems = list(_path_problems(case, index, path))
        if not problems and not case.is_known(path):
            problems = [("path-not-mutable", "is frozen")]
        for rule, problem in problems:
            yield refused(rule, path, problem, _places(case))


def _places(case: Case) -> str:
    files = case.policy.files
    return (
        f"changes of {listed(files.mutable)}, and notes in {listed(files.notes, empty='no file')}"
    )


def _path_problems(case: Case, index: int, path: str) -> Iterator[tuple[str, str]]:
    reason = unsafe(path)
    if reason:
        yield "path-unsafe", reason
    if is_too_long(path):
        return
    if not path.isascii():
        yield "path-not-ascii", "is not plain ASCII"
    other = _collision(case, index, path)
    if other is not None:
        yield "path-collision", f"is easily taken for {shown(other)}"


def _collision(case: Case, index: int, path: str) -> str | None:
    """Another path that folds to the same one; the same path twice is one, too."""
    before = [change.path for change in case.changes[:index]]
    if path in before:
        return path
    listed_paths = (*case.policy.files.mutable, *case.policy.files.notes)
    others = (*case.files, *listed_paths, *before)
    return next((each for each in others if each != path and twin(each) == twin(path)), None)


def kinds(case: Case) -> Iterator[Violation]:
    """Each change is a plain file with the mode it already has, and none is removed."""
    for change in case.changes:
        if not case.is_known(change.path):
            continue
        mode = case.mode(change.path)
        if change.content is None:
            yield refused("file-missing", change.path, "would be removed", "changing its content")
        elif change.mode != mode:
            allowed = f"a plain file of mode {mode:06o}"
            yield refused("file-kind", change.path, f"would be {_kind(change)}", allowed)


def _kind(change: Change) -> str:
    plain = change.mode in (REGULAR, EXECUTABLE)
    kind = KINDS.get(change.mode & 0o170000, "a file")
    return f"{'a file' if plain else kind} of mode {change.mode:06o}"


def counts(case: Case) -> Iterator[Violation]:
    """Not more files than the policy says; notes are free."""
    most = case.policy.edits.max_files
    count = len({change.path for change in case.changes} - set(case.policy.files.notes))
    if count > most:
        yield refused("too-many-files", None, f"{count} files would change", f"at most {most}")
    total = len(case.proposal.changes)
    if total > MAX_CHANGES:
        allowed = f"at most {MAX_CHANGES}, notes too"
        yield refused("too-many-files", None, f"there are {total} changes", allowed)


def sizes(case: Case) -> Iterator[Violation]:
    """Files, the lines added to all of them, and single lines stay below their limits."""
    edits = case.policy.edits
    for path, content in case.sound.items():
        if len(content) > edits.max_file_bytes:
            allowed = f"at most {edits.max_file_bytes}"
            yield refused("file-too-large", path, f"would hold {len(content)} bytes", allowed)
    small = {path: new for path, new in case.edited.items() if len(new) <= edits.max_file_bytes}
    added = sum(added_lines(case.before(path) or b"", new) for path, new in small.items())
    if added > edits.max_added_lines:
        allowed = f"at most {edits.max_added_lines}"
        yield refused("too-many-lines", None, f"{added} lines would be added", allowed)
    for path, new in small.items():
        yield from _long_lines(path, new, edits.max_line_bytes)


def information(case: Case) -> Iterator[Violation]:
    """Data does not travel in source: whatever carries it is information."""
    edits = case.policy.edits
    before = {
        path: old for path in case.policy.files.mutable if (old := case.before(path)) is not None
    }
    if any(len(content) > edits.max_file_bytes for content in case.edited.values()):
        return  # refused for that
    what = "names, numbers, comments, layout and the order of lines count"
    new = compressed(case.different, before) if case.different else 0
    if new > edits.max_new_information:
        problem = f"{new} bytes of information are new, compressed, given the files before; {what}"
        allowed = f"at most {edits.max_new_information}"
        yield refused("too-much-information", None, problem, allowed)
    total = compressed({**before, **case.edited})
    if total > edits.max_information:
        problem = f"the mutable files would hold {total} bytes of information, compressed; {what}"
        allowed = f"at most {edits.max_information}"
        yield refused("too-much-information", None, problem, allowed)


def _long_lines(path: str, content: bytes, most: int) -> Iterator[Violation]:
    lines = enumerate(content.split(b"\n"), start=1)
    found = next(((number, len(line)) for number, line in lines if len(line) > most), None)
    if found:
        problem = f"has a line {found[0]} of {found[1]} bytes"
        yield refused("line-too-long", path, problem, f"at most {most}")


def encodings(case: Case) -> Iterator[Violation]:
    """Every changed file is UTF-8, and no Python source asks to be read as anything else."""
    for path, content in case.sound.items():
        cookie = declared_encoding(content) if is_python(path) else None
        if not is_text(content):
            yield refused("not-utf8", path, "is not UTF-8", "UTF-8 text")
        elif cookie is not None and case.is_mutable(path):
            yield refused("not-utf8", path, f"declares the encoding {cookie}", "UTF-8 only")


def characters(case: Case) -> Iterator[Violation]:
    """What a mutable file looks like is what it says."""
    limit = case.policy.edits.max_file_bytes
    for path, content in case.edited.items():
        found = hidden(content.decode()) if is_text(content) and len(content) <= limit else None
        if found:
            problem = f"has the hidden character {found[1]} on line {found[0]}"
            allowed = "visible characters, spaces, tabs and line feeds"
            yield refused("hidden-characters", path, problem, allowed)


def hidden(text: str) -> tuple[int, str] | None:
    """The first character that an editor would not show as itself, and its line."""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if line.isascii() and line.isprintable():
            continue
        for letter in line:
            if letter != "\t" and is_hidden(letter):
                return number, f"U+{ord(letter):04X}"
    return None
