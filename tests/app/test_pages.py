from typing import Any

import pytest
from support.ollama import Answer, FakeUpstream, ask
from werkzeug.middleware.lint import LintMiddleware

from app.errors import GatewayError, UpstreamUnreachable
from app.pages import create_app
from app.simulator.window import VERSION
from middleware.errors import ErrorMiddleware

DOWN = UpstreamUnreachable("Ollama cannot be reached", detail="10.0.0.1:11434")


def asked(
    path: str, method: str = "GET", ollama: bytes | GatewayError | None = None
) -> Answer:
    """The answer of a page; ``ollama`` is what the probe gets."""
    upstream = FakeUpstream()
    if ollama is not None:
        upstream.control_answer = ollama
    app: Any = LintMiddleware(create_app(upstream))  # type: ignore[arg-type]
    return ask(LintMiddleware(ErrorMiddleware(app)), method, path)


def test_home() -> None:
    """A browser is greeted, with and without Ollama."""
    for ollama in (None, DOWN):
        answer = asked("/", ollama=ollama)
        assert answer.headers["Content-Type"].startswith("text/html")
        assert b"Pannier" in answer.body
        assert b'href="admin/"' in answer.body  # below whatever path this page is
        assert b"10.0.0.1" not in answer.body


def test_home_before_the_simulator() -> None:
    """Nobody takes the simulator's answers for those of a model."""
    for version, made_up in ((VERSION, True), ("0.32.15", False)):
        body = asked("/", ollama=b'{"version":"%s"}' % version.encode()).body
        assert (b"made up" in body, b"Ollama 0.32.15 answers" in body) == (
            made_up,
            not made_up,
        )


def test_a_hostile_version_is_text() -> None:
    """What Ollama calls its version is no markup."""
    answer = asked("/", ollama=b'{"version":"<script>alert(1)</script>"}')
    assert b"<script>alert" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/v1/foo",
        "/nothing",
        "/v1",
        "/v1/",
        "/health/",
        "/static/../x",
        "/static/nothing",
        "/static/%2e%2e/x",
        "/v1/%3Cb%3E",
        "/%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_unknown_urls(method: str, path: str) -> None:
    """Whatever is not there is a 404 in OpenAI's words."""
    answer = asked(path, method)
    assert answer.error["code"] in ("unknown_url", "method_not_allowed")
    assert answer.status in (404, 405)
    if answer.status == 404:
        assert answer.error["message"].startswith(f"Unknown request URL: {method} /")


@pytest.mark.parametrize("path", ["/" + "x" * 4000, "/" + "%01" * 1300, "/%FF%FE"])
def test_errors_are_small(path: str) -> None:
    """However long the path, the answer is not."""
    answer = asked(path)
    assert answer.status == 404
    assert len(answer.body) <= 8 * 1024
