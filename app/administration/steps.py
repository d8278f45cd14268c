"""Steps: what taking in a document does, one thing after the other.

``merge`` puts what the document has in the place of what is there, ``skip`` takes only
what is not there, ``replace`` also removes what the document does not have.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import msgspec
from msgspec import UNSET, UnsetType

from ..changeable import variable
from ..gateway.entries import AliasEntry, ModelEntry
from ..gateway.keys import Key
from ..storage import configuration as kept
from ..storage.configuration import OVERRIDES
from ..storage.refusal import Refused
from ..wire.names import key as key_of
from .desk import Connection
from .document import Document, KeptKey

Mode = Literal["merge", "replace", "skip"]
#: By the words that mean them (specification: gateway, section 9).
MODES: dict[str, Mode] = {
    **{mode: mode for mode in get_args(Mode)},
    "skip_existing": "skip",
}
Action = Literal["add", "change", "remove"]
Do = Callable[[Connection, str], object]

Named = TypeVar("Named", Key, ModelEntry, AliasEntry)

#: What of a key is not taken over from a file where the key is there.
_OWN = {"id", "created_at", "last_used_at", "last_used_ip"}


class Changes(NamedTuple):
    """What is gathered before any of it is written, since there may be many."""

    models: kept.Entries
    aliases: kept.Entries
    keys: kept.Batch

    @classmethod
    def to(cls, there: Document, actor: str) -> "Changes":
        """None yet, to what there is."""
        models, aliases = kept.Entries.of_models(actor), kept.Entries.of_aliases(actor)
        return cls(models, aliases, kept.Batch(there.keys or [], actor))

    def write(self, connection: Connection) -> None:
        """Write them."""
        for one in self:
            one.write(connection)


Gather = Callable[[Changes], object]


class Step(NamedTuple):
    """One thing to do; ``fields`` are those that change.

    ``do`` writes it, or ``gather`` adds it to what is written together.
    """

    action: Action
    section: str
    name: str
    fields: tuple[str, ...]
    do: Do | None = None
    gather: Gather | None = None

    @property
    def called(self) -> str:
        """The name for people, who know settings by their variables."""
        return variable(self.name) if self.section == "setting" else self.name


def steps(there: Document, wanted: Document, mode: Mode) -> list[Step]:
    """What makes ``there`` as ``wanted`` says, what removes something first."""
    found = [
        *_settings(there.settings, wanted.settings, mode),
        *_overrides(there.overrides, wanted.overrides, mode),
        *_entries("model", there.models, wanted.models, mode, _MODELS),
        *_entries("alias", there.aliases, wanted.aliases, mode, _ALIASES),
        *_keys(there.keys, wanted.keys, mode),
    ]
    # A name may have to become free before another can have it.
    return sorted(found, key=lambda step: _ORDER.index(step.action))


_ORDER = ("remove", "change", "add")


def _settings(there: Any, wanted: Any, mode: Mode) -> Iterator[Step]:
    if wanted is UNSET:
        return
    for field, value in wanted.items():
        if field not in there or (mode != "skip" and there[field] != value):
            action: Action = "change" if field in there else "add"
            yield Step(action, "setting", field, (), _set({field: value}))
    for field in there if mode == "replace" else ():
        if field not in wanted:
            yield Step("remove", "setting", field, (), _set({field: None}))


def _overrides(there: Any, wanted: Any, mode: Mode) -> Iterator[Step]:
    if wanted is UNSET:
        return
    merged = {
        "merge": {**there, **wanted},
        "skip": {**wanted, **there},
        "replace": wanted,
    }[mode]
    if merged != there:
        names = (*there, *wanted)
        fields = {name for name in names if there.get(name) != merged.get(name)}
        action: Action = "change" if there else "add"
        do = _set({OVERRIDES: merged or None})
        yield Step(action, "overrides", "for all models", tuple(sorted(fields)), do)


def _set(values: Mapping[str, Any]) -> Do:
    return lambda connection, actor: kept.set_settings(connection, values, actor)


class _Table(NamedTuple):
    """What tells entries apart, and where changes of them are gathered."""

    identity: Callable[[Any], str]
    of: Callable[[Changes], kept.Entries]


_MODELS = _Table(lambda entry: key_of(entry.name), lambda changes: changes.models)
_ALIASES = _Table(lambda entry: entry.name.lower(), lambda changes: changes.aliases)


def _entries(
    section: str,
    there: list[Named] | UnsetType,
    wanted: list[Named] | UnsetType,
    mode: Mode,
    table: _Table,
) -> Iterator[Step]:
    if there is UNSET or wanted is UNSET:
        return
    old = {table.identity(entry): entry for entry in there}
    new = {table.identity(entry): entry for entry in wanted}
    for identity, entry in new.items():
        before = old.get(identity)
        gather = _writing(table, identity, entry)
        if before is None:
            yield Step("add", section, entry.name, (), gather=gather)
        elif mode != "skip" and before != entry:
            fields = _differing(before, entry)
            yield Step("change", section, entry.name, fields, gather=gather)
    for identity, entry in old.items() if mode == "replace" else ():
        if identity not in new:
            gather = _removing(table, identity, entry.name)
            yield Step("remove", section, entry.name, (), gather=gather)


def _writing(table: _Table, identity: str, entry: Any) -> Gather:
    return lambda changes: table.of(changes).set(identity, entry)


def _removing(table: _Table, identity: str, name: str) -> Gather:
    return lambda changes: table.of(changes).remove(identity, name)


def _keys(
    there: list[KeptKey] | UnsetType, wanted: list[KeptKey] | UnsetType, mode: Mode
) -> Iterator[Step]:
    """Keys are the same by their id, or by their secret; revoked ones stay so.

    Raises ``Refused`` where two of ``wanted`` are the same as one that is there.
    """
    if there is UNSET or wanted is UNSET:
        return
    by_id = {key.id: key for key in there}
    by_digest = {key.digest: key for key in there}
    names = {key.name.casefold() for key in there}
    stay: set[str] = set()
    for number, key in enumerate(wanted):
        before = by_id.get(key.id) or by_digest.get(key.digest)
        if before is None:
            if mode != "skip" or key.name.casefold() not in names:
                yield Step("add", "key", key.name, (), gather=_adding(key.key()))
            continue
        if before.id in stay:
            raise Refused(
                f"keys[{number}] ({key.name}): it is the key {before.name!r} that is"
                " there, by its id or its secret, and so is another in the file.",
                f"keys[{number}].id",
            )
        stay.add(before.id)
        stays = {"revoked_at"} if before.revoked_at is not None else set()
        fields = tuple(sorted(set(_differing(before, key)) - _OWN - stays))
        if fields and mode != "skip":
            changes = {field: getattr(key, field) for field in fields}
            gather = _changing(before, changes)
            yield Step("change", "key", before.name, fields, gather=gather)
    for key in there if mode == "replace" else ():
        if key.id not in stay:
            yield Step("remove", "key", key.name, (), gather=_removing_key(key))


def _adding(key: Key) -> Gather:
    return lambda changes: changes.keys.add(key)


def _changing(key: Key, fields: Mapping[str, Any]) -> Gather:
    return lambda changes: changes.keys.change(key.id, fields)


def _removing_key(key: Key) -> Gather:
    return lambda changes: changes.keys.remove(key.id)


def _differing(before: msgspec.Struct, after: msgspec.Struct) -> tuple[str, ...]:
    return tuple(
        field
        for field in after.__struct_fields__
        if getattr(before, field) != getattr(after, field)
    )
