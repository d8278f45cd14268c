"""A browser of somebody who administers Pannier, in process."""

from pathlib import Path
from typing import Any
from unittest.mock import patch
from wsgiref.types import WSGIApplication

from werkzeug.middleware.lint import LintMiddleware
from werkzeug.test import Client, TestResponse

from app.admin.application import PREFIX
from app.installation import Installation
from app.settings import Settings
from middleware.stack import build_stack

from .ollama import FakeUpstream

USERNAME, PASSWORD = "admin", "correct horse battery staple"


def pannier(
    state_dir: Path, *, installation: Installation | None = None, **settings: Any
) -> WSGIApplication:
    """The whole stack with an administrator's password, under a linter.

    Whoever makes the installation closes it.
    """
    chosen = Settings(
        **{
            "access_log": False,
            "admin_password": PASSWORD,
            "state_dir": str(state_dir),
            **settings,
        }
    )
    with patch("middleware.stack.Upstream.of", lambda settings: FakeUpstream()):
        return LintMiddleware(build_stack(chosen, installation))


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
        return self._client.open(
            f"{PREFIX}/{path.lstrip('/')}",
            method=method,
            base_url=self._base,
            headers=headers,
            **({} if json is None else {"json": json}),
            **more,
        )

    def sign_in(
        self, password: str = PASSWORD, username: str = USERNAME
    ) -> TestResponse:
        """Sign in; whatever comes of it."""
        form = {"username": username, "password": password}
        answer = self.ask("POST", "login", form)
        if answer.status_code == 200:
            self.csrf = answer.json["csrf_token"]
        return answer

    @property
    def cookie(self) -> str:
        """What the browser has of its session."""
        for name, path in (("pannier", "/admin"), ("__Host-pannier", "/")):
            found = self._client.get_cookie(name, path=path)
            if found is not None:
                return found.value
        return ""
