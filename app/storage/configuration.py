"""Configuration: all that is set, as the tables have it.

Plain functions over a connection, each a part of its caller's transaction
(``Database.writing``).  Those that change something raise the version by one, leave an
entry in the audit log, and raise ``Refused`` for what cannot be.  Loads SQLAlchemy.
"""

import sqlalchemy as sa
from msgspec import UNSET
from msgspec.structs import replace
from sqlalchemy.engine import Connection

from ..gateway.entries import ModelEntry
from ..gateway.snapshot import Snapshot
from ..gateway.template import Template, TemplateError
from ..wire.names import key as key_of
from .audit import AuditEntry, audit, note, read_version
from .batch import Batch
from .entries import (
    Entries,
    aliases,
    models,
    remove_alias,
    remove_model,
    set_alias,
    set_model,
    set_settings,
    settings,
)
from .key_pages import good_ids, key_page
from .keys import (
    add_key,
    change_key,
    check_free,
    find_key,
    has_keys,
    keys,
    note_used,
    remove_key,
)
from .refusal import Refused
from .tables import ALIAS_ENTRY, API_KEY, MODEL_ENTRY, SETTING

__all__ = [
    "AuditEntry",
    "Batch",
    "Entries",
    "Refused",
    "add_key",
    "aliases",
    "audit",
    "change_key",
    "check_free",
    "counts",
    "find_key",
    "good_ids",
    "has_keys",
    "key_page",
    "keys",
    "models",
    "note",
    "note_used",
    "read_snapshot",
    "read_version",
    "remove_alias",
    "remove_key",
    "remove_model",
    "set_alias",
    "set_model",
    "set_settings",
    "settings",
]

#: The setting that is the global layer of parameters.
OVERRIDES = "overrides"
#: The one that says by which secret the digests of keys were made.
FINGERPRINT = "fingerprint"


def read_snapshot(connection: Connection, unread: list[str] | None = None) -> Snapshot:
    """All that is set; ``unread`` gets names of what cannot be read.

    Keys of these grant nothing, models are disabled; all else is not there, such as a
    template, which a newer Pannier may have set.
    """
    # The version comes first: what is set meanwhile is then read once more.
    version = read_version(connection)
    by_digest = {}
    for key in keys(connection, unread):
        by_digest[key.digest] = key
        if key.previous_digest is not None:
            by_digest[key.previous_digest] = key
    values = settings(connection, unread)
    overrides = values.pop(OVERRIDES, {})
    values.pop(FINGERPRINT, None)
    return Snapshot(
        version=version,
        keys=by_digest,
        models={
            key_of(one.name): _usable(one, unread) for one in models(connection, unread)
        },
        aliases={one.name.lower(): one for one in aliases(connection, unread)},
        settings=values,
        overrides=overrides if isinstance(overrides, dict) else {},
    )


def _usable(entry: ModelEntry, unread: list[str] | None) -> ModelEntry:
    """What is set for a model, without a template that cannot be read."""
    try:
        if entry.code.template is not UNSET:
            Template(entry.code.template)
    except TemplateError:
        if unread is not None:
            unread.append(f"the template of the model '{entry.name}'")
        return replace(entry, code=replace(entry.code, template=UNSET))
    return entry


def counts(connection: Connection) -> list[tuple[str, int]]:
    """How many there are of each kind."""
    chosen = SETTING.c.field.not_in([OVERRIDES, FINGERPRINT])
    kinds = {
        "keys": sa.select(sa.func.count()).select_from(API_KEY),
        "models": sa.select(sa.func.count()).select_from(MODEL_ENTRY),
        "aliases": sa.select(sa.func.count()).select_from(ALIAS_ENTRY),
        "settings": sa.select(sa.func.count()).select_from(SETTING).where(chosen),
    }
    return [(what, connection.scalar(query) or 0) for what, query in kinds.items()]
