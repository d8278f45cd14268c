"""Transfer: all that is set as one document, and what other programs have set."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, get_args

import msgspec

from ..administration import Administration
from ..administration.document import (
    LARGEST,
    LARGEST_OTHER,
    MOST,
    Document,
    check_many,
    check_size,
)
from ..administration.ollama2openai import CONFIG, FILES, KEYS
from ..administration.ollama2openai_models import MODELS, OVERRIDES
from ..administration.steps import MODES, Mode, Step
from ..administration.transfer import Transfer
from ..gateway.usage import Row
from ..storage import Storage
from . import guard
from .asked import Admin, Asked, Route, Sent
from .query import Query, wrong

Section = Literal["settings", "overrides", "models", "aliases", "keys"]
_FILE = (("Content-Disposition", 'attachment; filename="pannier.json"'),)


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which parts of all that is set are wanted."""

    sections: tuple[Section, ...] = get_args(Section)


class _Entry(msgspec.Struct, gc=False):
    """An entry of a list, to be counted."""


#: Files of Ollama2OpenAI, with the most entries and bytes that each may have.
_SIZES = (
    (KEYS, MOST["keys"], guard.LARGE),
    (MODELS, MOST["models"], LARGEST["models"]),
    (OVERRIDES, MOST["models"], LARGEST_OTHER),
    (CONFIG, 1, LARGEST_OTHER),
)


class File:
    """A file that came with a request; ``FileNotFoundError`` where it did not."""

    def __init__(self, name: str, files: Mapping[str, msgspec.Raw]) -> None:
        self.name = name
        self._files = files

    def __str__(self) -> str:
        return self.name

    def __truediv__(self, name: str) -> "File":
        return File(name, self._files)

    def is_file(self) -> bool:
        """Whether it came."""
        return self.name in self._files

    def read_bytes(self) -> bytes:
        """What is in it."""
        if not self.is_file():
            raise FileNotFoundError(self.name)
        return bytes(self._files[self.name])


def export(admin: Admin, asked: Asked) -> Sent:
    """All that is set, or some sections of it."""
    wanted = asked.json(Export) if asked.body else Export()
    document = admin.office(asked.actor).transfer.export(wanted.sections)
    return Sent(body=[document.written()], headers=_FILE)


def take_in(admin: Admin, asked: Asked) -> Any:
    """Take in what ``export`` has given, or say what that would do."""
    query = Query(asked)
    mode = MODES[query.one_of("mode", MODES, "merge")]
    document = Document.read(asked.body, bounded=True)
    dry_run, opening = query.flag("dry_run"), query.flag("open")
    return _done(admin, asked, document, mode, dry_run, opening=opening)


def migrate(admin: Admin, asked: Asked) -> Any:
    """Take over what Ollama2OpenAI has: its files by their names."""
    dry_run = Query(asked).flag("dry_run")
    files = asked.json(dict[str, msgspec.Raw])
    for name in files:
        if name not in FILES:
            known = ", ".join(FILES)
            raise wrong(name[:64], f"{name[:64]!r} is none of its files: {known}.")
    _check_sizes(files)
    office = admin.office(asked.actor)
    found = office.migration(File("The request", files))
    done = _done(admin, asked, found.document, "skip", dry_run, found.rows)
    return {**done, "remarks": found.remarks}


def _check_sizes(files: Mapping[str, msgspec.Raw]) -> None:
    """Raise ``Refused`` for what would hold requests up; of a log there may be much."""
    for name, most, largest in _SIZES:
        data = files.get(name)
        if data is None:
            continue
        check_size(name, data, largest)
        with suppress(msgspec.ValidationError):  # of which others say more
            check_many(name, data, _Entry, most)


def _done(
    admin: Admin,
    asked: Asked,
    document: Document,
    mode: Mode,
    dry_run: bool,
    rows: Sequence[Row] = (),
    *,
    opening: bool = False,
) -> dict[str, Any]:
    office = admin.office(asked.actor)
    closes = bool(document.keys) and office.keys.closes()
    opens = office.transfer.opens(document, mode)
    with _apart(admin, asked) as transfer:
        if dry_run:
            steps = transfer.plan(document, mode)
        else:
            steps = transfer.take_in(document, mode, rows, open=opening)
    return {
        "dry_run": dry_run,
        "closes": closes,
        "opens": opens,
        "requests": len(rows),
        "steps": _said(steps),
    }


@contextmanager
def _apart(admin: Admin, asked: Asked) -> Iterator[Transfer]:
    """A thread and a connection of its own: nobody else waits for a long file.

    It may take as long as whatever comes first to a database.
    """
    storage = Storage(admin.settings.database_url, admin.settings.state_dir)
    try:
        run = storage.run
        yield Administration(run, admin.settings, asked.actor, admin.found).transfer
    finally:
        storage.close()


def _said(steps: Iterable[Step]) -> list[dict[str, Any]]:
    return [
        {
            "action": step.action,
            "section": step.section,
            "name": step.name,
            "fields": step.fields,
        }
        for step in steps
    ]


ROUTES: list[Route] = [
    Route("POST", "/export", export),
    Route("POST", "/import", take_in, ("dry_run", "mode", "open")),
    Route("POST", "/migrate", migrate, ("dry_run",)),
]
