from __future__ import annotations

import pytest
from policy_samples import TRAIN, WORKSPACE, changed

from runner.policy.case import MAX_CHANGES
from runner.policy.checks import hidden
from runner.policy.paths import shown
from runner.policy.review import CHECKS, RULES
from runner.records import EXECUTABLE, SYMLINK, File

BETTER = TRAIN.replace(b"SCALE = 2.0", b"SCALE = 100.0")


def test_an_honest_change_breaks_no_rule(rules):
    assert rules(changed("train.py", BETTER)) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("run.sh", ["path-not-mutable"], id="a frozen file"),
        pytest.param("torch.py", ["path-not-mutable"], id="a new file that shadows a module"),
        pytest.param("sitecustomize.py", ["path-not-mutable"], id="a new file that Python runs"),
        pytest.param("train.py/x", ["path-not-mutable"], id="a path below a file"),
        pytest.param("a\u2028.py".encode().decode(), ["path-not-ascii"], id="a line separator"),
        pytest.param("../train.py", ["path-unsafe"], id="a step up"),
        pytest.param("a/../train.py", ["path-unsafe"], id="a step up in the middle"),
        pytest.param("./train.py", ["path-unsafe"], id="a dot"),
        pytest.param("a//b", ["path-unsafe"], id="an empty part"),
        pytest.param("train.py/", ["path-unsafe"], id="a trailing slash"),
        pytest.param("/workspace/train.py", ["path-unsafe"], id="an absolute path"),
        pytest.param("", ["path-unsafe"], id="no path"),
        pytest.param("a\\b", ["path-unsafe"], id="a backslash"),
        pytest.param("train.py\n", ["path-unsafe"], id="a line feed"),
        pytest.param("train.py\0", ["path-unsafe"], id="a null byte"),
        pytest.param("\udcff", ["path-unsafe", "path-not-ascii"], id="bytes that are no text"),
        pytest.param(".git/hooks/pre-commit", ["path-unsafe"], id="a git hook"),
        pytest.param("sub/.GIT/config", ["path-unsafe"], id="git in capitals"),
        pytest.param(".gitattributes", ["path-unsafe"], id="git attributes"),
        pytest.param(".gitmodules", ["path-unsafe"], id="git modules"),
        pytest.param("git~1/config", ["path-unsafe"], id="git by its short name"),
        pytest.param("x" * 300, ["path-unsafe"], id="a path that is too long"),
        pytest.param("Train.py", ["path-collision"], id="another case"),
        pytest.param("RUN.sh", ["path-collision"], id="another case of a frozen file"),
        pytest.param("train.py ", ["path-collision"], id="a trailing space"),
        pytest.param("\uff54rain.py", ["path-not-ascii", "path-collision"], id="a full-width twin"),
        pytest.param("train\u200b.py", ["path-not-ascii", "path-collision"], id="a zero width"),
        pytest.param("tr\u0430in.py", ["path-not-ascii"], id="a Cyrillic look-alike"),
        pytest.param("\u202eyp.niart", ["path-not-ascii"], id="a reversed name"),
    ],
)
def test_a_path_is_one_that_the_policy_lists(rules, path, expected):
    assert rules(changed(path, b"x = 1\n")) == expected


def test_one_path_twice_is_refused(rules):
    assert rules(changed("train.py", BETTER), changed("train.py", TRAIN)) == ["path-collision"]


@pytest.mark.parametrize(
    ("path", "content", "mode", "expected"),
    [
        pytest.param("train.py", b"/etc/passwd", SYMLINK, ["file-kind"], id="a symbolic link"),
        pytest.param("train.py", b"x", 0o160000, ["file-kind"], id="a submodule"),
        pytest.param("train.py", b"x", 0o040000, ["file-kind"], id="a folder"),
        pytest.param("train.py", b"x", 0o020666, ["file-kind"], id="a device"),
        pytest.param("train.py", b"x", 0o010644, ["file-kind"], id="a pipe"),
        pytest.param("train.py", BETTER, EXECUTABLE, ["file-kind"], id="a mode change"),
        pytest.param("train.py", BETTER, 0o104644, ["file-kind"], id="set user id"),
        pytest.param("train.py", BETTER, 0, ["file-kind"], id="no mode"),
        pytest.param("scratchpad.md", b"x", SYMLINK, ["file-kind"], id="a note as a link"),
        pytest.param("train.py", None, 0o100644, ["file-missing"], id="removing a mutable file"),
        pytest.param("scratchpad.md", None, 0o100644, ["file-missing"], id="removing a note"),
    ],
)
def test_a_change_is_a_plain_file_of_the_same_mode(rules, path, content, mode, expected):
    assert rules(changed(path, content, mode)) == expected


def test_an_executable_file_stays_executable(rules):
    files = {**WORKSPACE, "train.py": File(content=TRAIN, mode=EXECUTABLE)}
    assert rules(changed("train.py", BETTER, EXECUTABLE), files=files) == []
    assert rules(changed("train.py", BETTER), files=files) == ["file-kind"]


def test_a_listed_file_that_is_not_there_yet_may_be_made(rules):
    files = {path: file for path, file in WORKSPACE.items() if path != "model.py"}
    assert rules(changed("model.py", b"WIDTH = 2\n"), files=files) == []


def test_notes_go_along_and_are_not_counted(rules):
    model, note = changed("model.py", b"WIDTH = 2\n"), changed("scratchpad.md", b"x" * 900)
    assert rules(changed("train.py", BETTER), model, note) == []


def test_too_many_files(messages):
    more = changed("model.py", b"WIDTH = 2\n"), changed("config.json", b"[]")
    found = messages(changed("train.py", BETTER), *more)
    assert found == {"too-many-files": "3 files would change; allowed: at most 2"}


def test_a_flood_of_changes_is_refused_without_looking_at_all(messages):
    found = messages(*(changed(f"f{number}.py", b"") for number in range(5 * MAX_CHANGES)))
    assert list(found) == ["path-not-mutable", "too-many-files"]


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        pytest.param("model.py", b"x = 1\n" * 20, [], id="as many lines as are allowed"),
        pytest.param("model.py", b"x = 1\n" * 21, ["too-many-lines"], id="one line more"),
        pytest.param("model.py", b"#" * 200 + b"\nx = 2\n", [], id="as long a line as is allowed"),
        pytest.param("model.py", b"#" * 201 + b"\nx = 2\n", ["line-too-long"], id="one byte more"),
        pytest.param("config.json", b"[" + b"1," * 150 + b"1]", ["line-too-long"], id="not Python"),
        pytest.param("model.py", b"#" * 4001, ["file-too-large"], id="a file that is too large"),
        pytest.param("scratchpad.md", b"x" * 4000, ["no-change"], id="a note may have long lines"),
        pytest.param(
            "scratchpad.md", b"x" * 4001, ["file-too-large", "no-change"], id="and not be huge"
        ),
        pytest.param("config.json", b"\xff", ["not-utf8"], id="bytes that are no text"),
        pytest.param("model.py", b"x = '\xe9'\n", ["not-utf8"], id="latin-1"),
        pytest.param("scratchpad.md", b"\xff", ["not-utf8", "no-change"], id="a note in bytes"),
        pytest.param(
            "model.py", b"# -*- coding: utf-7 -*-\nx = 2\n", ["not-utf8"], id="an encoding cookie"
        ),
        pytest.param(
            "model.py", b"\n# vim: set fileencoding=rot13 :\nx = 2\n", ["not-utf8"], id="on line 2"
        ),
        pytest.param(
            "model.py", b"# -*- coding: utf-8 -*-\nx = 2\n", [], id="a cookie that changes nothing"
        ),
        pytest.param(
            "model.py", b"\n\n# coding: latin-1\nx = 2\n", [], id="one where Python ignores it"
        ),
        pytest.param(
            "model.py", b"x = 2\n# positional encoding: rotary\n", [], id="below a statement"
        ),
        pytest.param("model.py", b"# coding: utf-8-unix\nx = 2\n", [], id="UTF-8 by another name"),
        pytest.param("model.py", "x = 'é — ü 漢'\n".encode(), [], id="visible text"),
        pytest.param("model.py", b"x = 2\r\ny = 3\r\n", [], id="line ends of another system"),
        pytest.param("model.py", b"x = 2\n\x0cy = 3\n", ["hidden-characters"], id="form feed"),
        pytest.param("model.py", b"x = 2 # a\rimport os\n", ["hidden-characters"], id="a lone CR"),
        pytest.param("model.py", b"x = '\x1b[2J'\n", ["hidden-characters"], id="an escape"),
        pytest.param(
            "model.py", "x = '\u202e'\n".encode(), ["hidden-characters"], id="a bidi control"
        ),
        pytest.param(
            "model.py", "x = 2  # \u200b\n".encode(), ["hidden-characters"], id="a zero width"
        ),
        pytest.param(
            "model.py", "\ufeffx = 2\n".encode(), ["hidden-characters"], id="a byte order mark"
        ),
        pytest.param(
            "model.py", "x = 2  # a\ufe01\n".encode(), ["hidden-characters"], id="hidden bytes"
        ),
        pytest.param(
            "model.py", "x = 2  # a\u034f\n".encode(), ["hidden-characters"], id="a joiner"
        ),
        pytest.param(
            "model.py", "x = '\U000e0fff'\n".encode(), ["hidden-characters"], id="no character"
        ),
        pytest.param(
            "model.py", "x = 'a\u00a0b'\n".encode(), ["hidden-characters"], id="another space"
        ),
        pytest.param(
            "config.json", "{}\u2066\n".encode(), ["hidden-characters"], id="not Python either"
        ),
    ],
)
def test_sizes_encodings_and_characters(rules, path, content, expected):
    found = rules(changed(path, content))
    assert [rule for rule in found if rule not in ("literals-too-large", "not-python")] == expected


def test_a_file_keeps_what_was_hidden_in_it_and_gets_no_more(rules):
    mine = "\ufeff\u03bb = 2  # \u26a0\ufe0f\r\n"
    files = {**WORKSPACE, "model.py": File(content=mine.encode())}
    for edited, expected in {
        mine.replace("2", "3"): [],
        mine.replace("2", "3  # \ufe0f"): ["hidden-characters"],
        mine.replace("2", "3  # a\rb"): ["hidden-characters"],
        mine.replace("2", "\u03bc"): ["hidden-characters"],
    }.items():
        change = changed("model.py", edited.encode())
        assert rules(change, files=files) == expected


def test_a_null_byte_is_refused_first_as_what_it_is(rules):
    assert rules(changed("model.py", b"x = 1\0\n")) == ["hidden-characters", "not-python"]


def test_a_hidden_character_is_named_with_its_line():
    assert hidden("a\nb\u202e") == (2, "U+202E")
    assert hidden("a\tb\r\n") is None


@pytest.mark.parametrize("path", ["\x1b[2J\u202e", "\udcff", "x" * 10_000, "a\r\nb"])
def test_a_printed_path_cannot_move_the_cursor(path):
    assert shown(path).isprintable()
    assert shown(path).isascii()
    assert len(shown(path)) <= 200


def test_every_message_says_what_is_allowed(messages):
    found = messages(
        changed("../x", b""), changed("run.sh", b""), changed("train.py", b"x", SYMLINK),
        changed("model.py", b"import os\nos.system('x')\n" + b"y = 1\n" * 30),
        hypothesis="",
    )  # fmt: skip
    assert len(found) >= 6
    assert all("; allowed: " in message for message in found.values())


def test_the_first_rule_is_the_most_fundamental(rules):
    broken = changed("model.py", b"import socket\n(\n"), changed("run.sh", b"")
    assert rules(*broken, hypothesis="")[0] == "path-not-mutable"


def test_every_rule_has_a_place_in_the_order():
    assert len(set(RULES)) == len(RULES)
    assert len(set(CHECKS)) == len(CHECKS)
