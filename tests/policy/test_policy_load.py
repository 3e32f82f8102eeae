from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from runner.errors import ConfigError
from runner.policy import Policy, load_policy, parse_policy, words
from runner.policy.conflicts import OURS, OURS_FROM
from runner.policy.load import MAX_BYTES, schema_text
from runner.policy.schema import FORBIDDEN
from runner.records import Shape

POLICIES = Path(__file__).parents[2] / "policies"
GUARD = "{name: a, run: [b], seconds: 1}"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_policy(text, "p.yaml")
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("old", "new", "start", "ending"),
    [
        pytest.param(
            "train: 8s",
            "train: -5s",
            "17: budget.train: must be greater than 0, got '-5s'",
            "such as 8s, 2m or 1h)",
            id="a negative duration",
        ),
        pytest.param(
            "train: 8s",
            "train: 0s",
            "17: budget.train: must be greater than 0, got '0s'",
            ")",
            id="no time at all",
        ),
        pytest.param(
            "train: 8s",
            "train: 8",
            "17: budget.train: must be a duration such as 8s",
            ")",
            id="a duration without its unit",
        ),
        pytest.param(
            "train: 8s",
            "train: .inf",
            "17: budget.train: must be a duration",
            ")",
            id="an endless duration",
        ),
        pytest.param(
            "memory: 1g",
            "memory: 32m",
            "16: resources.memory: must be a size from 64m to 4096g, got '32m'",
            ")",
            id="too little memory to start",
        ),
        pytest.param(
            "memory: 1g",
            "memory: 1.5g",
            "16: resources.memory: must be a size",
            ")",
            id="a size with a fraction",
        ),
        pytest.param(
            "pids: 64",
            "pids: 8",
            "16: resources.pids: must be greater than or equal to 16, got 8",
            "(allowed: a whole number at least 16, at most 100000)",
            id="too few processes",
        ),
        pytest.param(
            "pids: 64",
            "pids: true",
            "16: resources.pids: must be a valid integer, got true",
            ")",
            id="a truth is no number",
        ),
        pytest.param(
            "pids: 64",
            "pids: '64'",
            "16: resources.pids: must be a valid integer, got '64'",
            ")",
            id="a quoted number is no number",
        ),
        pytest.param(
            "cpus: 2",
            "cpus: .nan",
            "16: resources.cpus: must be",
            ")",
            id="not a number",
        ),
        pytest.param(
            "cpus: 2",
            "cpus: 0",
            "16: resources.cpus: must be greater than 0, got 0",
            ")",
            id="no processor",
        ),
        pytest.param(
            "score: 2m}",
            "score: 2m, clock: sun}",
            "17: budget.clock: must not be 'sun'",
            "(allowed: one of cpu, wall or null)",
            id="a clock that is none",
        ),
        pytest.param(
            "score: 2m}",
            "score: 2m, stretch: 0.5}",
            "17: budget.stretch: must be greater than or equal to 1, got 0.5",
            ")",
            id="less time on the wall than at work",
        ),
        pytest.param(
            "shm: 64m",
            "shm: 1g",
            "16: resources.shm: must be less than resources.memory, 1g",
            "got '1g'",
            id="shared memory that is all of the memory",
        ),
        pytest.param(
            "max_line_bytes: 200",
            "max_line_bytes: 5_000",
            "10: edits.max_line_bytes: must be at most edits.max_file_bytes, 4000",
            "got 5000",
            id="a line longer than its file",
        ),
        pytest.param(
            "max_new_information: 400",
            "max_new_information: 1_001",
            "11: edits.max_new_information: must be at most edits.max_information, 1000",
            "got 1001",
            id="more news than there may be in all",
        ),
        pytest.param(
            "limits:",
            "phases: [{name: a, share: 1, relax: {max_new_information: 1_001}}]\nlimits:",
            "20: phases[0].relax.max_new_information: must be at most edits.max_information, 1000",
            "got 1001",
            id="more news in a phase than there may be in all",
        ),
        pytest.param(
            "splits: [train]",
            "splits: [fold0, fold1]",
            "18: evaluation.shared_targets: must be said where there are several splits",
            "another split's evaluation targets, else false, got null",
            id="several splits, and nothing said of their targets",
        ),
        pytest.param(
            "splits: [train]",
            "splits: [train], audit_splits: [full]",
            "18: evaluation.shared_targets: must be said where there are several splits",
            "got null",
            id="another split in the audit, and nothing said of their targets",
        ),
        pytest.param(
            "direction: minimize",
            "direction: down",
            "2: metric.direction: must not be 'down'",
            "(allowed: one of minimize, maximize)",
            id="a direction that is none",
        ),
        pytest.param(
            "shape: two-step",
            "shape: open",
            "18: evaluation.shape: must not be 'open'",
            "(allowed: one of two-step, one-shot, served, reported)",
            id="a shape that is not implemented",
        ),
        pytest.param(
            "log: 1m, gpus: 0",
            "log: 1m, gpus: 1",
            "16: resources.gpus: must be 0: the image cpu holds no CUDA, and cuda does",
            "got 1",
            id="a GPU for an image without CUDA",
        ),
        pytest.param(
            "image: cpu",
            "image: gpu",
            "15: image.base: must not be 'gpu'",
            "(allowed: one of cpu, tabular, cuda)",
            id="an image that there is not",
        ),
        pytest.param(
            "image: cpu",
            "image: [cpu]",
            "15: image: must not be a list",
            "(allowed: one of cpu, tabular, cuda or a mapping with base, packages)",
            id="a list of images",
        ),
        pytest.param(
            "image: cpu",
            "image: {base: scorer, packages: []}",
            "15: image.base: must not be 'scorer'",
            "(allowed: one of cpu, tabular, cuda)",
            id="the scorers' image for agents",
        ),
        pytest.param(
            "image: cpu",
            "image:\n  base: cpu\n  packages:\n    - tqdm\n    - git+https://x.org/a",
            "19: image.packages[1]: must be a requirement: a repository holds source",
            "got 'git+https://x.org/a'",
            id="a package from a repository",
        ),
        pytest.param(
            "image: cpu",
            "image: {base: cpu, packages: [tqdm, TQDM==4.1]}",
            "15: image.packages[1]: must be listed once",
            "got 'TQDM==4.1'",
            id="a package twice",
        ),
        pytest.param(
            "splits: [train]}",
            "splits: [train], shared_targets: false, audit_splits: [full, full]}",
            "18: evaluation.audit_splits[1]: must be listed once",
            "got 'full'",
            id="an audited split twice",
        ),
        pytest.param(
            "image: cpu",
            f"image: cpu\nguards: [{GUARD}, {GUARD}]",
            "16: guards[1]: must be listed once",
            "got 'a'",
            id="two guards of one name",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\nguards: [{name: a, run: python, seconds: 1}]",
            "16: guards[0].run: must not be 'python'",
            ")",
            id="a guard as a shell's line",
        ),
        pytest.param(
            "min_gain: 0.5}",
            "min_gain: 0.5, simplicity: {tie_within: -1}}",
            "19: decision.simplicity.tie_within: must be greater than or equal to 0, got -1",
            ")",
            id="a negative tie",
        ),
        pytest.param(
            "predict: [images, captions]",
            "predict: []",
            "18: evaluation.predict: must name at least one predictor",
            "got an empty list",
            id="two-step without predictors",
        ),
        pytest.param(
            "shape: two-step",
            "shape: one-shot",
            "18: evaluation.predict: must be empty",
            "got a list",
            id="one-shot with predictors",
        ),
        pytest.param(
            "[images, captions]",
            "[images, images]",
            "18: evaluation.predict[1]: must be listed once",
            "got 'images'",
            id="a predictor twice",
        ),
        pytest.param(
            "rule: strict",
            "rule: lucky",
            "19: decision.rule: must not be 'lucky'",
            "(allowed: one of posterior, strict, ladder)",
            id="a rule that is none",
        ),
        pytest.param(
            "rule: strict, most_trials: 2",
            "rule: posterior, false_keeps: 0",
            "19: decision.false_keeps: must be greater than or equal to 0.01, got 0",
            "(allowed: a number at least 0.01, at most 0.5 or null)",
            id="no false keep ever",
        ),
        pytest.param(
            "rule: strict, most_trials: 2",
            "false_keeps: 0.51",
            "19: decision.false_keeps: must be less than or equal to 0.5, got 0.51",
            "(allowed: a number at least 0.01, at most 0.5 or null)",
            id="more luck than not",
        ),
        pytest.param(
            "rule: strict, most_trials: 2",
            "most_trials: 1",
            "19: decision.most_trials: must be at least 2",
            "got 1",
            id="one trial, of which nobody knows the noise",
        ),
        pytest.param(
            "rule: strict, most_trials: 2",
            "rule: ladder, most_trials: 2",
            "19: decision.most_trials: must be 1",
            "got 2",
            id="two trials for a rule of one",
        ),
        pytest.param(
            "rule: strict, most_trials: 2",
            "rule: strict, false_keeps: 0.1",
            "19: decision.false_keeps: must be left out",
            "got 0.1",
            id="a promise that strict cannot keep",
        ),
        pytest.param(
            "splits: [train]}",
            "splits: [train], seeds: 2}",
            "18: evaluation.seeds: is not a known key",
            ")",
            id="seeds, which went",
        ),
        pytest.param(
            "min_gain: 0.5",
            "min_gain: -1",
            "19: decision.min_gain: must be greater than or equal to 0, got -1",
            "(allowed: a number at least 0)",
            id="a gain that is a loss",
        ),
        pytest.param(
            "hours: 8",
            "hours: 0.001",
            "20: limits.hours: must leave time for one training, 14s",
            "got 0.001",
            id="a run shorter than one training",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\nstrategy: {name: topk, patience: 5}",
            "16: strategy.then: must differ from strategy.name, topk",
            "got 'topk'",
            id="a plateau that changes nothing",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\nstrategy: {name: bold}",
            "16: strategy.name: must not be 'bold'",
            "(allowed: one of greedy, topk, random)",
            id="a strategy that nobody knows",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\nphases: [{name: a, share: 0.5}, {name: b, share: 0.4}]",
            "16: phases: must have shares that sum to 1",
            "got '0.9'",
            id="phases that leave a part of the run out",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\nphases: [{name: a, share: 0.5}, {name: a, share: 0.5}]",
            "16: phases[1]: must be listed once",
            "got 'a'",
            id="two phases of one name",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\nphases: [{name: a, share: 0.5, web_search:"
            " {domains: [arxiv.org], uses: 1}}, {name: b, share: 0.5}]",
            "16: phases[0].web_search: must be null: only the last phase may search the web",
            "got a mapping",
            id="web search before the end",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\nphases: [{name: a, share: 1, web_search: {domains: [], uses: 1}}]",
            "16: phases[0].web_search.domains: ",
            "such as arxiv.org)",
            id="web search of everything",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\nphases: [{name: a, share: 1, relax: {max_files: 1}}]",
            "16: phases[0].relax.max_files: must be at least edits.max_files, 2",
            "got 1",
            id="a phase that is stricter",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\nanalysis: {every: 3}",
            "16: analysis.every: must be null: files.notes has no findings.md",
            "got 3",
            id="findings that nobody would keep",
        ),
        pytest.param(
            "[scratchpad.md]",
            "[Train.py]",
            "5: files.notes[0]: must differ from train.py",
            "got 'Train.py'",
            id="a note that is also mutable, but for case",
        ),
        pytest.param(
            "[scratchpad.md]",
            "[model.py/x]",
            "5: files.notes[0]: must differ from model.py",
            "got 'model.py/x'",
            id="a note below a file",
        ),
        pytest.param(
            "[scratchpad.md]",
            "[log.md]",
            "5: files.notes[0]: must not be LOG.md: the supervisor writes it",
            "got 'log.md'",
            id="the supervisor's page",
        ),
        pytest.param(
            "[scratchpad.md]",
            "[../notes.md]",
            "5: files.notes[0]: must not be '../notes.md'",
            "(allowed: a relative ASCII path such as train.py or src/model.py)",
            id="a path that leaves the workspace",
        ),
        pytest.param(
            "[scratchpad.md]",
            "[.git/config]",
            "5: files.notes[0]: must not be",
            ")",
            id="a path of git",
        ),
        pytest.param(
            "[train.py, model.py, config.json]",
            "[]",
            "4: files.mutable: ",
            "(allowed: a list, at least 1 long, each a relative ASCII path such as train.py, or"
            " a pattern such as src/**/*.py)",
            id="nothing to change",
        ),
        pytest.param(
            "process, network",
            "process, networks",
            "14: edits.forbid[2]: must not be 'networks'",
            "(allowed: one of dynamic-code, process, network, seed-only-change)",
            id="a rule that nobody knows",
        ),
        pytest.param(
            "task: prints",
            "task: Prints",
            "1: task: must not be 'Prints'",
            ")",
            id="a name with a capital",
        ),
        pytest.param(
            "task: prints",
            "task: no",
            "1: task: must be a valid string, got false",
            ")",
            id="a word that YAML takes for false",
        ),
        pytest.param(
            "splits: [train]",
            "splits: {a: 1}",
            "18: evaluation.splits: must not be a mapping",
            ")",
            id="a mapping for a list",
        ),
        pytest.param(
            "limits: {experiments: null, hours: 8, consecutive_failures: 10}",
            "limits: many",
            "20: limits: must not be 'many'",
            "(allowed: a mapping with experiments, hours, consecutive_failures, usd)",
            id="a word for a mapping",
        ),
        pytest.param(
            "image: cpu",
            "image: {name: &x cpu}",
            "15: anchors",
            ")",
            id="an anchor",
        ),
        pytest.param("image: cpu", "image: *x", "15: anchors", ")", id="an alias"),
        pytest.param("image: cpu", "image: !!str cpu", "15: tags", ")", id="a tag"),
        pytest.param(
            "image: cpu",
            "image: !!python/name:os.system",
            "15: tags",
            ")",
            id="a tag that would run code",
        ),
        pytest.param(
            "image: cpu",
            "image: [[[[[[[[[[cpu]]]]]]]]]]",
            "15: is nested too deeply",
            ")",
            id="a deep nest",
        ),
        pytest.param(
            "most_trials: 2",
            "most_trials: " + "9" * 5_000,
            "19: decision.most_trials: cannot be read",
            ")",
            id="an integer of too many digits",
        ),
        pytest.param(
            "image: cpu",
            "image: [cpu",
            "16: is not YAML: ",
            "",
            id="broken syntax",
        ),
        pytest.param(
            "image: cpu",
            "\timage: cpu",
            "15: is not YAML: ",
            "",
            id="a tab",
        ),
        pytest.param(
            "image: cpu",
            "image: cpu\x07",
            "15: holds a control",
            ")",
            id="a control character",
        ),
        pytest.param(
            "image: cpu",
            f"# {'é' * 200}\nimage: cpu\x07",
            "16: holds a control",
            ")",
            id="a control character after letters of two bytes",
        ),
        pytest.param(
            "image: cpu",
            "---\nimage: cpu",
            "15: holds more than one document",
            ")",
            id="two documents",
        ),
    ],
)
def test_an_error_names_file_line_key_and_what_is_allowed(policy_text, old, new, start, ending):
    assert old in policy_text
    (line,) = problems(policy_text.replace(old, new, 1))
    assert line.startswith(f"p.yaml:{start}")
    assert line.endswith(ending)


def test_an_unknown_key_names_the_closest_and_all_allowed(policy_text):
    lines = problems(policy_text.replace("cpus: 2", "cpu: 2"))
    assert lines == [
        "p.yaml:16: resources.cpus: is missing (allowed: a number greater than 0, at most 1024)",
        "p.yaml:16: resources.cpu: is not a known key, did you mean cpus?"
        " (allowed: cpus, memory, pids, shm, artifacts, outputs, log, gpus, flush,"
        " environment, runtime)",
    ]


def test_a_duplicate_key_names_both_lines(policy_text):
    (line,) = problems(policy_text + "task: other\n")
    assert line == "p.yaml:21: task: is a duplicate key, first on line 1 (allowed: once)"


def test_a_duplicate_key_deep_down_is_named_in_full(policy_text):
    (line,) = problems(policy_text.replace("  max_files: 2\n", "  max_files: 2\n  max_files: 3\n"))
    assert line.startswith("p.yaml:8: edits.max_files: is a duplicate key, first on line 7")


def test_a_merge_key_is_only_an_unknown_key(policy_text):
    (line,) = problems(policy_text + "<<: {task: other}\n")
    assert line.startswith("p.yaml:21: <<: is not a known key")


def test_a_key_cannot_move_the_cursor(policy_text):
    (line,) = problems(policy_text + '"\\e[2J": 1\n')
    assert line.startswith("p.yaml:21: \\x1b[2J: is not a known key")


def test_a_key_that_is_no_word_is_refused(policy_text):
    (line,) = problems(policy_text + "1: one\n")
    assert line.startswith("p.yaml:21: has a key that is not a plain word")


def test_all_problems_are_named_at_once_in_order_of_lines(policy_text):
    text = policy_text.replace("most_trials: 2", "most_trials: 0").replace(
        "round_to: 0.5", "round_to: 0"
    )
    assert [line.split(" ")[1] for line in problems(text)] == [
        "metric.round_to:",
        "decision.most_trials:",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "is empty", id="nothing"),
        pytest.param("# only words\n", "is empty", id="a comment"),
        pytest.param("[1, 2]", "must be a mapping, got a list", id="a list"),
        pytest.param("hello", "must be a mapping, got 'hello'", id="a word"),
        pytest.param("null", "must be a mapping, got null", id="null"),
        pytest.param("a: " + "x" * MAX_BYTES, "is too large", id="a giant"),
        pytest.param("[" * 60_000, "is nested too deeply", id="a nesting bomb"),
        pytest.param("{? " * 20_000, "has a key that is not a plain word", id="a bomb of keys"),
    ],
)
def test_what_is_no_policy_at_all(text, message):
    assert problems(text)[0].startswith(f"p.yaml:1: {message}")


@pytest.mark.parametrize("number", ["1" + ":1" * 20_000, "0x" + "f" * 50_000, "9" * 5_000])
def test_a_number_that_python_would_not_print_is_named_and_not_printed(number):
    found = [problem for problem in problems(f"task: {number}") if " task: " in problem]
    assert ["cannot be read as a value" in problem for problem in found] == [True]


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ("splits: [train]", False),
        ("splits: [train], shared_targets: true", True),
        ("splits: [fold0, fold1], shared_targets: true", True),
        ("splits: [fold0, fold1], shared_targets: false", False),
    ],
)
def test_whether_splits_share_targets_is_said_or_there_is_but_one(policy_text, splits, expected):
    policy = parse_policy(policy_text.replace("splits: [train]", splits)).policy
    assert policy.evaluation.shared_targets is expected
    assert ("no curves" in words.summary(policy)) is expected


def test_a_file_that_is_not_utf8_names_the_line(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"task: a\nimage: \xff\n")
    with pytest.raises(ConfigError, match=r"p\.yaml:2: is not UTF-8"):
        load_policy(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_policy(tmp_path / "none.yaml")


def test_the_digest_is_that_of_the_bytes(tmp_path, policy_text):
    path = tmp_path / "p.yaml"
    path.write_bytes(policy_text.replace("\n", "\r\n").encode())
    loaded = load_policy(path)
    assert loaded.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert parse_policy(loaded.text).digest == loaded.digest


def with_environment(policy_text: str, said: str) -> str:
    return policy_text.replace("gpus: 0}", f"gpus: 0, environment: {said}}}")


def test_an_environment_is_empty_unless_it_is_said(policy, policy_text):
    assert policy.resources_record().environment == {}
    text = with_environment(policy_text, "[OMP_WAIT_POLICY=ACTIVE, MY_FLAG=]")
    chosen = parse_policy(text).policy
    assert chosen.resources_record().environment == {"OMP_WAIT_POLICY": "ACTIVE", "MY_FLAG": ""}
    assert "Environment: OMP_WAIT_POLICY=ACTIVE, MY_FLAG=." in words.summary(chosen)
    assert "Environment" not in words.summary(policy)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("[omp=A]", "allowed: NAME=value"),
        ("[OMP-X=A]", "allowed: NAME=value"),
        ("[=A]", "allowed: NAME=value"),
        ("[OMP]", "allowed: NAME=value"),
        ('["OMP=a\\nb"]', "allowed: NAME=value"),
        ("[OMP=1, OMP=2]", "OMP"),
        *((f"[{name}=x]", f"must not set {name}") for name in OURS),
        *((f"[{start}X=x]", f"must not set {start}X") for start in OURS_FROM),
    ],
)
def test_an_environment_chooses_no_code_and_nothing_of_ours(policy_text, said, why):
    with pytest.raises(ConfigError, match=r"resources\.environment") as refused:
        parse_policy(with_environment(policy_text, said))
    assert why in str(refused.value)


def test_sizes_and_durations_become_bytes_and_seconds(policy):
    assert policy.resources_record().memory_bytes == 1 << 30
    assert policy.resources_record().output_log_bytes == 1 << 20
    assert policy.budget_record().score == 120.0
    assert policy.shape is Shape.TWO_STEP


def test_syntax_tree_rules_can_be_switched_off(policy_text):
    wall = policy_text.replace("imports: {allow:", "imports: null #").replace(
        "forbid: [dynamic-code, process, network, seed-only-change]", "forbid: []"
    )
    edits = parse_policy(wall).policy.edits
    assert edits.imports is None
    assert edits.forbid == ()


def test_a_policy_never_changes(policy):
    with pytest.raises(ValueError, match="frozen"):
        policy.task = "other"
    assert isinstance(hash(policy), int)


def test_the_summary_names_what_may_change(policy):
    text = words.summary(policy)
    assert "train.py, model.py, config.json may be changed" in text
    assert "train 8s" in text
    assert "1g memory" in text
    assert "US dollars for models: no limit" in text


def test_the_summary_names_the_cap_on_money(policy_text):
    capped = policy_text.replace("consecutive_failures: 10}", "consecutive_failures: 10, usd: 2.5}")
    assert "US dollars for models: 2.5." in words.summary(parse_policy(capped).policy)


def test_the_summary_explains_each_rule_on_source_code(policy):
    assert set(words.FORBIDDEN) == set(FORBIDDEN)
    for rule, meaning in words.FORBIDDEN.items():
        assert f"{rule} ({meaning})" in words.summary(policy)


def test_the_summary_names_what_no_policy_allows(policy):
    assert words.ALWAYS in words.summary(policy)


@pytest.mark.parametrize(
    ("flush", "shared", "flushed"),
    [("null", "true", True), ("null", "false", False), ("true", "false", True),
     ("false", "true", False)],
)  # fmt: skip
def test_caches_are_dropped_where_splits_share_targets_unless_a_person_says_otherwise(
    policy_text, flush, shared, flushed
):
    text = policy_text.replace("gpus: 0}", f"gpus: 0, flush: {flush}}}")
    policy = parse_policy(
        text.replace("splits: [train]}", f"splits: [train], shared_targets: {shared}}}")
    ).policy
    assert policy.resources_record().flush is flushed
    assert ("cold caches" in words.summary(policy)) is flushed


@pytest.mark.parametrize(("written", "runtime"), [("null", None), ("runsc", "runsc")])
def test_a_policy_may_name_the_runtime_of_its_containers(policy_text, written, runtime):
    text = policy_text.replace("gpus: 0}", f"gpus: 0, runtime: {written}}}")
    policy = parse_policy(text).policy
    assert policy.resources_record().runtime == runtime
    assert ("runtime runsc" in words.summary(policy)) is (runtime == "runsc")
    assert parse_policy(policy_text).policy.resources_record().runtime is None


@pytest.mark.parametrize(
    ("clock", "gpus", "found"),
    [("null", 0, "cpu"), ("null", 1, "wall"), ("wall", 0, "wall"), ("cpu", 0, "cpu")],
)
def test_a_budget_is_processor_time_where_no_gpu_works_unless_a_person_says_otherwise(
    policy_text, clock, gpus, found
):
    text = policy_text.replace("image: cpu", "image: cuda").replace("gpus: 0", f"gpus: {gpus}")
    policy = parse_policy(text.replace("score: 2m}", f"score: 2m, clock: {clock}}}")).policy
    assert policy.budget_record().clock == found
    assert policy.budget_record().stretch == (3 if found == "cpu" else 1)
    assert ("seconds of 2 processors at work" in words.summary(policy)) is (found == "cpu")


def test_what_a_gpu_does_takes_no_processor_time(policy_text):
    text = policy_text.replace("image: cpu", "image: cuda").replace("gpus: 0", "gpus: 1")
    (line,) = problems(text.replace("score: 2m}", "score: 2m, clock: cpu}"))
    assert line.startswith("p.yaml:17: budget.clock: must be wall, or left out: what a GPU does")


def test_tasks_whose_containers_must_not_meet_say_so_in_their_policies():
    flushed = {
        path.stem
        for path in POLICIES.glob("*.yaml")
        if parse_policy(path.read_text()).policy.flushed
    }
    assert flushed == {"eclip", "eclip-ukiyo", "heart", "nanochat", "shakespeare", "tabular"}


def test_the_committed_schema_is_the_one_of_the_code():
    assert (POLICIES / "policy.schema.json").read_text() == schema_text()


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_committed_policy_is_valid_for_us_and_for_editors(path):
    loaded = load_policy(path)
    assert loaded.policy.task == path.stem
    assert loaded.policy.limits.usd, "a shipped policy caps what models cost"
    assert loaded.text.startswith("# yaml-language-server: $schema=policy.schema.json\n")
    schema = json.loads((POLICIES / "policy.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(loaded.text), schema)


def test_a_policy_written_out_can_be_read_again(policy: Policy):
    written = yaml.safe_dump(policy.model_dump(mode="json"))
    assert parse_policy(written).policy == policy
