"""Keys, as they are kept.  Each function is one part of the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..gateway.keys import Key, Moment, Terms
from . import storable
from .batch import Batch, name_key, row
from .refusal import Refused
from .tables import API_KEY

#: What a key grants whose terms a newer Pannier wrote.
NOTHING_GRANTED = Terms(allow_models=(), allow_endpoints=())

_K = API_KEY.c
_FIELDS = Key.__struct_fields__
ALL = sa.select(*(_K[field] for field in _FIELDS))
_BY_AGE = ALL.order_by(_K.created_at, _K.id)
_ONE = ALL.where(
    sa.or_(_K.id == sa.bindparam("wanted"), _K.name_key == sa.bindparam("name_key"))
)
# What another key may not have as well: its id, its name, its secrets.
_LIKE = ALL.where(
    sa.or_(
        _K.id == sa.bindparam("wanted"),
        _K.name_key == sa.bindparam("name_key"),
        _K.digest.in_(sa.bindparam("digests", expanding=True)),
        _K.previous_digest.in_(sa.bindparam("digests", expanding=True)),
    )
)
_USED = (
    sa.update(API_KEY)
    .where(
        _K.id == sa.bindparam("wanted"),
        sa.func.coalesce(_K.last_used_at, 0) <= sa.bindparam("moment"),
    )
    .values(last_used_at=sa.bindparam("moment"), last_used_ip=sa.bindparam("ip"))
)


def keys(connection: Connection, unread: list[str] | None = None) -> list[Key]:
    """All keys, oldest first.

    Those whose terms cannot be read grant nothing; they are named in ``unread``.
    """
    # Most keys of an installation share their terms, and so they do in memory.
    known: dict[bytes, Terms | None] = {}
    rows = connection.execute(_BY_AGE)
    return [read_key(one, known, [] if unread is None else unread) for one in rows]


def find_key(connection: Connection, wanted: str) -> Key:
    """The key of this id, or of this name in any case; raises ``Refused``."""
    storable.row({"id": wanted})
    values = {"wanted": wanted, "name_key": name_key(wanted)}
    found = connection.execute(_ONE, values).all()
    if not found:
        raise Refused(f"There is no key '{wanted[:128]}'.", "id", unknown=True)
    # A name may look like the id of another key: the id counts.
    one = next((one for one in found if one.id == wanted), found[0])
    return read_key(one, {}, [])


def add_key(connection: Connection, key: Key, actor: str) -> None:
    """Add a key; raises ``Refused`` where its id, name or secret has one already."""
    batch = _batch(connection, key, actor)
    batch.add(key)
    batch.write(connection)


def check_free(connection: Connection, key: Key) -> None:
    """Raise ``Refused`` where ``add_key`` would; changes nothing."""
    _batch(connection, key, "").add(key)


def change_key(
    connection: Connection,
    id: str,
    changes: Mapping[str, Any],
    actor: str,
    action: str = "key.change",
) -> Key:
    """Change fields of a key (``terms`` as a whole), and return what it is now.

    ``action`` is what the audit log calls it.  Raises ``Refused``.
    """
    old = find_key(connection, id)
    batch = _batch(connection, msgspec.structs.replace(old, **changes), actor)
    new = batch.change(old.id, changes, action)
    batch.write(connection)
    return new


def remove_key(connection: Connection, id: str, actor: str) -> None:
    """Remove a key for ever; raises ``Refused`` where there is none."""
    old = find_key(connection, id)
    batch = Batch([old], actor)
    batch.remove(old.id)
    batch.write(connection)


def has_keys(connection: Connection) -> bool:
    """Whether there is any key, of whatever state."""
    return connection.scalar(sa.select(_K.id).limit(1)) is not None


def note_used(connection: Connection, used: Mapping[str, tuple[Moment, str]]) -> None:
    """Note when and from where keys were last used, by id.  No change of what is set.

    Keys that are gone are passed over, and so is what is older than what is known.
    """
    rows = [
        {"wanted": id, "moment": moment, "ip": ip} for id, (moment, ip) in used.items()
    ]
    if rows:
        connection.execute(_USED, rows)


def _batch(connection: Connection, key: Key, actor: str) -> Batch:
    """What may change a key, or add it, as far as others let it."""
    row(key)  # nobody can look for what no row could have
    digests = [one for one in (key.digest, key.previous_digest) if one is not None]
    looked = {"wanted": key.id, "name_key": name_key(key.name), "digests": digests}
    there = connection.execute(_LIKE, looked)
    return Batch([read_key(one, {}, []) for one in there], actor)


def read_key(
    found: Sequence[Any], known: dict[bytes, Terms | None], unread: list[str]
) -> Key:
    """A key of a row of ``ALL``; ``known`` are terms that other keys have, too.

    One whose terms cannot be read grants nothing; it is named in ``unread``.
    """
    values = dict(zip(_FIELDS, found, strict=True))
    body = values["terms"]
    if body not in known:
        known[body] = _terms(body)
    terms = known[body]
    if terms is None:
        unread.append(f"the key '{values['name']}'")
    return Key(**{**values, "terms": terms or NOTHING_GRANTED})


def _terms(body: bytes) -> Terms | None:
    try:
        return msgspec.json.decode(body, type=Terms)
    except msgspec.DecodeError:
        return None
