"""Live: what runs now anywhere, and ending one of it (specification: decisions, 32)."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from ..inflight import Inflight
from ..moment import now_ms
from . import meeting
from .running import Report, Running, Worker

if TYPE_CHECKING:
    from .replicas import Replicas

#: What the audit log calls it that a request was ended.
CANCEL = "request.cancel"

log = logging.getLogger("pannier")


class Question(msgspec.Struct):
    """What workers are asked."""

    do: Literal["report", "cancel"]
    id: str = ""


class Overview(msgspec.Struct, kw_only=True):
    """What runs, the oldest first.

    ``at`` is in Unix milliseconds.  ``total`` is how many there are, of which
    ``running`` may be only some.  ``workers`` have answered, ``silent`` ones have not.
    ``note`` says of whom nobody was asked, if so.
    """

    at: int
    running: list[Running]
    total: int
    workers: int
    silent: int
    note: str = ""


class Live:
    """Asks the workers of this machine, which meet in ``state_dir``.

    Those of others are asked through the Redis of ``url``, if there is one.  Nothing is
    opened yet.
    """

    def __init__(self, state_dir: str, url: str = "") -> None:
        self._state_dir = state_dir
        self._url = url
        self._replicas: Replicas | None = None
        self._worker: Worker | None = None
        self._door: meeting.Door | None = None
        self._alone = ""  # why nobody else is asked

    def start(self, inflight: Inflight) -> None:
        """Be there to be asked about these requests; of a worker, after the fork."""
        self._worker = worker = Worker(inflight)
        if self._url:
            self._everywhere().start()
        if not self._state_dir:
            self._alone = "there is no state directory in which workers meet"
            return
        try:
            self._door = meeting.Door(self._state_dir, worker.name, self._answer)
        except OSError as error:
            self._alone = f"{error.filename or self._state_dir}: {error.strerror}"

    def close(self) -> None:
        """Answer nobody any more."""
        if self._door is not None:
            self._door.close()
            self._door = None
        if self._replicas is not None:
            self._replicas.close()
            self._replicas = None

    def overview(self) -> Overview:
        """All that runs, as far as it can be seen."""
        return self._asked(Question("report"))[0]

    def cancel(self, id: str) -> tuple[Overview, int]:
        """End the requests of this id, wherever they are; who was asked, how many."""
        return self._asked(Question("cancel", id))

    def _asked(self, question: Question) -> tuple[Overview, int]:
        asked = msgspec.json.encode(question)
        here, there = self._ask_here(asked), self._ask_there(asked)
        reports = [] if self._worker is None else [_done(self._worker, question)]
        for answer in here.answers + there.answers:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):  # another version
                reports.append(msgspec.json.decode(answer, type=Report))
        notes = " ".join(filter(None, (here.note, there.note)))
        return _together(reports, max(here.silent, there.silent), notes)

    def _ask_here(self, question: bytes) -> "_Heard":
        """The other workers of this machine."""
        if self._alone:
            why = f"Other workers of this machine were not asked: {self._alone}."
            return _Heard(note=why)
        own = "" if self._worker is None else self._worker.name
        try:
            return _Heard(*meeting.ask_all(self._state_dir, question, own))
        except OSError as error:
            why = f"{error.filename}: {error.strerror}"
            return _Heard(note=f"The workers of this machine cannot be asked: {why}.")

    def _ask_there(self, question: bytes) -> "_Heard":
        """The workers of all machines."""
        if not self._url:
            return _Heard()
        try:
            return _Heard(*self._everywhere().ask(question))
        except Exception as error:  # not what it says: that may quote the URL
            why = type(error).__name__
            return _Heard(note=f"Other machines were not asked: Redis fails ({why}).")

    def _everywhere(self) -> "Replicas":
        if self._replicas is None:
            from .replicas import Replicas  # megabytes that few installations need

            self._replicas = Replicas(self._url, self._answer)
        return self._replicas

    def _answer(self, question: bytes) -> bytes:
        """What this worker says to another; nothing where it does not understand."""
        assert self._worker is not None
        try:
            asked = msgspec.json.decode(question, type=Question)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return b""
        return msgspec.json.encode(_done(self._worker, asked))


class _Heard(NamedTuple):
    """What others said, how many were silent, and why some were not asked."""

    answers: list[bytes] = []  # noqa: RUF012 - nobody changes it
    silent: int = 0
    note: str = ""


def _done(worker: Worker, question: Question) -> Report:
    if question.do == "report":
        return worker.report()
    report = worker.cancel(question.id)
    if report.cancelled:
        log.info("Request %s is ended by an administrator", question.id)
    return report


def _together(
    reports: Iterable[Report], silent: int, note: str
) -> tuple[Overview, int]:
    """One out of all; who was asked on two ways counts once."""
    known: dict[str, Report] = {}
    for report in reports:
        before = known.get(report.worker)
        if before is None or before.cancelled < report.cancelled:
            known[report.worker] = report
    running = [one for report in known.values() for one in report.running]
    overview = Overview(
        at=now_ms(),
        running=sorted(running, key=lambda one: -one.age_ms),
        total=sum([report.total for report in known.values()]),
        workers=len(known),
        silent=silent,
        note=note,
    )
    return overview, sum([report.cancelled for report in known.values()])
