"""Aliases, as operators make and change them."""

from typing import Any

import msgspec

from ..administration import Administration
from ..administration.models import find_alias
from ..gateway.entries import AliasEntry
from . import tags
from .asked import Admin, Asked, Route, Sent
from .models import check_fields
from .query import PAGES, Query, page

#: What can be changed of an alias, and what can be said of a new one.
FIELDS = tuple(n for n in AliasEntry.__struct_fields__ if n != "name")


def listed(admin: Admin, asked: Asked) -> Any:
    """A page of aliases by name."""
    query = Query(asked)
    entries = admin.office(asked.actor).aliases.list()
    some, cursor = page(entries, lambda entry: entry.name, query)
    return {"aliases": [_shown(entry) for entry in some], "cursor": cursor}


def create(admin: Admin, asked: Asked) -> Any:
    """Make an alias of a name that none has."""
    given = asked.json(dict[str, Any])
    aliases = admin.office(asked.actor).aliases
    return _answer(aliases.set(given, _installed(admin), is_new=True), 201)


def change(admin: Admin, asked: Asked) -> Any:
    """Change fields of an alias."""
    changes = asked.json(dict[str, Any])
    check_fields(changes, FIELDS)
    aliases = _office(admin, asked).aliases
    return _answer(aliases.change(asked.path["name"], changes, _installed(admin)))


def remove(admin: Admin, asked: Asked) -> None:
    """Remove an alias."""
    _office(admin, asked).aliases.remove(asked.path["name"])


def _installed(admin: Admin) -> list[str]:
    return [model.called for model in admin.catalog.models()]


def _office(admin: Admin, asked: Asked) -> Administration:
    """What changes an alias only if it is still as somebody has seen it."""
    name = asked.path["name"]
    return admin.office(
        asked.actor, lambda connection: tags.check(asked, find_alias(connection, name))
    )


def _shown(entry: AliasEntry) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(entry)
    return {**shown, "etag": tags.tag(entry)}


def _answer(entry: AliasEntry, status: int = 200) -> Sent:
    return tags.tagged(_shown(entry), tags.tag(entry), status)


ROUTES: list[Route] = [
    Route("GET", "/aliases", listed, PAGES),
    Route("POST", "/aliases", create),
    Route("PATCH", "/aliases/<path:name>", change),
    Route("DELETE", "/aliases/<path:name>", remove),
]
