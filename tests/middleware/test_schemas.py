import json
import time
from typing import Any

import pytest

from app.errors import BadRequest
from middleware.schemas import prepared


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
