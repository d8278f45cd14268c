import io
import sys

import pytest

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
def test_a_log_that_cannot_be_written_costs_no_request(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with stdout, the writer returns."""
    monkeypatch.setattr(sys, "stdout", Broken(error))
    logs.writer(True)("a line\n")


def test_lines_go_to_stdout_when_it_is_on(capsys: pytest.CaptureFixture[str]) -> None:
    """On, a line is there at once; off, nothing is."""
    logs.writer(True)("on\n")
    logs.writer(False)("off\n")
    assert capsys.readouterr().out == "on\n"
