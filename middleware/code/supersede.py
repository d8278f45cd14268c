"""Supersede: which requests of an editor are stale, since it has asked anew.

Ollama works on few requests of a model at a time, and a stale one holds up the one that
counts.  What has begun to arrive is left alone: the editor reads it already
(specification: code completion, section 6).
"""

import time
from collections.abc import Callable, Hashable
from hashlib import blake2b
from wsgiref.types import WSGIEnvironment

from app.errors import GatewayError
from app.inflight import Watch

#: Seconds within which equal requests are one wish: some editors ask for a few
#: alternatives so.
BURST = 0.1
#: Sessions that are remembered at most.  Half of them may be at work, more than a
#: worker answers at a time unless it is told to; the longest known ones give way.
MOST = 4096
#: Sent by OpenAI's own libraries: scripts use them, and ask many things at once.
_SDK = "HTTP_X_STAINLESS_LANG"
#: What tells editors behind one address apart.  Nobody need be trusted with that:
#: whatever a client says there, it only makes its own session another one.
_TELLING = (
    "HTTP_AUTHORIZATION",
    "HTTP_X_API_KEY",
    "HTTP_API_KEY",
    "HTTP_USER_AGENT",
    "HTTP_X_FORWARDED_FOR",
)


class Ticket:
    """One request's place in its session."""

    __slots__ = ("_begun", "_watch", "at", "body")

    def __init__(self, watch: Watch | None, body: int, at: float) -> None:
        self._watch = watch
        self.body = body
        self.at = at
        self._begun = False

    def begin(self) -> None:
        """The first token has come: nothing supersedes the request any more."""
        self._begun = True
        self._watch = None

    @property
    def waiting(self) -> bool:
        """Whether the request is there, and has not begun."""
        over = self._watch is not None and self._watch.over
        return not (self._begun or over)

    def end(self) -> None:
        """Tell the client, if it is known, that it has asked anew."""
        if self._watch is not None:
            self._watch.end_with(superseded())


class Sessions:
    """The requests of all editors that have not begun, by session.

    ``clock`` gives seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[Hashable, list[Ticket]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, session: Hashable, watch: Watch | None, body: Hashable) -> Ticket:
        """Take the place of older requests of a session; they end with an error.

        Those with an equal ``body`` of just now stay: they are alternatives.
        """
        now = self._clock()
        ticket = Ticket(watch, hash(body), now)
        beside = [ticket]
        for older in self._waiting.pop(session, ()):
            if not older.waiting:
                continue
            if older.body == ticket.body and now - older.at <= BURST:
                beside.append(older)
            else:
                older.end()
        if len(self._waiting) >= MOST:
            self._make_room()
        self._waiting[session] = beside  # the last to be forgotten
        return ticket

    def _make_room(self) -> None:
        live = [
            (session, tickets)
            for session, tickets in self._waiting.items()
            if any(ticket.waiting for ticket in tickets)
        ]
        self._waiting = dict(live[-(MOST // 2) :])


def superseded() -> GatewayError:
    """What the client of a stale request is told; it is not to ask for it again.

    No status that clients take for a reason to repeat themselves, and for those of
    OpenAI a word against it.
    """
    return GatewayError(
        "The same editor has asked for a newer completion, which takes the place of"
        " this one (PANNIER_CODE_SUPERSEDE).",
        status=499,
        code="request_superseded",
        headers=[("x-should-retry", "false")],
    )


def who(environ: WSGIEnvironment, address: str) -> tuple[object, ...]:
    """What tells the editor that makes a request apart, as far as it is known.

    ``address`` is the client's.  The rest is only a digest: keys are among it.  Each
    request of a program that is no editor, or says that it would rather not be
    superseded, is alone in its session.
    """
    wish = environ.get("HTTP_X_PANNIER_SUPERSEDE", "").lower()
    if wish == "off" or _SDK in environ:
        return (object(),)
    told = repr([environ.get(name) for name in _TELLING])
    return address, blake2b(told.encode(), digest_size=16).hexdigest()
