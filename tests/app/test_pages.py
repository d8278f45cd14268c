from typing import Any

import pytest
from support.ollama import Answer, FakeUpstream, ask
from werkzeug.middleware.lint import LintMiddleware

from app.errors import GatewayError, UpstreamTimeout, UpstreamUnreachable
from app.pages import create_app, own_version
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


@pytest.mark.parametrize("path", ["/health", "/healthz"])
def test_health(path: str) -> None:
    """The process lives, whatever Ollama does."""
    for ollama in (None, DOWN):
        answer = asked(path, ollama=ollama)
        assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/ready", "/readyz"])
def test_ready(path: str) -> None:
    """Ready means that Ollama answers, and with which version."""
    answer = asked(path)
    assert (answer.status, answer.json) == (
        200,
        {"status": "ready", "upstream": "ok", "ollama": "0.32.6"},
    )


@pytest.mark.parametrize(
    ("ollama", "code"),
    [
        (DOWN, "upstream_unreachable"),
        (UpstreamTimeout("late"), "upstream_timeout"),
        (b"<html>", "upstream_error"),
        (b"{}", "upstream_error"),
        (b'{"version":5}', "upstream_error"),
        (b'{"version":"\xff"}', "upstream_error"),
        (b"", "upstream_error"),
    ],
    ids=range(7),
)
def test_not_ready(ollama: Any, code: str) -> None:
    """Without Ollama it is a 503 that says why, and no address."""
    answer = asked("/ready", ollama=ollama)
    assert (answer.status, answer.json["upstream"]) == (503, code)
    assert b"10.0.0.1" not in answer.body


def test_versions() -> None:
    """Both versions, Ollama's null while it is away."""
    assert asked("/version").json == {"version": own_version(), "ollama": "0.32.6"}
    assert asked("/version", ollama=DOWN).json["ollama"] is None


def test_home() -> None:
    """A browser is greeted, with and without Ollama."""
    for ollama in (None, DOWN):
        answer = asked("/", ollama=ollama)
        assert answer.headers["Content-Type"].startswith("text/html")
        assert b"Pannier" in answer.body
        assert b"10.0.0.1" not in answer.body


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


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/health", "/ready", "/version"])
def test_other_methods(method: str, path: str) -> None:
    """A page that is only looked at says so."""
    answer = asked(path, method)
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/" + "x" * 4000, "/" + "%01" * 1300, "/%FF%FE"])
def test_errors_are_small(path: str) -> None:
    """However long the path, the answer is not."""
    answer = asked(path)
    assert answer.status == 404
    assert len(answer.body) <= 8 * 1024


def test_head() -> None:
    """HEAD is GET without its body."""
    app = create_app(FakeUpstream())  # type: ignore[arg-type]
    answer = ask(ErrorMiddleware(app), "HEAD", "/health")
    assert (answer.status, answer.body) == (200, b"")
