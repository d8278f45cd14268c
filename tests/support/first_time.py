"""The first time: a Pannier that nobody has signed in to, and who does so."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from .browser import Browser
from .leaving import eventually
from .server import Server
from .simulator import Simulator

CHOSEN = "a password of my own"
INVITED = re.compile(r"^pannier: .* open (\S+) and .* with the password (\S+)", re.M)


@contextmanager
def fresh(**env: str) -> Iterator[tuple[Server, str, str]]:
    """A Pannier that nobody has signed in to; and what its terminal says of that."""
    with Simulator() as ollama, Server({"OLLAMA_URL": ollama.url, **env}) as server:
        invited = eventually(lambda: INVITED.search(server.output()))
        yield server, invited[1], invited[2]


def sign_in(browser: Browser, password: str) -> None:
    """Sign in on the page that is there."""
    browser.fill("User name", "admin")
    browser.fill("Password", password)
    browser.click("Sign in")


def choose(browser: Browser, first: str, again: str = CHOSEN) -> None:
    """Choose a password."""
    browser.fill("The password you came in with", first)
    browser.fill("A new password", CHOSEN)
    browser.fill("The new one once more", again)
    browser.click("Set the password")
