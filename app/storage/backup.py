"""Backup: a copy of SQLite's file, whole, while others use it."""

import contextlib
import os
import sqlite3
from pathlib import Path

from .failure import Failure


def copied(file: Path, name: str) -> Path:
    """A copy beside a file, for its owner alone, in the place of one of that name.

    It is there as a whole or not at all.  Raises ``Failure`` where it cannot be made.
    """
    copy = file.with_name(name)
    draft = file.with_name(f"{name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)  # of an earlier process of this number
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with _opened(file) as source, _opened(draft) as target:
            source.backup(target)
        draft.replace(copy)
    except (sqlite3.Error, OSError) as error:
        raise Failure(f"{copy} could not be made: {error}") from None
    finally:
        draft.unlink(missing_ok=True)
    return copy


def _opened(file: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(file))
