"""Security: the password, who is signed in, who may ask for models, what was done."""

from collections.abc import Mapping
from typing import Any

import msgspec

from .. import audit, settings
from ..asked import Admin, Asked
from ..query import Query
from .overview import door
from .page import Page

#: Entries of the audit log that one page has.
MOST = 100
#: Settings that say who may ask for models, and from where.
DOOR = ("auth", "host", "allowed_hosts", "origins", "trusted_proxies", "relay")


def values(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """How open the door is, and a page of the audit log; sessions are fetched."""
    query = Query(asked)
    found = {
        one["field"]: one
        for one in settings.listed(admin, asked).value["settings"]
        if one["field"] in DOOR
    }
    wanted = {n: text for n in ("q", "cursor") if (text := query.text(n))}
    wanted["limit"] = str(MOST)
    log = audit.listed(admin, msgspec.structs.replace(asked, query=wanted))
    return {
        "door": door(admin),
        "settings_of_door": [found[field] for field in DOOR],
        "changed": query.flag("changed"),
        "cursor": query.text("cursor"),
        "q": query.text("q"),
        "entries": log["entries"],
        "older": log["cursor"],
    }


PAGES: list[Page] = [
    Page("/security", "security.html", values, ("cursor", "changed", "q")),
]
