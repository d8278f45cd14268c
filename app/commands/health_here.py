"""The health of this machine: versions, the state directory, the database, keys."""

import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ..administration import Administration
from ..administration.document import Document
from ..administration.views import state
from ..changeable import in_force
from ..gateway.credentials import Hasher, fingerprint, hasher, is_mistyped
from ..option import Given, SettingsError
from ..secret import lasting
from ..settings import Settings
from ..storage.database import Database
from ..storage.failure import Failure
from ..storage.place import file_of
from ..version import own_version
from .finding import Finding, bad, note, ok

#: Bytes that shall be free where Pannier keeps something.
_ENOUGH = 1024**3
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

INVALID_KEY = (
    "Invalid API key: {why}. Make one with 'pannier keys create --name NAME --allow"
    " GLOB', and give it to the client as its API key."
)


class Here(NamedTuple):
    """What was found on this machine: all that is set, and the settings in force."""

    findings: list[Finding]
    settings: Settings
    kept: Document


def machine(given: Settings, found: Mapping[str, Given], secret: str) -> Here:
    """Look at this machine; ``secret`` is a client's key, or empty."""
    findings = [ok(f"Pannier {own_version()}, Python {platform.python_version()}")]
    findings += _place(given)
    kept, chosen = Document(keys=[]), given
    try:
        kept, finding = _kept(given)
        findings.append(finding)
        chosen = in_force(found, kept.settings or {})
    except Failure as failure:
        findings.append(
            bad(
                f"The database cannot be used: {failure}. What was last known goes on;"
                " nothing can be changed."
            )
        )
    except SettingsError as error:
        findings.append(bad(f"The settings in the database are not used: {error}"))
    findings += _keys(given, kept, secret)
    return Here(findings, chosen, kept)


def _place(settings: Settings) -> Iterator[Finding]:
    place = Path(settings.state_dir)
    if not place.is_dir():
        yield note(f"There is no {place} yet: it is made when it is first needed.")
        return
    if not os.access(place, os.W_OK | os.X_OK):
        yield bad(
            f"{place} cannot be written by this user: run this as the user that"
            " Pannier runs as, or set PANNIER_STATE_DIR."
        )
    free = shutil.disk_usage(place).free
    text = f"{place}: {free / _ENOUGH:.1f} GiB are free"
    yield ok(text) if free >= _ENOUGH else bad(f"{text}: make room.")


def _kept(settings: Settings) -> tuple[Document, Finding]:
    """All that is set, and where that is; makes no file."""
    nothing = Document(keys=[])
    file = file_of(settings.database_url, settings.state_dir)
    if file is not None and not file.exists():
        return nothing, note(f"There is no {file} yet: nothing is set.")
    database = Database(settings.database_url, settings.state_dir)
    try:
        if not database.is_current():
            late = "its tables are brought up to date when they are first needed"
            return nothing, note(f"Database {database.place}: {late}.")
        office = Administration(lambda job: job(database), settings, "doctor")
        return office.transfer.export(), ok(f"Database {database.place}")
    finally:
        database.close()


def _keys(settings: Settings, kept: Document, secret: str) -> Iterator[Finding]:
    keys, now = kept.keys or [], _now()
    good = [key for key in keys if state(key, now) == "active"]
    yield _door(settings, len(keys), len(good))
    hash = _hash(settings)
    if isinstance(hash, str):
        if keys:
            yield bad(f"No key can be known again: there is no secret ({hash}).")
    elif keys and kept.fingerprint != fingerprint(hash):
        yield bad(
            "The keys in the database were made with another secret than this machine"
            " has: give it the same PANNIER_SECRET_FILE, or the file `secret`."
        )
    elif secret:
        yield _key(kept, hash, secret)


def _door(settings: Settings, all: int, good: int) -> Finding:
    closed = settings.auth == "on" or (settings.auth == "auto" and all > 0)
    if closed and not good:
        return bad(INVALID_KEY.format(why="requests need a key, and none is good"))
    if closed:
        return ok(f"Requests need a key; {good} of {all} keys are good")
    if settings.host not in _LOOPBACK:
        return bad(
            f"Everybody who reaches {settings.host} may use Ollama: no key is needed."
            " Make one (pannier keys create), or listen on 127.0.0.1."
        )
    return ok("Requests need no key")


def _hash(settings: Settings) -> Hasher | str:
    """What makes digests of keys, or why there is nothing; makes no file."""
    own = Path(settings.state_dir, "secret")
    if not settings.secret_file and not own.exists():
        return f"{own} is not there"
    found = lasting(settings.state_dir, settings.secret_file)
    return found if isinstance(found, str) else hasher(found)


def _key(kept: Document, hash: Hasher, secret: str) -> Finding:
    """Whether a client's key is good."""
    if is_mistyped(secret):
        return bad(INVALID_KEY.format(why="this one has a typing error"))
    digest = hash(secret.encode(errors="replace"))
    for key in kept.keys or []:
        old = key.previous_digest == digest and (key.previous_until or 0) > _now()
        if digest != key.digest and not old:
            continue
        is_now = state(key, _now())
        if is_now == "active":
            return ok(f"This is the key {key.name!r}; it is good")
        return bad(INVALID_KEY.format(why=f"this is {key.name!r}, which is {is_now}"))
    return bad(INVALID_KEY.format(why="there is no such key"))


def _now() -> int:
    return int(time.time() * 1000)
