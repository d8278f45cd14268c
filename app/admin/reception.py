"""Reception: lets in who is signed in, and hands their requests to handlers."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
from flask import Response, request

from ..errors import BadRequest, UpstreamError
from ..exchange import Exchange
from ..proxies import Proxies
from ..redaction import Redaction
from ..storage.audit import Actor
from . import guard, me, query
from .asked import Admin, Asked, Route, Sent
from .me import Visit
from .sessions import Cookie, Visitor
from .signing_in import Caller, SigningIn

#: What brings a whole installation, or images, may be larger.
_LARGE = {"import", "migrate", "playground"}

_redacted = Redaction().redacted


class Reception:
    """Whoever asks has to be signed in, but for what is open."""

    def __init__(self, admin: Admin, signing_in: SigningIn) -> None:
        self._admin = admin
        self._signing_in = signing_in
        self._address = Proxies(admin.settings.trusted_proxies).client

    def handle(self, route: Route, /, **parts: str) -> Response:
        """The answer to somebody who may do everything."""
        visitor = self.visitor()
        _refuse_beginner(visitor)
        asked = self.asked(route.path, parts, visitor, route.query)
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
        visitor = None if is_open else self.visitor()
        if visitor is not None and not is_first:
            _refuse_beginner(visitor)
        asked = self.asked(path, parts, visitor)
        caller = Caller(asked.address, request.environ.get("HTTP_USER_AGENT", ""))
        visit = Visit(asked, visitor, caller, _cookie())
        return _response(handler(self._signing_in, visit))

    def visitor(self) -> Visitor:
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

    def asked(
        self,
        path: str,
        parts: dict[str, str],
        visitor: Visitor | None,
        known: tuple[str, ...] = (),
    ) -> Asked:
        """What is asked, as handlers see it; ``known`` may stand in its query."""
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
    if sent.app is not None:
        return _Passed(sent.app)
    if sent.status in (204, 304):
        return Response(status=sent.status, headers=list(sent.headers))
    body: Any = sent.body
    if sent.failure is not None:
        Exchange.of(request.environ).render_failure = sent.failure
    if body is None:
        body = msgspec.json.encode(sent.value)
    headers = [("Content-Type", sent.type), *sent.headers]
    return Response(body, sent.status, headers)


class _Passed(Response):
    """An answer that another application gives, as it comes."""

    def __init__(self, app: WSGIApplication) -> None:
        super().__init__()
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        return self._app(environ, start_response)
