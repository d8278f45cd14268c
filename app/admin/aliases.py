"""Aliases, as operators make and change them."""

from typing import Any

import msgspec

from ..administration import Administration, Refused
from ..administration.models import Aliases, find_alias
from ..administration.outside import Alias
from ..gateway.entries import AliasEntry
from . import tags
from .asked import Admin, Asked, Route, Sent
from .models import check_fields
from .query import PAGES, Query, page

#: What can be changed of an alias, and what can be said of a new one.
FIELDS = tuple(n for n in AliasEntry.__struct_fields__ if n != "name")


def listed(admin: Admin, asked: Asked) -> Any:
    """A page of aliases by name, those of the environment too."""
    query = Query(asked)
    found = admin.office(asked.actor).aliases.everywhere()
    some, cursor = page(found, _place, query)
    return {"aliases": [_shown(admin, one) for one in some], "cursor": cursor}


def get(admin: Admin, asked: Asked) -> Any:
    """One alias; of two of a name the one that can be changed."""
    wanted = asked.path["name"].strip().lower()
    found = admin.office(asked.actor).aliases.everywhere()
    some = [one for one in found if one.entry.name.lower() == wanted]
    if not some:
        name = asked.path["name"][:128]
        raise Refused(f"There is no alias {name!r}.", "name", unknown=True)
    shown = _shown(admin, max(some, key=lambda one: one.changeable))
    return tags.tagged(shown, shown["etag"]) if "etag" in shown else Sent(value=shown)


def create(admin: Admin, asked: Asked) -> Any:
    """Make an alias of a name that none has."""
    given = asked.json(dict[str, Any])
    aliases = admin.office(asked.actor).aliases
    made = aliases.set(given, _installed(admin), is_new=True)
    return _answer(admin, aliases, made, 201)


def change(admin: Admin, asked: Asked) -> Any:
    """Change fields of an alias."""
    changes = asked.json(dict[str, Any])
    check_fields(changes, FIELDS)
    aliases = _office(admin, asked).aliases
    changed = aliases.change(asked.path["name"], changes, _installed(admin))
    return _answer(admin, aliases, changed)


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


def _place(one: Alias) -> str:
    """Where it stands in lists: after the one of the same name that counts more."""
    return f"{one.entry.name} " if one.changeable and one.why else one.entry.name


def _shown(admin: Admin, one: Alias) -> dict[str, Any]:
    """An alias as JSON; ``available`` as that of a model, which may be unknown."""
    shown: dict[str, Any] = msgspec.to_builtins(one.entry)
    said = {"origin": one.origin, "changeable": one.changeable, "why": one.why}
    there = admin.catalog.has(one.entry.target)
    etag = {"etag": tags.tag(one.entry)} if one.changeable else {}
    return {**shown, "available": there, **said, **etag}


def _answer(
    admin: Admin, aliases: Aliases, entry: AliasEntry, status: int = 200
) -> Sent:
    shown = _shown(admin, Alias(entry, "database", True, aliases.why(entry.name)))
    return tags.tagged(shown, shown["etag"], status)


ROUTES: list[Route] = [
    Route("GET", "/aliases", listed, PAGES),
    Route("POST", "/aliases", create),
    Route("GET", "/aliases/<path:name>", get),
    Route("PATCH", "/aliases/<path:name>", change),
    Route("DELETE", "/aliases/<path:name>", remove),
]
