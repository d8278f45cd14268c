"""What was done: the audit log."""

from typing import Any

import msgspec

from .asked import Admin, Asked, Route
from .query import MOST, Query, wrong

#: Words that can be looked for at once: each is held against all that is kept.
WORDS = 8


def listed(admin: Admin, asked: Asked) -> Any:
    """A page of changes, newest first; ``before`` is another name of ``cursor``.

    ``q`` are words, all of which an entry has in ``action``, ``object``, ``actor`` or
    ``ip``.
    """
    query = Query(asked)
    limit = query.number("limit", 50, 1, MOST)
    if query.text("cursor") and query.text("before"):
        raise wrong("before", "'before' and 'cursor' mean the same: one will do.")
    name = "cursor" if query.text("cursor") else "before"
    before = query.number(name, 0, 1, 2**63 - 1) or None
    words = query.text("q").split()
    if len(words) > WORDS:
        raise wrong("q", f"'q' has {WORDS} words at most.")
    entries = admin.office(asked.actor).audit(limit, before, words)
    cursor = str(entries[-1].id) if len(entries) == limit else ""
    return {"entries": msgspec.to_builtins(entries), "cursor": cursor}


ROUTES: list[Route] = [
    Route("GET", "/audit", listed, ("cursor", "limit", "before", "q")),
]
