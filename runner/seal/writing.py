"""The files of a sealed task: its policy, its `run.sh`, and what an agent is told."""

from __future__ import annotations

import posixpath
import re
import shlex
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any

import yaml

from runner import paths
from runner.adopt.keeping import first_score
from runner.adopt.needs import needs
from runner.adopt.writing import forbidden, imported, in_words, quoted
from runner.declared import DECLARATION, Understood
from runner.new_task import layout
from runner.new_task.layout import NOTES, NewTask, executable, filled, script_file
from runner.new_task.table import step_of
from runner.patterns import FilePatterns
from runner.policy.information import information
from runner.policy.load import LoadedPolicy
from runner.policy.paths import WORKSPACE, mount_place
from runner.policy.quantities import show_duration, show_size
from runner.policy.schema import Policy, Reported
from runner.records import File
from runner.seal.data import Chosen, given
from runner.task_check import comparing

POLICY = Path(__file__).with_name("policy.yaml.in")
COPY = "/cache/project"
"""Where the project runs, as `harness/kit/project.py` lays it out."""
RUN, RUN_OF_PROJECT = "run.sh", "run.project.sh"
"""A project's own script of this name is there again in its copy."""
FOLDS_LEAK = """\
# Several splits: what one trains on, targets included, is what others are asked about. Each one's
# containers see its own training rows only, so what leaves them is the leak to watch: no message of
# a crash and no curve is told, and the audit has rows of its own."""
ONE_LEAK = "# One split: the rows that decide are in no container that trains."
LOG_LOSS = r"log_?loss|cross_?entropy|nll|bce"
METRICS = (
    (r"balanced_?acc(uracy)?$", "balanced_accuracy"), (r"average_precision$", "average_precision"),
    (r"(^|_)f1_?weighted$", "f1_weighted"), (r"(^|_)f1_?micro$", "f1_micro"),
    (r"balanced|weighted|micro|top_?\d|(^|_)pr_?auc|auc_?pr", None),
    (r"(^|_)(acc|accuracy)(_|$)", "accuracy"), (r"auc|roc", "roc_auc"), (r"f1_?macro", "f1_macro"),
    (r"(^|_)f1", "f1"), (r"rmse", "rmse"), (r"(^|_)mse", "mse"), (r"(^|_)mae", "mae"),
    (r"(^|_)r2", "r2"), (LOG_LOSS, "log_loss"), (r"loss", "log_loss"),
)  # fmt: skip
"""How a project calls its number → the metric that this is, the first that fits. None is one that
is called after another, and is not that one."""


def metric_of(policy: Policy) -> str | None:
    """Return the metric that a project's own number is, by its name."""
    name = policy.metric.name
    return next((metric for said, metric in METRICS if re.search(said, name)), None)


def is_any_loss(policy: Policy) -> bool:
    """Whether a project's number is a loss of whatever it is that it predicts: `val_loss`."""
    return metric_of(policy) == "log_loss" and not re.search(LOG_LOSS, policy.metric.name)


def declaration_text(document: Mapping[str, Any]) -> str:
    """Return a declaration as `task.yaml` has it."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)


def write(
    origin: str,
    new: str,
    loaded: LoadedPolicy,
    files: Mapping[str, File],
    declaration: Mapping[str, Any],
    understood: Understood,
    chosen: Chosen,
    raw: Mapping[str, Path | bytes],
    state: paths.State,
) -> list[Path]:
    """Write a sealed task, and return where a person looks at it.

    Args:
        origin: the adopted project's task.
        new: the sealed task.
        loaded: the adopted project's policy.
        files: what travels of the project, and what sealing added.
        declaration: of the sealed task.
        understood: what the harness makes of it.
        chosen: its data, and where the project reads them.
        raw: the data, by their names.
        state: where copies of them are kept.
    """
    policy = loaded.policy
    reported = policy.evaluation.reported
    assert reported is not None  # noqa: S101 - whoever calls has looked
    predict = str(declaration["ask"]).partition(":")[0]
    own = {path: file for path, file in files.items() if path not in policy.files.notes}
    if RUN in own:
        own[RUN_OF_PROJECT] = own.pop(RUN)
    mutable = tuple(dict.fromkeys((*policy.files.mutable, predict)))
    step = step_of(understood)
    program = filled(
        "program.md",
        task=new,
        about=f"The project {origin}, which trains with `{reported.run}`; "
        f"`{predict}` answers for new rows, with what training left beside itself.",
        goal=f"{understood.direction.capitalize()} `{understood.metric}`: {understood.measures}.\n"
        f"Answers: {understood.reads}.",
        mutable=", ".join(f"`{path}`" for path in mutable),
        min_gain=f"{3 * step:f}",
        more=f"   Training is killed after {policy.budget.train:g} seconds.\n",
    )
    template = {
        **own,
        "program.md": script_file(program),
        "run.sh": executable(run_script(reported, chosen, str(declaration["ask"]))),
        **layout.notes(),
    }
    text = _policy(origin, new, loaded, mutable, template, understood, step)
    lock = paths.policy_path(origin).with_suffix(".lock")
    if lock.is_file():
        shutil.copyfile(lock, paths.policy_path(new).with_suffix(".lock"))
    harness = {}
    if (first := first_score(state, origin)) is not None:
        same = metric_of(policy) == understood.metric
        harness = {comparing.ORIGIN: comparing.origin(origin, *first, same=same)}
    said = f"# Made of the adopted project {origin}; docs/your-own-data.md explains every key.\n"
    return layout.write(
        NewTask(
            name=new,
            policy=text,
            harness={
                DECLARATION: said + declaration_text(declaration),
                "raw.yaml": layout.raw_yaml(raw, chosen.data.get("folder")),
                **harness,
            },
            template=template,
            raw=raw,
        ),
        state.downloads(new),
    )


def run_script(reported: Reported, chosen: Chosen, ask: str) -> str:
    """Return the frozen `run.sh`: the project's own command, and the question to what it left."""
    options = []
    places = dict.fromkeys(chosen.folders, chosen.data.get("folder", "")) or chosen.places
    for place, name in places.items():
        inside = mount_place(place)  # at home, as every container has one
        if not place.startswith("~"):
            inside = posixpath.relpath(inside, WORKSPACE)
        options.append(f"--data {shlex.quote(f'{inside}={given(name)}')}")
    options += [f"--target {shlex.quote(given(name))}" for name in chosen.targets]
    line = reported.run.replace("{seed}", "$RUNNER_SEED")
    folder = re.match(r"(?:export \S+ && )?cd\s+(\S+)\s*&&", line)
    asking = f"python -u -P -m kit.asking {shlex.quote(f'{COPY}/{ask}')}"
    stage = "serve" if "text" in chosen.data else "predict"
    asking += " serve" if stage == "serve" else ""
    if folder:
        asking = f"sh -c {shlex.quote(f'cd {folder[1]} && exec {asking}')}"
    scripts = [str(PurePosixPath(word).parent) for word in line.split() if word.endswith(".py")]
    scripts += re.findall(r"PYTHONPATH=\$PWD/(\w+)", line)
    own = [one for one in dict.fromkeys([folder[1] if folder else ".", *scripts]) if one != "."]
    own += [folder for folder in [str(PurePosixPath(ask).parent)] if folder not in {*own, "."}]
    roots = [COPY, *(f"{COPY}/{one}" for one in own)]
    return f"""#!/bin/sh
# run.sh train | run.sh predict rows | run.sh serve
# The project runs in a copy that it may write into, with its data where it looks for them; what it
# writes there is there again when it is asked.
export PYTHONPATH="$PYTHONPATH:{":".join(roots)}"
stage="$1"
set -- {" ".join(options)}
case "$stage" in
train) exec python -u -P -m kit.project train "$@" -- sh -c {shlex.quote(line)} ;;
{stage}) exec python -u -P -m kit.project {stage} "$@" -- {asking} ;;
esac
"""


def _policy(
    origin: str,
    new: str,
    loaded: LoadedPolicy,
    mutable: tuple[str, ...],
    template: Mapping[str, File],
    understood: Understood,
    step: Decimal,
) -> str:
    """Return the policy: as adopted, and what `predict.py` needs beside it."""
    policy = loaded.policy
    files = FilePatterns(mutable=mutable, frozen=policy.files.frozen).among(template)
    needed = needs(template, files)
    held = information({path: template[path].content for path in files})
    edits, resources = policy.edits, policy.resources
    forbid = [rule for rule in edits.forbid if rule not in needed.rules]
    return Template(POLICY.read_text(encoding="utf-8")).substitute(
        task=new,
        origin=origin,
        leak=FOLDS_LEAK if understood.shared else ONE_LEAK,
        metric=understood.metric,
        direction=understood.direction,
        round_to=f"{step:f}",
        mutable="\n".join(f"    - {quoted(path)}" for path in mutable),
        frozen=f"[{', '.join(map(quoted, policy.files.frozen))}]",
        may_add="true" if policy.files.may_add else "false",
        notes=", ".join(NOTES),
        max_files=min(50, edits.max_files + 1),
        max_file_bytes=max(edits.max_file_bytes, needed.largest_file),
        max_line_bytes=max(edits.max_line_bytes, needed.longest_line),
        max_information=max(edits.max_information, 2 * held),
        imports=imported(needed),
        forbid=forbidden(needed, forbid),
        image=in_words(loaded.image),
        cpus=f"{resources.cpus:g}",
        memory=show_size(resources.memory),
        gpus=resources.gpus,
        train=show_duration(policy.budget.train),
        shape="two-step" if understood.predict else "served",
        predict=f"[{', '.join(understood.predict)}]",
        splits=", ".join(understood.splits),
        audit=", ".join(understood.audit_splits),
        shared="true" if understood.shared else "false",
        min_gain=f"{3 * step:f}",
    )
