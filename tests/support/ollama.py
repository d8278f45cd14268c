"""Stand-ins for Ollama inside the process, and small ways to ask and to read.

``Ollama`` is a WSGI application that gives one prepared answer and notes who called;
``FakeUpstream`` does the same behind the interface of ``app.upstream.Upstream``.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
from werkzeug.test import Client, EnvironBuilder, TestResponse

from app.carriers.base import Request
from app.errors import GatewayError

NDJSON = [("Content-Type", "application/x-ndjson")]
JSON = [("Content-Type", "application/json; charset=utf-8")]
#: A chat, a completion and their streams, as short as they can be.
CHAT = (
    b'{"model":"m","created_at":"2026-01-02T03:04:05.678Z","message":'
    b'{"role":"assistant","content":"Hello"},"done":true,"done_reason":"stop",'
    b'"prompt_eval_count":7,"eval_count":3}\n'
)
GENERATE = (
    b'{"model":"m","created_at":"2026-01-02T03:04:05.678Z","response":"Hello",'
    b'"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":3}\n'
)
EMBED = b'{"model":"m","embeddings":[[0.5,0.25,-1.0]],"prompt_eval_count":4}'
TAGS = (
    b'{"models":[{"name":"a:latest","model":"a:latest",'
    b'"modified_at":"2026-01-02T03:04:05.678Z"}]}'
)
SHOW = b'{"modified_at":"2026-01-02T03:04:05.678Z"}'
#: The good answer of each native route.
GOOD = {
    "/api/chat": CHAT,
    "/api/generate": GENERATE,
    "/api/embed": EMBED,
    "/api/tags": TAGS,
    "/api/show": SHOW,
}

Blocks = Iterable[bytes | Exception]


class Call(msgspec.Struct):
    """What Ollama was asked."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Body:
    """An answer's blocks; an exception among them is raised.  ``closed`` counts."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = iter(blocks)
        self.taken = 0
        self.closed = 0
        self.released = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = next(self._blocks)
        if isinstance(block, Exception):
            raise block
        self.taken += 1
        return block

    def close(self) -> None:
        """Let go; counted."""
        self.closed += 1


class Ollama:
    """Answers every call alike: a status, headers and blocks of body.

    Without blocks each native route gives its good answer.
    """

    def __init__(
        self,
        *blocks: bytes | Exception,
        status: str = "200 OK",
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        self.blocks = blocks
        self.status = status
        self.headers = JSON if headers is None else headers
        self.calls: list[Call] = []
        self.bodies: list[Body] = []

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Note the call and answer it."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        call = Call(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ.get("QUERY_STRING", ""),
            {k: v for k, v in environ.items() if isinstance(v, str)},
            environ["wsgi.input"].read(length) if length else b"",
        )
        self.calls.append(call)
        self.bodies.append(Body(self.blocks or [GOOD.get(call.path, b"{}")]))
        start_response(self.status, [*self.headers])
        return self.bodies[-1]

    @property
    def body(self) -> Body:
        """The only body there was."""
        assert len(self.bodies) == 1
        return self.bodies[0]


class FakeResponse(Body):
    """An upstream's answer."""

    def __init__(self, status: int, headers: Any, blocks: Blocks) -> None:
        super().__init__(blocks)
        self.status = status
        self.reason = "OK"
        self.headers = headers

    def release(self) -> None:
        """The kinder close; counted."""
        self.released += 1


class FakeUpstream:
    """Answers every request alike; a ``failure`` is raised instead.

    Without blocks each native route gives its good answer.
    """

    def __init__(
        self,
        *blocks: bytes | Exception,
        status: int = 200,
        headers: list[tuple[str, str]] | None = None,
        failure: Exception | None = None,
    ) -> None:
        self.blocks = blocks
        self.status = status
        self.headers = JSON if headers is None else headers
        self.failure = failure
        self.requests: list[Request] = []
        self.responses: list[FakeResponse] = []
        self.control_answer: bytes | GatewayError = b'{"version":"0.32.6"}'

    def send(self, request: Request) -> FakeResponse:
        """Note the request, its body read to the end, and answer."""
        if not isinstance(request.body, bytes):
            body = b"".join(request.body)
            request = msgspec.structs.replace(request, body=body)
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        path = request.target.partition("?")[0]
        blocks = self.blocks or [GOOD.get(path, b"{}")]
        self.responses.append(FakeResponse(self.status, self.headers, blocks))
        return self.responses[-1]

    def control(self, *args: Any, **options: Any) -> bytes:
        """The prepared answer to a control call."""
        if isinstance(self.control_answer, GatewayError):
            raise self.control_answer
        return self.control_answer

    def close(self) -> None:
        """There is nothing to close."""


class Answer(msgspec.Struct):
    """What a client got, whole."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of OpenAI's envelope, which must have its four keys."""
        assert self.headers["Content-Type"] == "application/json"
        error: dict[str, Any] = self.json["error"]
        assert list(error) == ["message", "type", "param", "code"]
        return error

    @property
    def frames(self) -> list[Any]:
        """The events of a stream, decoded."""
        assert self.headers["Content-Type"] == "text/event-stream"
        return frames(self.body)


def ask(
    app: WSGIApplication,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    body: Any = None,
    **headers: str,
) -> Answer:
    """Ask an application as a client would, read all of it, close it."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    response: TestResponse
    with Client(app).open(
        path,
        method=method,
        data=body,
        headers=headers,
    ) as response:
        return Answer(response.status_code, response.headers, response.data)


def frames(stream: bytes) -> list[Any]:
    """The events of an SSE stream: JSON, or the text ``[DONE]``.

    Anything that is not one ``data:`` line an event fails.
    """
    if not stream:
        return []
    assert stream.endswith(b"\n\n"), stream[-100:]
    return [_event(event) for event in stream[:-2].split(b"\n\n")]


def _event(event: bytes) -> Any:
    text = event.decode()  # strict: valid UTF-8
    assert text.startswith("data: "), text
    assert not re.search(r"[\n\r]", text), text
    payload = text.removeprefix("data: ")
    if payload == "[DONE]":
        return payload
    return json.loads(payload, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def environ_of(
    method: str = "POST", path: str = "/", body: bytes = b"", **more: Any
) -> WSGIEnvironment:
    """An environ as a server makes it."""
    builder = EnvironBuilder(path, method=method, data=body)
    environ = builder.get_environ()
    builder.close()
    return environ | more


class Started:
    """A ``start_response`` that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[tuple[str, str]]]] = []

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Note one call."""
        assert isinstance(headers, list)
        self.calls.append((status, headers))
        return _no_write

    @property
    def status(self) -> int:
        """The status of the only call."""
        assert len(self.calls) == 1
        return int(self.calls[0][0][:3])

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the only call, names in lower case."""
        assert len(self.calls) == 1
        return {name.lower(): value for name, value in self.calls[0][1]}


def _no_write(data: bytes) -> None:
    raise AssertionError("nobody may write")
