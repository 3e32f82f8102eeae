"""A policy in plain words, for people and for an agent's prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.policy.quantities import show_duration, show_size

if TYPE_CHECKING:
    from runner.policy.schema import Policy


FORBIDDEN = {
    "dynamic-code": "eval, exec, pickle, imports by computed names",
    "process": "other programs and processes; threads and data loader workers are fine",
    "network": "sockets, HTTP, hubs",
    "seed-only-change": "a change of nothing but a seed",
}
"""What each rule on source code is about."""


SHARED = (
    " One split's training targets are another's answers, so of a crash only type, file and line"
    " come back, and no curves."
)
ALWAYS = (
    "Refused, too: a new, removed or renamed file, a link, another file mode; text that is not"
    " UTF-8, hidden characters, Python that does not parse; a proposal without a hypothesis; a"
    " change of nothing but comments, layout or notes; a repeat of an experiment that ran, but"
    " for those and seeds. Notes are free: they count neither as files nor as lines."
)


def summary(policy: Policy, experiments: int | None = None) -> str:
    """One short paragraph per part of the policy; a start may set fewer experiments."""
    edits = (_goal, _files, _edits, _source)
    runs = (_resources, _time, _evaluation, _decision, _strategy, _phases, _analysis)
    before, after = (part(policy) for part in edits), (part(policy) for part in runs)
    said = (*before, ALWAYS, *after, _limits(policy, experiments))
    return "\n".join(text for text in said if text)


def listed(names: tuple[str, ...], *, empty: str = "nothing") -> str:
    """Names with commas, or the word for none."""
    return ", ".join(names) or empty


def _goal(policy: Policy) -> str:
    metric = policy.metric
    step = f"{metric.round_to:g}"
    return f"Task {policy.task}: {metric.direction} {metric.name}, shown in steps of {step}."


def _files(policy: Policy) -> str:
    return (
        f"Files: {listed(policy.files.mutable)} may be changed;"
        f" {listed(policy.files.notes)} may hold notes; every other file is frozen."
    )


def _edits(policy: Policy) -> str:
    edits = policy.edits
    return (
        f"One proposal: at most {edits.max_files} changed file(s), {edits.max_added_lines} added"
        f" lines, {edits.max_file_bytes} bytes in a file, {edits.max_line_bytes} bytes in a line,"
        f" {edits.max_new_information} bytes of information that the files did not hold before,"
        f" {edits.max_information} in all (compressed; names, numbers, comments and layout count"
        " alike)."
    )


def _source(policy: Policy) -> str:
    imports = policy.edits.imports
    allowed = "any module" if imports is None else f"{listed(imports.allow)}, and what is in them"
    forbidden = "; ".join(f"{rule} ({FORBIDDEN[rule]})" for rule in policy.edits.forbid)
    return (
        f"Imports allowed: {allowed}. Refused in Python source: {forbidden or 'nothing'}."
        " These two are a fence for honest mistakes; the container is the wall."
    )


def _resources(policy: Policy) -> str:
    asked = policy.resources
    return (
        f"Each container (image {policy.image}): {asked.cpus:g} cores, {show_size(asked.memory)}"
        f" memory, {asked.pids} processes, {asked.gpus} GPUs, {show_size(asked.shm)} shared memory,"
        f" {show_size(asked.artifacts)} of artifacts, {show_size(asked.outputs)} of outputs,"
        f" {show_size(asked.log)} of log; no network."
        f"{' Each starts with cold caches: imports take longer.' if policy.flushed else ''}"
        f"{f' Each has the runtime {asked.runtime}.' if asked.runtime else ''}"
        f"{_environment(policy)}"
    )


def _environment(policy: Policy) -> str:
    chosen = policy.resources.environment
    return f" Environment: {', '.join(chosen)}." if chosen else ""


def _time(policy: Policy) -> str:
    budget = policy.budget
    return (
        f"Time: train {show_duration(budget.train)}, predict {show_duration(budget.predict)},"
        f" score {show_duration(budget.score)}, each plus {show_duration(budget.startup)} to start;"
        " then the container is killed."
    )


def _evaluation(policy: Policy) -> str:
    evaluation = policy.evaluation
    return (
        f"Evaluation: {evaluation.shape}, predictors: {listed(evaluation.predict, empty='none')};"
        f" splits: {listed(evaluation.splits)}; {evaluation.seeds} seed(s) each;"
        f" after a keep, for the person: {listed(evaluation.audited, empty='nothing')}."
        f"{SHARED if evaluation.shared_targets else ''}"
    )


def _decision(policy: Policy) -> str:
    return (
        f"Kept when the mean over splits and seeds beats the best by at least"
        f" {policy.decision.min_gain:g} (rule {policy.decision.rule})."
        f"{_tie(policy)}{_guards(policy)}"
    )


def _tie(policy: Policy) -> str:
    simplicity = policy.decision.simplicity
    if simplicity is None:
        return ""
    return (
        f" A score within {simplicity.tie_within:g} of the best is a tie, which is kept if the"
        " program has fewer lines (its syntax tree written out again, without comments)."
    )


def _guards(policy: Policy) -> str:
    guards = ", ".join(f"{guard.name} ({' '.join(guard.run)})" for guard in policy.guards)
    return f" Before a keep these must exit with 0: {guards}." if guards else ""


def _strategy(policy: Policy) -> str:
    strategy = policy.strategy
    if strategy.patience is None:
        return f"Strategy: {strategy.name}."
    return (
        f"Strategy: {strategy.name}; after {strategy.patience} experiments without a keep"
        f" {strategy.then}, until the next keep."
    )


def _phases(policy: Policy) -> str:
    shares = ", ".join(f"{phase.name} ({phase.share:.0%})" for phase in policy.phases)
    return f"Phases of a run: {shares}." if shares else ""


def _analysis(policy: Policy) -> str:
    analysis = policy.analysis
    every = "" if analysis.every is None else f" after every {analysis.every} experiments"
    most = f", at most {analysis.most} times before an experiment"
    asked = f" when an agent asks{most}" if analysis.on_request else ""
    when = " and".join(filter(None, (every, asked)))
    killed = f"; each is killed after {show_duration(analysis.seconds)}, plus startup"
    return f"Analysis of training rows:{when}{killed}." if when else "No analysis of training rows."


def _limits(policy: Policy, most: int | None) -> str:
    limits = policy.limits
    set_by = [number for number in (limits.experiments, most) if number is not None]
    experiments = str(min(set_by)) if set_by else "no limit"
    hours = "no limit" if limits.hours is None else f"{limits.hours:g}"
    usd = "no limit" if limits.usd is None else f"{limits.usd:g}"
    goal = "" if policy.stop_at is None else f"; {policy.metric.name} as good as {policy.stop_at:g}"
    return (
        f"The run ends after experiments: {experiments}; hours: {hours};"
        f" failures in a row: {limits.consecutive_failures}; US dollars for models: {usd}{goal}."
    )
