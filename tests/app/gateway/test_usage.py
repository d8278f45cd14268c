"""Rows on their way: nobody waits for them, none comes twice, few get lost."""

import csv
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from app.errors import GatewayError
from app.gateway import usage as module
from app.gateway.usage import BATCH, ROOM, Row, Usage, Used
from app.gateway.usage_export import COLUMNS, csv_lines


def row(number: int) -> Row:
    """A row; only its id matters."""
    given: dict[str, Any] = dict.fromkeys(Row.__struct_fields__)
    return Row(**(given | {"id": f"{number:032x}"}))


class Kept:
    """A keeper that remembers; while it is ``broken`` it raises, ``slow`` it waits."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.batches: list[int] = []
        self.used: dict[str, tuple[int, str]] = {}
        self.broken: Exception | None = None
        self.open = Event()
        self.open.set()
        self.asked = Event()
        self.more = 0
        self.tidied: list[int] = []

    def add(self, rows: list[Row], used: Used) -> None:
        """Remember."""
        self.asked.set()
        self.open.wait()
        if self.broken is not None:
            raise self.broken
        self.ids += [int(one.id, 16) for one in rows]
        self.batches.append(len(rows))
        self.used |= used

    def tidy(self, before: int) -> bool:
        """Remember that as well."""
        self.tidied.append(before)
        self.more -= 1
        return self.more > 0


@pytest.fixture
def kept() -> Kept:
    """A keeper."""
    return Kept()


@pytest.fixture
def usage(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[Usage]:
    """A queue that does not make a test wait."""
    monkeypatch.setattr(module, "PERIOD", 0.01)
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(module, "REST", 0.01)
    made = Usage(kept)
    yield made
    kept.broken = None
    kept.open.set()
    made.close()


def wait(until: Callable[[], object]) -> None:
    """Wait until something is so."""
    with gevent.Timeout(20):
        while not until():
            gevent.sleep(0.002)


def unavailable() -> GatewayError:
    """What a database says that cannot be used."""
    return GatewayError("", status=503, detail="it is locked")


def test_rows_are_written_by_themselves(usage: Usage, kept: Kept) -> None:
    """A row that is left is written soon, with nobody asking."""
    usage.add(row(1))
    assert kept.ids == []
    wait(lambda: kept.ids)
    assert (kept.ids, len(usage)) == ([1], 0)
    usage.add(row(2))
    wait(lambda: len(kept.ids) == 2)


def test_many_rows_are_few_batches(usage: Usage, kept: Kept) -> None:
    """As many as there are go together, up to a bound, in their order."""
    for number in range(2 * BATCH + 10):
        usage.add(row(number))
    wait(lambda: not len(usage))
    assert kept.ids == list(range(2 * BATCH + 10))
    assert kept.batches == [BATCH, BATCH, 10]


def test_q1_nobody_waits_while_rows_are_written(usage: Usage, kept: Kept) -> None:
    """What comes meanwhile is taken at once, and goes later."""
    kept.open.clear()
    usage.add(row(0))
    kept.asked.wait()
    for number in range(1, 700):
        usage.add(row(number))
    assert kept.ids == []
    kept.open.set()
    wait(lambda: not len(usage))
    assert kept.ids == list(range(700))


def test_q2_rows_wait_for_the_database(
    usage: Usage, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """While it cannot be used rows wait; the log says so once, and then they go."""
    kept.broken = unavailable()
    with caplog.at_level(logging.ERROR, "pannier"):
        for number in range(BATCH + 1):
            usage.add(row(number))
        usage.note_used("key_a", "10.0.0.1")
        for _ in range(3):
            kept.asked.clear()
            kept.asked.wait()
        assert len(usage) == BATCH + 1
    (record,) = caplog.records
    said = "Usage cannot be written: it is locked; rows that wait: "
    assert record.getMessage().startswith(said)
    assert "dropped" not in record.getMessage()
    kept.broken = None
    wait(lambda: not len(usage) and kept.used)
    assert kept.ids == list(range(BATCH + 1))
    assert kept.used["key_a"][1] == "10.0.0.1"
    assert usage.dropped == 0


def test_the_newest_use_counts(
    usage: Usage, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """A use that could not be written does not take the place of a later one.

    The log tells of no rows where none wait.
    """
    kept.broken = unavailable()
    kept.open.clear()
    usage.note_used("key_a", "10.0.0.1")
    kept.asked.wait()
    usage.note_used("key_a", "10.0.0.2")
    kept.open.set()
    wait(lambda: caplog.messages)
    assert caplog.messages == ["Usage cannot be written: it is locked"]
    kept.broken = None
    wait(lambda: kept.used)
    assert kept.used["key_a"][1] == "10.0.0.2"


def test_a_full_batch_does_not_wait(kept: Kept, monkeypatch: Any) -> None:
    """As soon as there are enough rows for a transaction they are written."""
    monkeypatch.setattr(module, "PERIOD", 3600)
    usage = Usage(kept)
    try:
        usage.add(row(0))
        gevent.sleep(0)  # it waits for company now
        for number in range(1, BATCH):
            usage.add(row(number))
        wait(lambda: kept.ids)
        assert kept.batches == [BATCH]
    finally:
        usage.close()


def test_q2_what_finds_no_room_is_counted(usage: Usage, kept: Kept) -> None:
    """The queue has a bound; those that came first stay, and go in their order."""
    kept.broken = unavailable()
    for number in range(ROOM + 5):
        usage.add(row(number))
    assert (len(usage), usage.dropped) == (ROOM, 5)
    kept.broken = None
    wait(lambda: not len(usage))
    assert kept.ids == list(range(ROOM))


def test_what_no_database_takes_holds_up_nothing(
    usage: Usage, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """A batch that can never be written is dropped, counted and told."""
    kept.broken = OverflowError("too large")
    with caplog.at_level(logging.ERROR, "pannier"):
        usage.add(row(0))
        wait(lambda: usage.dropped)
    assert "could not be written" in caplog.text
    kept.broken = None
    usage.add(row(1))
    wait(lambda: kept.ids)
    assert (kept.ids, usage.dropped) == ([1], 1)


def test_the_end_writes_all_there_is(kept: Kept) -> None:
    """At the end nothing waits for company."""
    usage = Usage(kept)
    for number in range(BATCH + 3):
        usage.add(row(number))
    usage.note_used("key_a", "x")
    usage.close()
    assert kept.ids == list(range(BATCH + 3))
    assert "key_a" in kept.used


def test_the_end_waits_for_nothing(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be written at the end is lost, and the log says how much."""
    usage = Usage(kept)
    kept.broken = unavailable()
    usage.add(row(0))
    with caplog.at_level(logging.ERROR, "pannier"):
        usage.close()
    assert "rows of usage lost: 1" in caplog.text


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_w7_no_cell_is_a_formula(first: str) -> None:
    """What a spreadsheet would run becomes a text, and only that."""
    for text in (f"{first}1", f" {first}1"):
        record = dict.fromkeys(COLUMNS) | {"user_agent": text, "prompt_tokens": -1}
        _, line = (one.decode() for one in csv_lines([record]))
        cells = next(csv.reader(io.StringIO(line, newline="")))
        assert (f"'{text}" if text[0] == first else text) in cells
        assert "-1" in cells


def test_yes_and_no_are_those_of_json() -> None:
    """A column of a file says `true` and `false`, and nothing of Python's."""
    record = dict.fromkeys(COLUMNS) | {"stream": False, "estimated": True}
    head, line = (one.decode().split(",") for one in csv_lines([record]))
    cells = dict(zip(head, line, strict=True))
    assert (cells["stream"], cells["estimated"]) == ("false", "true")


def test_it_is_opened_before(usage: Usage, kept: Kept) -> None:
    """A database can be opened before there are rows; one that cannot is no matter."""
    kept.broken = unavailable()
    usage.open()
    with gevent.Timeout(20):
        kept.asked.wait()
    kept.broken = None
    usage.open()
    usage.add(row(1))
    wait(lambda: kept.ids)
    assert kept.batches == [1]


def test_without_a_keeper_nothing_waits() -> None:
    """Where nothing is kept, rows are forgotten."""
    usage = Usage()
    usage.add(row(0))
    usage.note_used("key_a", "x")
    assert len(usage) == 0
    usage.close()


def test_old_rows_are_removed_beside(usage: Usage, kept: Kept) -> None:
    """After a write what is too old goes, a little at a time; new rows go between."""
    usage.days = 1
    kept.more = 3
    usage.add(row(0))
    wait(lambda: len(kept.tidied) == 3)
    assert len(set(kept.tidied)) == 1
    usage.add(row(1))
    wait(lambda: len(kept.ids) == 2)
    assert len(kept.tidied) == 3  # not again so soon


def test_removing_rests(
    usage: Usage, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two removals nothing is done, unless a batch of rows has come."""
    monkeypatch.setattr(module, "REST", 3600.0)
    kept.more = 3
    usage.add(row(0))
    wait(lambda: len(kept.tidied) == 1)
    for _ in range(100):
        gevent.sleep(0)
    assert len(kept.tidied) == 1
    for number in range(1, BATCH + 1):
        usage.add(row(number))
    wait(lambda: len(kept.tidied) == 2)
    assert len(kept.ids) == BATCH + 1
