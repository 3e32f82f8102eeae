"""What pages say, over a run that was really made."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from dashboards import COUNT, entered
from fakes import HARNESS, TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner.dashboard.pages import _busy
from runner.journal.reader import open_reader
from runner.journal.store import open_journal
from runner.records import REBASED, ExperimentStatus, File
from runner.scheduler import run_loop
from runner.views.log import document

pytestmark = pytest.mark.slow
RUN = f"/runs/{TAG}"
PAGES = (
    "/", RUN, f"{RUN}?scale=log&from=2&to=9", f"{RUN}/experiments/0", f"{RUN}/experiments/3",
    f"{RUN}/experiments/9", f"{RUN}/lineage", f"{RUN}/hypotheses", f"{RUN}/compare",
    f"{RUN}/compare?a=1&b=2", "/compare", f"{RUN}/log", f"{RUN}/log?page=3",
)  # fmt: skip


class Strict(HTMLParser):
    """Finds what a strict policy would block, and links that lead elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.ids += [known["id"]] if known.get("id") else []
        if tag == "style" or (tag == "script" and "src" not in known):
            self.bad.append(tag)
        self.bad += [f"{tag} {name}" for name, _ in attrs if name == "style" or name[:2] == "on"]
        for name in ("src", "href", "action", "hx-get", "sse-connect"):
            if not (known.get(name) or "/").startswith(("/", "#", "?")) or "//" in (
                known.get(name) or ""
            ):
                self.bad.append(f"{tag} {name}={known[name]}")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_and_holds_nothing_that_its_policy_forbids(client, page):
    answer = client.get(page)
    assert answer.status_code == 200
    found = Strict()
    found.feed(answer.text)
    assert found.bad == []
    assert len(found.ids) == len(set(found.ids))


TWICE = ("gzip", "gzip", "identity")
MISSING = ("/runs/none", f"{RUN}/experiments/999", "/nowhere", f"{RUN}/compare?a=999",
           f"{RUN}/experiments/1/logs/no.log", f"{RUN}/experiments/{'9' * 5000}",
           f"{RUN}/experiments/1/logs/{'a' * 300}.log")  # fmt: skip


@pytest.mark.parametrize("page", MISSING, ids=range(len(MISSING)))
def test_what_is_not_there_is_said_in_words(client, page):
    answer = client.get(page)
    assert answer.status_code == 404
    assert "there is no" in answer.text or "has no experiment" in answer.text


def test_before_the_first_run_the_page_says_how_to_start_one(tmp_path):
    client = entered(tmp_path)
    assert "There are no runs yet" in client.get("/").text


def test_a_journal_without_a_run_is_no_fault(tmp_path):
    with open_journal(tmp_path / "journal.sqlite"):
        pass
    client = entered(tmp_path)
    assert "There are no runs yet" in client.get("/").text
    assert client.get("/compare").status_code == 404


def test_runs_of_two_scorers_are_not_said_to_compare(tmp_path):
    other = {**HARNESS, "__main__.py": File(content=b"print('another metric')\n")}
    for tag, harness in (("a", HARNESS), ("b", HARNESS), ("c", other)):
        with make_session(tmp_path, FakeSandbox(lambda _: scored(9.0)), tag=tag, harness=harness):
            pass
    client, differ = entered(tmp_path / "state"), "They differ in"
    assert differ not in client.get("/compare?a=a&b=b").text
    assert f"{differ} harness, so their scores may not" in client.get("/compare?a=a&b=c").text


def test_an_overview_says_what_status_says(client, home):
    text = client.get(RUN).text
    with open_reader(home / "journal.sqlite") as journal:
        best, run = journal.best(TAG), journal.run(TAG)
        found = journal.experiment(TAG, best)
    assert f"experiment {best}" in text
    assert "ended" in text
    assert "believe it?" in text
    assert f"{found.score:.2f}"[:4] in text
    assert run.task in text


def numbers(text: str) -> list[int]:
    """Return the experiments of a page's table, in their order."""
    return [int(found) for found in re.findall(r'id="x(\d+)"', text)]


def test_the_table_can_be_sorted_filtered_searched_and_paged(client, home):
    with open_reader(home / "journal.sqlite") as journal:
        all_of_them = list(journal.outlines(TAG))
    newest_first = [each.number for each in reversed(all_of_them)]
    assert numbers(client.get(RUN).text) == newest_first[:25]
    scored = [each for each in all_of_them if each.score is not None]
    by_score = numbers(client.get(RUN, params={"sort": "score"}).text)
    assert by_score[0] == min(scored, key=lambda each: each.score).number
    refused = numbers(client.get(RUN, params={"status": "refused"}).text)
    assert refused == [n.number for n in all_of_them if n.status is ExperimentStatus.REFUSED] == [9]
    assert numbers(client.get(RUN, params={"q": "machine's load"}).text) == [9]
    assert numbers(client.get(RUN, params={"q": "100%_nothing"}).text) == []
    assert numbers(client.get(RUN, params={"page": "2"}).text) == newest_first[25:]
    odd = {"sort": "number; DROP TABLE runs", "page": "-1", "status": "'"}
    assert numbers(client.get(RUN, params=odd).text) == newest_first[:25]


def test_the_link_of_a_category_of_any_length_finds_its_experiments(tmp_path):
    idea = replace(edit("WIDTH = 32", "WIDTH = 64"), category="schedules of rates & their ends")
    with make_session(tmp_path, FakeSandbox(lambda _: scored(1.0))) as session:
        run_loop(session, ScriptedAgent([idea]), experiments=1)
    client = entered(tmp_path / "state")
    [link] = re.findall(r'href="([^"]*category=schedules[^"]*)"', client.get(RUN).text)
    assert numbers(client.get(unescape(link)).text) == [1]


def test_a_part_that_is_asked_for_comes_alone(client):
    headers = {"hx-request": "true", "hx-target": "experiments"}
    answer = client.get(RUN, headers=headers)
    assert answer.text.lstrip().startswith('<section id="experiments"')
    assert "<html" not in answer.text
    assert "HX-Request" in answer.headers["vary"]


def test_a_part_that_many_ask_for_is_whole_for_each_of_them(client):
    ask = {"hx-request": "true", "hx-target": "experiments"}
    answers = [client.get(RUN, headers=ask | {"accept-encoding": how}) for how in TWICE]
    assert [each.headers.get("content-encoding") for each in answers] == ["gzip", "gzip", None]
    assert len({each.text for each in answers}) == 1
    assert answers[0].num_bytes_downloaded < answers[2].num_bytes_downloaded / 3
    assert [int(each.headers["content-length"]) for each in answers] == [
        each.num_bytes_downloaded for each in answers
    ]


def test_an_experiment_tells_its_whole_story(client, home):
    text = client.get(f"{RUN}/experiments/3").text
    with open_reader(home / "journal.sqlite") as journal:
        found = journal.experiment(TAG, 3)
    for words in ("Verdict", "What was thought", "Learning curves", "Trials", "claude-opus-5-5",
                  "told and answered", "== user\nPropose experiment 3 now."):  # fmt: skip
        assert words in text
    assert found.origin.expectation in text
    assert 'class="side old gone"' in text
    assert 'class="side new come"' in text
    assert 'class="k-' in text
    assert "<summary><code>" in text
    assert "loss" in text


def test_a_missing_cost_is_unknown_and_never_nothing(tmp_path, home):
    shutil.copytree(home, tmp_path / "state")
    with open_journal(tmp_path / "state" / "journal.sqlite") as journal:
        found, run = journal.experiment(TAG, 3), journal.run(TAG)
        journal.propose(replace(found, number=99), run)
    client = entered(tmp_path / "state")
    assert "<dt>cost</dt><dd>unknown</dd>" in client.get(f"{RUN}/experiments/99").text
    row = client.get(RUN).text.split('id="x99"')[1].split("</tr>")[0]
    assert "unknown" in row
    assert "0.00" not in row


def test_the_log_has_each_entry_with_its_kind_and_its_experiment(client, home):
    with open_reader(home / "journal.sqlite") as journal:
        entries = [*map(document, journal.entries(TAG))]
    pages = [client.get(f"{RUN}/log?page={n + 1}").text for n in range(-(-len(entries) // 50))]
    found = re.findall(r"<td class=\"kind\"><code>([\w-]+)</code></td>", "".join(pages))
    assert found == [each["kind"] for each in reversed(entries)]
    assert f'href="{RUN}/experiments/3"' in "".join(pages)
    assert "sse-connect" in pages[0]
    assert "sse-connect" not in pages[1]


def test_two_devices_at_work_are_two_after_the_run_s_end_too(home):
    with open_reader(home / "journal.sqlite") as journal:
        one = journal.experiment(TAG, 3)
    began, ended = "2026-11-29T10:00:00+00:00", "2026-11-29T10:00:20+00:00"
    [trial, *_] = one.trials
    trial = replace(trial, result=replace(trial.result, wall_seconds=20.0))
    each = replace(one, started_at=began, ended_at=ended, trials=(trial,))
    assert _busy(SimpleNamespace(recent=(each, each), devices=())) == 2.0


def test_a_run_can_be_seen_as_it_was(client):
    text = client.get(f"{RUN}?to=3").text
    assert "Experiments 0 to 3; drawn are" in text
    assert 'name="to" min="1" max="14" value="3"' in text.partition('class="replay"')[2]


def test_the_pages_of_a_line_of_descent_name_every_attempt(client):
    text = client.get(f"{RUN}/lineage").text
    assert all(f'href="{RUN}/experiments/{number}"' in text for number in range(COUNT + 1))


def test_a_line_of_descent_says_what_each_came_from_and_what_was_merged(home, tmp_path):
    shutil.copytree(home, tmp_path / "state")
    with open_journal(tmp_path / "state" / "journal.sqlite") as journal:
        best, run = journal.experiment(TAG, journal.best(TAG)), journal.run(TAG)
        origin = replace(best.origin, parent=best.number, why=f"from the best so far{REBASED}")
        journal.propose(replace(best, number=15, origin=origin), run)
        said = {"reason": "kept: better", "score": 1.0, "gain": 1.0, "planned": 1, "rule": None}
        journal.decided(TAG, 15, status="kept", **said)
        journal.settled(TAG, 15, commit="f" * 40, wall_seconds=1.0)
    first, second, *_ = re.findall(
        r'<li class="node.*?</li>',
        entered(tmp_path / "state").get(f"{RUN}/lineage").text,
        re.DOTALL,
    )
    assert f'from <a href="{RUN}/experiments/{best.number}">' in first
    assert "put onto it while it waited" in first
    assert "put onto it while it waited" not in second
