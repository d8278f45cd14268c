"""Transfer: writes all that is set as a document, and takes one in.

A document is checked as a whole before anything of it is written, in one transaction
(specification: gateway, section 9).
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from ..gateway import credentials
from ..gateway.entries import AliasEntry, ModelEntry
from ..gateway.keys import Terms
from ..gateway.rules import settable
from ..gateway.usage import BATCH, Row
from ..moment import now_ms
from ..storage import configuration as kept
from ..storage.configuration import FINGERPRINT, OVERRIDES
from ..storage.refusal import Refused
from ..storage.usage_writing import add
from ..wire.names import key as key_of
from .checks import (
    check_alias,
    check_model,
    check_moment,
    check_name,
    check_once,
    check_overrides,
    check_terms,
    check_text,
)
from .choices import check_settings, settings_of
from .desk import Connection, Desk
from .document import SECTIONS, Document, KeptKey
from .steps import Changes, Mode, Step, steps

Overridden = TypeVar("Overridden", ModelEntry, AliasEntry, Terms)

#: What is said before the last key goes.
OPENS = "This removes the last key: from then on nobody needs one (PANNIER_AUTH=auto)."
#: Bytes of a digest.
_DIGEST = 32
#: What a key has beside what people say of it: lists, addresses and logs show it.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN = re.compile(r"[!-~]{0,64}")
_MOMENTS = ("created_at", "expires_at", "revoked_at", "previous_until", "last_used_at")
_LONGEST_NOTES = 2000


class _Draft(NamedTuple):
    """What is to be done where a ``version`` is set, with all its changes ready."""

    version: int
    steps: list[Step]
    changes: Changes


class Transfer:
    """Exports and imports."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def export(self, sections: Iterable[str] = SECTIONS) -> Document:
        """All that is set, or these sections of it."""
        return self._desk.read(self._document).only(tuple(sections))

    def plan(self, document: Document, mode: Mode) -> list[Step]:
        """What taking this in would do; raises ``Refused`` if that cannot be."""
        return self._desk.read(
            lambda connection: self._checked(connection, document, mode).steps
        )

    def opens(self, document: Document, mode: Mode) -> bool:
        """Whether taking this in removes the last key, so that nobody needs one."""
        return self._desk.read(
            lambda connection: self._opens(connection, document, mode)
        )

    def take_in(
        self,
        document: Document,
        mode: Mode,
        rows: Sequence[Row] = (),
        *,
        open: bool = False,
    ) -> list[Step]:
        """Take this in, and ``rows`` of usage; returns what was done.

        ``open``: also where it removes the last key; else that is ``Refused``.
        """

        def look(connection: Connection) -> _Draft:
            return self._checked(connection, document, mode)

        def take_in(connection: Connection, draft: _Draft) -> list[Step]:
            if kept.read_version(connection) != draft.version:  # set meanwhile
                draft = self._draft(connection, document, mode)
            if not open and self._opens(connection, document, mode):
                raise Refused(f"{OPENS} Say `open=1` to go on.", "open")
            if document.keys:
                self._desk.hash_for(connection)
            for step in draft.steps:
                if step.do is not None:
                    step.do(connection, self._desk.actor)
            draft.changes.write(connection)
            for start in range(0, len(rows), BATCH):
                add(connection, rows[start : start + BATCH])
            return draft.steps

        # Whatever takes long comes before the turn of those who write.
        return self._desk.write_found(look, take_in)

    def _opens(self, connection: Connection, document: Document, mode: Mode) -> bool:
        removes = mode == "replace" and document.keys == []
        auto = self._desk.settings.auth == "auto"
        return removes and auto and kept.has_keys(connection)

    def _document(self, connection: Connection) -> Document:
        chosen = kept.settings(connection)
        return Document(
            created_at=now_ms(),
            fingerprint=str(chosen.get(FINGERPRINT, "")),
            settings=settings_of(chosen),
            overrides=dict(chosen.get(OVERRIDES) or {}),
            models=kept.models(connection),
            aliases=kept.aliases(connection),
            keys=[KeptKey.of(key) for key in kept.keys(connection)],
        )

    def _checked(
        self, connection: Connection, document: Document, mode: Mode
    ) -> _Draft:
        if document.keys:
            self._check_secret(document)
        _check(document)
        return self._draft(connection, document, mode)

    def _draft(self, connection: Connection, document: Document, mode: Mode) -> _Draft:
        # The version comes first: whatever is set meanwhile is another one.
        version = kept.read_version(connection)
        there = self._document(connection)
        if document.settings:
            before = {} if mode == "replace" else there.settings or {}
            with _at("settings"):
                check_settings(before, document.settings, self._desk)
        found = steps(there, document, mode)
        changes = Changes.to(there, self._desk.actor)
        for step in found:
            if step.gather is not None:
                step.gather(changes)
        return _Draft(version, found, changes)

    def _check_secret(self, document: Document) -> None:
        if document.fingerprint != credentials.fingerprint(self._desk.hash()):
            raise Refused(
                "The keys in the file were made with another secret than this machine"
                " has, so nobody could use them here: bring the secret along"
                " (PANNIER_SECRET_FILE, or `secret` in the state directory), or leave"
                " the keys out.",
                "fingerprint",
            )


def _check(document: Document) -> None:
    """Raise ``Refused``, saying where, for what cannot be set."""
    check_overrides(settable(document.overrides or {}))
    models: dict[str, str] = {}
    for number, model in enumerate(document.models or []):
        with _at(f"models[{number}] ({model.name})"):
            check_model(_settable(model))
            check_once(models, key_of(model.name), model.name)
    aliases: dict[str, str] = {}
    for number, alias in enumerate(document.aliases or []):
        with _at(f"aliases[{number}] ({alias.name})"):
            check_alias(_settable(alias), models)
            check_once(aliases, alias.name.lower(), alias.name)
    for number, key in enumerate(document.keys or []):
        with _at(f"keys[{number}] ({key.name})"):
            _check_key(key)


def _check_key(key: KeptKey) -> None:
    check_name(key.name)
    check_text(key.notes, "notes")
    if len(key.notes) > _LONGEST_NOTES:
        raise Refused(f"Notes have at most {_LONGEST_NOTES} characters.", "notes")
    check_terms(_settable(key.terms))
    for field in ("digest", "previous_digest"):
        digest = getattr(key, field)
        if digest is not None and len(digest) != _DIGEST:
            raise Refused(f"A digest has {_DIGEST} bytes.", field)
    if not _ID.fullmatch(key.id):
        raise Refused("An id has 1 to 64 of A-Z a-z 0-9 _ -.", "id")
    for field in ("prefix", "suffix", "last_used_ip"):
        if not _SHOWN.fullmatch(getattr(key, field)):
            raise Refused(f"'{field}' has at most 64 visible ASCII characters.", field)
    for field in _MOMENTS:
        at = getattr(key, field)
        if at is not None:
            check_moment(at, field)


def _settable(entry: Overridden) -> Overridden:
    """An entry without what an older Pannier took, and has no effect: it comes along.

    Else nobody could take in what that one has written.
    """
    return msgspec.structs.replace(entry, overrides=settable(entry.overrides))


@contextlib.contextmanager
def _at(place: str) -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        param = f"{place.partition(' ')[0]}.{refused.param}"
        raise Refused(f"{place}: {refused}", param) from None
