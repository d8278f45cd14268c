"""What was done: the audit log."""

from typing import Any

import msgspec

from .asked import Admin, Asked, Route
from .query import MOST, Query, wrong


def listed(admin: Admin, asked: Asked) -> Any:
    """A page of changes, newest first; ``before`` is another name of ``cursor``."""
    query = Query(asked)
    limit = query.number("limit", 50, 1, MOST)
    if query.text("cursor") and query.text("before"):
        raise wrong("before", "'before' and 'cursor' mean the same: one will do.")
    name = "cursor" if query.text("cursor") else "before"
    before = query.number(name, 0, 1, 2**63 - 1) or None
    entries = admin.office(asked.actor).audit(limit, before)
    cursor = str(entries[-1].id) if len(entries) == limit else ""
    return {"entries": msgspec.to_builtins(entries), "cursor": cursor}


ROUTES: list[Route] = [
    Route("GET", "/audit", listed, ("cursor", "limit", "before")),
]
