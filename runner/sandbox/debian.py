"""Debian and Ubuntu hosts: their packages, and a base system made of them.

The base uses the host's own package sources and proxies, and keeps neither.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner.errors import SandboxError

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "g++", "python3", "python3-dev", "python3-venv")
# Ubuntu's mmdebstrap comes without the keys of Debian's archive.
BOOTSTRAP_PACKAGES = ("mmdebstrap", "debian-archive-keyring")
LEFT_OUT = (
    *(f"/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")),
    # Static libraries of Python: large, and only for those who embed it.
    "/usr/lib/python3*/config-*/*.a",
    "/usr/lib/*/libpython3*.a",
)
# What came from the host must not stay: a proxy's address may hold a password.
FORGET = (
    'rm -rf "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/apt/sources.list '
    '"$1"/etc/apt/sources.list.d "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap '
    '"$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/log/*'
)
ACQUIRE = re.compile(r"Acquire::(https?|Retries|Check-|Min-Valid|Max-Valid|Force)", re.IGNORECASE)
TAIL_LINES = 8


@dataclass(frozen=True, kw_only=True)
class Source:
    """One package repository of the host."""

    uri: str
    suite: str
    components: tuple[str, ...]


def is_debian(release: Mapping[str, str]) -> bool:
    """Tell from `os-release` whether apt's packages are the system's own."""
    names = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    return bool(names & {"debian", "ubuntu"}) and shutil.which("apt-get") is not None


def os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """Read the system's description; a system without one has an empty one."""
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}


def install(packages: Sequence[str]) -> None:
    """Install system packages; only root may, and only where `is_debian`."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SandboxError(
                f"{' '.join(command)} failed:\n{_tail(done.stdout)}",
                hint="repair the system's packages, then try again",
            )


@contextmanager
def bootstrapped() -> Iterator[IO[bytes]]:
    """Yield a base system as a tar stream; raise `SandboxError` if it did not end well.

    The error comes after the stream's end, so what was made of the stream must be thrown away.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = Path(folder) / "apt.conf"
        options.write_text(acquire_options())
        options.chmod(0o644)
        command = bootstrap_command(options, sources(os_release()))
        with tempfile.TemporaryFile() as log:
            with _streaming(command, log) as process:
                yield _output(process)
            if process.returncode:
                log.seek(0)
                raise _failure(log.read().decode(errors="replace"))


@contextmanager
def _streaming(command: Sequence[str], log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
    )
    try:
        yield process
        process.wait()
    finally:
        if process.poll() is None:
            # It removes its folder when asked politely.
            process.terminate()
        process.wait()
        _output(process).close()


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    return process.stdout


def bootstrap_command(options: Path, repositories: Iterable[Source]) -> list[str]:
    """Return the call that writes a base system to standard output."""
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=essential",
        f"--include={','.join(PACKAGES)}",
        f"--aptopt={options}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        f"--customize-hook={FORGET}",
        *(SUITE, "-"),
        *(f"deb {one.uri} {one.suite} {' '.join(one.components)}" for one in repositories),
    ]


def sources(release: Mapping[str, str], etc: Path = Path("/etc/apt")) -> tuple[Source, ...]:
    """Return the host's Debian repositories, turned to the base's suite.

    Empty on another system than Debian; mmdebstrap then uses its own default.
    """
    host = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not host:
        return ()
    listed = [*etc.glob("sources.list"), *sorted(etc.glob("sources.list.d/*"))]
    every = [one for path in listed for one in _parsed(path)]
    suites = {host + end: SUITE + end for end in ("", "-updates", "-security")}
    turned = (
        Source(uri=one.uri, suite=suites[one.suite], components=("main",))
        for one in every
        if one.suite in suites and "main" in one.components
    )
    return tuple(dict.fromkeys(turned))


def _parsed(path: Path) -> Iterator[Source]:
    text = path.read_text()
    if path.suffix == ".list":
        yield from one_line_sources(text)
    elif path.suffix == ".sources":
        yield from stanza_sources(text)


def one_line_sources(text: str) -> Iterator[Source]:
    """Read the older format: `deb [options] URI SUITE COMPONENT...`."""
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", " ", line.split("#")[0]).split()
        if len(words) > 3 and words[0] == "deb":
            yield Source(uri=words[1], suite=words[2], components=tuple(words[3:]))


def stanza_sources(text: str) -> Iterator[Source]:
    """Read the newer format: stanzas of `Types`, `URIs`, `Suites` and `Components`."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", lines):
        pairs = (line.partition(":") for line in stanza.splitlines() if ":" in line)
        fields = {key.strip().lower(): value.split() for key, _, value in pairs}
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        for uri in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield Source(uri=uri, suite=suite, components=tuple(fields.get("components", [])))


def acquire_options() -> str:
    """Return how the host's apt downloads: its proxies, retries and checks."""
    if shutil.which("apt-config") is None:
        return ""
    dump = subprocess.run(
        ["apt-config", "dump"], capture_output=True, text=True, check=False
    ).stdout
    return "".join(f"{line}\n" for line in dump.splitlines() if ACQUIRE.match(line))


def _failure(log: str) -> SandboxError:
    return SandboxError(
        f"making a base image with mmdebstrap failed:\n{_tail(log)}",
        hint="an ordinary user needs user namespaces, lines in /etc/subuid and /etc/subgid, and:  "
        "sudo apt-get install --no-install-recommends uidmap",
    )


def _tail(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-TAIL_LINES:])
