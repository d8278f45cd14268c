"""Schemas for ``format``: prepared for what Ollama's grammar can hold, pure.

llama.cpp turns ``format`` into a grammar (``json-schema-to-grammar.cpp``).  It looks at
one keyword and forgets its neighbours (``anyOf`` beside ``properties``, ``$ref`` beside
anything), knows ``#/...`` references only and mixes up their names, takes no boolean
schemas, and stumbles over what it does not know.  So combinations are multiplied out,
references get names of our own, and what cannot be held is left out: it is wider than
the schema then, never wrong.  Whoever needs certainty validates (``schema_checks``).
"""

from collections.abc import Iterator
from itertools import chain, islice, product
from typing import Any, NamedTuple

from .grammar_nodes import TYPES, constrains, joined, size, sound
from .patterns import said
from .schemas import target

Schema = dict[str, Any]

#: How many schemas one format may come to, alternatives of one place, what repeats.
MAX_NODES = 20_000
MAX_WAYS = 256
MAX_REPEATS = 1000
#: What a schema, or putting two into one, takes at least; all the rest is counted in
#: the bytes that are looked at or sent.  What is used up makes the rest ``{}``.
NODE = 100
#: Saying a character of a pattern takes that many.
_PATTERN = 20
#: How deep references and combinations are multiplied out.
MAX_DEPTH = 64
MAX_MERGED = 3
_AS_IT_IS = ("const", "enum", "required", "type")
_COMBINING = ("$ref", "allOf", "anyOf", "oneOf")


class _Place(NamedTuple):
    """Where a schema stands.

    ``guarded`` is inside an object or array, where a reference may recur; ``inside``
    are the references being multiplied out right here, ``alone`` says that nothing
    stands beside them, ``merged`` how often around here something did.
    """

    root: Schema
    guarded: bool = True
    alone: bool = True
    inside: tuple[str, ...] = ()
    depth: int = 0
    merged: int = 0


class Grammar:
    """One format in the making: several schemas may go into it."""

    def __init__(self) -> None:
        self._definitions: Schema = {}
        self._roots: list[Schema] = []
        self._names: dict[tuple[int, str], str] = {}
        self._waiting: list[tuple[str, Schema, str]] = []
        self._left = MAX_NODES * NODE
        self._repeats = 10 * MAX_REPEATS
        self._inlined = 0

    def schema(self, root: Schema) -> Schema:
        """A schema prepared; its references are to what ``complete`` adds."""
        self._roots.append(root)  # kept: names go by identity
        prepared = self._value(root, _Place(root, guarded=False, inside=("#",)))
        while self._waiting:
            name, owner, reference = self._waiting.pop()
            place = _Place(owner, guarded=False, inside=(reference,))
            self._definitions[name] = self._value(target(owner, reference), place)
        return prepared

    def complete(self, schema: Schema) -> Schema:
        """The format, with all definitions that its parts refer to."""
        if not self._definitions:
            return schema
        return {**schema, "$defs": self._definitions}

    # ------------------------------------------------------ alternatives

    def _value(self, schema: Any, place: _Place) -> Schema:
        before = self._inlined
        ways = self._ways(schema, place)
        deeper = place.merged + (place.guarded and self._inlined > before)
        within = _Place(place.root, depth=place.depth + 1, merged=deeper)
        prepared = [self._plain(way, within) for way in ways]
        if len(prepared) == 1:
            return prepared[0]
        return {"anyOf": prepared} if prepared else {"type": TYPES}

    def _ways(self, schema: Any, place: _Place) -> list[Schema]:
        """What a schema allows, as alternatives without combining keywords."""
        if schema is False:
            return []
        if not isinstance(schema, dict) or place.depth > MAX_DEPTH:
            schema = {}
        if not self._affords(NODE + 10 * len(schema)):
            return [{}]
        ways = [{k: v for k, v in schema.items() if k not in _COMBINING}]
        combining = [name for name in _COMBINING if name in schema]
        if not combining:
            return ways
        alone = place.alone and len(combining) == 1 and not constrains(ways[0])
        place = place._replace(alone=alone, depth=place.depth + 1)
        for options in self._parts(schema, combining, place):
            pairs = list(islice(product(ways, options), MAX_WAYS))
            for pair in pairs:
                if not self._affords(NODE + sum(map(size, pair))):
                    return [{}]
            ways = [joined(left, right) for left, right in pairs]
        return ways

    def _parts(
        self, schema: Schema, combining: list[str], place: _Place
    ) -> Iterator[list[Schema]]:
        """The alternatives of each combining keyword."""
        for name in combining:
            given = schema[name]
            if name == "$ref":
                yield self._referred(given, place)
            elif isinstance(given, list) and name == "allOf":
                inner = place._replace(alone=place.alone and len(given) == 1)
                for part in given:
                    yield self._ways(part, inner)
            elif isinstance(given, list):
                alternatives = (self._ways(one, place) for one in given)
                yield list(islice(chain.from_iterable(alternatives), MAX_WAYS))

    def _referred(self, reference: Any, place: _Place) -> list[Schema]:
        if not isinstance(reference, str) or not reference.startswith("#"):
            return [{}]
        if not self._affords(10 * len(reference)):
            return [{}]
        if place.guarded and (place.alone or place.merged >= MAX_MERGED):
            return [{"$ref": f"#/$defs/{self._name(reference, place.root)}"}]
        if reference in place.inside:
            return []  # an alternative that is the whole itself adds nothing
        self._inlined += 1
        place = place._replace(inside=(*place.inside, reference))
        return self._ways(target(place.root, reference), place)

    def _name(self, reference: str, root: Schema) -> str:
        key = (id(root), reference)
        if key not in self._names:
            self._names[key] = name = f"def-{len(self._names)}"
            self._waiting.append((name, root, reference))
        return self._names[key]

    # ------------------------------------------------ one way, its children

    def _plain(self, way: Schema, place: _Place) -> Schema:
        if "$ref" in way:
            return {"$ref": way["$ref"]}
        if not self._affords(NODE + 10 * len(way)):
            return {"type": TYPES}
        plain: Schema = {}
        for name, value in way.items():
            if name in ("properties", "items", "prefixItems", "additionalProperties"):
                plain |= self._children(name, value, place)
            elif name in ("minItems", "maxItems", "minLength", "maxLength"):
                plain |= self._repeated(name, value)
            elif name == "pattern":
                plain |= self._pattern(value)
            elif name in _AS_IT_IS or not isinstance(value, (dict, list)):
                plain |= {name: value} if self._affords(size(value)) else {}
        return sound(plain, self._affords)

    def _pattern(self, value: Any) -> Schema:
        if not isinstance(value, str) or not self._affords(_PATTERN * len(value)):
            return {}
        text = said(value)
        return {"pattern": text} if text else {}

    def _affords(self, units: int) -> bool:
        """Charge what is about to be done; false once everything is used up."""
        if self._left > 0:
            self._left -= units
        return self._left > 0

    def _children(self, name: str, given: Any, place: _Place) -> Schema:
        if isinstance(given, (dict, list)) and self._left < NODE * len(given):
            return {}
        if name == "properties" and isinstance(given, dict):
            if "$ref" in given:
                return {}  # the grammar takes it for a reference
            if not self._affords(sum(map(len, given))):
                return {}
            fitting = {k: v for k, v in given.items() if v is not False}
            return {name: {k: self._value(v, place) for k, v in fitting.items()}}
        if name == "additionalProperties" and isinstance(given, (dict, bool)):
            open_ended = given is True or given == {}
            return {name: True if open_ended else given and self._value(given, place)}
        if isinstance(given, list):
            return {name: [self._value(one, place) for one in given]}
        if name == "items" and given is False:
            return {name: {"type": "null"}, "maxItems": 0}
        return {name: self._value(given, place)} if name == "items" else {}

    def _repeated(self, name: str, value: Any) -> Schema:
        """A bound on a number of things, which the grammar spells out one by one."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return {}
        self._repeats -= int(min(value, MAX_REPEATS))
        if value < 0 or value > MAX_REPEATS or self._repeats < 0:
            return {}
        return {name: int(value)}
