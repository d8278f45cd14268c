"""JSON schemas: whether a schema is one, and whether an answer fits it.

A check takes what a model wrote and says what is wrong with it, or nothing.  Schemas
come from clients, so compiling fetches nothing, expressions never backtrack, and what
would take too long to look at is refused.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from app.errors import BadRequest
from app.wire.decoding import decode

from .pattern_costs import cost, patterns_in
from .schemas import NoSchema, target

#: What is wrong with a text that should be JSON of a schema; ``None`` if it fits.
Check = Callable[[str], str | None]

MAX_SCHEMA = 256 * 1024
#: How many schemas one value may have to be compared with, references followed.
MAX_COMPARISONS = 500_000
#: How many it may take to say where a text does not fit.
MAX_SEARCH = 20_000

#: What the patterns of one schema may cost in all (``pattern_costs``): tens of
#: milliseconds and of megabytes.
MAX_PATTERNS = 500_000
MAX_PATTERN_TEXT = 32 * 1024
#: Schemas up to here are kept by the dozen once compiled, larger ones by the pair.
SMALL_SCHEMA, SMALL_PATTERNS = 8 * 1024, 10_000

_IN_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_IN_OBJECTS = ("properties", "patternProperties", "dependentSchemas", "dependencies")
_DIRECT = (
    "not",
    "if",
    "then",
    "else",
    "items",
    "additionalItems",
    "additionalProperties",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)

_TOO_MUCH = "the patterns are too many or too complex"

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder()


def check(schema: Any, param: str) -> Check:
    """The check for a schema; raises ``BadRequest`` when it is none or too complex."""
    encoded = _encode(schema)
    if len(encoded) > MAX_SCHEMA:
        raise _refused(param, f"it is larger than {MAX_SCHEMA} bytes")
    try:
        costs = _patterns(encoded, schema)
        if costs > MAX_PATTERNS:
            raise NoSchema(_TOO_MUCH)
        small = len(encoded) <= SMALL_SCHEMA and costs <= SMALL_PATTERNS
        return _small(encoded) if small else _large(encoded)
    except NoSchema as exc:
        raise _refused(param, str(exc)) from exc


def looks_valid(schema: Any, param: str) -> None:
    """Raise ``BadRequest`` for what is no schema.

    Patterns may be of any dialect; what would take too long is not looked into.
    """
    from . import validators  # says why it is not loaded earlier

    encoded = _encode(schema)
    if len(encoded) > MAX_SCHEMA:
        raise _refused(param, f"it is larger than {MAX_SCHEMA} bytes")
    try:
        if _patterns(encoded, schema) > MAX_PATTERNS:
            validators.looks_valid_but_for_patterns(schema)
        else:
            validators.looks_valid(schema)
    except NoSchema as exc:
        raise _refused(param, str(exc)) from exc


def bounded(schemas: Iterable[Any], param: str) -> None:
    """Raise ``BadRequest`` when the patterns of several schemas come to too much."""
    if sum(_patterns(_encode(schema), schema) for schema in schemas) > MAX_PATTERNS:
        raise _refused(param, _TOO_MUCH)


def _patterns(encoded: bytes, schema: Any) -> int:
    """What the patterns of a schema cost, or more than is allowed."""
    if b'"pattern' not in encoded:
        return 0
    found = patterns_in(schema)
    if sum(map(len, found)) > MAX_PATTERN_TEXT:
        return MAX_PATTERNS + 1
    return sum(map(cost, found))


def _check(encoded: bytes) -> Check:
    from . import validators

    schema = _decoder.decode(encoded)
    sizes = _sizes(schema)
    if sizes.comparisons > MAX_COMPARISONS:
        raise NoSchema("its references unfold to too much")
    validator = validators.validator(schema)

    def verdict(text: str) -> str | None:
        try:
            value = decode(_decoder, text.encode())
        except msgspec.DecodeError:
            return "it is not JSON"
        if validator.is_valid(value):
            return None
        if sizes.search(_depth(value)) > MAX_SEARCH:
            return "it does not fit the schema"
        return validators.fault(validator, value)

    return verdict


_small = lru_cache(maxsize=64)(_check)
_large = lru_cache(maxsize=2)(_check)


def _refused(param: str, reason: str) -> BadRequest:
    return BadRequest(
        f"Invalid schema for '{param}': {reason}.", code="invalid_value", param=param
    )


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


class _Sizes:
    """How large a schema is with its references in place of what they name.

    ``comparisons`` are the schemas it comes to, a reference to what contains it counted
    as one; each such ``recursion`` may start it all over one level deeper.
    """

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[str, tuple[int, int]] = {}
        self._inside: set[str] = set()
        self.comparisons, self._recursions = self._size(root)

    def search(self, depth: int) -> int:
        """How much it may take to search a value of so many levels for its fault."""
        return int(self.comparisons * min(self._recursions, 100) ** min(depth, 50))

    def _size(self, schema: Any) -> tuple[int, int]:
        if not isinstance(schema, dict):
            return 1, 0
        _refuse_other_references(schema, schema is self._root)
        sizes = [self._size(child) for child in _children(schema)]
        if isinstance(schema.get("$ref"), str):
            sizes.append(self._referred(schema["$ref"]))
        return 1 + sum(size for size, _ in sizes), sum(again for _, again in sizes)

    def _referred(self, reference: str) -> tuple[int, int]:
        if reference in self._inside:
            return 1, 1
        if reference not in self._known:
            if reference != "#" and not reference.startswith("#/"):
                raise NoSchema("it refers to what is not in it by '#' or '#/...'")
            self._inside.add(reference)
            self._known[reference] = self._size(target(self._root, reference))
            self._inside.remove(reference)
        return self._known[reference]


def _sizes(schema: Any) -> _Sizes:
    try:
        return _Sizes(schema)
    except RecursionError:
        raise NoSchema("its references are nested too deeply") from None


def _refuse_other_references(schema: dict[str, Any], is_root: bool) -> None:
    """Ways to refer that nobody needs here, and that would escape the count."""
    for name in ("$dynamicRef", "$recursiveRef"):
        if name in schema:
            raise NoSchema(f"{name} is not supported")
    if not is_root and ("$id" in schema or isinstance(schema.get("id"), str)):
        raise NoSchema("only the whole schema may have an id")


def _children(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas in a schema, definitions apart."""
    for name, value in schema.items():
        if name in _IN_LISTS and isinstance(value, list):
            yield from value
        elif name in _IN_OBJECTS and isinstance(value, dict):
            yield from value.values()
        elif name in _DIRECT:
            yield from value if isinstance(value, list) else [value]
