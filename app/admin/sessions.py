"""Sessions: who is signed in, by what their browser has (specification: W4).

A browser has 256 random bits in a cookie, the database their digest.  A session ends
an hour after its last request, twelve hours after it began, when its owner says so, and
when the password is changed.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from ..storage import admins
from ..storage.admins import Account, Session

IDLE, LONGEST = 3_600_000, 12 * 3_600_000
#: Milliseconds between two notes that a session is in use.
NOTED = 60_000
_AGENT = 200

Connection = Any


class Visitor(msgspec.Struct, frozen=True):
    """Somebody who is signed in."""

    account: Account
    session: Session

    @property
    def ends_at(self) -> int:
        """When the session ends if nothing more is asked."""
        return ends_at(self.session)


def ends_at(session: Session) -> int:
    """When a session ends if nothing more is asked."""
    return min(session.expires_at, session.seen_at + IDLE)


class Cookie:
    """How the cookie looks: under https other sites of the same name cannot set it."""

    def __init__(self, secure: bool) -> None:
        self.name = "__Host-pannier" if secure else "pannier"
        path = "/; Secure" if secure else "/admin"
        self._rest = f"; Path={path}; HttpOnly; SameSite=Strict"

    def set(self, token: str) -> tuple[str, str]:
        """The header that gives it to a browser."""
        age = LONGEST // 1000
        return ("Set-Cookie", f"{self.name}={token}{self._rest}; Max-Age={age}")

    def clear(self) -> tuple[str, str]:
        """The header that takes it away."""
        return ("Set-Cookie", f"{self.name}={self._rest}; Max-Age=0")


class Sessions:
    """Begins, finds and ends them; ``secret`` is one more thing that they depend on.

    ``clock`` is in Unix milliseconds.
    """

    def __init__(self, secret: str, clock: Callable[[], int]) -> None:
        self._secret = secret.encode()
        self._clock = clock

    def begin(
        self, connection: Connection, account: Account, address: str, agent: str
    ) -> tuple[str, Visitor]:
        """A new session, and what the browser gets."""
        now = self._clock()
        token = secrets.token_urlsafe(32)
        session = Session(
            id=self.id_of(token),
            user_id=account.id,
            csrf=secrets.token_urlsafe(32),
            created_at=now,
            seen_at=now,
            expires_at=now + LONGEST,
            ip=address,
            user_agent=_printable(agent)[:_AGENT],
        )
        admins.add_session(connection, session)
        return token, Visitor(account, session)

    def find(self, connection: Connection, token: str) -> Visitor | None:
        """Who has this."""
        found = admins.session(connection, self.id_of(token))
        if found is None:
            return None
        visitor = Visitor(*found)
        return visitor if self._clock() < visitor.ends_at else None

    def all(self, connection: Connection) -> list[Session]:
        """Those that are good, the newest first."""
        now = self._clock()
        found = admins.sessions(connection, now)
        return [session for session in found if now < ends_at(session)]

    def is_to_be_noted(self, visitor: Visitor) -> bool:
        """Whether it is time to write that a session is in use."""
        return self._clock() - visitor.session.seen_at >= NOTED

    def id_of(self, token: str) -> str:
        """By what a session is known."""
        return hashlib.sha256(token.encode() + self._secret).hexdigest()


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)
