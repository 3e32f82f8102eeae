"""Statements that use what was fitted to training rows, and numbers that were counted of them.

Pure: what has no name in the script gets one there, and those edits are gathered beside.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from runner.seal.script import FITS, Scope, Script, base, called, given, names_in, reads

STATISTICS = ("mean", "std", "var", "min", "max", "median", "quantile", "mode")
"""What is computed of all rows, and kept as training had it, in the middle of an expression."""
BY_ROW = ("axis", "dim")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What is put into the script so that something in the middle of it is kept."""

    node: ast.AST
    text: str
    where: Literal["before", "after", "around"]
    """The node's statement; or the node itself, which gets a name."""


class Keeper(Protocol):
    """Who knows the script, and gathers what is kept."""

    script: Script
    lasting: tuple[Scope, ...]
    """Scopes whose names are there when things are saved."""
    recorded: list[Edit]

    def fresh(self, word: str) -> str:
        """Return a name that is free, under which something is kept from now on."""
        ...


class Trained(ast.NodeTransformer):
    """Lets a statement use what was fitted to training rows, and numbers that were counted of them.

    `scaler.fit_transform(x)` becomes `scaler.transform(x)`, and `x.mean()` a number that is kept.
    What has no name in the script gets one there.
    """

    def __init__(self, keeper: Keeper, scope: Scope, loop: ast.For | None) -> None:
        self.keeper, self.scope, self.loop = keeper, scope, loop
        self.kept: str | None = None
        """In a loop, the first thing that is kept for each column."""

    def of(self, statement: ast.stmt, value: ast.expr | None = None) -> Any:
        """Return a copy of a statement, or of a value in it."""
        self.statement = statement
        if self.scope not in self.keeper.lasting:
            return statement if value is None else value
        return self.visit(copy.deepcopy(statement if value is None else value))

    def visit(self, node: ast.AST) -> Any:
        """Visit a node, but for what has variables of its own."""
        apart = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
        return node if isinstance(node, apart) else super().visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Attribute):
            name, owner = node.func.attr, node.func.value
            if name == "fit_transform" or (name == "transform" and called(owner) == "fit"):
                return self._transform(node, owner)
            if name in STATISTICS and self._is_of_all_rows(node):
                return self._keep("kept", ast.unparse(node), "before")
        self.generic_visit(node)
        return node

    def _transform(self, node: ast.Call, owner: ast.expr) -> ast.AST:
        """Return the call with what was fitted."""
        maker = called(owner)
        if isinstance(owner, ast.Name):
            maker = self._maker(owner.id)
            fits = [call for call in self.scope.calls() if called(call) in FITS
                    and base(call.func) == owner.id]  # fmt: skip
            once = len(fits) == 1 and self.loop is None
            kept: ast.expr = (
                owner if once else self._keep("fitted", f"deepcopy({owner.id})", "after")
            )
            if not once:
                self._edit(self.loop or self.statement, "from copy import deepcopy", "before")
        elif self.loop is None:
            name = self.keeper.fresh("fitted")
            self._edit(owner, name, "around")
            kept = ast.Name(id=name, ctx=ast.Load())
        else:
            self._edit(owner, "fitted", "around")
            kept = self._keep("fitted", "fitted", "after")
        rows = self.visit(given(node))
        if maker == "LabelEncoder" and "pd" in self.keeper.script.imports:
            # A word that training did not have is no error, and none of its words.
            places = f"{{one: at for at, one in enumerate({ast.unparse(kept)}.classes_)}}"
            text = f"pd.Series({ast.unparse(rows)}).map({places}).fillna(-1).astype(int)"
            return ast.parse(text, mode="eval").body
        asked = ast.Attribute(value=kept, attr="transform", ctx=ast.Load())
        return ast.Call(func=asked, args=[rows], keywords=[])

    def _maker(self, name: str) -> str:
        """Return what makes a name's value."""
        made = [one.value for one in self.scope.statements if isinstance(one, ast.Assign)
                and names_in(one.targets[0]) == [name]]  # fmt: skip
        return called(made[-1]) if made else ""

    def _is_of_all_rows(self, node: ast.Call) -> bool:
        """Whether a statistic is one of all rows, and of rows."""
        words = [one.value for one in node.keywords if one.arg in BY_ROW]
        given = node.args
        if base(node.func) in self.keeper.script.imports:
            given = given[1:]  # behind the rows: `np.mean(x, 0)`
        if called(node) == "quantile":
            given = given[1:]
        along = [ast.unparse(one) for one in (*words, *given)]
        own = set(reads(node)) - {*self.keeper.script.imports, *self.keeper.script.defined}
        return set(along) <= {"0"} and bool(own) and "group" not in ast.unparse(node)

    def _keep(self, word: str, text: str, where: Literal["before", "after"]) -> ast.expr:
        """Keep a value before or after the statement, of a loop one for each column."""
        name = self.keeper.fresh(word)
        place = ast.Name(id=name, ctx=ast.Load())
        if self.loop is None:
            self._edit(self.statement, f"{name} = {text}", where)
            return place
        variable = ast.unparse(self.loop.target)
        self._edit(self.loop, f"{name} = {{}}", "before")
        self._edit(self.statement, f"{name}[{variable}] = {text}", where)
        self.kept = self.kept or name
        index = ast.Name(id=variable, ctx=ast.Load())
        return ast.Subscript(value=place, slice=index, ctx=ast.Load())

    def _edit(self, node: ast.AST, text: str, where: Literal["before", "after", "around"]) -> None:
        edit = Edit(node=node, text=text, where=where)
        if edit not in self.keeper.recorded:
            self.keeper.recorded.append(edit)
