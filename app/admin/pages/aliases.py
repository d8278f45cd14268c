"""Aliases: their list, one of them, and which model a name means."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ...administration import Refused
from ...errors import BadRequest
from .. import aliases, keys, models
from ..asked import Admin, Asked
from .page import Page
from .parameters import FORM

#: Names of models that a field offers; all others can be typed.
_OFFERED = 500


def listed(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """A page of aliases, and what a name means that somebody wants to know of."""
    query = {n: text for n in ("q", "cursor") if (text := asked.query.get(n, ""))}
    found = aliases.listed(admin, replace(asked, query=query))
    some = keys.listed(admin, replace(asked, query={"limit": "100"}))
    name, key = (asked.query.get(n, "").strip() for n in ("name", "key"))
    return {
        **found,
        "q": asked.query.get("q", ""),
        "keys": [one["name"] for one in some["keys"]],
        "asked": {"name": name, "key": key},
        "meant": _meant(admin, asked, name, key) if name else None,
    }


def new(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """An alias that is still to be made."""
    target = asked.query.get("target", "")
    return {"alias": None, "target": target, **_form(admin, asked)}


def one(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """One alias."""
    alias = aliases.get(admin, asked).value
    return {"alias": alias, "target": alias["target"], **_form(admin, asked)}


def _form(admin: Admin, asked: Asked) -> dict[str, Any]:
    return {"models": models.names(admin, asked)[:_OFFERED], "form": FORM}


def _meant(admin: Admin, asked: Asked, name: str, key: str) -> dict[str, Any]:
    """The model that a name means, why, and whether a key may use it."""
    path = {"name": name}
    try:
        found = models.effective(admin, replace(asked, path=path, query={}))
    except (Refused, BadRequest) as error:
        return {"model": "", "wrong": str(error)}
    meant = {"model": found["model"], "alias": found["alias"], "wrong": ""}
    if not key:
        return meant
    try:
        may = keys.models(admin, replace(asked, path={"id": key}, query={}))
    except (Refused, BadRequest) as error:
        return {**meant, "wrong": str(error)}
    alias = found["alias"].lower()
    by_alias = alias in {one.lower() for one in may["aliases"]}
    return {**meant, "may": by_alias if alias else found["model"] in may["models"]}


PAGES: list[Page] = [
    Page("/aliases", "aliases.html", listed, ("q", "cursor", "name", "key")),
    Page("/alias", "alias.html", new, ("target",)),
    Page("/aliases/<path:name>", "alias.html", one),
]
