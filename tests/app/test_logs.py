import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import gevent
import pytest
from support.server import ROOT

from app import logs


class Broken(io.StringIO):
    """A full disk, or a pipe that nobody reads any more."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        """Fail."""
        raise self.error


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), OSError(28, "no space"), ValueError("closed")]
)
def test_g5_a_log_that_cannot_be_written_costs_no_request(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with stdout, the writer returns."""
    monkeypatch.setattr(sys, "stdout", Broken(error))
    logs.writer()("a line\n")


def test_lines_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """A line is there at once."""
    logs.writer()("on\n")
    assert capsys.readouterr().out == "on\n"


@contextmanager
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pipe in the place of stdout; gives the end to read."""
    reading, writing = os.pipe()
    with open(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        yield reading
    with suppress(OSError):
        os.close(reading)


LINE = "x" * 199 + "\n"


def test_g5_a_full_pipe_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines nobody reads are dropped, whole; the next reader is told how many."""
    write = logs.writer()
    with piped(monkeypatch) as reading:
        for _ in range(2000):
            write(LINE)
        kept = os.read(reading, 2**20).decode()
        write("after\n")
        after = os.read(reading, 2**20).decode()
        write("again\n")
        again = os.read(reading, 2**20).decode()
    lines = kept.splitlines(keepends=True)
    assert 0 < len(lines) < 2000
    assert set(lines) == {LINE}
    assert after == f"dropped_lines={2000 - len(lines)}\nafter\n"
    assert again == "again\n"


def test_lines_of_one_turn_leave_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that end in one turn share writes, of whole lines in their order."""
    write = logs.writer()
    sent: list[bytes] = []
    lines = [f"{number:0199}\n" for number in range(100)]
    with piped(monkeypatch):
        monkeypatch.setattr(os, "write", lambda _, data: sent.append(data))
        gevent.joinall([gevent.spawn(write, line) for line in lines], raise_error=True)
    assert b"".join(sent).decode() == "".join(lines)
    assert [len(data) for data in sent] == [20 * 200] * 5  # what a pipe takes whole


def test_the_last_lines_of_a_process() -> None:
    """What was written in a turn that never ended is there all the same."""
    code = """
from greenlet import greenlet
from app import logs

write = logs.writer()
greenlet(lambda: write("last\\n")).switch()
print("nothing yet", flush=True)
"""
    said = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert said == "nothing yet\nlast\n"


def test_a_pipe_whose_reader_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs nothing but the lines."""
    write = logs.writer()
    with piped(monkeypatch) as reading:
        os.close(reading)
        write("a\n")
        write("b\n")


def test_no_stdout_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that was started with stdout closed serves requests."""
    monkeypatch.setattr(sys, "stdout", None)
    logs.writer()("a line\n")


def test_lines_go_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file takes every line."""
    path = tmp_path / "log"
    write = logs.writer()
    with path.open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        for _ in range(2000):
            write(LINE)
    assert path.read_text() == LINE * 2000
