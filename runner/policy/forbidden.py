"""Which names each rule on Python source refuses, as tables, and the one function that reads them.

They tell an agent before the experiment what would fail in it or be thrown away, and a person that
the source is what runs.

What this does not protect against: code that wants to hide what it does.
The sandbox is the wall, so names are followed through imports and no further.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from runner.policy.syntax import Reference, SourceFacts


@dataclass(frozen=True, kw_only=True)
class Forbidden:
    """What one rule refuses, and what an agent should do instead."""

    instead: str
    modules: tuple[str, ...]
    """Imported names with everything below them; a star stands for the rest of a word."""
    builtins: tuple[str, ...] = ()


FORBIDDEN: Mapping[str, Forbidden] = {
    "dynamic-code": Forbidden(
        instead="plain functions; torch.save and numpy.save for what training leaves",
        builtins=("eval", "exec", "compile", "__import__", "breakpoint"),
        modules=(
            *("importlib", "runpy", "code", "pickle", "marshal", "shelve", "dill", "cloudpickle"),
            *("joblib", "numpy.f2py", "torch.utils.cpp_extension"),
        ),
    ),
    "process": Forbidden(
        instead="threads, and torch's DataLoader with workers",
        modules=(
            *("subprocess", "multiprocessing", "torch.multiprocessing", "pty"),
            *("concurrent.futures.Process*", "concurrent.futures.process"),
            *("asyncio.create_subprocess*", "os.system", "os.popen", "os.fork*", "os.exec*"),
            *("os.spawn*", "os.posix_spawn*", "os.kill*"),
        ),
    ),
    "network": Forbidden(
        instead="the data that the kit loads; no container has a network",
        modules=(
            *("socket", "socketserver", "ssl", "http.client", "http.server", "urllib.request"),
            *("ftplib", "smtplib", "poplib", "imaplib", "xmlrpc", "requests", "httpx", "aiohttp"),
            *("urllib3", "websocket*", "paramiko", "boto3", "huggingface_hub", "wandb"),
            *("torch.hub", "torch.distributed", "torch.utils.model_zoo"),
            *("asyncio.open_connection", "asyncio.start_server"),
        ),
    ),
}


def forbidden_names(facts: SourceFacts, rule: str) -> Iterator[Reference]:
    """What a source uses that the rule refuses, as a person would write it, in order of lines."""
    seen = set()
    for reference in sorted((*facts.imports, *facts.references), key=lambda found: found.line):
        written = reference.name.removeprefix(":")
        if is_forbidden(reference.name, rule) and (written, reference.line) not in seen:
            seen.add((written, reference.line))
            yield Reference(name=written, line=reference.line)


def is_forbidden(name: str, rule: str) -> bool:
    """Whether a rule refuses a name in the parser's notation."""
    if name.startswith(":"):
        return name[1:].partition(".")[0] in FORBIDDEN[rule].builtins
    return _modules(rule).match(name) is not None


@cache
def _modules(rule: str) -> re.Pattern[str]:
    patterns = [re.escape(each).replace(r"\*", r"\w*") for each in FORBIDDEN[rule].modules]
    return re.compile(rf"(?:{'|'.join(patterns)})(?:\.|$)")
