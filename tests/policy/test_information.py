"""Data does not travel in source, whatever carries it; and honest edits pass."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import carriers
import pytest
from carriers import CARRIERS
from policy_samples import WORKSPACE, changed

from runner import paths
from runner.paths import PROJECT
from runner.policy import load_policy, parse_policy
from runner.policy.case import Case
from runner.policy.checks import information as check
from runner.policy.information import information
from runner.policy.schema import Policy
from runner.records import File, Proposal
from runner.steering.phases import policy_in

DRAW = random.Random(8)  # noqa: S311 - a test of sizes
SECRET = DRAW.randbytes(6_500)
SHIPPED = ("cifar10", "eclip", "eclip-ukiyo", "heart", "nanochat", "packing", "shakespeare",
           "tabular")  # fmt: skip
POLICIES = {task: load_policy(paths.policy_path(task)).policy for task in SHIPPED}
"""Read once."""


def lax(policy: Policy) -> Policy:
    """Return it without limits on sizes, so that nothing else stands in a carrier's way."""
    open_ = dict.fromkeys(("max_file_bytes", "max_line_bytes", "max_added_lines"), 1000000)
    return policy.model_copy(update={"edits": policy.edits.model_copy(update=open_)})


def refusals(policy: Policy, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    files = {path: File(content=content) for path, content in before.items()}
    changes = tuple(changed(path, content) for path, content in after.items())
    case = Case(Proposal(hypothesis="x", changes=changes), policy, files, {})
    found = list(check(case))
    assert {each.rule for each in found} <= {"too-much-information"}
    return [each.message for each in found]


def template(task: str) -> dict[str, bytes]:
    files = paths.template(task)
    return {path: files[path].content for path in POLICIES[task].files.mutable}


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: carrier.__name__)
def test_no_carrier_brings_more_than_the_cap(carrier):
    before = template("shakespeare")
    source = before["train.py"] + carrier(SECRET).encode()
    assert information({"train.py": source}, before) >= len(SECRET)
    [message, *_] = refusals(lax(POLICIES["shakespeare"]), before, {"train.py": source})
    assert "names, numbers, comments, layout" in message


def test_nor_does_the_order_of_lines():
    before = {"train.py": carriers.lines(carriers.ordered_lines()).encode()}
    source = carriers.shuffled_lines(DRAW).encode()
    assert sorted(source.split(b"\n")) == sorted(before["train.py"].split(b"\n"))
    carried = math.lgamma(carriers.ORDERED) / math.log(256)
    assert information({"train.py": source}, before) >= carried
    assert refusals(lax(POLICIES["shakespeare"]), before, {"train.py": source})


def test_nor_do_the_names_of_files():
    names = {f"{word}.py": b"" for word in carriers.words(SECRET, size=40)}
    assert information(names) >= len(SECRET)


def test_nor_do_places_in_the_files_before():
    before = template("nanochat")
    carried = 3250 * math.log2(3000) / 8  # bytes: so many places, each one of 3,000
    source = carriers.places_in_the_parent(SECRET).encode()
    assert information({"train.py": source}, before) >= carried


def test_nor_does_prose():
    text = b"".join(
        b"# %b\n" % line
        for page in sorted((PROJECT / "docs").glob("*.md"))
        for line in page.read_bytes().splitlines()
    )[:20_000]
    before = template("shakespeare")
    assert refusals(lax(POLICIES["shakespeare"]), before, {"train.py": before["train.py"] + text})


def test_what_is_carried_in_two_files_is_added_up():
    before, half = template("tabular"), SECRET[:3250]
    rest = SECRET[3250:]
    after = {"model.py": carriers.strings(half), "features.py": carriers.comments(rest)}
    changes = {path: before[path] + source.encode() for path, source in after.items()}
    [message] = refusals(POLICIES["tabular"], before, changes)
    assert "are new" in message
    assert refusals(POLICIES["tabular"], before, {"model.py": changes["model.py"]}) == []


def test_small_steps_add_up_to_no_more_than_the_cap_in_all():
    policy, files = lax(POLICIES["shakespeare"]), template("shakespeare")
    brought = 0
    for _ in range(10):
        step = DRAW.randbytes(2_500)
        source = files["train.py"] + carriers.keyword_names(step).encode()
        if found := refusals(policy, files, {"train.py": source}):
            break
        files, brought = {"train.py": source}, brought + len(step)
    assert len(found) == 1
    assert "would hold" in found[0]
    assert brought <= policy.edits.max_information


@pytest.mark.parametrize("task", SHIPPED)
@pytest.mark.parametrize("other", ["cifar10", "eclip-ukiyo", "heart", "nanochat", "tabular"])
def test_an_honest_rewrite_passes(task, other):
    before, policy = template(task), POLICIES[task]
    most = policy.edits.max_added_lines
    others = [b"".join(one.splitlines(keepends=True)[:most]) for one in template(other).values()]
    rewritten = dict(zip(before, others, strict=False))
    assert refusals(policy, before, rewritten) == []


@pytest.mark.parametrize("task", SHIPPED)
def test_an_honest_change_of_a_template_passes(task):
    before = template(task)
    for path, content in before.items():
        half = content.splitlines(keepends=True)
        moved = b"".join(half[len(half) // 2 :] + half[: len(half) // 2])
        assert refusals(POLICIES[task], before, {path: moved}) == []
        assert refusals(POLICIES[task], before, {path: content.replace(b"0.", b"1.")}) == []


def honest_lines(count: int) -> list[bytes]:
    """Parts of this project's own code, which somebody wrote to be read."""
    modules = ("workspace", "estimate", "raw", "doctor", "trial/run", "journal/store")
    texts = [(PROJECT / "runner" / f"{name}.py").read_bytes() for name in modules]
    return [b"".join(text.splitlines(keepends=True)[:count]) for text in texts]


@pytest.mark.parametrize("task", SHIPPED)
def test_as_many_honest_lines_as_may_be_added_pass(task):
    before, policy = template(task), POLICIES[task]
    path = next(iter(before))
    for added in honest_lines(policy.edits.max_added_lines):
        assert refusals(policy, before, {path: before[path] + added}) == []


@pytest.mark.parametrize("task", SHIPPED)
def test_the_caps_follow_from_the_added_lines(task):
    edits = POLICIES[task].edits
    assert edits.max_new_information == 20 * edits.max_added_lines
    assert 2 * edits.max_new_information <= edits.max_information <= 16_000


def test_what_is_in_the_files_before_is_not_new_however_far_away():
    text = carriers.local_names(DRAW.randbytes(60_000)).encode()
    assert len(text) > 100_000  # DEFLATE looks back 32 kB
    before = {"a.py": text, "train.py": b"x = 1\n"}
    assert information(before, before) < 100
    moved = {"train.py": text[70_000:] + b"x = 2\n" + text[:70_000]}
    assert information(moved, before) < 100
    assert information({"a.py": b"x = 2\n"}, before) < 40


def test_the_cap_is_exact_and_names_what_was_used(rules, messages, policy):
    brought = changed("model.py", b"WIDTH = 128\nDEPTH = 3\n")
    before = {path: WORKSPACE[path].content for path in policy.files.mutable}
    used = information({"model.py": brought.content}, before)
    total = information({**before, "model.py": brought.content})

    def capped(**caps: int) -> Policy:
        return policy.model_copy(update={"edits": policy.edits.model_copy(update=caps)})

    assert rules(brought, policy=capped(max_new_information=used, max_information=total)) == []
    found = messages(brought, policy=capped(max_new_information=used - 1))
    assert list(found) == ["too-much-information"]
    assert found["too-much-information"].startswith(f"{used} bytes of information are new")
    assert found["too-much-information"].endswith(f"; allowed: at most {used - 1}")
    found = messages(brought, policy=capped(max_information=total - 1))
    assert f"would hold {total} bytes" in found["too-much-information"]


def test_notes_hold_what_they_like(rules):
    note = changed("scratchpad.md", carriers.comments(DRAW.randbytes(1_500)).encode())
    assert rules(note, changed("model.py", b"WIDTH = 65\n")) == []


def test_a_new_mutable_file_counts_with_its_path(rules):
    files = {path: file for path, file in WORKSPACE.items() if path != "model.py"}
    source = carriers.attribute_chains(DRAW.randbytes(500)).encode()
    assert rules(changed("model.py", source), files=files) == [
        "line-too-long", "too-much-information",
    ]  # fmt: skip


def test_the_same_bytes_are_worth_the_same_each_time():
    files = template("eclip")
    assert len({information(files, template("heart")) for _ in range(3)}) == 1
    assert information(dict(reversed(template("tabular").items()))) == information(
        template("tabular")
    )


def test_a_phase_may_let_in_more_news_and_no_more_in_all(policy_text):
    relaxed = "phases: [{name: far, share: 1, relax: {max_new_information: 900}}]\n"
    policy = parse_policy(policy_text + relaxed).policy
    inside = policy_in(policy, "far").edits
    assert (inside.max_new_information, inside.max_information) == (900, 1_000)
