"""Facts of one Python source: read from standard input, written as JSON to standard output.

The source is parsed, never compiled or executed. Run by path (`python -I -S parser.py`), this file
imports nothing of ours. A source that harms a parser therefore harms only this process, which
limits itself first.

What this does not protect against: code that hides what it does.
Names are followed through imports alone.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import resource
import sys
import tokenize
from collections.abc import Iterable, Iterator
from typing import Any

LIMITS = {
    resource.RLIMIT_AS: 768 << 20,
    resource.RLIMIT_CPU: 5,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
}
MAX_DEPTH = 150
MAX_NODES = 300_000
MAX_FACTS = 20_000
MAX_FACT_CHARACTERS = 4_000_000
"""Of all names together: a rule looks at each name whole, and is answered in bounded space."""
MAX_REASON = 120

Names = frozenset[str]
Aliases = dict[str, Names]
SEED_NAME = re.compile(
    r"(.*_)?(seeds?|random_state)(_?\d+)?|seed_(value|base|offset|start)", re.IGNORECASE
)
SEED_COUNT = re.compile(r"(.*_)?(n|num|number|count|max)_(of_)?seeds?", re.IGNORECASE)
SEEDERS = frozenset(
    (
        *("manual_seed", "manual_seed_all", "seed", "seed_all", "set_seed", "seed_everything"),
        *("default_rng", "RandomState", "SeedSequence", "Random", "PRNGKey"),
        *("PCG64", "PCG64DXSM", "Philox", "MT19937", "SFC64"),
    )
)
MASK = ast.Constant(value=0)
PLAIN = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.Subscript),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.IfExp, ast.Compare),
)
LOOKUPS = frozenset(("field", "get", "getenv", "int"))
"""Calls that give a seed which is written beside them: `cfg.get("seed", 1)`."""


def facts(source: str) -> dict[str, Any]:
    """Everything that review wants to know of a source; raises when it cannot be had."""
    tree = ast.parse(source)
    nodes = list(shallow(tree))
    found = list(imports(nodes))
    aliases = aliases_of(found)
    normal = Normal().visit(tree)
    return {
        "imports": capped((target, line) for _, target, line in found),
        "references": capped(references(nodes, own_names(nodes) | aliases)),
        "odd_names": capped(odd_names(source, nodes)),
        "lines": len(ast.unparse(normal).splitlines()),
        "fingerprint": fingerprint(normal),
        "fingerprint_without_seeds": fingerprint(Seedless(aliases).visit(tree)),
    }


def capped(found: Any) -> list[tuple[str, int]]:
    """Each fact once, in order; too many is a refusal, for a dropped one could be the one."""
    unique: set[tuple[str, int]] = set()
    characters = 0
    for fact in found:
        if fact not in unique:
            unique.add(fact)
            characters += len(fact[0])
        if len(unique) > MAX_FACTS or characters > MAX_FACT_CHARACTERS:
            raise ValueError("it holds too many names")
    return sorted(unique, key=lambda fact: fact[::-1])


def shallow(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node, without recursion; raises where later recursion would not be safe."""
    pending = [(tree, 0)]
    seen = 0
    while pending:
        node, depth = pending.pop()
        seen += 1
        if depth > MAX_DEPTH:
            raise RecursionError(f"it is nested more than {MAX_DEPTH} levels deep")
        if seen > MAX_NODES:
            raise ValueError("it is too large a program")
        yield node
        pending += [(child, depth + 1) for child in ast.iter_child_nodes(node)]


def imports(nodes: list[ast.AST]) -> Iterator[tuple[str, str, int]]:
    """Each import as the name that it binds, what that stands for, and its line."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.asname or "", alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (f"{node.module}." if node.module else "")
            for alias in node.names:
                yield alias.asname or alias.name, f"{origin}{alias.name}", node.lineno


def aliases_of(found: list[tuple[str, str, int]]) -> Aliases:
    """What each name may stand for: the dotted names that it was imported as."""
    aliases: Aliases = {}
    for name, target, _ in found:
        first = target.partition(".")[0]  # `import a.b` binds `a`
        bound, stands_for = (name, target) if name else (first, first)
        aliases[bound] = aliases.get(bound, frozenset()) | {stands_for}
        if len(aliases[bound]) > 64:
            raise ValueError("a name stands for too many things")
    return aliases


def own_names(nodes: list[ast.AST]) -> Aliases:
    """What the source calls by a name itself, as an alias of nothing: `compile = True`.

    Names of a class are reached through it alone, and `exec = exec` is still the builtin.
    """
    of_classes = {
        id(each)
        for node in nodes if isinstance(node, ast.ClassDef)
        for statement in node.body
        for each in (statement, *ast.iter_child_nodes(statement))
    }  # fmt: skip
    bound, kept = set[str](), set[str]()
    for node in nodes:
        if id(node) not in of_classes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                bound.add(node.name)
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            kept.update(same_names((target, node.value) for target in targets))
        elif isinstance(node, ast.arguments):
            kept.update(same_names(defaults(node)))
    return dict.fromkeys(bound - kept, frozenset("?"))


def same_names(pairs: Iterable[tuple[ast.AST, ast.AST | None]]) -> Iterator[str]:
    """Each name that is given what it stands for already."""
    for target, value in pairs:
        name = getattr(target, "id", getattr(target, "arg", None))
        if isinstance(value, ast.Name) and value.id == name:
            yield value.id


def defaults(node: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr]]:
    """Each argument that has a default, with it."""
    named = [*node.posonlyargs, *node.args]
    yield from zip(named[len(named) - len(node.defaults) :], node.defaults, strict=True)
    for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True):
        if value is not None:
            yield arg, value


def dotted(node: ast.AST, aliases: Aliases) -> Names:
    """`os.system` if imported, `:eval` for a builtin, `?.x` below anything else."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id) or frozenset((f":{node.id}",))
    if isinstance(node, ast.Attribute):
        return frozenset(f"{base}.{node.attr}" for base in dotted(node.value, aliases))
    return frozenset("?")


def references(nodes: list[ast.AST], aliases: Aliases) -> Iterator[tuple[str, int]]:
    """Every name in its longest dotted form, but for those that are only given a value."""
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        is_given = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner and not is_given:
            yield from ((name, node.lineno) for name in dotted(node, aliases))


def odd_names(source: str, nodes: list[ast.AST]) -> Iterator[tuple[str, int]]:
    """Names outside ASCII as they are written, before Python folds them.

    In the tree, too: tokens do not reach into formatted strings.
    """
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and not token.string.isascii():
            yield ascii(token.string)[1:-1], token.start[0]
    for node in nodes:
        for field in ("id", "attr", "arg", "name", "asname"):
            name = getattr(node, field, None)
            if isinstance(name, str) and not name.isascii():
                yield ascii(name)[1:-1], getattr(node, "lineno", 0)


def fingerprint(tree: ast.AST) -> str:
    return hashlib.sha256(ast.dump(tree).encode(errors="backslashreplace")).hexdigest()


class Normal(ast.NodeTransformer):
    """Drops what changes nothing when the program runs: docstrings and stray constants."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        node.kind = None
        return node


class Seedless(ast.NodeTransformer):
    """Replaces what only chooses a seed, so that two seeds give one tree."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases

    def visit(self, node: ast.AST) -> Any:
        visited = super().visit(node)
        targets: list[ast.AST] = []
        if isinstance(node, ast.Assign):
            targets += node.targets
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value:
            targets.append(node.target)
        elif isinstance(node, ast.keyword):
            targets.append(node)
        for target in targets:
            node.value = seedless(target, node.value)  # type: ignore[attr-defined] # each has one
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            items = node.iter.elts if isinstance(node.iter, ast.List | ast.Tuple) else []
            items[:] = [seedless(node.target, item) for item in items]
        return visited

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        seeds = isinstance(node.value, ast.Call) and self._is_seeder(node.value)
        return None if seeds else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if self._is_seeder(node):
            node.args, node.keywords = [], []
        elif any(map(is_seed_option, node.args)):
            for each in node.keywords:
                each.value = masked(each.value) if each.arg == "default" else each.value
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        pairs = zip(node.keys, node.values, strict=True)
        node.values = [masked(value) if is_seed(key) else value for key, value in pairs]
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        self.generic_visit(node)
        named = [*node.posonlyargs, *node.args]
        pairs = zip(named[len(named) - len(node.defaults) :], node.defaults, strict=True)
        node.defaults = [masked(value) if is_seed(arg) else value for arg, value in pairs]
        keyword_pairs = zip(node.kwonlyargs, node.kw_defaults, strict=True)
        node.kw_defaults = [masked(v) if v and is_seed(arg) else v for arg, v in keyword_pairs]
        return node

    def _is_seeder(self, node: ast.Call) -> bool:
        names = dotted(node.func, self._aliases)
        return any(name.lstrip(":").rpartition(".")[2] in SEEDERS for name in names)


def seedless(target: ast.AST, value: ast.expr) -> ast.expr:
    """Mask a value as far as it is given to a seed: `rate, seed = 0.1, 1`."""
    if is_seed(target):
        return masked(value)
    several = ast.List | ast.Tuple
    if (
        isinstance(target, several)
        and isinstance(value, several)
        and len(target.elts) == len(value.elts)
    ):
        value.elts = list(map(seedless, target.elts, value.elts))
    return value


def masked(value: ast.expr) -> ast.expr:
    """Replace a seed, or each of several, whose number means something; nothing that is called."""
    if isinstance(value, ast.List | ast.Tuple):
        return ast.Tuple(elts=list(map(masked, value.elts)), ctx=ast.Load())
    return MASK if is_plain(value) else value


def is_plain(value: ast.expr) -> bool:
    """Whether a value is written down, looked up, or computed from such: `args.seed + 7 * rank`."""
    inner = [each for each in ast.iter_child_nodes(value) if isinstance(each, ast.expr)]
    if isinstance(value, ast.Call):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else value.func
        called = name.id if isinstance(name, ast.Name) else name
        inner = [*value.args, *(each.value for each in value.keywords)]
        return called in LOOKUPS and all(map(is_plain, inner))
    return isinstance(value, PLAIN) and all(map(is_plain, inner))


def is_seed(node: ast.AST | None) -> bool:
    """Whether a target, argument, keyword or key is named after a seed, and not a count of them."""
    if isinstance(node, ast.Subscript):
        return is_seed(node.slice)
    name = node.value if isinstance(node, ast.Constant) else None
    for field in ("id", "attr", "arg"):
        name = name or getattr(node, field, None)
    if not isinstance(name, str) or SEED_COUNT.fullmatch(name):
        return False
    return SEED_NAME.fullmatch(name) is not None


def is_seed_option(node: ast.expr) -> bool:
    """Whether an argument is the name of a seed's option: `--seed`."""
    name = node.value if isinstance(node, ast.Constant) else None
    return isinstance(name, str) and is_seed(ast.Constant(name.lstrip("-").replace("-", "_")))


def refusal(error: Exception) -> dict[str, Any]:
    line, reason = None, str(error)[:MAX_REASON]
    if "int_max_str_digits" in str(error):
        reason = "it holds an integer of too many digits"
    elif isinstance(error, SyntaxError):
        line, reason = error.lineno, str(error.msg)[:MAX_REASON]
    elif isinstance(error, MemoryError) or "recursion" in reason:
        reason = "it is nested too deeply or too large for the parser"
    return {"error": reason, "line": line}


def main() -> None:
    for kind, most in LIMITS.items():  # before a single untrusted byte is read
        resource.setrlimit(kind, (most, most))
    sys.setrecursionlimit(5_000)
    source = sys.stdin.buffer.read()
    try:
        answer = facts(source.decode("utf-8-sig"))  # Python reads over the mark as well
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
        answer = refusal(error)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
