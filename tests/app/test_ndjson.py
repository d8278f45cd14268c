from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UpstreamBroken
from app.ndjson import LineBuffer

LIMIT = 10


def fed(*pieces: bytes, limit: int = LIMIT) -> list[bytes]:
    """The lines that pieces make, the last one flushed."""
    buffer = LineBuffer(limit)
    lines = [line for piece in pieces for line in buffer.feed(piece)]
    return lines + list(buffer.flush())


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"a\nb\n", [b"a", b"b"], id="lines"),
        pytest.param(b"a\nb", [b"a", b"b"], id="no-final-end"),
        pytest.param(b"a\r\nb\r\n", [b"a\r", b"b\r"], id="crlf"),
        pytest.param(b"\n\r\n \n\t\na\n\n", [b"a"], id="blank-lines"),
        pytest.param(b"\n \r\n", [], id="only-blank"),
        pytest.param(
            "a\u2028b\u0085c\n".encode(), ["a\u2028b\u0085c".encode()], id="U"
        ),
        pytest.param(b"a\x0bb\x0cc\x1cd\n", [b"a\x0bb\x0cc\x1cd"], id="other-breaks"),
    ],
)
def test_lines(data: bytes, lines: list[bytes]) -> None:
    """Lines end at a line feed and nowhere else, wherever the bytes are cut."""
    assert fed(data) == lines
    for size in (1, 2, 3):
        cut = [data[i : i + size] for i in range(0, len(data), size)]
        assert fed(*cut) == lines


def test_a_line_of_the_limit_passes() -> None:
    """A line may be as long as the limit, ended or not."""
    assert fed(b"x" * LIMIT + b"\n") == [b"x" * LIMIT]
    assert fed(b"x" * LIMIT) == [b"x" * LIMIT]


@pytest.mark.parametrize("size", [1, 3, 11, 100])
def test_u9_an_endless_line_is_cut_while_it_arrives(size: int) -> None:
    """A line that grows beyond the limit fails at once, not at its end."""
    buffer = LineBuffer(LIMIT)
    for _ in range(LIMIT // size):
        assert list(buffer.feed(b"x" * size)) == []
    with pytest.raises(UpstreamBroken, match="too long"):
        list(buffer.feed(b"x" * size))


@pytest.mark.parametrize("size", [1, 4, 100])
def test_the_limit_is_the_same_for_every_cut(size: int) -> None:
    """A line over the limit fails also when it came with its end in one piece."""
    data = b"x" * (LIMIT + 1) + b"\nb\n"
    with pytest.raises(UpstreamBroken):
        fed(*[data[i : i + size] for i in range(0, len(data), size)])


def test_lines_before_a_long_one_are_given_first() -> None:
    """What was whole before a line grew too long is not lost."""
    lines = LineBuffer(LIMIT).feed(b"a\nb\n" + b"x" * 20)
    assert [next(lines), next(lines)] == [b"a", b"b"]
    with pytest.raises(UpstreamBroken):
        next(lines)


PARTS = st.lists(
    st.sampled_from(
        [b"{", b"}", b"{}\n", b"{1}\n", b"\n", b"\r\n", b" ", b"\x0b", b"abc"]
    ),
    max_size=6,
).map(b"".join)


@given(st.lists(PARTS, max_size=6))
def test_whatever_comes_in_whatever_pieces(pieces: list[bytes]) -> None:
    """What comes out are the lines that are not blank, those before one too long."""
    whole = b"".join(pieces).split(b"\n")
    short = list(takewhile(lambda line: len(line) <= LIMIT, whole))
    buffer, found, failed = LineBuffer(LIMIT), list[bytes](), False
    try:
        for piece in pieces:
            found.extend(buffer.feed(piece))
        found.extend(buffer.flush())
    except UpstreamBroken:
        failed = True
    # An end that is still there means nothing in JSON.
    assert [line.removesuffix(b"\n") for line in found] == [
        line for line in short if line.strip()
    ]
    assert failed == (len(short) < len(whole))
