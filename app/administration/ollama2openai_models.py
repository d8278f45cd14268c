"""The models of Ollama2OpenAI: what was set for them, and the names they were shown by.

A name that cannot be an alias here is left out and said: the others go on to work.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Any

import msgspec

from ..gateway.entries import AliasEntry, ModelEntry
from ..gateway.rules import settable, why_not
from ..storage.refusal import Refused
from ..wire.names import key as key_of
from .checks import check_alias, check_model, check_once, shaped
from .foreign import File, at, entries, file

MODELS, OVERRIDES = "models.json", "overrides.json"
_LONGEST = 128

#: Names as overrides.json has them, each with its parameters, by what spellings share.
_Overrides = dict[str, tuple[str, dict[str, Any]]]


class _Model(msgspec.Struct, rename="camel"):
    """An entry of models.json; its keys of other names are Ollama's own facts."""

    original_name: str
    display_name: str | None = None
    enabled: bool = True
    parameter_overrides: dict[str, Any] | None = None

    @property
    def shown(self) -> str:
        """The name that clients know it by."""
        return (self.display_name or "").strip() or self.original_name


def models(place: File) -> tuple[list[ModelEntry], list[AliasEntry], list[str]]:
    """What was set for models, their other names, and what is said of these.

    Raises ``Refused``.
    """
    listed = list(entries(place / MODELS, _Model))
    left, remarks = _overrides(place)
    found: list[ModelEntry] = []
    known: dict[str, str] = {}
    for where, entry in listed:
        with at(where):
            name = entry.original_name
            check_once(known, key_of(name), name, "originalName")
            model = _entry(entry, left)
        remarks += _left_out(where, entry.parameter_overrides or {})
        if model != ModelEntry(name=model.name):
            found.append(model)
    for name, chosen in left.values():
        with at(f"{OVERRIDES}, {name!r}"):
            found.append(shaped({"name": name, "overrides": chosen}, ModelEntry))
            check_model(found[-1])
    aliases, others = _aliases(listed)
    return found, aliases, remarks + others


def _overrides(place: File) -> tuple[_Overrides, list[str]]:
    """What overrides.json has of each model that can be set, and what is said of it."""
    with at(OVERRIDES):
        there = file(place / OVERRIDES, dict[str, dict[str, Any]], {})
    found: _Overrides = {}
    known: dict[str, str] = {}
    remarks = []
    for name, chosen in there.items():
        where = f"{OVERRIDES}, {name!r}"
        with at(where):
            check_once(known, key_of(name), name, "name")
        found[key_of(name)] = name, settable(chosen)
        remarks += _left_out(where, chosen)
    return found, remarks


def _left_out(where: str, overrides: Mapping[str, Any]) -> list[str]:
    """What is said of parameters that cannot be set."""
    reasons = {name: why_not(name) for name in overrides}
    return [
        f"{where}: the parameter {name[:128]!r} is not taken over: {reason}."
        for name, reason in reasons.items()
        if reason
    ]


def _entry(entry: _Model, overrides: _Overrides) -> ModelEntry:
    """What is set for a model; takes what is its own out of ``overrides``."""
    name, chosen = entry.original_name, entry.parameter_overrides
    none: tuple[str, dict[str, Any]] = ("", {})
    _, by_name = overrides.pop(key_of(name), none)
    if not by_name:
        _, by_name = overrides.pop(key_of(entry.shown), none)
    set_there = by_name if chosen is None else settable(chosen)
    given = {"name": name, "enabled": entry.enabled, "overrides": set_there}
    model = shaped(given, ModelEntry)
    check_model(model)
    return model


def _aliases(
    listed: Iterable[tuple[str, _Model]],
) -> tuple[list[AliasEntry], list[str]]:
    """The names that can be aliases, each once, and why others cannot."""
    own = {key_of(entry.original_name) for _, entry in listed}
    found: dict[str, AliasEntry] = {}
    remarks = []
    for where, entry in listed:
        if entry.shown.lower() == entry.original_name.lower():
            continue
        try:
            alias = _alias(entry, own, found)
        except Refused as refused:
            remarks.append(
                f"{where}: the name {entry.shown[:128]!r} of {entry.original_name!r} is"
                f" not taken over. {refused}"
            )
        else:
            found[alias.name.lower()] = alias
    return list(found.values()), remarks


def _alias(
    entry: _Model, models: Container[str], others: Mapping[str, AliasEntry]
) -> AliasEntry:
    if len(entry.shown) > _LONGEST:
        raise Refused(f"An alias has at most {_LONGEST} characters.", "displayName")
    given = {"name": entry.shown, "target": entry.original_name, "display": True}
    alias = shaped(given, AliasEntry)
    check_alias(alias, models)
    if alias.name.lower() in others:
        raise Refused("Another model has that name too.", "displayName")
    return alias
