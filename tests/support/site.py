"""An installation for somebody with a browser: Ollama's place, Pannier, an account."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .administering import PASSWORD, Admin
from .browser import Browser
from .server import Server
from .simulator import Simulator

#: What the browser of somebody who administers it calls itself.
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Site(NamedTuple):
    """``admin`` is signed in already, over HTTP, to prepare what pages shall show."""

    server: Server
    ollama: Simulator
    admin: Admin

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.server.url

    def sign_in(self, browser: Browser) -> None:
        """Give a browser a session of its own."""
        admin = Admin(self.server, User_Agent=AGENT)
        assert admin.sign_in().status == 200
        lend(browser, admin)

    def lend(self, browser: Browser) -> None:
        """Give a browser the session of ``admin``."""
        lend(browser, self.admin)


def lend(browser: Browser, admin: Admin) -> None:
    """Give a browser somebody's session."""
    name, _, token = admin.headers["Cookie"].partition("=")
    browser.set_cookie(name, token, "/admin")


@contextmanager
def running(env: dict[str, str] | None = None, **given: Any) -> Iterator[Site]:
    """One that runs; ``given`` goes to ``Server``."""
    with Simulator() as ollama:
        ours = {"OLLAMA_URL": ollama.url, "ADMIN_PASSWORD": PASSWORD, **(env or {})}
        with Server(ours, **given) as server:
            admin = Admin(server, User_Agent=AGENT)
            assert admin.sign_in().status == 200
            yield Site(server, ollama, admin)
