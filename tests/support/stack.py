"""Whole applications around a stand-in for Ollama, under linters of WSGI."""

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch
from wsgiref.types import WSGIApplication

from werkzeug.middleware.lint import LintMiddleware

from app.catalog import Catalog, Control
from app.inflight import Inflight
from app.installation import Installation
from app.pages import create_app
from app.settings import Settings
from middleware.endpoints import dialect_routes, native_routes
from middleware.responses_kept import Keeper
from middleware.routes import Routes
from middleware.shared import Shared
from middleware.stack import build_stack, layers, wrap

from .ollama import FakeUpstream

Log = list[str]


def stacked(
    upstream: FakeUpstream,
    lint: Callable[[WSGIApplication], WSGIApplication] = LintMiddleware,
    installation: Installation | None = None,
    **settings: Any,
) -> WSGIApplication:
    """The real stack over a fake upstream, a linter around it; nothing is kept."""
    chosen = Settings(**{"access_log": False, "responses_ttl": 0, **settings})
    with patch("middleware.stack.Upstream.of", lambda settings: upstream):
        return lint(build_stack(chosen, installation))


def linted(
    ollama: WSGIApplication,
    log: Log | None = None,
    control: Control | None = None,
    keeper: Keeper | None = None,
    installation: Installation | None = None,
    **settings: Any,
) -> WSGIApplication:
    """All layers and endpoints over a WSGI application, a linter in every gap.

    ``control`` answers the catalogue; without it nothing is known of any model.
    ``keeper`` keeps responses; ``installation`` says what is set (``current``).
    """
    inner: Any = LintMiddleware(ollama)
    catalog = Catalog(control or FakeUpstream().control)
    pages = LintMiddleware(create_app(FakeUpstream()))  # type: ignore[arg-type]
    chosen = Settings(**settings)
    installation = installation or Installation(chosen)
    shared = Shared(inner, catalog, chosen, keeper=keeper, installation=installation)
    routes = [
        (method, path, LintMiddleware(app))
        for method, path, app in (
            *native_routes(inner, shared),
            *dialect_routes(shared),
        )
    ]
    write = partial(list.append, [] if log is None else log)
    between = layers(chosen, Inflight(write_timeout=30), write, installation)
    return wrap(
        LintMiddleware(Routes(pages, routes)),
        [one for layer in between for one in (LintMiddleware, layer)],
    )
