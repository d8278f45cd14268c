"""Admins: the account of who operates Pannier, and where it is signed in.

Each function is one part of the caller's transaction.  Times are in Unix milliseconds.
There is one account; neither it nor a session is in any export.
"""

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..ids import new_id
from .tables import ADMIN_SESSION, ADMIN_USER, LOGIN_FAILURE

#: Sessions that an account may have; beyond that the oldest one goes.
MOST = 100

_U, _S, _F = ADMIN_USER.c, ADMIN_SESSION.c, LOGIN_FAILURE.c


class Account(msgspec.Struct, frozen=True):
    """Who signs in.  With ``must_change`` all that may be done is to set a password."""

    id: str
    username: str
    password_hash: str
    must_change: bool
    created_at: int
    changed_at: int
    last_login_at: int | None


class Session(msgspec.Struct, frozen=True):
    """One browser that is signed in; ``id`` is the digest of what it has."""

    id: str
    user_id: str
    csrf: str
    created_at: int
    seen_at: int
    expires_at: int
    ip: str
    user_agent: str


class Failures(msgspec.Struct, frozen=True):
    """How often somebody failed lately, and until when they are not heard."""

    who: str
    failures: int
    last_at: int
    until: int


def account(connection: Connection) -> Account | None:
    """The account, if anybody has ever signed in."""
    row = connection.execute(sa.select(*_U).limit(1)).first()
    return None if row is None else Account(**row._mapping)


def add_account(
    connection: Connection,
    username: str,
    password_hash: str,
    must_change: bool,
    now: int,
) -> Account:
    """Make the account; there must be none."""
    made = Account(new_id("adm_"), username, password_hash, must_change, now, now, None)
    connection.execute(sa.insert(ADMIN_USER), msgspec.structs.asdict(made))
    return made


def change_account(
    connection: Connection, username: str, password_hash: str, now: int
) -> None:
    """Give the account another password, and sign it out everywhere."""
    connection.execute(
        sa.update(ADMIN_USER).values(
            username=username,
            password_hash=password_hash,
            must_change=False,
            changed_at=now,
        )
    )
    connection.execute(sa.delete(ADMIN_SESSION))


def add_session(connection: Connection, session: Session) -> None:
    """Keep a session that begins, and none that have ended."""
    now = session.created_at
    connection.execute(sa.delete(ADMIN_SESSION).where(_S.expires_at <= now))
    kept = sa.select(_S.id).order_by(_S.created_at.desc()).limit(MOST - 1)
    old = [row.id for row in connection.execute(sa.select(_S.id))]
    if len(old) >= MOST:
        newest = {row.id for row in connection.execute(kept)}
        gone = [id for id in old if id not in newest]
        connection.execute(sa.delete(ADMIN_SESSION).where(_S.id.in_(gone)))
    connection.execute(sa.insert(ADMIN_SESSION), msgspec.structs.asdict(session))
    connection.execute(sa.update(ADMIN_USER).values(last_login_at=now))


def session(connection: Connection, id: str) -> tuple[Account, Session] | None:
    """A session, whatever its age, and whose it is."""
    found = connection.execute(sa.select(*_S).where(_S.id == id)).first()
    if found is None:
        return None
    owner = connection.execute(sa.select(*_U).where(_U.id == found.user_id)).one()
    return Account(**owner._mapping), Session(**found._mapping)


def sessions(connection: Connection, now: int) -> list[Session]:
    """All sessions that may still be good, the newest first."""
    still = sa.select(*_S).where(_S.expires_at > now).order_by(_S.created_at.desc())
    return [Session(**row._mapping) for row in connection.execute(still)]


def touch_session(connection: Connection, id: str, now: int) -> None:
    """Note that a session is in use."""
    connection.execute(sa.update(ADMIN_SESSION).where(_S.id == id).values(seen_at=now))


def remove_session(connection: Connection, id: str) -> bool:
    """End a session; whether there was one."""
    return bool(
        connection.execute(sa.delete(ADMIN_SESSION).where(_S.id == id)).rowcount
    )


def failures(connection: Connection, who: str) -> Failures | None:
    """What is known of somebody who failed."""
    row = connection.execute(sa.select(*_F).where(_F.who == who)).first()
    return None if row is None else Failures(**row._mapping)


def set_failures(connection: Connection, found: Failures) -> None:
    """Keep what is known of them now."""
    forget_failures(connection, found.who)
    connection.execute(sa.insert(LOGIN_FAILURE), msgspec.structs.asdict(found))


def forget_failures(connection: Connection, who: str, before: int = 0) -> None:
    """Forget somebody, and all that failed last before a time."""
    gone = (_F.who == who) | (_F.last_at < before)
    connection.execute(sa.delete(LOGIN_FAILURE).where(gone))
