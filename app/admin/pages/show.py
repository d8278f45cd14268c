"""Show: answers requests for pages, and tells on pages what went wrong.

Whoever is not signed in is sent to the page for that; whoever has to choose a password
first, to the page that asks for one.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from wsgiref.types import WSGIEnvironment

from flask import Flask, Response, request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...errors import BadRequest, GatewayError
from ...version import own_version
from ..asked import Admin
from ..reception import Reception
from ..sessions import Visitor
from .filters import FILTERS
from .page import Page
from .reasons import why
from .routes import NAVIGATION
from .static import ROOT, Static

HTML = "text/html; charset=utf-8"
LOGIN, WELCOME = "/admin/login", "/admin/welcome"
_API = ("/admin/api/", "/admin/static/")


def wants_page(environ: WSGIEnvironment) -> bool:
    """Whether somebody reads what is answered: a browser that goes to a page.

    What a page's own script fetches is told as the API tells it.
    """
    return (
        environ["REQUEST_METHOD"] in ("GET", "HEAD")
        and not environ.get("PATH_INFO", "").startswith(_API)
        and "text/html" in environ.get("HTTP_ACCEPT", "")
        and "HTTP_HX_REQUEST" not in environ
    )


class Show:
    """Makes pages of templates; ``open`` are those for everybody, by their paths."""

    def __init__(self, app: Flask, admin: Admin, reception: Reception) -> None:
        self._admin = admin
        self._reception = reception
        self._static = Static()
        self._jinja = _templates(self._static)
        self._app = app
        self.open: dict[str, Callable[..., Response]] = {
            "": lambda: _to("/admin/"),
            "/login": self._login,
            "/static/<digest>/<path:name>": self._file,
        }

    def page(self, page: Page, /, **parts: str) -> Response:
        """A page, for somebody who may see it."""
        try:
            visitor = self._reception.visitor()
        except BadRequest as error:
            if error.status != 401 or "HTTP_HX_REQUEST" in request.environ:
                raise
            return _to(f"{LOGIN}?next={quote(request.full_path.rstrip('?'))}")
        if visitor.account.must_change and not page.first:
            return _to(WELCOME)
        asked = self._reception.asked(page.path, parts, visitor, page.query)
        values = page.handler(self._admin, asked)
        return self._made(page.template, values, visitor)

    def error(self, error: GatewayError) -> Response:
        """A page that says what went wrong."""
        phrase = HTTPStatus(error.status).phrase if error.status in _KNOWN else ""
        made = self._made("error.html", {"error": error, "phrase": phrase})
        made.status_code = error.status
        made.headers.extend(error.headers)
        return made

    def _login(self) -> Response:
        return self._made("login.html", {})

    def _file(self, digest: str, name: str) -> Response:
        found = self._static.file(digest, name)
        if found is None:
            raise BadRequest(
                f"Unknown request URL: GET {request.path}.",
                status=404,
                code="unknown_url",
            )
        headers = {
            "Content-Type": found.type,
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
        }
        if request.accept_encodings["gzip"]:
            return Response(
                found.packed, headers={**headers, "Content-Encoding": "gzip"}
            )
        return Response(found.body, headers=headers)

    def _made(
        self, template: str, values: Any, visitor: Visitor | None = None
    ) -> Response:
        me = None if visitor is None else visitor.account
        common = {
            "me": me,
            "csrf": "" if visitor is None else visitor.session.csrf,
            "settings": self._admin.settings,
            "navigation": NAVIGATION,
            "version": own_version(),
        }
        text = self._jinja.get_template(template).render(**common, **values)
        return Response(text, content_type=HTML)


_KNOWN = {status.value for status in HTTPStatus}


def _templates(static: Static) -> Environment:
    made = Environment(
        loader=FileSystemLoader(ROOT.with_name("templates")),
        autoescape=True,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters.update(FILTERS, why=why)
    made.globals["static"] = static.url
    return made


def _to(where: str) -> Response:
    return Response(status=303, headers={"Location": where})
