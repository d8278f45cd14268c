"""What goes out, byte for byte, over both carriers."""

import itertools
import threading
import tracemalloc

import pytest
from support.carrying import eventually, get, post
from support.faulty import OK, once

from app.carriers.base import Request
from app.errors import BadRequest, UpstreamError


@pytest.fixture
def record(serve, connect):
    """Send requests over one upstream; gives the heads and bodies that arrived."""
    seen = []

    def behaviour(peer):
        while (request := peer.request())[0]:
            seen.append(request)
            peer.send(OK)

    server = serve(behaviour)

    def send(*requests, path="", **options):
        upstream = connect(server, path, **options)
        for request in requests:
            b"".join(upstream.send(request))
        return seen

    send.server = server
    return send


def test_bare_request(record):
    """A GET goes out with Host and Accept-Encoding, and nothing we did not write."""
    [(head, body)] = record(get("/api/tags"))
    assert head.decode() == (
        "GET /api/tags HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{record.server.port}\r\n"
        "Accept-Encoding: identity\r\n\r\n"
    )
    assert body == b""


@pytest.mark.parametrize(
    "target",
    [
        "//x//",
        "/a%2fb%7E%zz",
        "/?q=%c3%a9&&x=+",
        "/a/../b/./c",
        '/a;b=1?[y]|{z}^`"<>\\',
        "/api/blobs/sha256:0a",
    ],
)
def test_target_is_exact(record, target):
    """The target leaves as it was given: nothing is encoded, folded or resolved."""
    [(head, _)] = record(get(target))
    assert head.startswith(f"GET {target} HTTP/1.1\r\n".encode())


def test_base_path(record):
    """A path in the upstream's URL comes before every target."""
    [(head, _)] = record(get("/api/tags"), path="/ollama/")
    assert head.startswith(b"GET /ollama/api/tags HTTP/1.1\r\n")


def test_headers_are_exact(record):
    """Fields keep their order, case, repetition and latin-1 bytes."""
    headers = [("X-b", "1"), ("x-A", "\xe9"), ("X-b", "2"), ("User-Agent", "me")]
    [(head, _)] = record(get(headers=headers))
    assert b"\r\nX-b: 1\r\nx-A: \xe9\r\nX-b: 2\r\nUser-Agent: me\r\n" in head or (
        # urllib3 puts a repeated field beside its first
        b"\r\nX-b: 1\r\nX-b: 2\r\nx-A: \xe9\r\nUser-Agent: me\r\n" in head
    )


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "Accept-Encoding", "Connection"],
)
def test_own_fields_are_ours(record, name):
    """A framing or connection field that a caller gives is dropped."""
    [(head, body)] = record(post(headers=[(name, "evil")]))
    assert b"evil" not in head
    assert body == b"{}"


@pytest.mark.parametrize(
    "request_",
    [
        get("/a b"),
        get("/a\r\nX: y"),
        get("/\xe9"),
        get(headers=[("X", "a\r\nY: b")]),
        get(headers=[("X", "a\0")]),
        get(headers=[("X Y", "a")]),
        get(headers=[("X", "\u20ac")]),
        Request("GET /", "/"),
    ],
)
def test_no_injection(serve, connect, request_):
    """What cannot be written as HTTP is refused before anything is opened."""
    server = serve(once(OK))
    with pytest.raises(BadRequest):
        connect(server).send(request_)
    assert server.peers == []


@pytest.mark.parametrize(
    ("method", "length"),
    [("GET", None), ("HEAD", None), ("POST", b"0"), ("PUT", b"0"), ("DELETE", b"0")],
)
def test_empty_body(record, method, length):
    """Without a body GET and HEAD have no framing, others a length of nought."""
    [(head, _)] = record(Request(method, "/"))
    found = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
    assert found == ([] if length is None else [b"Content-Length: " + length])
    assert b"Transfer-Encoding" not in head


@pytest.mark.parametrize("size", [1, 100_000, 3_000_000])
def test_body_arrives_whole(record, size):
    """A body of bytes arrives with its length, small or large."""
    body = bytes(index % 251 for index in range(size))
    [(head, arrived)] = record(post(body))
    assert f"Content-Length: {size}\r\n".encode() in head
    assert arrived == body


def test_streamed_with_length(record):
    """A streamed body of known length arrives under that length."""
    [(head, body)] = record(post(iter([b"ab", b"", b"cde"]), length=5))
    assert b"Content-Length: 5\r\n" in head
    assert body == b"abcde"


def test_streamed_chunked(record):
    """A streamed body of unknown length arrives chunked, empty pieces left out."""
    [(head, body)] = record(post(iter([b"ab", b"", b"c" * 17])))
    assert b"Transfer-Encoding: chunked\r\n" in head
    assert body == b"2\r\nab\r\n11\r\n" + b"c" * 17 + b"\r\n0\r\n\r\n"


def test_upload_is_not_held(upstream):
    """A large upload passes piece by piece; memory does not grow with it."""
    size, piece = 32 << 20, 1 << 20

    def behaviour(peer):
        peer.head()
        peer.discard(size)
        peer.send(OK)

    pieces = (bytes(piece) for _ in range(size // piece))
    tracemalloc.start()
    try:
        response = upstream(behaviour).send(post(pieces, length=size))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.status == 200
    assert peak < 6 * piece


@pytest.mark.parametrize("length", [4, 6])
def test_length_is_kept(upstream, length):
    """A body that is not as long as announced breaks off; no byte too many leaves."""
    arrived = []
    closed = threading.Event()

    def behaviour(peer):
        peer.head()
        while block := peer.socket.recv(100):
            arrived.append(block)
        closed.set()

    with pytest.raises(BadRequest):
        upstream(behaviour).send(post(iter([b"abc", b"de"]), length=length))
    assert eventually(closed.is_set)
    assert len(b"".join(arrived)) <= length


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("odd")])
def test_source_fails(upstream, error):
    """An error of the body's source comes out unchanged, and the upload is cut."""
    cut = threading.Event()

    def behaviour(peer):
        peer.head()
        peer.until(b"abc")
        assert peer.gone()
        cut.set()

    def source():
        yield b"abc"
        raise error

    with pytest.raises(type(error)) as caught:
        upstream(behaviour).send(post(source()))
    assert caught.value is error
    assert eventually(cut.is_set)


@pytest.mark.parametrize("lingers", [True, False])
def test_early_answer(upstream, lingers):
    """An answer given before the upload was read is still delivered."""

    def behaviour(peer):
        peer.head()
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        if lingers:
            peer.socket.shutdown(1)
            peer.gone()

    response = upstream(behaviour).send(post(bytes(16 << 20)))
    assert response.status == 413
    assert b"".join(response) == b"big"


def test_early_answer_stops_the_upload(upstream):
    """No more is taken from a body's source than the upstream takes."""

    def behaviour(peer):
        peer.head()
        peer.send(OK.replace(b"200 OK", b"413 Too Large"))

    endless = itertools.repeat(bytes(1 << 16))
    assert upstream(behaviour).send(post(endless)).status == 413


def test_p11_environment_is_ignored(record, monkeypatch, tmp_path):
    """Neither proxies nor a .netrc of the environment touch the upstream."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    netrc = tmp_path / "netrc"
    netrc.write_text("default login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    [(head, _)] = record(get())
    assert b"authorization" not in head.lower()


def test_key_replaces_any_other(record):
    """The upstream's key goes out in the place of what a caller gave."""
    headers = [("authorization", "Bearer client"), ("Accept", "x")]
    [(head, _)] = record(get(headers=headers), api_key="secret")
    assert head.lower().count(b"authorization") == 1
    assert b"Authorization: Bearer secret\r\n" in head


def test_e1_no_words_about_us(upstream):
    """An error's message names no address and no class; its detail may."""
    with pytest.raises(UpstreamError) as caught:
        upstream(lambda peer: None).send(get("/api/secret"))
    for word in ("127.0.0.1", "Error", "secret", "http"):
        assert word not in caught.value.message
