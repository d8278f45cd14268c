"""Keys: make, change, rotate, revoke, delete and import them.

A key's secret is handed out once, when it is made or rotated, and kept nowhere
(specification: gateway, section 2; decisions, 28 to 30).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..gateway import credentials
from ..gateway.keys import Key, Moment
from ..ids import new_id
from ..moment import now_ms
from ..storage import configuration as kept
from ..storage.key_pages import Wanted
from ..storage.refusal import Refused
from .checks import KeyForm, check_news, key_form
from .desk import Connection, Desk

#: The longest time, in milliseconds, for which an old secret stays good.
LONGEST_GRACE = 7 * 86_400_000


class Keys:
    """The keys of an installation.  ``which`` is an id, or a name in any case."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def list(self) -> list[Key]:
        """All of them, by name."""
        return sorted(self._desk.read(kept.keys), key=lambda key: key.name.lower())

    def page(self, wanted: Wanted) -> tuple[Sequence[Key], str, int]:
        """A page of them, the cursor of the next, and how many there are of all.

        Raises ``ValueError`` for a cursor that is of no such list.
        """

        def page(connection: Connection) -> tuple[Sequence[Key], str, int]:
            there = dict(kept.counts(connection))["keys"]
            return *kept.key_page(connection, wanted), there

        return self._desk.read(page)

    def last_good(self) -> str | None:
        """The id of the only key that is good, if it is the only one.

        Without it every request is refused, as if it were revoked: a revoked key still
        counts as one, and opens nothing to those who have none.
        """
        if self._desk.settings.auth == "off":
            return None
        good = self._desk.read(lambda found: kept.good_ids(found, now_ms(), 2))
        return good[0] if len(good) == 1 else None

    def get(self, which: str) -> Key:
        """One of them."""
        return self._desk.read(lambda connection: kept.find_key(connection, which))

    def closes(self) -> bool:
        """Whether the first key would close what is open to everybody."""
        return self._desk.settings.auth == "auto" and not self._desk.read(kept.has_keys)

    def opens(self, which: str) -> bool:
        """Whether without this key everything is open to everybody."""
        self.get(which)
        there = dict(self._desk.read(kept.counts))["keys"]
        return self._desk.settings.auth == "auto" and there == 1

    def shuts(self, which: str) -> bool:
        """Whether without this key every request is refused."""
        return self.last_good() == self.get(which).id

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise ``Refused`` where no key can be as ``given``."""
        check_news(key_form(given), KeyForm.__struct_fields__, now_ms())

    def try_out(self, given: Mapping[str, Any], secret: str | None = None) -> None:
        """Raise ``Refused`` where a key could not be added now; changes nothing.

        Without ``secret`` it is one that has to be made.
        """
        self.check(given)
        form, secret = key_form(given), _usable(secret)

        def look(connection: Connection) -> None:
            digest = self._desk.hash_like(connection)(secret.encode())
            kept.check_free(connection, _new(form, secret, digest, now_ms()))

        self._desk.read(look)

    def create(self, given: Mapping[str, Any]) -> tuple[Key, str]:
        """A new key, as a ``KeyForm`` has it, and its secret."""
        secret = credentials.new_secret()
        return self._add(given, secret), secret

    def take_in(self, given: Mapping[str, Any], secret: str) -> Key:
        """A key whose secret is from elsewhere: 8 to 256 visible ASCII characters."""
        return self._add(given, _usable(secret))

    def change(self, which: str, changes: Mapping[str, Any]) -> Key:
        """Change fields of a ``KeyForm``."""

        def change(connection: Connection) -> Key:
            key = kept.find_key(connection, which)
            form = self._changed(key, changes)
            wanted = {
                "name": form.name,
                "notes": form.notes,
                "enabled": form.enabled,
                "expires_at": form.expires_at,
                "terms": form.terms,
            }
            return self._write(connection, key, wanted, "key.change")

        return self._desk.write(change)

    def revoke(self, which: str) -> Key:
        """Revoke a key, for ever; it stays in lists."""

        def revoke(connection: Connection) -> Key:
            key = kept.find_key(connection, which)
            ended = {"previous_digest": None, "previous_until": None}
            revoked = key.revoked_at or now_ms()
            wanted = {"revoked_at": revoked, **ended}
            return self._write(connection, key, wanted, "key.revoke")

        return self._desk.write(revoke)

    def rotate(self, which: str, grace: int = 0) -> tuple[Key, str]:
        """Give a key another secret; the old one is good for ``grace`` milliseconds."""
        check_grace(grace)
        secret = credentials.new_secret()

        def rotate(connection: Connection) -> Key:
            key = _in_use(kept.find_key(connection, which))
            digest = self._desk.hash_for(connection)(secret.encode())
            prefix, suffix = credentials.shown(secret)
            made = {"digest": digest, "prefix": prefix, "suffix": suffix, "weak": False}
            old = {
                "previous_digest": key.digest if grace else None,
                "previous_until": now_ms() + grace if grace else None,
            }
            return self._write(connection, key, made | old, "key.rotate")

        return self._desk.write(rotate), secret

    def delete(self, which: str) -> Key:
        """Remove a key as if it had never been; returns what it was."""

        def delete(connection: Connection) -> Key:
            key = kept.find_key(connection, which)
            kept.remove_key(connection, key.id, self._desk.actor)
            return key

        return self._desk.write(delete)

    def _add(self, given: Mapping[str, Any], secret: str) -> Key:
        self.check(given)
        form = key_form(given)

        def add(connection: Connection) -> Key:
            digest = self._desk.hash_for(connection)(secret.encode())
            key = _new(form, secret, digest, now_ms())
            kept.add_key(connection, key, self._desk.actor)
            return key

        return self._desk.write(add)

    def _changed(self, key: Key, changes: Mapping[str, Any]) -> KeyForm:
        if "enabled" in changes:
            _in_use(key)
        own = {field: getattr(key, field) for field in _OWN}
        changed = {**msgspec.to_builtins(key.terms), **own, **changes}
        form = key_form(changed, key.terms.overrides)
        check_news(form, changes, now_ms())
        return form

    def _write(
        self, connection: Connection, key: Key, wanted: dict[str, Any], action: str
    ) -> Key:
        changes = {
            field: value
            for field, value in wanted.items()
            if getattr(key, field) != value
        }
        if not changes:
            return key
        if changes.keys() == {"enabled"}:
            action = "key.enable" if changes["enabled"] else "key.disable"
        return kept.change_key(connection, key.id, changes, self._desk.actor, action)


def check_grace(grace: int) -> None:
    """Raise ``Refused`` where no old secret can stay good so long (milliseconds)."""
    if not 0 <= grace <= LONGEST_GRACE:
        raise Refused("The old secret can stay good for 0 to 7 days.", "grace")


#: What a ``KeyForm`` has beside the terms.
_OWN = ("name", "notes", "enabled", "expires_at")


def _usable(secret: str | None) -> str:
    """One that is made, or that from elsewhere if it can be taken in."""
    if secret is None:
        return credentials.new_secret()
    if not credentials.is_importable(secret):
        raise Refused("A key has 8 to 256 visible ASCII characters.", "key")
    return secret


def _new(form: KeyForm, secret: str, digest: bytes, now: Moment) -> Key:
    prefix, suffix = credentials.shown(secret)
    return Key(
        id=new_id("key_"),
        name=form.name,
        digest=digest,
        prefix=prefix,
        suffix=suffix,
        terms=form.terms,
        created_at=now,
        enabled=form.enabled,
        weak=len(secret) < credentials.STRONG,
        notes=form.notes,
        expires_at=form.expires_at,
    )


def _in_use(key: Key) -> Key:
    if key.revoked_at is not None:
        raise Refused(f"The key '{key.name}' is revoked, for ever: make another.", "id")
    return key
