"""Accounts: the one that Pannier is administered with over HTTP."""

from ..first_password import weakness
from ..moment import now_ms
from ..storage import admins, audit
from ..storage.refusal import Refused
from . import passwords
from .desk import Connection, Desk

_LONGEST = 64


class Accounts:
    """The account; its sessions are the affair of ``app.admin``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def set_password(self, password: str, username: str = "") -> str:
        """Set the password, and the name if there is one; gives the name.

        It makes the account if there is none, and ends all sessions.
        """
        if username != username.strip() or len(username) > _LONGEST:
            raise Refused(
                f"A user name has at most {_LONGEST} characters, and no spaces around.",
                "username",
            )
        if fault := weakness(password, username or self._desk.settings.admin_username):
            raise Refused(fault, "password")
        kept = passwords.hashed(password)

        def change(connection: Connection) -> str:
            account = admins.account(connection)
            now = now_ms()
            if account is None:
                name = username or self._desk.settings.admin_username
                admins.add_account(connection, name, kept, False, now)
            else:
                name = username or account.username
                admins.change_account(connection, name, kept, now)
            audit.note(connection, self._desk.actor, "password.change", name, {})
            return name

        return self._desk.write(change)
