"""The documents say what is there: verbs, links, paths, rules, decisions, and a task that works."""

from __future__ import annotations

import difflib
import importlib.util
import io
import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from fake_engine import FakeEngine
from fakes import FakeSandbox, ScriptedAgent, edit, make_session, scored

from harness import sealing
from harness.mounts import under
from runner.agents import AGENTS
from runner.agents.stub import read_script
from runner.cli import VERBS, cli
from runner.paths import PROJECT, read_tree
from runner.policy.load import load_policy
from runner.policy.review import RULES, review
from runner.records import Change, File, Proposal
from runner.scheduler import run_loop

DOCUMENTS = [
    *sorted(PROJECT.glob("*.md")),
    *(path for path in sorted((PROJECT / "docs").rglob("*.md")) if "workspace" not in str(path)),
]
DECISIONS = PROJECT / "docs" / "decisions"
RUNNER = PROJECT / "runner"
EXAMPLE = PROJECT / "docs" / "examples" / "points"
PAGE = PROJECT / "docs" / "your-own-script.md"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROOMS = (".ci", "bench", "docs", "harness", "images", "policies", "runner", "tests")
PATH = re.compile(rf"(?:{'|'.join(map(re.escape, ROOMS))}|workspace-template)/[\w./-]+")
MADE_BY_THE_READER = "harness/tasks/points"


def named(paths):
    return [pytest.param(path, id=path.relative_to(PROJECT).as_posix()) for path in paths]


def prose(document: Path) -> str:
    return BLOCK.sub("", document.read_text(encoding="utf-8"))


@pytest.mark.parametrize("verb", sorted(cli.list_commands(None)))
def test_every_verb_is_in_the_list_of_commands(verb):
    page = PROJECT / "docs" / "commands.md"
    assert re.search(rf"`{verb}\b", page.read_text(encoding="utf-8"))


def test_every_page_is_in_the_index():
    index = PROJECT / "docs" / "README.md"
    listed = {(index.parent / link).resolve() for link in LINK.findall(index.read_text())}
    assert {path for path in index.parent.glob("*.md") if path != index} <= listed


@pytest.mark.parametrize("document", named(DOCUMENTS))
def test_every_link_leads_somewhere(document):
    targets = [target for target in LINK.findall(prose(document)) if "://" not in target]
    for target in targets:
        file, _, anchor = target.partition("#")
        path = document.parent / file if file else document
        assert path.exists(), target
        if anchor:
            assert anchor in headings(path), target


def headings(document: Path) -> list[str]:
    lines = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines]


@pytest.mark.parametrize("document", named(DOCUMENTS))
def test_every_path_of_the_project_exists(document):
    paths = [path for path in QUOTED.findall(prose(document)) if PATH.fullmatch(path)]
    for path in paths:
        assert path.startswith(MADE_BY_THE_READER) or (PROJECT / path).exists(), path


@pytest.mark.parametrize("document", named(DOCUMENTS))
def test_every_test_that_is_named_exists(document):
    everything = "".join(path.read_text() for path in (PROJECT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", prose(document)):
        assert f"def {name}(" in everything, name


def test_the_threat_model_names_entries_of_the_wall_and_the_fence():
    text = prose(PROJECT / "docs" / "threat-model.md")
    for script in ("wall", "fence"):
        played = [entry.hypothesis for entry in read_script_of(script)]
        cells = re.findall(rf"\b{script}: ([^|;]+)", text)
        names = [name.strip() for cell in cells for name in cell.split(",")]
        for name in names:
            assert any(name in each for each in played) or name == "one entry each", name


COMMAND = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?runner (?!VERB)(.+)$")
MAKE = re.compile(r"^(?:\$ )?make ([a-z-]+)((?: [A-Z_]+=\S+)*)")
HINT = re.compile(rf"(?<![\w/.-])runner ((?:{'|'.join(VERBS)})(?: [^\"'`\n;,.)|<]*)?)")


def shown(text: str) -> list[str]:
    """Return what a page shows as code, in blocks and in its lines."""
    text = re.sub(r"\\\n\s*", " ", text)
    rest = BLOCK.sub("", text)
    found = [line for _, block in BLOCK.findall(text) for line in block.splitlines()]
    found += [*QUOTED.findall(rest), *re.findall(r"^    (.*)$", rest, re.MULTILINE)]
    return [line.strip() for line in found]


def typed(text: str) -> list[list[str]]:
    """Return the words of each command of ours that a page shows."""
    found = map(COMMAND.match, shown(text))
    return [shlex.split(each[1].partition(" | ")[0], comments=True) for each in found if each]


def lacking(words: list[str]) -> list[str]:
    """Return what of a command is not there: its verb, or options of it."""
    command, words = cli, [*words]
    while isinstance(command, click.Group) and words:
        if (below := command.get_command(click.Context(command), words[0].rstrip(","))) is None:
            return words[:1] if command is cli else []
        command, words = below, words[1:]
    known = {"--help", "-"} | {each for one in command.params for each in one.opts}
    said = [word.partition("=")[0] for word in words if word.startswith("-")]
    return [option for option in said if option not in known]


@pytest.mark.parametrize("document", named(DOCUMENTS))
def test_every_command_that_is_shown_has_its_verb_and_its_options(document):
    if document.name != "CHANGELOG.md":  # which names what is gone
        for words in typed(document.read_text(encoding="utf-8")):
            assert lacking(words) == [], " ".join(words)


@pytest.mark.parametrize("document", named(DOCUMENTS))
def test_every_target_and_variable_of_make_that_is_shown_is_there(document):
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for line in shown(document.read_text(encoding="utf-8")):
        if found := MAKE.match(line):
            assert re.search(rf"^{found[1]}:", makefile, re.MULTILINE), line
            for name in re.findall(r"(\w+)=", found[2]):
                assert f"$({name})" in makefile, line


def test_every_command_that_a_message_or_a_page_of_ours_names_is_there():
    sources = [path for end in ("py", "html", "in") for path in RUNNER.rglob(f"*.{end}")]
    found = [each for path in sources for each in HINT.findall(path.read_text(encoding="utf-8"))]
    assert len(found) > 100
    for said in found:
        assert lacking(said.split()) == [], said


def test_the_commands_of_the_front_page_that_read_a_run_work(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("runner.engines.connect", FakeEngine)
    monkeypatch.chdir(tmp_path)
    with make_session(tmp_path, FakeSandbox(lambda each: scored(9.0 - each.experiment))) as session:
        run_loop(session, ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")]), experiments=1)
    blocks = BLOCK.findall((PROJECT / "README.md").read_text(encoding="utf-8"))
    shown = [words for kind, text in blocks if not kind for words in typed(f"```\n{text}```\n")]
    assert {words[0] for words in shown} == {"audit", "watch", "dashboard", "report"}
    for words in shown:
        if words[0] != "dashboard":  # which does not end; `tests/dashboard` opens it
            done = CliRunner().invoke(cli, words)
            assert done.exit_code == 0, (words, done.output)


def read_script_of(name: str):
    return read_script(PROJECT / "tests" / "scripts" / f"{name}.yaml").entries


def test_every_agent_is_in_the_table_of_agents():
    text = (PROJECT / "docs" / "agents.md").read_text(encoding="utf-8")
    table = text[: text.index("\n## ")]
    named = "mcp" if "[mcp](#mcp)" in table else ""
    assert {*re.findall(r"`([a-z-]+)", table), named} >= {*AGENTS}


def test_every_rule_of_the_review_is_in_the_table_in_its_order():
    text = (PROJECT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE) == list(RULES)


def test_every_decision_is_in_the_index_and_numbered_in_a_row():
    pages = sorted(path.name for path in DECISIONS.glob("[0-9]*.md"))
    listed = LINK.findall((DECISIONS / "README.md").read_text(encoding="utf-8"))
    assert listed == pages
    assert [int(page[:4]) for page in pages] == list(range(1, len(pages) + 1))


@pytest.mark.parametrize("page", named(sorted(DECISIONS.glob("[0-9]*.md"))))
def test_a_decision_has_its_four_parts(page):
    parts = re.findall(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences", "Alternatives"]


# -- the worked example -----------------------------------------------------------------------


def blocks(kind: str) -> list[str]:
    return [
        text for found, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if found == kind
    ]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("yaml", "policies/points.yaml"),
        ("python", "harness/tasks/points/__init__.py"),
        ("python", "harness/tasks/points/task.py"),
    ],
)
def test_the_page_quotes_the_example_as_it_is(kind, path):
    assert (EXAMPLE / path).read_text(encoding="utf-8") in blocks(kind)


def test_the_diff_is_everything_between_the_two_scripts():
    before = (EXAMPLE / "plain.py").read_text().splitlines()
    after = (EXAMPLE / "workspace-template" / "points" / "train.py").read_text().splitlines()
    [shown] = blocks("diff")
    assert shown.splitlines() == list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]


def test_the_example_s_rooms_fit_together():
    policy = load_policy(EXAMPLE / "policies" / "points.yaml").policy
    template = read_tree(EXAMPLE / "workspace-template" / policy.task)
    assert {*policy.files.mutable, *policy.files.notes, "run.sh"} <= template.keys()
    assert template["run.sh"] == read_tree(PROJECT / "workspace-template" / "eclip")["run.sh"]


def test_the_example_s_script_passes_its_own_review():
    policy = load_policy(EXAMPLE / "policies" / "points.yaml").policy
    template = read_tree(EXAMPLE / "workspace-template" / "points")
    script = template["train.py"].content
    files = {**template, "train.py": File(content=b"")}
    change = Change(path="train.py", content=script)
    proposal = Proposal(hypothesis="the template as a change", changes=(change,))
    assert review(proposal, policy, files=files, earlier=lambda _: None).violations == ()


def test_the_example_s_data_are_dealt_and_measured(tmp_path):
    points, mounts = example(), under(tmp_path)
    for folder in (mounts.public, mounts.sealed):
        folder.mkdir()
    sealing.write(points.build(7, None), task="points", seed=7, mounts=mounts)
    assert sealing.damage(mounts)[1] == []
    assert sorted(path.name for path in (mounts.public / "train").iterdir()) == [
        "labels.npy",
        "points.npy",
    ]
    dealt = points.deal(mounts.sealed, "holdout", "train")
    given = dealt.inputs["points/points.npy"]
    (mounts.outputs / "points").mkdir(parents=True)
    truth = labels_of(given, mounts.sealed / "holdout" / "train")
    np.save(mounts.outputs / "points" / "classes.npy", truth[:, None] - np.float32(0.5))
    assert dealt.measure(mounts.outputs) == {"accuracy": 1.0}


def example():
    path = EXAMPLE / "harness" / "tasks" / "points" / "__init__.py"
    specification = importlib.util.spec_from_file_location("points", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def labels_of(points, folder: Path):
    """Look the dealt rows up by their content, which the scorer alone could do."""
    known = np.load(io.BytesIO((folder / "points.npy").read_bytes()))
    labels = np.load(io.BytesIO((folder / "labels.npy").read_bytes()))
    rows = {row.tobytes(): label for row, label in zip(known, labels, strict=True)}
    return np.array([rows[row.tobytes()] for row in points], np.float32)


def test_the_smoke_script_can_be_played():
    entries = read_script(PROJECT / "docs" / "examples" / "smoke.yaml").entries
    script = (PROJECT / "workspace-template" / "eclip" / "train.py").read_text()
    [replaced] = [change.replace for entry in entries for change in entry.changes if change.replace]
    assert replaced.old in script
    assert all(entry.expect["status"] in ("kept", "refused") for entry in entries)
    assert all(entry.expect.get("rule", RULES[0]) in RULES for entry in entries)
