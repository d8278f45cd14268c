"""Counts of one key: arithmetic on a room of a fixed size, whoever keeps it.

A room holds the requests of the last minute by the second, the tokens of a day, and who
has how many requests under way.  The minute is of whole seconds, with the one that has
begun: 60 to 61 seconds, so that never more than its limit fall into any 60.
"""

from struct import Struct as Layout

from msgspec import Struct

from .keys import Terms

WINDOW = 61
DAY = 86_400
#: Seconds after which a worker that says nothing counts as dead.
LEASE = 20
#: Workers that can have requests of one key under way, each counted for itself.
WORKERS = 16

#: Where the owner of a room writes whose it is, and when it was last in use.
OWNER = Layout("<16sQ")
#: The newest second, and the requests of the minute; those of each second.
_MINUTE, _CELLS, _CELL = Layout("<QQ"), Layout(f"<{WINDOW}I"), Layout("<I")
_TOKENS = Layout("<Qq")
_LEASES = Layout("<" + WORKERS * "QQQ")
_MINUTE_AT = OWNER.size
_CELLS_AT = _MINUTE_AT + _MINUTE.size
_TOKENS_AT = _CELLS_AT + _CELLS.size
_LEASES_AT = _TOKENS_AT + _TOKENS.size
SIZE = _LEASES_AT + _LEASES.size


class Entered(Struct):
    """What came of a request that asks to be let in; as ``Taken`` has it."""

    refused: str = ""
    wait: float = 0.0
    requests: int = 0
    reset: float = 0.0
    tokens: int = 0


class Reserved(Struct):
    """Whether a day has so many tokens left, and how many are taken of that day."""

    granted: bool
    tokens: int


def enter(
    room: bytearray, terms: Terms, now: float, others: int, running: int
) -> Entered:
    """Count one request in, if ``terms`` allow it.

    ``others`` is how many other workers have under way, ``running`` this one.
    """
    entered = Entered()
    if terms.tpd is not None:
        entered.tokens = tokens(room, int(now) // DAY)
    if terms.rpm is not None:
        newest, used = _minute(room, int(now))
        entered.requests = used
        if used >= terms.rpm:
            return _too_many(entered, room, newest, now, terms.rpm)
    most = terms.max_concurrent
    if most is not None and others + running >= most:
        entered.refused, entered.wait = "concurrent", 1.0
    elif terms.rpm is not None:
        at = _CELLS_AT + newest % WINDOW * _CELL.size
        _CELL.pack_into(room, at, _CELL.unpack_from(room, at)[0] + 1)
        _MINUTE.pack_into(room, _MINUTE_AT, newest, used + 1)
        entered.requests = used + 1
    if terms.rpm is not None:
        entered.reset = newest + WINDOW - now
    return entered


def _minute(room: bytearray, second: int) -> tuple[int, int]:
    """The second that it is, and the requests of the minute that ends with it."""
    newest, used = _MINUTE.unpack_from(room, _MINUTE_AT)
    if second == newest:
        return newest, used
    if abs(second - newest) >= WINDOW:
        _CELLS.pack_into(room, _CELLS_AT, *[0] * WINDOW)
        used = 0
    elif second < newest:  # the clock was put back a little
        return newest, used
    for one in range(newest + 1, second + 1) if used else ():
        at = _CELLS_AT + one % WINDOW * _CELL.size
        used -= _CELL.unpack_from(room, at)[0]
        _CELL.pack_into(room, at, 0)
    _MINUTE.pack_into(room, _MINUTE_AT, second, used)
    return second, used


def _too_many(
    entered: Entered, room: bytearray, newest: int, now: float, rpm: int
) -> Entered:
    """Say when a request may come in again, and when none counts any more."""
    cells = _CELLS.unpack_from(room, _CELLS_AT)
    left = entered.requests
    entered.refused, entered.wait = "requests", float(WINDOW)
    for second in range(newest - WINDOW + 1, newest + 1):
        if count := cells[second % WINDOW]:
            entered.reset = second + WINDOW - now
            left -= count
            if left < rpm <= left + count:
                entered.wait = entered.reset
    return entered


def is_sound(room: bytearray) -> bool:
    """Whether a room may be counted in: something else may have been written there."""
    used: int = _MINUTE.unpack_from(room, _MINUTE_AT)[1]
    tokens: int = _TOKENS.unpack_from(room, _TOKENS_AT)[1]
    return used == sum(_CELLS.unpack_from(room, _CELLS_AT)) and 0 <= tokens < 2**62


def tokens(room: bytearray, day: int) -> int:
    """How many tokens are taken of a day; days count from 1970."""
    known, used = _TOKENS.unpack_from(room, _TOKENS_AT)
    return int(used) if known == day else 0


def reserve(room: bytearray, amount: int, tpd: int, day: int) -> Reserved:
    """Take so many tokens of a day, if that many are left."""
    used = tokens(room, day)
    if used + amount > tpd:
        return Reserved(False, used)
    _TOKENS.pack_into(room, _TOKENS_AT, day, used + amount)
    return Reserved(True, used + amount)


def settle(room: bytearray, day: int, more: int) -> None:
    """Correct what was taken of a day, unless another has begun."""
    known, used = _TOKENS.unpack_from(room, _TOKENS_AT)
    if known == day:
        _TOKENS.pack_into(room, _TOKENS_AT, day, max(0, used + more))


def running_elsewhere(room: bytearray, worker: int, now: float) -> int:
    """How many requests other workers have under way, as far as these live."""
    leases = _LEASES.unpack_from(room, _LEASES_AT)
    return sum(
        leases[at + 1]
        for at in range(0, len(leases), 3)
        if leases[at] != worker and now < leases[at + 2] <= now + 2 * LEASE
    )


def note_running(room: bytearray, worker: int, running: int, now: float) -> None:
    """Say how many requests a worker has under way, which is alive now."""
    leases = list(_LEASES.unpack_from(room, _LEASES_AT))
    places = range(0, len(leases), 3)
    free = (at for at in places if leases[at + 2] <= now)
    own = (at for at in places if leases[at] == worker)
    at = next(own, None)
    if at is None:
        at = next(free, places[-1])
    leases[at : at + 3] = [worker, running, int(now) + LEASE if running else 0]
    _LEASES.pack_into(room, _LEASES_AT, *leases)
