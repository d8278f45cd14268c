"""Answers, sound and broken, over both carriers."""

import threading

import pytest
from support.carrying import get, post
from support.faulty import CHUNKED, OK, once

from app.carriers.base import Request
from app.errors import UpstreamBroken, UpstreamUnreachable

LINES = [b'{"a": %d}\n' % number for number in range(12)] + [b"x" * 300 + b"\n"]
BODY = b"".join(LINES)
AS_CHUNKS = b"".join(b"%X\r\n%b\r\n" % (len(line), line) for line in LINES)
FRAMED = {
    "chunked": CHUNKED + AS_CHUNKS + b"0\r\n\r\n",
    "extensions": CHUNKED + b"3;a=b\r\nabc\r\n000;c\r\nX: y\r\nZ: w\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY,
    "end": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "old": b"HTTP/1.0 200 OK\r\nContent-Type: a\r\n\r\n" + BODY,
}


def cut(data, size):
    """The data in pieces of a size."""
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
@pytest.mark.parametrize("framing", FRAMED)
def test_u3_any_split(upstream, framing, size):
    """Head and body are the same however the network cuts them."""
    response = upstream(once(*cut(FRAMED[framing], size))).send(get())
    blocks = list(response)
    assert response.status == 200
    assert b"".join(blocks) == (b"abc" if framing == "extensions" else BODY)
    assert b"" not in blocks
    assert list(response) == []


def test_head_as_sent(upstream):
    """Status, reason and fields arrive in order, repeated ones too."""
    head = (
        b"HTTP/1.1 404 Not \xe9\r\nb: 1\r\nA:\t2 \r\nB: 3\r\nContent-Length: 0\r\n\r\n"
    )
    response = upstream(once(head)).send(get())
    assert (response.status, response.reason) == (404, "Not \xe9")
    expected = [("b", "1"), ("A", "2"), ("B", "3"), ("Content-Length", "0")]
    assert response.headers == expected


def test_u1_p10_redirect_is_an_answer(upstream):
    """A redirect is handed on, never followed."""
    head = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    assert upstream(once(head)).send(get()).status == 302


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", CHUNKED),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_no_body(serve, connect, method, head):
    """An answer without a body ends at once, and its connection serves again."""

    def behaviour(peer):
        for _ in range(2):
            peer.request()
            peer.send(head)
        peer.gone()

    server = serve(behaviour)
    upstream = connect(server)
    for _ in range(2):
        assert list(upstream.send(Request(method, "/"))) == []
    upstream.close()
    assert len(server.peers) == 1


def test_u2_p9_interim_answers_are_skipped(upstream):
    """100, 102 and 103 before the answer are not the answer."""
    interim = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    )
    response = upstream(once(interim, b"HTTP/1.1 102 Go\r\n\r\n" + OK)).send(get())
    assert b"".join(response) == b"ok"


def test_blocks_at_once(upstream):
    """What has arrived is handed out while the upstream is still at work."""
    seen = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED + b"1\r\na\r\n3\r\nbcd\r\n2\r\ne")
        assert seen.wait(5)
        peer.send(b"f\r\n0\r\n\r\n")

    response = upstream(behaviour).send(post())
    first = next(response)
    while len(first) < 5:
        first += next(response)
    assert first == b"abcde"
    seen.set()
    assert b"".join(response) == b"f"


BROKEN = {
    "garbage": b"hello there\r\n\r\n",
    "garbage, no end": b"\x15\x03\x01\x00\x02\x02\x46",
    "HTTP/0.9": b"<html>ok</html>",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "status 99": b"HTTP/1.1 099 X\r\n\r\n",
    "status text": b"HTTP/1.1 OK\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "199": b"HTTP/1.1 199 X\r\n\r\n" + OK,
    "endless 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "head without end": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
    "one byte": b"H",
    "bare line ends": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "huge head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n",
    "5,000 fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nX y\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: y\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "two lengths": OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"),
    "list length": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
    "length and chunked": CHUNKED[:-2]
    + b"Content-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "two codings": CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"2\r\nok\r\n0\r\n\r\n",
    "short length": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    "no last chunk": CHUNKED + b"2\r\nok\r\n",
    "half a chunk": CHUNKED + b"9\r\nok",
    "half a size": CHUNKED + b"1",
    "no trailer end": CHUNKED + b"2\r\nok\r\n0\r\n",
    "chunk of words": CHUNKED + b"two\r\nok\r\n0\r\n\r\n",
    "chunk 0x2": CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
    "chunk -1": CHUNKED + b"-1\r\nok\r\n0\r\n\r\n",
    "chunk too large": CHUNKED + b"FFFFFFFFFF\r\nok",
    "empty size": CHUNKED + b"\r\nok\r\n0\r\n\r\n",
    "chunk overrun": CHUNKED + b"2\r\nokay\r\n0\r\n\r\n",
    "chunk bare LF": CHUNKED + b"2\nok\n0\n\n",
    "long size line": CHUNKED + b"2;" + b"x" * 100 + b"\r\nok\r\n0\r\n\r\n",
    "endless size line": CHUNKED + b"2;" + b"x" * 100_000,
    "endless trailers": CHUNKED + b"0\r\n" + b"X: y\r\n" * 50_000,
}


@pytest.mark.parametrize("case", BROKEN)
def test_u1_p9_broken(serve, connect, case):
    """Each is a broken answer: no hang, no second try, no word about addresses."""
    server = serve(once(BROKEN[case]))
    upstream = connect(server)
    with pytest.raises(UpstreamBroken) as caught:
        list(upstream.send(get()))
    assert caught.value.status == 502
    assert "127.0.0.1" not in caught.value.message
    assert len(server.peers) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_u1_closed_without_a_word(upstream, how):
    """A new connection that ends without a byte is unreachable, not broken."""

    def behaviour(peer):
        peer.request()
        if how == "reset":
            peer.reset()

    with pytest.raises(UpstreamUnreachable):
        upstream(behaviour).send(post())


def test_u4_reset_in_body(upstream):
    """A reset in the middle of the body is a broken answer."""
    seen = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED + b"2\r\nok\r\n")
        assert seen.wait(5)
        peer.reset()

    response = upstream(behaviour).send(post())
    assert next(response) == b"ok"
    seen.set()
    with pytest.raises(UpstreamBroken):
        next(response)


@pytest.mark.parametrize("end", [b"zz\r\n", b""])
def test_u4_good_part_comes_first(upstream, end):
    """What came before the fault is delivered; the fault then stays."""
    response = upstream(once(CHUNKED + b"5\r\nhello\r\n" + end)).send(post())
    assert next(response) == b"hello"
    for _ in range(2):
        with pytest.raises(UpstreamBroken):
            next(response)
    response.close()


def test_closed_is_not_ended(upstream):
    """Reading on after a close is an error, not the end of a whole answer."""
    response = upstream(once(CHUNKED + b"5\r\nhello\r\n")).send(post())
    response.close()
    response.close()
    with pytest.raises(UpstreamBroken):
        list(response)
