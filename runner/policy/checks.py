"""What a review looks at: where a proposal writes and how much, what its Python source does.

What this does not protect against: code that wants to hide what it does. The rules on source tell
an agent before the experiment what would fail in it or be thrown away, and a person that the source
is what runs. The sandbox is the wall, so names are followed through imports and no further.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from runner.characters import is_hidden
from runner.patterns import MOST_FILES, is_read_by_itself
from runner.policy.additions import OTHERS, own_modules, taken_place
from runner.policy.case import MAX_CHANGES, Case, is_python, is_text
from runner.policy.information import information as compressed
from runner.policy.paths import is_too_long, shown, twin, unsafe
from runner.policy.syntax import Reference, SourceFacts, Unparsable, declared_encoding
from runner.policy.words import listed
from runner.records import EXECUTABLE, LOG, REGULAR, Violation

KINDS = {
    0o120000: "a symbolic link",
    0o160000: "a git submodule",
    0o040000: "a folder",
    0o020000: "a device",
    0o060000: "a device",
    0o010000: "a pipe",
    0o140000: "a socket",
}
SHOWN_NAMES = 5
SHOWN_CHARACTERS = 120
"""Of a name; a rule has looked at all of it."""


@dataclass(frozen=True, kw_only=True)
class Forbidden:
    """What one rule refuses, and what an agent should do instead."""

    instead: str
    modules: tuple[str, ...]
    """Imported names with everything below them; a star stands for the rest of a word."""
    builtins: tuple[str, ...] = ()


FORBIDDEN: Mapping[str, Forbidden] = {
    "dynamic-code": Forbidden(
        instead="plain functions; torch.save and numpy.save for what training leaves",
        builtins=("eval", "exec", "compile", "__import__", "breakpoint"),
        modules=(
            *("importlib", "runpy", "code", "pickle", "marshal", "shelve", "dill", "cloudpickle"),
            *("joblib", "numpy.f2py", "torch.utils.cpp_extension"),
        ),
    ),
    "process": Forbidden(
        instead="threads, and torch's DataLoader with workers",
        modules=(
            *("subprocess", "multiprocessing", "torch.multiprocessing", "pty"),
            *("concurrent.futures.Process*", "concurrent.futures.process"),
            *("asyncio.create_subprocess*", "os.system", "os.popen", "os.fork*", "os.exec*"),
            *("os.spawn*", "os.posix_spawn*", "os.kill*"),
        ),
    ),
    "network": Forbidden(
        instead="the data that the kit loads; no container has a network",
        modules=(
            *("socket", "socketserver", "ssl", "http.client", "http.server", "urllib.request"),
            *("ftplib", "smtplib", "poplib", "imaplib", "xmlrpc", "requests", "httpx", "aiohttp"),
            *("urllib3", "websocket*", "paramiko", "boto3", "huggingface_hub", "wandb"),
            *("torch.hub", "torch.distributed", "torch.utils.model_zoo"),
            *("asyncio.open_connection", "asyncio.start_server"),
        ),
    ),
}


def refused(rule: str, path: str | None, problem: str, allowed: str) -> Violation:
    """A violation whose message says what is allowed instead; the path stands beside it."""
    name = None if path is None else shown(path)
    return Violation(rule=rule, message=f"{problem}; allowed: {allowed}", path=name)


# -- files ------------------------------------------------------------------------------------


def paths(case: Case) -> Iterator[Violation]:
    """Each path is one that the policy names, spelled exactly so, once, and in nobody's place."""
    files, patterns = case.policy.files, case.patterns
    allowed = f"changes of {patterns.said()}, and notes in {listed(files.notes, empty='no file')}"
    before: list[str] = []
    for path in (change.path for change in case.changes):
        problems = []
        others = {*case.files, *patterns.plain, *files.notes, LOG, *before} - {path}
        if reason := unsafe(path):
            problems.append(("path-unsafe", reason))
        if not is_too_long(path):
            if not path.isascii():
                problems.append(("path-not-ascii", "is not plain ASCII"))
            twins = sorted(each for each in others if twin(each) == twin(path))
            other = path if path in before else next(iter(twins), None)
            if other is not None:
                problems.append(("path-collision", f"is easily taken for {shown(other)}"))
        if not problems and not case.is_known(path):
            problems.append(("path-not-mutable", _why_frozen(case, path)))
        yield from (refused(rule, path, problem, allowed) for rule, problem in problems)
        is_new = not problems and path not in {*case.files, *patterns.plain, *files.notes}
        if is_new and (taken := taken_place(path, others, patterns, case.around)):
            yield refused("path-shadows", path, taken, "another name, of nothing that is there")
        before.append(path)


def _why_frozen(case: Case, path: str) -> str:
    if path in case.files or not case.patterns.names(path):
        read = is_read_by_itself(path)
        return "is what Python or a tool reads by itself" if read else "is frozen"
    return "is new, and files.may_add is false"


def kinds(case: Case) -> Iterator[Violation]:
    """Each change is a plain file with the mode it already has, and none is removed."""
    for change in case.changes:
        mode = case.mode(change.path)
        if not case.is_known(change.path) or change.path in case.removed:
            continue
        if change.content is None:
            yield refused("file-missing", change.path, "would be removed", "changing its content")
        elif change.mode != mode:
            plain = change.mode in (REGULAR, EXECUTABLE)
            kind = "a file" if plain else KINDS.get(change.mode & 0o170000, "a file")
            problem = f"would be {kind} of mode {change.mode:06o}"
            yield refused("file-kind", change.path, problem, f"a plain file of mode {mode:06o}")


def counts(case: Case) -> Iterator[Violation]:
    """Not more files than the policy says; notes are free."""
    most, total = case.policy.edits.max_files, len(case.proposal.changes)
    count = len({change.path for change in case.changes} - set(case.policy.files.notes))
    if count > most:
        yield refused("too-many-files", None, f"{count} files would change", f"at most {most}")
    if total > MAX_CHANGES:
        allowed = f"at most {MAX_CHANGES}, notes too"
        yield refused("too-many-files", None, f"there are {total} changes", allowed)
    held = len(case.mutable(case.after))
    if held > MOST_FILES:
        problem = f"there would be {held} mutable files"
        yield refused("too-many-files", None, problem, f"at most {MOST_FILES}")


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
        lengths = enumerate(map(len, new.split(b"\n")), start=1)
        long = next((pair for pair in lengths if pair[1] > edits.max_line_bytes), None)
        if long:
            problem = f"has a line {long[0]} of {long[1]} bytes"
            yield refused("line-too-long", path, problem, f"at most {edits.max_line_bytes}")


def added_lines(before: bytes, after: bytes) -> int:
    """Lines of `after` that are not in a longest common subsequence with `before`.

    Not difflib: its matcher is cubic at worst, and an agent chooses the input.
    This one keeps a bit per old line in one integer (Hyyrö 2004): old x new / word size.
    """
    old, new = before.split(b"\n"), after.split(b"\n")
    places: defaultdict[bytes, int] = defaultdict(int)
    for index, line in enumerate(old):
        places[line] |= 1 << index
    row = whole = (1 << len(old)) - 1
    for line in new:
        if match := places.get(line, 0):
            row = ((row + (row & match)) | (row & ~match)) & whole
    return len(new) - (len(old) - row.bit_count())


def information(case: Case) -> Iterator[Violation]:
    """Data does not travel in source: whatever carries it is information."""
    edits, what = case.policy.edits, "names, numbers, comments, layout and the order of lines count"
    before = case.mutable(case.files)
    if any(len(content) > edits.max_file_bytes for content in case.edited.values()):
        return  # refused for that
    new = compressed(case.different, before) if case.different else 0
    if new > edits.max_new_information:
        problem = f"{new} bytes of information are new, compressed, given the files before; {what}"
        allowed = f"at most {edits.max_new_information}"
        yield refused("too-much-information", None, problem, allowed)
    total = compressed(case.mutable(case.after))
    if total > edits.max_information:
        problem = f"the mutable files would hold {total} bytes of information, compressed; {what}"
        allowed = f"at most {edits.max_information}"
        yield refused("too-much-information", None, problem, allowed)


def encodings(case: Case) -> Iterator[Violation]:
    """Every changed file is UTF-8, and no Python source asks to be read as anything else."""
    for path, content in case.sound.items():
        cookie = declared_encoding(content) if is_python(path) else None
        if not is_text(content):
            yield refused("not-utf8", path, "is not UTF-8", "UTF-8 text")
        elif cookie is not None and case.is_mutable(path):
            yield refused("not-utf8", path, f"declares the encoding {cookie}", "UTF-8 only")


def characters(case: Case) -> Iterator[Violation]:
    """What a mutable file looks like is what it says; what was hidden in it before may stay."""
    limit = case.policy.edits.max_file_bytes
    for path, content in case.edited.items():
        before = (case.before(path) or b"").decode(errors="ignore")
        text = content.decode() if is_text(content) and len(content) <= limit else ""
        found = hidden(text, before)
        if found:
            problem = f"has the hidden character {found[1]} on line {found[0]}"
            allowed = "visible characters, spaces, tabs and line feeds"
            yield refused("hidden-characters", path, problem, allowed)


def hidden(text: str, before: str = "") -> tuple[int, str] | None:
    """The first character that an editor would not show as itself, and its line.

    As many of each as the text held before are its own.
    """
    left = Counter(before.replace("\r\n", "\n"))
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if line.isascii() and line.isprintable():
            continue
        for letter in line:
            if letter not in " \t" and (letter.isspace() or is_hidden(letter)):
                left[letter] -= 1
                if left[letter] < 0:
                    return number, f"U+{ord(letter):04X}"
    return None


# -- sources ----------------------------------------------------------------------------------


def python(case: Case) -> Iterator[Violation]:
    """Every edited Python file parses within the parser's limits."""
    for path in case.edited:
        facts = case.source(path)
        if isinstance(facts, Unparsable):
            problem = f"cannot be parsed{f' on line {facts.line}' if facts.line else ''}"
            yield refused("not-python", path, f"{problem}: {facts.reason}", "valid Python")


def _parsed(case: Case) -> Iterator[tuple[str, SourceFacts]]:
    """Each edited Python file that could be parsed."""
    for path in case.edited:
        if isinstance(facts := case.source(path), SourceFacts):
            yield path, facts


def odd_names(case: Case) -> Iterator[Violation]:
    """New identifiers are ASCII: Python folds others, and readers cannot tell them apart."""
    for path, facts in _parsed(case):
        before = case.facts.get(case.before(path) or b"")
        known = (
            {each.name for each in before.odd_names} if isinstance(before, SourceFacts) else set()
        )
        if found := [each for each in facts.odd_names if each.name not in known]:
            problem = f"uses the name {_places(found)}"
            yield refused("hidden-characters", path, problem, "names in ASCII")


def imports(case: Case) -> Iterator[Violation]:
    """Only listed modules are imported, and the workspace's own."""
    if (rule := case.policy.edits.imports) is None:
        return
    below = tuple(f"{module}." for module in rule.allow)
    for path, facts in _parsed(case):
        others = [each for each in facts.imports if not f"{each.name}.".startswith(below)]
        if others:
            code = {*case.after} - {*case.policy.files.notes}  # no container has notes
            modules = own_modules(code)
            own = tuple(f"{module}." for module in modules - OTHERS)
            beside = tuple(f"{module}." for module in modules)  # those of Python are not meant
            others = [
                each for each in others
                if not f"{each.name}.".lower().startswith(own)
                and not _is_in_package(each.name.lower(), path, beside)
            ]  # fmt: skip
        if others:
            allowed = listed(rule.allow, empty="no imports")
            yield refused("import-not-allowed", path, f"imports {_places(others)}", allowed)


def _is_in_package(name: str, path: str, modules: tuple[str, ...]) -> bool:
    """Say whether a relative import is of what a package has; none leaves the workspace."""
    if not name.startswith(".") or "/" not in path:
        return False  # a file beside `run.sh` is in no package
    below = name.lstrip(".")
    return "." not in below or below.startswith(modules)


def uses(case: Case) -> Iterator[Violation]:
    """No name that the policy's rules refuse is used."""
    for rule in (rule for rule in FORBIDDEN if rule in case.policy.edits.forbid):
        for path, facts in _parsed(case):
            if found := uses_of(facts, rule):
                yield refused(rule, path, f"uses {_places(found)}", FORBIDDEN[rule].instead)


def uses_of(facts: SourceFacts, rule: str) -> list[Reference]:
    """Return what a source uses that a rule refuses, as a person would write it, by lines."""
    found: dict[Reference, None] = {}  # the same name twice on a line is said once
    for reference in sorted((*facts.imports, *facts.references), key=lambda one: one.line):
        name = reference.name.removeprefix(":")
        if name != reference.name:
            is_forbidden = name.partition(".")[0] in FORBIDDEN[rule].builtins
        else:
            is_forbidden = _modules(rule).match(name) is not None
        if is_forbidden:
            found[Reference(name=name, line=reference.line)] = None
    return list(found)


@cache
def _modules(rule: str) -> re.Pattern[str]:
    patterns = [re.escape(each).replace(r"\*", r"\w*") for each in FORBIDDEN[rule].modules]
    return re.compile(rf"(?:{'|'.join(patterns)})(?:\.|$)")


def _places(found: Sequence[Reference]) -> str:
    """Name the first few with their lines; of a long name its end, which a rule is mostly about."""
    names, half = [], SHOWN_CHARACTERS // 2
    for name, line in ((each.name, each.line) for each in found[:SHOWN_NAMES]):
        left_out = len(name) - SHOWN_CHARACTERS
        short = name if left_out <= 0 else f"{name[:half]}[{left_out} more]{name[-half:]}"
        names.append(f"{short} (line {line})")
    more = len(found) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


# -- the proposal as a whole ------------------------------------------------------------------


def seeds(case: Case) -> Iterator[Violation]:
    """A change does more than choose another seed."""
    comes_or_goes = case.removed or not case.different.keys() <= case.files.keys()
    if not case.ignores_seeds or not case.different or comes_or_goes:
        return
    same = True
    for path in case.different:
        old, new = case.facts.get(case.before(path) or b""), case.source(path)
        if not isinstance(old, SourceFacts) or not isinstance(new, SourceFacts):
            return
        if old.fingerprint_without_seeds != new.fingerprint_without_seeds:
            return
        same = same and old.fingerprint == new.fingerprint
    if not same:
        problem = "nothing changes but a seed, which is luck and not progress"
        yield refused("seed-only-change", None, problem, "a change of what the program does")


def novelty(case: Case) -> Iterator[Violation]:
    """There is something to run, and it has not run before."""
    if not case.all_sound:
        return
    allowed = "a change of what a mutable file does"
    if not case.different and not case.removed:
        yield refused("no-change", None, "no mutable file changes", allowed)
        return
    earlier = case.earlier(case.fingerprint) if case.fingerprint else None
    if earlier is not None:
        but = "comments, layout and seeds" if case.ignores_seeds else "comments and layout"
        which = f"is experiment {earlier.number} again ({earlier.outcome})"
        problem = f"this {which if earlier.outcome else 'was tried'}, but for {but}"
        yield refused("repeat", None, problem, "something that was not tried")
    elif case.fingerprint == case.fingerprint_before and not list(seeds(case)):
        yield refused("no-change", None, "only comments or layout change", allowed)


def hypothesis(case: Case) -> Iterator[Violation]:
    """Somebody said what they expect."""
    if not any(letter.isalnum() for letter in case.proposal.hypothesis):
        problem = "the proposal has no hypothesis"
        yield refused("no-hypothesis", None, problem, "a sentence that says what is expected, why")


OF_SOURCES: tuple[Callable[[Case], Iterator[Violation]], ...] = (
    *(sizes, encodings, characters),
    *(odd_names, python, imports, uses),
)
"""What hangs on the files as they are, and not on what changes."""
CHECKS: tuple[Callable[[Case], Iterator[Violation]], ...] = (
    *(paths, kinds, counts, sizes, information, encodings, characters),
    *(odd_names, python, imports, uses),
    *(seeds, novelty, hypothesis),
)
