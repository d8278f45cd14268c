"""Place: where SQLite's file is, if the database is one."""

from pathlib import Path

#: SQLite's file, in the state directory.
FILE = "pannier.db"


def file_of(url: str, state_dir: str) -> Path | None:
    """The file; None where a server has it all, or where there is no place for one."""
    return Path(state_dir, FILE) if state_dir and not url else None
