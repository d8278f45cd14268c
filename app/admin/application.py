"""The Flask application of the administration: routes, and what is said of errors.

Flask is known here, in ``reception`` and in ``pages.show``; all else in this package
knows nothing of it, and but for ``guard`` and ``playground`` nothing of WSGI.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ..administration import Refused
from ..errors import BadRequest, GatewayError
from ..logs import Faults
from . import me
from .asked import Admin, Route
from .pages.routes import PAGES
from .pages.show import Show, wants_page
from .reception import Reception
from .routes import ROUTES
from .signing_in import SigningIn

PREFIX = "/admin/api/v1"

log = logging.getLogger("pannier")


def create_app(
    admin: Admin,
    routes: Iterable[Route] = ROUTES,
    signing_in: SigningIn | None = None,
) -> WSGIApplication:
    """The application; its errors are raised, but for those that a page tells."""
    settings = admin.settings
    signing_in = signing_in or SigningIn(admin.installation.storage, settings)
    reception = Reception(admin, signing_in)
    app = Flask("pannier.admin", static_folder=None, template_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.register_error_handler(HTTPException, _refuse)
    app.url_map.merge_slashes = False

    def add(method: str, rule: str, view: Callable[..., Response]) -> None:
        app.add_url_rule(
            rule,
            f"{method} {rule}",
            view,
            methods=[method],
            provide_automatic_options=False,
        )

    for method, path, own, is_open, is_first in me.ROUTES:
        view = partial(reception.own, path, own, is_open, is_first)
        add(method, f"{PREFIX}{path}", view)
    for route in routes:
        view = partial(reception.handle, route)
        add(route.method, f"{PREFIX}/{route.path.lstrip('/')}", view)
    show = Show(app, admin, reception)
    for page in PAGES:
        add("GET", f"/admin{page.path}", partial(show.page, page))
    for path, open_view in show.open.items():
        add("GET", f"/admin{path}", open_view)
    return partial(_guarded, app, show, Faults())


def _guarded(
    app: WSGIApplication,
    show: Show,
    faults: Faults,
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    """What the application answers; whatever it raises is a ``GatewayError``."""
    try:
        return app(environ, start_response)
    except Refused as refused:
        error: GatewayError = _said(refused)
    except GatewayError as known:
        error = known
    except Exception as fault:
        faults.tell(log, "the administration failed", fault)
        error = GatewayError("internal error")
    if wants_page(environ):
        return show.error(error)(environ, start_response)
    raise error


def _said(refused: Refused) -> BadRequest:
    status, code = (404, "not_found") if refused.unknown else (422, "invalid_value")
    return BadRequest(
        str(refused), status=status, code=code, param=refused.param or None
    )


def _refuse(error: HTTPException) -> Any:
    """What is wrong with a path, as an error of ours."""
    status = error.code or 500
    if status == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        raise BadRequest(
            f"Not allowed to {request.method} on {request.path}.",
            status=405,
            code="method_not_allowed",
            headers=[("Allow", allowed)],
        )
    if status == 404:
        raise BadRequest(
            f"Unknown request URL: {request.method} {request.path}.",
            status=404,
            code="unknown_url",
        )
    kind = BadRequest if status < 500 else GatewayError
    raise kind(error.description or error.name, status=status)
