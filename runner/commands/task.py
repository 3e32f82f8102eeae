"""`runner task check NAME`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from runner.errors import ConfigError

Say = Callable[[str], None]


@click.group("task")
def command() -> None:
    """Check a task."""


@command.command("check")
@click.argument("name")
@click.option("--no-cheats", is_flag=True, help="Only read the files and run the template once.")
@click.option("--quick", is_flag=True, help="Run one split of several, the first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
def check(name: str, no_cheats: bool, quick: bool, as_json: bool) -> None:
    """Say what is missing and what `tune` would tune, run the template, and try cheats.

    Exits with 1 if anything is missing, the template has no score, or a cheat beats it.
    """
    from runner.views import reading

    say: Say = _nothing if as_json else reading.say
    found: dict[str, Any] = {
        "task": name, "missing": [], "wrong": [], "warnings": [], "template": None, "cheats": [],
        "reported": None, "quick": quick,
    }  # fmt: skip
    fine = _checked(name, found, say, with_cheats=not no_cheats)
    if as_json:
        reading.print_json({**found, "fine": fine})
    raise SystemExit(0 if fine else 1)


def _nothing(message: str) -> None:
    """Say nothing: the document says it."""


def _checked(name: str, found: dict[str, Any], say: Say, *, with_cheats: bool) -> bool:
    from runner.task_check import reading

    found["missing"] = reading.missing(name)
    if found["missing"]:
        say("\n".join(f"missing  {line}" for line in found["missing"]))
        return False
    say("files    complete, and the policy is valid")
    say(f"tune     {reading.tuned(name)}")
    searched = _searched(name, found, say)
    return _played(name, found, say, with_cheats=with_cheats) and searched


def _searched(name: str, found: dict[str, Any], say: Say) -> bool:
    """Say what a declared task is, and look for its rows in the template."""
    from rich.console import Console

    from runner import declared, paths, raw
    from runner.policy.load import load_policy
    from runner.task_check import reading

    declaration = paths.task_harness(name) / declared.DECLARATION
    if not declaration.is_file():
        return True
    data = raw.raw_data(name, paths.state().downloads(name), chosen=None)
    if data is None:
        raise ConfigError(
            f"harness/tasks/{paths.task_harness(name).name}/raw.yaml is missing",
            hint="it says which files the declaration means: docs/your-own-data.md",
        )
    if not data.at_hand:
        say(f"unknown  {'rows':14} {raw.CHOICE} names no folder, so nothing is looked for")
        return True
    policy = load_policy(paths.policy_path(name)).policy
    with data.laid_out() as folder:
        understood = declared.understand(declaration, folder, source=name)
        copies = declared.copies(declaration, folder, paths.PROJECT / "workspace-template" / name)
    if say is not _nothing:
        declared.show(understood, Console())
    wrong = [f"{'policy':14} {line}" for line in reading.undeclared(policy, understood)]
    wrong += [f"{'rows':14} workspace-template/{name}/{line}" for line in copies]
    found["warnings"] = understood.warnings
    found["wrong"] = [" ".join(line.split()) for line in wrong]
    for line in wrong:
        say(f"FAILED   {line}")
    if not copies:
        say(f"ok       {'rows':14} none of the data lies in the template")
    return not wrong


def _searched_in_image(
    name: str, found: dict[str, Any], say: Say, search: Callable[[Path], list[str]]
) -> bool:
    """Look for a declared task's rows among what its image brings along."""
    from runner import declared, paths, raw

    data = raw.raw_data(name, paths.state().downloads(name), chosen=None)
    declaration = paths.task_harness(name) / declared.DECLARATION
    if data is None or not data.at_hand or not declaration.is_file():
        return True
    with data.laid_out() as folder:
        copies = search(folder)
    for line in copies:
        said = f"of its image, where agent code can read it, {line}: take another image, or data"
        found["wrong"] = [*found["wrong"], f"rows {said}"]
        say(f"FAILED   {'rows':14} {said}")
    if not copies:
        say(f"ok       {'rows':14} none of the data lies in the image")
    return not copies


def _played(name: str, found: dict[str, Any], say: Say, *, with_cheats: bool) -> bool:
    from contextlib import ExitStack, closing
    from dataclasses import asdict
    from functools import partial

    from runner import data, engines, paths, raw
    from runner.engines import images
    from runner.noise import report
    from runner.one_off import one_off
    from runner.policy.load import load_policy
    from runner.stopping import Stop
    from runner.task_check import comparing, image, noisy, playing
    from runner.views import reading
    from runner.views.lines import duration

    loaded, state = load_policy(paths.policy_path(name)), paths.state()
    policy = playing.quick(loaded.policy) if found["quick"] else loaded.policy
    splits, every = len(policy.evaluation.splits), len(loaded.policy.evaluation.splits)
    found["quick"] = splits < every
    tag, aside = playing.tag_of(name), partial(reading.say, err=True)
    shortest, longest = playing.foreseen(policy, with_cheats=with_cheats)
    of_all = f"; --quick runs one of {every} splits" if splits > 1 else ""
    aside(f"time     {duration(shortest)} of training, {duration(longest)} at most{of_all}")
    stop = Stop(aside)
    with stop.listening(), closing(engines.connect()) as engine, ExitStack() as stack:
        scorer_image_id = images.require_image(engine, images.SCORER)
        if policy.self_reported:
            prepared = data.load(state, name)
        else:
            raw_data = raw.raw_data(name, state.downloads(name), chosen=None)
            prepared = data.Preparation(
                engine=engine, state=state, task=name, image_id=scorer_image_id, say=aside,
                raw=raw_data, stop=stop,
            ).prepare()  # fmt: skip
        sandbox = stack.enter_context(
            one_off(engine, state, tag, policy.resources_record(), stop, aside)
        )
        spec = playing.template_trial(engine, loaded, prepared, tag=tag)
        search = image.Search(
            engine=engine, state=state, task=name, image_id=spec.image_id,
            scorer_image_id=scorer_image_id,
        )  # fmt: skip
        all_fine = _searched_in_image(name, found, say, search.copies)
        for played in playing.play(sandbox, spec, policy, with_cheats=with_cheats):
            verdict = "ok" if played.fine else "FAILED"
            say(f"{verdict:8} {played.name:14} {played.outcome}")
            all_fine &= played.fine
            if found["template"] is not None:
                found["cheats"].append(asdict(played))
                continue
            found["template"] = asdict(played)
            if (adopted := comparing.reported(name)) is not None:
                found["reported"] = asdict(adopted)
                say(f"compare  {'reported':14} {comparing.compared(adopted, policy, played)}")
            if found["quick"]:
                continue  # what noise does is asked of the whole policy
            with reading.journal_if_any() as journal:
                noise = noisy.known(journal, spec, policy, played.error)
            seen = report.sight(policy, noise.deviation) if noise.deviation else None
            for line in report.warnings(policy, noise, seen):
                found["warnings"] = [*found["warnings"], line]
                say(f"warning  {'noise':14} {line}")
    if found["quick"]:
        say(f"QUICK: one of {every} splits; the whole check is the one without --quick")
    if policy.self_reported:
        say("SELF-REPORTED: every cheat works, as the code under test prints this number")
    return all_fine
