"""What the schema allows at a dotted key, in words; read from its JSON Schema, so they agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from runner.policy.positions import Key
from runner.policy.schema import Policy

Schema = Mapping[str, Any]
BOUNDS = {
    "exclusiveMinimum": "greater than {}",
    "minimum": "at least {}",
    "exclusiveMaximum": "less than {}",
    "maximum": "at most {}",
    "minItems": "at least {} long,",
}
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a word",
    "null": "null",
    "boolean": "true or false",
}


def json_schema() -> dict[str, Any]:
    """The schema that ships beside the policies, for editors."""
    schema = Policy.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The schema as its file holds it: `runner policy schema > policies/policy.schema.json`."""
    return json.dumps(json_schema(), indent=2) + "\n"


def allowed_at(key: Key) -> str:
    """What may stand at a key, in words."""
    return _words(_at(key))


def keys_at(key: Key) -> list[str]:
    """Keys of the mapping at a key."""
    return list(_at(key).get("properties", {}))


@cache
def _schema() -> Schema:
    return json_schema()


def _resolved(schema: Schema) -> Schema:
    """Follow a reference; of several choices take the one that is not null."""
    if "$ref" in schema:
        return _resolved(_schema()["$defs"][schema["$ref"].rpartition("/")[2]])
    return schema


def _at(key: Key) -> Schema:
    schema = _resolved(_schema())
    for part in key:
        choices = [_resolved(each) for each in schema.get("anyOf", [schema])]
        schema = next((each for each in choices if each.get("type") != "null"), schema)
        inner = schema.get("items") if isinstance(part, int) else None
        schema = _resolved(inner or schema.get("properties", {}).get(part, {}))
    return schema


def _words(schema: Schema) -> str:
    schema = _resolved(schema)
    if "anyOf" in schema:
        return " or ".join(_words(choice) for choice in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return "one of " + ", ".join(map(str, schema.get("enum") or [schema["const"]]))
    if schema.get("type") == "object":
        return "a mapping with " + ", ".join(schema.get("properties", {}))
    if schema.get("type") == "array":
        return f"a list,{_bounds(schema)} each {_words(schema['items'])}"
    if "$comment" in schema:
        return str(schema["$comment"])
    return TYPES.get(schema.get("type", ""), "any value") + _bounds(schema)


def _bounds(schema: Schema) -> str:
    found = [text.format(schema[name]) for name, text in BOUNDS.items() if name in schema]
    return f" {', '.join(found)}" if found else ""
