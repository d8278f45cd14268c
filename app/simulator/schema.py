"""An instance of any JSON schema, as a model held to that schema would write one.

The same schema, words and generator state give the same instance.  Optional
properties are written too, until the schema recurses.  ``pattern`` and the rarer
keywords are best effort.
"""

import math
import random
import re
import string
from typing import Any

from . import pattern

#: Depth, and number of values, from which only what is required is written.
DEPTH, VALUES = 4, 500
#: Depth at which a schema without any finite instance is given up.
BOTTOM = 40
_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uri-reference": "/example",
    "regex": ".*",
    "json-pointer": "/example",
}


def instance(schema: Any, words: list[str], seed: int) -> Any:
    """A value that fits ``schema``; strings are made of ``words``."""
    return _Writer(schema, words, random.Random(seed)).value(schema, 0)


class _Writer:
    """One instance in the making."""

    def __init__(self, root: Any, words: list[str], chance: random.Random) -> None:
        self.root = root
        self.words = words or ["word"]
        self.chance = chance
        self.spoken = 0
        self.made = 0

    def value(self, schema: Any, depth: int) -> Any:
        self.made += 1
        if self.made > VALUES:
            depth = max(depth, DEPTH)
        if not isinstance(schema, dict) or depth > BOTTOM:
            return None if schema is False or depth > BOTTOM else self.words[0]
        schema = self._flat(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self.chance.choice(schema["enum"])
        match self._kind(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer":
                return int(self._number(schema, 1))
            case "number":
                return self._number(schema, 0.5)
            case "boolean":
                return self.chance.random() < 0.5
            case "null":
                return None
            case _:
                return self._string(schema)

    def _flat(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        """``schema`` with references followed and one way of each choice taken."""
        for _ in range(64):
            rest = {k: v for k, v in schema.items() if k not in _COMBINING}
            parts = list(schema.get("allOf", []))
            if "$ref" in schema:
                parts.append(self._target(schema["$ref"]))
            for key in ("anyOf", "oneOf"):
                if schema.get(key):
                    parts.append(self._choose(schema[key], depth))
            if not parts:
                return schema
            for part in parts:
                rest = _joined(rest, part if isinstance(part, dict) else {})
            schema = rest
        return {"type": "null"}

    def _choose(self, ways: list[Any], depth: int) -> Any:
        ways = [way for way in ways if way is not False] or [{}]
        if depth >= DEPTH:
            return min(ways, key=_weight)
        return self.chance.choice(ways)

    def _target(self, reference: str) -> Any:
        node = self.root
        for step in reference.lstrip("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and step.isdigit() and int(step) < len(node):
                node = node[int(step)]
            else:
                node = node.get(step, {}) if isinstance(node, dict) else {}
        return node

    def _kind(self, schema: dict[str, Any]) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            useful = [one for one in kind if one != "null"] or ["null"]
            return str(self.chance.choice(useful))
        if isinstance(kind, str):
            return kind
        for key, guess in _TELLING.items():
            if key in schema:
                return guess
        return "string"

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        wanted = [key for key in properties if depth < DEPTH or key in required]
        wanted += [key for key in required if key not in properties]
        open_ended = schema.get("additionalProperties", {})
        result = {
            key: self.value(properties.get(key, open_ended), depth + 1)
            for key in wanted
            if properties.get(key) is not False
        }
        few = max(schema.get("minProperties", 0), not properties and open_ended != {})
        while len(result) < few and open_ended is not False:
            name = f"{self._word()}{len(result)}"
            result[name] = self.value(open_ended, depth + 1)
        return result

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, 2))
        first = schema.get("prefixItems") or []
        each = schema.get("items", {})
        if isinstance(each, list):
            first, each = each, schema.get("additionalItems", {})
        size = least if depth >= DEPTH else max(least, min(most, max(2, len(first))))
        if each is False:
            size = min(size, len(first))
        items: list[Any] = []
        for tries in range(size * 20):
            if len(items) == size:
                break
            at = len(items)
            item = self.value(first[at] if at < len(first) else each, depth + 1)
            if schema.get("uniqueItems") and item in items:
                item = self._other(item, tries)
            if not (schema.get("uniqueItems") and item in items):
                items.append(item)
        return items

    @staticmethod
    def _other(item: Any, tries: int) -> Any:
        return f"{item}{tries}" if isinstance(item, str) else item

    def _number(self, schema: dict[str, Any], step: float) -> float:
        unit = schema.get("multipleOf") or step
        low, high = schema.get("minimum"), schema.get("maximum")
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        if isinstance(above, bool):
            above, low = (low, None) if above else (None, low)
        if isinstance(below, bool):
            below, high = (high, None) if below else (None, high)
        bottom = max((b for b in (low, above) if b is not None), default=None)
        top = min((t for t in (high, below) if t is not None), default=None)
        if bottom is None:
            bottom = 1 if top is None or top > 1 else top - 9 * unit
        if top is None:
            top = bottom + 98 * unit
        first, last = math.ceil(bottom / unit), math.floor(top / unit)
        first += first * unit == above
        last -= last * unit == below
        if first > last:
            middle: float = (bottom + top) / 2
            return middle
        count = self.chance.randint(first, last)
        return count * unit if isinstance(unit, int) else float(f"{count * unit:.12g}")

    def _string(self, schema: dict[str, Any]) -> str:
        if "pattern" in schema:
            text = pattern.example(schema["pattern"], self.chance)
            if text is not None:
                return text
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        least, most = schema.get("minLength", 0), schema.get("maxLength", 10**6)
        text = self._word()
        while len(text) < least:
            text += " " + self._word()
        return text[:most]

    def _word(self) -> str:
        self.spoken += 1
        return self.words[(self.spoken - 1) % len(self.words)]


_COMBINING = ("allOf", "anyOf", "oneOf", "$ref")
_TELLING = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "minimum": "number",
    "maximum": "number",
    "multipleOf": "number",
}


def _joined(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Both schemas at once: properties and required add up, limits tighten."""
    both = {**left, **right}
    for key in ("properties", "$defs"):
        if key in left and key in right:
            both[key] = {**left[key], **right[key]}
    if "required" in left and "required" in right:
        both["required"] = [*left["required"], *right["required"]]
    for key in ("minimum", "minLength", "minItems"):
        if key in left and key in right:
            both[key] = max(left[key], right[key])
    for key in ("maximum", "maxLength", "maxItems"):
        if key in left and key in right:
            both[key] = min(left[key], right[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if key in left and key in right:
            both[key] = left[key]
            both.setdefault("allOf", []).append({key: right[key]})
    return both


def _weight(schema: Any) -> int:
    """How much a schema may still nest: nothing, a scalar, a container, a link."""
    if not isinstance(schema, dict):
        return 0
    if "$ref" in schema or any(key in schema for key in _COMBINING):
        return 3
    kind = schema.get("type")
    if kind in ("object", "array") or "properties" in schema:
        return 2
    return int(kind != "null")


def usable(schema: Any) -> bool:
    """Whether Ollama's grammar compiler would take this schema."""
    try:
        instance(schema, [], 0)
        return _known(schema)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False


def _known(schema: Any) -> bool:
    """Whether all types in a schema are JSON's."""
    if not isinstance(schema, dict):
        return isinstance(schema, bool)
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    nested = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    nested += schema.get("properties", {}).values()
    return all(kind in _KINDS for kind in kinds) and all(map(_known, nested))


_KINDS = ("object", "array", "string", "integer", "number", "boolean", "null")


def words(text: str) -> list[str]:
    """The words of a text, without the punctuation around them."""
    found = (word.strip(string.punctuation + "“”„") for word in re.split(r"\s+", text))
    return [word for word in found if word]
