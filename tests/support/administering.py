"""Somebody who administers a running server over HTTP."""

import json
import re
from typing import Any

from .raw import Got, ask
from .server import Server

PASSWORD = "correct horse battery staple"
PREFIX = "/admin/api/v1"


class Admin:
    """Somebody who administers a server, each request on a connection of its own."""

    def __init__(self, server: Server, **headers: str) -> None:
        self.server = server
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}
        self.secrets: list[str] = []

    def ask(self, method: str, path: str, body: Any = None) -> Got:
        """The answer below the prefix."""
        headers = {**self.headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        got = ask(self.server.port, method, f"{PREFIX}/{path}", body, headers)
        cookie = got.header("set-cookie")
        if cookie is not None and got.status == 200:
            self.headers["Cookie"] = cookie.partition(";")[0]
            found = re.search(rb'"csrf_token":"([^"]*)"', got.body)
            assert found is not None
            self.headers["X-CSRF-Token"] = found[1].decode()
            token = self.headers["Cookie"].partition("=")[2]
            self.secrets += [token, self.headers["X-CSRF-Token"]]
        return got

    def do(self, method: str, path: str, body: Any = None) -> Any:
        """What is answered to a request that is fine."""
        got = self.ask(method, path, body)
        assert got.status in (200, 201, 204), got
        return json.loads(got.body) if got.body else None

    def sign_in(self, password: str = PASSWORD, username: str = "admin") -> Got:
        """Sign in."""
        form = {"username": username, "password": password}
        self.secrets.append(password)
        return self.ask("POST", "login", form)

    def change(self, current: str, new: str) -> Got:
        """Change the password."""
        form = {"current_password": current, "new_password": new}
        self.secrets += [current, new]
        return self.ask("POST", "me/password", form)
