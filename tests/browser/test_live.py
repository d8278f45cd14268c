"""The page of what runs: requests appear, grow, can be found and ended."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from socket import socket

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.leaving import ask, eventually, fresh, until
from support.raw import ask as got
from support.site import Site

pytestmark = pytest.mark.live

SLOW = "sim-chunks9000-tps20"
HOSTILE = "<img src=x onerror=alert(1)>\"'</td><script>alert(2)</script> \u05d0"
Begin = Callable[..., socket]


@pytest.fixture
def begin(site: Site) -> Iterator[Begin]:
    """Begins streams that go on for minutes; they end with the test."""
    with ExitStack() as there:

        def begin(name: str, key: str = "none") -> socket:
            body = {
                "model": SLOW,
                "stream": True,
                "messages": [{"role": "user", "content": "Hello"}],
            }
            path, key = "/v1/chat/completions", f"Authorization: Bearer {key}"
            made = ask(site.server.port, "POST", path, name, body, key)
            there.enter_context(made)
            until(made, b"data:")
            return made

        yield begin


def tokens(browser: Browser, name: str) -> int:
    """How many tokens the page says that the request has had."""
    row = browser.find(f'tr[title="Request {name}"]')
    return int(row.find_elements("css selector", "td.number")[1].text)


def is_closed(site: Site) -> bool:
    """Whether one needs a key."""
    return got(site.server.port, "GET", "/v1/models").status == 401


def test_a_request_appears_grows_and_goes(signed_in: Browser, begin: Begin) -> None:
    """A stream stands there while it runs, its tokens grow, and then it is gone."""
    browser, name = signed_in, fresh("grows")
    browser.open("/admin/live")
    browser.until(text="Nothing runs just now.")
    sock = begin(name)
    browser.until(f'tr[title="Request {name}"]')
    browser.until(text=SLOW)
    seen = tokens(browser, name)
    browser.until(fact=lambda: tokens(browser, name) > seen)
    assert browser.text("#total") == "1"
    assert browser.audit() == []
    sock.close()
    browser.until(text="Nothing runs just now.")


def test_cancel(signed_in: Browser, begin: Begin, site: Site) -> None:
    """Cancel asks which one, ends it, and its client is told so; the other goes on."""
    browser, one, other = signed_in, fresh("one"), fresh("other")
    sock = begin(one)
    begin(other)
    browser.open("/admin/live")
    browser.click(f"Cancel the request {one}")
    assert one in browser.text("dialog.ask")
    browser.click("Cancel", within="dialog.ask")
    browser.until(gone="dialog.ask")
    browser.until(f'tr[title="Request {one}"]')
    browser.click(f"Cancel the request {one}")
    browser.click("End the request", within="dialog.ask")
    browser.until(text="The request was ended.", gone=f'tr[title="Request {one}"]')
    assert b"ended by an administrator" in until(sock, b"ended by")
    browser.until(f'tr[title="Request {other}"]')
    entries = site.admin.do("GET", "audit?limit=5")["entries"]
    assert ("request.cancel", one) in [(e["action"], e["object"]) for e in entries]


def test_filter(signed_in: Browser, begin: Begin) -> None:
    """What is typed narrows the list; where nothing fits, that is said."""
    browser, one, other = signed_in, fresh("apple"), fresh("pear")
    begin(one)
    begin(other)
    browser.open("/admin/live")
    browser.fill("Filter", "APPLE sim-")
    browser.until(f'tr[title="Request {one}"]', gone=f'tr[title="Request {other}"]')
    browser.fill("Filter", "plum")
    browser.until(text="Nothing that runs fits the filter.")
    browser.click("Clear the filter")
    browser.until(f'tr[title="Request {other}"]')
    assert browser.focused == "Filter"


def test_pause(signed_in: Browser, begin: Begin) -> None:
    """Paused, nothing is asked and nothing changes; then it goes on."""
    browser, name = signed_in, fresh("paused")
    browser.open("/admin/live")
    browser.until(text="Nothing runs just now.")
    browser.click("Pause")
    browser.until(fact=lambda: browser.text("#state") == "Paused")
    begin(name)
    assert browser.all(f'tr[title="Request {name}"]') == []
    browser.click("Go on")
    browser.until(f'tr[title="Request {name}"]')


def test_hostile_names(signed_in: Browser, begin: Begin, site: Site) -> None:
    """Names that others choose are shown as they are, and do nothing."""
    key = site.admin.do("POST", "keys", {"name": HOSTILE, "allow_models": ["*"]})
    browser, name = signed_in, fresh("evil")
    try:
        eventually(lambda: is_closed(site))
        begin(name, key=key["key"])
        browser.open("/admin/live")
        browser.until(text=HOSTILE)
        assert browser.audit() == []
        assert browser.overflow() == []
    finally:
        site.admin.do("DELETE", f"keys/{key['id']}")
        eventually(lambda: not is_closed(site))


def test_nothing_runs(signed_in: Browser) -> None:
    """Where nothing runs, it says where one can be tried."""
    signed_in.open("/admin/live")
    signed_in.click("Try one in the playground")
    signed_in.until(fact=lambda: signed_in.path.startswith("/admin/playground"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(
    signed_in: Browser, begin: Begin, size: Size, dark: bool
) -> None:
    """On each kind of screen nothing sticks out, and nobody is shut out."""
    browser, name = signed_in, fresh("looks")
    begin(name)
    browser.emulate(size, dark=dark)
    browser.open("/admin/live")
    browser.until(f'tr[title="Request {name}"]')
    assert browser.audit() == []
    assert browser.overflow() == []


def test_signed_out_elsewhere(signed_in: Browser, site: Site) -> None:
    """Who is signed out sees the page for that, as soon as the feed ends."""
    browser = signed_in
    browser.open("/admin/live")
    browser.until(fact=lambda: browser.text("#state") == "Live")
    browser.click("Sign out")
    browser.until(path="/admin/login")
