"""Who gets in, and what a page may do."""

from __future__ import annotations

import pytest
from dashboards import client_of

from runner.dashboard.access import HEADERS, Keys
from runner.journal.store import open_journal
from runner.paths import State
from runner.progress import Tracker
from runner.records import Run
from runner.session import ASKED


@pytest.fixture
def home(tmp_path):
    """Nothing is needed to be refused."""
    return tmp_path


PAGES = ("/", "/runs/t1", "/runs/t1/events", "/runs/t1/experiments/1", "/theme", "/nowhere")


@pytest.fixture
def stranger(home):
    return client_of(home)


@pytest.mark.parametrize("page", PAGES)
def test_without_the_cookie_there_is_nothing_to_see(stranger, page):
    client, _ = stranger
    answer = client.get(page)
    assert answer.status_code == 401
    assert "t1" not in answer.text


def test_the_link_gives_a_cookie_that_scripts_and_other_sites_cannot_use(stranger):
    client, keys = stranger
    answer = client.get(keys.link)
    said = answer.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=strict" in said
    assert keys.token not in said
    assert keys.token not in answer.text
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", "\u00fc"])
def test_a_wrong_token_gives_no_cookie(stranger, token):
    client, _ = stranger
    answer = client.get("/enter", params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_each_start_has_keys_of_its_own():
    one, other = Keys(port=1), Keys(port=1)
    assert {one.token, one.cookie, one.control}.isdisjoint({other.token, other.cookie})
    assert len({one.token, one.cookie, one.control}) == 3


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8501", 200),
        ("localhost:9000", 200),  # forwarded under another number
        ("[::1]:8501", 200),
        ("evil.example:8501", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_a_name_that_is_not_the_server_s_own_is_refused(home, host, status):
    client, keys = client_of(home)
    headers = {"host": host, "cookie": f"{keys.cookie_name}={keys.cookie}"}
    assert client.get("/", headers=headers).status_code == status


@pytest.mark.parametrize("other", ["a/b=1", "a@b=1", "a,b=2", 'p={"t": 1}', "=", "x"])
def test_cookies_of_other_programs_on_this_machine_keep_nobody_out(home, other):
    client, keys = client_of(home)
    headers = {"host": "127.0.0.1", "cookie": f"{other}; {keys.cookie_name}={keys.cookie}"}
    assert client.get("/", headers=headers).status_code == 200


def test_where_it_listens_everywhere_an_address_is_a_name_of_it_and_a_name_is_not():
    keys = Keys(port=1, host="0.0.0.0")
    assert keys.names("192.0.2.7:8501")
    assert not keys.names("evil.example:8501")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", None])
def test_another_site_changes_nothing(client, origin):
    headers = {} if origin is None else {"origin": origin}
    answer = client.post("/theme", data={"theme": "dark"}, headers=headers)
    assert answer.status_code == 403
    assert "theme" not in client.cookies


def test_another_site_reads_nothing(client):
    assert client.get("/", headers={"origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize("page", ["/", "/enter", "/static/dashboard.js", "/nowhere", "/runs/none"])
def test_every_answer_has_a_policy_without_inline_code(client, page):
    answer = client.get(page)
    assert HEADERS.items() <= dict(answer.headers).items()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_pages_are_kept_nowhere_and_what_they_load_is(client):
    assert client.get("/").headers["cache-control"] == "no-store"
    assert "immutable" in client.get("/static/dashboard.css").headers["cache-control"]


def test_the_theme_is_kept_and_leads_back(client):
    own = {"origin": "http://127.0.0.1:8501"}
    said = {"theme": "dark", "back": "/runs/t1"}
    answer = client.post("/theme", data=said, headers=own, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs/t1")
    assert 'data-theme="dark"' in client.get("/").text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_the_theme_leads_to_no_other_site(client, back):
    own = {"origin": "http://127.0.0.1:8501"}
    said = {"theme": "dark", "back": back}
    answer = client.post("/theme", data=said, headers=own, follow_redirects=False)
    assert answer.headers["location"] == "/"


# -- actions --------------------------------------------------------------------------------------

RUN = Run(
    tag="t1", task="eclip", agent="tune", agent_isolation="api", metric="mean_rank",
    direction="minimize", round_to=0.5, policy_text="task: eclip", policy_digest="p",
    harness_digest="h", template_digest="t", image_id="sha256:1", scorer_image_id="sha256:2",
    data_digest="d", device="cpu", base_commit="b", created_at="2025-11-21T04:00:00",
    draws_digest="s", runner_version="0", rules_digest="r",
)  # fmt: skip
OWN = {"origin": "http://127.0.0.1:8501"}


@pytest.fixture
def journal(tmp_path):
    """A state folder with a run of which nothing happened yet."""
    with open_journal(tmp_path / "journal.sqlite") as made:
        made.create_run(RUN)
        yield made


def opened(home, *, control):
    client, keys = client_of(home, control=control)
    client.get(keys.link)
    return client, keys


def test_without_control_nothing_can_be_done_and_no_page_offers_it(home, journal):
    client, keys = opened(home, control=False)
    said = {"control": keys.control, "text": "try this"}
    answer = client.post("/runs/t1/hypotheses", data=said, headers=OWN)
    assert answer.status_code == 404
    assert "--control" in answer.text
    assert "<textarea" not in client.get("/runs/t1/hypotheses").text
    assert journal.hypotheses("t1") == ()


@pytest.mark.parametrize("token", ["", "wrong"])
def test_an_action_needs_a_token_of_its_own(home, journal, token):
    client, _ = opened(home, control=True)
    said = {"control": token, "text": "try this"}
    assert client.post("/runs/t1/hypotheses", data=said, headers=OWN).status_code == 404
    assert client.post("/runs/t1/ask", data=said, headers=OWN).status_code == 404
    assert journal.hypotheses("t1") == ()


def test_with_control_hypotheses_are_added_and_dropped(home, journal):
    client, keys = opened(home, control=True)
    said = {"control": keys.control, "text": " try <b>this</b> "}
    answer = client.post("/runs/t1/hypotheses", data=said, headers=OWN)
    assert "try &lt;b&gt;this&lt;/b&gt;" in answer.text
    [found] = journal.hypotheses("t1")
    assert (found.text, found.status) == ("try <b>this</b>", "open")
    client.post(f"/runs/t1/hypotheses/{found.id}/drop", data=said, headers=OWN)
    assert [each.status for each in journal.hypotheses("t1")] == ["dropped"]
    again = client.post(f"/runs/t1/hypotheses/{found.id}/drop", data=said, headers=OWN)
    assert again.status_code == 400
    assert "not open" in again.text


def test_a_wish_reaches_the_process_that_is_at_work(home, journal):
    client, keys = opened(home, control=True)
    said = {"control": keys.control, "wish": "pause"}
    idle = client.post("/runs/t1/ask", data=said, headers=OWN)
    assert "is not at work" in idle.text
    path = State(home).progress("t1")
    path.parent.mkdir(parents=True)
    with Tracker.at(path):
        assert 'value="pause"' in client.get("/runs/t1").text
        client.post("/runs/t1/ask", data=said, headers=OWN)
    [asked] = [each for each in journal.events("t1") if each["name"] == ASKED]
    assert (asked["detail"]["what"], asked["detail"]["via"]) == ("pause", "the dashboard")
    odd = client.post("/runs/t1/ask", data=said | {"wish": "rm"}, headers=OWN)
    assert odd.status_code == 404


def test_a_form_that_is_too_long_is_not_read_to_its_end(home, journal):
    client, keys = opened(home, control=True)
    said = {"control": keys.control, "text": "x" * 30_000}
    assert client.post("/runs/t1/hypotheses", data=said, headers=OWN).status_code == 404
