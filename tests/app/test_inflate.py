import gzip
import random
import zlib
from collections.abc import Callable, Iterable, Iterator

import gevent
import pytest
from support.ollama import environ_of

from app.body import read_body
from app.errors import BadRequest
from app.inflate import CODINGS, MAX_MEMBERS, STEP, InflateError, inflate, zstd


def raw_deflate(data: bytes) -> bytes:
    """Deflate without zlib's header, as many programs send it."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


#: By their names: the coding, and what makes a body of it.
MAKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "stored": ("deflate", lambda data: zlib.compress(data, level=0)),
    "zstd": ("zstd", zstd.compress),
}
MIXED = random.Random(1).randbytes(3000) + b"a" * 3000
SIZES = [0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP, 2 * STEP + 300]


def inflated(body: bytes, coding: str, size: int = 65536) -> bytes:
    """What a body says that arrives in pieces of one size."""
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    return b"".join(inflate(pieces, coding))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("size", [1, 2, 7, 4096, 65536])
def test_any_pieces(name: str, size: int) -> None:
    """A body is the same however it arrives."""
    coding, make = MAKERS[name]
    assert inflated(make(MIXED), coding, size) == MIXED


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("length", SIZES)
def test_any_length(name: str, length: int) -> None:
    """Nothing is lost where pieces come out full, and none is larger than a step."""
    coding, make = MAKERS[name]
    body = make(b"a" * length)
    assert inflated(body, coding) == b"a" * length
    assert max(map(len, inflate([body], coding))) <= STEP


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 7, 65536])
def test_several_members(name: str, size: int) -> None:
    """Bodies of gzip and zstd may be several, one after the other."""
    coding, make = MAKERS[name]
    body = make(b"a" * STEP) + make(b"") + make(MIXED)
    assert inflated(body, coding, size) == b"a" * STEP + MIXED
    assert inflated(make(b"a") * MAX_MEMBERS, coding) == b"a" * MAX_MEMBERS
    with pytest.raises(InflateError, match="follows"):
        inflated(make(b"a") * (MAX_MEMBERS + 1), coding)


@pytest.mark.parametrize("name", MAKERS)
def test_cut(name: str) -> None:
    """A body that lacks its last byte, or more, is refused."""
    coding, make = MAKERS[name]
    body = make(MIXED)
    for end in (1, 2, 10, 100, len(body) - 1):
        with pytest.raises(InflateError):
            inflated(body[:end], coding)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("size", [1, 65536])
@pytest.mark.parametrize("more", [b"\0", b"{}", b"\x1f\x8b", b"garbage" * 100])
def test_something_follows(name: str, more: bytes, size: int) -> None:
    """What comes after the end is not passed over."""
    coding, make = MAKERS[name]
    with pytest.raises(InflateError):
        inflated(make(MIXED) + more, coding, size)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("body", [b"{}", b"\0", b"x" * 1000, b"\x1f\x8b\x08\xff" * 9])
def test_another_thing(coding: str, body: bytes) -> None:
    """A body that is not in its coding at all is refused."""
    with pytest.raises(InflateError):
        inflated(body, coding)


@pytest.mark.parametrize("name", ["gzip", "zlib"])
def test_a_flipped_bit(name: str) -> None:
    """The checks that a coding carries are made."""
    coding, make = MAKERS[name]
    body = bytearray(make(MIXED))
    body[-1] ^= 1
    with pytest.raises(InflateError):
        inflated(bytes(body), coding)


@pytest.mark.parametrize(("log", "passes"), [(23, True), (24, False), (27, False)])
def test_windows(log: int, passes: bool) -> None:
    """A zstd body may ask for 8 MiB of memory, and no more."""
    options = {zstd.CompressionParameter.window_log: log}
    deflater = zstd.ZstdCompressor(options=options)
    body = deflater.compress(MIXED) + deflater.flush()
    if passes:
        assert inflated(body, "zstd") == MIXED
    else:
        with pytest.raises(InflateError):
            inflated(body, "zstd")


BOMBS = {
    "gzip": gzip.compress(bytes(2**26)),
    "deflate": zlib.compress(bytes(2**26)),
    "zstd": zstd.compress(bytes(2**30)),
}


@pytest.mark.parametrize("coding", BOMBS)
def test_b2_others_are_served_meanwhile(
    coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bomb ends at its limit, and others run after each 2 MiB of it, some ms."""
    assert len(BOMBS[coding]) <= 2**16 + 2**9
    given, longest, done = 0, 0, False

    def counted(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
        nonlocal given
        for piece in inflate(pieces, coding):
            given += len(piece)
            yield piece

    def others() -> None:
        nonlocal longest
        while not done:
            seen = given
            gevent.sleep(0.001)
            longest = max(longest, given - seen)

    monkeypatch.setattr("app.body.inflate", counted)
    watching = gevent.spawn(others)
    gevent.sleep(0)
    environ = environ_of(body=BOMBS[coding], HTTP_CONTENT_ENCODING=coding)
    with pytest.raises(BadRequest) as caught:
        read_body(environ, 2**26 - 1, 60)
    done = True
    watching.join()
    assert caught.value.status == 413
    assert given == 2**26
    assert 0 < longest <= 2**22  # a turn may be missed while a timer is not yet due
