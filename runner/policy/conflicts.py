"""Settings that are each valid and cannot work together, as one table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from runner.policy.paths import twin
from runner.policy.quantities import show_duration, show_size
from runner.records import LOG

if TYPE_CHECKING:
    from runner.policy.schema import Policy

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
Conflict = tuple[Key, str, object]
"""Where, what must hold instead, and the value that was found there."""


def conflicts(policy: Policy) -> list[Conflict]:
    """Every conflict of a policy whose fields are valid one by one."""
    return [conflict for check in CHECKS for conflict in check(policy)]


def _overlapping_files(policy: Policy) -> Iterator[Conflict]:
    taken: dict[str, str] = {}
    for kind, paths in (("mutable", policy.files.mutable), ("notes", policy.files.notes)):
        for index, path in enumerate(paths):
            other = _clash(twin(path), taken)
            if other is not None:
                message = f"must differ from {other}: each path is listed once, under one kind"
                yield ("files", kind, index), message, path
            taken[twin(path)] = path


def _log(policy: Policy) -> Iterator[Conflict]:
    for kind, paths in (("mutable", policy.files.mutable), ("notes", policy.files.notes)):
        for index, path in enumerate(paths):
            if twin(path) == twin(LOG):
                message = f"must not be {LOG}: the supervisor writes it, from the ledger"
                yield ("files", kind, index), message, path


def _clash(path: str, taken: dict[str, str]) -> str | None:
    for key, other in taken.items():
        if key == path or key.startswith(path + "/") or path.startswith(key + "/"):
            return other
    return None


def _repeated_names(policy: Policy) -> Iterator[Conflict]:
    imports = policy.edits.imports
    lists: dict[Key, tuple[str, ...]] = {
        ("edits", "imports", "allow"): imports.allow if imports else (),
        ("edits", "forbid"): policy.edits.forbid,
        ("evaluation", "predict"): policy.evaluation.predict,
        ("evaluation", "splits"): policy.evaluation.splits,
        ("resources", "environment"): tuple(
            variable.partition("=")[0] for variable in policy.resources.environment
        ),
        ("guards",): tuple(guard.name for guard in policy.guards),
        ("phases",): tuple(phase.name for phase in policy.phases),
        ("evaluation", "audit_splits"): policy.evaluation.audit_splits or (),
    }
    for key, names in lists.items():
        for index, name in enumerate(names):
            if name in names[:index]:
                yield (*key, index), "must be listed once", name


def _edit_limits(policy: Policy) -> Iterator[Conflict]:
    edits = policy.edits
    for name, most in (
        ("max_line_bytes", "max_file_bytes"),
        ("max_new_information", "max_information"),
    ):
        value = getattr(edits, name)
        if value > getattr(edits, most):
            yield ("edits", name), f"must be at most edits.{most}, {getattr(edits, most)}", value


def _memory(policy: Policy) -> Iterator[Conflict]:
    asked = policy.resources
    for name in ("shm", "artifacts", "outputs"):
        value = getattr(asked, name)
        if value >= asked.memory:
            message = (
                f"must be less than resources.memory, {show_size(asked.memory)}, which holds it"
            )
            yield ("resources", name), message, show_size(value)


def _environment(policy: Policy) -> Iterator[Conflict]:
    for index, variable in enumerate(policy.resources.environment):
        name = variable.partition("=")[0]
        if name in OURS or name.startswith(OURS_FROM):
            message = f"must not set {name}: the supervisor does, or it chooses which code runs"
            yield ("resources", "environment", index), message, variable


def _gpus(policy: Policy) -> Iterator[Conflict]:
    if policy.resources.gpus and policy.image != "cuda":
        message = f"must be 0: the image {policy.image} holds no CUDA, and cuda does"
        yield ("resources", "gpus"), message, policy.resources.gpus


def _predictors(policy: Policy) -> Iterator[Conflict]:
    evaluation = policy.evaluation
    if evaluation.shape == "two-step" and not evaluation.predict:
        message = "must name at least one predictor: a two-step evaluation runs fresh predictors"
        yield ("evaluation", "predict"), message, []
    if evaluation.shape == "one-shot" and evaluation.predict:
        message = "must be empty: in a one-shot evaluation training writes the outputs itself"
        yield ("evaluation", "predict"), message, list(evaluation.predict)
    if evaluation.shape == "served" and evaluation.predict:
        message = "must be empty: a served model has two predictors, which run `run.sh serve`"
        yield ("evaluation", "predict"), message, list(evaluation.predict)


def _shared_targets(policy: Policy) -> Iterator[Conflict]:
    evaluation = policy.evaluation
    several = len({*evaluation.splits, *evaluation.audited}) > 1
    if several and "shared_targets" not in evaluation.model_fields_set:
        message = (
            "must be said where there are several splits: true if one split's training targets are"
            " another split's evaluation targets, else false"
        )
        yield ("evaluation", "shared_targets"), message, None


def _run_time(policy: Policy) -> Iterator[Conflict]:
    hours = policy.limits.hours
    shortest = policy.budget.startup + policy.budget.train
    if hours is not None and hours * 3600 < shortest:
        message = f"must leave time for one training, {show_duration(shortest)} with its startup"
        yield ("limits", "hours"), message, hours


def _plateau(policy: Policy) -> Iterator[Conflict]:
    strategy = policy.strategy
    if strategy.patience is not None and strategy.then == strategy.name:
        message = f"must differ from strategy.name, {strategy.name}"
        yield ("strategy", "then"), message, strategy.then


def _phases(policy: Policy) -> Iterator[Conflict]:
    phases = policy.phases
    total = math.fsum(phase.share for phase in phases)
    if phases and not math.isclose(total, 1, abs_tol=1e-6):
        yield ("phases",), "must have shares that sum to 1", f"{total:g}"
    for index, phase in enumerate(phases):
        if phase.web_search is not None and index < len(phases) - 1:
            message = "must be null: only the last phase may search the web"
            yield ("phases", index, "web_search"), message, dict(phase.web_search)
        for name in RELAXED:
            value, least = getattr(phase.relax, name), getattr(policy.edits, name)
            if value is not None and value < least:
                message = f"must be at least edits.{name}, {least}: a phase only relaxes"
                yield ("phases", index, "relax", name), message, value
        new, most = phase.relax.max_new_information, policy.edits.max_information
        if new is not None and new > most:
            message = f"must be at most edits.max_information, {most}"
            yield ("phases", index, "relax", "max_new_information"), message, new


def _analysis(policy: Policy) -> Iterator[Conflict]:
    every = policy.analysis.every
    if every is not None and FINDINGS not in policy.files.notes:
        message = f"must be null: files.notes has no {FINDINGS} to keep what is found"
        yield ("analysis", "every"), message, every


CHECKS: tuple[Callable[[Policy], Iterator[Conflict]], ...] = (
    _overlapping_files,
    _log,
    _repeated_names,
    _edit_limits,
    _memory,
    _environment,
    _gpus,
    _predictors,
    _shared_targets,
    _run_time,
    _plateau,
    _phases,
    _analysis,
)
