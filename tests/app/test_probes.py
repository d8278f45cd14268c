from typing import Any

import pytest
from support.gateway import Known, key, snapshot
from support.ollama import Answer, FakeUpstream, ask
from werkzeug.middleware.lint import LintMiddleware

from app.errors import (
    GatewayError,
    StorageUnavailable,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.gateway.current import Current
from app.gateway.snapshot import NOTHING, Snapshot
from app.installation import Installation
from app.settings import Settings
from app.version import own_version
from middleware.errors import ErrorMiddleware
from middleware.routes import Routes
from middleware.stack import probe_routes

DOWN = UpstreamUnreachable("Ollama cannot be reached", detail="10.0.0.1:11434")


def nowhere(environ: Any, start_response: Any) -> Any:
    """What no probe answers comes here."""
    raise AssertionError(environ["PATH_INFO"])


def probed(upstream: Any, current: Current) -> Routes:
    """The probes, and nothing else."""
    installation = Installation(Settings())
    installation.current = current
    return Routes(nowhere, probe_routes(upstream, installation, Settings()))


def asked(
    path: str,
    method: str = "GET",
    ollama: bytes | GatewayError | None = None,
    current: Current | None = None,
) -> Answer:
    """The answer of a probe; ``ollama`` is what it gets, ``current`` what is set."""
    upstream: Any = FakeUpstream()
    if ollama is not None:
        upstream.control_answer = ollama
    app: Any = LintMiddleware(probed(upstream, current or Current()))
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
        {
            "status": "ready",
            "upstream": "ok",
            "ollama": "0.32.6",
            "database": "none",
        },
    )


class Silent:
    """A database that is not asked."""

    def version(self) -> int:
        """Nobody wants to know."""
        raise AssertionError("asked")

    snapshot: Any = version


@pytest.mark.parametrize("ollama", [None, DOWN])
@pytest.mark.parametrize(
    ("now", "broken", "database"),
    [
        (snapshot(key()), False, "up"),
        (snapshot(key()), True, "down"),
        (NOTHING, False, "none"),
        (NOTHING, True, "down"),
    ],
)
def test_ready_tells_of_the_database(
    now: Snapshot, broken: bool, database: str, ollama: GatewayError | None
) -> None:
    """It says how the database was, asks it nothing, and goes by Ollama alone."""
    source = Known(now)
    current = Current(source)
    current.renew()
    if broken:
        source.broken = StorageUnavailable("locked")
        current.renew()
    current._source = Silent()
    answer = asked("/ready", ollama=ollama, current=current)
    assert answer.json["database"] == database
    assert answer.status == (503 if ollama else 200)


def test_ready_waits_for_no_database() -> None:
    """Where it was never looked at yet, that is no reason to wait."""
    assert asked("/ready", current=Current(Silent())).json["database"] == "unknown"


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


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/health", "/ready", "/version"])
def test_other_methods(method: str, path: str) -> None:
    """A probe that is only looked at says so."""
    answer = asked(path, method)
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/health", "/ready", "/version"])
def test_head(path: str) -> None:
    """HEAD is GET without its body."""
    answer = ask(probed(FakeUpstream(), Current()), "HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(asked(path).body))
