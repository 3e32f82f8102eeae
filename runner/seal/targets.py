"""What a script makes of its target before it fits a model, and how it changes answers back. Pure.

What this does not protect against: a target that is changed in another function, or by a class.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from runner.seal.questions import Question
from runner.seal.script import Scope, Script, base, called, chain, names_in, own

ANSWER = "the_answer"
"""What stands for the model's answer in an expression that changes it back."""
INVERSES = ("expm1", "exp", "inverse_transform")
SHAPES = ("reshape", "ravel", "flatten", "squeeze", "detach", "cpu", "numpy")
CHANGES = (
    *("log", "log1p", "log2", "log10", "sqrt", "cbrt", "boxcox", "map", "apply", "replace"),
    *("fit_transform", "transform", "cut", "qcut", "where"),
)
CHANGED = (
    "the script trains on a changed target, {}: predict.py must answer with what stands in the data"
)


def changed_back(question: Question) -> str | None:
    """Return what a script makes of the model's answer by what undoes a change, if it does.

    That is in the line of the question, `np.expm1(model.predict(x))`, or in a later one that has
    the answer by its name.
    """
    if question.call is None:
        return None
    if found := _around(question.statement, question.call):
        return found
    statement = question.statement
    if not isinstance(statement, ast.Assign) or statement.value is not question.call:
        return None
    names = names_in(statement.targets[0])
    place = next(at for at, one in enumerate(question.scope.statements) if one is statement)
    for later in question.scope.statements[place + 1 :]:
        for node in own(later):
            if isinstance(node, ast.Name) and [node.id] == names and (
                found := _around(later, node)
            ):  # fmt: skip
                return found
    return None


def _around(statement: ast.stmt, answer: ast.expr) -> str | None:
    """Return the largest expression around an answer that undoes a change, as one of ANSWER."""
    above = {child: node for node in own(statement) for child in ast.iter_child_nodes(node)}
    node: ast.AST = answer
    text, found, scaled = ANSWER, None, False
    while (outer := above.get(node)) is not None:
        if isinstance(outer, ast.Attribute) and outer.attr in SHAPES and outer in _called(above):
            call = above[outer]
            assert isinstance(call, ast.Call)  # noqa: S101 - that is what was asked
            text, outer = f"{text}.{outer.attr}({', '.join(map(ast.unparse, call.args))})", call
            found = text if found else None
        elif isinstance(outer, ast.Call) and _undoes(outer, node):
            more = [*map(ast.unparse, outer.args[1:]), *map(ast.unparse, outer.keywords)]
            found = text = f"{ast.unparse(outer.func)}({', '.join([text, *more])})"
        elif isinstance(outer, ast.BinOp) and _is_plain(other := _other(outer, node)):
            if isinstance(outer.op, ast.Mult):
                text, scaled = f"{text} * {ast.unparse(other)}", True
            elif isinstance(outer.op, ast.Add) and scaled:
                found = text = f"({text} + {ast.unparse(other)})"
            else:
                break
        else:
            break
        node = outer
    return found


def _called(above: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    return (node.func for node in above.values() if isinstance(node, ast.Call))


def _undoes(call: ast.Call, node: ast.AST) -> bool:
    """Whether a call undoes a change of what it is given: of numpy, or of something fitted."""
    numpys = base(call.func) in ("np", "numpy")
    undoes = called(call) == INVERSES[-1] or (numpys and called(call) in INVERSES)
    return undoes and call.args[:1] == [node]


def _other(outer: ast.BinOp, node: ast.AST) -> ast.expr:
    return outer.right if outer.left is node else outer.left


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Constant)


def changed_target(script: Script, question: Question) -> ast.expr | None:
    """Return the step in which a script changes the target that it fits the model to, if it does.

    The places that a LabelEncoder gives are those in which answers may be, and no change.
    """
    statements = question.home.statements
    fits = [(at, call.args[1]) for at, one in enumerate(statements) for call in own(one)
            if called(call) == "fit" and isinstance(call, ast.Call) and len(call.args) > 1
            and question.model in (base(call.func), *_assigned(one))]  # fmt: skip
    if not fits:
        return None
    place, target = fits[-1]
    while True:
        steps = list(_steps(script, target))
        for step in steps:
            encodes = called(step) == "fit_transform" and "LabelEncoder" in script.source
            if encodes or isinstance(step, ast.BinOp | ast.Compare):
                return None if encodes else step
            if called(step) in CHANGES:
                return step
        made = _made(question.home, place, {*map(ast.unparse, steps)})
        if made is None:
            return None
        place, target = made


def _steps(script: Script, target: ast.expr) -> Iterator[ast.expr]:
    """Yield what a target is taken from, but no table of which it is a column."""
    for step in chain(target):
        yield step
        if isinstance(step, ast.Subscript) and script.constant(step.slice) is not None:
            return


def _assigned(statement: ast.stmt) -> list[str]:
    return names_in(statement.targets[0]) if isinstance(statement, ast.Assign) else []


def _made(scope: Scope, place: int, wanted: set[str]) -> tuple[int, ast.expr] | None:
    """Return what was last assigned to one of some expressions before a statement, and where."""
    for at in range(place - 1, -1, -1):
        statement = scope.statements[at]
        if not isinstance(statement, ast.Assign):
            continue
        target, value = statement.targets[0], statement.value
        every = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
        for where, one in enumerate(every):
            if ast.unparse(one) in wanted:
                if called(value) == "train_test_split" and isinstance(value, ast.Call):
                    return (at, value.args[where // 2]) if where // 2 < len(value.args) else None
                if isinstance(value, ast.Tuple) and len(value.elts) == len(every):
                    return at, value.elts[where]
                return (at, value) if len(every) == 1 else None
    return None


def mapped(script: Script, change: ast.expr) -> dict[object, object] | None:
    """Return each value of the data by what a target has for it, where that is a plain mapping."""
    if called(change) not in ("map", "replace") or not isinstance(change, ast.Call):
        return None
    said = change.args[0] if len(change.args) == 1 else None
    if isinstance(said, ast.Name):
        said = next((one.value for one in script.top.statements if _assigned(one) == [said.id]
                     and isinstance(one, ast.Assign)), None)  # fmt: skip
    try:
        pairs = ast.literal_eval(said) if isinstance(said, ast.Dict) else {}
    except ValueError:
        return None
    back = {code: value for value, code in pairs.items()}
    sortable = all(len({*map(type, each)}) == 1 for each in (pairs, back))
    return back if sortable and len(back) == len(pairs) else None
