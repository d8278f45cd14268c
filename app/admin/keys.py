"""Keys, as operators make and change them; a secret is in one answer only."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast, get_args

import msgspec

from ..administration import Administration
from ..administration.checks import check_terms, shaped
from ..administration.views import view
from ..gateway.keys import Globs, Key, Terms
from ..moment import now_ms
from ..storage import configuration as kept
from ..storage.key_pages import Order, State, Wanted
from . import tags
from .asked import Admin, Asked, Route, Sent
from .models import admitted
from .query import PAGES, Query, window, wrong
from .standing import days, first_day, standings
from .usage import TIMES, of_key

#: What changes with every request, or with time alone, and is nobody's change.
_PASSING = {"state", "last_used_at", "last_used_ip"}


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many milliseconds the old secret stays good."""

    grace: int = 0


class Patterns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key may be allowed to use."""

    allow_models: Globs
    deny_models: Globs = ()


def listed(admin: Admin, asked: Asked) -> Any:
    """A page of keys; and whether a first one would close the door."""
    query = Query(asked)
    keys = admin.office(asked.actor).keys
    try:
        some, cursor, there = keys.page(_wanted(query))
    except ValueError as error:
        raise wrong("cursor", f"cursor: {error}.") from None
    more = _used(admin, some) if query.flag("usage") else {}
    auto = admin.settings.auth == "auto"
    return {
        "keys": [{**_shown(key), **more.get(key.id, {})} for key in some],
        "cursor": cursor,
        "closes": auto and not there,
        "opens": auto and there == 1,
        "last_good": keys.last_good(),
    }


def _wanted(query: Query) -> Wanted:
    after, part, most = window(query)
    state = query.one_of("state", get_args(State), "")
    order = query.one_of("sort", get_args(Order), "name")
    return Wanted(
        most=most,
        now=now_ms(),
        after=after,
        part=part,
        state=cast(State, state) if state else None,
        order=cast(Order, order),
        since=first_day(),
    )


def _used(admin: Admin, keys: Sequence[Key]) -> dict[str, dict[str, Any]]:
    busy, standing = days(admin, keys), standings(admin, keys)
    return {id: {"days": busy[id], "standing": standing[id]} for id in busy}


def create(admin: Admin, asked: Asked) -> Any:
    """Make a key, or take in one from elsewhere (``key``)."""
    dry_run = Query(asked).flag("dry_run")
    given = asked.json(dict[str, Any])
    secret = given.pop("key", None)
    keys = admin.office(asked.actor).keys
    brought = secret if isinstance(secret, str) else ""
    closes = keys.closes()
    if dry_run:
        keys.try_out(given, None if secret is None else brought)
        return {"closes": closes}
    if secret is None:
        key, secret = keys.create(given)
        return _answer(key, 201, key=secret, closed=closes)
    key = keys.take_in(given, brought)
    return _answer(key, 201, closed=closes)


def get(admin: Admin, asked: Asked) -> Any:
    """One key, and what it has had of its limits by now."""
    keys = admin.office(asked.actor).keys
    key = keys.get(asked.path["id"])
    return _answer(
        key,
        standing=standings(admin, [key])[key.id],
        opens=keys.opens(key.id),
        shuts=keys.shuts(key.id),
    )


def change(admin: Admin, asked: Asked) -> Any:
    """Change fields of a key."""
    changes = asked.json(dict[str, Any])
    return _answer(_office(admin, asked).keys.change(asked.path["id"], changes))


def remove(admin: Admin, asked: Asked) -> None:
    """Remove a key as if it had never been."""
    _office(admin, asked).keys.delete(asked.path["id"])


def rotate(admin: Admin, asked: Asked) -> Any:
    """Give a key another secret."""
    wanted = asked.json(Rotation) if asked.body else Rotation()
    keys = _office(admin, asked).keys
    key, secret = keys.rotate(asked.path["id"], wanted.grace)
    return _answer(key, key=secret)


def switch(enabled: bool, admin: Admin, asked: Asked) -> Any:
    """Let a key in again, or refuse it for a while."""
    asked.check_empty()
    keys = _office(admin, asked).keys
    return _answer(keys.change(asked.path["id"], {"enabled": enabled}))


def revoke(admin: Admin, asked: Asked) -> Any:
    """Refuse a key for ever."""
    asked.check_empty()
    return _answer(_office(admin, asked).keys.revoke(asked.path["id"]))


def usage(admin: Admin, asked: Asked) -> Any:
    """What a key has used."""
    return of_key(admin, asked, admin.office(asked.actor).keys.get(asked.path["id"]))


def models(admin: Admin, asked: Asked) -> Any:
    """What a key may use now: nothing, unless it is good."""
    key = admin.office(asked.actor).keys.get(asked.path["id"])
    if key.fault(time.time):
        return {"models": [], "aliases": []}
    return admitted(admin, asked, key.terms.allow_models, key.terms.deny_models)


def matches(admin: Admin, asked: Asked) -> Any:
    """What a key with these patterns could use now."""
    wanted = shaped(asked.json(dict[str, Any]), Patterns)
    check_terms(Terms(allow_models=wanted.allow_models, deny_models=wanted.deny_models))
    return admitted(admin, asked, wanted.allow_models, wanted.deny_models)


def _office(admin: Admin, asked: Asked) -> Administration:
    """What changes a key only if it is still as somebody has seen it."""

    def first(connection: Any) -> None:
        key = kept.find_key(connection, asked.path["id"])
        tags.check(asked, _lasting(view(key, 0)))

    return admin.office(asked.actor, first)


def _lasting(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in _PASSING}


def _shown(key: Key) -> dict[str, Any]:
    shown = view(key, now_ms())
    return {**shown, "etag": tags.tag(_lasting(shown))}


def _answer(made: Key, status: int = 200, **more: Any) -> Sent:
    shown = _shown(made)
    return tags.tagged({**shown, **more}, shown["etag"], status)


ROUTES: list[Route] = [
    Route("GET", "/keys", listed, (*PAGES, "sort", "state", "usage")),
    Route("POST", "/keys", create, ("dry_run",)),
    Route("POST", "/keys/matches", matches),
    Route("GET", "/keys/<id>", get),
    Route("PATCH", "/keys/<id>", change),
    Route("DELETE", "/keys/<id>", remove),
    Route("POST", "/keys/<id>/rotate", rotate),
    Route("POST", "/keys/<id>/enable", partial(switch, True)),
    Route("POST", "/keys/<id>/disable", partial(switch, False)),
    Route("POST", "/keys/<id>/revoke", revoke),
    Route("GET", "/keys/<id>/usage", usage, TIMES),
    Route("GET", "/keys/<id>/models", models),
]
