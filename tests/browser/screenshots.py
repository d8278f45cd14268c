"""Pictures of all pages of an installation that was made up, for the documentation.

    python -m tests.browser.screenshots [NAME …]

writes docs/screenshots/{name}-{desktop|phone}-{light|dark}.webp: of all, or of those
that are named; and of `first`, which is another installation, first-{number}.webp.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

from tests.support import first_time
from tests.support.browser import DESKTOP, PHONE, Browser, Size
from tests.support.handling import part
from tests.support.made_up import QWEN
from tests.support.server import ROOT
from tests.support.showcase import STREAMS, showcase
from tests.support.site import Site

PLACE = ROOT / "docs" / "screenshots"
SIZES = {"desktop": DESKTOP, "phone": PHONE}
#: The window of the first time, where there is little to see yet.
FIRST = Size(900, 700)
#: Of longer pages there is the beginning.
HIGHEST = 2200


def _nothing(browser: Browser) -> None:
    """The page as it opens."""


def _streams(browser: Browser) -> None:
    """All of those that go on."""
    browser.until(fact=lambda: len(browser.all("tbody tr")) >= len(STREAMS))


def _talk(browser: Browser) -> None:
    """A question, its answer, and what stands behind it."""
    browser.fill("Model or alias", "qwen3")
    browser.choose("Thinking", "medium")
    browser.fill("Message", "Why is the sky blue?")
    browser.click("Send")
    browser.until(fact=lambda: browser.text("#state").startswith("Done"))
    browser.click("What would be sent to Ollama")
    browser.click("Show it")
    browser.until(text='"messages"')
    browser.script("scrollTo(0, 0)")


def _sessions(browser: Browser) -> None:
    """Who is signed in is fetched."""
    browser.until("#sessions tr")


def _new_key(browser: Browser) -> None:
    """The form of a new key, over the list."""
    browser.click("New key")
    browser.until("#drawer form")


def _overrides(browser: Browser) -> None:
    """The editor is there."""
    browser.until("[data-rows] input")


def _request(browser: Browser) -> None:
    """A request, over the list."""
    browser.script("document.querySelector('#records a').click()")
    browser.until("#drawer", text="Where the time went")


class Picture(NamedTuple):
    """Where a page is, and what is done there first, such as opening a dialog.

    ``{…}`` in a path is the id of the key of that name.
    """

    name: str
    path: str
    first: Callable[[Browser], None] = _nothing


PAGES = [
    Picture("overview", "/admin/"),
    Picture("live", "/admin/live", _streams),
    Picture("keys", "/admin/keys"),
    Picture("key", "/admin/keys/{website chat}"),
    Picture("key-form", "/admin/keys", _new_key),
    Picture("models", "/admin/models"),
    Picture("model", f"/admin/models/{part(QWEN)}?alias=gpt-4o", _overrides),
    Picture("parameters", "/admin/overrides", _overrides),
    Picture("aliases", "/admin/aliases"),
    Picture("usage", "/admin/usage"),
    Picture("records", "/admin/usage/records"),
    Picture("record", "/admin/usage/records?status=ok&endpoint=chat", _request),
    Picture("playground", "/admin/playground", _talk),
    Picture("settings", "/admin/settings"),
    Picture("security", "/admin/security", _sessions),
    Picture("backup", "/admin/backup"),
    Picture("about", "/admin/about"),
    Picture("login", "/admin/login"),
    Picture("welcome", "/admin/welcome"),
]


def _stretch(browser: Browser, screen: Size, dark: bool) -> None:
    """Have a window as high as the page, so that what fills the window fills it all."""
    browser.settle()
    browser.cdp("Emulation.setScrollbarsHidden", hidden=True)
    height = browser.script("return document.documentElement.scrollHeight")
    screen = screen._replace(height=max(height, screen.height))
    browser.emulate(screen, dark=dark, reduced_motion=True)


def take(browser: Browser, site: Site, picture: Picture) -> list[str]:
    """Take one in all sizes and lights; what is wrong with the page."""
    listed = site.admin.do("GET", "keys")["keys"]
    path = picture.path.format_map({key["name"]: key["id"] for key in listed})
    wrong = []
    for size, screen in SIZES.items():
        for dark in (False, True):
            browser.begin(site.url)
            browser.emulate(screen, dark=dark, reduced_motion=True)
            if picture.name != "login":
                site.lend(browser)
            browser.open(path)
            picture.first(browser)
            _stretch(browser, screen, dark)
            light = "dark" if dark else "light"
            browser.shoot(PLACE / f"{picture.name}-{size}-{light}.webp", HIGHEST)
            wrong += [f"{size}, {light}: {fault}" for fault in browser.faults()]
    return wrong


def first_steps(browser: Browser) -> list[str]:
    """Take those of the first time, step by step; what is wrong with the pages."""
    with first_time.fresh() as (server, url, password):
        browser.begin(server.url)
        browser.emulate(FIRST, reduced_motion=True)
        browser.open(url)
        browser.fill("User name", "admin")
        browser.fill("Password", password)
        _step(browser, 1)
        browser.click("Sign in")
        browser.until(path="/admin/welcome")
        _step(browser, 2)
        first_time.choose(browser, password)
        browser.until(text="Pannier's simulator")
        browser.fill("What it is for", "editor")
        _step(browser, 3)
        browser.click("Make the key")
        browser.until("#secret[open]")
        _step(browser, 4)
        browser.click("I have copied it")
        browser.until(text="That is all")
        _step(browser, 5)
        return browser.faults()


def _step(browser: Browser, number: int) -> None:
    browser.script("scrollTo(0, 0)")
    _stretch(browser, FIRST, dark=False)
    browser.shoot(PLACE / f"first-{number}.webp", HIGHEST)


def main(names: list[str]) -> int:
    """Take those of these names; 1 if a page has faults, or is not there."""
    wrong = []
    with showcase() as site, Browser() as browser:
        for picture in PAGES:
            if names and picture.name not in names:
                continue
            found = take(browser, site, picture)
            wrong += [f"{picture.name}: {one}" for one in found]
            sys.stdout.write(f"{picture.name}\n")
            sys.stdout.flush()
        if not names or "first" in names:
            wrong += [f"first: {one}" for one in first_steps(browser)]
    sys.stdout.writelines(f"{one}\n" for one in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
