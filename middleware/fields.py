"""Fields: some of a request's, and which of them it has set, at little cost.

Requests have dozens of fields and set a few, so the question is asked of all at once.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec


class Fields:
    """Fields by their names, for requests of any type that has some of them."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._known: dict[type, tuple[tuple[str, ...], Callable[[Any], Any]]] = {}

    def of(self, request: msgspec.Struct) -> list[tuple[str, Any]]:
        """Name and value of each that the request has set, in the order of the names.

        An empty list stands for most requests.
        """
        kind = type(request)
        names, values_of = self._known.get(kind) or self._look(kind)
        values = values_of(request)
        if values.count(None) == len(values):
            return []
        pairs = zip(names, values, strict=True)
        return [(name, value) for name, value in pairs if value is not None]

    def _look(
        self, kind: type[msgspec.Struct]
    ) -> tuple[tuple[str, ...], Callable[[Any], Any]]:
        names = tuple(name for name in self._names if name in kind.__struct_fields__)
        # Of a single name, or none, it would make no tuple.
        values_of = attrgetter(*names) if len(names) > 1 else _few(names)
        self._known[kind] = names, values_of
        return self._known[kind]


def _few(names: tuple[str, ...]) -> Callable[[Any], Any]:
    return lambda request: tuple(getattr(request, name) for name in names)
