"""Data far outside of a project, which no container has there: they are read from the copy.

Pure: a policy and sources in, the same with other paths out.

What this does not protect against: a path that code puts together; it is not found, and told of.
"""

from __future__ import annotations

import re
from dataclasses import replace

from runner.errors import ConfigError
from runner.policy.load import LoadedPolicy
from runner.policy.paths import mount_place
from runner.policy.schema import Reported
from runner.records import File, Files
from runner.seal.writing import COPY

READS = (".py", ".yaml", ".yml", ".toml", ".json", ".cfg", ".ini", ".sh")
"""Files in which a path may stand that is followed."""
OUTSIDE = f"{COPY}/outside"


def brought_in(
    loaded: LoadedPolicy, reported: Reported, template: Files
) -> tuple[LoadedPolicy, Reported, Files, tuple[str, ...]]:
    """Return everything with `/datasets/x.csv` as a path in the project's copy, and what is said.

    Raises:
        ConfigError: neither a file nor the command names such a place as it is.
    """
    files, run, notes = dict(template), reported.run, list[str]()
    for place in filter(_is_far, reported.data):
        named = re.compile(rf"(?<![\w./~-]){re.escape(place)}(?![\w-]|\.\w)")
        changed = {path: file for path, file in files.items()
                   if path.endswith(READS) and _names(named, file)}  # fmt: skip
        if not changed and not named.search(run):
            raise ConfigError(
                f"the project reads its data at {place}, and no file of it says that path whole",
                hint="let it read them by a path in the project, adopt it again, and seal it",
            )
        inside = f"{OUTSIDE}{mount_place(place)}"
        for path, file in changed.items():
            text = named.sub(inside, file.content.decode(errors="surrogateescape"))
            files[path] = replace(file, content=text.encode(errors="surrogateescape"))
        run = named.sub(inside, run)
        notes.append(f"{place} is {inside} from now on, in {', '.join(changed) or 'the command'}")
    places = (
        f"{OUTSIDE.removeprefix(COPY)[1:]}{mount_place(place)}" if _is_far(place) else place
        for place in reported.data
    )
    moved = reported.model_copy(update={"run": run, "data": tuple(places)})
    evaluation = loaded.policy.evaluation.model_copy(update={"reported": moved})
    policy = loaded.policy.model_copy(update={"evaluation": evaluation})
    return replace(loaded, policy=policy), moved, files, tuple(notes)


def _is_far(place: str) -> bool:
    return place.startswith(("/", "../.."))


def _names(named: re.Pattern[str], file: File) -> bool:
    return named.search(file.content.decode(errors="surrogateescape")) is not None
