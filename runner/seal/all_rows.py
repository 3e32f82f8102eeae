"""Statements and expressions without what chooses, orders or moves rows. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Container
from typing import Any, TypeVar

from runner.seal.script import base, bound_in, called, chain, given

CHANGES_ROWS = ("dropna", "sample", "drop_duplicates", "sort_values", "query", "head", "tail")
CHANCE = ("random", "np", "numpy", "rng")
"""What has a `sample` too, of anything but rows."""
ROWS = re.compile(
    r"(?:^|_)(?:idx|index|indices|ix|mask|train|test|val|valid|perm|order|keep|split|tr|te|va|trn|tst)"
    r"(?:_|\d|$)"
    r"|(?:idx|mask|perm)$",
    re.I,
)
"""How an index is called that chooses rows."""
NO_ROWS = re.compile(r"(^|_)(cols?|columns|features?|names|shape|argv)$", re.I)
SHUFFLES = ("load_files", "image_dataset_from_directory", "text_dataset_from_directory")
"""Calls that shuffle unless they are told not to."""
LOADER_CHANGES = ("shuffle", "sampler", "drop_last", "num_workers", "persistent_workers")


class _AllRows(ast.NodeTransformer):
    """Takes out what chooses, orders or moves rows: `x[test]`, `df.dropna()`, `x.to(device)`."""

    def __init__(self, bound: Container[str | None]) -> None:
        self.bound = bound
        """Variables of comprehensions and lambdas: each is one value of many, a text say."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load) or NO_ROWS.search(_last(node.value)):
            return node
        *_, start = chain(node.value)
        of_each = base(start) in self.bound and not isinstance(node.slice, ast.Name)
        if of_each or _last(node.value) == "str":
            return node  # a part of each text; but `x[test_idx] for x in (X, y)` chooses rows
        inside = node.value
        if isinstance(node.slice, ast.Tuple) and node.slice.elts and _chooses(node.slice.elts[0]):
            first: ast.expr = ast.Slice()
            node.slice = ast.Tuple(elts=[first, *node.slice.elts[1:]], ctx=ast.Load())
            return node
        if _chooses(node.slice):
            by_place = isinstance(inside, ast.Attribute) and inside.attr in ("iloc", "loc")
            return inside.value if by_place else inside  # type: ignore[attr-defined]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if called(node) == "get_dummies":  # which word is the first depends on the rows
            node.keywords = [one for one in node.keywords if one.arg != "drop_first"]
        if called(node) in SHUFFLES:
            kept = [one for one in node.keywords if one.arg != "shuffle"]
            node.keywords = [*kept, ast.keyword(arg="shuffle", value=ast.Constant(value=False))]
        if called(node) == "DataLoader":
            node.keywords = [one for one in node.keywords if one.arg not in LOADER_CHANGES]
        if called(node) == "Subset":
            return given(node)
        if not isinstance(node.func, ast.Attribute):
            return node
        name = node.func.attr
        across = any(
            one.arg == "axis" and "0" not in ast.unparse(one.value) for one in node.keywords
        )
        moves = name == "cuda" or (
            name == "to" and bool(node.args) and "dev" in ast.unparse(node.args[0]).lower()
        )
        by_chance = base(node.func) in CHANCE  # `random.sample(columns, 3)` is no table's
        if moves or (name in CHANGES_ROWS and not across and not by_chance):
            return node.func.value
        return node


def _last(node: ast.expr) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def _chooses(index: ast.expr) -> bool:
    """Whether an index chooses rows: a stretch, a comparison, or a name such as `test_idx`."""
    if isinstance(index, ast.Slice):
        # `both[:len(train)]` undoes what joined two tables.
        bounds = [one for one in (index.lower, index.upper) if one is not None]
        return bool(bounds) and not any(called(one) == "len" for one in bounds)
    if isinstance(index, ast.Subscript):
        return _chooses(index.value)
    if isinstance(index, ast.Name):
        return bool(ROWS.search(index.id)) and not NO_ROWS.search(index.id)
    inverted = isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.Invert)
    both = isinstance(index, ast.BinOp) and isinstance(index.op, ast.BitAnd | ast.BitOr)
    return inverted or both or isinstance(index, ast.Compare)


N = TypeVar("N", ast.expr, ast.stmt, ast.Assign)


def all_rows(node: N) -> N:
    """Return a copy of a statement or an expression that keeps all rows, in their order."""
    if isinstance(node, ast.expr):
        copy: Any = ast.parse(ast.unparse(node), mode="eval").body
    else:
        copy = ast.parse(ast.unparse(node)).body[0]
    changed: N = ast.fix_missing_locations(_AllRows(bound_in(copy)).visit(copy))
    return changed
