"""Command: one of the commands, from its arguments to its exit code."""

import argparse
import contextlib
import getpass
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from ..administration import Administration, Refused
from ..given import given
from ..option import SettingsError
from ..secret import lasting
from ..settings import Settings, options
from ..storage.database import Database
from ..storage.failure import Failure
from ..storage.place import file_of
from ..storage.upgrade import PATIENCE, upgrade

#: Who the audit log names.
ACTOR = "cli"

Say = Callable[[str], object]


class Parser(argparse.ArgumentParser):
    """A parser that wants whole words, and says in one sentence what is wrong."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **{"allow_abbrev": False, **more})

    def error(self, message: str) -> NoReturn:
        """Raise it."""
        raise SettingsError(f"{message} ({self.prog} --help)")


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


def run(name: str, arguments: list[str], say: Say, note: Say) -> int:
    """Do what a command says; its exit code.

    Raises ``SettingsError``, with one sentence, for what cannot be done.
    """
    from .table import TABLE

    parser = Parser(prog=f"pannier {name}")
    TABLE[name](parser)
    words = parser.parse_args(arguments)
    try:
        code: int | None = words.do(Terminal(say, note), words)
    except Refused as refused:
        raise SettingsError(str(refused)) from None
    except Failure as failure:
        why = " ".join(str(failure).split()).rstrip(".?")
        note(
            f"pannier: the database cannot be used: {why}. 'pannier doctor' says what"
            " to do."
        )
        return 1
    except BrokenPipeError:  # `| head` has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise SettingsError(f"{place}{error.strerror}.") from None
    return code or 0


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
