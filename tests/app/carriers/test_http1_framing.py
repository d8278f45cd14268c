"""Heads and bodies as bytes, without a socket."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.carriers.framing import (
    MAX_SIZE_LINE,
    MAX_TRAILERS,
    ChunkedBody,
    EndlessBody,
    LengthBody,
    body_of,
)
from app.carriers.head import MAX_FIELDS, MAX_HEAD, MAX_INTERIM, HeadReader, parse_head
from app.errors import UpstreamBroken

HEAD = b"HTTP/1.1 200 OK\r\n"


def decode(body, blocks):
    """Feed a body's blocks until it is over; gives the payload."""
    payload = b""
    for block in [*blocks, b""]:
        if body.done or body.failure:
            break
        payload += body.feed(block)
    return payload


def split(data, cuts):
    """The data cut at the given places."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


chunks = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
cuts = st.lists(st.integers(0, 1000), max_size=12)
extensions = st.sampled_from([b"", b";a", b' ; b="c"', b";" + b"x" * 35])
trailers = st.sampled_from([b"", b"X: y\r\n", b"A: b\r\nC: d\r\n"])
#: Some of it nearly chunks.
parts_of_chunks = st.sampled_from(
    [
        b"\r\n",
        b"\r\n",
        b"0",
        b"1",
        b"2",
        b"00",
        b"1\r\n",
        b"0\r\n\r\n",
        b";",
        b"\n",
        b"x",
    ]
)
noises = st.binary(max_size=60) | st.lists(parts_of_chunks, max_size=16).map(b"".join)


@given(chunks, cuts, extensions, trailers, st.sampled_from([b"", b"more"]))
def test_chunks_in_any_split(parts, where, extension, trailer, surplus):
    """The payload is the same wherever the wire is cut."""
    wire = b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in parts)
    blocks = split(wire + b"0\r\n" + trailer + b"\r\n", where)
    body = ChunkedBody()
    assert decode(body, [*blocks[:-1], blocks[-1] + surplus]) == b"".join(parts)
    assert body.done
    assert body.clean == (not surplus)
    assert body.failure is None


@pytest.mark.parametrize("last", [b"0", b"00", b"0;a", b'000 ; b="c"'])
def test_one_chunk_a_block(last):
    """A body ends with its last chunk, however that is written, wherever it is cut."""
    body = ChunkedBody()
    blocks = [b"3\r\none\r\n", b"3;a\r\ntwo\r\n", last + b"\r\n\r\n"]
    assert [body.feed(block) for block in blocks] == [b"one", b"two", b""]
    assert body.done
    assert body.clean


@given(noises, cuts)
def test_noise_is_never_whole_by_accident(noise, where):
    """A verdict on any bytes does not depend on where they are cut."""
    whole, pieces = ChunkedBody(), ChunkedBody()
    assert decode(whole, [noise] if noise else []) == decode(
        pieces, split(noise, where)
    )
    assert (whole.done, bool(whole.failure)) == (pieces.done, bool(pieces.failure))
    assert whole.done != bool(whole.failure)


@given(chunks, cuts)
def test_cut_short_is_noticed(parts, where):
    """A chunked body without its last chunk is a failure, after its payload."""
    wire = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    body = ChunkedBody()
    assert decode(body, split(wire, where)) == b"".join(parts)
    assert body.failure


@pytest.mark.parametrize(
    ("length", "blocks", "payload", "whole", "clean"),
    [
        (0, [], b"", True, True),
        (3, [b"abc"], b"abc", True, True),
        (3, [b"a", b"bc"], b"abc", True, True),
        (3, [b"abcd"], b"abc", True, False),
        (3, [b"ab"], b"ab", False, True),
    ],
)
def test_length(length, blocks, payload, whole, clean):
    """A length is kept exactly; what follows it makes the connection unclean."""
    body = LengthBody(length)
    assert decode(body, blocks) == payload
    assert (body.done, body.clean, not body.failure) == (whole, clean, whole)


def test_until_the_end():
    """A body without framing ends with the connection and never keeps it."""
    body = EndlessBody()
    assert decode(body, [b"a", b"b"]) == b"ab"
    assert body.done
    assert not body.clean


def test_trailers_are_bounded():
    """Trailers without end fail while they arrive."""
    body = ChunkedBody()
    body.feed(b"0\r\n")
    while not body.failure:
        assert len(body._rest) <= MAX_TRAILERS
        body.feed(b"X: y\r\n")


def test_size_line_is_bounded():
    """A size line of 64 bytes passes, a longer one fails before it ends."""
    line = b"0" * 23 + b"2    ;" + b"x" * 35
    assert len(line) == MAX_SIZE_LINE
    body = ChunkedBody()
    assert decode(body, [line + b"\r\nok\r\n0\r\n\r\n"]) == b"ok"
    assert not body.failure
    for longer in (line + b"x\r\nok\r\n", line + b"xx"):
        body = ChunkedBody()
        body.feed(longer)
        assert body.failure


@given(cuts)
def test_head_in_any_split(where):
    """A head is the same wherever it is cut, interim answers before it or not."""
    wire = b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"A: b\r\nC: d\r\n\r\nrest"
    reader = HeadReader()
    head = None
    blocks = iter(split(wire, where))
    while head is None:
        head = reader.feed(next(blocks))
    assert (head.status, head.headers) == (200, [("A", "b"), ("C", "d")])
    assert reader.rest + b"".join(blocks) == b"rest"


@given(st.binary(max_size=80))
def test_any_head_is_read_or_refused(noise):
    """No bytes in a head lead to anything but a head, a question or a refusal."""
    reader = HeadReader()
    try:
        head = reader.feed(HEAD + noise + b"\r\n\r\n")
    except UpstreamBroken:
        return
    assert head is None or head.status == 200


@pytest.mark.parametrize("count", [MAX_FIELDS, MAX_FIELDS + 1])
def test_fields_are_bounded(count):
    """200 fields pass, one more does not."""
    wire = HEAD + b"A: b\r\n" * count + b"\r\n"
    if count > MAX_FIELDS:
        with pytest.raises(UpstreamBroken):
            parse_head(wire)
    else:
        assert len(parse_head(wire).headers) == count


@pytest.mark.parametrize("size", [MAX_HEAD, MAX_HEAD + 1])
def test_head_is_bounded(size):
    """A head of 64 KiB passes, one byte more does not."""
    start = HEAD + b"A: "
    wire = start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"
    reader = HeadReader()
    if size > MAX_HEAD:
        with pytest.raises(UpstreamBroken):
            reader.feed(wire)
    else:
        head = reader.feed(wire)
        assert head is not None
        assert head.raw == wire


@pytest.mark.parametrize("count", [MAX_INTERIM, MAX_INTERIM + 1])
def test_interim_answers_are_bounded(count):
    """So many interim answers are skipped, one more is refused."""
    wire = b"HTTP/1.1 100 Continue\r\n\r\n" * count + HEAD + b"\r\n"
    if count > MAX_INTERIM:
        with pytest.raises(UpstreamBroken):
            HeadReader().feed(wire)
    else:
        assert HeadReader().feed(wire) is not None


@pytest.mark.parametrize(
    ("fields", "method", "kind"),
    [
        (b"Transfer-Encoding: Chunked\r\n", "GET", ChunkedBody),
        (b"Content-Length: 3\r\n", "GET", LengthBody),
        (b"Content-Length: 3\r\nContent-Length: 3\r\n", "GET", LengthBody),
        (b"", "GET", EndlessBody),
        (b"", "HEAD", LengthBody),
        (b"Transfer-Encoding: chunked\r\n", "HEAD", LengthBody),
    ],
)
def test_framing(fields, method, kind):
    """Head and method decide how the body ends."""
    assert type(body_of(parse_head(HEAD + fields + b"\r\n"), method)) is kind
