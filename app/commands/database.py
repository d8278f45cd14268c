"""``pannier database``: what is kept, and where; bringing its tables up to date."""

from collections.abc import Callable
from pathlib import Path

from ..settings import Settings, SettingsError
from ..storage.configuration import counts
from ..storage.database import Database, version
from ..storage.failure import Failure
from ..storage.place import FILE
from ..storage.queries import summary
from ..storage.tables import VERSION
from ..storage.upgrade import PATIENCE as LONG
from ..storage.upgrade import upgrade as bring_up_to_date


def status(settings: Settings, say: Callable[[str], object]) -> int:
    """Say where the database is, how new its tables are, and how much is in them."""
    file = Path(settings.state_dir, FILE)
    if not settings.database_url and not file.exists():
        say(f"There is no {file} yet: it is made when it is first needed.")
        return 0
    database = Database(settings.database_url, settings.state_dir)
    try:
        say(f"database: {database.place}")
        with database.reading() as connection:
            found = version(connection)
            say(f"tables: version {found or 'none'}, of {VERSION}")
            if not database.is_current(connection):
                say("They are brought up to date when they are first needed.")
                return 0
            responses, size = summary(connection)
            say(f"responses: {responses}, {size} bytes")
            say(", ".join(f"{what}: {many}" for what, many in counts(connection)))
    finally:
        database.close()
    return 0


def upgrade(settings: Settings, say: Callable[[str], object]) -> int:
    """Bring the tables up to date."""
    database = Database(settings.database_url, settings.state_dir, LONG)
    try:
        copy = bring_up_to_date(database)
    finally:
        database.close()
    if copy is not None:
        say(f"What was there before: {copy}")
    say(f"The tables have version {VERSION}.")
    return 0


def run(settings: Settings, arguments: list[str], say: Callable[[str], object]) -> int:
    """One of the commands; its exit code.  Raises ``SettingsError`` for another."""
    command = {"status": status, "upgrade": upgrade}.get(" ".join(arguments))
    if command is None:
        raise SettingsError("'database' wants one word: status or upgrade.")
    try:
        return command(settings, say)
    except Failure as failure:
        say(f"The database cannot be used: {failure}")
        return 1
