import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from gevent import GreenletExit
from support.ollama import Body, Ollama, Started, ask, environ_of
from support.stack import linted

from app.errors import BadRequest, UpstreamBroken
from app.exchange import Exchange
from middleware.access_log import AccessLogMiddleware
from middleware.errors import ErrorMiddleware


def fields(line: str) -> dict[str, str]:
    """The fields of a logfmt line, which must be one."""
    assert line.endswith("\n")
    assert line.isascii()
    assert line[:-1].isprintable()
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "=]+)(?: |$)', line[:-1])
    assert " ".join(f"{name}={value}" for name, value in found) == line[:-1]
    return {k: json.loads(v) if v[0] == '"' else v for k, v in found}


def logged(app: Any, environ: dict[str, Any], steps: int | None = None) -> str:
    """The line for one request; ``steps`` says how much the client read."""
    lines: list[str] = []
    logging = AccessLogMiddleware(app, partial(list.append, lines))
    body: Any = logging(environ, Started())
    if steps is None:
        b"".join(body)
    for _ in range(steps or 0):
        next(body, None)
    assert lines == []
    body.close()
    (line,) = lines
    return line


def answering(*blocks: Any, **exchange: Any) -> Any:
    """An application that fills the exchange and answers with blocks."""

    def app(environ, start_response):
        for name, value in exchange.items():
            setattr(Exchange.of(environ), name, value)
        start_response("200 OK", [])
        return Body(blocks)

    return app


def test_the_fields() -> None:
    """All that is known of a request, in one line."""
    app = answering(
        b"ab", b"c", id="i", model="m", prompt_tokens=7, completion_tokens=3
    )
    line = fields(logged(app, environ_of("POST", "/v1/x")))
    assert line.pop("ms").isdigit()
    before = datetime.fromisoformat(line.pop("time"))
    assert timedelta() <= datetime.now(UTC) - before < timedelta(minutes=1)
    assert line.pop("first_byte_ms").isdigit()
    assert line == {
        "id": "i",
        "method": "POST",
        "path": "/v1/x",
        "model": "m",
        "status": "200",
        "outcome": "done",
        "bytes": "3",
        "prompt_tokens": "7",
        "completion_tokens": "3",
    }


def test_what_is_not_known_is_not_said() -> None:
    """No model, no counts, no first byte: no fields."""
    line = fields(logged(answering(), environ_of("GET", "/")))
    assert set(line) == {
        "id", "time", "method", "path", "status", "outcome", "bytes", "ms",
    }  # fmt: skip


def test_the_clients_own_id() -> None:
    """What a client calls its request stands beside our id, harmless like the rest."""
    environ = environ_of("GET", "/") | {"HTTP_X_CLIENT_REQUEST_ID": "mine\n id=x"}
    assert fields(logged(answering(), environ))["client_id"] == "mine\n id=x"


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_client_that_left(steps: int) -> None:
    """An answer that was not read to its end is one that was left."""
    line = fields(logged(answering(b"a", b"b", b"c"), environ_of(), steps))
    assert (line["outcome"], line["bytes"]) == ("left", str(steps))


@pytest.mark.parametrize(
    ("error", "outcome", "said"),
    [
        (BadRequest("no way", code="invalid_type"), "invalid_type", None),
        (BadRequest("gone", status=404, code="unknown_url"), "unknown_url", "gone"),
        (UpstreamBroken("cut", detail="10.0.0.1: why"), "bad_upstream_response", "cut"),
    ],
)
def test_a_failure_is_named(error: Any, outcome: str, said: str | None) -> None:
    """The outcome is the code; message and detail are there for the operator.

    But for the message of a 400, which may quote from the request.
    """
    line = fields(logged(ErrorMiddleware(answering(error)), environ_of("GET", "/v1/x")))
    assert line["outcome"] == outcome
    assert line.get("error") == said
    assert line.get("detail", "") == error.detail
    assert line["status"] == str(error.status)


NASTY = [
    "a\nid=forged status=200",
    "a\r\nb",
    "\x1b[2J",
    "\x7f",
    "\x00",
    "\u2028\u2029\u0085",
    "\u202e\u2066",
    'a"b',
    'a" id="b',
    "a\\",
    '\\"',
    "a b",
    "a=b",
    "",
    "\U0001f600" * 500,
    "\n" * 500,
    "\\" * 500,
    '"' * 500,
    "x" * 5000,
]


@pytest.mark.parametrize("text", NASTY, ids=lambda text: ascii(text)[:24])
def test_g3_nobody_forges_a_line(text: str) -> None:
    """Whatever a client chooses, one request is one line, its fields where they were.

    The line stays within 2 KiB.
    """
    error = BadRequest(text or "x", status=404, detail=text)
    app = answering(b"x", id=text or "x", model=text, failure=error)
    environ = environ_of() | {"REQUEST_METHOD": text or "X", "PATH_INFO": text or "/"}
    line = logged(app, environ)
    assert len(line) <= 2048
    found = fields(line)
    assert list(found) == [
        name
        for name in (
            "id",
            "time",
            "method",
            "path",
            "model",
            "status",
            "outcome",
            "bytes",
            "ms",
            "first_byte_ms",
            "error",
            "detail",
        )
        if text or name not in ("model", "detail")
    ]
    if text:
        assert text.startswith(found["model"])
        assert found["model"]


def test_g1_no_body_is_ever_logged() -> None:
    """Neither question nor answer is in the log."""
    log: list[str] = []
    content = "a secret question"
    ollama = Ollama(b'{"message":{"content":"a secret answer"},"done":true}')
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    ask(linted(ollama, log), "POST", "/v1/chat/completions", body)
    (line,) = log
    assert "secret" not in line
    assert fields(line)["model"] == "m"


def test_a_translated_stream_in_the_log() -> None:
    """Status, bytes and counts of a stream are there when it is over."""
    log: list[str] = []
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    app = linted(Ollama(), log)
    answer = ask(app, "POST", "/v1/chat/completions", body | {"stream": True})
    line = fields(log[0])
    assert line["bytes"] == str(len(answer.body))
    assert (line["outcome"], line["prompt_tokens"], line["completion_tokens"]) == (
        "done",
        "7",
        "3",
    )
    assert line["id"] == answer.headers["x-request-id"]


def test_close_goes_inward_and_is_logged() -> None:
    """The inner answer is closed once; the line comes even if that fails."""

    class Failing(Body):
        """Cannot be closed."""

        def close(self) -> None:
            super().close()
            raise RuntimeError("close")

    inner = Failing([b"a"])
    lines: list[str] = []

    def app(environ, start_response):
        start_response("200 OK", [])
        return inner

    body: Any = AccessLogMiddleware(app, lines.append)(environ_of(), Started())
    with pytest.raises(RuntimeError):
        body.close()
    assert (inner.closed, len(lines)) == (1, 1)


@pytest.mark.parametrize("exc", [ValueError("bug"), GreenletExit(), SystemExit()])
def test_an_application_that_raises(exc: BaseException) -> None:
    """Whatever goes up, a request that came leaves its line, and goes on up."""
    lines: list[str] = []

    def app(environ, start_response):
        raise exc

    with pytest.raises(type(exc)):
        AccessLogMiddleware(app, lines.append)(environ_of("GET", "/v1/x"), Started())
    (line,) = lines
    assert (fields(line)["path"], fields(line)["outcome"]) == ("/v1/x", "cut")


@pytest.mark.parametrize("exc", [ValueError("bug"), GreenletExit(), SystemExit()])
def test_an_answer_that_raises(exc: BaseException) -> None:
    """One line, whether or not the server then closes, and the inner answer closed."""
    lines: list[str] = []
    closed: list[bool] = []

    class Failing:
        """One block, and then no more."""

        def __iter__(self) -> Iterator[bytes]:
            yield b"ab"
            raise exc

        def close(self) -> None:
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [])
        return Failing()

    body: Any = AccessLogMiddleware(app, lines.append)(environ_of(), Started())
    next(body)
    with pytest.raises(type(exc)):
        next(body)
    (line,) = lines
    assert (fields(line)["bytes"], fields(line)["outcome"]) == ("2", "cut")
    body.close()
    assert (lines, closed) == ([line], [True])


def test_an_answer_that_cannot_be_iterated() -> None:
    """What the application returned is closed, and the line is there."""
    lines: list[str] = []

    class Odd(Body):
        """Not iterable after all."""

        def __iter__(self) -> Iterator[bytes]:
            raise TypeError

    odd = Odd([])

    def app(environ, start_response):
        return odd

    with pytest.raises(TypeError):
        AccessLogMiddleware(app, lines.append)(environ_of(), Started())
    assert (odd.closed, len(lines)) == (1, 1)
