"""SigningIn: who gets a session, who loses one, and what the audit log has of it.

The same is answered, after the same work, whichever of name and password was wrong.
Whoever signs in first makes the account; before anybody tries there is no database.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import msgspec

from ..administration import passwords
from ..errors import BadRequest, GatewayError
from ..first_password import FirstPassword, first_of, weakness
from ..moment import now_ms
from ..settings import Settings
from ..storage import Storage, admins, audit
from ..storage.admins import Account, Session
from ..storage.place import file_of
from . import attempts
from .sessions import Sessions, Visitor

Connection = Any


class Caller(msgspec.Struct, frozen=True):
    """Where a request came from, and by which program."""

    address: str = ""
    agent: str = ""


class SigningIn:
    """Sessions and passwords of one installation; each call waits for the database.

    ``clock`` is in Unix milliseconds.
    """

    def __init__(
        self, storage: Storage, settings: Settings, clock: Callable[[], int] = now_ms
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._clock = clock
        self._sessions = Sessions(settings.session_secret, clock)
        self._file = file_of(settings.database_url, settings.state_dir)

    def sign_in(
        self, username: str, password: str, caller: Caller
    ) -> tuple[str, Visitor]:
        """A session, and what the browser gets; raises ``BadRequest``, 401 or 429."""
        account = self._begin(caller)
        if account is None:
            kept = passwords.hashed(password)
            first, name = first_of(self._settings), self._settings.admin_username
            good = isinstance(first, FirstPassword) and passwords.is_same(
                password, first.password
            )
        else:
            kept, first, name = account.password_hash, "", account.username
            good = passwords.matches(password, kept)
        known = passwords.is_same(username, name)
        if not (good and known):
            self._fail(name if known else "", caller)

        def job(connection: Connection) -> tuple[str, Visitor]:
            owner = admins.account(connection)
            if owner is None and isinstance(first, FirstPassword):
                must, now = first.must_change, self._clock()
                owner = admins.add_account(connection, name, kept, must, now)
            elif owner is None or owner.password_hash != kept:
                raise _wrong()  # it was changed meanwhile
            return self._welcome(connection, owner, caller, "login")

        return self._storage.write(job)

    def change_password(
        self, visitor: Visitor, current: str, new: str, caller: Caller
    ) -> tuple[str, Visitor]:
        """Another session, in the place of all; raises ``BadRequest``, 422 or 429."""
        account = visitor.account
        fault = weakness(new, account.username)
        if not fault and passwords.is_same(current, new):
            fault = "This is the password that you have."
        if fault:
            raise _refused(fault, "new_password")
        self._begin(caller)
        if not passwords.matches(current, account.password_hash):
            self._note("password.failure", account.username, caller)
            raise _refused("This is not your password.", "current_password")
        kept = passwords.hashed(new)

        def job(connection: Connection) -> tuple[str, Visitor]:
            if admins.account(connection) != account:
                raise _refused("It was changed meanwhile.", "current_password")
            now = self._clock()
            admins.change_account(connection, account.username, kept, now)
            owner = admins.account(connection)
            assert owner is not None
            return self._welcome(connection, owner, caller, "password.change")

        return self._storage.write(job)

    def visitor(self, token: str) -> Visitor | None:
        """Who has this; nobody where there is no database to ask."""
        if not token or not self._has_database():
            return None
        find = self._sessions.find
        found = self._storage.read(lambda connection: find(connection, token))
        if found is not None and self._sessions.is_to_be_noted(found):
            self._touch(found)
        return found

    def sign_out(self, visitor: Visitor, caller: Caller) -> None:
        """End this session."""
        self._end(visitor, visitor.session.id, "logout", caller)

    def sessions(self) -> list[Session]:
        """All that are good, the newest first."""
        return self._storage.read(self._sessions.all)

    def end(self, visitor: Visitor, id: str, caller: Caller) -> bool:
        """End one of the sessions; whether there was one."""
        return self._end(visitor, id, "session.end", caller)

    def _has_database(self) -> bool:
        if self._settings.database_url:
            return True
        return self._file is not None and self._file.exists()

    def _begin(self, caller: Caller) -> Account | None:
        def job(connection: Connection) -> Account | None:
            attempts.begin(connection, caller.address, self._clock())
            return admins.account(connection)

        return self._storage.write(job)

    def _welcome(
        self, connection: Connection, owner: Account, caller: Caller, action: str
    ) -> tuple[str, Visitor]:
        attempts.succeeded(connection, caller.address)
        name, address = owner.username, caller.address
        audit.note(connection, name, action, name, {}, address)
        return self._sessions.begin(connection, owner, address, caller.agent)

    def _fail(self, name: str, caller: Caller) -> NoReturn:
        # Not what was typed: some type their password where the name belongs.
        self._note("login.failure", name, caller)
        raise _wrong()

    def _note(self, action: str, name: str, caller: Caller) -> None:
        self._storage.write(
            lambda connection: audit.note(
                connection, "", action, name or "(unknown)", {}, caller.address
            )
        )

    def _touch(self, visitor: Visitor) -> None:
        id, now = visitor.session.id, self._clock()
        with suppress(GatewayError):  # who cannot be written for can still look
            self._storage.write(
                lambda connection: admins.touch_session(connection, id, now)
            )

    def _end(self, visitor: Visitor, id: str, action: str, caller: Caller) -> bool:
        def job(connection: Connection) -> bool:
            ended = admins.remove_session(connection, id)
            if ended:
                name = visitor.account.username
                audit.note(connection, name, action, name, {}, caller.address)
            return ended

        return self._storage.write(job)


def _wrong() -> BadRequest:
    return BadRequest(
        "The user name or the password is wrong.",
        status=401,
        code="invalid_credentials",
    )


def _refused(message: str, param: str) -> BadRequest:
    return BadRequest(message, status=422, code="invalid_value", param=param)
