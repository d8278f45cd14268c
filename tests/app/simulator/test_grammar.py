from typing import Any

import pytest

from app.simulator.grammar import verdict

NODE = {"properties": {"next": {"$ref": "#/$defs/node"}}}


@pytest.mark.parametrize(
    ("schema", "want"),
    [
        ({}, ""),
        ({"type": "object"}, ""),
        ({"properties": {"a": {}}}, ""),
        ({"properties": {"a": {"type": "string"}}, "additionalProperties": False}, ""),
        ({"additionalProperties": {"type": "null"}}, ""),
        ({"type": ["string", "null"]}, ""),
        ({"enum": [1], "pattern": "x"}, ""),
        ({"type": "array", "items": {"const": 1}, "maxItems": 2000}, ""),
        ({"prefixItems": [{"const": 1}]}, ""),
        ({"type": "string", "pattern": "^[0-9]\\x2D$"}, ""),
        ({"type": "number", "minimum": 0.5}, ""),
        ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, ""),
        ({"anyOf": [{"type": "null"}], "properties": True}, ""),
        (True, "invalid"),
        ({"properties": {"a": True}}, "invalid"),
        ({"items": False}, "invalid"),
        ({"additionalProperties": {"type": "nope"}}, "invalid"),
        ({"type": "nope"}, "invalid"),
        ({"description": "d"}, "invalid"),
        ({"minLength": 3}, "invalid"),
        ({"not": {}}, "invalid"),
        ({"$ref": "#"}, "invalid"),
        ({"$ref": "#/$defs/none"}, "invalid"),
        ({"$ref": "http://x/y"}, "invalid"),
        ({"anyOf": [{"type": "null"}, {"type": "nope"}]}, "invalid"),
        ({"type": ["string", "nope"]}, "invalid"),
        ({"type": "string", "pattern": "foo"}, "invalid"),
        ({"type": "string", "pattern": "^\\d$"}, "crash"),
        ({"type": "string", "pattern": "^(?=a)b$"}, "crash"),
        ({"type": "string", "maxLength": 5000}, "crash"),
        ({"type": "array", "items": {"const": 1}, "maxItems": 3000}, "crash"),
        ({"anyOf": []}, "crash"),
    ],
)
def test_verdicts(schema: Any, want: str) -> None:
    """Each as a real Ollama took it, refused it, or ended its runner."""
    assert verdict(schema) == want
