"""Request bodies on a real socket: what is refused, and what follows it."""

import http.client
import json
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.bare import post, said, statuses
from support.nginx import CONFIG, needs_nginx, nginx, replaced
from support.pictures import PNG
from support.posting import Answer, ask
from support.server import PATIENCE, Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

LIMIT = 2048
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHAT = "/v1/chat/completions"
NATIVE = "/api/chat"
UPLOAD = "/api/create"
HELLO = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def small(ollama: Simulator) -> Iterator[Server]:
    """Pannier with small limits on bodies, and little patience with them."""
    env = {
        "OLLAMA_URL": ollama.url,
        "PANNIER_MAX_BODY_BYTES": str(LIMIT),
        "PANNIER_BODY_TIMEOUT": "0.5",
        "PANNIER_IDLE_TIMEOUT": "0.5",
        "PANNIER_HEADER_TIMEOUT": "30",
    }
    with Server(env) as running:
        yield running


@pytest.fixture(scope="module")
def usual(ollama: Simulator) -> Iterator[Server]:
    """Pannier with the limits that it has."""
    with Server({"OLLAMA_URL": ollama.url}) as running:
        yield running


LONG = "Content-Length: 100000"
CHUNKED = "Transfer-Encoding: chunked"
ROOM = LIMIT * 4


@pytest.mark.parametrize("path", [CHAT, NATIVE])
@pytest.mark.parametrize(
    ("framing", "body", "status"),
    [
        (LONG, b"", 413),
        (LONG, SMUGGLED * 10, 413),
        (CHUNKED, b"%x\r\n%b" % (ROOM, b"x" * ROOM), 413),
        (CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (ROOM, b"x" * ROOM) + SMUGGLED, 413),
        (CHUNKED, b"800\r\n" + b"x" * LIMIT + b"\r\n1\r\ny\r\n", 413),
        (CHUNKED, b"zz\r\n" + SMUGGLED, 400),
        (CHUNKED, b"5\r\nabcdefgh" + SMUGGLED, 400),
        ("Content-Length: 100", b"abc", 408),
        (CHUNKED, b"5\r\nab", 408),
    ],
    ids=range(9),
)
def test_b1_b7_b8_h1_a_refused_body(
    small: Server, path: str, framing: str, body: bytes, status: int
) -> None:
    """One answer, and the connection is closed: the rest is no request."""
    answer, seconds = said(small.port, post(path, framing) + body)
    assert statuses(answer) == [status]
    assert seconds < 5  # waiting for the rest would take 30


@pytest.mark.parametrize(
    ("framing", "body", "status"),
    [
        (CHUNKED, b"5\r\nabcde\r\nzz\r\n" + SMUGGLED, 400),
        (CHUNKED, b"5\r\nabcde\r\n5\r\n", 408),
        ("Content-Length: 100", b"abc", 408),
    ],
    ids=["size", "slow-chunk", "slow"],
)
def test_b8_h1_a_bad_upload(
    small: Server, framing: str, body: bytes, status: int
) -> None:
    """An upload is refused in the same way, though it has no limit of size."""
    answer, seconds = said(small.port, post(UPLOAD, framing) + body)
    assert statuses(answer) == [status]
    assert seconds < 5


@pytest.mark.parametrize("path", [CHAT, NATIVE, "/v1/embeddings", UPLOAD])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 100", b""),
        ("Content-Length: 100", b'{"model":"llama3.2"}'),
        (CHUNKED, b""),
        (CHUNKED, b"5"),
        (CHUNKED, b'14\r\n{"model":"llama3.2"}\r\n'),
        (CHUNKED, b'14\r\n{"model":"llama3.2"}\r\n0\r\n'),
    ],
    ids=["nothing", "short", "no-chunk", "half-size", "no-last", "no-end"],
)
def test_b8_a_body_that_ends_early(
    small: Server, ollama: Simulator, path: str, framing: str, body: bytes
) -> None:
    """A body shorter than it says is a 400 at once; no upload is whole without it."""
    ollama.clear()
    answer, _ = said(small.port, post(path, framing, body=body), end=True)
    assert statuses(answer) == [400]
    if path == UPLOAD:
        assert {entry["outcome"] for entry in ollama.log()} <= {"client-left"}
    else:
        assert b"not complete" in answer
        assert ollama.log() == []


def test_a_whole_body_keeps_the_connection(small: Server) -> None:
    """A mistake in a body that was read costs nobody the connection."""
    bad = post(CHAT, "Content-Length: 2", body=b"[]")
    last = SMUGGLED[:-2] + b"Connection: close\r\n\r\n"
    answer, _ = said(small.port, bad, last)
    assert statuses(answer) == [400, 200]


@pytest.mark.parametrize("path", [b"/v1/nothing", b"/api//nothing"])
def test_head_of_an_error(small: Server, path: bytes) -> None:
    """It is a head and nothing else, and the next answer follows at once."""
    head = b"HEAD %b HTTP/1.1\r\nHost: localhost\r\n" % path
    answer, _ = said(small.port, head + b"\r\n", head + b"Connection: close\r\n\r\n")
    first, second, rest = answer.split(b"\r\n\r\n")
    for one in (first, second):
        assert one.startswith(b"HTTP/1.1 404 ")
        assert b"\r\nContent-Length: " in one
        assert b"\r\nX-Content-Type-Options: nosniff" in one
    assert rest == b""
    assert "body bytes on a no-body response" not in small.output()


@pytest.mark.parametrize("path", [CHAT, NATIVE])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_b1_twelve_mebibytes(usual: Server, path: str, framing: str) -> None:
    """A body as large as one with images is good, however it is framed."""
    picture = b64encode(PNG + bytes(9 * 2**20)).decode()
    message: dict[str, Any] = {"role": "user", "content": "a", "images": [picture]}
    if path == CHAT:
        url = {"url": f"data:image/png;base64,{picture}"}
        message = {"role": "user", "content": [{"type": "image_url", "image_url": url}]}
    request = {"model": "llava", "messages": [message], "stream": False}
    body: Any = json.dumps(request).encode()
    assert len(body) > 12 * 2**20
    if framing == "chunked":
        body = iter([body[n : n + 2**20] for n in range(0, len(body), 2**20)])
    assert ask(usual, path, body).status == 200


def test_b1_sixty_four(usual: Server) -> None:
    """The limit is 64 MiB: a length beyond it is refused before a byte of it."""
    for length, status in ((2**26 + 1, 413), (2**63, 413)):
        framing = f"Content-Length: {length}"
        answer, seconds = said(usual.port, post(NATIVE, framing))
        assert statuses(answer) == [status]
        assert seconds < 3


def test_b7_a_drip(small: Server, ollama: Simulator) -> None:
    """A body that comes byte by byte is cut when its time is over, in every form."""
    ollama.clear()
    heads = [
        post(path, framing, coding)
        for path in (CHAT, NATIVE, "/v1/embeddings")
        for framing in ("Content-Length: 1000", CHUNKED)
        for coding in ("Content-Encoding: identity", "Content-Encoding: gzip")
    ]
    gzipped = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\0\0\0\xff\xff" * 99
    with ThreadPoolExecutor(len(heads)) as threads:
        found = list(
            threads.map(
                lambda head: dripped(
                    ("127.0.0.1", small.port),
                    head,
                    [b"1\r\n%b\r\n" % bytes([byte]) for byte in gzipped]
                    if CHUNKED.encode() in head
                    else [bytes([byte]) for byte in gzipped],
                ),
                heads,
            )
        )
    for answer, seconds in found:
        assert answer.status == 408
        assert 0.4 < seconds < 2
    assert ollama.log() == []


@needs_nginx
def test_b7_a_drip_through_nginx(small: Server, ollama: Simulator) -> None:
    """So it is behind an nginx that passes bodies on as they come."""
    ollama.clear()
    config = replaced(
        CONFIG, "server 127.0.0.1:8080;", f"server 127.0.0.1:{small.port};"
    )
    config = replaced(
        config,
        "proxy_buffering off;",
        "proxy_buffering off; proxy_request_buffering off;",
    )
    with nginx(config) as url:
        where = urlsplit(url)
        head = post(CHAT, "Content-Length: 1000")
        address = (where.hostname or "", where.port or 0)
        answer, seconds = dripped(address, head, [b" "] * 200)
    assert (answer.status, answer.error["code"]) == (408, "request_timeout")
    assert 0.4 < seconds < 2
    assert ollama.log() == []


def dripped(
    address: tuple[str, int], head: bytes, pieces: list[bytes]
) -> tuple[Answer, float]:
    """The answer to a body of which a piece comes every 0.1 s, and when it came."""
    over = threading.Event()
    with socket.create_connection(address, timeout=PATIENCE) as client:
        begun = time.monotonic()
        client.sendall(head)

        def drip() -> None:
            for piece in pieces:
                if over.wait(0.1):
                    return
                try:
                    client.sendall(piece)
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            response = http.client.HTTPResponse(client)
            response.begin()
            return Answer(response), time.monotonic() - begun
        finally:
            over.set()
            dripping.join()


DEEP = b"[" * 127 + b"]" * 127
#: Bodies that are no JSON, or more of it than anybody needs.
NOT_JSON: dict[str, bytes] = {
    "utf-16": json.dumps(HELLO).encode("utf-16"),
    "utf-16-le": json.dumps(HELLO).encode("utf-16-le"),
    "utf-32": json.dumps(HELLO).encode("utf-32"),
    "overlong": b'{"model":"\xc0\xaf"}',
    "raw-surrogate": b'{"model":"\xed\xa0\x80"}',
    "control": b'{"model":"a\x01"}',
    "nan": b'{"temperature":NaN}',
    "infinity": b'{"temperature":-Infinity}',
    "unknown-1e999": b'{"unknown":1e999}',
    "21-digits": b'{"seed":' + b"1" * 21 + b"}",
    "4301-digits": b'{"seed":' + b"1" * 4301 + b"}",
    "unknown-digits": b'{"unknown":[' + b"1" * 4301 + b"]}",
    "129-levels": b'{"unknown":[' + DEEP + b"]}",
    "100000-levels": b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "unclosed": b'{"a":' * 100_000,
    "trailing": json.dumps(HELLO).encode() + b"{}",
    "two-boms": b"\xef\xbb\xbf" * 2 + b"{}",
    "nothing": b"",
}


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/embeddings"])
@pytest.mark.parametrize("name", NOT_JSON)
def test_b3_what_is_no_json(
    usual: Server, ollama: Simulator, name: str, path: str
) -> None:
    """It is a 400 before anything is done, and quickly so, however deep or long."""
    ollama.clear()
    begun = time.monotonic()
    answer = ask(usual, path, NOT_JSON[name])
    assert (answer.status, answer.error["code"]) == (400, "invalid_json")
    assert time.monotonic() - begun < 2
    assert ollama.log() == []


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"x"', b"true"])
def test_b3_what_is_no_object(usual: Server, body: bytes) -> None:
    """The top level is an object."""
    answer = ask(usual, CHAT, body)
    assert (answer.status, answer.error["code"]) == (400, "invalid_type")


def test_b3_what_is_json(usual: Server, ollama: Simulator) -> None:
    """A byte order mark, 128 levels and 20 digits pass."""
    more = b', "unknown": [' + DEEP[1:-1] + b"], " + b'"other": ' + b"1" * 20 + b"}"
    body = b"\xef\xbb\xbf" + json.dumps(HELLO).encode()[:-1] + more
    answer = ask(usual, CHAT, body)
    assert answer.status == 200
    assert answer.headers["X-Pannier-Ignored"] == "unknown, other"


@pytest.mark.parametrize("stream", [False, True])
def test_b4_equal_keys(usual: Server, ollama: Simulator, stream: bool) -> None:
    """The last of equal keys counts for us and for Ollama, which sees each key once."""
    words = [json.dumps(not stream), json.dumps(stream)]
    body = (
        '{"model":"nope","Model":"nope","messages":[],"MODEL":"nope",'
        f'"stream":{words[0]},"temperature":2,"model":"llama3.2","temperature":0.5,'
        '"messages":[{"role":"system","role":"user","content":"a","content":"b"}],'
        f'"stream":{words[1]},"Stream":{words[0]},"model ":"nope"}}'
    )
    ollama.clear()
    answer = ask(usual, CHAT, body.encode())
    assert answer.status == 200
    assert answer.body.startswith(b"data: ") == stream
    assert answer.headers["X-Pannier-Ignored"] == "Model, MODEL, Stream, model_"
    sent = ollama.wait(path="/api/chat")["body"]
    call = json.loads(sent, object_pairs_hook=once)
    assert call["model"] == "llama3.2"
    assert call["stream"] == stream
    assert call["messages"] == [{"role": "user", "content": "b"}]
    assert call["options"]["temperature"] == 0.5
    assert "nope" not in sent


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no key is twice, in whatever case."""
    assert len({key.lower() for key, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": True}, "model"),
        ({"temperature": True}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"seed": False}, "seed"),
        ({"messages": {}}, "messages"),
        ({"messages": [[]]}, "messages[0]"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stop": [5]}, "stop"),
        ({"tools": {}}, "tools"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"n": 10**19}, "n"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_b5_a_wrong_value(
    usual: Server, fields: dict[str, Any], param: str, stream: bool
) -> None:
    """A wrong type or value of a known field is a 400 that names it, never a stream."""
    answer = ask(usual, CHAT, HELLO | {"stream": stream} | fields)
    assert answer.status == 400
    assert answer.error["param"].startswith(param)


@pytest.mark.parametrize("field", ["temperature", "seed", "max_tokens"])
def test_b3_b5_a_number_beyond_all(usual: Server, field: str) -> None:
    """A number that no reader of JSON can hold is a 400, not an infinity."""
    body = json.dumps(HELLO).encode()[:-1] + b',"%b":1e999}' % field.encode()
    answer = ask(usual, CHAT, body)
    assert (answer.status, answer.error["param"]) == (400, field)


def many(count: int) -> list[dict[str, str]]:
    """So many messages."""
    return [{"role": "user", "content": "a"}] * count


TOOL = {"type": "function", "function": {"name": "f"}}
PART = {"type": "text", "text": "a"}
#: The most there may be, and what is one more: path, field, the two, the param.
MOST: dict[str, tuple[str, str, Any, Any, str]] = {
    "messages": (CHAT, "messages", many(10_000), many(10_001), "messages"),
    "inputs": ("/v1/embeddings", "input", ["a"] * 2048, ["a"] * 2049, "input"),
    "tools": (CHAT, "tools", [TOOL] * 1024, [TOOL] * 1025, "tools"),
    "parts": (
        CHAT,
        "messages",
        [{"role": "user", "content": [PART] * 1024}],
        [{"role": "user", "content": [PART] * 1025}],
        "messages[0].content",
    ),
    "name": (CHAT, "model", "x" * 512, "x" * 513, "model"),
    "control": (CHAT, "model", "a b", "a\nb", "model"),
    "del": (CHAT, "model", "a-b", "a\x7fb", "model"),
}


@pytest.mark.parametrize("name", MOST)
def test_b6_how_many(usual: Server, ollama: Simulator, name: str) -> None:
    """As many as are allowed pass, one more is a 400 that names the field."""
    path, field, most, more, param = MOST[name]
    good = HELLO if path == CHAT else {"model": "all-minilm"}
    ollama.clear()
    passed = ask(usual, f"{path}?explain=1", good | {field: most})
    assert passed.status == 200, passed.body
    ollama.clear()
    answer = ask(usual, path, good | {field: more})
    assert (answer.status, answer.error["param"]) == (400, param)
    assert ollama.log() == []


@pytest.mark.parametrize("stream", [False, True])
def test_b6_half_a_character(usual: Server, ollama: Simulator, stream: bool) -> None:
    """An escape that is half a character becomes U+FFFD, a whole pair what it says."""
    text = rb"a\ud800b\udc00\ud83d\ude00"
    body = json.dumps(HELLO | {"stream": stream}).encode().replace(b"Hello", text)
    assert ask(usual, CHAT, body).status == 200
    call = json.loads(ollama.wait(path="/api/chat")["body"])
    assert call["messages"][0]["content"] == "a\ufffdb\ufffd\U0001f600"


@pytest.mark.parametrize("path", [CHAT, NATIVE, "/v1/completions", "/v1/embeddings"])
def test_b9_forms_are_for_recordings(
    usual: Server, ollama: Simulator, path: str
) -> None:
    """Everywhere else a multipart body is a 415, unread; JSON is what is meant."""
    ollama.clear()
    kind = "multipart/form-data; boundary=x"
    answer = ask(usual, path, b"--x--\r\n", Content_Type=kind)
    assert answer.status == 415
    assert ollama.log() == []
    audio = ask(usual, "/v1/audio/transcriptions", b"--x--\r\n", Content_Type=kind)
    assert (audio.status, audio.error["param"]) == (400, "model")
