"""The log: what is never in it, how much there is of it, and that it costs no wait."""

import base64
import http.client
import json
import logging
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from support.faulty import Faulty, Peer
from support.ollama import Started, ask, environ_of
from support.server import PATIENCE, Server
from support.simulator import Simulator

from app.launch import gunicorn
from app.logs import Faults, Safe
from app.redaction import Redaction
from middleware.access_log import AccessLogMiddleware
from middleware.errors import ErrorMiddleware

pytestmark = pytest.mark.live

KEY = "upstream-key-0123456789"
CONTENT = "whatthepatientsaid"
IMAGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + CONTENT.encode() * 3).decode()


def answer(peer: Peer) -> None:
    """Answer as the model's name says, and put the content into all of it."""
    while True:
        head, body = peer.request()
        if not head:
            return
        status, said = said_of(head.split(b" ")[1].decode(), body)
        peer.send(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (status, len(said)),
            said,
        )


def said_of(path: str, body: bytes) -> tuple[int, bytes]:
    """A status and an answer of Ollama's."""
    try:
        model = json.loads(body or b"{}").get("model", "")
    except ValueError:
        model = "error"
    if path == "/api/show":
        return 200, b'{"capabilities":["completion","vision","tools","thinking"]}'
    if model == "error":
        text = f"see http://me:hunter22@10.0.0.1/?token=hunter22 {KEY} sk-hunter22"
        return 400, json.dumps({"error": text}).encode()
    message = {"role": "assistant", "content": CONTENT, "thinking": CONTENT}
    good = {
        "model": "m",
        "created_at": "2026-01-02T03:04:05.678Z",
        "message": message,
        "response": CONTENT,
        "embeddings": [[0.5]],
        "done": True,
    }
    bad: dict[str, bytes] = {
        "cut": json.dumps(good).encode()[:-20],
        "mistyped": json.dumps(
            good | {"message": CONTENT, "response": [CONTENT]}
        ).encode(),
        "text": CONTENT.encode(),
        "early": json.dumps(good | {"done": False}).encode(),
    }
    return 200, bad.get(model, json.dumps(good).encode()) + b"\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Pannier at its most talkative, in front of an Ollama that tells secrets."""
    environ = {"OLLAMA_API_KEY": KEY}
    with (
        Faulty(answer) as ollama,
        Server(
            environ | {"OLLAMA_URL": ollama.url}, arguments=["--log-level", "debug"]
        ) as it,
    ):
        lines_after(it, 0)  # the line of its first request has come
        yield it


def asked(server: Server, path: str, body: Any, **headers: str) -> str:
    """What one request adds to the log."""
    before = len(server.output())
    with closing(
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    ) as to:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        to.request("POST", path, data, headers)
        to.getresponse().read()
    return lines_after(server, before)


def lines_after(server: Server, before: int) -> str:
    """What was logged since; all of it, since a later request has been logged."""
    with closing(
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    ) as to:
        to.request("GET", "/health", headers={"X-Request-Id": "the-end"})
        to.getresponse().read()
    while not (found := re.search(r"^id=the-end ", server.output()[before:], re.M)):
        pass
    return server.output()[before : before + found.start()]


USER = {"role": "user", "content": [{"type": "text", "text": CONTENT}]}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}
SOURCE = {
    "type": "image",
    "source": {"type": "base64", "media_type": CONTENT, "data": IMAGE},
}
ODD = {"type": CONTENT, "text": CONTENT}
TALK = {"messages": [USER]}
WRONG: list[tuple[str, Any]] = [
    ("/v1/chat/completions", TALK),
    (
        "/v1/chat/completions",
        {"messages": [USER, {"role": "user", "content": [PICTURE]}]},
    ),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": {CONTENT: 1}}]}),
    ("/v1/chat/completions", {"messages": CONTENT}),
    ("/v1/chat/completions", TALK | {"temperature": CONTENT}),
    ("/v1/chat/completions", TALK | {"stop": [{CONTENT: CONTENT}], "user": CONTENT}),
    ("/v1/chat/completions", TALK | {"options": {"seed": CONTENT}}),
    (
        "/v1/chat/completions",
        TALK | {"tools": [{"type": "function", "function": CONTENT}]},
    ),
    (
        "/v1/chat/completions",
        TALK
        | {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": CONTENT}],
                }
            ]
        },
    ),
    ("/v1/chat/completions", {"messages": [USER | {"role": CONTENT}]}),
    ("/v1/chat/completions", TALK | {"think": CONTENT}),
    ("/v1/chat/completions", TALK | {"reasoning_effort": CONTENT}),
    ("/v1/chat/completions", TALK | {"response_format": {"type": CONTENT}}),
    ("/v1/chat/completions", TALK | {"options": {CONTENT: CONTENT}, CONTENT: 1}),
    ("/v1/messages", TALK | {"system": CONTENT}),
    ("/v1/messages", {"messages": [USER | {"role": CONTENT}]}),
    ("/v1/messages", {"messages": [{"role": "user", "content": {CONTENT: 1}}]}),
    ("/v1/messages", {"messages": [{"role": "user", "content": [SOURCE]}]}),
    ("/v1/messages", {"messages": [{"role": "user", "content": [ODD]}]}),
    ("/v1/messages", TALK | {"tools": [{"name": CONTENT, "input_schema": CONTENT}]}),
    ("/v1/messages", TALK | {"tool_choice": {"type": CONTENT}, CONTENT: CONTENT}),
    (
        "/v1/messages",
        TALK | {"thinking": {"type": CONTENT}, "metadata": {"a": CONTENT}},
    ),
    ("/v1/messages/count_tokens", TALK),
    ("/v1/embeddings", {"input": "x", "encoding_format": CONTENT}),
    ("/v1/completions", {"prompt": CONTENT, "suffix": CONTENT}),
    ("/v1/completions", {"prompt": {CONTENT: 1}}),
    ("/v1/embeddings", {"input": CONTENT}),
    ("/v1/embeddings", {"input": [{CONTENT: 1}]}),
    ("/api/chat", TALK),
    ("/api/generate", {"prompt": CONTENT, "system": CONTENT, "images": [IMAGE]}),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["good", "cut", "mistyped", "text", "early"])
def test_g1_no_content(server: Server, model: str, stream: bool) -> None:
    """No prompt, image or answer is in the log, and a request is one line of it."""
    for path, body in WRONG:
        log = asked(server, path, {**body, "model": model, "stream": stream})
        assert CONTENT not in log
        assert IMAGE[:40] not in log
        (line,) = (line for line in log.splitlines() if line.startswith("id="))
        assert len(line) <= 2048


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_g1_no_content_of_what_is_no_json(server: Server, path: str) -> None:
    """A body that cannot be read leaves nothing of itself in the log either."""
    for body in (
        CONTENT.encode(),
        b'{"messages":"' + CONTENT.encode(),
        b"\xff" + CONTENT.encode(),
    ):
        assert CONTENT not in asked(server, path, body)


@pytest.mark.parametrize(
    ("path", "model", "headers"),
    [
        ("/v1/chat/completions", "error", {}),
        ("/v1/chat/completions", "m", {"Authorization": "Bearer hunter22"}),
        ("/v1/chat/completions", "m", {"X-Client-Request-Id": "Bearer hunter22"}),
        (
            "/v1/chat/completions",
            "m",
            {"Cookie": "a=hunter22", "X-Api-Key": "hunter22"},
        ),
        ("/v1/chat/completions", "sk-hunter22", {}),
        ("/v1/chat/completions", KEY, {}),
        ("/v1/models/sk-hunter22", "m", {}),
        ("/v1/x?key=hunter22", "m", {}),
        ("/v1/token=hunter22", "m", {}),
        ("/v1/http://me:hunter22@host", "m", {}),
        ("/api/chat?token=hunter22", "error", {}),
    ],
)
def test_g2_secrets_are_stars(server: Server, path: str, model: str, headers) -> None:
    """No key, password or token is in the log, from wherever it came."""
    log = asked(server, path, TALK | {"model": model}, **headers)
    assert log.count("id=req_") == 1
    assert "hunter22" not in log
    assert KEY not in log


NASTY = (
    b"\x1b[2J",
    b"\xc2\x9b",
    b"\xe2\x80\xae",
    b"\xe2\x80\xa8",
    b"\x7f",
    b"\x00",
    b"\r",
)
FORGED = b"\nid=forged status=200"


@pytest.mark.parametrize("nasty", [*NASTY, FORGED], ids=ascii)
@pytest.mark.parametrize(
    "request_",
    [
        b"G%bT / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA%b: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Client-Request-Id: %b\r\n\r\n",
        b"GET / HTTP/%b\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: %b\r\n\r\n",
    ],
)
def test_g3_no_request_makes_a_line(
    server: Server, request_: bytes, nasty: bytes
) -> None:
    """Whatever bytes come, the log is printable ASCII, and no line is a client's."""
    before = len(server.output())
    with closing(
        socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    ) as client:
        client.sendall(request_ % nasty)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    log = lines_after(server, before)
    assert not re.search(r"^id=forged", log, re.M)
    assert log.isascii()
    assert log.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "path", ["/v1/%1b%5b2J", "/v1/%0aid=forged", "/v1/%e2%80%ae", "/v1/%c2%85"]
)
def test_g3_no_path_or_model_makes_a_line(server: Server, path: str) -> None:
    """Nor do encoded bytes of a path, or the characters of a model's name."""
    log = asked(server, path, {"model": "a\nid=forged\x1b\u202e", "messages": []})
    log += asked(server, "/v1/chat/completions", TALK | {"model": "a\u202e\u2028\x85"})
    assert not re.search(r"^id=forged", log, re.M)
    assert log.isascii()
    assert log.replace("\n", "").isprintable()


class Counting(logging.Handler):
    """Keeps what is logged, as lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(Safe(logging.Formatter(), Redaction()))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's lines."""
        self.lines += self.format(record).splitlines()


def test_g4_equal_faults_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 requests that fail alike are 10,000 lines, and a trace in ten seconds."""
    now = [0.0]
    handler, lines = Counting(), list[str]()
    log = logging.getLogger("pannier")
    monkeypatch.setattr(log, "handlers", [handler])
    monkeypatch.setattr(log, "propagate", False)

    def failing(environ, start_response):
        raise ZeroDivisionError("always")

    guarded = ErrorMiddleware(failing, Faults(lambda: now[0]))
    app = AccessLogMiddleware(guarded, lines.append)
    for number in range(10_000):
        now[0] = number / 500  # twenty seconds in all
        body: Any = app(environ_of("GET", "/v1/x"), Started())
        b"".join(body)
        body.close()
    text = "\n".join(handler.lines)
    assert text.count("Traceback") == 2
    assert "(seen 4999 more times)" in text
    assert len(lines) == 10_000
    assert len(lines) + len(handler.lines) <= 25_000


def test_g4_different_faults_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of another place or type has its own trace, however soon it comes."""
    handler = Counting()
    log = logging.getLogger("pannier")
    monkeypatch.setattr(log, "handlers", [handler])
    monkeypatch.setattr(log, "propagate", False)

    def failing(environ, start_response):
        if environ["PATH_INFO"] == "/v1/a":
            raise ZeroDivisionError
        raise ValueError

    app = ErrorMiddleware(failing)
    for path in ("/v1/a", "/v1/b", "/v1/a"):
        ask(app, "GET", path)
    assert sum("Traceback" in line for line in handler.lines) == 2


@pytest.mark.parametrize("model", ["cut", "error"])
def test_g4_a_failing_request_is_a_line(server: Server, model: str) -> None:
    """What Ollama does wrong is one line of the request's, without a trace."""
    for _ in range(5):
        log = asked(server, "/v1/chat/completions", TALK | {"model": model})
        lines = [line for line in log.splitlines() if "[DEBUG]" not in line]
        assert len(lines) == 1


#: Runs a program whose stdout and stderr are a pipe that nobody reads (``unread``), a
#: pipe whose reader has gone (``gone``), a full disk, or closed.
SINKS = """
import os, sys
kind = sys.argv[1]
if kind == "closed":
    os.close(1), os.close(2)
elif kind == "full":
    sink = os.open("/dev/full", os.O_WRONLY)
else:
    reading, sink = os.pipe()
    os.set_inheritable(reading, True)
    if kind == "gone":
        os.close(reading)
if kind != "closed":
    os.dup2(sink, 1), os.dup2(sink, 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("kind", ["unread", "gone", "full", "closed"])
def test_g5_nobody_waits_for_a_log(simulator: Simulator, kind: str) -> None:
    """Requests, good and bad, are answered where no line can be written."""
    program, environ = gunicorn([])
    command = [sys.executable, "-c", SINKS, kind, *program]
    with Server({"OLLAMA_URL": simulator.url, **environ}, command=command) as server:
        good = closing(
            http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        )
        with good as connection:
            for _ in range(600):
                connection.request(
                    "GET", "/health", headers={"X-Client-Request-Id": "x" * 200}
                )
                assert connection.getresponse().read() == b'{"status":"ok"}\n'
            for _ in range(20):  # which gunicorn says on stderr
                with socket.create_connection(
                    ("127.0.0.1", server.port), PATIENCE
                ) as bad:
                    bad.sendall(b"nonsense " + b"x" * 4000 + b"\r\n\r\n")
                    assert bad.recv(1024).startswith(b"HTTP/1.1 400")
            body = json.dumps({"model": "tiny", **TALK, "stream": True})
            connection.request("POST", "/v1/chat/completions", body)
            assert b"data: [DONE]" in connection.getresponse().read()
