"""What a script fits, and where it asks it: `model.predict(x)`, `net(x)`. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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

VALIDATED = ("cross_val_score", "cross_validate", "cross_val_predict")
BEST = "best_estimator_"
FITTED, LEAST = "fitted_model", -9
"""What a model without a name is called, and the rank of one that is only tried on folds."""
QUESTIONS = ("predict_proba", "predict", "decision_function", "score")
WEIGHTS = ("parameters", "state_dict", "eval", "named_parameters")
"""What only a network is called for."""


def networks_of(script: Script, modules: Mapping[str, Script]) -> set[str]:
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


@dataclass(frozen=True, kw_only=True)
class Question:
    scope: Scope
    """Where the call stands."""
    home: Scope
    """Where the model was fitted."""
    statement: ast.stmt
    model: str
    method: str | None
    given: ast.expr
    rank: int
    call: ast.Call | None = None
    """The question itself, where the script asks it."""
    fit: str | None = None
    """A line after the statement that fits the model, where the script only tries it on folds."""


def questions(script: Script, networks: set[str]) -> Iterator[Question]:
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
                rank = 2 * bool(re.search(r"test|val|hold|eval", words + name_of(scope), re.I))
                rank -= 2 * bool(re.search(r"train", words + name_of(scope), re.I))
                rank += isinstance(statement, ast.Assign) - isinstance(statement, ast.AugAssign)
                yield Question(
                    scope=scope, home=home, statement=statement, model=model, method=method,
                    given=call.args[0], rank=rank, call=call,
                )  # fmt: skip
    yield from _on_folds(script)


def _on_folds(script: Script) -> Iterator[Question]:
    """Yield models that are only tried on folds: `cross_val_score(model, X, y)`."""
    for scope in script.scopes:
        for statement in scope.statements:
            for call in (one for one in own(statement) if called(one) in VALIDATED):
                model, *given = call.args if isinstance(call, ast.Call) else []
                if len(given) < 2:
                    continue
                name, fitted = ast.unparse(model), f".fit({', '.join(map(ast.unparse, given[:2]))})"
                named = isinstance(model, ast.Name)
                yield Question(
                    scope=scope, home=scope, statement=statement, method="predict",
                    model=name if named else FITTED, given=given[0], rank=LEAST,
                    fit=f"{name}{fitted}" if named else f"{FITTED} = {name}{fitted}",
                )  # fmt: skip


def name_of(scope: Scope) -> str:
    return f" {scope.function.name}" if scope.function is not None else ""


def _home(
    script: Script, scope: Scope, name: str, fitted: dict[Scope, list[str]]
) -> tuple[Scope, str] | None:
    """Return where something fitted is fitted, and its name there, through arguments of calls."""
    seen = 0
    while scope.function is not None and name in scope.parameters and seen < 5:
        argument = argument_of(script, scope, name)
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


def argument_of(script: Script, scope: Scope, name: str) -> tuple[Scope, ast.expr, ast.Call] | None:
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
