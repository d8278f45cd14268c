from typing import Any

import pytest
from support.ollama import Started, environ_of
from werkzeug.middleware.lint import LintMiddleware

from app.doors import Doors
from app.errors import BadRequest
from middleware.cors import CorsMiddleware
from middleware.doors import PROBES, DoorsMiddleware

LOCAL = "http://localhost:3000"


def answering(headers: list[tuple[str, str]]) -> Any:
    """An application that always gives the same list of headers."""

    def app(environ, start_response):
        start_response("200 OK", headers)
        return [b"x"]

    return app


def test_no_list_is_shared() -> None:
    """The application's own list stays as it is, and each answer has its own."""
    own = [("Content-Type", "text/plain"), ("Content-Length", "1")]
    app = CorsMiddleware(answering(own), Doors())
    seen = []
    for _ in range(2):
        started = Started()
        app(environ_of("GET", "/", HTTP_ORIGIN=LOCAL), started)
        seen.append(started.calls[0][1])
    assert len(own) == 2
    assert seen[0] == seen[1]
    assert seen[0] is not seen[1]


def test_a_reason_for_a_second_head_passes() -> None:
    """What an error edge says of a head that failed reaches the server (PEP 3333)."""
    reason = (ValueError, ValueError("x"), None)
    given: list[Any] = []

    def app(environ, start_response):
        start_response("500 Oh", [], reason)
        return []

    def start(status, headers, exc_info=None):
        given.append(exc_info)

    CorsMiddleware(app, Doors())(environ_of("GET", "/", HTTP_ORIGIN=LOCAL), start)
    assert given == [reason]


@pytest.mark.parametrize("origin", [None, "", "http://evil.example"])
def test_others_pass_untouched(origin: str | None) -> None:
    """Without an admitted origin the very same start_response goes on."""
    seen: list[Any] = []

    def app(environ, start_response):
        seen.append(start_response)
        return []

    environ = environ_of("GET", "/")
    if origin is not None:
        environ["HTTP_ORIGIN"] = origin
    start = Started()
    CorsMiddleware(app, Doors())(environ, start)
    assert seen == [start]


def test_options_never_go_on() -> None:
    """OPTIONS is answered at the door, by a head that says nothing of a body."""
    started = Started()
    app = DoorsMiddleware(answering([]), Doors())
    assert list(app(environ_of("OPTIONS", "/x"), started)) == []
    assert (started.status, started.headers) == (204, {})


@pytest.mark.parametrize("path", [*sorted(PROBES), "/health/", "/x", ""])
def test_only_probes_come_by_any_name(path: str) -> None:
    """Exactly the four paths for probes do."""
    environ = environ_of("GET", "/", HTTP_HOST="evil.example", PATH_INFO=path)
    own = [("Content-Type", "text/plain"), ("Content-Length", "1")]
    app = DoorsMiddleware(LintMiddleware(answering(own)), Doors())
    if path in PROBES:
        assert b"".join(app(environ, Started())) == b"x"
        return
    with pytest.raises(BadRequest) as caught:
        app(environ, Started())
    assert (caught.value.status, caught.value.code) == (403, "host_not_allowed")
    assert "PANNIER_ALLOWED_HOSTS" in caught.value.message


def test_refusals_repeat_little() -> None:
    """However long a name, the message is short."""
    app = DoorsMiddleware(answering([]), Doors())
    for name in ("HTTP_HOST", "HTTP_ORIGIN"):
        with pytest.raises(BadRequest) as caught:
            app(environ_of("GET", "/") | {name: "x" * 8000}, Started())
        assert len(caught.value.message) < 250
