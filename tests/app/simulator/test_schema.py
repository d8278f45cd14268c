"""Instances of JSON schemas."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulator import schema

WORDS = ["Paris", "blue", "whale"]
SCHEMAS: dict[str, Any] = {
    "anything": {},
    "true": True,
    "const": {"const": {"a": 1}},
    "enum": {"enum": ["red", 2, None]},
    "types": {"type": ["null", "integer"]},
    "limits": {
        "type": "object",
        "required": ["low", "high", "odd", "open"],
        "properties": {
            "low": {"type": "integer", "minimum": 5, "maximum": 5},
            "high": {"type": "integer", "maximum": -7},
            "odd": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "open": {"type": "number", "multipleOf": 0.25, "minimum": 3},
        },
    },
    "between": {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    "strings": {
        "type": "array",
        "items": {"type": "string", "minLength": 20, "maxLength": 21},
        "minItems": 3,
        "maxItems": 3,
    },
    "pattern": {"type": "string", "pattern": r"^[A-Z]{3}-\d{2,4}(foo|bar)?[^x]$"},
    "formats": {
        "type": "object",
        "properties": {f: {"type": "string", "format": f} for f in schema._FORMATS},
    },
    "unique": {
        "type": "array",
        "items": {"type": "string"},
        "uniqueItems": True,
        "minItems": 6,
    },
    "unique integers": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 6},
        "uniqueItems": True,
        "minItems": 4,
    },
    "tuple": {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer"}],
        "items": False,
    },
    "any of": {"anyOf": [{"type": "string"}, {"type": "array", "items": {}}]},
    "one of": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    "all of": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}},
            {"required": ["a", "b"], "properties": {"b": {"type": "null"}}},
        ]
    },
    "all of any of": {
        "allOf": [
            {"anyOf": [{"type": "string", "minLength": 3}]},
            {"anyOf": [{"type": "string", "maxLength": 4}]},
        ]
    },
    "closed": {
        "type": "object",
        "properties": {"a": {"type": "boolean"}},
        "additionalProperties": False,
    },
    "map": {
        "type": "object",
        "additionalProperties": {"type": "integer"},
        "minProperties": 2,
    },
    "references": {
        "$defs": {
            "point": {"type": "array", "items": {"$ref": "#/$defs/x~1y"}},
            "x/y": {"type": "number"},
        },
        "type": "object",
        "properties": {"from": {"$ref": "#/$defs/point"}},
        "required": ["from"],
    },
    "tree": {
        "$defs": {
            "node": {
                "type": "object",
                "required": ["name", "children"],
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
            }
        },
        "$ref": "#/$defs/node",
    },
    "linked list": {
        "type": "object",
        "required": ["next"],
        "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}},
    },
    "optional recursion": {
        "type": "object",
        "properties": {"again": {"$ref": "#"}, "value": {"type": "integer"}},
        "required": ["value"],
    },
    "list of lists": {
        "$defs": {
            "e": {"oneOf": [{"type": "integer"}, {"$ref": "#/$defs/l"}]},
            "l": {"type": "array", "items": {"$ref": "#/$defs/e"}},
        },
        "$ref": "#/$defs/l",
    },
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", SCHEMAS)
def test_instance(name: str, seed: int) -> None:
    """An instance fits its schema, and is the same for the same seed."""
    wanted = SCHEMAS[name]
    made = schema.instance(wanted, WORDS, seed)
    jsonschema.validate(made, wanted, jsonschema.Draft202012Validator)
    assert json.dumps(schema.instance(wanted, WORDS, seed)) == json.dumps(made)


def test_strings_are_the_words_given() -> None:
    """Strings take the words in their order, so that arguments make sense."""
    wanted = {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}}
    assert schema.instance(wanted, WORDS, 0) == {"a": "Paris", "b": "blue"}


def test_a_schema_that_only_refers_to_itself_ends() -> None:
    """Nonsense gets an answer, not a hang."""
    assert schema.instance({"$ref": "#"}, WORDS, 0) is None


@pytest.mark.parametrize(
    "nonsense",
    [
        {"type": "wat"},
        {"type": "object", "properties": [1]},
        {"anyOf": 5},
        {"type": "integer", "minimum": "low"},
        {"properties": {"a": {"type": "cat"}}},
    ],
)
def test_nonsense_is_refused(nonsense: Any) -> None:
    """What is no schema is told from what is one."""
    assert not schema.usable(nonsense)


def test_a_schema_without_end_and_one_without_bounds() -> None:
    """Neither endless nor very wide recursion takes long."""
    endless = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}
    assert schema.instance(endless, WORDS, 0)
    names = [f"p{i}" for i in range(30)]
    wide = {"type": "object", "properties": {name: {"$ref": "#"} for name in names}}
    assert len(json.dumps(schema.instance(wide, WORDS, 0))) < 50_000


SCALARS = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "minLength": 2, "maxLength": 9},
        {"type": "string", "pattern": "^[a-f0-9]{8}$"},
        {"type": "integer", "minimum": -3, "maximum": 3},
        {"type": "integer", "multipleOf": 7},
        {"type": "number", "exclusiveMinimum": 2.5},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", "b"]},
        {"const": 5},
    ]
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas that hold other schemas."""
    names = st.text("abcdef", min_size=1, max_size=3)
    objects = st.dictionaries(names, inner, max_size=4).map(
        lambda p: {"type": "object", "properties": p, "required": sorted(p)[:2]}
    )
    arrays = st.tuples(inner, st.integers(0, 3)).map(
        lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1]}
    )
    choices = st.lists(inner, min_size=1, max_size=3).map(lambda s: {"anyOf": s})
    return objects | arrays | choices


@settings(max_examples=150)
@given(st.recursive(SCALARS, nested, max_leaves=12), st.integers(0, 2**32))
def test_any_schema(wanted: Any, seed: int) -> None:
    """Whatever is nested in what, the instance fits."""
    made = schema.instance(wanted, WORDS, seed)
    jsonschema.validate(made, wanted, jsonschema.Draft202012Validator)
