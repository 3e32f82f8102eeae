"""From a folder to a task that runs: find out, ask, run once, write."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from runner import given, paths
from runner.adopt import command, metric, writing
from runner.adopt.first import absent, first_trial, lacking, refused, trouble
from runner.adopt.keeping import keep, remember
from runner.adopt.needs import modules, needs, packages
from runner.adopt.project import Project, read_project
from runner.adopt.writing import Understood
from runner.agents.numbers import search
from runner.engines import Docker, images
from runner.errors import ConfigError
from runner.executor.devices import Machine
from runner.new_task import layout
from runner.one_off import one_off
from runner.patterns import PATTERN, FilePatterns
from runner.policy.quantities import show_size
from runner.records import Image, Reported, Resources, TrialResult, TrialStatus
from runner.requirements import parse_requirements
from runner.sandbox.evidence import escaped
from runner.stopping import Stop
from runner.trial.reported import plain

IMAGES = ("cpu", "tabular")
"""Those that are tried, in this order."""
WORKSPACE_BYTES = 1024**3
SHARE = 0.7
"""Of the machine's memory that the first run may take."""
FEWEST_BYTES = 1024**3
WRITTEN = "the command writes it"
NO_PATTERN = "{} is not known yet"
LAST_BYTES = 256 * 1024
MOST_BYTES = 1024**2
"""Of a file of requirements."""


class Ask(Protocol):
    """Asks a person to choose; `likely` says whether the first choice is more than a guess.

    Raises `ConfigError` where there is nobody to ask.
    """

    def __call__(
        self, question: str, choices: Sequence[str], *, hint: str, likely: bool = True
    ) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the person said; absent is to be found out."""

    run: str | None = None
    metric: str | None = None
    """A pattern with `{}`, or FILE.json:KEY."""
    minimize: bool | None = None
    data: tuple[str, ...] | None = None
    change: tuple[str, ...] = ()
    may_add: bool = False
    image: str | None = None
    pip: Path | None = None
    """A file of requirements that are put on the image."""
    minutes: float = 10.0
    gpus: int = 0
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """The task that was written, and everything that was understood."""

    project: Project
    known: Understood
    wrote: tuple[Path, ...]
    breaks: Mapping[str, Sequence[str]]
    """Rules on source that the project's own code breaks, with the places."""


def task_name(root: Path) -> str:
    """Return a name that a task can have, from a folder's."""
    words = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-").lstrip("0123456789-")
    return words[:40] or "project"


def adopt(
    root: Path,
    name: str,
    wanted: Wanted,
    *,
    engine: Docker,
    state: paths.State,
    stop: Stop,
    ask: Ask,
    say: Callable[[str], None],
) -> Adopted:
    """Take a project in, run it once, and write the task that it becomes.

    Raises:
        ConfigError: it cannot run as it is; the message says where, and what to do.
    """
    layout.require_name(name, force=wanted.force)
    with _as_it_was(_lock_of(name)):
        return _adopted(root, name, wanted, engine, state, stop, ask, say)


def _lock_of(name: str) -> Path:
    return paths.policy_path(name).with_suffix(".lock")


@contextmanager
def _as_it_was(lock: Path) -> Iterator[None]:
    """Put a lock back as it was if no task comes about: it is written before the first run."""
    before = lock.read_bytes() if lock.is_file() else None
    try:
        yield
    except BaseException:
        if before is None:
            lock.unlink(missing_ok=True)
        else:
            lock.write_bytes(before)
        raise


def _adopted(
    root: Path,
    name: str,
    wanted: Wanted,
    engine: Docker,
    state: paths.State,
    stop: Stop,
    ask: Ask,
    say: Callable[[str], None],
) -> Adopted:
    project = read_project(root, wanted.data)
    line = command.installed(wanted.run or _command(project, ask), project)
    runs = command.reached(line, project)
    project = project.without(command.outputs(runs, project), WRITTEN)
    mutable = wanted.change or [path for path in runs if re.fullmatch(PATTERN, path)]
    files = _matching(mutable, project, line)
    found_needs = needs(project.files, files)
    resources = _most(wanted)
    image, image_id = _image(engine, state, project, runs, name, wanted, resources, ask, say)
    parts = [part.place for part in project.data]
    reported = _reported(wanted, line, parts)
    if wanted.metric:  # asked now, as the run may take minutes
        wanted = replace(wanted, minimize=_minimize(wanted, reported, ask))
    say(f"{name}: running it once, for at most {wanted.minutes:g} minutes: {line}")
    prepared = keep(state, name, project.data, root)
    tag = f"_adopt-{name}"
    with one_off(engine, state, tag, resources, stop, say) as sandbox:
        while True:
            spec = first_trial(
                project,
                task=name,
                tag=tag,
                mutable=files,
                reported=reported,
                image_id=image_id,
                resources=resources,
                seconds=60 * wanted.minutes,
                prepared=prepared,
            )
            result = sandbox.run(spec)
            written = refused(result, project.files.keys() - {*files})
            if not written or result.status is not TrialStatus.CRASHED:
                break
            say(f"it writes {', '.join(sorted(written))}, left at home now: running it again")
            project = project.without(written, WRITTEN)
    if result.status in (TrialStatus.CRASHED, TrialStatus.TIMEOUT):
        ran = {path: file for path, file in project.files.items() if path in runs}
        raise trouble(result, 60 * wanted.minutes, root, ran)
    reported, value = _number(wanted, reported, result, ask)
    known = Understood(
        task=name,
        mutable=tuple(mutable),
        files=files,
        may_add=wanted.may_add,
        reported=reported,
        minimize=_minimize(wanted, reported, ask),
        image=image,
        cpus=resources.cpus,
        gpus=wanted.gpus,
        value=value,
        seconds=result.wall_seconds - result.overhead_seconds,
        peak_bytes=result.peak_memory_bytes,
        seeded=command.takes_seed(line, project),
    )
    template = writing.template(project.files, layout.notes(), writing.program_text(known))
    text = writing.policy_text(known, found_needs, template)
    wrote = layout.write_parts(name, text, template)
    remember(state, name, reported.metric, value)
    return Adopted(project=project, known=known, wrote=tuple(wrote), breaks=dict(found_needs.rules))


def _command(project: Project, ask: Ask) -> str:
    found = command.candidates(project)
    if not found:
        raise ConfigError(
            f"no file of {project.root} does anything when it is run",
            hint="say how it is run: --run 'python train.py'",
        )
    if len(found) == 1 or "train" in found[0]:
        return found[0]
    return ask("How is it run?", found, hint="say how it is run: --run 'python FILE.py'")


def _matching(patterns: Sequence[str], project: Project, line: str) -> tuple[str, ...]:
    found = FilePatterns(mutable=tuple(patterns)).among(project.files)
    start = command.entry(line, project)
    if not found and start and not re.fullmatch(PATTERN, start):
        raise ConfigError(
            f"a policy cannot name {start}, which is run: letters, digits, '_', '.' and '-' only",
            hint="rename it",
        )
    if not found:
        what = ", ".join(patterns) or f"what {line!r} runs"
        raise ConfigError(
            f"no file of the project is {what}",
            hint="say what an agent may change: --change 'train.py' --change 'src/**/*.py'",
        )
    return found


def _most(wanted: Wanted) -> Resources:
    """Return what the first run may take: most of this machine."""
    machine = Machine.here()
    return Resources(
        cpus=float(machine.processors),
        memory_bytes=max(FEWEST_BYTES, int(SHARE * machine.memory_bytes)),
        pids=512,
        shm_bytes=256 * 1024**2,
        artifacts_bytes=64 * 1024,
        outputs_bytes=64 * 1024,
        output_log_bytes=64 * 1024**2,
        gpus=wanted.gpus,
    )


def _image(
    engine: Docker,
    state: paths.State,
    project: Project,
    runs: Sequence[str],
    name: str,
    wanted: Wanted,
    resources: Resources,
    ask: Ask,
    say: Callable[[str], None],
) -> tuple[Image, str]:
    """Return the first image that holds what the files that run import, and its id.

    Packages that the person names, or the project itself, are put on one, locked beside the policy
    to come.
    """
    places = modules(project, runs)
    must = modules(project, runs, at_once=True)

    def held(image: Image) -> tuple[Image, str, tuple[str, ...]]:
        if image.packages:
            image_id = images.ensure_image(engine, image, wheelhouse_root=state.wheelhouse, say=say)
        else:
            image_id = images.require_image(engine, image)
        none = replace(resources, gpus=0)
        return image, image_id, absent(engine, state, image_id, sorted(places), none)

    bases = [wanted.image] if wanted.image else ["cuda"] if wanted.gpus else list(IMAGES)
    lock = _lock_of(name)
    if wanted.pip:
        named = parse_requirements(given.read_text(wanted.pip, most=MOST_BYTES), wanted.pip.name)
        image, image_id, without = held(Image(base=bases[0], packages=named, lock=lock))
    else:
        found: list[tuple[Image, str, tuple[str, ...]]] = []
        while bases and (not found or found[-1][2]):
            found.append(held(Image(base=bases.pop(0))))
        image, image_id, without = min(
            found, key=lambda one: (len(must.keys() & {*one[2]}), len(one[2]))
        )
        lack = {each: must[each] for each in without if each in must}
        why = lacking(lack, image.base)
        more = packages(project, lack)
        yes = f"yes: {', '.join(more)}"
        question = f"{why}; put the packages on it?"
        if more and ask(question, [yes, "no"], hint=why.hint) == yes:
            image, image_id, without = held(replace(image, packages=more, lock=lock))
    if lacks := {each: must[each] for each in without if each in must}:
        raise lacking(lacks, image.base)
    return image, image_id


def _reported(wanted: Wanted, line: str, parts: Sequence[str]) -> Reported:
    """Return what runs and where its number is, as far as the person said."""
    said = wanted.metric
    pattern, file, key = NO_PATTERN, None, ""
    if said and "{}" in said:
        pattern = said
    elif said:
        path, _, key = said.partition(":")
        if not path.endswith(".json"):
            raise ConfigError(
                f"--metric {said!r} holds no {{}} for the number, and names no JSON file",
                hint="as in --metric 'val_loss: {}' or --metric results/metrics.json:val.loss",
            )
        file = path
    return Reported(
        metric=metric.slug(key if file else pattern) if said else "score",
        command=line,
        pattern=None if file else pattern,
        file=file,
        key=key,
        data=tuple(parts),
        workspace_bytes=WORKSPACE_BYTES,
    )


def _number(
    wanted: Wanted, reported: Reported, result: TrialResult, ask: Ask
) -> tuple[Reported, float]:
    """Return where the number is, and what it was."""
    output = result.logs["train"]
    if wanted.metric is None:
        found = metric.candidates(output[-LAST_BYTES:])
        known = [each for each in found if each.minimize is not None]
        if not found:
            raise ConfigError(
                "the command ended well, and printed nothing that looks like a metric",
                hint="name the JSON file that holds one: --metric FILE.json:KEY; or let the command"
                " show it: --run 'python train.py && tail -n 1 results.csv'",
            )
        shown = {f"{each.pattern}  (now {each.value:g})": each for each in (known or found)[:8]}
        hint = f"name it, as in --metric {shlex.quote(next(iter(shown.values())).pattern)}"
        likely = bool(known) or found[0].pattern == metric.ALONE
        chosen = shown[ask("Which number is the metric?", list(shown), hint=hint, likely=likely)]
        reported = replace(reported, pattern=chosen.pattern, metric=metric.slug(chosen.pattern))
        value = chosen.value
    elif result.score is None:
        raise ConfigError(
            result.reason,
            hint=f"what it printed last: {_last(output)}",
        )
    else:
        value = result.score.metrics[reported.metric]
    if not math.isfinite(value):
        raise ConfigError(
            f"{reported.metric} is {value}", hint="mend the training, or name another: --metric"
        )
    return reported, value


def _minimize(wanted: Wanted, reported: Reported, ask: Ask) -> bool:
    """Return whether less is better: as the person says, or the metric's name."""
    minimize = wanted.minimize
    if minimize is None:
        minimize = metric.direction(reported.pattern or reported.key)
    if minimize is not None:
        return minimize
    hint = "say which way is better: --minimize or --maximize"
    question = f"Which way is {reported.metric} better?"
    return ask(question, ["minimize", "maximize"], hint=hint, likely=False) == "minimize"


def _last(output: bytes) -> str:
    lines = [line for line in plain(output).decode(errors="replace").splitlines() if line.strip()]
    return escaped(lines[-1]) if lines else "nothing"


def rows(adopted: Adopted, sizes: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return what was understood, as a table."""
    known, project = adopted.known, adopted.project
    said = known.reported
    where = repr(said.pattern) if said.pattern else f"{said.key or 'the number'} in {said.file}"
    data = [f"{part.place} ({show_bytes(sizes[part.place])}, read-only)" for part in project.data]
    kept = [f"{one.path}: {one.why}" for one in project.left_out[:10]]
    if len(project.left_out) > 10:
        kept.append(f"and {len(project.left_out) - 10} more")
    return [
        ("command", said.command),
        ("may change", ", ".join(known.mutable) + (", and add files" if known.may_add else "")),
        ("tune", search(project.files, known.files).listed),
        ("frozen", f"{len(project.files) - len(known.files)} other files"),
        ("data", ", ".join(data) or "none"),
        ("left at home", "; ".join(kept) or "nothing"),
        ("packages", _packages(known.image)),
        ("metric", f"{said.metric}, {'less' if known.minimize else 'more'} is better: {where}"),
        ("first run", f"{said.metric} {known.value:g} in {known.seconds:.0f} s"),
        ("budget", f"{known.train_seconds:g} s for a trial; one that is killed has no score"),
        ("memory", f"{show_size(known.memory_bytes)} (the first run took"
         f" {show_bytes(known.peak_bytes or 0)})"),
        ("seed", "the supervisor draws it" if known.seeded else
         "SEED FIXED BY THE SCRIPT, or none: {seed} in --run or $RUNNER_SEED would give it one"),
        ("believe it?", "no: SELF-REPORTED, the code under test printed this number"),
    ]  # fmt: skip


def _packages(image: Image) -> str:
    more = f" with {', '.join(image.packages)}, locked beside the policy" if image.packages else ""
    return f"image {image.base}{more}"


def show_bytes(count: int) -> str:
    return f"{count / 1024**2:.1f} MB" if count < 1024**3 else f"{count / 1024**3:.1f} GB"
