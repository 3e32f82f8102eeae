"""How a script itself answers for new rows: from where it reads them to the model that it asks.

The last question to a fitted model is looked for, `model.predict(x)` or `net(x)`, and then,
backwards, every statement that made `x` of the rows that were read. Splitting, shuffling and
dropping rows are left out. What was learned or counted in training is not made again: it is kept.

Pure: sources in, values out.

What this does not protect against: a script that does something else to its test rows than it
seems to. So the sealed score is compared with the reported one.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard, TypeVar

from runner.seal.reading import TARGETS
from runner.seal.script import (
    FITS,
    MODULES,
    TRAINERS,
    Scope,
    Script,
    base,
    called,
    names_in,
    own,
    reads,
)
from runner.seal.trained import Edit, Trained

VALIDATED = ("cross_val_score", "cross_validate", "cross_val_predict")
BEST = "best_estimator_"
FITTED, LEAST = "fitted_model", -9
"""What a model without a name is called, and the rank of one that is only tried on folds."""
QUESTIONS = ("predict_proba", "predict", "decision_function", "score")
SUMMARIES = (
    *("mean", "std", "var", "min", "max", "median", "quantile", "sum", "mode", "unique", "nunique"),
    *("value_counts", "tolist", "len", "sorted", "set", "list", "dict", "keys", "items", "columns"),
    *("device", "parse_args", "select_dtypes", "shape", "size", "amin", "amax", "count"),
)
"""What does not carry rows but tells something about them: it is kept from training."""
CHANGES_ROWS = ("dropna", "sample", "drop_duplicates", "sort_values", "query", "head", "tail")
IN_PLACE = ("insert", "pop")
ROWS = re.compile(
    r"(?:^|_)(?:idx|index|indices|ix|mask|train|test|val|valid|perm|order|keep|split|tr|te|va|trn|tst)"
    r"(?:_|\d|$)"
    r"|(?:idx|mask|perm)$",
    re.I,
)
"""How an index is called that chooses rows."""
NO_ROWS = re.compile(r"(^|_)(cols?|columns|features?|names|shape|argv)$", re.I)
SETTINGS = re.compile(
    r"^(args|opts?|cfg|config|conf|hparams?|params|device|parser|log|logger)$", re.I
)
"""Names of what is the same in training and afterwards: it is kept."""
WEIGHTS = ("parameters", "state_dict", "eval", "named_parameters")
"""What only a network is called for."""
PARTS = re.compile(
    r"train_test_split|random_split|Subset\(|\.sample\(|permutation|randperm|shuffle\(|\[:\s*\w+\]"
)
DUMMIES = (
    "its pd.get_dummies makes columns of the rows that are asked: reindex them as training had them"
)
FRAMES = ("get_dummies", "concat", "join", "merge", "astype", "assign", "drop", "fillna")
"""Calls that give a table, whose columns can be kept."""
TOLD = (
    (
        re.compile(r"factorize\(|\.cat\.codes|\.rank\(|qcut\(|groupby\("),
        "its groupby, pd.factorize, .cat.codes, rank or qcut go by what is among the rows that are "
        "asked: keep what training had",
    ),
    (
        re.compile(r"\.(?:shift|rolling|diff|expanding|ewm|cumsum|pct_change)\("),
        "its shift, rolling or diff look at neighbouring rows, and those that are asked lie in a "
        "drawn order",
    ),
)
"""What a statement may do → what is said of it, as other rows come to other values."""
FITTED_ANEW = (
    "{} fits to the rows that are asked what it changes them with: let training keep that, and use "
    "it in predict"
)
SHUFFLES = ("load_files", "image_dataset_from_directory", "text_dataset_from_directory")
"""Calls that shuffle unless they are told not to."""
LOADER_CHANGES = ("shuffle", "sampler", "drop_last", "num_workers", "persistent_workers")
BUILTINS = frozenset((*dir(builtins), "__file__"))


class NotFoundError(Exception):
    """Nothing in the script answers for new rows; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Answering:
    """How a script answers for new rows."""

    script: Script
    scope: Scope
    """In which the statements stand, and at whose end everything that is kept is there."""
    lines: tuple[str, ...]
    """Statements that make what the model is asked of the rows that are read."""
    model: str
    asked: str
    """The expression that is given to the model."""
    method: str | None
    """None where the model itself is called, as a network is."""
    kept: tuple[str, ...]
    """Names that only training has, the model last."""
    recorded: tuple[Edit, ...] = ()
    notes: tuple[str, ...] = field(default=())


def answering(script: Script, modules: Mapping[str, Script]) -> Answering:
    """Return how a script answers for new rows.

    Args:
        script: the one that is run.
        modules: the project's other sources, by the names that they are imported by.

    Raises:
        NotFoundError: nothing fitted is asked about rows that were read.
    """
    networks = _networks(script, modules)
    questions = list(_questions(script, networks))
    if not questions:
        raise NotFoundError("no fitted model in it is asked: model.predict(x), or net(x)")
    why: NotFoundError | None = None
    # Of those that are as likely, the last.
    for _, question in sorted(enumerate(questions), key=lambda one: (one[1].rank, one[0]))[::-1]:
        try:
            return _Slice(script, networks, modules).of(question)
        except NotFoundError as error:
            why = why or error
    assert why is not None  # noqa: S101 - every one of them failed
    raise why


# -- what is learned --------------------------------------------------------------------------


def _networks(script: Script, modules: Mapping[str, Script]) -> set[str]:
    """Name the classes of the project that are networks of torch, by what they inherit."""
    found: set[str] = {"Sequential"}
    for source in (*modules.values(), script):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                above = {getattr(one, "attr", getattr(one, "id", "")) for one in node.bases}
                if above & {*MODULES, *found}:
                    found.add(node.name)
    return found


def learned(script: Script, scope: Scope, networks: set[str]) -> list[str]:
    """Name what is fitted in a scope, in the order of the first fits."""
    found: dict[str, None] = {}
    for statement in scope.statements:
        for node in own(statement):
            if isinstance(node, ast.Call) and called(node) in FITS:
                owner = node.func.value if isinstance(node.func, ast.Attribute) else None
                if isinstance(owner, ast.Name) and owner.id not in script.imports:
                    found[owner.id] = None
        if isinstance(statement, ast.Assign) and (
            _learns(script, statement.value, networks)
            or (getattr(statement.value, "attr", "") == BEST and base(statement.value) in found)
        ):
            target = statement.targets[0]
            names = names_in(target)
            if isinstance(target, ast.Tuple):
                names = _returned_places(script, statement.value, names, networks)
            found |= dict.fromkeys(names)
    found |= dict.fromkeys(name for name in _weighted(scope) if name not in scope.parameters)
    return list(found)


def _learns(script: Script, value: ast.expr, networks: set[str]) -> bool:
    """Whether a value is something fitted: `X().fit(x)`, `lgb.train(...)`, `Net().to(device)`."""
    if called(value) in (*QUESTIONS, "transform", "fit_transform"):
        return False  # what it said
    while isinstance(value, ast.Call):
        name = called(value)
        if name in networks:
            return True
        if isinstance(value.func, ast.Name):
            return bool(_returns(script, name, networks))
        if not isinstance(value.func, ast.Attribute):
            return False
        owner = value.func.value
        if name in TRAINERS and isinstance(owner, ast.Name) and owner.id in script.imports:
            return True
        if name == "fit" and isinstance(owner, ast.Call):
            return True
        value = owner
    return False


def _returns(script: Script, function: str, networks: set[str]) -> list[int]:
    """Return the places at which a function of the script returns something that it fitted."""
    for scope in script.scopes[1:]:
        if scope.function is not None and scope.function.name == function:
            fitted = set(learned(script, scope, networks)) - set(scope.parameters)
            for statement in scope.statements:
                if isinstance(statement, ast.Return) and statement.value is not None:
                    value = statement.value
                    parts = value.elts if isinstance(value, ast.Tuple) else [value]
                    return [
                        place for place, one in enumerate(parts)
                        if base(one) in fitted or _learns(script, one, networks)
                    ]  # fmt: skip
    return []


def _returned_places(
    script: Script, value: ast.expr, names: list[str], networks: set[str]
) -> list[str]:
    places = _returns(script, called(value), networks)
    return [name for place, name in enumerate(names) if place in places]


# -- what is asked ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Question:
    scope: Scope
    """Where the call stands."""
    home: Scope
    """Where the model was fitted."""
    statement: ast.stmt
    model: str
    method: str | None
    given: ast.expr
    rank: int
    fit: str | None = None
    """A line after the statement that fits the model, where the script only tries it on folds."""


def _questions(script: Script, networks: set[str]) -> Iterator[_Question]:
    """Yield every question to something fitted, with how likely it is the one that is scored."""
    fitted = {scope: learned(script, scope, networks) for scope in script.scopes}
    for scope in script.scopes:
        for statement in scope.statements:
            for call in (one for one in own(statement) if isinstance(one, ast.Call)):
                method, owner = None, call.func
                if isinstance(owner, ast.Attribute):
                    method, owner = owner.attr, owner.value
                if not isinstance(owner, ast.Name) or not call.args:
                    continue
                if method is not None and method not in QUESTIONS:
                    continue
                found = _home(script, scope, owner.id, fitted)
                if found is None or (method is None and not _is_network(script, found, networks)):
                    continue
                home, model = found
                words = " ".join(reads(call.args[0]))
                rank = 2 * bool(re.search(r"test|val|hold|eval", words + _name(scope), re.I))
                rank -= 2 * bool(re.search(r"train", words + _name(scope), re.I))
                rank += isinstance(statement, ast.Assign) - isinstance(statement, ast.AugAssign)
                yield _Question(
                    scope=scope, home=home, statement=statement, model=model, method=method,
                    given=call.args[0], rank=rank,
                )  # fmt: skip
    yield from _on_folds(script)


def _on_folds(script: Script) -> Iterator[_Question]:
    """Yield models that are only tried on folds: `cross_val_score(model, X, y)`."""
    for scope in script.scopes:
        for statement in scope.statements:
            for call in (one for one in own(statement) if called(one) in VALIDATED):
                model, *given = call.args if isinstance(call, ast.Call) else []
                if len(given) < 2:
                    continue
                name, fitted = ast.unparse(model), f".fit({', '.join(map(ast.unparse, given[:2]))})"
                named = isinstance(model, ast.Name)
                yield _Question(
                    scope=scope, home=scope, statement=statement, method="predict",
                    model=name if named else FITTED, given=given[0], rank=LEAST,
                    fit=f"{name}{fitted}" if named else f"{FITTED} = {name}{fitted}",
                )  # fmt: skip


def _name(scope: Scope) -> str:
    return f" {scope.function.name}" if scope.function is not None else ""


def _home(
    script: Script, scope: Scope, name: str, fitted: dict[Scope, list[str]]
) -> tuple[Scope, str] | None:
    """Return where something fitted is fitted, and its name there, through arguments of calls."""
    seen = 0
    while scope.function is not None and name in scope.parameters and seen < 5:
        argument = _argument(script, scope, name)
        if argument is None or not isinstance(argument[1], ast.Name):
            return None
        scope, name, seen = argument[0], argument[1].id, seen + 1
    for place in (scope, script.top):
        if name in fitted[place]:
            return place, name
    return None


def _is_network(script: Script, found: tuple[Scope, str], networks: set[str]) -> bool:
    scope, name = found
    made = any(
        isinstance(one, ast.Assign) and name in names_in(one.targets[0])
        and _learns(script, one.value, networks)
        for one in scope.statements
    )  # fmt: skip
    return made or name in _weighted(scope)


def _weighted(scope: Scope) -> list[str]:
    """Name what a scope asks for its weights."""
    return [
        call.func.value.id for call in scope.calls()
        if isinstance(call.func, ast.Attribute) and call.func.attr in WEIGHTS
        and isinstance(call.func.value, ast.Name)
    ]  # fmt: skip


def _argument(script: Script, scope: Scope, name: str) -> tuple[Scope, ast.expr, ast.Call] | None:
    """Return what a function of the script is given for a parameter, and where."""
    found = script.called_from(scope)
    if found is None:
        return None
    caller, call = found
    for keyword in call.keywords:
        if keyword.arg == name:
            return caller, keyword.value, call
    place = scope.parameters.index(name)
    return (caller, call.args[place], call) if place < len(call.args) else None


# -- back to the rows -------------------------------------------------------------------------


class _Slice:
    """Collects statements backwards, and what is kept from training instead."""

    def __init__(self, script: Script, networks: set[str], others: Mapping[str, Script]) -> None:
        self.script, self.networks, self.others = script, networks, others
        self.kept: dict[str, None] = {}
        self.notes: dict[str, None] = {}
        self.recorded: list[Edit] = []
        self.lasting: tuple[Scope, ...] = ()

    def of(self, question: _Question) -> Answering:
        self.lasting = (question.home, self.script.top)
        if question.fit is not None:
            self.recorded.append(Edit(node=question.statement, text=question.fit, where="after"))
        asked = _all_rows(question.given)
        lines = self.lines(question.scope, question.statement, reads(asked))
        return Answering(
            script=self.script,
            scope=question.home,
            lines=tuple(lines),
            model=question.model,
            asked=ast.unparse(asked),
            method=question.method,
            kept=(*(name for name in self.kept if name != question.model), question.model),
            recorded=tuple(self.recorded),
            notes=tuple(self.notes),
        )

    def lines(self, scope: Scope, until: ast.stmt, wanted: list[str]) -> list[str]:
        """Return the statements before one that make what is wanted, those of callers first."""
        fitted = set(learned(self.script, scope, self.networks))
        needed, found = set(wanted), list[str]()
        place = next(at for at, one in enumerate(scope.statements) if one is until)
        loops = {inside: loop for loop in scope.statements if _is_over_columns(loop)
                 for inside in ast.walk(loop) if isinstance(inside, ast.stmt)}  # fmt: skip
        done = set[ast.stmt]()
        for statement in reversed(scope.statements[:place]):
            self._set_aside(needed, fitted)
            loop = loops.get(statement)
            if loop is None:
                found[:0] = self._made(scope, statement, needed)
            elif loop not in done:
                done.add(loop)
                found[:0] = self._over_columns(scope, loop, needed, fitted)
        self._set_aside(needed, fitted)
        for name in sorted(needed & set(scope.parameters)):
            found[:0] = self._given(scope, name)
            needed.discard(name)
        top = self.script.top
        if needed and scope is not top:
            found[:0] = self.lines(top, top.statements[-1], sorted(needed))
        elif needed:
            raise NotFoundError(f"where {', '.join(sorted(needed))} comes from is not plain")
        return list(dict.fromkeys(found))

    def _set_aside(self, needed: set[str], fitted: set[str]) -> None:
        """Take out of what is needed everything that imports give, or training keeps."""
        for name in list(needed):
            if name in fitted or SETTINGS.match(name):
                self.kept[name] = None
                needed.discard(name)
            elif name in {*self.kept, *self.script.imports, *self.script.defined, *BUILTINS}:
                needed.discard(name)

    def _given(self, scope: Scope, name: str) -> list[str]:
        """Return the statements that make what a function is given, in the place that calls it."""
        argument = _argument(self.script, scope, name)
        if argument is None:
            raise NotFoundError(f"where {name!r} of{_name(scope)}() comes from is not plain")
        caller, value, call = argument
        if _is_summary(value):
            self.kept[name] = None
            return []
        value = _all_rows(value)
        above = next(one for one in caller.statements if call in own(one))
        renamed = [] if ast.unparse(value) == name else [f"{name} = {ast.unparse(value)}"]
        return [*self.lines(caller, above, reads(value)), *renamed]

    def _made(self, scope: Scope, statement: ast.stmt, needed: set[str]) -> list[str]:
        """Return what of a statement makes something needed; what that reads is needed before."""
        if isinstance(statement, ast.For):
            return self._looped(statement, needed)
        if isinstance(statement, ast.With):
            return self._opened(statement, needed)
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
            if set(names_in(target)) & needed:
                return self._assigned(scope, statement, target, needed)
            each = target.elts if isinstance(target, ast.Tuple) else [target]
            changes = any(base(one) in needed for one in each)
        elif isinstance(statement, ast.AugAssign):
            changes = base(statement.target) in needed
        else:
            changes = False
        if not changes and not _is_in_place(statement, needed):
            return []
        made = _all_rows(self._as_trained(scope, statement))
        needed.update(reads(made))
        return [ast.unparse(made)]

    def _assigned(
        self, scope: Scope, statement: ast.Assign, target: ast.expr, needed: set[str]
    ) -> list[str]:
        parts = _parts(statement.value, target)
        for name in sorted(set(names_in(target)) & needed):
            if _is_summary(parts.get(name, statement.value)):
                self.kept[name] = None
                needed.discard(name)
        names = [name for name in names_in(target) if name in needed]
        if not names:
            return []
        needed.difference_update(names)
        if parts:
            kept = {name: self._as_trained(scope, statement, parts[name]) for name in names}
            whole = {name: _all_rows(value) for name, value in kept.items()}
            needed.update(one for value in whole.values() for one in reads(value))
            written = {name: ast.unparse(value) for name, value in whole.items()}
            return [f"{name} = {value}" for name, value in written.items() if value != name]
        self._refuse_parting(statement.value)
        made = _all_rows(self._as_trained(scope, statement))
        needed.update(reads(made))
        text = ast.unparse(made)
        if self._makes_columns(statement.value):
            plain = called(statement.value) in {*FRAMES, *self._functions()}
            if plain and scope in self.lasting and isinstance(target, ast.Name):
                return [text, self._columns_of(statement, names[0])]
            self.notes[DUMMIES] = None
        # `df = df.dropna()` does nothing else than to leave rows out.
        return [] if len(names) == 1 and text == f"{names[0]} = {names[0]}" else [text]

    def _makes_columns(self, value: ast.expr) -> bool:
        """Whether a table gets a column for each word that is among its rows."""
        calls, functions = {called(node) for node in ast.walk(value)}, self._functions()
        own = [functions[name] for name in calls & set(functions)]
        return "get_dummies" in calls or any("get_dummies(" in ast.unparse(one) for one in own)

    def _functions(self) -> dict[str, ast.stmt]:
        """Return the project's own functions and classes, those of other modules too."""
        scripts = (*self.others.values(), self.script)
        return {name: node for script in scripts for name, node in script.defined.items()}

    def _columns_of(self, statement: ast.stmt, name: str) -> str:
        """Keep the columns that training has after a statement, and return what gives them back."""
        kept = f"{name}_columns" + "_" * sum(one.startswith(f"{name}_columns") for one in self.kept)
        self.kept[kept] = None
        self.recorded.append(
            Edit(node=statement, text=f"{kept} = list({name}.columns)", where="after")
        )
        return f"{name} = {name}.reindex(columns={kept}, fill_value=0)"

    def _refuse_parting(self, value: ast.expr) -> None:
        """Raise where a function of the project parts the rows, so that some of them are gone."""
        for script in (self.script, *self.others.values()):
            node = script.defined.get(called(value))
            if isinstance(node, ast.FunctionDef) and PARTS.search(ast.unparse(node)):
                raise NotFoundError(f"{node.name}() of {script.path} parts the rows by itself")

    def _over_columns(
        self, scope: Scope, loop: ast.For, needed: set[str], fitted: set[str]
    ) -> list[str]:
        """Return a loop that changes a column at a time, over the columns for which it did."""
        variable = ast.unparse(loop.target)
        trained = Trained(self, scope, loop)
        lines: list[str] = []
        inside = Scope(function=None, body=loop.body).statements
        for statement in reversed(inside):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else None
            if target is None or base(target) not in needed:
                continue
            made = _all_rows(trained.of(statement))
            needed.update(set(reads(made)) - {variable})
            lines.insert(0, ast.unparse(made))
            needed.discard(variable)
            self._set_aside(needed, fitted)
        if not lines:
            return []
        over = trained.kept
        if over is None:
            if any(isinstance(one, ast.If) for one in inside):
                raise NotFoundError(f"line {loop.lineno} changes columns under a condition")
            needed.update(reads(loop.iter))
            over = ast.unparse(loop.iter)
        return ["\n".join([f"for {variable} in {over}:", *(f"    {line}" for line in lines)])]

    def _as_trained(self, scope: Scope, statement: ast.stmt, value: ast.expr | None = None) -> Any:
        """Return a statement, or a value in it, that uses what training fitted and counted."""
        for does, said in TOLD:
            if does.search(ast.unparse(statement)):
                self.notes[said] = None
        functions = self._functions()
        for name in {called(node) for node in ast.walk(statement)} & set(functions):
            if any(map(_fits_inputs, ast.walk(functions[name]))):
                self.notes[FITTED_ANEW.format(f"{name}()")] = None
        return Trained(self, scope, None).of(statement, value)

    def fresh(self, word: str) -> str:
        """Return a name that the script does not have, under which something is kept."""
        number = 1
        while f"{word}_{number}" in self.kept or f"{word}_{number}" in self.script.source:
            number += 1
        self.kept[f"{word}_{number}"] = None
        return f"{word}_{number}"

    def _looped(self, loop: ast.For, needed: set[str]) -> list[str]:
        """Return, of a loop over batches, all of them as one."""
        target, over = loop.target, loop.iter
        while isinstance(over, ast.Call) and called(over) in ("tqdm", "enumerate"):
            if called(over) == "enumerate" and isinstance(target, ast.Tuple):
                target = target.elts[1]
            over = over.args[0]
        for place, name in enumerate(names_in(target)):
            if name in needed:
                if "torch" not in self.script.imports or called(over) == "split":
                    raise NotFoundError(f"what {name} is in the loop at line {loop.lineno}")
                rows = _all_rows(over)
                needed.discard(name)
                needed.update(reads(rows))
                batch = f"batch[{place}]" if isinstance(target, ast.Tuple) else "batch"
                return [f"{name} = torch.cat([{batch} for batch in {ast.unparse(rows)}])"]
        return []

    def _opened(self, statement: ast.With, needed: set[str]) -> list[str]:
        for item in statement.items:
            if isinstance(item.optional_vars, ast.Name) and item.optional_vars.id in needed:
                needed.discard(item.optional_vars.id)
                needed.update(reads(item.context_expr))
                return [f"{item.optional_vars.id} = {ast.unparse(item.context_expr)}"]
        return []


def _fits_inputs(node: ast.AST) -> bool:
    """Whether a statement fits to rows what it changes them with, and these are no targets."""
    if not isinstance(node, ast.Assign | ast.Return) or "fit_transform(" not in ast.unparse(node):
        return False
    return isinstance(node, ast.Return) or not TARGETS.search(ast.unparse(node.targets[0]))


def _is_over_columns(loop: ast.stmt) -> TypeGuard[ast.For]:
    """Whether a loop changes a column of a table at a time: `for c in names: df[c] = ...`."""
    if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name):
        return False
    return any(
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
        and loop.target.id in reads(node.targets[0].slice)
        for node in ast.walk(loop)
    )  # fmt: skip


def _is_in_place(statement: ast.stmt, needed: set[str]) -> bool:
    """Whether a statement calls what changes something needed: `df.pop(...)`, `inplace=True`."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and base(node.func.value) in needed
        and node.func.attr not in CHANGES_ROWS
        and (node.func.attr in IN_PLACE or any(one.arg == "inplace" for one in node.keywords))
        for node in own(statement)
    )


def _is_summary(value: ast.expr) -> bool:
    """Whether a value tells about rows, or about nothing of them, and so is kept."""
    if isinstance(value, ast.DictComp | ast.SetComp | ast.Dict):
        return True
    if isinstance(value, ast.Call | ast.Attribute):
        name = called(value) or getattr(value, "attr", "")
        return name in SUMMARIES
    if isinstance(value, ast.ListComp):
        return "columns" in ast.unparse(value.generators[0].iter)
    return False


def _parts(value: ast.expr, target: ast.expr) -> dict[str, ast.expr]:
    """Return what each name was before rows were parted or shuffled; nothing where they are not."""
    every = names_in(target)
    given: list[ast.expr] = []
    if isinstance(value, ast.Call) and called(value) == "train_test_split":
        given = [one for one in value.args for _ in range(2)]
    elif isinstance(value, ast.Call) and called(value) in ("shuffle", "resample"):
        given = value.args
    elif isinstance(value, ast.Call) and called(value) == "random_split":
        given = value.args[:1] * len(every)
    elif isinstance(value, ast.Tuple) and isinstance(target, ast.Tuple):
        given = value.elts
    return dict(zip(every, given, strict=False))


class _AllRows(ast.NodeTransformer):
    """Takes out what chooses, orders or moves rows: `x[test]`, `df.dropna()`, `x.to(device)`."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load) or NO_ROWS.search(_last(node.value)):
            return node
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
            return node.args[0]
        if not isinstance(node.func, ast.Attribute):
            return node
        name = node.func.attr
        across = any(
            one.arg == "axis" and "0" not in ast.unparse(one.value) for one in node.keywords
        )
        moves = name == "cuda" or (
            name == "to" and bool(node.args) and "dev" in ast.unparse(node.args[0]).lower()
        )
        if moves or (name in CHANGES_ROWS and not across):
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


def _all_rows(node: N) -> N:
    """Return a copy of a statement or an expression that keeps all rows, in their order."""
    if isinstance(node, ast.expr):
        copy: Any = ast.parse(ast.unparse(node), mode="eval").body
    else:
        copy = ast.parse(ast.unparse(node)).body[0]
    changed: N = ast.fix_missing_locations(_AllRows().visit(copy))
    return changed
