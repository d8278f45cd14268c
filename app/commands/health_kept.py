"""The health of what is kept: the state directory, and the database.

It makes no file: a database that is not there yet has nothing in it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..administration import Administration
from ..administration.document import Document
from ..settings import Settings
from ..storage.database import Database
from ..storage.failure import Failure
from ..storage.place import file_of, obstacle
from .finding import Finding, bad, note, ok

#: Bytes that shall be free where Pannier keeps something.
_ENOUGH = 1024**3
#: With fewer than these the disk is as good as full.
_LEAST = 1024**2
#: What lies beside SQLite's file while it is used.
_BESIDE = ("", "-wal", "-shm")

CANNOT_BE_USED = "The database cannot be used: {why}. What to do: {advice}."
_MEANWHILE = (
    "Meanwhile a Pannier that runs goes on with what it last knew, and one that is"
    " started answers 503. Nothing can be changed."
)
_RIGHTS = (
    "run this as the user that Pannier runs as, and if it is, give that user the state"
    " directory with all that is in it (chown -R)"
)
#: What to do, by what is in the words of a database that fails; the first counts.
_ADVICE = (
    (
        r"newer Pannier",
        "run that Pannier, or stop this one and put the copy from before its upgrade"
        " back (pannier.db.before-…, of PostgreSQL your own)",
    ),
    (
        r"not a database|malformed|disk I/O",
        "stop Pannier, move the file away with its -wal and -shm, and put a copy in its"
        " place; without one all keys are gone, and PANNIER_AUTH=auto lets all in",
    ),
    (r"is full|No space left", "make room on the disk of the state directory"),
    (r"is locked", "end the program that holds it, or try again"),
    (r"readonly|unable to open|Permission ?Error", _RIGHTS),
    (
        r"authentication|password|does not exist|pg_hba|permission denied",
        "PANNIER_DATABASE_URL has to name a user, a password and a database that"
        " PostgreSQL has, and the user has to own that database",
    ),
    (
        r"connect|resolve|time ?out|closed",
        "start PostgreSQL, or correct the host and the port in PANNIER_DATABASE_URL",
    ),
)


class Kept(NamedTuple):
    """What was found, and all that is set; None where nobody can say."""

    findings: list[Finding]
    document: Document | None


def kept(settings: Settings) -> Kept:
    """Look at the state directory and at the database."""
    findings = list(_place(Path(settings.state_dir)))
    file = file_of(settings.database_url, settings.state_dir)
    if file is not None and obstacle(settings.state_dir) and _may_be(file):
        return Kept([*findings, *_meanwhile(settings)], None)
    if file is not None:
        findings += _owners(file)
    try:
        document, finding = _read(settings, file)
    except Failure as failure:
        return Kept([*findings, _failed(failure), *_meanwhile(settings)], None)
    return Kept([*findings, finding], document)


def _place(place: Path) -> Iterator[Finding]:
    there = obstacle(str(place))
    if there is not None:
        yield bad(_hindrance(place, there))
    elif not place.exists():
        yield note(f"There is no {place} yet: it is made when it is first needed.")
    if there is None or there == place:
        yield from _room(place)


def _hindrance(place: Path, there: Path) -> str:
    """What keeps the directory from being used, and what to do."""
    if not os.path.isdir(there):
        return f"{there} is no directory: move it away, or set PANNIER_STATE_DIR."
    if there == place:
        return (
            f"{place} cannot be written by this user: run this as the user that"
            " Pannier runs as, or set PANNIER_STATE_DIR."
        )
    return (
        f"{place} cannot be made, since this user cannot write {there}: make it for the"
        " user that Pannier runs as, or set PANNIER_STATE_DIR."
    )


def _room(place: Path) -> Iterator[Finding]:
    if not place.is_dir():
        return
    free = shutil.disk_usage(place).free
    text = f"{place}: {free / _ENOUGH:.1f} GiB are free"
    if free < _LEAST:
        yield bad(f"{place}: the disk is full, and nothing can be written: make room.")
    else:
        yield ok(text) if free >= _ENOUGH else bad(f"{text}: make room.")


def _read(settings: Settings, file: Path | None) -> tuple[Document, Finding]:
    """All that is set, and where that is; raises ``Failure``."""
    nothing = Document(keys=[])
    if file is not None:
        if not _may_be(file):
            return nothing, note(f"There is no {file} yet: nothing is set.")
        _check(file)
    database = Database(settings.database_url, settings.state_dir)
    try:
        if not database.is_current():
            late = "its tables are brought up to date when they are first needed"
            return nothing, note(f"Database {database.place}: {late}.")
        office = Administration(lambda job: job(database), settings, "doctor")
        return office.transfer.export(), ok(f"Database {database.place}")
    finally:
        database.close()


def _may_be(file: Path) -> bool:
    """Whether a file is there, as far as this user may know."""
    try:
        os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def _check(file: Path) -> None:
    """Raise ``Failure`` for what SQLite's own words would not name."""
    if file.is_dir():
        raise Failure(f"{file} is a directory")
    for name in _there(file):
        if not os.access(name, os.R_OK | os.W_OK):
            raise Failure(f"PermissionError: {name} cannot be read and written")


def _there(file: Path) -> list[str]:
    """SQLite's file, and what lies beside it."""
    return [name for end in _BESIDE if os.path.exists(name := f"{file}{end}")]


def _owners(file: Path) -> Iterator[Finding]:
    """What root can read and write, and perhaps not the server, which is no root."""
    if os.geteuid():
        return
    for name in _there(file):
        if os.stat(name).st_uid != file.parent.stat().st_uid:
            yield note(
                f"{name} belongs to another user than its directory: 'chown"
                f" --reference={file.parent} {name}', unless Pannier runs as root."
            )


def _failed(failure: Failure) -> Finding:
    why = " ".join(str(failure).split()).rstrip(".?")
    advice = "move it away, or mend what this says"
    for words, what in _ADVICE:
        if re.search(words, why):
            advice = what
            break
    return bad(CANNOT_BE_USED.format(why=why, advice=advice))


def _meanwhile(settings: Settings) -> Iterator[Finding]:
    if settings.auth != "off":
        yield note(_MEANWHILE)
