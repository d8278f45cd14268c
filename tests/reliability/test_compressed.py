"""Compressed bodies, to a real server: what Ollama gets of them, and what they cost."""

import gzip
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import posting
from support.bare import post, said, statuses
from support.posting import Answer
from support.recordings import FORM, form, wav
from support.server import Server
from support.simulator import Simulator

from app.inflate import zstd

pytestmark = pytest.mark.live

LIMIT = 2**20
CHAT = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hello"}]}
#: Bodies by the coding they are in.
MAKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
    "identity": bytes,
}
CODINGS = ["gzip", "deflate", "zstd"]


@pytest.fixture(scope="module")
def small(ollama: Simulator) -> Iterator[Server]:
    """Pannier that takes bodies of 1 MiB, and waits 30 s for the rest of one."""
    env = {
        "OLLAMA_URL": ollama.url,
        "PANNIER_MAX_BODY_BYTES": str(LIMIT),
        "PANNIER_HEADER_TIMEOUT": "30",
    }
    with Server(env) as running:
        yield running


def ask(
    server: Server, path: str, body: bytes, coding: str, kind: str = "application/json"
) -> Answer:
    """Post a body in a coding."""
    return posting.ask(server, path, body, Content_Encoding=coding, Content_Type=kind)


@pytest.fixture
def good(small: Server) -> Iterator[None]:
    """After each of these tests the same worker serves what is good."""
    yield
    assert (
        ask(small, "/v1/chat/completions", json.dumps(CHAT).encode(), "").status == 200
    )


@pytest.mark.parametrize("coding", MAKERS)
@pytest.mark.parametrize("stream", [False, True])
def test_b2_a_translated_body(
    small: Server, ollama: Simulator, coding: str, stream: bool
) -> None:
    """A compressed request is answered as it would be without, streamed or not."""
    request = json.dumps(CHAT | {"stream": stream}).encode()
    answer = ask(small, "/v1/chat/completions", MAKERS[coding](request), coding)
    assert answer.status == 200
    assert answer.body.endswith(b"data: [DONE]\n\n") == stream
    call = json.loads(ollama.wait(path="/api/chat")["body"])
    assert call["messages"] == CHAT["messages"]


@pytest.mark.parametrize("coding", MAKERS)
@pytest.mark.parametrize("path", ["/api/chat", "/api/embed", "/api/show"])
def test_b2_a_native_body(
    small: Server, ollama: Simulator, coding: str, path: str
) -> None:
    """Ollama gets a native body byte for byte as it was before it was compressed."""
    request = json.dumps(CHAT | {"stream": False, "input": "a", "x": coding}).encode()
    answer = ask(small, path, MAKERS[coding](request), coding)
    assert answer.status == 200
    asked = ollama.wait(path=path, body=f'"{coding}"')
    assert asked["body"].encode() == request
    headers = {name.lower(): value for name, value in asked["headers"]}
    assert headers["content-length"] == str(len(request))
    assert "content-encoding" not in headers
    assert "transfer-encoding" not in headers


@pytest.mark.parametrize("coding", CODINGS)
def test_b2_a_form(small: Server, coding: str) -> None:
    """A form may be compressed as well."""
    body = MAKERS[coding](form(("model", "nope"), ("file", wav())))
    answer = ask(small, "/v1/audio/transcriptions", body, coding, FORM)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


def padded(size: int) -> bytes:
    """A request of exactly so many bytes."""
    return json.dumps(CHAT).encode().ljust(size)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
@pytest.mark.parametrize("coding", CODINGS)
def test_b1_b2_the_limit(
    small: Server, ollama: Simulator, coding: str, path: str, good: None
) -> None:
    """It is for what comes out: as much passes, a byte more is a 413."""
    assert ask(small, path, MAKERS[coding](padded(LIMIT)), coding).status == 200
    ollama.clear()
    assert ask(small, path, MAKERS[coding](padded(LIMIT + 1)), coding).status == 413
    assert ollama.log() == []


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_b1_b2_the_limit_before(
    small: Server, ollama: Simulator, coding: str, framing: str, good: None
) -> None:
    """It is for what arrives too: no more is read of a body that says little."""
    ollama.clear()
    field = f"Content-Encoding: {coding}"
    if framing == "length":
        request = post("/api/chat", field, f"Content-Length: {LIMIT + 1}")
    else:
        piece = {  # each of which says nothing
            "gzip": gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * 16_384,
            "deflate": zlib.compress(b"")[:2] + b"\0\0\0\xff\xff" * 16_384,
            "zstd": b"\x50\x2a\x4d\x18" + b"\xff\xff\xff\x0f" + bytes(81_920),
        }[coding]
        first = b"%x\r\n%b\r\n" % (len(piece), piece)
        empty = (b"\0\0\0\xff\xff" if coding != "zstd" else b"\0" * 5) * 16_384
        more = b"%x\r\n%b\r\n" % (len(empty), empty)
        request = post("/api/chat", field, "Transfer-Encoding: chunked")
        request += first + more * 14
    answer, seconds = said(small.port, request)
    assert statuses(answer) == [413]
    assert seconds < 10
    assert ollama.log() == []


def broken(coding: str) -> dict[str, bytes]:
    """Bodies that are not what the coding says, by what is wrong."""
    body = MAKERS[coding](json.dumps(CHAT | {"user": os.urandom(99).hex()}).encode())
    return {
        "cut": body[:-1],
        "half": body[: len(body) // 2],
        "start": body[:1],
        "identity": json.dumps(CHAT).encode(),
        "trailing": body + b"{}",
        "bits": body[:40] + bytes(byte ^ 0xFF for byte in body[40:60]) + body[60:],
        "other": MAKERS["zstd" if coding != "zstd" else "gzip"](b"{}" * 99),
        "twice": MAKERS[coding](body)[:-2],
    }


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("what", broken("gzip"))
def test_b2_what_is_broken(
    small: Server, ollama: Simulator, coding: str, what: str, path: str, good: None
) -> None:
    """A body that is cut, damaged, followed by something or in another coding: 400."""
    ollama.clear()
    answer = ask(small, path, broken(coding)[what], coding)
    assert answer.status == 400
    if path.startswith("/v1"):
        assert answer.error["code"] == "invalid_body"
    assert "Content-Encoding" in json.dumps(json.loads(answer.body)["error"])
    assert ollama.log() == []


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/chat", "/api/create"])
@pytest.mark.parametrize(
    "coding", ["br", "compress", "gzip, gzip", "gzip,identity", "gzip;q=1", "*", "\xe9"]
)
def test_b2_other_codings(
    small: Server, ollama: Simulator, coding: str, path: str, good: None
) -> None:
    """They are a 415 that says which ones are known; so are several at once."""
    ollama.clear()
    answer = ask(small, path, b"not read", coding)
    assert answer.status == 415
    accepted = "identity" if path == "/api/create" else "gzip, deflate, zstd"
    assert answer.headers["Accept-Encoding"] == accepted
    if path.startswith("/v1"):
        assert answer.error["code"] == "unsupported_media_type"
    assert ollama.log() == []


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("path", ["/api/create", "/api/blobs/sha256:" + "0" * 64])
def test_b2_uploads(small: Server, ollama: Simulator, coding: str, path: str) -> None:
    """An upload, which has no limit, must not be compressed; Ollama is not asked."""
    ollama.clear()
    answer = ask(small, path, MAKERS[coding](b"{}"), coding)
    assert answer.status == 415
    assert answer.headers["Accept-Encoding"] == "identity"
    assert ollama.log() == []


def test_b2_no_body(small: Server) -> None:
    """Where there is no body its coding does not matter."""
    head = b"GET /api/tags HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
    answer, _ = said(small.port, head + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [200]


def worker(server: Server) -> Path:
    """What the system says of the only worker."""
    found = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    (pid,) = found.read_text().split()
    return Path("/proc", pid)


def peak(server: Server) -> int:
    """The most memory that the worker ever had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", (worker(server) / "status").read_text())
    assert found
    return int(found[1]) * 1024


def processor(server: Server) -> float:
    """The seconds of processor that the worker has had."""
    fields = (worker(server) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


BOMBS = {
    "gzip": gzip.compress(bytes(2**26)),
    "deflate": zlib.compress(bytes(2**26)),
    "zstd": zstd.compress(bytes(2**30)),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("coding", CODINGS)
def test_b2_bombs(small: Server, coding: str, good: None) -> None:
    """Sixteen bombs at once cost what sixteen bodies at the limit may, and are 413."""
    memory, seconds = peak(small), processor(small)
    assert len(BOMBS[coding]) < 2**16 + 2**9
    with ThreadPoolExecutor(16) as threads:
        answers = threads.map(
            lambda path: ask(small, path, BOMBS[coding], coding),
            ["/v1/chat/completions", "/api/chat"] * 8,
        )
    assert {answer.status for answer in answers} == {413}
    assert peak(small) - memory < 16 * 3 * LIMIT
    assert processor(small) - seconds < 2
