"""Fields: some of a request's, and which of them it has set, at little cost.

Requests have dozens of fields and set a few, so the question is asked of all at once.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec

#: Names, what gets their values, and those of a request that has set none.
_Known = tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]], tuple[None, ...]]


class Fields:
    """Fields by their names, for requests of any type that has some of them."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._known: dict[type, _Known] = {}

    def of(self, request: msgspec.Struct) -> list[tuple[str, Any]]:
        """Name and value of each that the request has set, in the order of the names.

        An empty list stands for most requests.
        """
        try:
            names, values_of, nothing = self._known[type(request)]
        except KeyError:
            names, values_of, nothing = self._look(type(request))
        values = values_of(request)
        if values == nothing:
            return []
        pairs = zip(names, values, strict=True)
        return [(name, value) for name, value in pairs if value is not None]

    def _look(self, kind: type[msgspec.Struct]) -> _Known:
        names = tuple(name for name in self._names if name in kind.__struct_fields__)
        known = self._known[kind] = names, _values(names), (None,) * len(names)
        return known


def _values(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """What gets the values of fields out of a request."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda request: ()
    value_of = attrgetter(*names)  # of a single name it makes no tuple
    return lambda request: (value_of(request),)
