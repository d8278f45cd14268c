import pytest
from support.ollama import Body

from app import protocol


@pytest.mark.parametrize(
    ("status", "line"),
    [(200, "200 OK"), (404, "404 Not Found"), (499, "499 Unknown")],
)
def test_the_line_of_a_status(status: int, line: str) -> None:
    """Every status has words, also one that is Ollama's own."""
    assert protocol.status_line(status) == line


def test_nobody_writes() -> None:
    """An application that writes in place of returning is told so."""
    with pytest.raises(TypeError, match="must return its body"):
        protocol.refuse_write(b"x")


def test_closing() -> None:
    """What can be closed is; a plain list cannot."""
    body = Body([])
    protocol.close(body)
    protocol.close([b"x"])
    assert body.closed == 1
