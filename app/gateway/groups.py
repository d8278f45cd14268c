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

#: Ollama's own; all else below ``/api/`` changes models, or may do so one day.
_NATIVES: dict[tuple[str, str], Groups] = {
    ("GET", "/api/ps"): _LOOKING,
    ("GET", "/api/tags"): _LOOKING,
    ("GET", "/api/version"): _LOOKING,
    ("HEAD", "/api/ps"): _LOOKING,
    ("HEAD", "/api/tags"): _LOOKING,
    ("HEAD", "/api/version"): _LOOKING,
    ("POST", "/api/chat"): _NATIVE,
    ("POST", "/api/embed"): _NATIVE,
    ("POST", "/api/embeddings"): _NATIVE,
    ("POST", "/api/generate"): _any("native", "code"),
    ("POST", "/api/show"): _LOOKING,
}


@lru_cache(256)
def groups_for(method: str, path: str) -> Groups | None:
    """The groups of which a key needs one; ``None``: any key will do."""
    if path.startswith("/api/"):
        return _NATIVES.get((method, path), _MANAGE)
    version = next((known for known in _VERSIONS if path.startswith(known)), "")
    groups = _ROUTES.get(path[len(version) :].partition("/")[0])
    if method == "DELETE" and groups is _ROUTES["models"]:
        return _MANAGE
    return groups
