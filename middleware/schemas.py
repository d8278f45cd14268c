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

#: How many bytes the references of one function may unfold to, and those of all: a few
#: definitions can be written so that they become gigabytes.
MAX_UNFOLDED = 64 * 1024
MAX_UNFOLDED_ALL = 512 * 1024
#: A longer place than this is not told whole.
MAX_PLACE = 512
#: How deep inside a schema, and inside each other, references are still followed.
MAX_DEPTH = 48

#: Keywords without a counterpart, which the description can carry.
_SAID_IN_WORDS = (  # in their order
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

_LIMITS = frozenset(_SAID_IN_WORDS)

_encode = msgspec.json.Encoder().encode


class NoSchema(Exception):
    """Why a schema cannot be used."""


class Allowance:
    """How many bytes the references of all functions of a request may yet unfold to."""

    def __init__(self) -> None:
        self.left = MAX_UNFOLDED_ALL


def prepared(
    schema: dict[str, Any] | None, param: str, allowance: Allowance | None = None
) -> dict[str, Any]:
    """A function's parameters as Ollama understands them; raises ``BadRequest``."""
    if not schema:
        return {"type": "object", "properties": {}}
    return _Preparation(schema, param, allowance or Allowance()).parameters()


def target(root: dict[str, Any], reference: str) -> dict[str, Any]:
    """What ``#/$defs/name`` points to; nothing for what is not there."""
    found: Any = root
    for name in unquote(reference.removeprefix("#")).strip("/").split("/"):
        name = name.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and _is_index(name) and int(name) < len(found):
            found = found[int(name)]
        elif name:
            found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _is_index(name: str) -> bool:
    """Whether a step is a number as it is written: ``0`` and ``12``, not ``012``."""
    return (
        len(name) < 7 and name.isascii() and name.isdigit() and str(int(name)) == name
    )


#: A place in a schema: the place around it, and the steps from there.  It is spelled
#: out only when there is something to say of it, since names may be of any length.
_Place = tuple[Any, ...]


class _Preparation:
    """One schema being prepared: its definitions, and what references may yet add."""

    def __init__(self, root: dict[str, Any], param: str, allowance: Allowance) -> None:
        self._root = root
        self._param = param
        self._inside: list[str] = []
        self._depth = 0
        self._left = min(MAX_UNFOLDED, allowance.left)
        self._allowance = allowance

    def parameters(self) -> dict[str, Any]:
        top = self._schema(self._root, (None, self._param))
        if not isinstance(top.get("type"), str):  # arguments are an object, or none
            top["type"] = "object"
        top.setdefault("properties", {})
        return {k: v for k, v in top.items() if k not in ("$defs", "definitions")}

    def _schema(self, schema: Any, place: _Place) -> dict[str, Any]:
        if isinstance(schema, bool):
            return {}  # true and false have no form in Ollama's type
        if not isinstance(schema, dict):
            raise _mistyped(place, "an object")
        if not schema:
            return {}
        self._depth += 1
        followed = len(self._inside)
        result = self._plain(self._without_references(schema), place)
        del self._inside[followed:]
        self._depth -= 1
        return result

    def _without_references(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema with what its own reference, and that one's, stands for."""
        while isinstance(reference := schema.get("$ref"), str):
            rest = self._but("$ref", schema)
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
            self._charge(len(_encode(found)))
        return found if self._left > 0 else {}

    def _charge(self, size: int) -> None:
        self._left -= size
        self._allowance.left -= size

    def _but(self, keyword: str, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema without a keyword, charged: one schema may be copied many times."""
        self._charge(len(schema))
        return {name: value for name, value in schema.items() if name != keyword}

    def _plain(self, schema: dict[str, Any], place: _Place) -> dict[str, Any]:
        """A schema without a reference of its own."""
        parts = schema.get("allOf")
        if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict):
            rest = self._but("allOf", schema)
            return self._schema({**(parts[0] if self._left > 0 else {}), **rest}, place)
        result = {k: v for k, v in schema.items() if k not in ("oneOf", "const")}
        if "oneOf" in schema:
            result.setdefault("anyOf", schema["oneOf"])
        if "const" in schema:
            result.setdefault("enum", [schema["const"]])
        _check_types(result, place)
        self._children(result, place)
        return _with_limits_in_words(result)

    def _children(self, result: dict[str, Any], place: _Place) -> None:
        properties = result.get("properties")
        if properties is not None:
            if not isinstance(properties, dict):
                raise _mistyped((place, ".properties"), "an object")
            result["properties"] = {
                name: self._schema(value, (place, ".properties.", name))
                for name, value in properties.items()
            }
        if isinstance(result.get("items"), dict):
            result["items"] = self._schema(result["items"], (place, ".items"))
        if isinstance(result.get("anyOf"), list):
            result["anyOf"] = [
                self._schema(value, (place, ".anyOf[", index, "]"))
                for index, value in enumerate(result["anyOf"])
            ]


def _check_types(schema: dict[str, Any], place: _Place) -> None:
    """Refuse what Ollama could not decode; ``null`` it takes for nothing."""
    for name, (expected, fits) in _TYPES.items():
        value = schema.get(name)
        if value is not None and not fits(value):
            raise _mistyped((place, ".", name), expected)


def _with_limits_in_words(schema: dict[str, Any]) -> dict[str, Any]:
    if _LIMITS.isdisjoint(schema):
        return schema
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


def _mistyped(place: _Place, expected: str) -> BadRequest:
    param = _spelled(place)
    return BadRequest(
        f"Invalid type for '{param}': expected {expected}.",
        code="invalid_type",
        param=param,
    )


def _spelled(place: _Place) -> str:
    """A place in words, shortened in the middle when it is very long."""
    steps: list[str] = []
    around: Any = place
    while around is not None:
        around, *own = around
        steps.append("".join(map(str, own)))
    words = "".join(reversed(steps))
    half = MAX_PLACE // 2
    return words if len(words) <= MAX_PLACE else f"{words[:half]}...{words[-half:]}"


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
