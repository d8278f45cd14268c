"""Place: where SQLite's file is, if the database is one."""

import os
from pathlib import Path

#: SQLite's file, in the state directory.
FILE = "pannier.db"


def file_of(url: str, state_dir: str) -> Path | None:
    """The file; None where a server has it all, or where there is no place for one."""
    return Path(state_dir, FILE) if state_dir and not url else None


def obstacle(state_dir: str) -> Path | None:
    """What keeps the state directory from being used, or made; None: nothing does.

    It is the directory, or what is there of the way to it: it is no directory, or this
    user cannot write it.
    """
    there = Path(state_dir)
    while not os.path.exists(there) and there != there.parent:
        there = there.parent
    fine = os.path.isdir(there) and os.access(there, os.R_OK | os.W_OK | os.X_OK)
    return None if fine else there
