"""Settings: each with what it is, where that is from, and whether it can be changed.

The parameters for all models are among them, as ``overrides``.
"""

from typing import Any

import msgspec

from ..administration import Administration
from ..administration.choices import settings_of
from ..changeable import BEFORE, changeable
from ..option import Option
from ..settings import options
from ..storage import configuration as kept
from ..storage.configuration import OVERRIDES
from . import tags
from .asked import Admin, Asked, Route
from .query import wrong

_HIDDEN = "********"
_TYPES: dict[type, str] = {
    msgspec.inspect.BoolType: "boolean",
    msgspec.inspect.IntType: "integer",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.LiteralType: "choice",
}
#: What JSON has for each kind of setting, and what that is called.
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "boolean": ((bool,), "true or false"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "choice": ((str,), "a text"),
    "text": ((str,), "a text"),
}


def listed(admin: Admin, asked: Asked) -> Any:
    """All settings."""
    return _answer(admin, admin.office(asked.actor))


def change(admin: Admin, asked: Asked) -> Any:
    """Set some; ``null`` is as if one had never been set."""
    given = asked.json(dict[str, Any])
    overrides = _overrides(given.pop(OVERRIDES)) if OVERRIDES in given else None
    for field, value in given.items():
        _check(admin, field, value)
    office = admin.office(
        asked.actor,
        lambda connection: tags.check(asked, _set(kept.settings(connection))),
    )
    office.choices.set(given, overrides)
    return _answer(admin, office)


def _overrides(said: Any) -> dict[str, Any]:
    """What takes the place of all that were there; raises ``BadRequest``."""
    if said is not None and not isinstance(said, dict):
        raise wrong(OVERRIDES, "'overrides' are an object.")
    return said or {}


def _set(found: dict[str, Any]) -> dict[str, Any]:
    """What is set in the database, of which the tag is."""
    return {**settings_of(found), OVERRIDES: found.get(OVERRIDES) or {}}


def _answer(admin: Admin, office: Administration) -> Any:
    chosen, overrides = office.choices.list(), office.choices.overrides()
    in_force = office.choices.in_force()
    etag = tags.tag({**chosen, OVERRIDES: overrides})
    shown = [
        _shown(admin, option, getattr(in_force, option.field), option.field in chosen)
        for option in options()
    ]
    value = {"settings": shown, "overrides": overrides, "etag": etag}
    return tags.tagged(value, etag)


def _shown(admin: Admin, option: Option, value: Any, is_kept: bool) -> dict[str, Any]:
    why = _why_not(admin, option)
    return {
        "field": option.field,
        "variable": option.variable,
        "help": option.help,
        "type": _kind(option),
        "choices": option.choices,
        "default": _HIDDEN if option.secret and option.default else option.default,
        "value": _HIDDEN if option.secret and value else value,
        "secret": option.secret,
        "origin": _origin(admin, option, is_kept),
        "changeable": not why,
        "why": why,
    }


def _kind(option: Option) -> str:
    kind: Any = msgspec.inspect.type_info(option.type)
    kind = getattr(kind, "type", kind)
    for type, name in _TYPES.items():
        if isinstance(kind, type):
            return name
    return "text"


def _origin(admin: Admin, option: Option, is_kept: bool) -> str:
    given = admin.found.get(option.field)
    if is_kept and (given is None or _counts_more(admin, option)):
        return "database"
    if given is None:
        return "default"
    return "environment" if given.where == "the environment" else given.where


def _counts_more(admin: Admin, option: Option) -> bool:
    """Whether the database counts more than the environment for this one."""
    return option.field == "upstream_url" and not admin.settings.pin_upstream


def _why_not(admin: Admin, option: Option) -> str:
    """Why a setting cannot be changed here; empty where it can."""
    if option.field not in changeable():
        return BEFORE.format(option.variable)
    given = admin.found.get(option.field)
    if given is None or _counts_more(admin, option):
        return ""
    return f"{given.variable} is set in {given.where}, which counts more."


def _check(admin: Admin, field: str, value: Any) -> None:
    """Raise ``BadRequest`` for what cannot be set, or not so."""
    option = next((one for one in options() if one.field == field), None)
    if option is None:
        raise wrong(field[:64], f"There is no setting {field[:64]!r}.")
    if value is None:
        return
    if why := _why_not(admin, option):
        raise wrong(field, why)
    kinds, wanted = _KINDS[_kind(option)]
    # To Python a truth value is a number too.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise wrong(field, f"{field}: {wanted} is wanted.")


ROUTES: list[Route] = [
    Route("GET", "/settings", listed),
    Route("PATCH", "/settings", change),
]
