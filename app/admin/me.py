"""Me: signing in and out, and what a visitor may know and do of the own account."""

from typing import Any, Protocol

import msgspec

from ..errors import BadRequest
from ..storage.admins import Session
from .asked import Asked, Sent
from .sessions import Cookie, Visitor, ends_at
from .signing_in import Caller, SigningIn


class Visit(msgspec.Struct, frozen=True):
    """A request as the handlers here see it; ``visitor`` of None: nobody signed in."""

    asked: Asked
    visitor: Visitor | None
    caller: Caller
    cookie: Cookie

    @property
    def known(self) -> Visitor:
        """Who it is."""
        assert self.visitor is not None
        return self.visitor


class Handler(Protocol):
    """Answers a visit."""

    def __call__(self, signing_in: SigningIn, visit: Visit, /) -> Any:
        """What is sent."""


class Login(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody signs in with."""

    username: str
    password: str


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """The password, and the one that takes its place."""

    current_password: str
    new_password: str


def login(signing_in: SigningIn, visit: Visit) -> Sent:
    """Begin a session, always another one."""
    form = visit.asked.json(Login)
    token, visitor = signing_in.sign_in(form.username, form.password, visit.caller)
    return Sent(value=_me(visitor), headers=(visit.cookie.set(token),))


def logout(signing_in: SigningIn, visit: Visit) -> Sent:
    """End the session."""
    signing_in.sign_out(visit.known, visit.caller)
    return Sent(status=204, headers=(visit.cookie.clear(),))


def me(signing_in: SigningIn, visit: Visit) -> Any:
    """Who is signed in, and what changes have to be sent with."""
    return _me(visit.known)


def password(signing_in: SigningIn, visit: Visit) -> Sent:
    """Set another password, which ends all sessions and begins a new one."""
    form = visit.asked.json(Change)
    token, visitor = signing_in.change_password(
        visit.known, form.current_password, form.new_password, visit.caller
    )
    return Sent(value=_me(visitor), headers=(visit.cookie.set(token),))


def sessions(signing_in: SigningIn, visit: Visit) -> Any:
    """Where the account is signed in."""
    own = visit.known.session.id
    found = signing_in.sessions()
    return {"sessions": [_shown(one) | {"current": one.id == own} for one in found]}


def end_session(signing_in: SigningIn, visit: Visit) -> Sent:
    """End one of them."""
    if not signing_in.end(visit.known, visit.asked.path["id"], visit.caller):
        raise BadRequest("There is no such session.", status=404, code="not_found")
    return Sent(status=204)


def _me(visitor: Visitor) -> dict[str, Any]:
    return {
        "username": visitor.account.username,
        "must_change_password": visitor.account.must_change,
        "csrf_token": visitor.session.csrf,
        "session": _shown(visitor.session),
    }


def _shown(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
        "ends_at": ends_at(session),
        "ip": session.ip,
        "user_agent": session.user_agent,
    }


#: Method, path, handler; whether nobody need be signed in; whether it is open to those
#: who have to change their password first.
ROUTES: list[tuple[str, str, Handler, bool, bool]] = [
    ("POST", "/login", login, True, True),
    ("POST", "/logout", logout, False, True),
    ("GET", "/me", me, False, True),
    ("POST", "/me/password", password, False, True),
    ("GET", "/me/sessions", sessions, False, False),
    ("DELETE", "/me/sessions/<id>", end_session, False, False),
]
