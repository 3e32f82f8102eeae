"""The harness's command line: `prepare`, `understand`, `search`, `verify`, `score`."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import sealing, tasks
from harness.mounts import Mounts, under
from harness.raw import BadRawDataError
from harness.scoring import protocol, served
from harness.scoring.served import Limits, Served, Streams

SEED_BITS = 128
SEALED_DATA_DAMAGED = 4
"""Exit code of a scorer whose own data is damaged: our failure, never the experiment's."""
BAD_RAW_DATA = 5
"""Exit code of a preparation that cannot use the raw files; its last words say why."""


def main(arguments: Sequence[str]) -> int:
    """Run one verb and return the exit code."""
    options = _parser().parse_args(arguments)
    if options.verb in ("understand", "search"):
        return _say(options.verb, options)
    mounts = under(options.root)
    if options.verb == "prepare":
        seed = _seed(options.task, mounts, given=options.seed, fresh=options.fresh)
        return _prepare(options.task, mounts, seed=seed, raw=options.raw)
    if options.verb == "verify":
        return _verify(mounts, raw=options.raw)
    limits = Limits(min_gain=options.min_gain, seconds=options.seconds)
    return _score(options.task, mounts, part=options.part, split=options.split, limits=limits)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--root", type=Path, default=Path("/"), help="where the mounts are")
    raw = argparse.ArgumentParser(add_help=False)
    raw.add_argument("--raw", type=Path, help="where the raw files are, for a task that has any")
    task = argparse.ArgumentParser(add_help=False, parents=[common])
    task.add_argument("task", type=_known)
    declaration = argparse.ArgumentParser(add_help=False, parents=[raw])
    declaration.add_argument("declaration", type=Path, help="a task.yaml")
    parser = argparse.ArgumentParser(prog="harness", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    prepare = verbs.add_parser("prepare", parents=[task, raw], help="write /public and /sealed")
    prepare.add_argument("--seed", type=int, help="generate from this seed")
    prepare.add_argument("--fresh", action="store_true", help="forget an earlier seed")
    said = "say what a declared task is, made of the raw files; write nothing"
    verbs.add_parser("understand", parents=[declaration], help=said)
    said = "find rows of a declared task's data in a folder"
    search = verbs.add_parser("search", parents=[declaration], help=said)
    search.add_argument("--workspace", type=Path, required=True)
    search.add_argument("--packages", action="store_true", help="it holds data files of packages")
    verbs.add_parser("verify", parents=[common, raw], help="compare files with their manifest")
    score = verbs.add_parser("score", parents=[task], help="deal inputs, wait for go, score")
    score.add_argument("--part", choices=("holdout", "locked"), required=True)
    score.add_argument("--split", required=True, help="whose evaluation rows are scored")
    score.add_argument("--min-gain", type=float, default=0.0, help="served: what decides")
    score.add_argument("--seconds", type=float, default=60.0, help="served: budget, from go")
    return parser


def _known(name: str) -> str:
    try:
        tasks.find(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return name


def _seed(task: str, mounts: Mounts, *, given: int | None, fresh: bool) -> int:
    """Return the seed that was asked for, else the one of an earlier call, else a drawn one."""
    if given is None and not fresh:
        given = sealing.recorded_seed(mounts.sealed, task=task)
    return secrets.randbits(SEED_BITS) if given is None else given


def _prepare(task: str, mounts: Mounts, *, seed: int, raw: Path | None) -> int:
    try:
        built = tasks.find(task).build(seed, raw)
    except BadRawDataError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_RAW_DATA
    digest = sealing.write(built, task=task, seed=seed, mounts=mounts, raw=raw)
    _print({"sealed_digest": digest, "files": len(built.public) + len(built.sealed)})
    return 0


def _say(verb: str, options: argparse.Namespace) -> int:
    """Print a document about a declared task's data, or what is wrong with them."""
    from harness.declared import schema, task  # here: not every image has PyYAML

    try:
        declaration = schema.load(options.declaration)
        if verb == "search":
            document = task.search(
                options.raw, options.workspace, declaration, packages=options.packages
            )
        else:
            document = task.understand(options.raw, declaration)
    except BadRawDataError as error:
        _print({"problem": str(error)})
        return 1
    _print(document)
    return 0


def _verify(mounts: Mounts, *, raw: Path | None) -> int:
    digest, damaged = sealing.damage(mounts, raw=raw)
    _print({"damaged": damaged, "sealed_digest": digest})
    return 0


def _score(task: str, mounts: Mounts, *, part: str, split: str, limits: Limits) -> int:
    try:
        dealt = tasks.find(task).deal(mounts.sealed, part, split)
    except sealing.SealedDataDamagedError as error:
        sys.stderr.write(f"sealed data damaged: {error}\n")
        return SEALED_DATA_DAMAGED
    if isinstance(dealt, Served):
        streams = Streams(stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr)
        return served.score(dealt, mounts, limits, streams)
    return protocol.score(dealt, mounts, stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr)


def _print(document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
