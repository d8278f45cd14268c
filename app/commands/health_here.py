"""The health of this machine: versions, what is kept, keys."""

import os
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ..administration.document import Document
from ..administration.views import state
from ..changeable import in_force
from ..gateway.credentials import Hasher, fingerprint, hasher, is_mistyped
from ..gateway.keys import Key
from ..moment import now_ms
from ..option import Given, SettingsError
from ..secret import lasting
from ..settings import Settings
from ..version import own_version
from .finding import Finding, bad, ok
from .health_kept import kept as look

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

INVALID_KEY = (
    "Invalid API key: {why}. Make one with 'pannier keys create --name NAME --allow"
    " GLOB', and give it to the client as its API key."
)
_MADE_ELSEWHERE = (
    "The keys in the database were made with another secret than this machine has: give"
    " it the same PANNIER_SECRET_FILE, or the file `secret`."
)


class Here(NamedTuple):
    """What was found on this machine: all that is set, and the settings in force.

    Without ``known`` these may be others, in a database that cannot be read.  ``key``
    is the client's, if it is good.
    """

    findings: list[Finding]
    settings: Settings
    kept: Document
    known: bool = True
    key: Key | None = None


def machine(given: Settings, found: Mapping[str, Given], secret: str) -> Here:
    """Look at this machine; ``secret`` is a client's key, or empty."""
    findings = [ok(f"Pannier {own_version()}, Python {platform.python_version()}")]
    found_there, kept = look(given)
    findings += found_there
    chosen = given
    if kept is None:  # nobody can say who may come in
        findings += _secret(given, _hash(given), False)
        return Here(findings, chosen, Document(keys=[]), known=given.pin_upstream)
    try:
        chosen = in_force(found, kept.settings or {})
    except SettingsError as error:
        findings.append(bad(f"The settings in the database are not used: {error}"))
    keys, now, hash = kept.keys or [], now_ms(), _hash(given)
    good = [key for key in keys if state(key, now) == "active"]
    findings.append(_door(given, len(keys), len(good)))
    findings += _secret(given, hash, bool(keys))
    if isinstance(hash, str):
        return Here(findings, chosen, kept)
    if keys and kept.fingerprint != fingerprint(hash):
        findings.append(bad(_MADE_ELSEWHERE))
    elif secret:
        finding, key = _key(kept, hash, secret)
        return Here([*findings, finding], chosen, kept, key=key)
    return Here(findings, chosen, kept)


def _secret(settings: Settings, hash: Hasher | str, some: bool) -> Iterator[Finding]:
    """What is wrong with the secret; one that is not there yet is made with a key."""
    if not isinstance(hash, str):
        return
    if some:
        yield bad(f"No key can be known again: there is no secret ({hash}).")
    elif settings.secret_file or os.path.lexists(_own(settings)):
        yield bad(f"No key can be made: there is no secret ({hash}).")


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
    own = _own(settings)
    if not settings.secret_file and not os.path.lexists(own):
        return f"{own} is not there"
    found = lasting(settings.state_dir, settings.secret_file)
    return found if isinstance(found, str) else hasher(found)


def _own(settings: Settings) -> Path:
    return Path(settings.state_dir, "secret")


def _key(kept: Document, hash: Hasher, secret: str) -> tuple[Finding, Key | None]:
    """Whether a client's key is good, and which one that is."""
    if is_mistyped(secret):
        return _invalid("this one has a typing error")
    digest = hash(secret.encode(errors="replace"))
    for key in kept.keys or []:
        newest = digest == key.digest
        if not newest and digest != key.previous_digest:
            continue
        is_now = state(key, now_ms())
        if is_now == "active":
            if key.fault(time.time, newest):
                is_old = f"this was {key.name!r}, and is replaced by a newer one"
                return _invalid(is_old)
            return ok(f"This is the key {key.name!r}; it is good"), key
        return _invalid(f"this is {key.name!r}, which is {is_now}")
    return _invalid("there is no such key")


def _invalid(why: str) -> tuple[Finding, None]:
    return bad(INVALID_KEY.format(why=why)), None
