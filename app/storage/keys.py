"""Keys, as they are kept.  Each function is one part of the caller's transaction."""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..gateway.keys import Key, Moment, Terms
from . import storable
from .audit import changed
from .refusal import Refused
from .tables import API_KEY

#: What a key grants whose terms a newer Pannier wrote.
NOTHING_GRANTED = Terms(allow_models=(), allow_endpoints=())

_K = API_KEY.c
_FIELDS = Key.__struct_fields__
_BY_AGE = sa.select(*(_K[field] for field in _FIELDS)).order_by(_K.created_at, _K.id)
_ONE = sa.select(*(_K[field] for field in _FIELDS)).where(
    sa.or_(_K.id == sa.bindparam("wanted"), _K.name_key == sa.bindparam("name_key"))
)
_WITH_DIGEST = sa.select(_K.id, _K.name).where(
    sa.or_(
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
    return [_key(row, known, [] if unread is None else unread) for row in rows]


def find_key(connection: Connection, wanted: str) -> Key:
    """The key of this id, or of this name in any case; raises ``Refused``."""
    values = {"wanted": wanted, "name_key": _name_key(wanted)}
    found = connection.execute(_ONE, storable.row(values)).all()
    if not found:
        raise Refused(f"There is no key '{wanted[:128]}'.", "id", unknown=True)
    # A name may look like the id of another key: the id counts.
    row = next((row for row in found if row.id == wanted), found[0])
    return _key(row, {}, [])


def add_key(connection: Connection, key: Key, actor: str) -> None:
    """Add a key; raises ``Refused`` where its id, name or secret has one already."""
    values = _row(key)
    if connection.scalar(sa.select(_K.id).where(_K.id == key.id)) is not None:
        raise Refused(f"There is a key with the id '{key.id}' already.", "id")
    _must_be_free(connection, key)
    connection.execute(sa.insert(API_KEY), values)
    changed(connection, actor, "key.create", key.name, None, _said(key))


def change_key(
    connection: Connection, id: str, changes: Mapping[str, Any], actor: str
) -> Key:
    """Change fields of a key (``terms`` as a whole), and return what it is now.

    Raises ``Refused``.
    """
    old = find_key(connection, id)
    new = msgspec.structs.replace(old, **changes)
    values = _row(new)
    _must_be_free(connection, new)
    # No more than what changes: there may be terms that could not be read.
    names = [*changes, *(["name_key"] if "name" in changes else [])]
    row = {name: values[name] for name in names}
    if row:
        connection.execute(sa.update(API_KEY).where(_K.id == old.id), row)
    changed(connection, actor, "key.change", old.name, _said(old), _said(new))
    return new


def remove_key(connection: Connection, id: str, actor: str) -> None:
    """Remove a key for ever; raises ``Refused`` where there is none."""
    old = find_key(connection, id)
    connection.execute(sa.delete(API_KEY).where(_K.id == old.id))
    changed(connection, actor, "key.remove", old.name, _said(old), None)


def note_used(connection: Connection, used: Mapping[str, tuple[Moment, str]]) -> None:
    """Note when and from where keys were last used, by id.  No change of what is set.

    Keys that are gone are passed over, and so is what is older than what is known.
    """
    rows = [
        {"wanted": id, "moment": moment, "ip": ip} for id, (moment, ip) in used.items()
    ]
    if rows:
        connection.execute(_USED, rows)


def _key(row: sa.Row[Any], known: dict[bytes, Terms | None], unread: list[str]) -> Key:
    values = dict(zip(_FIELDS, row, strict=True))
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


def _row(key: Key) -> dict[str, Any]:
    """A key as a row; raises ``Refused`` for what could not be read again."""
    own = {field: getattr(key, field) for field in _FIELDS if field != "terms"}
    values = storable.row(own)
    terms = storable.body(key.terms)
    storable.body(key)
    return {**values, "terms": terms, "name_key": _name_key(key.name)}


def _name_key(name: str) -> str:
    return name.casefold()


def _must_be_free(connection: Connection, key: Key) -> None:
    """Raise ``Refused`` where another key has its name or one of its secrets."""
    same = sa.select(_K.id, _K.revoked_at).where(_K.name_key == _name_key(key.name))
    for id, revoked_at in connection.execute(same):
        if id != key.id:
            state = "" if revoked_at is None else ", which is revoked"
            raise Refused(f"There is a key '{key.name}' already{state}.", "name")
    digests = [one for one in (key.digest, key.previous_digest) if one is not None]
    for id, name in connection.execute(_WITH_DIGEST, {"digests": digests}):
        if id != key.id:
            raise Refused(f"The key '{name}' has that secret already.", "key")


def _said(key: Key) -> dict[str, Any]:
    """What the audit log says of a key: its fields and those of its terms."""
    own = {field: getattr(key, field) for field in _FIELDS}
    terms = own.pop("terms")
    hidden = {"id", "last_used_at", "last_used_ip"}
    said = {name: value for name, value in own.items() if name not in hidden}
    return said | msgspec.structs.asdict(terms)
