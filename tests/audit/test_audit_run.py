"""Every kind of damage to a run's records is found, under its own rule and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes import TAG
from planting import BRANCH, WITNESSES, Copy

from runner.journal import projections
from runner.workspace import HARNESS_REF, NOTES_REF

Plant = Callable[[Copy], object]
OTHER = "f" * 64


def test_an_untouched_run_is_clean(copy: Copy) -> None:
    report = copy.audit()
    assert report.lines == [
        "t1: clean (examined checks: 21, experiments: 8, trials: 14, kept commits: 3, "
        "notes commits: 13)"
    ]


def in_journal_and_chain(plant: Plant) -> Plant:
    """Plant it, and make the chain and the event log fit; the repository stays."""

    def both(copy: Copy) -> None:
        plant(copy)
        copy.relink()
        copy.forge_log()

    return both


def swap_scores(copy: Copy) -> None:
    one, other = (copy.ended(number)[0] for number in (2, 6))
    first, second = (copy.said(seq)["metrics"] for seq in (one, other))
    copy.edit_entry(one, metrics=second)
    copy.edit_entry(other, metrics=first)


def delete_row(number: int) -> Plant:
    return lambda copy: copy.sql("DELETE FROM experiments WHERE number = ?", number)


def better_than_it_was(copy: Copy) -> None:
    copy.score(5, mean_rank=70.0)
    copy.set(5, score=70.0, gain=20.0)


def forget_a_trial(copy: Copy) -> None:
    copy.sql("DELETE FROM trials WHERE seq = (SELECT max(seq) FROM trials WHERE experiment = 7)")


ROWS = [
    pytest.param(lambda c: c.set(2, score=85.0), {"projection", "score"}, id="a score"),
    pytest.param(lambda c: c.set(2, gain=-1.0), {"projection", "gain"}, id="a gain"),
    pytest.param(lambda c: c.set(2, status="crashed"), {"projection", "decision"}, id="a status"),
    pytest.param(lambda c: c.set(2, reason="bad luck"), {"projection"}, id="a reason"),
    pytest.param(
        lambda c: c.set(4, hypothesis="honest"),
        {"attempt-message", "projection"},
        id="a hypothesis",
    ),
    pytest.param(
        lambda c: c.set(7, status="excellent"),
        {"projection", "row-unreadable"},
        id="an unknown status",
    ),
    pytest.param(
        lambda c: c.set(7, changes=[{}]), {"chain", "row-unreadable"}, id="broken changes"
    ),
    pytest.param(
        lambda c: c.sql("UPDATE trials SET wall_seconds = 1 WHERE experiment = 2"),
        {"projection"},
        id="a trial's time",
    ),
    pytest.param(
        lambda c: c.score(2, extra=2.0),
        {"chain"},
        id="a metric that does not decide",
    ),
    pytest.param(
        lambda c: c.score(1, "audit", mean_rank=1.0),
        {"chain"},
        id="an audit score",
    ),
    pytest.param(
        lambda c: c.score(2, mean_rank=None, extra=None),
        {"chain", "score"},
        id="a trial's score deleted",
    ),
    pytest.param(forget_a_trial, {"projection", "trials"}, id="a trial deleted"),
    pytest.param(
        swap_scores,
        {"chain", "score", "gain", "trials"},
        id="scores of two experiments swapped",
    ),
    pytest.param(
        delete_row(3),
        {"attempt-unknown", "numbering", "projection"},
        id="a row deleted in the middle",
    ),
    pytest.param(delete_row(7), {"attempt-unknown", "projection"}, id="the last row deleted"),
    pytest.param(lambda c: c.set(7, settled=None), {"closing", "projection"}, id="a link deleted"),
    pytest.param(
        lambda c: c.set(2, ended_at=None), {"closing", "projection"}, id="an open row in the middle"
    ),
    pytest.param(lambda c: c.set(7, settled=3), {"projection"}, id="a link changed"),
    pytest.param(
        lambda c: c.set(2, commit="c" * 40),
        {"projection", "kept-commits"},
        id="a commit for a revert",
    ),
]


KINDS = ("run-created", "proposed", "attempt-stored", "reviewed", "trial-ended", "decided")
KINDS += ("settled", "audited")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
def test_an_edited_entry_of_any_kind_breaks_the_chain(copy: Copy, kind: str, which: int) -> None:
    copy.edit_entry(copy.entries(kind)[which], surplus="x")
    assert "chain" in {finding.rule for finding in copy.audit().findings}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
def test_a_deleted_entry_of_any_kind_shows(copy: Copy, kind: str, which: int) -> None:
    copy.sql("DELETE FROM entries WHERE seq = ?", copy.entries(kind)[which])
    assert {finding.rule for finding in copy.audit().findings} & {"chain", "projection"}


@pytest.mark.parametrize("table", [name for name in projections.KEYS if name != "runs"])
def test_a_row_that_no_entry_makes_shows_in_any_table(copy: Copy, table: str) -> None:
    columns = copy.rows(f"PRAGMA table_info({table})")
    values = {"INTEGER": 777, "REAL": 7.5, "TEXT": "x"}
    row = [TAG if name == "run" else values[kind] for _, name, kind, *_ in columns]
    marks = ", ".join("?" for _ in row)
    copy.sql(f"INSERT INTO {table} VALUES ({marks})", *row)  # noqa: S608
    assert "projection" in {finding.rule for finding in copy.audit().findings}


def test_a_journal_cut_short_and_made_to_fit_disagrees_with_the_event_log(copy: Copy) -> None:
    copy.sql("DELETE FROM trials WHERE experiment = 5 AND purpose = 'audit'")
    copy.sql("DELETE FROM trials WHERE experiment > 5")
    copy.sql("DELETE FROM experiments WHERE number > 5")
    copy.relink()
    assert "event-log" in {finding.rule for finding in copy.audit().findings}


def graft(copy: Copy) -> None:
    (copy.repository / "info").mkdir(exist_ok=True)
    (copy.repository / "info" / "grafts").write_text(copy.git("rev-parse", BRANCH) + "\n")


@pytest.mark.parametrize(("plant", "rules"), ROWS)
def test_a_changed_table_is_not_what_its_entries_make(
    copy: Copy, plant: Plant, rules: set[str]
) -> None:
    plant(copy)
    assert found_rules(copy) - WITNESSES == rules - WITNESSES


def found_rules(copy: Copy) -> set[str]:
    return {finding.rule for finding in copy.audit().findings}


FORGED = [
    pytest.param(lambda c: c.set(2, reason="bad luck"), set(), id="a reason"),
    pytest.param(better_than_it_was, {"gain", "trials"}, id="a kept score"),
    pytest.param(
        lambda c: c.set(6, status="kept"),
        {"decision", "kept-commits", "experiment-parent", "audit"},
        id="a revert made a keep",
    ),
    pytest.param(lambda c: c.set(6, status="refused"), {"decision"}, id="a revert made a refusal"),
    pytest.param(lambda c: c.set(7, image_id="other"), {"image-id"}, id="another image"),
    pytest.param(
        lambda c: c.set(7, scorer_image_id="other"), {"scorer-image-id"}, id="another scorer"
    ),
    pytest.param(lambda c: c.set(7, policy_digest=OTHER), {"policy-digest"}, id="another policy"),
    pytest.param(lambda c: c.set(7, harness_digest=OTHER), {"harness-digest"}, id="other harness"),
    pytest.param(lambda c: c.set(7, changes=[]), {"attempt-content"}, id="another proposal"),
    pytest.param(lambda c: c.set(7, attempt_commit=None), {"attempt-ref"}, id="no attempt"),
    pytest.param(
        lambda c: c.set(7, parent_commit=c.git("rev-parse", f"{BRANCH}~1")),
        {"experiment-parent", "attempt-parent"},
        id="another parent",
    ),
]


@pytest.mark.parametrize(("plant", "rules"), FORGED)
def test_a_chain_that_was_forged_too_does_not_hide_it(
    copy: Copy, plant: Plant, rules: set[str]
) -> None:
    in_journal_and_chain(plant)(copy)
    found = found_rules(copy)
    assert found - WITNESSES == rules
    assert found & WITNESSES, "git knew better"


FROZEN = [
    pytest.param(lambda c: c.set_run(policy_text=widened(c)), {"policy-text"}, id="a wider policy"),
    pytest.param(lambda c: c.set_run(policy_text="{"), {"policy-text"}, id="a broken policy"),
    pytest.param(
        lambda c: c.set_run(policy_digest=OTHER),
        {"policy-text", "policy-digest"},
        id="the policy's digest",
    ),
    pytest.param(
        lambda c: c.set_run(template_digest=OTHER), {"template-digest"}, id="the template's digest"
    ),
    pytest.param(
        lambda c: c.set_run(harness_digest=OTHER), {"harness-digest"}, id="the harness's digest"
    ),
    pytest.param(lambda c: c.set_run(image_id="other"), {"image-id"}, id="the image"),
    pytest.param(
        lambda c: c.set_run(scorer_image_id="other"), {"scorer-image-id"}, id="the scorer's image"
    ),
    pytest.param(lambda c: c.set_run(round_to=0.001), {"run-row"}, id="the rounding"),
    pytest.param(lambda c: c.set_run(data_digest=OTHER), {"data-digest"}, id="the data's digest"),
    pytest.param(lambda c: c.manifest.write_text("{}"), {"data-digest"}, id="the data"),
    pytest.param(lambda c: c.move(HARNESS_REF, BRANCH), {"harness-digest"}, id="the harness"),
    pytest.param(
        lambda c: c.git("update-ref", "-d", HARNESS_REF), {"harness-digest"}, id="no harness"
    ),
]


def widened(copy: Copy) -> str:
    with_more = "mutable: [train.py, run.sh]"
    policy = copy.policy_text
    assert "mutable: [train.py]" in policy
    return policy.replace("mutable: [train.py]", with_more)


@pytest.mark.parametrize(("plant", "rules"), FROZEN)
def test_what_was_frozen_cannot_change(copy: Copy, plant: Plant, rules: set[str]) -> None:
    plant(copy)
    assert found_rules(copy) - WITNESSES - {"projection"} == rules


REPOSITORY = [
    pytest.param(
        lambda c: c.extend_branch({"train.py": ("100644", "better")}),
        {"kept-commits"},
        id="a commit of nobody's",
    ),
    pytest.param(
        lambda c: c.extend_branch({"run.sh": ("100755", "echo 0")}),
        {"kept-commits", "frozen-file"},
        id="a frozen file changed",
    ),
    pytest.param(
        lambda c: c.extend_branch({"scratchpad.md": ("100644", "hm")}),
        {"kept-commits", "frozen-file"},
        id="a note on the branch",
    ),
    pytest.param(
        lambda c: c.extend_branch({}, without=["run.sh"]),
        {"kept-commits", "frozen-file"},
        id="a frozen file deleted",
    ),
    pytest.param(
        lambda c: c.extend_branch({}, without=["train.py"]),
        {"kept-commits", "file-missing"},
        id="a mutable file deleted",
    ),
    pytest.param(
        lambda c: c.extend_branch({"torch.py": ("100644", "fast")}),
        {"kept-commits", "path-not-mutable"},
        id="a file added",
    ),
    pytest.param(
        lambda c: c.extend_branch({"train.py": ("120000", "/sealed/captions.npy")}),
        {"kept-commits", "file-kind"},
        id="a link in place of a file",
    ),
    pytest.param(
        lambda c: c.extend_branch({"lib": ("160000", "c" * 40)}),
        {"kept-commits", "file-kind"},
        id="a submodule",
    ),
    pytest.param(
        lambda c: c.extend_branch({"train.py": ("100755", c.train)}),
        {"kept-commits", "file-mode"},
        id="a mode changed",
    ),
    pytest.param(
        lambda c: c.move(BRANCH, c.commit((f"{BRANCH}", f"{BRANCH}~1"), {})),
        {"kept-commits", "history"},
        id="a merge",
    ),
    pytest.param(
        lambda c: c.move(BRANCH, f"{BRANCH}~1"), {"kept-commits"}, id="the branch moved back"
    ),
    pytest.param(
        lambda c: c.move(BRANCH, "refs/attempts/5"),
        {"kept-commits"},
        id="the branch moved to an attempt",
    ),
    pytest.param(
        lambda c: c.move(BRANCH, HARNESS_REF),
        {"kept-commits", "history"},
        id="the branch moved elsewhere",
    ),
    pytest.param(
        lambda c: c.git("update-ref", "-d", BRANCH), {"kept-commits", "history"}, id="no branch"
    ),
    pytest.param(
        lambda c: c.extend("refs/attempts/2", {"train.py": ("100644", "nothing to see")}),
        {"attempt-ref"},
        id="an attempt rewritten",
    ),
    pytest.param(
        lambda c: c.git("update-ref", "-d", "refs/attempts/3"), {"attempt-ref"}, id="no attempt"
    ),
    pytest.param(
        lambda c: c.move("refs/attempts/99", BRANCH), {"attempt-unknown"}, id="nobody's attempt"
    ),
    pytest.param(
        lambda c: c.extend_notes({"train.py": ("100644", "x")}), {"notes"}, id="code in the notes"
    ),
    pytest.param(
        lambda c: c.extend_notes({"scratchpad.md": ("120000", "/etc/passwd")}),
        {"notes"},
        id="a link in the notes",
    ),
    pytest.param(
        lambda c: c.extend_notes({"LOG.md": ("120000", "/etc/passwd")}),
        {"notes"},
        id="a link for a log",
    ),
    pytest.param(
        lambda c: c.extend_notes({"scratchpad.md": ("100755", "x")}),
        {"notes"},
        id="an executable note",
    ),
    pytest.param(
        lambda c: c.move(NOTES_REF, c.commit((NOTES_REF, f"{NOTES_REF}~1"), {})),
        {"notes"},
        id="a merge of notes",
    ),
    pytest.param(
        lambda c: c.git("replace", f"{BRANCH}~1", f"{BRANCH}~2"),
        {"replace-ref"},
        id="a replacement",
    ),
    pytest.param(lambda c: c.move("refs/heads/mine", BRANCH), {"unknown-ref"}, id="a branch more"),
    pytest.param(
        lambda c: graft(c),
        {"graft"},
        id="a graft",
    ),
    pytest.param(
        lambda c: (c.repository / "shallow").write_text(c.git("rev-parse", BRANCH) + "\n"),
        {"graft"},
        id="a shallow end",
    ),
    pytest.param(lambda c: promised(c), {"graft"}, id="bytes gone that another place is to have"),
    pytest.param(lambda c: (c.repository / "hooks").mkdir(), {"graft"}, id="hooks"),
    pytest.param(lambda c: c.git("config", "core.fsmonitor", "program"), {"graft"}, id="a setting"),
    pytest.param(
        lambda c: (c.repository / "objects/info/http-alternates").write_text("x"),
        {"graft"},
        id="objects elsewhere",
    ),
    pytest.param(lambda c: damage(c, f"{BRANCH}:train.py"), {"git-objects"}, id="a damaged file"),
    pytest.param(lambda c: damage(c, f"{BRANCH}^{{tree}}"), {"git-objects"}, id="a damaged tree"),
    pytest.param(lambda c: c.loose_object(BRANCH).unlink(), {"git-objects"}, id="a commit gone"),
]


def promised(copy: Copy) -> None:
    """Take the bytes of a reverted proposal away, in a way that git's own check passes over."""
    blob = copy.said(copy.entries("proposed")[2])["changes"][0]["blob"]
    named = copy.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    rest = "".join(f"{name}\n" for name in named.split() if name != blob)
    pack = copy.git("pack-objects", str(copy.repository / "objects/pack/pack"), given=rest.encode())
    (copy.repository / f"objects/pack/pack-{pack}.promisor").touch()
    for loose in copy.repository.glob("objects/??/*"):
        loose.unlink()
    copy.git("config", "core.repositoryFormatVersion", "1")
    copy.git("config", "extensions.partialClone", "origin")
    copy.git("config", "remote.origin.promisor", "true")


def damage(copy: Copy, revision: str) -> None:
    path = copy.loose_object(revision)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:10])


@pytest.mark.parametrize(("plant", "rules"), REPOSITORY)
def test_a_changed_repository_shows(copy: Copy, plant: Plant, rules: set[str]) -> None:
    plant(copy)
    assert {finding.rule for finding in copy.audit().findings} == rules
