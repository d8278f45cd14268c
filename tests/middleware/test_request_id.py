import re

import pytest
from support.ollama import Answer, ask

from app.exchange import Exchange
from middleware.request_id import RequestIdMiddleware


def asked(**headers: str) -> tuple[Answer, str]:
    """The answer, and the id that the application saw."""
    seen: list[str] = []

    def app(environ, start_response):
        seen.append(Exchange.of(environ).id)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x"]

    return ask(RequestIdMiddleware(app), "GET", "/", **headers), seen[0]


@pytest.mark.parametrize("given", ["a", "A-Z_0.9", "x" * 64, "."])
def test_a_harmless_id_is_kept(given: str) -> None:
    """The caller's id goes in and out, under both names."""
    answer, seen = asked(X_Request_Id=given)
    assert seen == given
    assert answer.headers.getlist("x-request-id") == [given]
    assert answer.headers.getlist("request-id") == [given]


@pytest.mark.parametrize(
    "given", ["", "x" * 65, "a b", "a,b", "a\u00e9", "a;b", "a/b", "<x>", "a\t", '"a"']
)
def test_any_other_is_replaced(given: str) -> None:
    """What could do harm is not repeated."""
    answer, seen = asked(X_Request_Id=given)
    assert re.fullmatch(r"req_[0-9a-f]{24}", seen)
    assert answer.headers["x-request-id"] == seen


def test_a_forged_line_is_replaced() -> None:
    """Not even a server that lets a line break pass makes one of ours."""
    environ = {"REQUEST_METHOD": "GET", "HTTP_X_REQUEST_ID": "a\nSet-Cookie: b"}
    headers: list[tuple[str, str]] = []

    def app(environ, start_response):
        start_response("200 OK", [])
        return []

    RequestIdMiddleware(app)(
        environ, lambda status, sent, exc=None: headers.extend(sent)
    )
    assert all("\n" not in value for _, value in headers)


def test_ids_differ() -> None:
    """Every request has an id of its own."""
    assert len({asked()[1] for _ in range(100)}) == 100


def test_headers_of_the_application_stay() -> None:
    """The id is added, nothing is taken away, and no list is shared."""
    own: list[tuple[str, str]] = [("X-A", "b")]

    def app(environ, start_response):
        start_response("200 OK", own)
        return [b"x"]

    for _ in range(2):
        assert ask(RequestIdMiddleware(app), "GET", "/").headers["X-A"] == "b"
    assert own == [("X-A", "b")]


def test_nothing_is_sniffed() -> None:
    """A browser takes no answer for anything but what it says it is."""
    assert asked()[0].headers.getlist("X-Content-Type-Options") == ["nosniff"]
