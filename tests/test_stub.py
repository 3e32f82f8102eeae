from __future__ import annotations

import base64
from pathlib import Path

import pytest
from fakes import FakeSupervisor

from runner.agents import make_agent
from runner.errors import ConfigError
from runner.paths import PROJECT
from runner.records import EXECUTABLE, REGULAR, SYMLINK, Change, File
from runner.seams import Context

TRAIN = b"WIDTH = 32\nRATE = 1\n"


def context(number: int = 1) -> Context:
    return Context(
        number=number,
        files={"train.py": File(content=TRAIN)},
        mutable=("train.py",),
        metric="mean_rank",
        direction="minimize",
        history=(),
    )


def script(folder: Path, text: str) -> str:
    (folder / "script.yaml").write_text(text)
    return f"stub:{folder / 'script.yaml'}"


def only_change(folder: Path, change: str) -> Change:
    agent = make_agent(script(folder, f"- {{hypothesis: x, changes: [{change}]}}"))
    proposal = agent.propose(context(), FakeSupervisor())
    assert proposal is not None
    [found] = proposal.changes
    return found


@pytest.mark.parametrize(
    ("change", "content"),
    [
        ("{path: train.py, text: 'a'}", b"a"),
        ("{path: train.py, text: 'a', repeat: 3}", b"aaa"),
        ("{path: train.py, text: 'b', prepend: 'a'}", b"ab"),
        ("{path: train.py, prepend: 'a'}", b"a" + TRAIN),
        ("{path: train.py}", TRAIN),
        ("{path: train.py, replace: {old: '32', new: '64'}}", TRAIN.replace(b"32", b"64")),
        (f"{{path: x, base64: {base64.b64encode(bytes(range(256))).decode()}}}", bytes(range(256))),
        ("{path: train.py, delete: true}", None),
    ],
)
def test_every_way_to_say_a_content(tmp_path, change, content):
    assert only_change(tmp_path, change).content == content


def test_a_file_lies_beside_the_script(tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_bytes(b"\0\xff")
    monkeypatch.chdir("/")
    assert only_change(tmp_path, "{path: train.py, file: evil.py}").content == b"\0\xff"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ('"120000"', SYMLINK),
        ('"100755"', EXECUTABLE),
        ("100755", EXECUTABLE),
        ('"010644"', 0o10644),
    ],
)
def test_a_mode_is_octal_as_git_writes_it(tmp_path, mode, expected):
    assert only_change(tmp_path, f"{{path: x, text: y, mode: {mode}}}").mode == expected


def test_a_plain_file_is_meant_where_no_mode_is_said(tmp_path):
    assert only_change(tmp_path, "{path: x, text: y}").mode == REGULAR


def test_entries_are_played_in_order_and_the_end_is_the_end(tmp_path):
    agent = make_agent(script(tmp_path, "- hypothesis: one\n- {hypothesis: two, category: c}\n"))
    played = [agent.propose(context(number), FakeSupervisor()) for number in (1, 2, 3)]
    assert [each and each.hypothesis for each in played] == ["one", "two", None]


def test_the_same_number_is_the_same_proposal_so_that_it_resumes(tmp_path):
    agent = make_agent(script(tmp_path, "- hypothesis: one\n- hypothesis: two\n"))
    assert agent.propose(context(2), FakeSupervisor()) == agent.propose(
        context(2), FakeSupervisor()
    )


@pytest.mark.parametrize(
    "text",
    [
        "- {hypothesis: x, change: []}",
        "- {changes: [{path: x, text: a, delete: true}]}",
        "- {changes: [{path: x, mode: worse}]}",
        "- {changes: [{path: x, repeat: 0}]}",
        "- {changes: [{text: x}]}",
        "hypothesis: x",
        "- [",
        "",
        "- !!python/object/apply:os.system [true]",
    ],
)
def test_a_script_that_cannot_be_played_is_refused_before_the_run(tmp_path, text):
    with pytest.raises(ConfigError) as refused:
        make_agent(script(tmp_path, text))
    assert "script.yaml" in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        "{path: train.py, replace: {old: 'no such text', new: x}}",
        "{path: nothing.py, prepend: x}",
        "{path: nothing.py, replace: {old: x, new: y}}",
        "{path: train.py, file: nothing.py}",
        "{path: train.py, base64: '%%%'}",
    ],
)
def test_what_cannot_be_played_on_these_files_is_a_person_s_mistake(tmp_path, change):
    with pytest.raises(ConfigError):
        only_change(tmp_path, change)


@pytest.mark.parametrize("name", ["stub", "stub:", "stub:/nothing.yaml", "tune:x", "gpt", ""])
def test_an_agent_that_there_is_not_is_refused_with_a_hint(name):
    with pytest.raises(ConfigError) as refused:
        make_agent(name)
    assert refused.value.hint


@pytest.mark.parametrize("name", ["fence", "wall"])
def test_the_scripts_that_this_project_plays_are_valid(name):
    make_agent(f"stub:{PROJECT / 'tests' / 'scripts' / name}.yaml")
