"""What a training script does, as far as sealing needs it: its scopes, names and their statements.

Pure: sources in, values out. Nothing of a script is run.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import PurePosixPath

Function = ast.FunctionDef | ast.AsyncFunctionDef
FITS = ("fit", "fit_transform", "partial_fit", "fit_resample")
TRAINERS = ("train", "fit")
"""Functions of libraries that return what they trained: `lgb.train`."""
MODULES = ("Module", "LightningModule", "Sequential")
BLOCKS = (ast.With, ast.AsyncWith, ast.For, ast.AsyncFor, ast.While, ast.Try)


class NotFoundError(Exception):
    """Nothing in the script answers for new rows; the message says what is missing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scope:
    """A script's own level, or a function in it."""

    function: Function | None
    body: list[ast.stmt]

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """Every statement in order; of loops and the like both head and body."""
        return list(_flat(self.body))

    @property
    def parameters(self) -> list[str]:
        if self.function is None:
            return []
        given = self.function.args
        return [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]

    def calls(self) -> Iterator[ast.Call]:
        for statement in self.statements:
            for node in own(statement):
                if isinstance(node, ast.Call):
                    yield node


@dataclass(frozen=True, kw_only=True)
class Script:
    """One source of a project."""

    path: str
    source: str
    tree: ast.Module = field(repr=False)
    command: str = ""
    """What runs the project, and may say other than an option's default."""

    @classmethod
    def read(cls, path: str, source: str, command: str = "") -> Script:
        return cls(path=path, source=source, tree=ast.parse(source), command=command)

    @cached_property
    def scopes(self) -> list[Scope]:
        functions = [node for node in ast.walk(self.tree) if isinstance(node, Function)]
        top = Scope(function=None, body=self.tree.body)
        return [top, *(Scope(function=node, body=node.body) for node in functions)]

    @property
    def top(self) -> Scope:
        return self.scopes[0]

    @cached_property
    def imports(self) -> dict[str, str]:
        """Name → the statement that imports it."""
        found = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    if isinstance(node, ast.ImportFrom) and node.level:
                        node = self._absolute(node)
                    one = type(node)(**{**dict(ast.iter_fields(node)), "names": [alias]})
                    name = alias.asname or alias.name.partition(".")[0]
                    found[name] = ast.unparse(ast.fix_missing_locations(one))
        return found

    def _absolute(self, node: ast.ImportFrom) -> ast.ImportFrom:
        folder = PurePosixPath(self.path).parent.parts
        above = folder[: len(folder) - node.level + 1]
        module = ".".join([*above, *([node.module] if node.module else [])])
        return ast.ImportFrom(module=module, names=node.names, level=0)

    @cached_property
    def module(self) -> str:
        """What the script is imported as: by its package where it imports its neighbours so."""
        place = PurePosixPath(self.path.removesuffix(".py"))
        relative = any(isinstance(one, ast.ImportFrom) and one.level for one in ast.walk(self.tree))
        return ".".join(place.parts) if relative else place.name

    @cached_property
    def defined(self) -> dict[str, ast.stmt]:
        """Functions and classes of the script's own level."""
        kinds = (*Function.__args__, ast.ClassDef)
        return {node.name: node for node in self.tree.body if isinstance(node, kinds)}

    @cached_property
    def guarded(self) -> bool:
        """Whether importing the script runs nothing."""
        quiet = (ast.Import, ast.ImportFrom, *Function.__args__, ast.ClassDef, ast.Assign,
                 ast.AnnAssign)  # fmt: skip
        return all(
            isinstance(node, quiet)
            or is_guard(node)
            or is_words(node)
            or (isinstance(node, ast.Try) and all(isinstance(one, quiet) for one in node.body))
            for node in self.tree.body
        )

    def constant(self, node: ast.expr | None) -> str | None:
        """Return the text that an expression is, itself, by a name, or as a setting's default."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.Attribute):
            return self._default(node.attr)
        if isinstance(node, ast.Name):
            for one in self.top.statements:
                if isinstance(one, ast.Assign) and names_in(one.targets[0]) == [node.id]:
                    value = one.value
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        return value.value
        return None

    def _default(self, name: str) -> str | None:
        """Return a setting, a field of a class or an option: what the command says, or its default.

        What only the shell can tell is none.
        """
        own: set[object] = {f"--{name.replace('_', '-')}", f"--{name}"}
        for node in ast.walk(self.tree):
            default: ast.expr | None = None
            if isinstance(node, ast.AnnAssign) and names_in(node.target) == [name]:
                flags, default = own, node.value
            elif called(node) == "add_argument" and isinstance(node, ast.Call):
                flags = {one.value for one in node.args if isinstance(one, ast.Constant)}
                default = next((one.value for one in node.keywords if one.arg == "default"), None)
            else:
                continue
            if flags & own:
                said = self._said(flags)
                if said is None:
                    return self.constant(default)
                return None if re.search(r"[{}$`*]", said) else said
        return None

    def _said(self, flags: Container[object]) -> str | None:
        """Return what the command gives to an option, the last time."""
        try:
            words = shlex.split(self.command)
        except ValueError:  # only the shell can tell
            return None
        said = None
        for word, after in pairwise([*words, ""]):
            flag, equals, value = word.partition("=")
            if flag in flags and (equals or not after.startswith("-")):
                said = value if equals else after
        return said

    def called_from(self, scope: Scope) -> tuple[Scope, ast.Call] | None:
        """Return the last call of a function in the script, with where it is."""
        if scope.function is None:
            return None
        found = None
        for other in self.scopes:
            for call in other.calls():
                if isinstance(call.func, ast.Name) and call.func.id == scope.function.name:
                    found = other, call
        return found


def is_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def is_words(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef):
            continue
        if is_guard(node):
            yield from _flat(node.body)  # type: ignore[attr-defined]
            continue
        yield node
        if isinstance(node, BLOCKS):
            yield from _flat(node.body)
        elif isinstance(node, ast.If):
            yield from _flat([*node.body, *node.orelse])


def own(statement: ast.stmt) -> Iterator[ast.AST]:
    """Walk a statement without the statements inside it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.stmt)]


def names_in(node: ast.expr) -> list[str]:
    """Return the plain names that an assignment's target is."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Tuple | ast.List):
        return [name for one in node.elts for name in names_in(one)]
    return []


def base(node: ast.expr) -> str | None:
    """Return the name at the start of `name.loc[...].x`."""
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def chain(node: ast.expr) -> Iterator[ast.expr]:
    """Yield a value and what it is taken from, in steps: `df.a.unique()[:5]` down to `df`."""
    yield node
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Call):
        taken = node.func if isinstance(node, ast.Call) else node
        node = taken.value if isinstance(taken, ast.Subscript | ast.Attribute) else taken
        yield node


def bound_in(node: ast.AST) -> set[str]:
    """Return the variables of the comprehensions and lambdas in an expression or a statement."""
    bound = {
        name
        for one in ast.walk(node)
        if isinstance(one, ast.comprehension)
        for name in names_in(one.target)
    }
    return bound | {
        one.arg for each in ast.walk(node) if isinstance(each, ast.Lambda) for one in each.args.args
    }


def reads(node: ast.AST) -> list[str]:
    """Return the names that an expression or a statement reads, but those of comprehensions."""
    bound = bound_in(node)
    found = [
        one.id
        for one in ast.walk(node)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load) and one.id not in bound
    ]
    return list(dict.fromkeys(found))


def given(call: ast.Call) -> ast.expr:
    """Return what a call is given first, by its place or by its name.

    Raises:
        NotFoundError: it is given nothing, or all of a list.
    """
    if call.args and not isinstance(call.args[0], ast.Starred):
        return call.args[0]
    if call.keywords and not call.args:
        return call.keywords[0].value
    raise NotFoundError(f"what {called(call)}() at line {call.lineno} is given")


def called(node: ast.AST | None) -> str:
    """Return the last part of what a call calls: `fit` of `model.fit(x)`."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
