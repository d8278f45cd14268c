"""Named: fields of a request, as a header can say them.

A client chose the names, so anything may be in them, and any number of it.
"""

import re
from collections.abc import Iterable

#: What a field's name in a header consists of; characters of one, and of all.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.\[\]-]")
MAX_NAME = 64
MAX_NAMES = 1000


def named(fields: Iterable[str]) -> str:
    """Their names as the value of a header; three points stand for those too many."""
    names: list[str] = []
    size = 0
    for field in fields:
        name = _NOT_IN_NAMES.sub("_", field[:MAX_NAME]) or "_"
        size += len(name) + 2
        if size > MAX_NAMES:
            names.append("...")
            break
        names.append(name)
    return ", ".join(names)
