"""Terminal: what a command has to do its work with, and whom it can ask."""

import contextlib
import getpass
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ..administration import Administration, Refused
from ..given import given
from ..secret import lasting
from ..settings import Settings, options
from ..storage.database import Database
from ..storage.place import file_of
from ..storage.upgrade import PATIENCE, upgrade

#: Who the audit log names.
ACTOR = "cli"

Say = Callable[[str], object]


class Terminal:
    """What commands do their work with.

    ``say`` gets lines for the standard output, ``note`` those that are not the
    answer itself.
    """

    def __init__(self, say: Say, note: Say) -> None:
        self.say, self.note = say, note
        self.found = given(options(), None, None)
        self.settings = Settings.meant(self.found)
        #: Where the database is, once it is open.
        self.place = ""

    @contextlib.contextmanager
    def administration(self) -> Iterator[Administration]:
        """The administration of the database of these settings, brought up to date."""
        settings = self.settings
        _make_for_owner(settings)
        database = Database(settings.database_url, settings.state_dir, PATIENCE)
        try:
            if not database.is_current():
                upgrade(database)
            self.place = database.place
            yield Administration(lambda job: job(database), settings, ACTOR, self.found)
        finally:
            database.close()

    def confirm(self, warning: str, yes: bool, option: str = "yes") -> None:
        """Go on if the user agrees, by the option or when asked; else ``Refused``."""
        if yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise Refused(f"{warning} Say --{option} to go on.", option)
        self.note(warning)
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            raise Refused("Nothing was changed.", option)

    def secret(self) -> str:
        """A key, from the standard input or typed in unseen."""
        if sys.stdin.isatty():
            return getpass.getpass("Key: ").strip()
        return sys.stdin.readline().strip()


def _make_for_owner(settings: Settings) -> None:
    """As root, make files for whom the directory belongs to: the server is no root."""
    place = Path(settings.state_dir)
    if os.geteuid() or not place.is_dir():
        return
    owner = place.stat()
    files = [] if settings.secret_file else [place / "secret"]
    if files:
        lasting(settings.state_dir)
    file = file_of(settings.database_url, settings.state_dir)
    if file is not None:
        file.touch(0o600)
        files.append(file)
    for made in files:
        if made.exists() and made.stat().st_uid != owner.st_uid:
            os.chown(made, owner.st_uid, owner.st_gid)
