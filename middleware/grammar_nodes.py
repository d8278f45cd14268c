"""One place of a schema, so that Ollama's grammar reads it as it is meant, pure.

Two schemas at once, integers' bounds, choices: see ``grammars``.
"""

import math
from collections.abc import Callable
from typing import Any

import msgspec

Schema = dict[str, Any]

#: Bounds beyond this the grammar cannot count.
MAX_BOUND = 10**14

TYPES = ["object", "array", "string", "number", "boolean", "null"]
#: What constrains nothing; of it, what is sent on.
_ANNOTATIONS = frozenset(
    (
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "nullable",
        "discriminator",
        "$schema",
        "$id",
        "$anchor",
        "$comment",
        "$defs",
        "definitions",
    )
)
_TELLING = {
    "required": "object",
    "additionalProperties": "object",
    "minProperties": "object",
    "maxProperties": "object",
    "minItems": "array",
    "maxItems": "array",
    "uniqueItems": "array",
    "minLength": "string",
    "maxLength": "string",
    "format": "string",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
}
#: Keywords by which the grammar knows what to do without a type.
_ENOUGH = ("type", "enum", "const", "properties", "items", "prefixItems", "pattern")


_encode = msgspec.json.Encoder().encode
_key = msgspec.json.Encoder(order="sorted").encode
#: More than anything may take.
_ENDLESS = 10**9


def size(value: Any) -> int:
    """How many bytes a value comes to."""
    try:
        return len(_encode(value))
    except RecursionError:
        return _ENDLESS


def constrains(schema: Schema) -> bool:
    """Whether anything in a schema is more than a remark."""
    return not _ANNOTATIONS.issuperset(schema)


def joined(left: Schema, right: Schema) -> Schema:
    """Both at once, as far as one schema can say it."""
    for one, other in ((left, right), (right, left)):
        if "$ref" in one:
            return {**other, **one}
    left, right = _closed(left, right), _closed(right, left)
    both = {**left, **right}
    for name in left.keys() & right.keys():
        both[name] = _JOINS.get(name, _first)(left[name], right[name])
    return both


def _closed(schema: Schema, beside: Schema) -> Schema:
    """A schema whose properties also keep to what the other says of additional ones."""
    others, known = beside.get("additionalProperties", True), beside.get("properties")
    properties = schema.get("properties")
    if others is True or not isinstance(properties, dict):
        return schema
    kept = {
        name: one if name in (known or {}) else _join_schemas(one, others)
        for name, one in properties.items()
    }
    return {**schema, "properties": kept}


def _first(left: Any, right: Any) -> Any:
    return left


def _join_properties(left: Any, right: Any) -> Any:
    if not isinstance(left, dict) or not isinstance(right, dict):
        return left
    both = {**left, **right}
    for name in left.keys() & right.keys():
        if left[name] != right[name]:
            both[name] = {"allOf": [left[name], right[name]]}
    return both


def _join_lists(left: Any, right: Any) -> Any:
    if not isinstance(left, list) or not isinstance(right, list):
        return left
    known = {_key(one) for one in left}
    return left + [one for one in right if _key(one) not in known]


def _join_choices(left: Any, right: Any) -> Any:
    """What is in both, by its JSON: true is not 1; the first where nothing is."""
    if not isinstance(left, list) or not isinstance(right, list):
        return left
    known = {_key(one) for one in right}
    return [one for one in left if _key(one) in known] or left


def _join_types(left: Any, right: Any) -> Any:
    """Types that both allow: an integer is a number."""
    ours, theirs = _listed(left), _listed(right)
    both = [one for one in ours if one in theirs or _is_integer(one, theirs)]
    both += [one for one in theirs if one not in ours and _is_integer(one, ours)]
    return both[0] if len(both) == 1 else both or left


def _listed(kinds: Any) -> list[Any]:
    return kinds if isinstance(kinds, list) else [kinds]


def _is_integer(kind: Any, others: list[Any]) -> bool:
    return kind == "integer" and "number" in others


def _join_schemas(left: Any, right: Any) -> Any:
    if False in (left, right):
        return False
    if left == right or right is True:
        return left
    return right if left is True else {"allOf": [left, right]}


_JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "properties": _join_properties,
    "required": _join_lists,
    "enum": _join_choices,
    "type": _join_types,
    "items": _join_schemas,
    "additionalProperties": _join_schemas,
    "minimum": max,
    "minLength": max,
    "minItems": max,
    "maximum": min,
    "maxLength": min,
    "maxItems": min,
}


def sound(schema: Schema, affords: Callable[[int], bool]) -> Schema:
    """A schema of one place, its children prepared, without what trips the grammar.

    ``affords`` says whether so many bytes may still be added.
    """
    _choices(schema)
    if not isinstance(schema.get("format", ""), str):
        del schema["format"]
    if isinstance(schema.get("prefixItems"), list):
        for name in ("items", "minItems", "maxItems"):
            schema.pop(name, None)
    if not any(name in schema for name in _ENOUGH):
        told = [kind for name, kind in _TELLING.items() if name in schema]
        schema["type"] = told[0] if told else TYPES
    if "integer" in _kinds(schema):
        _integral(schema)
    _properties(schema, affords)
    if "prefixItems" not in schema:
        _items(schema)
    return schema


def _choices(schema: Schema) -> None:
    """Of an ``enum`` only what its type allows: the grammar looks at one of them."""
    if not isinstance(schema.get("enum"), list):
        schema.pop("enum", None)
    elif "type" in schema:
        kinds = _listed(schema.get("type"))
        fitting = [one for one in schema["enum"] if _is_of(one, kinds)]
        schema["enum"] = fitting or schema["enum"]
    if schema.get("enum") == []:
        del schema["enum"]


_NAMES: dict[type, tuple[str, ...]] = {
    dict: ("object",),
    list: ("array",),
    str: ("string",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    type(None): ("null",),
}


def _is_of(value: Any, kinds: list[Any]) -> bool:
    return any(name in kinds for name in _NAMES[type(value)])


def _integral(schema: Schema) -> None:
    """Bounds of an integer as the grammar reads them: closed, and whole numbers."""
    low, high = _bounds(schema)
    for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        schema.pop(name, None)
    if low is not None and high is not None and low > high:
        return
    for name, bound in (("minimum", low), ("maximum", high)):
        if bound is not None and abs(bound) <= MAX_BOUND:
            schema[name] = bound


def _bounds(schema: Schema) -> tuple[int | None, int | None]:
    lows = [math.ceil(bound) for bound in _numbers(schema.get("minimum"))]
    highs = [math.floor(bound) for bound in _numbers(schema.get("maximum"))]
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    # The older form: a boolean that sharpens the bound beside it.
    above = schema.get("minimum") if above is True else above
    below = schema.get("maximum") if below is True else below
    lows += [math.floor(bound) + 1 for bound in _numbers(above)]
    highs += [math.ceil(bound) - 1 for bound in _numbers(below)]
    return max(lows, default=None), min(highs, default=None)


def _numbers(value: Any) -> list[int | float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return [value] if number else []


def _properties(schema: Schema, affords: Callable[[int], bool]) -> None:
    """What is required, described: the grammar forgets it otherwise."""
    required = schema.get("required")
    names = [one for one in _texts(required) if "object" in _kinds(schema)]
    properties = schema.get("properties", {} if names else None)
    if not isinstance(properties, dict):
        return
    others = schema.get("additionalProperties", True)
    free = others if isinstance(others, dict) else {"type": TYPES}
    absent = [name for name in names if name not in properties]
    if absent and not affords(size(free) * len(absent)):
        absent = []
    schema["properties"] = properties | dict.fromkeys(absent, free)
    if others is not False and not all(map(_is_simple, schema["properties"])):
        # It writes names into character classes, where others break it.
        schema.pop("additionalProperties", None)


def _items(schema: Schema) -> None:
    """Items to be counted: the grammar counts none that are not described."""
    counted = "minItems" in schema or "maxItems" in schema
    if counted and "items" not in schema and "array" in _kinds(schema):
        schema["items"] = {"type": TYPES}


def _texts(value: Any) -> list[str]:
    return (
        [one for one in value if isinstance(one, str)]
        if isinstance(value, list)
        else []
    )


def _kinds(schema: Schema) -> list[Any]:
    """The types that a schema has, or by its keywords has to have."""
    return _listed(schema.get("type") or ("object" if "properties" in schema else []))


def _is_simple(name: str) -> bool:
    return name.isascii() and name.replace("_", "a").isalnum()
