"""Standing: what keys have had of their limits by now, and how busy their days were."""

from collections.abc import Sequence
from typing import Any

from ..gateway.keys import Key
from ..gateway.room import Had
from ..moment import now_ms
from ..storage.usage_tables import DAY
from .asked import Admin

#: Days that a list of keys shows.
DAYS = 14
#: What limits are called here: the term that has one, and what counts towards it.
_LIMITS = {
    "rpm": ("rpm", "requests"),
    "tpd": ("tpd", "tokens"),
    "concurrent": ("max_concurrent", "running"),
}


def standings(admin: Admin, keys: Sequence[Key]) -> dict[str, Any]:
    """By id: the limits of each key, and what is used of them, if anybody knows."""
    limits = {key.id: _limits(key) for key in keys}
    limited = [id for id, some in limits.items() if some]
    had = admin.installation.limits.had(limited) if limited else None
    return {
        id: {
            name: {"limit": limit, "used": _used(had[id], name) if had else None}
            for name, limit in some.items()
        }
        for id, some in limits.items()
    }


def _used(had: Had, limit: str) -> int:
    _, counted = _LIMITS[limit]
    used: int = getattr(had, counted)
    return used


def _limits(key: Key) -> dict[str, int]:
    found = {name: getattr(key.terms, term) for name, (term, _) in _LIMITS.items()}
    return {name: limit for name, limit in found.items() if limit is not None}


def first_day() -> int:
    """When the first of the days begins that a list shows."""
    return now_ms() // DAY * DAY - (DAYS - 1) * DAY


def days(admin: Admin, keys: Sequence[Key]) -> dict[str, list[int]]:
    """By id: the requests of each of the last days (UTC), the oldest first."""
    first = first_day()
    known = [first + day * DAY for day in range(DAYS)]
    found = admin.installation.ledger.by_day(
        [key.id for key in keys], (first, first + DAYS * DAY)
    )
    return {key.id: [found.get(key.id, {}).get(at, 0) for at in known] for key in keys}
