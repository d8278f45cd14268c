"""Settings: all of them, in groups, each with where its value is from."""

from collections.abc import Mapping
from typing import Any

from ...changeable import changeable
from ...gateway.names import Names
from .. import settings as api
from ..asked import Admin, Asked
from ..query import Query
from .page import Page

#: What a group is called, by the setting that it begins with: it goes on until the next
#: begins, in the order of ``app.settings``, so a new setting is in one by its place.
GROUPS = {
    "upstream_url": "Ollama",
    "host": "The server, and where it keeps things",
    "auth": "Keys and signing in",
    "usage": "Usage",
    "new_models": "New models and options",
    "responses_ttl": "Conversations of /v1/responses",
    "max_body_bytes": "Sizes, times and numbers",
    "relay": "Who may call, and what",
    "access_log": "Log",
    "openai_defaults": "Sampling and thinking",
    "context": "Requests and answers",
    "max_embedding_inputs": "Embeddings",
    "image_fetch": "Images by URL",
    "aliases": "Names of models",
    "code_model": "Completion of code",
    "model_facts": "The list of models",
}
#: Settings that name a model, and how requests find it: no pattern stands for the one
#: of chats.
_RESOLVED = {"default_model": Names.exactly, "code_model": Names.meant}
_BOOLEANS = (("true", "yes"), ("false", "no"))


def values(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """All settings in their groups, and how many parameters are set for all models."""
    query, listed = Query(asked), api.listed(admin, asked).value
    return {
        "q": query.text("q"),
        "only_set": query.flag("set"),
        "groups": grouped([_shown(admin, one) for one in listed["settings"]]),
        "missing": _missing(admin, asked, listed["settings"]),
        "etag": listed["etag"],
        "overrides": len(listed["overrides"]),
    }


def grouped(settings: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Settings, in their order, by what their group is called."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in settings:
        if one["field"] in GROUPS:
            groups[GROUPS[one["field"]]] = []
        groups[next(reversed(groups))].append(one)
    return groups


def _missing(admin: Admin, asked: Asked, settings: list[dict[str, Any]]) -> set[str]:
    """Settings that name what Ollama does not have, by an alias or without one."""
    catalog, names = admin.catalog, admin.office(asked.actor).aliases.names()
    said = {one["field"]: one["value"] for one in settings}
    found = set()
    for field, resolve in _RESOLVED.items():
        if not (name := said[field]):
            continue
        model, alias = resolve(names, name, catalog.installed)
        of_chats = field == "code_model" and name == "default" and not alias
        if not of_chats and catalog.has(model) is False:
            found.add(field)
    return found


def _shown(admin: Admin, one: dict[str, Any]) -> dict[str, Any]:
    """A setting with what its control has; ``chosen`` is empty for the default."""
    kept = one["origin"] == "database"
    given = admin.found.get(one["field"])
    below = given.text if given is not None else one["default"]
    return {
        **one,
        "kept": kept,
        "restart": one["field"] not in changeable(),
        "chosen": _text(one["value"]) if kept else "",
        "below": _text(below) if kept else _text(one["value"]),
        "options": _BOOLEANS
        if one["type"] == "boolean"
        else tuple((name, name) for name in one["choices"]),
    }


def _text(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


PAGES: list[Page] = [Page("/settings", "settings.html", values, ("q", "set"))]
