"""What was done: the audit log."""

from typing import Any

import msgspec

from .asked import Admin, Asked, Route
from .query import MOST, Query


def listed(admin: Admin, asked: Asked) -> Any:
    """A page of changes, newest first; ``cursor`` is the ``before`` of the next."""
    query = Query(asked)
    limit = query.number("limit", 50, 1, MOST)
    before = query.number("before", 0, 1, 2**63 - 1) or None
    entries = admin.office(asked.actor).audit(limit, before)
    cursor = str(entries[-1].id) if len(entries) == limit else ""
    return {"entries": msgspec.to_builtins(entries), "cursor": cursor}


ROUTES: list[Route] = [Route("GET", "/audit", listed, ("limit", "before"))]
