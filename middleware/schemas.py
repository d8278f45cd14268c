"""Parameter schemas, prepared for what Ollama can hold, pure.

Of each property Ollama keeps ``anyOf``, ``type``, ``items``, ``description``, ``enum``,
``properties`` and ``required``, and drops everything else without a word
(``api/types.go``).  So references are put in place, near equivalents are used, and
limits that have none are said in the description, where the model can read them.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec

from app.errors import BadRequest

#: How many bytes the references of one function may unfold to: a few definitions can
#: be written so that they become gigabytes.
MAX_UNFOLDED = 64 * 1024
#: How deep inside a schema, and inside each other, references are still followed.
MAX_DEPTH = 48

#: Keywords without a counterpart, which the description can carry.
_SAID_IN_WORDS = (
    "default",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "pattern",
    "uniqueItems",
)

_encode = msgspec.json.Encoder().encode


def prepared(schema: dict[str, Any] | None, param: str) -> dict[str, Any]:
    """A function's parameters as Ollama understands them; raises ``BadRequest``."""
    if not schema:
        return {"type": "object", "properties": {}}
    return _Preparation(schema, param).parameters()


def target(root: dict[str, Any], reference: str) -> dict[str, Any]:
    """What ``#/$defs/name`` points to; nothing for what is not there."""
    found: Any = root
    for name in unquote(reference.removeprefix("#")).strip("/").split("/"):
        name = name.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name in map(str, range(len(found))):
            found = found[int(name)]
        elif name:
            found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


class _Preparation:
    """One schema being prepared: its definitions, and what references may yet add."""

    def __init__(self, root: dict[str, Any], param: str) -> None:
        self._root = root
        self._param = param
        self._inside: list[str] = []
        self._depth = 0
        self._left = MAX_UNFOLDED

    def parameters(self) -> dict[str, Any]:
        top = self._schema(self._root, self._param)
        if not isinstance(top.get("type"), str):  # arguments are an object, or none
            top["type"] = "object"
        top.setdefault("properties", {})
        return {k: v for k, v in top.items() if k not in ("$defs", "definitions")}

    def _schema(self, schema: Any, param: str) -> dict[str, Any]:
        if isinstance(schema, bool):
            return {}  # true and false have no form in Ollama's type
        if not isinstance(schema, dict):
            raise _not_an_object(param)
        self._depth += 1
        followed = len(self._inside)
        result = self._plain(self._without_references(schema), param)
        del self._inside[followed:]
        self._depth -= 1
        return result

    def _without_references(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema with what its own reference, and that one's, stands for."""
        while isinstance(reference := schema.get("$ref"), str):
            rest = {name: value for name, value in schema.items() if name != "$ref"}
            # What contains itself, or too much, ends here: Ollama has no references.
            too_deep = self._depth + len(self._inside) > MAX_DEPTH
            if too_deep or reference in self._inside:
                return rest
            self._inside.append(reference)
            schema = {**self._affordable(target(self._root, reference)), **rest}
        return schema

    def _affordable(self, found: dict[str, Any]) -> dict[str, Any]:
        """A definition, charged to what is left; nothing once that is used up."""
        if self._left > 0:
            self._left -= len(_encode(found))
        return found if self._left > 0 else {}

    def _plain(self, schema: dict[str, Any], param: str) -> dict[str, Any]:
        """A schema without a reference of its own."""
        parts = schema.get("allOf")
        if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict):
            rest = {name: value for name, value in schema.items() if name != "allOf"}
            return self._schema({**parts[0], **rest}, param)
        result = {k: v for k, v in schema.items() if k not in ("oneOf", "const")}
        if "oneOf" in schema:
            result.setdefault("anyOf", schema["oneOf"])
        if "const" in schema:
            result.setdefault("enum", [schema["const"]])
        _check_types(result, param)
        self._children(result, param)
        return _with_limits_in_words(result)

    def _children(self, result: dict[str, Any], param: str) -> None:
        properties = result.get("properties")
        if properties is not None:
            if not isinstance(properties, dict):
                raise _not_an_object(f"{param}.properties")
            result["properties"] = {
                name: self._schema(value, f"{param}.properties.{name}")
                for name, value in properties.items()
            }
        if isinstance(result.get("items"), dict):
            result["items"] = self._schema(result["items"], f"{param}.items")
        if isinstance(result.get("anyOf"), list):
            result["anyOf"] = [
                self._schema(value, f"{param}.anyOf[{index}]")
                for index, value in enumerate(result["anyOf"])
            ]


def _check_types(schema: dict[str, Any], param: str) -> None:
    """Refuse what Ollama could not decode; ``null`` it takes for nothing."""
    for name, (expected, fits) in _TYPES.items():
        value = schema.get(name)
        if value is not None and not fits(value):
            raise _mistyped(f"{param}.{name}", expected)


def _with_limits_in_words(schema: dict[str, Any]) -> dict[str, Any]:
    said = [
        f"{name}: {_encode(schema[name]).decode()}"
        for name in _SAID_IN_WORDS
        if name in schema
    ]
    if said:
        words = "(" + ", ".join(said) + ")"
        description = schema.get("description")
        schema["description"] = f"{description} {words}" if description else words
    return schema


def _not_an_object(param: str) -> BadRequest:
    return _mistyped(param, "an object")


def _mistyped(param: str, expected: str) -> BadRequest:
    return BadRequest(
        f"Invalid type for '{param}': expected {expected}.",
        code="invalid_type",
        param=param,
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_array(value: Any) -> bool:
    return isinstance(value, list)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


#: The keywords that Ollama decodes into types of its own (``api/types.go``).
_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "anyOf": ("an array", _is_array),
    "description": ("a string", _is_text),
    "enum": ("an array", _is_array),
    "required": ("an array of strings", _are_texts),
    "type": (
        "a string or an array of strings",
        lambda value: _is_text(value) or _are_texts(value),
    ),
}
