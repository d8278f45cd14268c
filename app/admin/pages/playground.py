"""Playground: what can be tried there, and in whose name (``static/playground.js``)."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from .. import aliases, keys, models
from ..asked import Admin, Asked, Handler
from .page import Page

#: What the page itself reads of its address.
_QUERY = ("mode", "model", "key", "dialect")


def shown(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The models, their other names, and the keys, as many as a list may have."""
    first = replace(asked, query={"limit": "500"})

    def found(handler: Handler, name: str) -> Any:
        return handler(admin, first)[name]

    return {
        "models": found(models.listed, "models"),
        "aliases": found(aliases.listed, "aliases"),
        "keys": found(keys.listed, "keys"),
        "usual": admin.settings.default_model or admin.catalog.first_chat_model() or "",
    }


PAGES: list[Page] = [Page("/playground", "playground.html", shown, _QUERY)]
