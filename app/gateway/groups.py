"""Endpoint groups: which routes a key may use (specification: gateway, section 2).

What needs no key at all is here too.  All of it goes by method and path alone.
"""

from functools import lru_cache
from typing import Literal, get_args

Group = Literal[
    "chat",
    "completions",
    "responses",
    "messages",
    "embeddings",
    "code",
    "images",
    "audio",
    "moderations",
    "models",
    "native",
    "manage",
]
GROUPS: tuple[Group, ...] = get_args(Group)
#: What keys may use where nothing else was said: all but changing Ollama's models.
ORDINARY: tuple[Group, ...] = tuple(group for group in GROUPS if group != "manage")

#: Open to everybody (specification: decisions, 28).  What changes something, or knows
#: of models, is not among it.
OPEN = frozenset(
    [
        "/",
        "/docs",
        "/health",
        "/healthz",
        "/openapi.json",
        "/ready",
        "/readyz",
        "/version",
    ]
)
#: How paths begin that have a guard of their own, or need none.
OPEN_BELOW = ("/admin/", "/static/")
ADMIN = "/admin"
#: Open to programs of the same machine.
METRICS = "/metrics"

Groups = frozenset[Group]


def _any(*groups: Group) -> Groups:
    return frozenset(groups)


_CODE, _MANAGE, _NATIVE = _any("code"), _any("manage"), _any("native")
_LOOKING = _any("models", "native")

#: By the first part of a path, that of an API's version aside.
_ROUTES: dict[str, Groups] = {
    "audio": _any("audio"),
    "chat": _any("chat"),
    "code": _CODE,
    "completion": _CODE,
    "completions": _any("completions", "code"),  # editors ask there as well
    "embeddings": _any("embeddings"),
    "events": _CODE,
    "fim": _CODE,
    "health": _CODE,  # below /v1 only, where editors ask for it
    "images": _any("images"),
    "infill": _CODE,
    "messages": _any("messages"),
    "metrics": _MANAGE,  # it names all models
    "models": _any("models"),
    "moderations": _any("moderations"),
    "props": _CODE,
    "responses": _any("responses"),
}
_VERSIONS = ("/anthropic/v1/", "/beta/", "/v1/", "/")

#: Ollama's own; all else below ``/api/`` changes models, or may do so one day.  What
#: has another method than its route is for that route's users, to be told so.
_NATIVES: dict[str, Groups] = {
    "/api/chat": _NATIVE,
    "/api/embed": _NATIVE,
    "/api/embeddings": _NATIVE,
    "/api/generate": _any("native", "code"),
    "/api/ps": _LOOKING,
    "/api/show": _LOOKING,
    "/api/tags": _LOOKING,
    "/api/version": _LOOKING,
}


@lru_cache(256)
def groups_for(method: str, path: str) -> Groups | None:
    """The groups of which a key needs one; ``None``: any key will do."""
    if path.startswith("/api/"):
        return _NATIVES.get(path, _MANAGE)
    version = next((known for known in _VERSIONS if path.startswith(known)), "")
    groups = _ROUTES.get(path[len(version) :].partition("/")[0])
    if method == "DELETE" and groups is _ROUTES["models"]:
        return _MANAGE
    return groups
