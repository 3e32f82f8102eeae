"""Settings that are each valid and cannot work together."""

from __future__ import annotations

import math
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from runner.patterns import is_read_by_itself, matches
from runner.policy.paths import is_taken, mount_place, twin
from runner.policy.quantities import show_duration, show_size
from runner.policy.schema import (
    ENGINES_NUMBERS,
    DecisionRule,
    Evaluation,
    FileRules,
    Policy,
)
from runner.records import LOG
from runner.requirements import requirement

Key = tuple[str | int, ...]
FINDINGS = "findings.md"
"""The note that keeps what analyses find."""
RELAXED = ("max_added_lines", "max_files", "max_new_information")
"""Limits of one proposal that a phase may raise.

Not `max_information`: once a phase is over, every program that it had let grow would be refused.
"""
OURS = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "HOSTNAME", "XDG_CACHE_HOME", "TRITON_CACHE_DIR"),
    *("TORCHINDUCTOR_CACHE_DIR", "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS", "CUDA_CACHE_PATH"),
    *("TORCH_EXTENSIONS_DIR", "MPLCONFIGDIR", "BASH_ENV", "ENV", "IFS", "GCONV_PATH", "LOCPATH"),
    *("SHELLOPTS", "BASHOPTS", "PS4"),
)
"""Environment variables that the supervisor sets, or that choose which code runs."""
OURS_FROM = ("RUNNER_", "PYTHON", "LD_", "LC_", "GLIBC_", "NVIDIA_")
"""Beginnings of more of them."""
OUR_FILES = ("run.sh", "program.md", LOG)
Conflict = tuple[Key, str, object]
"""Where, what must hold instead, and the value that was found there."""


def conflicts(policy: Policy) -> Iterator[Conflict]:
    """Find every conflict of a policy whose fields are valid one by one."""
    yield from _paths(policy.files)
    yield from _scratch(policy)
    yield from _repeated_names(policy)
    yield from _edit_limits(policy)
    yield from _packages(policy)
    yield from _containers(policy)
    yield from _evaluation(policy.evaluation)
    yield from _decision(policy.decision)
    yield from _guards(policy)
    yield from _course(policy)


def _paths(files: FileRules) -> Iterator[Conflict]:
    taken: dict[str, str] = {}
    for kind, paths in (("mutable", files.mutable), ("notes", files.notes)):
        for index, path in enumerate(paths):
            key, folded = ("files", kind, index), twin(path)
            for earlier, other in taken.items():
                below = earlier.startswith(f"{folded}/") or folded.startswith(f"{earlier}/")
                if earlier == folded or (below and "*" not in earlier + folded):
                    message = f"must differ from {other}: each path is listed once, under one kind"
                    yield key, message, path
                    break
            if folded == twin(LOG):
                yield key, f"must not be {LOG}: the supervisor writes it, from the journal", path
            taken[folded] = path
            if wins := [each for each in files.frozen if matches(path, each)]:
                yield key, f"must not match files.frozen, {wins[0]}", path
    for index, path in enumerate(files.mutable):
        if is_read_by_itself(path):
            message = "must not be what Python or a tool reads without being asked: it is frozen"
            yield ("files", "mutable", index), message, path
    if files.may_add and not any("*" in path for path in files.mutable):
        message = "must be false: files.mutable has no pattern that a new file could match"
        yield ("files", "may_add"), message, True


def _scratch(policy: Policy) -> Iterator[Conflict]:
    files = policy.files
    for index, folder in enumerate(files.scratch):
        key, top = ("files", "scratch", index), twin(folder)
        if policy.self_reported:
            yield key, "must be empty: a project's own command may write everywhere", folder
        named = [*files.mutable, *files.notes, *files.scratch[:index], *OUR_FILES]
        for other in map(twin, named):
            if other == top or other.startswith(f"{top}/") or top.startswith(f"{other}/"):
                yield key, f"must hold nothing else: {other} is named too", folder


def _repeated_names(policy: Policy) -> Iterator[Conflict]:
    evaluation, imports = policy.evaluation, policy.edits.imports
    variables = (variable.partition("=")[0] for variable in policy.resources.environment)
    lists: dict[Key, tuple[str, ...]] = {
        ("edits", "imports", "allow"): imports.allow if imports else (),
        ("edits", "forbid"): policy.edits.forbid,
        ("evaluation", "predict"): evaluation.predict,
        ("evaluation", "splits"): evaluation.splits,
        ("evaluation", "audit_splits"): evaluation.audit_splits or (),
        ("resources", "environment"): tuple(variables),
        ("guards",): tuple(guard.name for guard in policy.guards),
        ("phases",): tuple(phase.name for phase in policy.phases),
    }
    for key, names in lists.items():
        for index, name in enumerate(names):
            if name in names[:index]:
                yield (*key, index), "must be listed once", name


def _edit_limits(policy: Policy) -> Iterator[Conflict]:
    edits = policy.edits
    for name, limit in (
        ("max_line_bytes", "max_file_bytes"),
        ("max_new_information", "max_information"),
    ):
        value, most = getattr(edits, name), getattr(edits, limit)
        if value > most:
            yield ("edits", name), f"must be at most edits.{limit}, {most}", value
    for index, phase in enumerate(policy.phases):
        for name in RELAXED:
            value, least = getattr(phase.relax, name), getattr(edits, name)
            if value is not None and value < least:
                message = f"must be at least edits.{name}, {least}: a phase only relaxes"
                yield ("phases", index, "relax", name), message, value
        new, most = phase.relax.max_new_information, edits.max_information
        if new is not None and new > most:
            message = f"must be at most edits.max_information, {most}"
            yield ("phases", index, "relax", "max_new_information"), message, new


def _packages(policy: Policy) -> Iterator[Conflict]:
    named: dict[str, int] = {}
    for index, text in enumerate(policy.image.packages):
        key = ("image", "packages", index)
        try:
            name = canonicalize_name(requirement(text).name)
        except ValueError as error:
            yield key, f"must be a requirement: {error}", text
        else:
            if named.setdefault(name, index) != index:
                yield key, "must be listed once", text


def _containers(policy: Policy) -> Iterator[Conflict]:
    asked = policy.resources
    for name in ("shm", "artifacts", "outputs"):
        if (value := getattr(asked, name)) >= asked.memory:
            most = show_size(asked.memory)
            message = f"must be less than resources.memory, {most}, which holds it"
            yield ("resources", name), message, show_size(value)
    for index, variable in enumerate(asked.environment):
        name = variable.partition("=")[0]
        if name in OURS or name.startswith(OURS_FROM):
            message = f"must not set {name}: the supervisor does, or it chooses which code runs"
            yield ("resources", "environment", index), message, variable
    if asked.gpus and policy.budget.clock == "cpu":
        message = "must be wall, or left out: what a GPU does takes no processor time"
        yield ("budget", "clock"), message, policy.budget.clock
    if asked.gpus and policy.image.base != "cuda":
        message = f"must be 0: the image {policy.image.base} holds no CUDA, and cuda does"
        yield ("resources", "gpus"), message, asked.gpus


def _evaluation(evaluation: Evaluation) -> Iterator[Conflict]:
    wrong = {
        "two-step": "must name at least one predictor: a two-step evaluation runs fresh predictors",
        "one-shot": "must be empty: in a one-shot evaluation training writes the outputs itself",
        "served": "must be empty: a served model has two predictors, which run `run.sh serve`",
        "reported": "must be empty: nothing is asked of a model whose code reports its own number",
    }
    if bool(evaluation.predict) != (evaluation.shape == "two-step"):
        yield ("evaluation", "predict"), wrong[evaluation.shape], list(evaluation.predict)
    yield from _reported(evaluation)
    several = len({*evaluation.splits, *evaluation.audited}) > 1
    if several and "shared_targets" not in evaluation.model_fields_set:
        message = (
            "must be said where there are several splits: true if one split's training targets are"
            " another split's evaluation targets, else false"
        )
        yield ("evaluation", "shared_targets"), message, None


def _reported(evaluation: Evaluation) -> Iterator[Conflict]:
    asked = evaluation.reported
    if (asked is not None) != (evaluation.shape == "reported"):
        message = "must be there where evaluation.shape is reported, and only there"
        yield ("evaluation", "reported"), message, evaluation.shape
    if asked is None:
        return
    place: Key = ("evaluation", "reported")
    if (asked.pattern is None) == (asked.file is None):
        yield place, "must have a pattern or a file, not both", dict(asked)
    if asked.pattern is not None and asked.pattern.count("{}") != 1:
        message = "must be a text with one {} where the number is, such as 'val_loss: {}'"
        yield (*place, "pattern"), message, asked.pattern
    for index, path in enumerate(asked.data):
        if is_taken(inside := mount_place(path)):
            message = f"must not be {inside}: the container has that place for itself"
            yield (*place, "data", index), message, path
    if evaluation.audited:
        message = "must be []: there is no locked part, as the code says its own number"
        yield ("evaluation", "audit_splits"), message, list(evaluation.audited)
    if len(evaluation.splits) != 1:
        message = "must be one: the project's command is one trial"
        yield ("evaluation", "splits"), message, list(evaluation.splits)


def _decision(decision: DecisionRule) -> Iterator[Conflict]:
    rule, most = decision.rule, decision.most_trials
    if rule != "posterior" and decision.false_keeps is not None:
        message = f"must be left out: the rule {rule} does not know how sure it is"
        yield ("decision", "false_keeps"), message, decision.false_keeps
    if rule == "posterior" and decision.trials < 2:
        message = "must be at least 2: how sure one may be hangs on the noise between trials"
        yield ("decision", "most_trials"), message, most
    if rule == "ladder" and decision.trials > 1:
        message = "must be 1, or left out: the rule ladder looks at one trial"
        yield ("decision", "most_trials"), message, most


def _guards(policy: Policy) -> Iterator[Conflict]:
    for index, guard in enumerate(policy.guards):
        place: Key = ("guards", index)
        bounds = (guard.at_most, guard.at_least, guard.worse_by)
        if (guard.run is None) == (guard.number is None):
            yield place, "must have a command, run, or a number: one of the two", guard.name
        elif guard.run is not None:
            if guard.seconds is None:
                yield (*place, "seconds"), "must say when the command is killed", None
            if any(bound is not None for bound in (*bounds, guard.better)):
                yield place, "must have bounds for a number only, not for a command", guard.name
        else:
            yield from _number(policy, index)


def _number(policy: Policy, index: int) -> Iterator[Conflict]:
    guard, place = policy.guards[index], ("guards", index)
    engines = guard.number in ENGINES_NUMBERS
    if guard.seconds is not None:
        yield (*place, "seconds"), "must be left out: a number takes no time", guard.seconds
    if guard.at_most is None and guard.at_least is None and guard.worse_by is None:
        yield place, "must have a bound: at_most, at_least or worse_by", guard.name
    if (guard.better is not None) != (guard.worse_by is not None and not engines):
        message = "must say which way a metric with worse_by is better, low or high, and only then"
        yield (*place, "better"), message, guard.better
    if policy.self_reported and guard.number not in ENGINES_NUMBERS[:2]:
        message = f"must be one of {', '.join(ENGINES_NUMBERS[:2])}: no scorer says another"
        yield (*place, "number"), message, guard.number


def _course(policy: Policy) -> Iterator[Conflict]:
    hours, strategy, phases = policy.limits.hours, policy.strategy, policy.phases
    shortest = policy.budget.startup + policy.budget.train
    if hours is not None and hours * 3600 < shortest:
        message = f"must leave time for one training, {show_duration(shortest)} with its startup"
        yield ("limits", "hours"), message, hours
    if strategy.patience is not None and strategy.then == strategy.name:
        message = f"must differ from strategy.name, {strategy.name}"
        yield ("strategy", "then"), message, strategy.then
    total = math.fsum(phase.share for phase in phases)
    if phases and not math.isclose(total, 1, abs_tol=1e-6):
        yield ("phases",), "must have shares that sum to 1", f"{total:g}"
    for index, phase in enumerate(phases[:-1]):
        if phase.web_search is not None:
            message = "must be null: only the last phase may search the web"
            yield ("phases", index, "web_search"), message, dict(phase.web_search)
    every = policy.analysis.every
    if every is not None and FINDINGS not in policy.files.notes:
        message = f"must be null: files.notes has no {FINDINGS} to keep what is found"
        yield ("analysis", "every"), message, every
