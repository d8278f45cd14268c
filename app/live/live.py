"""Live: what runs now anywhere, and ending one of it (specification: decisions, 32)."""

import logging
import time
from collections.abc import Iterable
from typing import Literal

import msgspec

from ..inflight import Inflight
from . import meeting
from .running import Report, Running, Worker

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
    cancelled: int = 0


class Live:
    """Asks the workers of this machine, which meet in ``state_dir``.

    Nothing is opened yet.
    """

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._worker: Worker | None = None
        self._door: meeting.Door | None = None
        self._alone = ""  # why nobody else is asked

    def start(self, inflight: Inflight) -> None:
        """Be there to be asked about these requests; of a worker, after the fork."""
        self._worker = worker = Worker(inflight)
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

    def overview(self) -> Overview:
        """All that runs, as far as it can be seen."""
        return self._asked(Question("report"))

    def cancel(self, id: str) -> int:
        """End the requests of this id, wherever they are; how many there were."""
        return self._asked(Question("cancel", id)).cancelled

    def _asked(self, question: Question) -> Overview:
        own = self._worker
        reports = [] if own is None else [_done(own, question)]
        name = "" if own is None else own.name
        said, silent, note = self._others(msgspec.json.encode(question), name)
        return _together(reports + said, silent, note)

    def _others(self, question: bytes, beside: str) -> tuple[list[Report], int, str]:
        """What the others say, how many are silent, and why some were not asked."""
        if self._alone:
            return [], 0, f"Only this worker was asked: {self._alone}."
        try:
            answers, silent = meeting.ask_all(self._state_dir, question, beside)
        except OSError as error:
            why = f"{error.filename}: {error.strerror}"
            return [], 0, f"The workers of this machine cannot be asked: {why}."
        return [msgspec.json.decode(one, type=Report) for one in answers], silent, ""

    def _answer(self, question: bytes) -> bytes:
        """What this worker says to another; nothing where it does not understand."""
        assert self._worker is not None
        try:
            asked = msgspec.json.decode(question, type=Question)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return b""
        return msgspec.json.encode(_done(self._worker, asked))


def _done(worker: Worker, question: Question) -> Report:
    if question.do == "report":
        return worker.report()
    report = worker.cancel(question.id)
    if report.cancelled:
        log.info("Request %s is ended by an administrator", question.id)
    return report


def _together(reports: Iterable[Report], silent: int, note: str) -> Overview:
    """One out of all; who was asked on two ways counts once."""
    known: dict[str, Report] = {}
    for report in reports:
        before = known.get(report.worker)
        if before is None or before.cancelled < report.cancelled:
            known[report.worker] = report
    running = [one for report in known.values() for one in report.running]
    return Overview(
        at=time.time_ns() // 1_000_000,
        running=sorted(running, key=lambda one: -one.age_ms),
        total=sum([report.total for report in known.values()]),
        workers=len(known),
        silent=silent,
        note=note,
        cancelled=sum([report.cancelled for report in known.values()]),
    )
