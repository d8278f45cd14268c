import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulator import schema as simulated
from app.simulator.grammar import verdict
from middleware.grammars import MAX_NODES, MAX_WAYS, Grammar
from middleware.schema_checks import check

ANY = ["object", "array", "string", "number", "boolean", "null"]


def prepared(schema: Any) -> Any:
    """What is sent as ``format`` for a schema."""
    grammar = Grammar()
    return grammar.complete(grammar.schema(schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {
            "type": "object",
            "title": "T",
            "properties": {
                "a": {"type": "string", "description": "d"},
                "b": {"enum": [1]},
            },
            "required": ["a"],
            "additionalProperties": False,
        },
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"type": ["string", "null"], "default": None},
        {"type": "number", "minimum": 0.5, "multipleOf": 0.5},
        {"type": "string", "format": "date-time"},
    ],
)
def test_what_ollama_can_hold_stays(schema: Any) -> None:
    """A schema that the grammar reads as it is meant is sent as it came."""
    found = prepared(schema)
    assert found == schema
    assert list(found) == list(schema)


@pytest.mark.parametrize(
    ("schema", "want"),
    [
        pytest.param({"a": 1, "not": {}}, {"a": 1, "type": ANY}, id="anything"),
        pytest.param(
            {"description": "d"}, {"description": "d", "type": ANY}, id="words"
        ),
        pytest.param(
            {"minLength": 2}, {"minLength": 2, "type": "string"}, id="telling"
        ),
        pytest.param({"items": True}, {"items": {"type": ANY}}, id="true"),
        pytest.param(
            {"items": False}, {"items": {"type": "null"}, "maxItems": 0}, id="false"
        ),
        pytest.param(
            {"properties": {"a": False, "b": {}}},
            {"properties": {"b": {"type": ANY}}},
            id="never",
        ),
        pytest.param(
            {"anyOf": [False, {"type": "null"}]}, {"type": "null"}, id="one-way"
        ),
        pytest.param(
            {"oneOf": [{"const": 1}, {"const": 2}], "title": "T"},
            {"anyOf": [{"title": "T", "const": 1}, {"title": "T", "const": 2}]},
            id="one-of",
        ),
        pytest.param(
            {
                "properties": {"a": {"type": "string"}, "b": {"type": "null"}},
                "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
            },
            {
                "anyOf": [
                    {
                        "properties": {"a": {"type": "string"}, "b": {"type": "null"}},
                        "required": [name],
                    }
                    for name in "ab"
                ]
            },
            id="neighbours",
        ),
        pytest.param(
            {
                "allOf": [
                    {"properties": {"a": {"minLength": 2}}, "required": ["a"]},
                    {"properties": {"a": {"maxLength": 5}, "b": {"const": 1}}},
                ]
            },
            {
                "properties": {
                    "a": {"minLength": 2, "maxLength": 5, "type": "string"},
                    "b": {"const": 1},
                },
                "required": ["a"],
            },
            id="all-of",
        ),
        pytest.param(
            {
                "properties": {"a": {"const": 1}},
                "additionalProperties": False,
                "allOf": [{"properties": {"b": {"const": 2}}}],
            },
            {"properties": {"a": {"const": 1}}, "additionalProperties": False},
            id="nothing-additional",
        ),
        pytest.param(
            {"allOf": [{"enum": [1, 2, True]}, {"enum": [True, 2]}]},
            {"enum": [2, True]},
            id="enum-in-both",
        ),
        pytest.param(
            {"type": "integer", "allOf": [{"type": "number", "maximum": 7.5}]},
            {"type": "integer", "maximum": 7},
            id="integer-is-a-number",
        ),
        pytest.param(
            {"type": "string", "enum": ["a", 1, None]},
            {"type": "string", "enum": ["a"]},
            id="enum-of-its-type",
        ),
        pytest.param(
            {"type": "integer", "minimum": 0.5, "exclusiveMaximum": 9},
            {"type": "integer", "minimum": 1, "maximum": 8},
            id="integers",
        ),
        pytest.param(
            {"type": "integer", "minimum": 3, "exclusiveMinimum": True},
            {"type": "integer", "minimum": 4},
            id="older-exclusive",
        ),
        pytest.param(
            {"type": "integer", "minimum": 9, "maximum": 1},
            {"type": "integer"},
            id="empty-range",
        ),
        pytest.param(
            {"type": "integer", "maximum": 10**18}, {"type": "integer"}, id="too-far"
        ),
        pytest.param(
            {"type": "string", "maxLength": 5000}, {"type": "string"}, id="too-many"
        ),
        pytest.param(
            {"type": "string", "pattern": "^\\d{3}$"},
            {"type": "string", "pattern": "^[0-9]{3}$"},
            id="pattern",
        ),
        pytest.param(
            {"type": "string", "pattern": "foo"}, {"type": "string"}, id="no-anchors"
        ),
        pytest.param(
            {"properties": {"a": {"const": 1}}, "required": ["a", "b"]},
            {
                "properties": {"a": {"const": 1}, "b": {"type": ANY}},
                "required": ["a", "b"],
            },
            id="required-only",
        ),
        pytest.param(
            {"type": "object", "required": ["a"]},
            {
                "type": "object",
                "required": ["a"],
                "properties": {"a": {"type": ANY}},
            },
            id="required-undescribed",
        ),
        pytest.param(
            {"minItems": 2},
            {"minItems": 2, "type": "array", "items": {"type": ANY}},
            id="counted",
        ),
        pytest.param(
            {"type": "string", "required": ["a"], "minItems": 2},
            {"type": "string", "required": ["a"], "minItems": 2},
            id="of-other-types",
        ),
        pytest.param(
            {"additionalProperties": {}},
            {"additionalProperties": True, "type": "object"},
            id="anything-additional",
        ),
        pytest.param(
            {"properties": {"é": {"const": 1}}, "additionalProperties": {"const": 2}},
            {"properties": {"é": {"const": 1}}},
            id="names-that-break-classes",
        ),
        pytest.param(
            {"type": "object", "properties": {"$ref": {"const": 1}}},
            {"type": "object"},
            id="a-property-named-ref",
        ),
        pytest.param(
            {"prefixItems": [{"const": 1}], "items": False, "minItems": 1},
            {"prefixItems": [{"const": 1}]},
            id="tuple",
        ),
        pytest.param(
            {"items": [{"const": 1}]}, {"items": [{"const": 1}]}, id="draft-7"
        ),
        pytest.param({"$ref": "http://x/y"}, {"type": ANY}, id="elsewhere"),
        pytest.param({"$ref": "#/$defs/none"}, {"type": ANY}, id="nowhere"),
        pytest.param({"format": 5, "type": "string"}, {"type": "string"}, id="format"),
        pytest.param({"const": {"$ref": 1}}, {"const": {"$ref": 1}}, id="data"),
    ],
)
def test_what_ollama_cannot_hold(schema: Any, want: Any) -> None:
    """What the grammar would misread is said otherwise, or left out."""
    assert prepared(schema) == want


def test_references_keep_recursing() -> None:
    """A definition is there once, under a name that the grammar cannot mix up."""
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/a.b"}, {"type": "null"}]}},
        "required": ["next"],
    }
    want = {
        "type": "object",
        "properties": {
            "next": {"anyOf": [{"$ref": "#/$defs/def-0"}, {"type": "null"}]}
        },
        "required": ["next"],
    }
    found = prepared({"$ref": "#/$defs/a.b", "$defs": {"a.b": node}})
    assert found == {**want, "$defs": {"def-0": want}}


def test_the_whole_may_recurse() -> None:
    """``#`` is the schema itself."""
    item = {"type": "array", "items": {"$ref": "#/$defs/def-0"}}
    found = prepared({"type": "array", "items": {"$ref": "#"}})
    assert found == {**item, "$defs": {"def-0": item}}


def test_an_alternative_that_is_the_whole() -> None:
    """What would recurse without end and without a word is dropped."""
    assert prepared({"anyOf": [{"$ref": "#"}, {"const": 1}]}) == {"const": 1}


def test_two_schemas_in_one_format() -> None:
    """Definitions of two schemas do not get in each other's way."""
    grammar = Grammar()
    parts = [
        grammar.schema(
            {"properties": {"x": {"$ref": "#/$defs/d"}}, "$defs": {"d": {"const": n}}}
        )
        for n in (1, 2)
    ]
    found = grammar.complete({"anyOf": parts})
    for number, part in enumerate(parts, 1):
        name = part["properties"]["x"]["$ref"].removeprefix("#/$defs/")
        assert found["$defs"][name] == {"const": number}


def chain(length: int, key: str = "anyOf") -> dict[str, Any]:
    """Definitions of which each holds the next twice: 2^length in the end."""
    link = {
        f"d{number}": {
            key: [
                {"$ref": f"#/$defs/d{number + 1}"},
                {"$ref": f"#/$defs/d{number + 1}"},
            ]
        }
        for number in range(length)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**link, f"d{length}": {"const": 1}}}


@pytest.mark.parametrize(
    "schema",
    [
        chain(40),
        chain(3000),
        chain(40, "allOf"),
        {"allOf": [{"anyOf": [{"maxLength": n} for n in range(99)]}] * 50},
        {
            "$ref": "#/$defs/a",
            "$defs": {
                "a": {
                    "type": "object",
                    "properties": {
                        name: {"$ref": "#/$defs/a", "maxProperties": 3}
                        for name in "abcdefgh"
                    },
                }
            },
        },
        {"properties": {str(n): {"maxLength": 1000} for n in range(2000)}},
    ],
    ids=["wide", "long", "all-of", "product", "merged", "repeats"],
)
def test_bombs(schema: Any) -> None:
    """A small schema cannot become a large one, nor take long."""
    begun = time.monotonic()
    found = json.dumps(prepared(schema))
    assert time.monotonic() - begun < 5
    assert len(found) < 100 * MAX_NODES
    assert found.count("maxLength") < 20 * MAX_WAYS


# ------------------------------------------- any schema that can be held

_names = st.sampled_from(["a", "b", "long name", "é", "c_1"])
_leaves = st.one_of(
    st.builds(lambda n: {"const": n}, st.sampled_from([1, "x", None, True])),
    st.builds(lambda e: {"enum": e}, st.just(["x", 2, False])),
    st.builds(
        lambda low, high: {"type": "integer", "minimum": low, "maximum": low + high},
        st.integers(-99, 99),
        st.integers(0, 50),
    ),
    st.builds(
        lambda low, high: {"type": "string", "minLength": low, "maxLength": low + high},
        st.integers(0, 20),
        st.integers(0, 20),
    ),
    st.sampled_from(
        [
            {"type": "number"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["string", "null"]},
            {"type": "string", "format": "date"},
            {"type": "string", "pattern": "^[A-Z]{2}-\\d+$"},
            {"type": "object"},
            {"type": "object", "required": ["a"]},
            {"type": "array", "minItems": 1, "maxItems": 2},
            {"type": "array", "items": False},
            True,
            {},
        ]
    ),
)


def _object(
    properties: dict[str, Any], required: set[str], more: Any
) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        fields["required"] = sorted(required)
    return fields if more is None else {**fields, "additionalProperties": more}


def _nested(inner: Any) -> Any:
    inner = st.one_of(inner, st.sampled_from([{"$ref": "#/$defs/d"}]))
    return st.one_of(
        st.builds(
            _object,
            st.dictionaries(_names, inner, max_size=3),
            st.sets(st.sampled_from(["a", "é"]), max_size=2),
            st.sampled_from([None, True, {"type": "integer"}]),
        ),
        st.builds(
            lambda i, n: {"type": "array", "items": i, "maxItems": n},
            inner,
            st.integers(0, 3),
        ),
        st.builds(lambda a, b: {"anyOf": [a, b], "title": "t"}, inner, inner),
        st.builds(lambda one: {"allOf": [one]}, inner),
        st.builds(
            lambda one: {
                "type": "object",
                "properties": {"k": one},
                "anyOf": [{"required": ["k"]}, {"properties": {"z": {"const": 1}}}],
            },
            inner,
        ),
    )


_schemas = st.recursive(_leaves, _nested, max_leaves=6)


@settings(max_examples=300)
@given(_schemas, _schemas, st.integers(0, 2**32))
def test_what_is_held_fits(schema: Any, other: Any, seed: int) -> None:
    """Whatever fits what is sent fits the schema that the client sent."""
    if not isinstance(schema, dict):
        schema = {}
    schema = {**schema, "$defs": {"d": {"anyOf": [{"type": "null"}, other]}}}
    sent = prepared(schema)
    assert verdict(sent) == ""
    made = simulated.instance(sent, ["word"], seed)
    assert check(schema, "p")(json.dumps(made)) is None


CONSTANTS = [{"const": number} for number in range(256)]
MANY = [f"name-{number}" for number in range(9000)]


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"allOf": [{"anyOf": CONSTANTS}, *[{}] * 60_000]}, id="joins"),
        pytest.param(
            {
                "properties": {
                    str(n): {"$ref": "#/$defs/a", "maxProperties": 3}
                    for n in range(3000)
                },
                "$defs": {"a": {"anyOf": CONSTANTS}},
            },
            id="ways of properties",
        ),
        pytest.param({"anyOf": CONSTANTS, "enum": MANY}, id="choices often"),
        pytest.param(
            {"anyOf": CONSTANTS, "description": "x" * 99_000}, id="words often"
        ),
        pytest.param(
            {"anyOf": CONSTANTS, "properties": {name: {} for name in MANY}},
            id="properties often",
        ),
        pytest.param(
            {
                "anyOf": CONSTANTS,
                "properties": {
                    str(n): {"pattern": "^" + "a" * 490 + "$"} for n in range(200)
                },
            },
            id="patterns often",
        ),
        pytest.param(
            {"allOf": [{"enum": MANY}, {"enum": [one * 2 for one in MANY]}]},
            id="choices of both",
        ),
        pytest.param(
            {"allOf": [{"required": MANY}, {"required": [one * 2 for one in MANY]}]},
            id="required by both",
        ),
        pytest.param(
            {"required": MANY, "additionalProperties": {"enum": MANY}},
            id="required and the same",
        ),
        pytest.param({"prefixItems": [{}] * 80_000}, id="wide"),
        pytest.param(
            {"allOf": [{"properties": {"a": {"const": n}}} for n in range(5000)]},
            id="deep in one",
        ),
    ],
)
def test_what_may_be_spent(schema: Any) -> None:
    """However a schema multiplies, it is prepared soon and stays small."""
    begun = time.process_time()
    found = json.dumps(prepared(schema))
    assert time.process_time() - begun < 1
    assert len(found) < 3_000_000


def test_what_is_used_up_is_wider() -> None:
    """What there is no time for may be anything, and nothing is forbidden for it."""
    ways = {"anyOf": CONSTANTS, "enum": [*range(256), *MANY]}
    found = prepared(
        {"properties": {"first": {"const": 1}, "ways": ways, "last": ways}}
    )
    assert found["properties"]["first"] == {"const": 1}
    assert found["properties"].get("last", {"type": ANY}) == {"type": ANY}
    large = {
        "type": "object",
        "properties": {name: {"const": 1} for name in MANY[:2000]},
    }
    assert prepared(large) == large


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ([1, True, 1.5, "1"], ["1", True], [True, "1"]),
        (
            [{"a": 1, "b": [0]}, [False]],
            [[0], {"b": [0], "a": 1}],
            [{"a": 1, "b": [0]}],
        ),
        ([[True]], [[1]], [[True]]),
    ],
)
def test_choices_in_both(one: Any, other: Any, both: Any) -> None:
    """Choices are the same if they are the same JSON."""
    found = prepared({"allOf": [{"enum": one}, {"enum": other}]})
    assert json.dumps(found) == json.dumps({"enum": both})
