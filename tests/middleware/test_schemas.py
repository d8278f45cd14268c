import json
import time
from typing import Any

import pytest

from app.errors import BadRequest
from middleware.schemas import (
    MAX_PLACE,
    MAX_UNFOLDED,
    MAX_UNFOLDED_ALL,
    Allowance,
    prepared,
    target,
)


def nested(key: str, depth: int, inner: Any = None) -> dict[str, Any]:
    """A schema inside a schema inside a schema."""
    schema: dict[str, Any] = inner or {"type": "string"}
    for _ in range(depth):
        schema = {key: [schema]} if key in ("anyOf", "allOf") else {key: schema}
    return schema


@pytest.mark.parametrize("schema", [None, {}])
def test_no_parameters(schema: Any) -> None:
    """A function without parameters takes an empty object."""
    assert prepared(schema, "p") == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("schema", "want"),
    [
        pytest.param({"type": "string"}, {"type": "string"}, id="plain"),
        pytest.param(True, {}, id="true"),
        pytest.param(False, {}, id="false"),
        pytest.param({"$ref": "#/$defs/T"}, {"enum": ["x"]}, id="ref"),
        pytest.param(
            {"$ref": "#/$defs/T", "description": "d"},
            {"enum": ["x"], "description": "d"},
            id="ref-and-more",
        ),
        pytest.param({"$ref": "#/$defs/U"}, {"enum": ["x"]}, id="ref-to-ref"),
        pytest.param({"$ref": "#/$defs/a~1b~0"}, {"type": "null"}, id="escaped"),
        pytest.param({"$ref": "#/definitions/D"}, {"type": "integer"}, id="older"),
        pytest.param({"$ref": "#/$defs/none"}, {}, id="ref-to-nothing"),
        pytest.param({"$ref": "http://x/y"}, {}, id="ref-elsewhere"),
        pytest.param({"$ref": "#/$defs/T/enum"}, {}, id="ref-to-no-schema"),
        pytest.param({"$ref": 5}, {"$ref": 5}, id="ref-no-text"),
        pytest.param({"allOf": [{"$ref": "#/$defs/T"}]}, {"enum": ["x"]}, id="all-of"),
        pytest.param(
            {"allOf": [{"type": "integer", "minimum": 0}], "description": "d"},
            {"type": "integer", "minimum": 0, "description": "d (minimum: 0)"},
            id="all-of-one",
        ),
        pytest.param(
            {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/T"}]},
            {"anyOf": [{"type": "string"}, {"enum": ["x"]}]},
            id="one-of",
        ),
        pytest.param({"const": 5}, {"enum": [5]}, id="const"),
        pytest.param(
            {"type": "array", "items": {"$ref": "#/$defs/T"}},
            {"type": "array", "items": {"enum": ["x"]}},
            id="items",
        ),
        pytest.param(
            {"properties": {"y": {"$ref": "#/$defs/T"}}},
            {"properties": {"y": {"enum": ["x"]}}},
            id="properties",
        ),
        pytest.param(
            {"maxLength": 5, "pattern": "a|b", "default": {"x": 1}},
            {
                "maxLength": 5,
                "pattern": "a|b",
                "default": {"x": 1},
                "description": '(default: {"x":1}, maxLength: 5, pattern: "a|b")',
            },
            id="limits-in-words",
        ),
        pytest.param({"properties": None}, {"properties": None}, id="null"),
    ],
)
def test_a_property(schema: Any, want: dict[str, Any]) -> None:
    """What Ollama can hold is kept, what it cannot has the nearest it can."""
    root = {
        "$defs": {
            "T": {"enum": ["x"]},
            "U": {"$ref": "#/$defs/T"},
            "a/b~": {"type": "null"},
        },
        "definitions": {"D": {"type": "integer"}},
        "properties": {"p": schema},
    }
    found = prepared(root, "p")
    assert found["properties"]["p"] == want
    assert set(found) == {"type", "properties"}


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ({"properties": []}, "p.properties"),
        ({"properties": {"a": 5}}, "p.properties.a"),
        ({"properties": {"a": None}}, "p.properties.a"),
        ({"properties": {"a": {"items": {"properties": 1}}}}, None),
        ({"anyOf": [{}, "x"]}, "p.anyOf[1]"),
        ({"oneOf": [[]]}, "p.anyOf[0]"),
    ],
)
def test_what_is_no_schema(schema: dict[str, Any], param: str | None) -> None:
    """A schema that is no object is refused by its place."""
    with pytest.raises(BadRequest) as caught:
        prepared(schema, "p")
    assert caught.value.param == (param or "p.properties.a.items.properties")


@pytest.mark.parametrize(
    "root",
    [
        {"$ref": "#"},
        {"properties": {"x": {"$ref": "#"}}},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
        | {"properties": {"x": {"$ref": "#/$defs/a"}}},
        {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}}}
        | {"properties": {"x": {"$ref": "#/$defs/n"}}},
        {"allOf": [{"$ref": "#"}]},
    ],
    ids=range(6),
)
def test_what_contains_itself_ends(root: dict[str, Any]) -> None:
    """References in circles are followed once and leave none behind."""
    found = json.dumps(prepared(root, "p")["properties"])
    assert "$ref" not in found
    assert len(found) < 500


def test_a_list_is_unfolded_once() -> None:
    """A type that holds itself is there one level deep."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}
    root = {"$defs": {"n": node}, "properties": {"x": {"$ref": "#/$defs/n"}}}
    assert prepared(root, "p")["properties"]["x"] == {
        "type": "object",
        "properties": {"next": {}},
    }


def doubling(width: int, levels: int) -> dict[str, Any]:
    """Few definitions that unfold to width^levels."""
    definitions = {
        f"a{level}": {
            "properties": {
                str(k): {"$ref": f"#/$defs/a{level + 1}"} for k in range(width)
            }
        }
        for level in range(levels)
    }
    return {"$defs": definitions, "properties": {"x": {"$ref": "#/$defs/a0"}}}


BOMBS = {
    "doubling": doubling(2, 40),
    "wide": doubling(10, 9),
    "large": {
        "$defs": {"D": {"description": "x" * 1_000_000}},
        "properties": {str(k): {"$ref": "#/$defs/D"} for k in range(1000)},
    },
    "spellings": {
        "$defs": {"D": {"description": "x" * 1_000_000}},
        "properties": {
            str(k): {"$ref": "#" + "/" * (k + 1) + "$defs/D"} for k in range(1000)
        },
    },
    "chain": {
        "$defs": {f"a{i}": {"$ref": f"#/$defs/a{i + 1}"} for i in range(5000)},
        "properties": {"x": {"$ref": "#/$defs/a0"}},
    },
    "deep-chain": {
        "$defs": {
            f"a{i}": {"items": {"$ref": f"#/$defs/a{i + 1}"}} for i in range(5000)
        },
        "properties": {"x": {"$ref": "#/$defs/a0"}},
    },
    "deep-in-deep": {
        **nested("items", 40, {"$ref": "#/$defs/D"}),
        "$defs": {"D": nested("items", 118)},
    },
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_references_cannot_explode(bomb: dict[str, Any]) -> None:
    """However references are arranged, little comes out, and soon."""
    began = time.process_time()
    found = prepared(bomb, "p")
    assert time.process_time() - began < 1
    assert len(json.dumps(found)) < 256 * 1024


@pytest.mark.parametrize("key", ["items", "anyOf", "allOf"])
def test_depth(key: str) -> None:
    """As deep as a body may nest, a schema may too."""
    depth = 120 if key == "items" else 60
    assert prepared(nested(key, depth), "p")


def test_the_clients_schema_is_not_changed() -> None:
    """Preparing makes a new schema."""
    schema = {"properties": {"a": {"minimum": 1}, "b": {"$ref": "#/$defs/T"}}}
    schema["$defs"] = {"T": {"maximum": 2}}
    before = json.dumps(schema)
    prepared(schema, "p")
    assert json.dumps(schema) == before


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"required": False}, "required"),
        ({"required": ["a", 5]}, "required"),
        ({"type": 5}, "type"),
        ({"properties": {"a": {"type": ["string", None]}}}, "properties.a.type"),
        ({"properties": {"a": {"required": True}}}, "properties.a.required"),
        ({"properties": {"a": {"description": 5}}}, "properties.a.description"),
        ({"properties": {"a": {"enum": "x"}}}, "properties.a.enum"),
        ({"properties": {"a": {"oneOf": {}}}}, "properties.a.anyOf"),
        ({"properties": {"a": {"items": {"enum": {}}}}}, "properties.a.items.enum"),
    ],
)
def test_what_ollama_could_not_decode(schema: dict[str, Any], place: str) -> None:
    """It is refused here, by its place."""
    with pytest.raises(BadRequest) as caught:
        prepared(schema, "p")
    assert (caught.value.code, caught.value.param) == ("invalid_type", f"p.{place}")


@pytest.mark.parametrize("type_", [None, [], ["object", "null"]])
def test_parameters_are_an_object(type_: Any) -> None:
    """Ollama takes one type for the whole, whatever else is said."""
    assert prepared({"type": type_, "properties": {}}, "p")["type"] == "object"


def test_null_is_nothing() -> None:
    """As for Ollama, a keyword that is null is not there."""
    schema = {"required": None, "properties": {"a": {"enum": None, "type": None}}}
    assert prepared(schema, "p")["properties"] == {"a": {"enum": None, "type": None}}


@pytest.mark.parametrize(
    ("step", "want"),
    [
        ("0", {"type": "null"}),
        ("1", {"const": 1}),
        ("2", {}),
        ("01", {}),
        ("-1", {}),
        ("+1", {}),
        ("\u0661", {}),
        ("\u00b2", {}),
        ("9" * 5000, {}),
    ],
)
def test_a_step_into_a_list(step: str, want: dict[str, Any]) -> None:
    """A reference names a member of a list by its number, as it is written."""
    root = {"anyOf": [{"type": "null"}, {"const": 1}]}
    assert target(root, f"#/anyOf/{step}") == want


LARGE = {
    "list": {
        "x": [0] * 100_000,
        "properties": {f"p{i}": {"$ref": "#/x/99999"} for i in range(2000)},
    },
    "long-name": {"properties": {"a" * 400_000: {"anyOf": [{"x": 0}] * 20_000}}},
    "many": {"anyOf": [{"": 0}] * 70_000},
}


@pytest.mark.parametrize("schema", LARGE.values(), ids=LARGE.keys())
def test_a_large_schema_takes_no_long(schema: dict[str, Any]) -> None:
    """What a schema costs goes with its size, whatever it is made of."""
    began = time.process_time()
    assert prepared(schema, "p")
    assert time.process_time() - began < 1


def flat(**fields: Any) -> dict[str, Any]:
    """A schema with very many keywords that mean nothing, and others."""
    return {f"k{number}": 0 for number in range(45_000)} | fields


@pytest.mark.parametrize(
    "schema",
    [
        flat(
            **{"$ref": "#/$defs/a0"},
            **{"$defs": {f"a{i}": {"$ref": f"#/$defs/a{i + 1}"} for i in range(40)}},
        ),
        flat(**nested("allOf", 55)),
    ],
    ids=["references", "parts"],
)
def test_copies_are_charged(schema: dict[str, Any]) -> None:
    """A large schema is not copied for each of its references, or parts of parts."""
    allowance = Allowance()
    assert prepared(schema, "p", allowance)["k1"] == 0
    spent = MAX_UNFOLDED_ALL - allowance.left
    assert len(schema) <= spent < MAX_UNFOLDED + 60 * 60 + 2 * len(schema)


def test_all_references_have_one_allowance() -> None:
    """Many functions together unfold to little more than a few do."""
    allowance, size, began = Allowance(), 0, time.process_time()
    for number in range(500):
        size += len(json.dumps(prepared(doubling(10, 4), f"p{number}", allowance)))
    assert time.process_time() - began < 1
    assert allowance.left <= 0
    assert size < 500 * len(json.dumps(doubling(10, 4))) + 1024 * 1024


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a" * 100_000: {"type": 5}}},
        {"properties": {"a" * 1000: {"properties": {"b" * 1000: 5}}}},
    ],
)
def test_a_long_place_is_shortened(schema: dict[str, Any]) -> None:
    """An error tells where it is, and does not repeat all that was sent."""
    with pytest.raises(BadRequest) as caught:
        prepared(schema, "p")
    assert caught.value.param is not None
    assert caught.value.param.startswith("p.properties.aaa")
    assert caught.value.param.endswith(("a.type", "bbb"))
    assert len(caught.value.param) <= MAX_PLACE + 3
