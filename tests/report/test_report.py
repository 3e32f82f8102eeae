from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from fakes import TAG, FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored, timed_out

from runner import paths
from runner.charts import raster
from runner.cli import cli
from runner.errors import SandboxError
from runner.journal.reader import open_reader
from runner.progress import Progress
from runner.records import (
    Boxes,
    Change,
    ModelCall,
    Proposal,
    Purpose,
    TrialResult,
    TrialSpec,
    Usage,
)
from runner.report import gather
from runner.report.gather import report_of
from runner.report.page import html
from runner.report.words import state
from runner.scheduler import run_loop
from runner.views import summary

HOSTILE = (
    "\"'><script>alert(1)</script><img src=//evil.example/x>`|[x](//evil.example)\x1b[2J\u202e"
)
PNG = b"\x89PNG\r\n\x1a\n"


def proposed(old: str, new: str, hypothesis: str, **more: str) -> Proposal:
    made = edit(old, new, hypothesis)
    return Proposal(**vars(made) | more)


PROPOSALS = (
    proposed("WIDTH = 32", "WIDTH = 64  # </pre><script>", HOSTILE, category=HOSTILE),
    proposed("WIDTH = 32", "WIDTH = 65", "crash", takeaway=HOSTILE, category="size"),
    proposed("WIDTH = 32", "WIDTH = 66", "too slow", category="size"),
    Proposal(hypothesis="cheat", changes=(Change(path="run.sh", content=b"\x1b[2J\n"),)),
    proposed("RATE = 0.001", "RATE = 0.002", "a higher rate", category="rate"),
    proposed("RATE = 0.001", "RATE = 0.003", "a rate too high", category="rate"),
)
SCORES = {0: 100.0, 1: 90.0, 5: 80.0, 6: 95.0}


def answer(spec: TrialSpec) -> TrialResult:
    if spec.purpose is Purpose.AUDIT:
        return scored(SCORES[spec.experiment] + 3)
    failures = {2: crashed(f"train: ValueError: {HOSTILE}"), 3: timed_out()}
    return failures.get(spec.experiment) or scored(SCORES[spec.experiment] + spec.index % 2)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run with an experiment of each kind, whose agent writes what it should not."""
    folder = tmp_path_factory.mktemp("report")
    with make_session(folder, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=None)
        usage = Usage(input_tokens=900, output_tokens=700)
        for number in range(1, 7):
            call = ModelCall(
                experiment=number, agent="claude", model="m", usage=usage, usd=0.5, seconds=2.0,
                outcome="end_turn",
            )  # fmt: skip
            session.journal.add_call(TAG, call)
    return folder / "state"


@pytest.fixture
def report(home, tmp_path, monkeypatch):
    """Run the command into an empty folder, and return what it printed."""
    monkeypatch.setenv("RUNNER_HOME", str(home))
    monkeypatch.chdir(tmp_path)

    def invoked(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["report", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    return invoked


class Page(HTMLParser):
    """What a browser would make of a page: elements, their attributes and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[str]:
        return [said[name] for _, said in self.elements if name in said]


@pytest.fixture
def page(report, tmp_path) -> Page:
    report("-o", "r.html")
    return Page((tmp_path / "r.html").read_text())


def test_a_page_asks_nobody_for_anything_and_holds_no_script(page):
    assert not {tag for tag, _ in page.elements} & {"script", "img", "link", "iframe", "form"}
    for _, said in page.elements:
        assert not [name for name in said if name in ("src", "style") or name.startswith("on")]
    assert all(href.startswith("#") for href in page.all("href"))


def test_its_policy_allows_its_own_style_by_the_hash_of_it(report, tmp_path):
    report("-o", "r.html")
    text = (tmp_path / "r.html").read_text()
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [policy] = [
        said["content"] for _, said in Page(text).elements
        if said.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    assert f"style-src 'sha256-{digest}'" in policy.replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_what_an_agent_wrote_is_shown_as_text(page):
    assert "<script>alert(1)</script>" in page.text
    assert "# </pre><script>" in page.text
    assert not set("\x1b\u202e") & set(page.text)


def test_each_link_leads_somewhere(page):
    places = {f"#{place}" for place in page.all("id")}
    assert set(page.all("href")) <= places
    assert len(page.all("id")) == len(places)


@pytest.fixture
def found(home) -> gather.Report:
    with open_reader(paths.State(home).journal) as journal:
        return report_of(journal, paths.State(home), journal.runs()[0])


def test_it_says_the_numbers_of_the_shared_overview(found, report, tmp_path):
    report("-o", "r.html")
    report("-o", "r.md")
    text = Page((tmp_path / "r.html").read_text()).text
    overview = found.overview
    for said in (text, (tmp_path / "r.md").read_text()):
        assert summary.shown(overview.gain) in said
        assert summary.shown(overview.audit.audited) in said
        assert summary.tally(overview.standing) in said
        assert "It cost $3.00 in 6 calls, $1.50 for each keep." in said
        assert overview.believe in said


def test_below_the_cost_stands_what_it_cost_whatever_else_is_said(found):
    boxes = Boxes(count=2, seconds=3.0, cpu_seconds=1.0)
    standing = replace(found.overview.standing, boxes=boxes)
    boxed = replace(found, overview=replace(found.overview, standing=standing))
    below = Page(html(boxed)).text.partition("Cumulative cost")[2].split()
    assert " ".join(below).startswith("It cost $3.00 in 6 calls")


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (None, "is at work"),
        ("pause", "waits: a person paused it"),
        ("stop", "ends once what is measured has ended, as a person asked"),
    ],
)
def test_a_run_that_a_process_is_at_is_not_said_to_be_over(found, wish, says):
    progress = Progress(activities={}, wish=wish)
    assert state(replace(found.overview, progress=progress, alive=True)) == says


def test_every_part_of_a_run_is_told(page):
    for said in (
        "mean_rank went from 100.5 to 80.5 (lower is better)",
        "What changed since experiment 1",
        "What was refused, and why",
        "path-not-mutable",
        "ValueError",
        "deadline",
        "a higher rate",
        "Cumulative cost",
        "runner audit t1",
        "task: eclip",
    ):
        assert said in page.text, said


def test_what_it_says_to_type_can_be_typed(page, report, tmp_path, monkeypatch):
    def no_engine() -> None:
        raise SandboxError("there is no engine")

    monkeypatch.setattr("runner.engines.connect", no_engine)
    report("-o", "r.md")
    said = [found.split() for found in re.findall(r"runner (\w+ .*?)  #", page.text)]
    assert [words[0] for words in said] == ["audit", "take", "show"]
    for words in said:
        assert f"    runner {' '.join(words)}  #" in (tmp_path / "r.md").read_text()
        assert CliRunner().invoke(cli, words).exit_code == 0, words
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_diffs_have_room_on_the_page_and_no_more(report, tmp_path, monkeypatch):
    report("-o", "whole.html")
    monkeypatch.setattr(gather, "MOST_DIFF", 400)
    report("-o", "cut.html")
    whole, cut = ((tmp_path / f"{name}.html").read_text() for name in ("whole", "cut"))
    assert "more rows are not shown" not in whole
    assert 0 < cut.count('class="row"') < whole.count('class="row"')
    assert "more rows are not shown" in cut


def test_in_markdown_what_an_agent_wrote_is_code(report, tmp_path):
    report("-o", "r.md", "--png", "p.png")
    text = (tmp_path / "r.md").read_text()
    assert "](p.png)" in text
    plain = re.sub(r"`[^`\n]*`", "", re.sub(r"^    .*$", "", text, flags=re.MULTILINE))
    assert "alert" not in plain
    assert "evil" not in plain
    assert "-WIDTH = 32" in text or "+RATE = 0.002" in text


@pytest.mark.parametrize("newest", [1, 3])
def test_of_a_long_run_the_newest_are_told_and_the_rest_is_counted(newest, report, tmp_path):
    report("-o", "r.html", "--newest", str(newest))
    made = Page((tmp_path / "r.html").read_text())
    assert f"The newest {newest}; {7 - newest} came before them." in made.text
    assert made.text.count(f", of the newest {newest}") >= 2, "no failure is among them"
    report("-o", "r.md", "--newest", str(newest))
    assert (tmp_path / "r.md").read_text().count(f", of the newest {newest}\n") == 3
    assert set(made.all("href")) <= {f"#{place}" for place in made.all("id")}


def test_pictures_have_text_a_size_and_a_theme(report, tmp_path):
    report("-o", "r.html", "--png", "light.png", "--card", "card.png")
    report("-o", "r.html", "--png", "dark.png", "--theme", "dark")
    light, dark, card = (
        (tmp_path / f"{name}.png").read_bytes() for name in ("light", "dark", "card")
    )
    assert all(each.startswith(PNG) for each in (light, dark, card))
    assert light != dark
    assert [int.from_bytes(card[at : at + 4]) for at in (16, 20)] == [1200, 630]


def test_a_machine_without_fonts_is_told_how_to_get_one(home, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(home))
    monkeypatch.setattr(raster, "_drawn", lambda *_: b"nothing")
    raster._require_fonts.cache_clear()
    result = CliRunner().invoke(cli, ["report", "--png", str(tmp_path / "p.png")])
    raster._require_fonts.cache_clear()
    assert result.exit_code != 0
    assert "fonts-dejavu-core" in result.output


def test_another_kind_of_file_is_refused(home, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(home))
    result = CliRunner().invoke(cli, ["report", "-o", "r.pdf"])
    assert "FILE.html or FILE.md" in result.output


def test_without_a_name_it_lies_in_the_run_s_folder(home, report):
    report()
    assert (home / "runs" / TAG / "report.html").is_file()
