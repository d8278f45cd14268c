"""Upgrade: brings the tables up to date, with Alembic.

A program of its own, so that a worker need not load Alembic: ``[URL, state directory]``
come as JSON on its standard input, where nobody sees the URL's password.
"""

import json
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from .backup import copied
from .database import Database, version
from .failure import Failure
from .place import FILE
from .tables import VERSION
from .usage_tables import USAGE_RECORD

#: Milliseconds: others may be about it.
PATIENCE = 60_000
_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> Path | None:
    """Bring the tables to the newest version, all or nothing; others wait meanwhile.

    What SQLite's file had before is copied first: where the copy is.
    """
    with database.alone(), database.writing() as connection:
        if database.is_current(connection):
            return None
        copy = None
        if database.file is not None and version(connection):
            copy = copied(database.file, f"{FILE}.before-{VERSION}")
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes |= {
            "connection": connection,
            "metadata": USAGE_RECORD.metadata,  # which has all tables
        }
        command.upgrade(config, VERSION)
    return copy


def main() -> int:
    """Upgrade the database that standard input names.

    Says where the copy is, and to stderr what is wrong.
    """
    url, state_dir = json.load(sys.stdin)
    database = Database(url, state_dir, PATIENCE)
    try:
        sys.stdout.write(str(upgrade(database) or ""))
    except Failure as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
