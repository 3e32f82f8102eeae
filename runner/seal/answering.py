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
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from runner.seal.all_rows import CHANGES_ROWS, all_rows
from runner.seal.questions import Question, argument_of, learned, name_of, networks_of, questions
from runner.seal.reading import TARGETS
from runner.seal.script import (
    NotFoundError,
    Scope,
    Script,
    base,
    called,
    chain,
    given,
    names_in,
    own,
    reads,
)
from runner.seal.targets import ANSWER, CHANGED, changed_back, changed_target, mapped
from runner.seal.trained import BY_ROW, Edit, Trained

SUMMARIES = (
    *("mean", "std", "var", "min", "max", "median", "quantile", "sum", "mode", "unique", "nunique"),
    *("value_counts", "tolist", "len", "sorted", "set", "list", "dict", "keys", "items", "columns"),
    *("device", "parse_args", "select_dtypes", "shape", "size", "amin", "amax", "count"),
)
"""What does not carry rows but tells something about them: it is kept from training."""
LISTED = ("tolist", "list")
"""Those that carry what they are made of: rows, or a summary."""
NOT_ALONG = ("quantile", "size", "count", "value_counts")
"""Those whose first argument is not what they go along."""
IN_PLACE = ("insert", "pop")
SETTINGS = re.compile(
    r"^(args|opts?|cfg|config|conf|hparams?|params|device|parser|log|logger)$", re.I
)
"""Names of what is the same in training and afterwards: it is kept."""
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
LAST_OF_SEVERAL = (
    "it fits several models in a loop at line {}, and predict.py asks the last one: keep the one "
    "that it reports"
)
BUILTINS = frozenset((*dir(builtins), "__file__"))


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
    back: str = ANSWER
    """What the script makes of the model's answer, where it fits to a changed target."""
    mapped: Mapping[object, object] = field(default_factory=dict)
    """Each value of the data by what the script fits to instead; nothing where it does not."""
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
    networks = networks_of(script, modules)
    asked = list(questions(script, networks))
    if not asked:
        raise NotFoundError("no fitted model in it is asked: model.predict(x), or net(x)")
    why: NotFoundError | None = None
    # Of those that are as likely, the last.
    for _, question in sorted(enumerate(asked), key=lambda one: (one[1].rank, one[0]))[::-1]:
        try:
            return _Slice(script, networks, modules).of(question)
        except NotFoundError as error:
            why = why or error
    assert why is not None  # noqa: S101 - every one of them failed
    raise why


Line = tuple[ast.AST, str]
"""Where a line of the answer comes from, by which one that is found twice is known; the line."""


class _Slice:
    """Collects statements backwards, and what is kept from training instead."""

    def __init__(self, script: Script, networks: set[str], others: Mapping[str, Script]) -> None:
        self.script, self.networks, self.others = script, networks, others
        self.kept: dict[str, None] = {}
        self.notes: dict[str, None] = {}
        self.recorded: list[Edit] = []
        self.lasting: tuple[Scope, ...] = ()
        self.within: list[Scope] = []
        """Functions whose callers are looked at; one that calls itself has no plain beginning."""

    def of(self, question: Question) -> Answering:
        self.lasting = (question.home, self.script.top)
        if question.fit is not None:
            self.recorded.append(Edit(node=question.statement, text=question.fit, where="after"))
        asked = all_rows(question.given)
        change, back = changed_target(self.script, question), changed_back(question) or ANSWER
        pairs: Mapping[object, object] = {}
        if change is not None and question.method != "decision_function":  # which has no order
            pairs = mapped(self.script, change) or {}
        if change is not None and back == ANSWER and not pairs:
            self.notes[CHANGED.format(ast.unparse(change))] = None
        for loop in question.home.statements:
            if isinstance(loop, ast.For) and question.model in names_in(loop.target):
                self.notes[LAST_OF_SEVERAL.format(loop.lineno)] = None
        wanted = [*reads(asked), *(name for name in reads(ast.parse(back)) if name != ANSWER)]
        lines = self.lines(question.scope, question.statement, wanted)
        return Answering(
            script=self.script,
            scope=question.home,
            lines=tuple(text for _, text in lines),
            model=question.model,
            asked=ast.unparse(asked),
            method=question.method,
            kept=(*(name for name in self.kept if name != question.model), question.model),
            back=back,
            mapped=pairs,
            recorded=tuple(self.recorded),
            notes=tuple(self.notes),
        )

    def lines(self, scope: Scope, until: ast.stmt, wanted: list[str]) -> list[Line]:
        """Return the statements before one that make what is wanted, those of callers first."""
        fitted = set(learned(self.script, scope, self.networks))
        needed, found = set(wanted), list[Line]()
        place = next(at for at, one in enumerate(scope.statements) if one is until)
        loops = {inside: loop for loop in scope.statements if _is_over_columns(loop)
                 for inside in ast.walk(loop) if isinstance(inside, ast.stmt)}  # fmt: skip
        done = set[ast.stmt]()
        for statement in reversed(scope.statements[:place]):
            self._set_aside(needed, fitted)
            loop = loops.get(statement)
            if loop is None:
                found[:0] = [(statement, one) for one in self._made(scope, statement, needed)]
            elif loop not in done:
                done.add(loop)
                found[:0] = [(loop, one) for one in self._over_columns(scope, loop, needed, fitted)]
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
            if name in fitted or (SETTINGS.match(name) and not self._is_module(name)):
                self.kept[name] = None
                needed.discard(name)
            elif name in {*self.kept, *self.script.imports, *self.script.defined, *BUILTINS}:
                needed.discard(name)

    def _is_module(self, name: str) -> bool:
        """Whether a name is a module's, which no file keeps and predict.py imports as well."""
        imported, _, _ = self.script.imports.get(name, "").partition(" as ")
        return imported.startswith("import ") or imported.rpartition(" ")[2] in self.others

    def _given(self, scope: Scope, name: str) -> list[Line]:
        """Return the statements that make what a function is given, in the place that calls it."""
        argument = argument_of(self.script, scope, name)
        if argument is None or argument[0] in self.within:
            raise NotFoundError(f"where {name!r} of{name_of(scope)}() comes from is not plain")
        caller, value, call = argument
        if _is_summary(value):
            self.kept[name] = None
            return []
        value = all_rows(value)
        above = next(one for one in caller.statements if call in own(one))
        renamed = [] if ast.unparse(value) == name else [(call, f"{name} = {ast.unparse(value)}")]
        self.within.append(scope)
        lines = self.lines(caller, above, reads(value))
        self.within.pop()
        return [*lines, *renamed]

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
        made = all_rows(self._as_trained(scope, statement))
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
            whole = {name: all_rows(value) for name, value in kept.items()}
            needed.update(one for value in whole.values() for one in reads(value))
            written = {name: ast.unparse(value) for name, value in whole.items()}
            return [f"{name} = {value}" for name, value in written.items() if value != name]
        self._refuse_parting(statement.value)
        made = all_rows(self._as_trained(scope, statement))
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
            made = all_rows(trained.of(statement))
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
            over = given(over)
        for place, name in enumerate(names_in(target)):
            if name in needed:
                if "torch" not in self.script.imports or called(over) == "split":
                    raise NotFoundError(f"what {name} is in the loop at line {loop.lineno}")
                rows = all_rows(over)
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


def _is_of_each_row(call: ast.Call) -> bool:
    """Whether a call tells something of each row: along it, or of its text, `x.str.len()`."""
    along = [one.value for one in call.keywords if one.arg in BY_ROW]
    if isinstance(call.func, ast.Attribute):
        if getattr(call.func.value, "attr", "") == "str":
            return True
        if call.func.attr not in NOT_ALONG:
            along += call.args[:2]
    return any(ast.unparse(one) in ("1", "-1", "'columns'") for one in along)


def _is_summary(value: ast.expr) -> bool:
    """Whether a value tells about rows, or about nothing of them, and so is kept."""
    if isinstance(value, ast.DictComp | ast.SetComp | ast.Dict):
        return True
    if isinstance(value, ast.Call) and called(value) in LISTED:
        made_of = [value.func.value] if isinstance(value.func, ast.Attribute) else value.args[:1]
        steps = [one for each in made_of for one in chain(each)]
        return any(_is_summary(one) or getattr(one, "attr", "") == "index" for one in steps)
    if isinstance(value, ast.Call):
        return called(value) in SUMMARIES and not _is_of_each_row(value)
    if isinstance(value, ast.Attribute):
        return value.attr in SUMMARIES
    if isinstance(value, ast.ListComp):
        return "columns" in ast.unparse(value.generators[0].iter)
    return False


def _parts(value: ast.expr, target: ast.expr) -> dict[str, ast.expr]:
    """Return what each name was before rows were parted or shuffled; nothing where they are not."""
    every = names_in(target)
    before: list[ast.expr] = []
    if isinstance(value, ast.Call) and called(value) == "train_test_split":
        before = [one for one in value.args for _ in range(2)]
    elif isinstance(value, ast.Call) and called(value) in ("shuffle", "resample"):
        before = value.args
    elif isinstance(value, ast.Call) and called(value) == "random_split":
        before = [given(value)] * len(every)
    elif isinstance(value, ast.Tuple) and isinstance(target, ast.Tuple):
        before = value.elts
    if any(isinstance(one, ast.Starred) for one in before):
        raise NotFoundError(f"line {value.lineno} parts rows that it does not name")
    return dict(zip(every, before, strict=False))
