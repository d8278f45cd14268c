"""An installation to administer, in process, and browsers of those who do."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.middleware.lint import LintMiddleware
from werkzeug.test import Client, TestResponse

from app.admin.application import PREFIX, create_app
from app.admin.asked import Admin, Route
from app.admin.routes import ROUTES
from app.admin.signing_in import SigningIn
from app.catalog import Catalog
from app.doors import Doors
from app.inflight import Inflight
from app.installation import Installation
from app.settings import Settings
from app.storage.audit import AuditEntry, audit
from middleware.cors import CorsMiddleware
from middleware.errors import ErrorMiddleware
from middleware.stack import build_stack

from .ollama import FakeUpstream

USERNAME, PASSWORD = "admin", "correct horse battery staple"
#: 2026-01-01, in milliseconds.
BEGIN = 1_767_225_600_000


class Browser:
    """Asks below ``/admin/api/v1``; keeps cookies, and sends what changes need."""

    def __init__(self, app: WSGIApplication, base: str = "http://localhost") -> None:
        self._client = Client(app)
        self._base = base
        self.csrf = ""

    def ask(
        self, method: str, path: str, json: Any = None, **more: Any
    ) -> TestResponse:
        """The answer to a request; ``headers`` may be among ``more``."""
        headers = {"X-CSRF-Token": self.csrf} if self.csrf else {}
        headers |= more.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        if json is not None:
            more["json"] = json
        return self.open(
            method, f"{PREFIX}/{path.lstrip('/')}", headers=headers, **more
        )

    def open(self, method: str, path: str, **more: Any) -> TestResponse:
        """The answer to a request for any path."""
        return self._client.open(path, method=method, base_url=self._base, **more)

    def sign_in(
        self, password: str = PASSWORD, username: str = USERNAME, **more: Any
    ) -> TestResponse:
        """Sign in; whatever comes of it."""
        form = {"username": username, "password": password}
        return self.taken(self.ask("POST", "login", form, **more))

    def change(self, new: str, current: str = PASSWORD) -> TestResponse:
        """Change the password; whatever comes of it."""
        form = {"current_password": current, "new_password": new}
        return self.taken(self.ask("POST", "me/password", form))

    def taken(self, answer: TestResponse) -> TestResponse:
        """The same answer, of which a page takes the token for changes."""
        if answer.status_code == 200:
            self.csrf = answer.json["csrf_token"]
        return answer

    @property
    def token(self) -> str:
        """What the browser has of its session."""
        for name, path in (("pannier", "/admin"), ("__Host-pannier", "/")):
            found = self._client.get_cookie(name, path=path)
            if found is not None:
                return found.value
        return ""

    @token.setter
    def token(self, value: str) -> None:
        self._client.set_cookie("pannier", value, path="/admin")


def _answered(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Whatever a model says."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"{}"]


class House:
    """One installation with an administrator's password; its clock can be turned.

    ``app`` is its administration alone, ``stack()`` all of Pannier.
    """

    def __init__(
        self, state_dir: Path, routes: Iterable[Route] = ROUTES, **settings: Any
    ) -> None:
        given = {"access_log": False, "admin_password": PASSWORD, **settings}
        self.settings = Settings(**{"state_dir": str(state_dir), **given})
        self.installation = Installation(self.settings)
        self.state_dir = state_dir
        self.now = BEGIN
        storage = self.installation.storage
        signing_in = SigningIn(storage, self.settings, lambda: self.now)
        ollama: Any = FakeUpstream()
        ollama.control_answer = b'{"models":[]}'
        admin = Admin(
            installation=self.installation,
            settings=self.settings,
            found={},
            catalog=Catalog(ollama.control),
            inflight=Inflight(write_timeout=30),
            upstream=ollama,
            amend=lambda exchange, call: None,
            answer=_answered,
        )
        inner: Any = create_app(admin, routes, signing_in)
        self.app: Any = LintMiddleware(CorsMiddleware(ErrorMiddleware(inner), Doors()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.installation.close()

    def browser(self, base: str = "http://localhost") -> Browser:
        """Another browser, that nobody has signed in with."""
        return Browser(self.app, base)

    def signed_in(self) -> Browser:
        """A browser of the administrator's."""
        browser = self.browser()
        assert browser.sign_in().status_code == 200
        return browser

    def pass_by(self, seconds: float) -> None:
        """Turn the clock on."""
        self.now += int(seconds * 1000)

    def stack(self) -> WSGIApplication:
        """All of Pannier, on the clock of the machine."""
        with patch("middleware.stack.Upstream.of", lambda settings: FakeUpstream()):
            return build_stack(self.settings, self.installation)

    def audit(self) -> list[AuditEntry]:
        """What the audit log has, newest first."""
        return self.installation.storage.read(lambda found: audit(found, 1000))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        return self.installation.storage.read(
            lambda connection: [
                tuple(row) for row in connection.exec_driver_sql(query).all()
            ]
        )
