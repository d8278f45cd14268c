"""Greeting: what is said once, when it is first known what is set in the database.

Who may come in without a key, and with which password somebody signs in who is the
first to do so.  The first worker says it: only workers look into the database.
"""

import logging
import time
from collections.abc import Sequence

import gevent

from .addresses import is_loopback
from .errors import GatewayError
from .first_password import FirstPassword, first_of
from .gateway.snapshot import Snapshot
from .installation import Installation
from .logs import Unwaited
from .native import relays_all
from .reached import url_of
from .settings import Settings

log = logging.getLogger("pannier")


def greet(installation: Installation, settings: Settings, hosts: Sequence[str]) -> None:
    """Say it as soon as it is known; ``hosts`` are the addresses listened on."""
    said: list[Snapshot] = []

    def changed(snapshot: Snapshot) -> None:
        if not said:
            said.append(snapshot)
            if text := _door(installation.current.closed, snapshot, settings, hosts):
                log.warning("%s", text)
            # It may wait for the database, and nobody else shall.
            gevent.spawn(_invite, installation, settings)

    installation.current.changed.append(changed)


def _door(
    closed: bool, snapshot: Snapshot, settings: Settings, hosts: Sequence[str]
) -> str:
    return shut(snapshot, settings.auth) if closed else openness(settings, hosts)


def shut(snapshot: Snapshot, auth: str) -> str:
    """That nobody can come in where a key is needed, and none is good; else empty."""
    if any(not key.fault(time.time) for key in snapshot.keys.values()):
        return ""
    why = "none of the keys is good" if snapshot.keys else "there is no key yet"
    return (
        f"Every request will be refused: one needs a key (PANNIER_AUTH={auth}), and"
        f" {why}. Make one: pannier keys create --name NAME --allow '*'"
    )


def openness(settings: Settings, hosts: Sequence[str]) -> str:
    """What everybody may do where no key is needed, if that is more than here."""
    beyond = [host for host in hosts if not is_loopback(host)]
    if not beyond:
        return ""
    why = "PANNIER_AUTH=off" if settings.auth == "off" else "there are no keys"
    granted = "use Ollama's models (PANNIER_RELAY=all would let them be changed)"
    if relays_all(settings, beyond[0]):
        granted = "use Ollama and change its models (PANNIER_RELAY=all)"
    return (
        f"Pannier is open: {why}, and it listens on {', '.join(hosts)},"
        f" so everyone who reaches this address can {granted}."
    )


def invitation(settings: Settings) -> str:
    """How to sign in where nobody ever has; empty where that is known."""
    first = first_of(settings)
    if not isinstance(first, FirstPassword):
        return (
            f"Nobody can sign in to administer Pannier: {first}. (HINT:"
            " PANNIER_STATE_DIR names a directory that can be written.)"
        )
    if not settings.admin_password:
        return (
            f"Nobody has signed in to administer Pannier yet: open {url_of(settings)}"
            f"/admin/ and sign in as {settings.admin_username!r} with the password"
            f" {first.password} and choose another one (docs/admin.md)."
        )
    if first.must_change:
        return (
            "ADMIN_PASSWORD is weak: whoever signs in with it has to choose another"
            " one first."
        )
    return ""


def _invite(installation: Installation, settings: Settings) -> None:
    try:
        known = installation.storage.configuration.has_account()
    except GatewayError:
        return  # of which the log has a line already
    if not known and (text := invitation(settings)):
        # Not into the log, which others may read.
        Unwaited("stderr").write(f"pannier: {text}\n")
