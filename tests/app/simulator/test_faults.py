"""Faults do what their names say, on the wire."""

import json
import re
import socket
from collections.abc import Iterator

import pytest
from support.simulator import Simulator

from app.simulator.faults import FAULTS, describe

VALID = [name for name in FAULTS if describe(name).endswith("(valid).")]
#: Valid faults that change the text of the answer, and what they put there.
OTHER_TEXT = {"big-line": "x" * (8 << 20), "frames": "data: [DONE]\n\nevent: error"}


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """One simulator for this module."""
    with Simulator() as simulator:
        yield simulator


def ask(
    ollama: Simulator, fault: str, *, stream: bool = True, timeout: float = 10
) -> tuple[bytes, str]:
    """What a faulty model sends, and how it ends: "end", "reset" or "silence"."""
    message = {"role": "user", "content": "one two three"}
    request = {"model": f"fault-{fault}", "messages": [message], "stream": stream}
    body = json.dumps(request).encode()
    head = f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    received = b""
    with socket.create_connection(("127.0.0.1", ollama.port), timeout) as sock:
        sock.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
        while len(received) < 20 << 20:
            try:
                data = sock.recv(1 << 20)
            except ConnectionResetError:
                return received, "reset"
            except TimeoutError:
                return received, "silence"
            if not data:
                return received, "end"
            received += data
    return received, "endless"


def body_of(received: bytes) -> bytes:
    """The body of a correct answer; fails on a wrong one."""
    while (head := received.partition(b"\r\n\r\n"))[0].startswith(b"HTTP/1.1 1"):
        received = head[2]
    status, *lines = head[0].decode().split("\r\n")
    assert status == "HTTP/1.1 200 OK"
    headers = dict(line.split(": ", 1) for line in lines)
    body = head[2]
    if "Content-Length" in headers:
        assert len(body) == int(headers["Content-Length"])
    if headers.get("Transfer-Encoding") != "chunked":
        return body
    parts = []
    while size := int(body.partition(b"\r\n")[0], 16):
        start = body.index(b"\r\n") + 2
        parts.append(body[start : start + size])
        assert body[start + size : start + size + 2] == b"\r\n"
        body = body[start + size + 2 :]
    assert body == b"0\r\n\r\n"
    return b"".join(parts)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("name", VALID)
def test_valid_dress(ollama: Simulator, name: str, stream: bool) -> None:
    """A fault called valid is correct HTTP and JSON, and the whole answer."""
    fault = f"{name}-1" if name == "slow-head" else name
    received, end = ask(ollama, fault, stream=stream)
    assert end == "end"
    lines = [
        json.loads(line) for line in body_of(received).split(b"\n") if line.strip()
    ]
    assert lines[-1]["done"] is True
    assert lines[-1]["done_reason"] == "stop"
    text = "".join(line["message"]["content"] for line in lines)
    assert OTHER_TEXT.get(name, "one two three") in text


@pytest.mark.parametrize(
    ("name", "end", "pattern"),
    [
        ("drop", "end", rb""),
        ("reset", "reset", rb""),
        ("never", "silence", rb""),
        ("truncated-head", "end", rb"HTTP/1.1 200 OK\r\nContent-Type: applica"),
        ("garbage-status", "end", rb"HTTP/1.1 abc .*"),
        ("http09", "end", rb"\{.*\}\n"),
        ("tls", "end", rb"\x15\x03\x01\x00\x02\x02\("),
        ("huge-head", "end", rb".*X-Huge: x{1048576}\r\n.*"),
        ("many-headers", "end", rb".*(X-Header-\d+: \d+\r\n){5000}.*"),
        ("status-101", "silence", rb"HTTP/1.1 101 .*\r\n\r\n"),
        ("status-204", "end", rb"HTTP/1.1 204 .*\r\n\r\n"),
        ("status-302", "end", rb"HTTP/1.1 302 .*Location: /api/version\r\n.*"),
        ("status-307", "end", rb"HTTP/1.1 307 .*Location: /api/chat\r\n.*"),
        ("cut", "end", rb'[^\n]*\n(?!.*"done":true).*"done":false\}\n\r\n0\r\n\r\n'),
        ("cut-line", "end", rb"(?!.*0\r\n\r\n).*[^}\n]\r\n"),
        ("cut-line-clean", "end", rb".*[^}\n]\r\n0\r\n\r\n"),
        ("cut-close", "end", rb'.*"done":false\}\n\r\n'),
        ("reset-body", "reset", rb'.*"done":false\}\n\r\n'),
        ("stall", "silence", rb'.*"done":false\}\n\r\n'),
        ("bad-chunk", "end", rb".*\nzz\r\n.*"),
        ("no-last-chunk", "end", rb'.*"done":true,[^\n]*\}\n\r\n'),
        ("extra-bytes", "end", rb".*\r\n0\r\n\r\nHTTP/1.1 200 .*EVIL"),
        ("stall-after-done", "silence", rb'.*"done":true,[^\n]*\}\n\r\n'),
        ("gzipped", "end", rb".*Content-Encoding: gzip\r\n.*\x1f\x8b.*"),
        ("garbage-line", "end", rb".*\nthis is not JSON\n.*"),
        ("array-line", "end", rb".*\n\[\]\n.*"),
        ("number-line", "end", rb".*\n42\n.*"),
        ("string-line", "end", rb'.*\n"text"\n.*'),
        ("null-line", "end", rb".*\nnull\n.*"),
        ("deep-line", "end", rb".*\n\[{20000}\]{20000}\n.*"),
        ("wrong-types", "end", rb'.*"message":\[1\],"done":"no"\}\n.*'),
        ("wrong-content", "end", rb'.*"message":\{"role":7,"content":8\}.*'),
        ("bad-utf8", "end", rb'.*"content":"a\xff\xfeb".*'),
        ("lone-surrogate", "end", rb'.*"content":"a\\ud83db".*'),
        ("nan", "end", rb'.*"eval_count":NaN.*'),
        ("infinity", "end", rb'.*"eval_count":1e999.*'),
        ("huge-number", "end", rb'.*"eval_count":9{6000}.*'),
        ("negative-counts", "end", rb'.*"prompt_eval_count":1.5,.*"eval_count":-5,.*'),
        ("error-line", "end", rb'.*\{"error":"an error [^\n]*\}\n\r\n0\r\n\r\n'),
        ("error-empty", "end", rb'.*\{"error":""\}\n.*'),
        ("two-done", "end", rb'.*("done":true.*){2}'),
        ("after-done", "end", rb'.*"done":true.*"done":false.*garbage\n.*'),
        ("no-reason", "end", rb'(?!.*done_reason).*"done":true.*'),
        ("not-done", "end", rb'(?!.*"done":true).*eval_count.*'),
        ("html-200", "end", rb"HTTP/1.1 200 .*text/html.*<html>.*"),
        ("html-502", "end", rb"HTTP/1.1 502 .*text/html.*nginx.*"),
        ("empty-200", "end", rb"HTTP/1.1 200 .*Content-Length: 0\r\n.*\r\n\r\n"),
        ("text-404", "end", rb"HTTP/1.1 404 .*text/plain.*404 page not found"),
        ("error-400", "end", rb'HTTP/1.1 400 .*\{"error":"[^"]+"\}'),
        ("error-401", "end", rb"HTTP/1.1 401 .*signin_url.*"),
        ("error-403", "end", rb"HTTP/1.1 403 .*cloud is disabled.*"),
        ("error-404", "end", rb"HTTP/1.1 404 .*not found.*"),
        ("error-429", "end", rb"HTTP/1.1 429 .*StatusCode.*"),
        ("error-500", "end", rb"HTTP/1.1 500 .*terminated.*"),
        ("error-503", "end", rb"HTTP/1.1 503 .*again.  maximum pending.*"),
        ("out-of-memory", "end", rb"HTTP/1.1 500 .*system memory.*"),
        ("overflow", "end", rb'HTTP/1.1 400 .*\{"error":"\{\\"error\\":.*n_ctx.*'),
        ("huge-error", "end", rb'HTTP/1.1 500 .*\{"error":"x{1048576}"\}.*'),
    ],
)
def test_on_the_wire(ollama: Simulator, name: str, end: str, pattern: bytes) -> None:
    """A fault sends what its name says, and its connection ends so."""
    received, ended = ask(ollama, name, timeout=0.4 if end == "silence" else 10)
    assert ended == end
    assert re.fullmatch(pattern, received, re.DOTALL), received[-300:]


@pytest.mark.parametrize("name", ["short-length", "cut-length"])
def test_lengths_that_are_not_kept(ollama: Simulator, name: str) -> None:
    """Less body comes than was announced, and then the end."""
    received, end = ask(ollama, name)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    assert len(body) < int(length[1])
    assert end == "end"


@pytest.mark.parametrize("name", ["endless-line", "endless-stream", "gzip-bomb"])
def test_floods(ollama: Simulator, name: str) -> None:
    """What has no end, or no end worth waiting for, is larger than any limit."""
    received, end = ask(ollama, name)
    assert end == ("end" if name == "gzip-bomb" else "endless")
    assert len(received) > 60_000


@pytest.mark.parametrize("name", ["drip-blank", "drip", "endless-1xx", "slow-head"])
def test_slow_faults_go_on_until_the_client_leaves(
    ollama: Simulator, name: str
) -> None:
    """They neither end nor fall silent, and stop when nobody listens."""
    message = {"role": "user", "content": "x"}
    request = {"model": f"fault-{name}", "messages": [message]}
    body = json.dumps(request).encode()
    head = f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    with socket.create_connection(("127.0.0.1", ollama.port), 5) as sock:
        sock.sendall(head.encode() + b"\r\n\r\n" + body)
        assert all(sock.recv(1) for _ in range(12))
        asked = ollama.wait(path="/api/chat", outcome="open", body=name)
    left = ollama.wait(outcome="client-left", after=asked["id"] - 1)
    assert left["id"] == asked["id"]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_number_says_after_how_many_lines(ollama: Simulator, count: int) -> None:
    """``fault-<name>-<n>`` comes after n good lines."""
    received, _ = ask(ollama, f"cut-{count}")
    assert body_of(received).count(b"\n") == count


def test_a_route_can_be_broken_whatever_the_model(ollama: Simulator) -> None:
    """A fault put on a route holds until it is mended, and only there."""
    ollama.fault("/api/tags", "html-502")
    try:
        assert ollama.ask("GET", "/api/tags")[0] == 502
        assert ollama.ask("GET", "/api/ps")[0] == 200
    finally:
        ollama.mend()
    assert ollama.ask("GET", "/api/tags")[0] == 200


def test_a_broken_route_sends_its_own_answer(ollama: Simulator) -> None:
    """The good answer that a route's fault spoils is that route's."""
    ollama.fault("/api/tags", "cut-length")
    try:
        with socket.create_connection(("127.0.0.1", ollama.port), 5) as sock:
            request = b"GET /api/tags HTTP/1.1\r\nHost: localhost\r\n"
            sock.sendall(request + b"Connection: close\r\n\r\n")
            received = b"".join(iter(lambda: sock.recv(65536), b""))
    finally:
        ollama.mend()
    assert received.partition(b"\r\n\r\n")[2].startswith(b'{"models":[{"name":')


def test_an_embedding_can_fail_too(ollama: Simulator) -> None:
    """Faulty models spoil /api/embed and /api/generate as well."""
    request = {"model": "fault-html-502", "input": "x"}
    assert ollama.ask("POST", "/api/embed", request)[0] == 502
    request = {"model": "fault-error-503", "prompt": "x"}
    assert ollama.ask("POST", "/api/generate", request)[0] == 503


def test_a_connection_survives_what_is_valid(ollama: Simulator) -> None:
    """After a well-framed answer the same connection serves the next request."""
    body = b'{"model":"fault-error-503","prompt":"x"}'
    post = (
        b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    )
    get = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", ollama.port), 5) as sock:
        sock.sendall(post % len(body) + body + get)
        received = b"".join(iter(lambda: sock.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 503 ")
    assert received.endswith(b"Ollama is running")
