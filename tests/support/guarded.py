"""What is guarded: requests whose cost is counted, and the Ollama that answers them.

Everything is Pannier's own, down to the reads and writes of its connections; only the
kernel's network is not, since it delivers now one piece at a time and now two.  What
comes is one read for each of the blocks that a path names.
"""

import _socket
import io
import json
from collections.abc import Callable, Iterator
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET
from typing import Any, NamedTuple
from unittest.mock import patch
from wsgiref.types import WSGIApplication

import gevent

from app import inflight
from app.carriers import pool
from app.settings import Settings
from app.upstream import Upstream
from middleware.stack import build_stack

#: The most that one read takes; see app/carriers/pool.py.
BLOCK = 64 * 1024
BATCH = Settings().embedding_batch
WHEN = '"created_at":"2026-01-02T03:04:05.123456789Z"'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
NDJSON = HEAD % b"application/x-ndjson" + CHUNKED
JSON = HEAD % b"application/json; charset=utf-8"
# The prompt is longer than any here, so that nobody asks whether it was cut.
END = f'{{"model":"m",{WHEN},%s"done":true,"done_reason":"stop","total_duration":5,'
END += '"prompt_eval_count":1000000,"eval_count":3}\n'
CHAT = '"message":{"role":"assistant","content":"%s"},'
TEXT = '"response":"%s",'

#: Blocks as they come off the wire, one a read.
Blocks = list[bytes]


class Wire(_socket.socket):
    """A socket that Pannier believes to be connected to Ollama.

    Each block can be read when all have waited, as it is with what comes token by
    token.  It is one end of a pair, so what waits for it waits in the real event loop.
    """

    #: What answers every request.
    answer: Blocks

    def __init__(self, family: int, kind: int, proto: int) -> None:
        ours, self._theirs = _socket.socketpair()
        for end, buffer in (ours, SO_RCVBUF), (self._theirs, SO_SNDBUF):
            end.setsockopt(SOL_SOCKET, buffer, 2 * BLOCK)  # macOS gives them 8 kB
        super().__init__(fileno=ours.detach())
        self._request = b""
        self._blocks: Iterator[bytes] = iter(())

    def connect_ex(self, address: Any) -> int:
        """Ollama is always there."""
        return 0

    def setsockopt(self, *option: Any) -> None:
        """A pair of sockets has no options of TCP's."""

    def send(self, data: bytes, *flags: int) -> int:
        """Take all of it, and answer a request that is complete."""
        self._request += data
        head, _, body = self._request.partition(b"\r\n\r\n")
        _, found, length = head.partition(b"Content-Length: ")
        if len(body) == (int(length.split(b"\r\n")[0]) if found else 0):
            self._request = b""
            self._blocks = iter(self.answer)
            self._next()
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """A block; the next one comes when everybody waits."""
        data = super().recv(size, flags)
        gevent.get_hub().loop.run_callback(self._next)
        return data

    def _next(self) -> None:
        block = next(self._blocks, b"")
        assert self._theirs.send(block) == len(block)


class _Kernel:
    socket = Wire
    getaddrinfo = staticmethod(_socket.getaddrinfo)


def _nobody_asks(*call: Any) -> bytes:
    raise AssertionError(f"no guarded request needs to ask Ollama about models: {call}")


def stack() -> WSGIApplication:
    """Pannier as it is served, over the ``Wire``, with its access log on."""
    patch.object(pool, "_socket", _Kernel).start()
    patch.object(Upstream, "control", _nobody_asks).start()
    for module in (pool, inflight):  # what happens by the clock is not of a request
        patch.object(module, "TICK", 3600.0).start()
    return build_stack(Settings(upstream_url="http://127.0.0.1:9", access_log=True))


def ask(app: WSGIApplication, path: str, data: bytes) -> bytes:
    """One request, as gunicorn would make it, and all of its answer."""
    told: list[str] = []
    near, _far = _socket.socketpair()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST" if data else "GET",
        "PATH_INFO": path,
        "RAW_URI": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn/27.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "localhost:8080",
        "HTTP_ACCEPT": "application/json",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate",
        "HTTP_CONNECTION": "keep-alive",
        "HTTP_USER_AGENT": "OpenAI/Python 3.52.0",
        "HTTP_AUTHORIZATION": "Bearer x",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(data),
        "wsgi.input_terminated": True,
        "gunicorn.socket": near,
    }
    if data:
        environ |= {"CONTENT_TYPE": "application/json"}
        environ |= {"CONTENT_LENGTH": str(len(data))}
    answer: Any = app(environ, lambda status, *_: told.append(status))
    try:
        items = list(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    assert told == ["200 OK"], told
    return b"".join(items)


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def lines(form: str, count: int) -> Blocks:
    """A stream of so many lines with a text, and the one that ends it; one a block."""
    one = f'{{"model":"m",{WHEN},{form % " token"}"done":false}}\n'.encode()
    last = (END % (form % "")).encode()
    blocks = [chunk(one)] * count + [chunk(last) + chunk(b"")]
    blocks[0] = NDJSON + blocks[0]
    return blocks


def flat_out(blocks: Blocks) -> Blocks:
    """The same bytes as fast as they can be read."""
    data = b"".join(blocks)
    return [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]


def whole(body: str) -> Blocks:
    """An answer in one piece, framed as Go does it."""
    data = body.encode()
    if len(data) > 2048:
        return flat_out([JSON, CHUNKED, chunk(data), chunk(b"")])
    return [JSON + b"Content-Length: %d\r\n\r\n" % len(data) + data]


def chatted(text: str = "Hello! How can I help you?") -> Blocks:
    """A whole chat."""
    return whole(END % (CHAT % text))


def vectors(count: int, dimensions: int) -> Blocks:
    """So many vectors."""
    one = json.dumps([-0.012345678 + n / 1024 for n in range(dimensions)])
    return whole(
        f'{{"model":"m","embeddings":[{",".join([one] * count)}],'
        f'"total_duration":5,"load_duration":1,"prompt_eval_count":1000000}}'
    )


def models(count: int) -> Blocks:
    """A list of so many models."""
    return whole(
        json.dumps(
            {
                "models": [
                    {
                        "name": f"model-{number}:latest",
                        "model": f"model-{number}:latest",
                        "modified_at": "2026-01-02T03:04:05.123456789+01:00",
                        "size": 2019393189,
                        "digest": f"{number:064x}",
                        "details": {
                            "parent_model": "",
                            "format": "gguf",
                            "family": "llama",
                            "families": ["llama"],
                            "parameter_size": "3.2B",
                            "quantization_level": "Q4_K_M",
                        },
                    }
                    for number in range(count)
                ]
            }
        )
    )


def said(count: int, text: str = "Hello there!") -> list[dict[str, str]]:
    """So many messages of a chat."""
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n in range(count)]


class GuardedPath(NamedTuple):
    """A request of some size, and what Ollama answers it.

    ``unit`` is what the size counts; the client's answer has a ``mark`` for each.
    """

    unit: str
    sizes: tuple[int, int, int]
    path: str
    body: Callable[[int], Any]
    answer: Callable[[int], Blocks]
    mark: bytes = b""

    def asked(self, app: WSGIApplication, size: int) -> Callable[[], None]:
        """One such request, ready to be made."""
        body = self.body(size)
        data = b"" if body is None else json.dumps(body).encode()
        Wire.answer = self.answer(size)

        def run() -> None:
            answer = ask(app, self.path, data)
            assert not self.mark or answer.count(self.mark) == size, answer[:2000]

        return run


def chat(messages: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    """A request for a chat."""
    return {"model": "m", "messages": messages, **more}


STREAM = chat(said(1), stream=True)
PROMPT = {"model": "m", "prompt": "Hello", "stream": True}
TOKENS = (50, 100, 150)
READ = BLOCK // len(lines(CHAT, 2)[1])  # so many chunks fill a read
READS = (READ, 2 * READ, 3 * READ)
CHARACTERS = (1_000, 500_500, 1_000_000)
OPENAI_CHAT, OPENAI_TEXT = "/v1/chat/completions", "/v1/completions"
EMBEDDINGS = "/v1/embeddings"


def inputs(count: int) -> dict[str, Any]:
    """A request for so many vectors."""
    return {"model": "m", "input": ["x"] * count}


PATHS = {
    "chat, token by token": GuardedPath(
        "chunk",
        TOKENS,
        OPENAI_CHAT,
        lambda _: STREAM,
        lambda count: lines(CHAT, count),
        b'" token"',
    ),
    "chat, flat out": GuardedPath(
        "chunk",
        READS,
        OPENAI_CHAT,
        lambda _: STREAM,
        lambda count: flat_out(lines(CHAT, count)),
        b'" token"',
    ),
    "completions, token by token": GuardedPath(
        "chunk",
        TOKENS,
        OPENAI_TEXT,
        lambda _: PROMPT,
        lambda count: lines(TEXT, count),
        b'" token"',
    ),
    "completions, flat out": GuardedPath(
        "chunk",
        READS,
        OPENAI_TEXT,
        lambda _: PROMPT,
        lambda count: flat_out(lines(TEXT, count)),
        b'" token"',
    ),
    "native chat, token by token": GuardedPath(
        "chunk",
        TOKENS,
        "/api/chat",
        lambda _: STREAM,
        lambda count: lines(CHAT, count),
        b'" token"',
    ),
    "chat, whole": GuardedPath(
        "character",
        CHARACTERS,
        OPENAI_CHAT,
        lambda count: chat(said(1, "x" * count)),
        lambda _: chatted(),
    ),
    "chat, a long answer": GuardedPath(
        "character",
        CHARACTERS,
        OPENAI_CHAT,
        lambda _: chat(said(1)),
        lambda count: chatted("x" * count),
    ),
    "chat, a long history": GuardedPath(
        "message",
        (10, 505, 1000),
        OPENAI_CHAT,
        lambda count: chat(said(count)),
        lambda _: chatted(),
    ),
    "embeddings": GuardedPath(
        "vector",
        (1, 128, 255),
        EMBEDDINGS,
        inputs,
        lambda count: vectors(count, 1024),
        b'"embedding":',
    ),
    "embeddings, in several calls": GuardedPath(
        "vector",
        (512, 1280, 2048),
        EMBEDDINGS,
        inputs,
        lambda _: vectors(BATCH, 64),
        b'"embedding":',
    ),
    "list of models": GuardedPath(
        "model",
        (10, 2505, 5000),
        "/v1/models",
        lambda _: None,
        models,
        b'"id":',
    ),
}
