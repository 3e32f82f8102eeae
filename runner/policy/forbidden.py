"""Which names each rule on Python source refuses, as tables, and the one function that reads them.

What this does not protect against: code that wants to hide what it does.
These tables catch honest mistakes and tell an agent what is allowed; the sandbox is the wall.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from runner.policy.syntax import Reference, SourceFacts

NAME = re.compile(r"(?P<base>[^=\[(]*)(?P<use>.*)")


@dataclass(frozen=True, kw_only=True)
class Forbidden:
    """What one rule refuses, and what an agent should do instead."""

    instead: str
    modules: tuple[str, ...]
    """Imported names with everything below them; a star stands for the rest of a word."""
    builtins: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    """Refused on any value."""
    uses: tuple[str, ...] = ()
    """Refused ways of using a name, as the parser marks them."""


FORBIDDEN: Mapping[str, Forbidden] = {
    "dynamic-code": Forbidden(
        instead="plain functions; torch.load and numpy.load of arrays, without pickled objects",
        builtins=("eval", "exec", "compile", "__import__", "breakpoint"),
        modules=(
            *("importlib", "runpy", "pkgutil", "zipimport", "imp", "code", "codeop"),
            *("pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"),
            *("sys.path*", "sys.meta_path", "numpy.f2py", "torch.package"),
            *("torch.utils.cpp_extension", "torch.ops.load_library"),
            *("torch.classes.load_library", "torch.jit.CompilationUnit"),
        ),
        attributes=("__import__",),
        uses=("(weights_only)", "(allow_pickle)"),
    ),
    "process": Forbidden(
        instead="threads, and torch's DataLoader with workers",
        modules=(
            *("subprocess", "_posixsubprocess", "multiprocessing", "_multiprocessing"),
            *("torch.multiprocessing", "concurrent.futures.Process*", "concurrent.futures.process"),
            *("signal", "pty", "posix", "psutil", "resource", "asyncio.create_subprocess*"),
            *("os.system", "os.popen", "os.fork*", "os.exec*", "os.spawn*", "os.posix_spawn*"),
            *("os.kill*", "os.abort", "os._exit", "os.setsid", "os.setpgid", "os.register_at_fork"),
        ),
    ),
    "network": Forbidden(
        instead="the data that the kit loads; no container has a network",
        modules=(
            *("socket", "_socket", "socketserver", "ssl", "http.client", "http.server"),
            *("urllib.request", "urllib.error", "ftplib", "smtplib", "poplib", "imaplib"),
            *("xmlrpc", "requests", "httpx", "aiohttp", "urllib3", "websocket*", "paramiko"),
            *("boto3", "huggingface_hub", "wandb", "torch.hub", "torch.distributed"),
            *("torch.utils.model_zoo", "asyncio.open_connection", "asyncio.start_server"),
        ),
    ),
    "introspection": Forbidden(
        instead="plain names and attributes; getattr and setattr with a literal name",
        builtins=("globals", "locals", "__builtins__", "__loader__", "__spec__"),
        modules=(
            *("inspect", "gc", "ctypes", "_ctypes", "cffi", "builtins", "dis", "mmap"),
            *("sys.modules", "sys._*", "sys.settrace", "sys.setprofile", "sys.addaudithook"),
            *("threading.settrace", "threading.setprofile", "numpy.ctypeslib"),
            *("types.CodeType", "types.FunctionType", "operator.attrgetter"),
            *("operator.methodcaller",),
        ),
        attributes=(
            *("__subclasses__", "__globals__", "__code__", "__closure__", "__builtins__"),
            *("__base__", "__bases__", "__mro__", "__getattribute__", "__self__"),
            *("__loader__", "__spec__", "__reduce__", "__reduce_ex__", "tb_frame", "gi_frame"),
            *("cr_frame", "f_back", "f_globals", "f_locals", "f_builtins"),
        ),
        uses=("(computed)", "(module)", "__dict__=", "__dict__[]=", "__class__=", "module="),
    ),
}
HOISTED = frozenset(
    (
        *("os", "sys", "subprocess", "multiprocessing", "socket", "ssl", "requests", "urllib"),
        *("http", "importlib", "builtins", "pickle", "marshal", "inspect", "gc", "ctypes"),
        *("runpy", "posix"),
    )
)
"""Modules that are also reached as an attribute of others: `random._os`, `torch.os`."""
SETTINGS = ("torch.backends", "torch._dynamo.config", "torch._inductor.config")
"""Modules whose attributes are their settings, so that assigning to them is their use."""
MOST_PARTS = 2 + max(name.count(".") for each in FORBIDDEN.values() for name in each.modules)
"""Of a dotted name that is compared with a module's: one more than the longest has."""
REMEMBERED_CHARACTERS = 200
DICT_WRITES = ("update", "setdefault", "pop", "popitem", "clear", "__setitem__", "__delitem__")


def forbidden_names(facts: SourceFacts, rule: str) -> Iterator[Reference]:
    """What a source uses that the rule refuses, as a person would write it, in order of lines."""
    seen = set()
    for reference in sorted((*facts.imports, *facts.references), key=lambda found: found.line):
        if not is_forbidden(reference.name, rule):
            continue
        written = NAME.sub(r"\g<base>", reference.name).lstrip(":").removeprefix("?.")
        if (written, reference.line) not in seen:
            seen.add((written, reference.line))
            yield Reference(name=written, line=reference.line)


def is_forbidden(name: str, rule: str) -> bool:
    """Whether a rule refuses a name in the parser's notation, however long it is."""
    return _is_forbidden(name, rule) if len(name) <= REMEMBERED_CHARACTERS else _found(name, rule)


@lru_cache(maxsize=4096)
def _is_forbidden(name: str, rule: str) -> bool:
    return _found(name, rule)


def _found(name: str, rule: str) -> bool:
    table = FORBIDDEN[rule]
    match = NAME.fullmatch(name)
    base, use = (match["base"], match["use"]) if match else (name, "")
    parts = base.split(".")
    return (
        parts[0] in {f":{builtin}" for builtin in table.builtins}
        or not set(table.attributes).isdisjoint(parts[1:])
        or not set(table.uses).isdisjoint(_uses(parts, use))
        or any(_modules(rule).match(each) for each in _imported_forms(parts))
    )


def _uses(parts: list[str], use: str) -> Iterable[str]:
    yield use
    yield parts[-1] + use
    if len(parts) > 2 and parts[-2] == "__dict__" and parts[-1] in DICT_WRITES:
        yield "__dict__[]="
    if use == "=" and len(parts) > 1 and parts[0][:1] not in (":", "?"):
        yield "" if ".".join(parts).startswith(SETTINGS) else "module="


def _imported_forms(parts: list[str]) -> Iterator[str]:
    """The dotted name, and what it is when a module was reached through another one."""
    if parts[0][:1] in (":", "?"):
        return
    yield ".".join(parts)
    for index, part in enumerate(parts[1:], start=1):
        if part.lstrip("_") in HOISTED:
            yield ".".join([part.lstrip("_"), *parts[index + 1 : index + MOST_PARTS]])


@cache
def _modules(rule: str) -> re.Pattern[str]:
    patterns = [re.escape(each).replace(r"\*", r"\w*") for each in FORBIDDEN[rule].modules]
    return re.compile(rf"(?:{'|'.join(patterns)})(?:\.|$)")
