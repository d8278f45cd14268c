import json
from typing import Any

import pytest
from support.ollama import Answer, ask

from middleware.errors import ErrorMiddleware
from middleware.routes import Routes
from middleware.stack import wrap


def saying(name: str) -> Any:
    """An application that says its name."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name.encode()]

    return app


ROUTES = Routes(
    saying("default"),
    [
        ("GET", "/", saying("front")),
        ("POST", "/a", saying("a")),
        ("GET", "/a", saying("get-a")),
        ("GET", "/a/", saying("below-a")),
        ("*", "/all/", saying("all")),
        ("*", "/each/*", saying("each")),
    ],
)


def asked(method: str, path: str) -> Answer:
    """The answer of the table."""
    return ask(ErrorMiddleware(ROUTES), method, path)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/", "front"),
        ("POST", "/a", "a"),
        ("GET", "/a", "get-a"),
        ("GET", "/a/b", "below-a"),
        ("GET", "/a/b/c", "below-a"),
        ("GET", "/a//b", "below-a"),
        ("GET", "/a/", "default"),
        ("GET", "/ab", "default"),
        ("GET", "/A", "default"),
        ("GET", "/b", "default"),
        ("DELETE", "/all/x", "all"),
        ("OPTIONS", "/all/x", "all"),
        ("GET", "/all", "default"),
        ("GET", "/all/", "default"),
        ("GET", "/each", "default"),
        ("GET", "/each/", "each"),
        ("PUT", "/each/x/", "each"),
        ("GET", "/each/*", "each"),
        ("POST", "/b", "default"),
    ],
)
def test_where_a_request_goes(method: str, path: str, name: str) -> None:
    """Exact paths first, then what is below one, else the default.

    A prefix alone is below itself only where the table says so.
    """
    assert asked(method, path).body.decode() == name


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/a", "GET, POST"),
        ("POST", "/a/b", "GET"),
        ("HEAD", "/a/b", "GET"),
        ("get", "/a", "GET, POST"),
        ("PROPFIND", "/a", "GET, POST"),
    ],
)
def test_another_method(method: str, path: str, allowed: str) -> None:
    """A path that is there is a 405 that says which methods it has."""
    answer = asked(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    if method != "HEAD":
        error = json.loads(answer.body)["error"]
        assert error["code"] == "method_not_allowed"
        assert path in error["message"]


def test_a_long_path_makes_a_small_error() -> None:
    """The message repeats the path, but not without end."""
    assert len(asked("POST", "/a/" + "%01" * 4000).body) <= 8 * 1024
    assert len(asked("X" * 4000, "/a").body) <= 8 * 1024


def test_layers_are_outermost_first() -> None:
    """The first layer of the list sees a request first."""
    seen: list[str] = []

    def layer(name: str) -> Any:
        def make(app: Any) -> Any:
            def outer(environ, start_response):
                seen.append(name)
                return app(environ, start_response)

            return outer

        return make

    ask(wrap(saying("x"), [layer("a"), layer("b"), layer("c")]), "GET", "/")
    assert seen == ["a", "b", "c"]
