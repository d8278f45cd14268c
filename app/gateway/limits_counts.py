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
_REQUESTS = Layout(f"<Q{WINDOW}I")
_TOKENS = Layout("<Qq")
_LEASES = Layout("<" + WORKERS * "QQQ")
_REQUESTS_AT = OWNER.size
_TOKENS_AT = _REQUESTS_AT + _REQUESTS.size
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
        newest, cells = _minute(room, int(now))
        _look(entered, cells, newest, now, terms.rpm)
    if entered.refused:
        return entered
    if terms.max_concurrent is not None and others + running >= terms.max_concurrent:
        entered.refused, entered.wait = "concurrent", 1.0
        return entered
    if terms.rpm is not None:
        cells[newest % WINDOW] += 1
        entered.requests += 1
        entered.reset = newest + WINDOW - now
        _REQUESTS.pack_into(room, _REQUESTS_AT, newest, *cells)
    return entered


def _minute(room: bytearray, second: int) -> tuple[int, list[int]]:
    """The second that it is, and the requests by second of which a minute remembers."""
    newest, *cells = _REQUESTS.unpack_from(room, _REQUESTS_AT)
    passed = second - newest
    if abs(passed) >= WINDOW:
        return second, [0] * WINDOW
    for one in range(newest + 1, second + 1):
        cells[one % WINDOW] = 0
    return max(newest, second), cells  # a clock may have been put back a little


def _look(
    entered: Entered, cells: list[int], newest: int, now: float, rpm: int
) -> None:
    """Note what there was in this minute, and whether it was too much."""
    entered.requests = used = sum(cells)
    for second in range(newest, newest - WINDOW, -1):
        if cells[second % WINDOW]:
            entered.reset = second + WINDOW - now
            break
    if used < rpm:
        return
    entered.refused = "requests"
    entered.wait = float(WINDOW)
    for second in range(newest - WINDOW + 1, newest + 1):
        used -= cells[second % WINDOW]
        if used < rpm:
            entered.wait = second + WINDOW - now
            break


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
        if leases[at] != worker and leases[at + 2] > now
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
