"""Playground: what can be tried there, and in whose name (``static/playground.js``)."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from .. import aliases, keys, models
from ..asked import Admin, Asked, Handler
from .page import Page

#: What the page itself reads of its address.
_QUERY = ("mode", "model", "key", "dialect")
#: Names of each kind that are offered; all others can be typed.
MOST = 500


def shown(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The models, their other names, and the keys, so many of each."""
    first = replace(asked, query={"limit": str(MOST)})

    def found(handler: Handler, name: str) -> Any:
        return handler(admin, first)[name]

    return {
        # Their names alone: what each of them is, Ollama would have to be asked.
        "models": models.admitted(admin, asked, ("*",), ())["models"][:MOST],
        "aliases": found(aliases.listed, "aliases"),
        "keys": found(keys.listed, "keys"),
        "usual": admin.settings.default_model or admin.catalog.first_chat_model() or "",
    }


PAGES: list[Page] = [Page("/playground", "playground.html", shown, _QUERY)]
