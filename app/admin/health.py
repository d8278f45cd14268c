"""Health: how Pannier is, with all that it stands on; and an Ollama elsewhere."""

import platform
import time
from collections.abc import Callable
from contextlib import closing
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import gevent
import msgspec

from ..carriers.base import Origin
from ..changeable import settings_with
from ..errors import GatewayError, UpstreamError
from ..fanout import gather
from ..metrics.board import IN_FLIGHT, PID
from ..moment import now_ms
from ..option import SettingsError
from ..probes import PROBE_SECONDS, upstream_version
from ..redaction import Redaction
from ..settings import Settings
from ..stand_in import is_simulator
from ..storage.size import size
from ..upstream import Upstream
from ..version import own_version
from ..wire import ollama
from .asked import Admin, Asked, Route
from .calls import in_ram, running, told
from .query import wrong

#: Seconds that an Ollama elsewhere has for an answer.
SECONDS = 4.0
LIBRARIES = (
    "alembic",
    "argon2-cffi",
    "flask",
    "gevent",
    "greenlet",
    "gunicorn",
    "msgspec",
    "psycopg",
    "redis",
    "requests",
    "sqlalchemy",
    "werkzeug",
)

_redacted = Redaction().redacted


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which address is meant."""

    url: str


def health(admin: Admin, asked: Asked) -> dict[str, Any]:
    """How everything is; ``None`` is what nobody knows."""
    jobs: list[Callable[[], dict[str, Any]]] = [
        partial(_ollama, admin),
        partial(_database, admin),
        partial(_limits, admin.settings),
    ]
    upstream, database, limits = gather(jobs, len(jobs))
    board = admin.installation.counts.board
    sheets = [sheet for sheet in board.sheets() if sheet.cells[PID]]
    return {
        "version": own_version(),
        "uptime_s": round(now_ms() / 1000 - board.began),
        "ollama": upstream,
        "database": database,
        "limits": limits,
        "inflight": int(sum(sheet.cells[IN_FLIGHT] for sheet in sheets)),
        "workers": len(sheets) or None,
        "python": platform.python_version(),
        "libraries": _libraries(),
    }


def look(admin: Admin, asked: Asked) -> dict[str, Any]:
    """Whether an Ollama answers at an address; nothing is changed."""
    settings = _settings(admin, asked.json(Wanted).url)
    try:
        upstream = Upstream.of(settings)
    except ValueError as error:
        raise wrong("url", f"{error}.") from None
    start, count = time.monotonic(), None
    with closing(upstream):
        found = _answer(upstream, SECONDS)
        if found["ok"]:
            left = SECONDS - (time.monotonic() - start)
            try:
                count = _models(upstream, left)
            except UpstreamError as error:
                found |= {"ok": False, "error": told(error)}
    return {"url": settings.upstream_url, **found, "models": count}


def _settings(admin: Admin, url: str) -> Settings:
    """The settings with another address; raises ``BadRequest`` where it is wrong."""
    try:
        meant = settings_with(admin.found, "upstream_url", url)
    except SettingsError as error:
        raise wrong("url", str(error)) from None
    now = admin.settings
    # Whatever is there is not shown the key of another.
    same = _origin(meant.upstream_url) == _origin(now.upstream_url)
    key = now.upstream_api_key if same else ""
    return msgspec.structs.replace(
        now, upstream_url=meant.upstream_url, upstream_api_key=key
    )


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        origin = Origin.parse(url)
    except ValueError:
        return None
    return origin.scheme, origin.host, origin.port


def _answer(upstream: Upstream, seconds: float) -> dict[str, Any]:
    """What somebody who is asked for a version says."""
    found, error = None, None
    start = time.monotonic()
    try:
        found = upstream_version(upstream, seconds)
    except UpstreamError as failure:
        error = told(failure)
    took = round((time.monotonic() - start) * 1000)
    return {
        "ok": error is None,
        "version": found,
        "is_simulator": None if found is None else is_simulator(found),
        "answered_ms": took if error is None else None,
        "error": error,
    }


def _models(upstream: Upstream, seconds: float) -> int:
    answer = upstream.control("GET", "/api/tags", timeout=max(seconds, 0.1))
    try:
        listed = msgspec.json.decode(answer, type=ollama.ListResponse)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UpstreamError("What answers there is not Ollama.") from None
    return len(listed.models or ())


def _ollama(admin: Admin) -> dict[str, Any]:
    start = time.monotonic()
    found = _answer(admin.upstream, PROBE_SECONDS)
    loaded = None
    if found["ok"]:
        left = PROBE_SECONDS - (time.monotonic() - start)
        try:
            there = running(admin.upstream, max(left, 0.1))
            loaded = [_loaded(model) for model in there.values()]
        except UpstreamError as error:
            found |= {"ok": False, "error": told(error)}
    return {"url": _redacted(admin.settings.upstream_url), **found, "loaded": loaded}


def _loaded(model: ollama.LoadedModel) -> dict[str, Any]:
    size = ollama.count(model.size) or None
    return {"name": model.called, "size": size, **in_ram(model)}


def _database(admin: Admin) -> dict[str, Any]:
    settings = admin.settings
    kind = "sqlite" if settings.state_dir else None
    kind = "postgresql" if settings.database_url else kind
    found, error = None, None
    try:
        found = admin.installation.storage.read(size)
    except GatewayError as failure:
        error = _redacted(failure.detail or failure.message)
    return {"kind": kind, "ok": error is None, "error": error, "size": found}


def _limits(settings: Settings) -> dict[str, Any]:
    """Where the limits of keys are counted."""
    if not settings.limits_url:
        return {"shared": "file" if settings.state_dir else "memory", "ok": True}
    from ..commands.health_limits import counting  # loads Redis's client

    is_fine: bool | None = None
    with gevent.Timeout(PROBE_SECONDS, False):
        is_fine = all(finding.kind != "bad" for finding in counting(settings))
    return {"shared": "redis", "ok": bool(is_fine)}


@cache
def _libraries() -> dict[str, str | None]:
    return {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


ROUTES: list[Route] = [
    Route("GET", "/health", health),
    Route("POST", "/upstream/test", look),
]
