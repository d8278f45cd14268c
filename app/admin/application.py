"""The Flask application of the administration: routes, sessions, errors.

Everything else in this package knows nothing of Flask, and but for ``guard`` nothing
of WSGI.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ..administration import Refused
from ..errors import BadRequest, GatewayError, UpstreamError
from ..logs import Faults
from ..proxies import Proxies
from ..redaction import Redaction
from ..storage.audit import Actor
from . import guard, me, query
from .asked import Admin, Asked, Route, Sent
from .me import Visit
from .routes import ROUTES
from .sessions import Cookie, Visitor
from .signing_in import Caller, SigningIn

PREFIX = "/admin/api/v1"
#: What brings a whole installation may be larger.
_LARGE = {"import", "migrate"}

log = logging.getLogger("pannier")
_redacted = Redaction().redacted


def create_app(
    admin: Admin,
    routes: Iterable[Route] = ROUTES,
    signing_in: SigningIn | None = None,
) -> WSGIApplication:
    """The application; its errors are raised."""
    settings = admin.settings
    signing_in = signing_in or SigningIn(admin.installation.storage, settings)
    reception = Reception(admin, signing_in)
    app = Flask("pannier.admin", static_folder=None, template_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.register_error_handler(HTTPException, _refuse)
    app.url_map.merge_slashes = False

    def add(method: str, path: str, view: Callable[..., Response]) -> None:
        rule = f"{PREFIX}/{path.lstrip('/')}"
        app.add_url_rule(
            rule,
            f"{method} {path}",
            view,
            methods=[method],
            provide_automatic_options=False,
        )

    for method, path, own, is_open, is_first in me.ROUTES:
        add(method, path, partial(reception.own, path, own, is_open, is_first))
    for route in routes:
        add(route.method, route.path, partial(reception.handle, route))
    return partial(_guarded, app, Faults())


class Reception:
    """Lets in who is signed in, and hands their requests to handlers."""

    def __init__(self, admin: Admin, signing_in: SigningIn) -> None:
        self._admin = admin
        self._signing_in = signing_in
        self._address = Proxies(admin.settings.trusted_proxies).client

    def handle(self, route: Route, /, **parts: str) -> Response:
        """The answer to somebody who may do everything."""
        visitor = self._visitor()
        _refuse_beginner(visitor)
        asked = self._asked(route.path, parts, visitor, route.query)
        try:
            return _response(route.handler(self._admin, asked))
        except UpstreamError as error:
            # Who runs it may know what a client is not told (reliability, W8).
            if error.detail:
                error.message += f" ({_redacted(error.detail)})"
            raise

    def own(
        self,
        path: str,
        handler: me.Handler,
        is_open: bool,
        is_first: bool,
        /,
        **parts: str,
    ) -> Response:
        """The answer to somebody who may sign in, or change the password."""
        if is_open:
            guard.check_origin(request.environ)
        visitor = None if is_open else self._visitor()
        if visitor is not None and not is_first:
            _refuse_beginner(visitor)
        asked = self._asked(path, parts, visitor)
        caller = Caller(asked.address, request.environ.get("HTTP_USER_AGENT", ""))
        visit = Visit(asked, visitor, caller, _cookie())
        return _response(handler(self._signing_in, visit))

    def _visitor(self) -> Visitor:
        """Who asks; raises ``BadRequest``, 401 or 403."""
        guard.check_origin(request.environ)
        token = request.cookies.get(_cookie().name, "")
        visitor = self._signing_in.visitor(token)
        if visitor is None:
            raise BadRequest(
                "Nobody is signed in here, or not any more.",
                status=401,
                code="not_signed_in",
            )
        guard.check_token(request.environ, visitor)
        return visitor

    def _asked(
        self,
        path: str,
        parts: dict[str, str],
        visitor: Visitor | None,
        known: tuple[str, ...] = (),
    ) -> Asked:
        given = {name: found[-1] for name, found in request.args.lists()}
        query.check(given, known)
        limit = guard.LARGE if path.strip("/") in _LARGE else guard.LIMIT
        seconds = self._admin.settings.body_timeout
        address = self._address(request.environ)
        who = "" if visitor is None else visitor.account.username
        return Asked(
            path=parts,
            query=given,
            body=guard.body_of(request.environ, limit, seconds),
            if_match=request.environ.get("HTTP_IF_MATCH", ""),
            actor=Actor.at(who, address),
            address=address,
        )


def _cookie() -> Cookie:
    return Cookie(guard.is_secure(request.environ))


def _refuse_beginner(visitor: Visitor) -> None:
    if visitor.account.must_change:
        raise BadRequest(
            "The password has to be changed first (POST me/password).",
            status=403,
            code="password_change_required",
        )


def _response(result: Any) -> Response:
    if result is None:
        return Response(status=204)
    sent = result if isinstance(result, Sent) else Sent(value=result)
    if sent.status in (204, 304):
        return Response(status=sent.status, headers=list(sent.headers))
    body: Any = sent.body
    if body is None:
        body = msgspec.json.encode(sent.value)
    headers = [("Content-Type", sent.type), *sent.headers]
    return Response(body, sent.status, headers)


def _guarded(
    app: WSGIApplication,
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
    raise GatewayError(error.description or error.name, status=status)
