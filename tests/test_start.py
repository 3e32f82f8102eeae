from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner
from fake_engine import FakeEngine
from fakes import POLICY_TEXT, FakeSandbox, make_session, prepare, scored, with_files
from fakes import TAG as TAG_OF_A_RUN

from runner import paths, supervise
from runner.agents import AGENTS
from runner.agents.descriptions import MODELS, model_of, with_model
from runner.cli import cli
from runner.errors import ConfigError, SandboxError
from runner.journal.store import open_journal
from runner.patterns import MOST_FILES
from runner.policy.load import load_policy, parse_policy
from runner.providers import provider_of
from runner.records import File
from runner.session import Person
from runner.start import TAG, Request, _agents, _check_template, _introduce, _policy, at_work

BY_HAND = "runner.by_hand.one_more"


@pytest.mark.parametrize("tag", ["nov21", "nov21-2", "a", "v1.2_x", "a_", "x" * 40, "a.locks"])
def test_a_tag_is_a_short_plain_name(tag):
    assert TAG.fullmatch(tag)


@pytest.mark.parametrize(
    "tag", ["", "-a", "..", "a--b", "a-", "a.", "a..b", "a.lock", "A", "a/b", "a b", "x" * 41]
)
def test_a_tag_that_git_or_the_names_of_trials_cannot_hold_is_refused(tag):
    assert not TAG.fullmatch(tag)


# -- which agent, which policy ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "model", "expected"),
    [
        ("tune", None, "tune"),
        ("claude", None, f"claude:{MODELS['claude']}"),
        ("claude-code:", None, f"claude-code:{MODELS['claude-code']}"),
        ("claude", "claude-opus-5-5", "claude:claude-opus-5-5"),
        ("claude-code", "claude-opus-5-5", "claude-code:claude-opus-5-5"),
        ("best-of-n:claude", "a", "best-of-n:claude:a"),
        ("best-of-n", None, "best-of-n"),
        ("claude:a", None, "claude:a"),
        ("claude:a", "a", "claude:a"),
    ],
)
def test_the_model_becomes_part_of_the_agent_s_description(agent, model, expected):
    assert with_model(agent, model) == expected
    assert model_of(expected) == (expected.rpartition(":")[2] if ":" in expected else None)


@pytest.mark.parametrize(
    ("agent", "model"), [("tune", "a"), ("stub:x.yaml", "a"), ("claude:a", "b"), ("claude", "")]
)
def test_a_model_where_there_is_none_or_another_is_an_error(agent, model):
    with pytest.raises(ConfigError) as refused:
        with_model(agent, model)
    assert refused.value.hint


@pytest.mark.parametrize("model", MODELS.values())
def test_the_model_that_is_asked_if_none_is_named_has_a_price(model):
    provider, name = provider_of(model, {})
    assert provider.prices.of(name)


def test_a_runtime_that_the_engine_lacks_is_an_error_before_there_is_a_run(tmp_path, monkeypatch):
    state = paths.State(tmp_path / "state")
    prepare(state, "eclip")
    monkeypatch.setattr("runner.engines.connect", FakeEngine)
    policy = tmp_path / "policy.yaml"
    text = paths.policy_path("eclip").read_text()
    policy.write_text(text.replace("runtime: null", "runtime: kata"))
    request = Request(task="eclip", tag="sandboxed", policy=policy)
    at_work_ = at_work(state, request, Person(say=print))
    with pytest.raises(ConfigError, match="no runtime 'kata'") as refused, at_work_:
        pass
    assert "runc" in refused.value.hint
    with open_journal(state.journal) as journal:
        assert journal.run("sandboxed") is None, "the tag is free"


def test_a_run_whose_image_is_missing_leaves_no_repository_to_the_next_one(tmp_path, monkeypatch):
    state = paths.State(tmp_path / "state")
    prepare(state, "eclip")
    monkeypatch.setattr("runner.engines.connect", FakeEngine)
    monkeypatch.setattr("runner.engines.images.image_id", lambda *_: None)
    at_work_ = at_work(state, Request(task="eclip", tag="imageless"), Person(say=print))
    with pytest.raises(SandboxError, match=r"the image .* is missing"), at_work_:
        pass
    assert not state.repository("imageless").exists()


@pytest.mark.parametrize(
    ("isolation", "policy", "said"),
    [
        pytest.param("contained", {}, "whatever its agent reads of the training rows", id="a box"),
        pytest.param(
            "contained", {"data: public": "data: none"}, "no data", id="a box without rows"
        ),
        pytest.param("api", {}, "what analyses print of the training rows", id="may look at rows"),
        pytest.param("api", {"on_request: true": "on_request: false"}, "no data", id="may not"),
    ],
)
def test_a_person_is_told_which_rows_a_model_may_be_sent(tmp_path, isolation, policy, said):
    text = POLICY_TEXT
    for old, new in policy.items():
        text = text.replace(old, new)
    told: list[str] = []
    with make_session(tmp_path, FakeSandbox(lambda _: scored(1.0)), policy_text=text) as session:
        run = replace(session.run, agent="claude:m", agent_isolation=isolation)
        _introduce(replace(session, run=run), Request(), told.append)
    [line] = [line for line in told if line.startswith("whoever serves m sees these files")]
    assert f"what came of it, and {said}" in line
    assert "train.py" in line


def test_where_no_run_was_ever_made_nothing_is_made(tmp_path, monkeypatch):
    place = tmp_path / "state"
    monkeypatch.setenv("RUNNER_HOME", str(place))
    monkeypatch.setattr("runner.engines.connect", FakeEngine)
    monkeypatch.setattr("runner.clean.of_images", lambda *_: iter(()))
    assert CliRunner().invoke(cli, ["clean"]).exit_code == 0
    resumed = CliRunner().invoke(cli, ["run", "--resume", "nov21"])
    assert "error: there is no run nov21" in resumed.output
    assert not place.exists()


def test_patterns_are_held_against_the_template():
    text = paths.policy_path("eclip").read_text()
    tree = {**paths.template("eclip"), "src/a.py": File(content=b"")}

    def checked(mutable: str, files=tree, **more: str) -> None:
        _check_template(parse_policy(with_files(text, mutable=mutable, **more)), files)

    checked("[train.py, 'src/*.py']")
    with pytest.raises(ConfigError, match=r"lib/\*.py, which the template does not have"):
        checked("[train.py, 'lib/*.py']")
    checked("[train.py, 'lib/*.py']", may_add="true")
    many = {f"src/m{number}.py": File(content=b"") for number in range(MOST_FILES)}
    with pytest.raises(
        ConfigError, match="302 files of the template mutable; at most 300"
    ) as refused:
        checked("[train.py, 'src/*.py']", {**tree, **many})
    assert refused.value.hint


def test_a_template_that_would_have_every_proposal_refused_starts_no_run():
    policy, template = load_policy(paths.policy_path("eclip")), paths.template("eclip")
    _check_template(policy, template)
    noise = random.Random(1).randbytes(20_000).hex()  # noqa: S311 - a test of sizes
    large = {**template, "train.py": File(content=f"# {noise}\n".encode())}
    with pytest.raises(ConfigError, match="max_information is 16000") as refused:
        _check_template(policy, large)
    assert refused.value.hint


def test_a_new_run_freezes_its_training_time_in_its_policy():
    request = Request(task="eclip", train_seconds=20)
    frozen = _policy(request, "eclip")
    shipped = _policy(Request(task="eclip"), "eclip")
    assert (shipped.policy.budget.train, frozen.policy.budget.train) == (8, 20)
    assert frozen.digest != shipped.digest
    assert parse_policy(frozen.text).policy == frozen.policy


@pytest.mark.parametrize(
    "more", [("--model", "a"), ("--train-seconds", "5"), ("--policy", __file__)]
)
def test_resuming_changes_neither_model_nor_policy(more, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path))
    result = CliRunner().invoke(cli, ["run", "--resume", "t1", *more])
    assert result.exit_code == 2
    assert "do not go with --resume" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--experiments", "--max-experiments"])
def test_a_run_s_length_has_two_names(option, monkeypatch):
    asked = []
    monkeypatch.setattr(
        supervise,
        "supervise",
        lambda request, *, experiments, ahead, **_: asked.append((request, experiments, ahead)),
    )
    arguments = ["run", "eclip", option, "5", "--model", "m", "--agent", "claude"]
    more = ["--train-seconds", "2.5", "--ahead", "2", "--devices", "3"]
    CliRunner().invoke(cli, [*arguments, *more])
    expected = Request(task="eclip", agent="claude", model="m", train_seconds=2.5, devices=3)
    assert asked == [(expected, 5, 2)]


@pytest.mark.parametrize("name", AGENTS)
def test_help_names_every_agent(name):
    shown = CliRunner().invoke(cli, ["run", "--help"]).output
    assert re.search(rf"\b{name}\b", shown)


# -- somebody else proposes -------------------------------------------------------------------


def test_the_run_s_own_agent_needs_no_key_where_somebody_else_proposes(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    assert _agents("claude", Request(resume=True, somebody_else=True)) == ()
    with pytest.raises(ConfigError):
        _agents("claude", Request(resume=True))


@pytest.mark.parametrize(
    ("arguments", "opener"),
    [
        pytest.param(["mcp", "--resume", "t1"], "runner.serve.serve", id="a client"),
        pytest.param(["step", "t1", "--edit"], "runner.by_hand.one_more.supervise", id="an editor"),
        pytest.param(
            ["propose", "-", "-m", "x"], "runner.by_hand.one_more.supervise", id="a patch"
        ),
    ],
)
def test_a_client_and_a_person_propose_in_any_run(arguments, opener, monkeypatch):
    asked = []
    monkeypatch.setattr(opener, lambda request, **_: asked.append(request) or 0)
    monkeypatch.setattr(f"{BY_HAND}._one_more", lambda _: ("t1", 1))
    assert CliRunner().invoke(cli, arguments, input="x").exit_code == 0
    assert asked[0].somebody_else


def asked_for(monkeypatch, place: str, *arguments: str) -> Request:
    """Return what a command asks of whoever opens runs."""
    asked = []

    def open_none(_, request, *__):
        asked.append(request)
        raise ConfigError("no further")

    monkeypatch.setattr(place, open_none)
    assert CliRunner().invoke(cli, arguments).exit_code == 2
    return asked[0]


def test_who_looks_at_rows_needs_no_key_of_the_run_s_agent(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    with make_session(tmp_path, None):
        pass
    assert asked_for(monkeypatch, "runner.start.at_work", "analyze", TAG_OF_A_RUN).somebody_else


@pytest.mark.parametrize(("experiments", "alone"), [("0", True), ("1", False)])
def test_a_run_in_which_nothing_is_proposed_needs_no_agent(monkeypatch, experiments, alone):
    arguments = ("run", "--resume", "t1", "--experiments", experiments)
    request = asked_for(monkeypatch, "runner.supervise.at_work", *arguments)
    assert request.somebody_else is alone
