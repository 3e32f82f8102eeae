"""A policy in plain words, for people and for an agent's prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from runner.policy.quantities import show_duration, show_size
from runner.policy.schema import FALSE_KEEPS, DecisionRule, Guard, Policy
from runner.records import Clock

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
    "a link, another file mode; text that is not"
    " UTF-8, hidden characters, Python that does not parse; a proposal without a hypothesis; a"
    " change of nothing but comments, layout or notes; a repeat of an experiment that ran, but"
    " for those and seeds. Notes are free: they count neither as files nor as lines."
)
WILDCARDS = " (* is any part of one name, ** any number of folders)"
NEW = (
    " New files that match may be added, and such files removed. Refused is a new one whose module"
    " could be imported in place of a frozen file, or of a module of Python, the kit or the image,"
    " whatever its folder; one that a command or script of the workspace names; one that Python,"
    " pytest or make reads without being asked."
)


def summary(policy: Policy, experiments: int | None = None) -> str:
    """One short paragraph per part of the policy; a start may set fewer experiments."""
    new = "" if policy.files.may_add else "a new, removed or renamed file, "
    always = f"Refused, too: {new}{ALWAYS}"
    return "\n".join((*_edits(policy), always, *_trials(policy), *_course(policy, experiments)))


def listed(names: tuple[str, ...], *, empty: str = "nothing") -> str:
    """Names with commas, or the word for none."""
    return ", ".join(names) or empty


def _edits(policy: Policy) -> Iterator[str]:
    """Say what the task is, and what one proposal may change."""
    metric, files, edits = policy.metric, policy.files, policy.edits
    step = f"{metric.round_to:g}"
    frozen = policy.patterns.frozen
    but = f", but for {listed(frozen)}" if frozen else ""
    wildcards = WILDCARDS if any("*" in each for each in (*files.mutable, *files.frozen)) else ""
    yield f"Task {policy.task}: {metric.direction} {metric.name}, shown in steps of {step}."
    yield (
        f"Files: {listed(files.mutable)} may be changed{wildcards}{but};"
        f" {listed(files.notes)} may hold notes; every other file is frozen."
        f"{NEW if files.may_add else ''}"
        f"{f' Code may write into {listed(files.scratch)}.' if files.scratch else ''}"
    )
    yield (
        f"One proposal: at most {edits.max_files} changed file(s), {edits.max_added_lines} added"
        f" lines, {edits.max_file_bytes} bytes in a file, {edits.max_line_bytes} bytes in a line,"
        f" {edits.max_new_information} bytes of information that the files did not hold before,"
        f" {edits.max_information} in all (compressed; names, numbers, comments and layout count"
        " alike)."
    )
    imports = "any module"
    if edits.imports is not None:
        imports = f"{listed(edits.imports.allow)}, and what is in them"
    forbidden = "; ".join(f"{rule} ({FORBIDDEN[rule]})" for rule in edits.forbid)
    yield (
        f"Imports allowed: {imports}. Refused in Python source: {forbidden or 'nothing'}."
        " These two are a fence for honest mistakes; the container is the wall."
    )


def _trials(policy: Policy) -> Iterator[str]:
    """Say what a container may use, how a proposal is scored, and when it is kept."""
    asked, budget, evaluation = policy.resources, policy.budget, policy.evaluation
    image: str = policy.image.base
    if policy.image.packages:
        image += f", with {listed(policy.image.packages)}"
    chosen = f" Environment: {', '.join(asked.environment)}." if asked.environment else ""
    yield (
        f"Each container (image {image}): {asked.cpus:g} cores, {show_size(asked.memory)}"
        f" memory, {asked.pids} processes, {asked.gpus} GPUs, {show_size(asked.shm)} shared memory,"
        f" {show_size(asked.artifacts)} of artifacts, {show_size(asked.outputs)} of outputs,"
        f" {show_size(asked.log)} of log; no network."
        f"{' Each starts with cold caches: imports take longer.' if policy.flushed else ''}"
        f"{f' Each has the runtime {asked.runtime}.' if asked.runtime else ''}"
        f"{chosen}"
    )
    ends = "then the container is killed."
    if policy.clock is Clock.CPU:
        ends = (
            f"these are seconds of {asked.cpus:g} processors at work, whatever else the machine"
            f" does; a container that has spent them is killed, or after {budget.stretch:g} times"
            " as many on the wall."
        )
    yield (
        f"Time: train {show_duration(budget.train)}, predict {show_duration(budget.predict)},"
        f" score {show_duration(budget.score)}, each plus {show_duration(budget.startup)} to start;"
        f" {ends}"
    )
    yield (
        f"Evaluation: {evaluation.shape}, predictors: {listed(evaluation.predict, empty='none')};"
        f" splits: {listed(evaluation.splits)};"
        f" after a keep, for the person: {listed(evaluation.audited, empty='nothing')}."
        f"{SHARED if evaluation.shared_targets else ''}"
    )
    rule, tie = policy.decision, ""
    if rule.simplicity is not None:
        tie = (
            f" A score no more than {rule.simplicity.tie_within:g} worse than the best is a tie,"
            " which is kept if the program has fewer lines (its syntax tree written out again,"
            " without comments)."
        )
    commands = ", ".join(f"{one.name} ({' '.join(one.run)})" for one in policy.guards if one.run)
    numbers = ", ".join(f"{one.name} ({_bounds(one)})" for one in policy.guards if one.number)
    rework = " What is reverted for one of them alone may be reworked, as a new experiment."
    price = (
        f" Each line more must gain {rule.price_per_line:g} more." if rule.price_per_line else ""
    )
    yield (
        f"{kept_when(rule)} (rule {rule.rule}).{price}{tie}"
        f"{f' Before a keep these must exit with 0: {commands}.' if commands else ''}"
        f"{f' Before a keep these must hold: {numbers}.' if numbers else ''}"
        f"{rework if policy.guards else ''}"
    )


def _bounds(guard: Guard) -> str:
    """Say between what a number must be."""
    said = []
    if guard.at_most is not None:
        said.append(f"at most {guard.at_most:g}")
    if guard.at_least is not None:
        said.append(f"at least {guard.at_least:g}")
    if guard.worse_by is not None:
        said.append(f"at most {guard.worse_by:g} % worse than the best's")
    return f"{guard.number} {' and '.join(said)}"


def kept_when(decision: DecisionRule) -> str:
    """Say when a proposal is kept."""
    more = f" by more than {decision.min_gain:g}" if decision.min_gain else ""
    match decision.rule:
        case "posterior":
            false = decision.false_keeps or FALSE_KEEPS
            return (
                f"Kept when it is probably better than the best{more}: at most {false:.0%} of the"
                f" keeps may be luck; each split of a proposal gets up to {decision.trials} trials"
                " with fresh seeds, and the best is measured again where that helps"
            )
        case "strict":
            return (
                f"Kept when the mean over splits and {decision.trials} seed(s) beats the best by at"
                f" least {decision.min_gain:g}"
            )
        case "ladder":
            return (
                "Kept when one trial of each split beats the best by the score's standard error,"
                f" and by at least {decision.min_gain:g}"
            )
        case unknown:
            assert_never(unknown)


def _course(policy: Policy, most: int | None) -> Iterator[str]:
    """Say where proposals start from, what is looked at between them, and when the run ends."""
    strategy, analysis, limits = policy.strategy, policy.analysis, policy.limits
    plateau = "."
    if strategy.patience is not None:
        plateau = (
            f"; after {strategy.patience} experiments without a keep {strategy.then},"
            " until the next keep."
        )
    yield f"Strategy: {strategy.name}{plateau}"
    if policy.phases:
        shares = ", ".join(f"{phase.name} ({phase.share:.0%})" for phase in policy.phases)
        yield f"Phases of a run: {shares}."
    when = []
    if analysis.every is not None:
        when.append(f" after every {analysis.every} experiments")
    if analysis.on_request:
        when.append(f" when an agent asks, at most {analysis.most} times before an experiment")
    killed = f"; each is killed after {show_duration(analysis.seconds)}, plus startup"
    none = "No analysis of training rows."
    yield f"Analysis of training rows:{' and'.join(when)}{killed}." if when else none
    box = policy.agent
    yield (
        f"An agent in a container of its own has for each proposal: {box.minutes:g} minutes,"
        f" {box.cpus:g} processor(s), {show_size(box.memory)} of memory,"
        f" {'a' if box.shell else 'no'} shell,"
        f" {'rows' if box.data == 'public' else 'no rows'} that every split trains on."
    )
    set_by = [number for number in (limits.experiments, most) if number is not None]
    hours = "no limit" if limits.hours is None else f"{limits.hours:g}"
    usd = "no limit" if limits.usd is None else f"{limits.usd:g}"
    goal = "" if policy.stop_at is None else f"; {policy.metric.name} as good as {policy.stop_at:g}"
    yield (
        f"The run ends after experiments: {min(set_by) if set_by else 'no limit'}; hours: {hours};"
        f" failures in a row: {limits.consecutive_failures}; US dollars for models: {usd}{goal}."
    )
