import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.ollama import Answer, Body, Started, ask, environ_of

from app.errors import BadRequest, GatewayError, UpstreamBroken, UpstreamTimeout
from app.exchange import Exchange
from app.inflight import Inflight
from middleware.errors import ErrorMiddleware


def raising(exc: Exception, *blocks: bytes, path: str = "/v1/x", **more: Any) -> Answer:
    """The answer where an application fails after some blocks."""

    def app(environ, start_response):
        exchange = Exchange.of(environ)
        exchange.render_failure = more.get("render")
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return Body([*blocks, exc])

    return ask(ErrorMiddleware(app), "GET", path)


def test_a_good_answer_passes() -> None:
    """Status, headers and body are the application's."""

    def app(environ, start_response):
        start_response("201 Created", [("X-A", "b")])
        return Body([b"a", b"", b"b"])

    answer = ask(ErrorMiddleware(app), "GET", "/")
    assert (answer.status, answer.headers["X-A"], answer.body) == (201, "b", b"ab")


def test_a_list_is_complete() -> None:
    """A plain list needs no guard, and starts at once."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"a"]

    start = Started()
    assert ErrorMiddleware(app)(environ_of(), start) == [b"a"]
    assert start.status == 200


def test_the_head_waits_for_the_first_byte() -> None:
    """start_response is held back until there is something to send."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return Body([b"", b"", b"a"])

    start = Started()
    body = iter(ErrorMiddleware(app)(environ_of(), start))
    assert start.calls == []
    assert [next(body), next(body)] == [b"", b""]
    assert start.calls == []
    assert next(body) == b"a"
    assert start.status == 200


def test_an_empty_answer_has_its_head() -> None:
    """Without a byte the head goes out at the end."""

    def app(environ, start_response):
        start_response("204 No Content", [])
        return Body([])

    assert ask(ErrorMiddleware(app), "GET", "/").status == 204


def test_an_app_may_start_in_its_first_step() -> None:
    """PEP 3333 lets an iterable start when it is first asked."""

    def app(environ, start_response):
        def steps() -> Iterator[bytes]:
            start_response("202 Accepted", [])
            yield b"x"

        return steps()

    assert ask(ErrorMiddleware(app), "GET", "/").status == 202


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (BadRequest("no"), 400, "invalid_value"),
        (UpstreamTimeout("late"), 504, "upstream_timeout"),
        (UpstreamBroken("bad"), 502, "bad_upstream_response"),
        (GatewayError("odd", status=499, code="x"), 499, "x"),
        (GatewayError("odd", status=599, code="x"), 599, "x"),
    ],
)
def test_a_failure_before_the_first_byte(exc: Any, status: int, code: str) -> None:
    """It has its true status, also where a stream was about to begin."""
    for answer in (raising(exc), raising(exc, b"", b"")):
        assert (answer.status, answer.error["code"]) == (status, code)
        assert answer.headers["Content-Length"] == str(len(answer.body))

    def app(environ, start_response):
        raise exc

    assert ask(ErrorMiddleware(app), "GET", "/v1/x").status == status


def test_headers_of_an_error() -> None:
    """Its own headers go out; those of the answer that was to be do not."""
    error = BadRequest("no", headers=[("Retry-After", "5")])
    headers = raising(error).headers
    assert headers["Retry-After"] == "5"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/api/chat", "/api/x", "/"])
def test_native_paths_speak_native(path: str) -> None:
    """Ollama's clients get Ollama's envelope."""
    answer = raising(BadRequest("no"), path=path)
    assert (answer.status, answer.json) == (400, {"error": "no"})


def test_a_failure_after_the_first_byte() -> None:
    """A stream says it in its own way, and ends."""
    render = lambda error: f"<{error.message}>".encode()  # noqa: E731
    answer = raising(UpstreamBroken("cut"), b"a", b"b", render=render)
    assert (answer.status, answer.body) == (200, b"ab<cut>")


def test_what_cannot_be_said_is_cut() -> None:
    """Without a way to say it the connection breaks, visibly."""
    with pytest.raises(ConnectionResetError):
        raising(UpstreamBroken("cut"), b"a")


def test_nothing_follows_a_failure() -> None:
    """The application is not asked again."""

    def app(environ, start_response):
        Exchange.of(environ).render_failure = lambda error: b"failed"
        start_response("200 OK", [])
        return Body([b"a", UpstreamBroken("cut"), b"never"])

    assert ask(ErrorMiddleware(app), "GET", "/").body == b"afailed"


@pytest.mark.parametrize(
    ("complete", "rest"), [(False, [b"<over>"]), (True, [])], ids=["under way", "whole"]
)
def test_l1_nothing_follows_the_end(complete: bool, rest: list[bytes]) -> None:
    """A worker that stops meanwhile tells an answer under way, and no whole one."""
    environ = environ_of()
    exchange = Exchange.of(environ)
    exchange.watch = watch = Inflight(60).begin(None)
    exchange.render_failure = lambda error: f"<{error.message}>".encode()

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"data: [DONE]\n\n"

    items = iter(ErrorMiddleware(app)(environ, Started()))
    assert next(items) == b"data: [DONE]\n\n"
    exchange.complete = complete
    watch.ending = GatewayError("over")
    assert list(items) == rest
    watch.end()


class Secret(Exception):
    """An exception with something to hide."""


@pytest.mark.parametrize(
    "exc",
    [
        Secret("token at /home/me http://10.0.0.1:11434"),
        KeyError("/etc/passwd"),
        RecursionError("deep"),
        ZeroDivisionError(),
        OSError(5, "failed", "/var/lib/x"),
    ],
    ids=lambda exc: type(exc).__name__,
)
@pytest.mark.parametrize("path", ["/v1/x", "/api/x"])
def test_e1_a_bug_says_nothing(
    exc: Exception, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours is a 500 with the request's id and not a word more."""
    answer = raising(exc, path=path)
    assert answer.status == 500
    error = answer.json["error"]
    message = error if path.startswith("/api/") else error["message"]
    (record,) = caplog.records
    found = re.fullmatch(r"internal error \(request (req_\w+)\)", message)
    assert found
    assert record.getMessage() == f"request {found[1]} failed"
    assert record.exc_info
    assert record.exc_info[1] is exc


def test_the_exchange_knows_the_failure() -> None:
    """The log outside learns what went wrong."""
    exchanges: list[Exchange] = []
    error = BadRequest("no")

    def app(environ, start_response):
        exchanges.append(Exchange.of(environ))
        raise error

    ask(ErrorMiddleware(app), "GET", "/v1/x")
    assert exchanges[0].failure is error


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_close_goes_inward_once(steps: int) -> None:
    """What the application returned is closed once, read or not."""
    inner = Body([b"a", b"b"])

    def app(environ, start_response):
        start_response("200 OK", [])
        return inner

    body: Any = ErrorMiddleware(app)(environ_of(), Started())
    for _ in range(steps):
        next(body, None)
    body.close()
    assert inner.closed == 1


def test_close_after_a_failure() -> None:
    """What failed is closed as well."""
    inner = Body([BadRequest("no")])

    def app(environ, start_response):
        start_response("200 OK", [])
        return inner

    ask(ErrorMiddleware(app), "GET", "/v1/x")
    assert inner.closed == 1


def test_others_pass() -> None:
    """What ends a greenlet is nobody's error."""

    class Exit(BaseException):
        """Like GreenletExit."""

    def app(environ, start_response):
        raise Exit

    with pytest.raises(Exit):
        ErrorMiddleware(app)(environ_of(), Started())


@pytest.mark.parametrize("text", ["\x01" * 5000, "x" * 100_000, "\U0001f600" * 5000])
@pytest.mark.parametrize("path", ["/v1/x", "/api/x"])
def test_e2_an_error_is_small(text: str, path: str) -> None:
    """At most 8 KiB, whatever is in it."""
    answer = raising(BadRequest(text, param=text), path=path)
    assert len(answer.body) <= 8 * 1024
    assert answer.json


class Choosy(Started):
    """A server's ``start_response``, which refuses a line break in a header's name.

    Like gunicorn's, it takes a second head only together with an exception.
    """

    def __call__(self, status, headers, exc_info=None):
        """Take a head or refuse it."""
        assert exc_info or not self.calls
        super().__call__(status, headers)
        if any("\n" in name for name, _ in headers):
            raise ValueError("Invalid header")


@pytest.mark.parametrize("body", [[b"a"], Body([b"a"]), Body([b"", b"a"]), Body([])])
def test_a_head_that_the_server_refuses(body: Any) -> None:
    """It becomes a 500: nothing of it has left."""

    def app(environ, start_response):
        start_response("200 OK", [("X\nA", "b")])
        return body

    start = Choosy()
    said = b"".join(ErrorMiddleware(app)(environ_of(path="/v1/x"), start))
    assert [status[:3] for status, _ in start.calls] == ["200", "500"]
    assert json.loads(said)["error"]["code"] == "internal_error"


@pytest.mark.parametrize("body", [[b"a"], Body([b"a"]), Body([b"", b"a"]), Body([])])
@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\x00", "\x7f", "\u2028"])
def test_a_header_that_no_server_sends(body: Any, value: str) -> None:
    """It never gets to the server, which would mix its head with that of the error."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "a/b"), ("X-A", value)])
        return body

    start = Started()
    said = b"".join(ErrorMiddleware(app)(environ_of(path="/v1/x"), start))
    assert start.status == 500
    assert start.headers["content-type"] == "application/json"
    assert json.loads(said)["error"]["code"] == "internal_error"


def test_a_late_head_is_its_exception() -> None:
    """After the first byte start_response raises what it was called with."""
    failure = KeyError("late")

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"a"
        try:
            raise failure
        except KeyError:
            with pytest.raises(KeyError) as caught:
                start_response("500 Oops", [], sys.exc_info())
            assert caught.value is failure
            yield b"b"

    start = Started()
    assert list(ErrorMiddleware(app)(environ_of(), start)) == [b"a", b"b"]
    assert start.status == 200


def test_another_head_in_time() -> None:
    """Before the first byte the later head is the one."""

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            raise KeyError
        except KeyError:
            start_response("503 Oops", [], sys.exc_info())
        return Body([b"a"])

    start = Started()
    assert list(ErrorMiddleware(app)(environ_of(), start)) == [b"a"]
    assert start.status == 503


@pytest.mark.parametrize("early", [True, False])
def test_an_error_for_head(early: bool) -> None:
    """It has the head of its GET, length included, and no body."""

    def app(environ, start_response):
        if early:
            raise BadRequest("no", status=404)
        return Body([BadRequest("no", status=404)])

    heads = {}
    for method in ("GET", "HEAD"):
        start = Started()
        body = b"".join(ErrorMiddleware(app)(environ_of(method, "/v1/x"), start))
        heads[method] = start.calls
        assert bool(body) == (method == "GET")
    assert heads["HEAD"] == heads["GET"]
    assert start.headers["content-length"] > "0"
