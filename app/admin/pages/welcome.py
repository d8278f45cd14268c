"""Welcome: from the first password to a key in a program, one step after the other."""

from collections.abc import Mapping
from typing import Any

from .. import keys, settings
from ..asked import Admin, Asked
from .page import Page


def values(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The address of Ollama as it is set, and whether there are keys."""
    listed = settings.listed(admin, asked).value["settings"]
    upstream = next(one for one in listed if one["field"] == "upstream_url")
    found = keys.listed(admin, asked)
    return {
        "upstream": upstream,
        "keys": len(found["keys"]),
        "closes": found["closes"],
        "auth": admin.settings.auth,
    }


PAGES: list[Page] = [Page("/welcome", "welcome.html", values, first=True)]
