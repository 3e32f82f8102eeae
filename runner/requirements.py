"""Packages of one's own, as a person writes them: names and versions, and nothing that runs code.

What this does not protect against: a package that is malicious. It runs in containers only, as
agent code does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from runner.errors import ConfigError

PYTHON = "3.11"
TARGET: Mapping[str, str] = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{PYTHON}.2",
    "python_version": PYTHON,
    "sys_platform": "linux",
}
"""What markers are asked about: the images' Python, whatever the host's is."""
COMMENT = re.compile(r"(^|\s)#.*$")
HASH = re.compile(r"\s--hash[= ]\S+")
ARCHIVE = re.compile(r"\.(whl|zip|gz)$")
REASONS = (
    (r"-e\b|--editable\b", "an editable install runs the project's own build; put its code into"
     " the workspace"),
    (r"-[rc]\b|--(requirement|constraint)\b", "other files are not read; put their lines here"),
    (r"-", "options are not read: this machine's own pip says where packages come from"),
    (r"(git|hg|svn|bzr)\+|.*@\s*(git|hg|svn|bzr)\+", "a repository holds source, and only wheels"
     " of the package index are taken"),
    (r".*@\s*file:|[./~\\]|[A-Za-z]:\\|[^;\s]*[/\\]|\S+\.(whl|zip|gz)$", "a path of this machine is"
     " not taken; only what the package index has"),
    (r".*://|.*@", "an address is not taken; only what the package index has"),
)  # fmt: skip
"""How a line begins that is refused, and why; the first that fits is said."""


def requirement(text: str) -> Requirement:
    """Return one requirement: a name, extras, versions and a marker.

    Raises:
        ValueError: it is none, or names more than the package index; the message says why.
    """
    text = text.strip()
    try:
        found = Requirement(text)
    except InvalidRequirement:
        found = None
    if found and not found.url and not ARCHIVE.search(found.name):
        return found
    why = (reason for pattern, reason in REASONS if re.match(pattern, text))
    raise ValueError(next(why, "is no requirement such as NAME or NAME==VERSION"))


def applies(wanted: Requirement, *extras: str) -> bool:
    """Say whether a requirement is one for the images' Python, with one of these extras or none."""
    marker = wanted.marker
    asked = extras or ("",)
    return marker is None or any(marker.evaluate({**TARGET, "extra": each}) for each in asked)


def parse_requirements(text: str, name: str) -> tuple[str, ...]:
    """Return what a file of requirements asks for, as a policy's `image.packages` says it.

    Comments, hashes (a lock has its own) and what is for other systems are left out.

    Raises:
        ConfigError: it holds lines that are refused; all are named, with their numbers and why.
    """
    wanted: dict[str, Requirement] = {}
    refused = []
    for number, line in _lines(text):
        try:
            found = requirement(line)
            key = canonicalize_name(found.name)
            if applies(found) and wanted.setdefault(key, found) != found:
                raise ValueError("is named twice, with other versions")
        except ValueError as error:
            refused.append(f"{name}:{number}: {line}: {error}")
    if refused:
        hint = "take these lines out, or write NAME or NAME==VERSION in their place"
        raise ConfigError("\n".join(refused), hint=hint)
    return tuple(str(found) for found in wanted.values())


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is asked for, with the number of the line that it begins on."""
    begun, whole = 1, ""
    for number, line in enumerate(text.removeprefix("\N{BYTE ORDER MARK}").splitlines(), 1):
        begun = begun if whole else number
        whole += COMMENT.sub("", line).rstrip()
        if whole.endswith("\\"):
            whole = f"{whole[:-1]} "
            continue
        if asked := HASH.sub("", whole).strip():
            yield begun, asked
        whole = ""
    if asked := HASH.sub("", whole).strip():
        yield begun, asked
