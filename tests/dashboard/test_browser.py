"""The dashboard in a real browser: Debian's chromium, over a server in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from fakes import TAG
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from runner.journal.store import open_journal
from runner.paths import PROJECT, State
from runner.records import Change, Curve
from runner.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.browser]
RUN = f"/runs/{TAG}"
PAGES = ("/", RUN, f"{RUN}/experiments/3", f"{RUN}/lineage", f"{RUN}/hypotheses",
         f"{RUN}/compare", "/compare", f"{RUN}/log")  # fmt: skip
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run", "--disable-default-apps",
)  # fmt: skip
SLACK = 10.0
"""Seconds that something may take on a busy machine that takes less than one on another."""
expect.set_options(timeout=1000 * SLACK)


@dataclass
class Served:
    """A dashboard at work, and what a browser had to complain of."""

    link: str
    browser: Browser
    trouble: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return self.link.partition("/enter")[0]

    def context(self, **more: object) -> BrowserContext:
        """Return a person's window, who opened the link; everything odd in it is noted."""
        made = self.browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **more})
        made.set_default_timeout(1000 * SLACK)
        made.on("console", lambda said: self._note(said.type in ("error", "warning"), said.text))
        made.on("weberror", lambda error: self._note(True, str(error.error)))
        made.on("dialog", lambda shown: self._note(True, f"dialog {shown.message}"))
        made.on("request", lambda one: self._note(not one.url.startswith(self.base), one.url))
        page = made.new_page()
        page.goto(self.link)
        page.wait_for_url(f"{self.base}/")
        page.close()
        return made

    def _note(self, bad: bool, what: str) -> None:
        if bad:
            self.trouble.append(what)

    def open(self, path: str, **more: object) -> Page:
        page = self.context(**more).new_page()
        page.goto(f"{self.base}{path}")
        return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "the tests need chromium: make test installs it, as root"
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=program, args=list(OPTIONS))
        yield made
        made.close()


@contextmanager
def serving(home: Path, browser: Browser) -> Iterator[Served]:
    command = [sys.executable, "-m", "runner", "dashboard", "--port", "0"]
    environment = os.environ | {"RUNNER_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout
            yield Served(link=server.stdout.readline().split()[1], browser=browser)
        finally:
            for context in browser.contexts:
                context.close()
            server.terminate()


@pytest.fixture(scope="module")
def served_once(home, browser) -> Iterator[Served]:
    with serving(home, browser) as made:
        yield made


@pytest.fixture
def served(served_once) -> Iterator[Served]:
    """The dashboard over the run that nobody changes; nothing may be odd at the end."""
    served_once.trouble.clear()
    yield served_once
    for context in served_once.browser.contexts:
        context.close()
    assert served_once.trouble == []


@pytest.fixture
def own(home, tmp_path, browser) -> Iterator[tuple[Path, Served]]:
    """A copy of the run that a test may go on with, and a dashboard over it."""
    copy = tmp_path / "state"
    shutil.copytree(home, copy)
    with serving(copy, browser) as made:
        yield copy, made
        assert made.trouble == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_opens_in_peace_and_can_be_read_by_everybody(served, theme):
    page = served.open("/", color_scheme=theme)
    for path in PAGES:
        page.goto(f"{served.base}{path}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"


def test_a_phone_scrolls_in_one_direction_only(served):
    page = served.open("/", viewport={"width": 390, "height": 844}, is_mobile=True)
    for path in PAGES:
        page.goto(f"{served.base}{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_with_scripts_off_the_overview_still_says_what_matters(served):
    page = served.open(RUN, java_script_enabled=False)
    for words in ("believe it?", "mean_rank", "Progression", "Experiments", "Scripts are off"):
        expect(page.get_by_text(words, exact=False).first).to_be_visible()
    page.get_by_label("Words of a hypothesis").fill("machine's load")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("#x9").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Experiment 9")


def test_the_table_answers_without_a_new_page(served):
    page = served.open(RUN)
    page.evaluate("window.same = true")
    page.get_by_label("Words of a hypothesis").fill("machine's load")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("tbody tr")).to_have_count(15)
    page.get_by_label("Status").select_option("refused")
    expect(page.locator("tbody tr .pill.kept")).to_have_count(0)
    assert "status=refused" in page.url
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("tbody tr")).to_have_count(15)
    page.locator("#sort-score").click()
    expect(page.locator("th[aria-sort='ascending']")).to_contain_text("mean_rank")
    assert page.evaluate("window.same")
    page.go_back()
    expect(page.locator("th[aria-sort='descending']")).to_contain_text("#")


def test_of_two_wishes_the_newer_wins(served):
    page = served.open(f"{RUN}?status=refused")
    page.route(f"{served.base}{RUN}", lambda _: None)  # "Show all" is never answered
    page.get_by_role("link", name="Show all").click()
    page.locator("#sort-score").click()
    expect(page.locator("th[aria-sort='ascending']")).to_contain_text("mean_rank")
    assert "status=refused" in page.url
    assert {said.partition(",")[0] for said in served.trouble} == {
        "htmx:afterRequest", "htmx:sendAbort"
    }  # fmt: skip
    served.trouble.clear()


def test_a_run_is_replayed_as_the_bar_is_moved(served):
    page = served.open(RUN)
    page.evaluate("window.same = true")
    page.get_by_label("replay: up to experiment").fill("3")
    expect(page.locator("#progression .wide desc")).to_contain_text("Experiments 0 to 3")
    expect(page.get_by_label("replay: up to experiment")).to_have_value("3")
    assert page.evaluate("window.same")


def test_the_theme_is_switched_without_a_script_and_stays(served):
    page = served.open(RUN, color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="dark").click()
    page.goto(f"{served.base}/")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark


def test_the_keyboard_reaches_the_content_the_search_and_a_mark(served):
    page = served.open(RUN)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    mark = page.locator(".chart.wide a[href$='/experiments/0']").first
    mark.focus()
    expect(page.locator("#tip")).to_contain_text("0: mean_rank")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{RUN}/experiments/0")


def test_an_entry_of_the_journal_comes_onto_the_page_and_moves_nothing_above_it(own):
    home, served = own
    page = served.open(RUN)
    expect(page.locator("#connection")).to_have_text("Live")
    before = page.locator("#charts").bounding_box()
    with open_journal(home / "journal.sqlite") as journal:
        found, run = journal.experiment(TAG, 3), journal.run(TAG)
        journal.propose(replace(found, number=15, hypothesis="brand new"), run)
        # `bench/dashboard.py` says how long it takes where nothing else runs.
        expect(page.locator("tbody tr").first).to_contain_text("brand new")
        assert page.locator("#charts").bounding_box() == before
        journal.add_hypothesis(TAG, "never mind")


def test_a_dashboard_outlives_a_run_and_a_run_the_dashboard(own):
    """Neither holds a lock that the other needs: both read and write while both are there."""
    home, served = own
    page = served.open(RUN)
    with open_journal(home / "journal.sqlite") as journal:
        expect(page.locator("#connection")).to_have_text("Live")
        for reason in ("because it was over", "and over again"):  # each comes by itself
            journal.event(TAG, "run.ended", reason=reason, outcome="done")
            expect(page.locator("#hero")).to_contain_text(reason)


SCRIPT = "</pre></code><script>window.harmed=1</script><img src=x onerror='window.harmed=1'>{{7*7}}"
ODD_NAME = "a<img src=x onerror=window.harmed=1>.py"


def test_what_an_agent_plants_does_nothing(own):
    """In a hypothesis, a category, a file's name and text, a curve's name, a crash and a log."""
    home, served = own
    plant(home)
    page = served.open(RUN)
    one = f"{RUN}/experiments/15"
    for path in (RUN, one, f"{one}/logs/odd-train.log", f"{RUN}/lineage", f"{RUN}/hypotheses",
                 f"{RUN}/compare?a=3&b=15", f"{RUN}/log"):  # fmt: skip
        page.goto(f"{served.base}{path}")
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("window.harmed") is None
        assert page.locator("img").count() == 0
        assert "49" not in page.locator("h1").first.inner_text()
    page.goto(f"{served.base}{one}")
    expect(page.locator(".said")).to_contain_text("<script>window.harmed=1</script>")
    expect(page.locator(".said")).to_contain_text(r"\x1b[2J\x202e")
    expect(page.locator(".file summary")).to_contain_text(ODD_NAME)
    expect(page.locator(".come code").first).to_contain_text("<script>")


def plant(home: Path) -> None:
    """Add an experiment that is hostile wherever text of an agent's or a container's stands."""
    state = State(home)
    workspace = Workspace(state.repository(TAG), TAG)
    with open_journal(state.journal) as journal:
        found, run = journal.experiment(TAG, 3), journal.run(TAG)
        changes = (Change(path=ODD_NAME, content=f"'{SCRIPT}'\n".encode()),)
        stored = workspace.stored(changes)
        attempt = workspace.attempt(15, run.base_commit, changes, "odd", found.started_at)
        words = f"{SCRIPT}\x1b[2J\u202e"
        origin = replace(found.origin, takeaway=words, expectation=words, why=words, model=words)
        odd = replace(
            found, number=15, hypothesis=words, category=SCRIPT[:40], changes=stored,
            origin=origin, parent_commit=run.base_commit,
        )  # fmt: skip
        journal.propose(odd, run)
        journal.attempt_stored(TAG, 15, attempt)
        result = found.trials[0].result
        curve = Curve(name=SCRIPT, points=((0.0, 1.0), (1.0, 2.0)))
        result = replace(result, curves=(curve,), reason=words, self_modified=(SCRIPT,))
        trial = replace(found.trials[0], result=result, asked_by=15)
        journal.trial_ended(TAG, 15, trial)
        journal.decided(
            TAG, 15, status="crashed", rule=None, reason=words, score=None, gain=None, planned=2
        )
        journal.settled(TAG, 15, commit=None, wall_seconds=1.0)
        journal.add_hypothesis(TAG, words)
    state.logs(TAG, 15).mkdir(parents=True)
    state.log(TAG, 15, "odd", "train").write_bytes(f"{words}\n".encode() * 2000)
