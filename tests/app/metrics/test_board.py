import os

import pytest

from app.metrics import board as module
from app.metrics.board import _FIXED, IN_FLIGHT, PID, WASTE, WIDEST, Board
from app.metrics.families import COUNTED


def test_who_takes_a_sheet_goes_on() -> None:
    """A sheet keeps its numbers when its worker ends; only its gauges are cleared."""
    board = Board(2)
    first, second = board.take(), board.take()
    assert (first, second, board.take()) == (0, 1, None)
    sheet = board.sheet(0)
    place = sheet.place(("a", "x"), 2)
    sheet.cells[place + 1] += 3
    sheet.cells[PID], sheet.cells[IN_FLIGHT] = 17, 2
    board.leave(0)
    assert board.take() == 0
    again = board.sheet(0)
    assert [again.cells[cell] for cell in range(_FIXED)] == [0.0] * _FIXED
    assert again.place(("a", "x"), 2) == place
    assert again.place(("b",)) == place + 2
    again.cells[place + 1] += 1
    assert list(board.sheet(0).numbers()) == [(("a", "x"), [0, 4]), (("b",), [0])]


def test_a_worker_of_its_own() -> None:
    """What another process counts on its sheet is read here, also if it just dies."""
    board = Board(2)
    board.take()
    number = board.take()
    assert number is not None
    pid = os.fork()
    if pid == 0:
        sheet = board.sheet(number)
        sheet.cells[sheet.place(("a",))] += 5
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert [list(sheet.numbers()) for sheet in board.sheets()] == [[], [(("a",), [5])]]


def test_only_what_was_taken_is_read() -> None:
    """Sheets that no worker ever had are not looked at: that would take memory."""
    board = Board(200)
    assert list(board.sheets()) == []
    board.take()
    assert len(list(board.sheets())) == 1


def test_a_sheet_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds no room is counted where nobody looks; the rest goes on."""
    for name, room in (("NAMES", 1024), ("SIZE", 1024 + module.NUMBERS)):
        monkeypatch.setattr(module, name, room)
    board = Board()
    board.take()
    sheet = board.sheet(0)
    places = [sheet.place((f"{n:050}",)) for n in range(100)]
    few = places.index(WASTE)
    assert 5 < few < 100
    assert set(places[few:]) == {WASTE}
    for place in places:
        sheet.cells[place] += 1
    assert [numbers for _, numbers in board.sheet(0).numbers()] == [[1]] * few


def test_room_for_the_widest() -> None:
    """No series has more numbers than there is room for where they are wasted."""
    assert max(family.width for family in COUNTED) <= WIDEST
