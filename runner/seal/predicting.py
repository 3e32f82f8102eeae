"""The smallest `predict.py` for a script, and the lines that let it save what was fitted. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.seal.answering import Answering
from runner.seal.script import NotFoundError, Scope, Script, called, names_in
from runner.seal.targets import ANSWER
from runner.seal.trained import Edit

KEPT = "sealed.joblib"
"""What a script leaves that saved nothing, or not everything."""
BY_CLASS = re.compile(r"accuracy|f1|precision|recall|matthews|kappa|hamming|exact")
"""Metrics that need classes and nothing finer."""
NO_SHARES = ("SVC", "LinearSVC", "RidgeClassifier", "Perceptron", "SGDClassifier")
SHARES = re.compile(r"Classifier|LogisticRegression|NB$|^make_pipeline$|^Pipeline$")
LIBRARIES = ("lightgbm", "xgboost")
LOSSES = {
    "softmax": re.compile(r"CrossEntropyLoss|cross_entropy\(|NLLLoss|nll_loss"),
    "sigmoid": re.compile(r"BCEWithLogits|binary_cross_entropy_with_logits"),
}
"""What makes chances of a network's outputs → how its loss is called."""
HEADER = '"""Answers for new rows, which lie where training read its data, with what it left."""\n'


@dataclass(frozen=True, kw_only=True)
class Written:
    """What sealing adds to a project."""

    predict: str
    script: str
    """The training script, with what was added to it."""
    added: tuple[str, ...]
    """The lines that were added to the script."""


def written(found: Answering, modules: Mapping[str, Script], *, kind: str, metric: str) -> Written:
    """Return `predict.py`, and the script with lines at its end where it saves too little."""
    script = found.script
    imports: dict[str, None] = {}
    loads: list[str] = []
    missing: list[str] = []
    for name in found.kept:
        loader = _loader(script, found.scope, name)
        if loader is None:
            missing.append(name)
        else:
            imports |= dict.fromkeys(loader.imports)
            loads += loader.lines
    added: list[str] = []
    if missing:
        pairs = ", ".join(f'"{name}": {name}' for name in missing)
        if _is_by_value(script):
            added = [
                "import cloudpickle",
                f'with open("{KEPT}", "wb") as kept:',
                f"    cloudpickle.dump({{{pairs}}}, kept)",
            ]
        else:
            added = ["import joblib", f'joblib.dump({{{pairs}}}, "{KEPT}")']
        imports["import joblib"] = None
        loads.insert(0, f'kept = joblib.load("{KEPT}")')
        loads[1:1] = [f'{name} = kept["{name}"]' for name in missing]
    answer, more = _answer(found, modules, kind=kind, metric=metric)
    imports |= dict.fromkeys(more)
    asking = "\n".join([*found.lines, answer])
    copied = _copied(script, asking, found.kept)
    imports |= dict.fromkeys(_imports(found, "\n".join([*copied, asking])))
    body = [*loads, *found.lines, f"return {answer}"]
    text = "\n".join([
        HEADER,
        *_sorted(imports),
        *(line for one in copied for line in ("", "", one)),
        "", "",
        "def predict(rows):",
        '    """Return one answer for each row, in their order."""',
        *(f"    {line}" for one in body for line in one.split("\n")),
    ]) + "\n"  # fmt: skip
    recorded = tuple(edit.text for edit in found.recorded)
    return Written(predict=text, script=_with(found, added), added=(*recorded, *added))


def skeleton(why: str, *, given: str, answers: str) -> str:
    """Return a `predict.py` that says what a person has to write."""
    return f'''"""Answers for new rows, with what training left.

TODO: nothing that answers was found: {why}.
1. Let the training script save what it fitted, preprocessing included, in a file beside itself;
   every file that it writes is there again when this is asked.
2. Write `predict`, and take the words TODO out.
"""


def predict(rows):
    """Return one answer for each row, in their order.

    TODO: `rows` is {given}.
    TODO: the answers are {answers}.
    """
    raise NotImplementedError("predict.py is still to be written")
'''


# -- what is saved ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Loader:
    imports: tuple[str, ...]
    lines: tuple[str, ...]


def _loader(script: Script, scope: Scope, name: str) -> _Loader | None:
    """Return how a name is loaded again that the script itself saves, whatever its options."""
    opened: dict[str, str] = {}
    for statement in scope.statements:
        if isinstance(statement, ast.With):
            for item in statement.items:
                path = _opened(script, item.context_expr)
                if path and isinstance(item.optional_vars, ast.Name):
                    opened[item.optional_vars.id] = path
        if isinstance(statement, ast.Expr) and not _is_optional(script, scope, statement):
            found = _saved(script, scope, name, statement.value, opened)
            if found is not None:
                return found
    return None


def _saved(
    script: Script, scope: Scope, name: str, call: ast.expr, opened: Mapping[str, str]
) -> _Loader | None:
    """Return how what a call saves is loaded, where that is the name's value."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or not call.args:
        return None
    what, verb = ast.unparse(call.args[0]), (ast.unparse(call.func.value), call.func.attr)
    if verb == (name, "save_model") and (path := script.constant(call.args[0])):
        return _boosted(script, scope, name, path)
    second = call.args[1] if len(call.args) > 1 else None
    to = script.constant(second) or (
        second and (_opened(script, second) or opened.get(ast.unparse(second)))
    )
    if not to:
        return None
    if verb == ("torch", "save") and what == f"{name}.state_dict()":
        return _network(script, scope, name, to)
    if verb[1] != "dump" or what != name or _is_by_value(script):
        return None
    if verb[0] == "joblib":
        return _Loader(imports=("import joblib",), lines=(f"{name} = joblib.load({to!r})",))
    if verb[0] == "pickle":
        line = f'{name} = pickle.load(open({to!r}, "rb"))'
        return _Loader(imports=("import pickle",), lines=(line,))
    return None


def _opened(script: Script, node: ast.expr) -> str | None:
    """Return the path of `open(PATH, "wb")`."""
    if isinstance(node, ast.Call) and called(node) == "open" and node.args:
        return script.constant(node.args[0])
    return None


def _is_optional(script: Script, scope: Scope, statement: ast.stmt) -> bool:
    """Whether a statement runs only if an option says so: `if args.save_model:`."""
    for node in ast.walk(scope.function or script.tree):
        if isinstance(node, ast.If) and statement in node.body:
            test = ast.unparse(node.test)
            return "args" in test or "opt" in test or "save" in test.lower() or "cfg" in test
    return False


def _boosted(script: Script, scope: Scope, name: str, path: str) -> _Loader | None:
    """Return how a booster is loaded; not scikit-learn's form of it, which is another class."""
    made = _making(scope, name)
    if called(made) != "train" or made is None:
        return None
    if "lightgbm" in script.imports.get(_owner(made), ""):
        return _Loader(
            imports=("import lightgbm",), lines=(f"{name} = lightgbm.Booster(model_file={path!r})",)
        )
    if "xgboost" in script.imports.get(_owner(made), ""):
        lines = (f"{name} = xgboost.Booster()", f"{name}.load_model({path!r})")
        return _Loader(imports=("import xgboost",), lines=lines)
    return None


def _network(script: Script, scope: Scope, name: str, path: str) -> _Loader | None:
    """Return how a network of a class that can be imported gets its weights back."""
    made = _making(scope, name)
    if made is None or not isinstance(made.func, ast.Name):
        return None
    plain = all(
        isinstance(one, ast.Constant)
        for one in (*made.args, *(word.value for word in made.keywords))
    )
    owner = made.func.id
    where = script.imports.get(owner, "")
    if owner in script.defined and script.guarded:
        where = f"from {script.module} import {owner}"
    if not plain or not where:
        return None
    lines = (
        f"{name} = {ast.unparse(made)}",
        f'{name}.load_state_dict(torch.load({path!r}, map_location="cpu"))',
    )
    return _Loader(imports=("import torch", where), lines=lines)


def _making(scope: Scope, name: str) -> ast.Call | None:
    """Return the call that makes a name's value, without what is called on it: `Net().to(d)`."""
    for statement in scope.statements:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            value = statement.value
            while isinstance(value, ast.Call):
                inner = value.func.value if isinstance(value.func, ast.Attribute) else None
                if not isinstance(inner, ast.Call):
                    return value
                value = inner
            return None
    return None


def _owner(call: ast.Call) -> str:
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def _is_by_value(script: Script) -> bool:
    """Whether what is saved may hold the script's own classes or functions, which no other has."""
    classes = any(isinstance(node, ast.ClassDef) for node in script.defined.values())
    return classes or "FunctionTransformer" in script.source or "lambda" in script.source


# -- what is answered -------------------------------------------------------------------------


def _answer(
    found: Answering, modules: Mapping[str, Script], *, kind: str, metric: str
) -> tuple[str, tuple[str, ...]]:
    """Return the expression of the answers, and what it imports."""
    model, asked = found.model, found.asked
    if found.method is None:
        return _network_answer(found, modules, kind)
    made = _making(found.scope, model)
    maker = called(made)
    booster = maker == "train"
    shares = (
        kind in ("binary", "multi-class")
        and not BY_CLASS.search(metric)
        and (found.method == "predict_proba" or bool(SHARES.search(maker)))
        and maker not in NO_SHARES
    )
    if found.method == "decision_function" and not shares:
        return f"{model}.decision_function({asked})", ()
    if shares and not booster:
        return f"{model}.predict_proba({asked}){_in_order(found.mapped)}", ()
    answer = found.back.replace(ANSWER, f"{model}.predict({asked})")
    if found.mapped and found.back == ANSWER and not _are_places(found.mapped):
        return f"[{dict(found.mapped)!r}[one] for one in {answer}]", ()
    return answer, ()


def _are_places(mapped: Mapping[Any, Any]) -> bool:
    """Whether a script's own numbers are the places of words in sorting order, as asking has it."""
    words = all(isinstance(value, str) for value in mapped.values())
    return words and dict(enumerate(sorted(mapped.values()))) == mapped


def _in_order(mapped: Mapping[Any, Any]) -> str:
    """Return what brings a column for each of a script's own numbers into the order of classes."""
    codes = [mapped[code] for code in sorted(mapped)]
    places = [codes.index(value) for value in sorted(codes)]
    return "" if places == [*range(len(codes))] else f"[:, {places}]"


def _network_answer(
    found: Answering, modules: Mapping[str, Script], kind: str
) -> tuple[str, tuple[str, ...]]:
    sources = "\n".join(one.source for one in (found.script, *modules.values()))
    call = f"{found.model}.cpu().eval()({found.asked})"
    imports = ("import torch",)
    if kind == "multi-class" or (kind == "binary" and not LOSSES["sigmoid"].search(sources)):
        if LOSSES["softmax"].search(sources):
            return f"torch.softmax({call}, 1).detach().numpy()", imports
    elif kind in ("binary", "multi-label") and LOSSES["sigmoid"].search(sources):
        return f"torch.sigmoid({call}).detach().numpy()", imports
    return found.back.replace(ANSWER, f"{call}.detach().numpy()"), imports


def _imports(found: Answering, text: str) -> Iterator[str]:
    """Yield what a text imports: as the script does, and the script's own where that trains not."""
    script = found.script
    used = _used(text)
    own = [name for name in script.defined if name in used]
    if own and script.guarded:
        yield f"from {script.module} import {', '.join(sorted(own))}"
    yield from (script.imports[name] for name in sorted(used - set(own)) if name in script.imports)


def _copied(script: Script, text: str, learned: Collection[str]) -> list[str]:
    """Return the script's own functions that a text needs, where an import would train.

    With them come the values at the script's own level that they use, but for what is learned.
    """
    if script.guarded:
        return []
    made = {names_in(one.targets[0])[0]: one for one in script.tree.body
            if isinstance(one, ast.Assign) and len(names_in(one.targets[0])) == 1}  # fmt: skip
    found: dict[int, str] = {}
    waiting, seen = _used(text) & script.defined.keys(), set[str]()
    while waiting:
        name = waiting.pop()
        node = script.defined.get(name) or (None if name in learned else made.get(name))
        if node is not None and name not in seen:
            seen.add(name)
            found[node.lineno] = ast.get_source_segment(script.source, node) or ""
            waiting |= _from_outside(node)
    return [found[line] for line in sorted(found)]


def _from_outside(node: ast.stmt) -> set[str]:
    """Return the names that a statement, or a function's body, reads and does not give itself."""
    names = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
    own = {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
    own |= {one.id for one in names if isinstance(one.ctx, ast.Store)}
    return {one.id for one in names} - own


def _used(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def _sorted(imports: Mapping[str, None]) -> list[str]:
    return sorted(imports, key=lambda line: (line.startswith("from"), line))


def _with(found: Answering, added: list[str]) -> str:
    """Return a script with lines at the end of a scope, before what it returns, and in between."""
    script, scope = found.script, found.scope
    if not added and not found.recorded:
        return script.source
    lines = re.split(r"\r\n|\r|\n", script.source)  # as the parser counts them
    if not lines[-1]:
        del lines[-1]
    body = scope.body
    if scope.function is None:
        body = _guard_body(script) or body
    last = body[-1]
    before = isinstance(last, ast.Return)
    at = last.lineno - 1 if before else (last.end_lineno or last.lineno)
    inserted = [(at, body[0].col_offset, added)]
    for edit in sorted(found.recorded, key=_position, reverse=True):
        node: Any = edit.node
        if edit.where == "around":
            _put(lines, node.end_lineno, node.end_col_offset, ")")
            _put(lines, node.lineno, node.col_offset, f"({edit.text} := ")
        else:
            place = node.lineno - 1 if edit.where == "before" else node.end_lineno
            inserted.append((place, node.col_offset, [edit.text]))
    for place, indent, more in sorted(inserted, key=lambda one: one[0], reverse=True):
        lines[place:place] = [" " * indent + line for line in more]
    text = "\n".join(lines) + "\n"
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise NotFoundError(
            f"line {error.lineno} of {script.path} has several statements"
        ) from error
    return text


def _position(edit: Edit) -> tuple[int, int]:
    node: Any = edit.node
    return node.lineno, node.col_offset


def _put(lines: list[str], number: int, column: int, text: str) -> None:
    """Put text into a line, at a column that is counted in bytes."""
    content = lines[number - 1].encode()
    lines[number - 1] = f"{content[:column].decode()}{text}{content[column:].decode()}"


def _guard_body(script: Script) -> list[ast.stmt] | None:
    """Return what runs only where the script is run, if it is that at all."""
    last = script.tree.body[-1]
    if isinstance(last, ast.If) and "__name__" in ast.unparse(last.test):
        return last.body
    return None
