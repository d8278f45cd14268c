"""Attempts: how often somebody may try a password (specification: reliability, W3).

After five failures from an address the next attempt has to wait, each time twice as
long; and all together have sixty a minute.  An attempt counts as failed before its
password is looked at, so that many at once are no way around it.  What is forgotten
after an hour, and so few a minute, cannot become many.
"""

import ipaddress
from typing import Any

from ..errors import BadRequest, again_in
from ..storage import admins
from ..storage.admins import Failures

FREE, FIRST, LONGEST = 5, 1_000, 900_000
FORGOTTEN = 3_600_000
MINUTE, A_MINUTE = 60_000, 60
#: Who stands for all.
_ALL = "*"
#: A house has so many bits of an IPv6 address, and whoever lives there the others.
_HOUSE = 64

Connection = Any


def begin(connection: Connection, address: str, now: int) -> None:
    """Count an attempt at ``now``, in Unix milliseconds.

    Raises ``BadRequest``, 429, where it comes too early.
    """
    who = _who(address)
    admins.forget_failures(connection, "", before=now - FORGOTTEN)
    found = admins.failures(connection, who) or Failures(who, 0, now, 0)
    if now < found.until:
        raise _too_early(found.until - now)
    _count_all(connection, now)
    number = found.failures + 1
    wait = min(FIRST << min(number - FREE, 20), LONGEST) if number >= FREE else 0
    admins.set_failures(connection, Failures(who, number, now, now + wait))


def succeeded(connection: Connection, address: str) -> None:
    """Forget the failures of somebody who knows the password."""
    admins.forget_failures(connection, _who(address))


def _count_all(connection: Connection, now: int) -> None:
    found = admins.failures(connection, _ALL)
    if found is None or now - found.last_at >= MINUTE:
        found = Failures(_ALL, 0, now, 0)
    if found.failures >= A_MINUTE:
        raise _too_early(found.last_at + MINUTE - now)
    admins.set_failures(
        connection, Failures(_ALL, found.failures + 1, found.last_at, 0)
    )


def _who(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address or "unix"
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, _HOUSE), strict=False))


def _too_early(milliseconds: int) -> BadRequest:
    seconds = -(-milliseconds // 1000)
    return BadRequest(
        f"Too many attempts to sign in. {again_in(seconds)}",
        status=429,
        code="rate_limit_exceeded",
        headers=[("Retry-After", str(seconds))],
    )
