"""Pictures of all pages of an installation that was made up, for the documentation.

    python -m tests.browser.screenshots [NAME …]

writes docs/screenshots/{name}-{desktop|phone}-{light|dark}.webp: of all, or of those
that are named.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

from tests.support.browser import DESKTOP, PHONE, Browser, Size
from tests.support.server import ROOT
from tests.support.showcase import STREAMS, showcase
from tests.support.site import Site

PLACE = ROOT / "docs" / "screenshots"
SIZES = {"desktop": DESKTOP, "phone": PHONE}
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
    Picture("models", "/admin/models"),
    Picture("usage", "/admin/usage"),
    Picture("playground", "/admin/playground", _talk),
    Picture("settings", "/admin/settings"),
    Picture("security", "/admin/security"),
    Picture("backup", "/admin/backup"),
    Picture("about", "/admin/about"),
    Picture("login", "/admin/login"),
]


def _stretch(browser: Browser, screen: Size, dark: bool) -> None:
    """Have a window as high as the page, so that what fills the window fills it all."""
    browser.settle()
    browser.cdp("Emulation.setScrollbarsHidden", hidden=True)
    height = browser.script("return document.documentElement.scrollHeight")
    screen = screen._replace(height=max(height, screen.height))
    browser.emulate(screen, dark=dark, reduced_motion=True)


def _forget(site: Site) -> None:
    """End the sessions of the pictures before."""
    for one in site.admin.do("GET", "me/sessions")["sessions"]:
        if not one["current"]:
            site.admin.do("DELETE", f"me/sessions/{one['id']}")


def take(browser: Browser, site: Site, picture: Picture) -> list[str]:
    """Take one in all sizes and lights; what is wrong with the page."""
    listed = site.admin.do("GET", "keys")["keys"]
    path = picture.path.format_map({key["name"]: key["id"] for key in listed})
    wrong = []
    for size, screen in SIZES.items():
        for dark in (False, True):
            browser.begin(site.url)
            _forget(site)
            browser.emulate(screen, dark=dark, reduced_motion=True)
            if picture.name != "login":
                site.sign_in(browser)
            browser.open(path)
            picture.first(browser)
            _stretch(browser, screen, dark)
            light = "dark" if dark else "light"
            browser.shoot(PLACE / f"{picture.name}-{size}-{light}.webp", HIGHEST)
            wrong += [f"{size}, {light}: {fault}" for fault in browser.faults()]
    return wrong


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
    sys.stdout.writelines(f"{one}\n" for one in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
