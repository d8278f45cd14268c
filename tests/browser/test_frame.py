"""What all pages have: the menu, themes, the time of the reader, and their weight."""

from urllib.parse import quote

import pytest
from support.administering import PASSWORD
from support.browser import DESKTOP, PHONE, Browser
from support.site import Site

from app.admin.pages.routes import NAVIGATION

pytestmark = pytest.mark.live

EVERY = [path for _, path in NAVIGATION]
#: Bytes that a first visit loads, unpacked (the specification's bound, of all of it).
HEAVIEST = 200_000


@pytest.mark.parametrize("path", EVERY)
def test_every_page(signed_in: Browser, path: str) -> None:
    """Each page of the menu has one heading, is marked there, and is light enough."""
    browser = signed_in
    weight = browser.weigh(path)
    assert weight.decoded < HEAVIEST, weight.parts
    assert len(browser.all("main h1")) == 1
    words = next(words for words, there in NAVIGATION if there == path)
    assert browser.texts(".side [aria-current=page]") == [words]
    assert browser.driver.title.endswith("Pannier")
    assert browser.audit() == []


@pytest.mark.parametrize("path", EVERY)
def test_every_page_on_a_phone_in_the_dark(signed_in: Browser, path: str) -> None:
    """Each page is for small screens too, and for dark rooms."""
    browser = signed_in
    browser.emulate(PHONE, dark=True)
    browser.open(path)
    assert browser.overflow() == []
    assert browser.audit() == []


def test_weight_of_signing_in(browser: Browser) -> None:
    """The page to sign in is light as well."""
    assert browser.weigh("/admin/login").decoded < HEAVIEST


def test_the_menu(signed_in: Browser) -> None:
    """Its words lead to the pages."""
    browser = signed_in
    browser.open("/admin/")
    for words, path in NAVIGATION:
        browser.click(words, within=".side")
        browser.until(fact=lambda path=path: browser.path.partition("?")[0] == path)
    browser.click("Pannier", within=".side")
    browser.until(path="/admin/")


def test_the_menu_on_a_phone(signed_in: Browser) -> None:
    """Where there is no room it opens and closes by a button."""
    browser = signed_in
    browser.emulate(PHONE)
    browser.open("/admin/about")
    browser.until(gone=".side a[href='/admin/live']")
    browser.click("Menu")
    browser.until(".side a[href='/admin/live']")
    assert browser.overflow() == []
    assert browser.audit() == []
    browser.click("Menu")
    browser.until(gone=".side a[href='/admin/live']")
    browser.click("Menu")
    browser.click("Live", within=".side")
    browser.until(path="/admin/live")


def ground(browser: Browser) -> str:
    """The colour behind everything."""
    source = "return getComputedStyle(document.documentElement).backgroundColor"
    return str(browser.script(source))


def test_themes(signed_in: Browser) -> None:
    """The switch chooses light or dark over the system's, here and on other pages."""
    browser = signed_in
    browser.emulate(DESKTOP, dark=False)
    browser.open("/admin/about")
    light = ground(browser)
    browser.click("Theme: system")
    browser.click("Theme: light")
    browser.until(text="Theme: dark")
    dark = ground(browser)
    assert dark != light
    browser.open("/admin/live")
    assert ground(browser) == dark
    browser.emulate(DESKTOP, dark=True)
    browser.click("Theme: dark")
    browser.until(text="Theme: system")
    assert ground(browser) == dark
    browser.click("Theme: system")
    assert ground(browser) == light


def test_by_keyboard(signed_in: Browser) -> None:
    """The first key leads past the menu to the page."""
    browser = signed_in
    browser.open("/admin/about")
    browser.press("Tab")
    assert browser.focused == "Skip to content"
    browser.press("Enter")
    browser.until(fact=lambda: browser.path.endswith("#main"))
    assert browser.script("return document.activeElement.id") == "main"


def test_times_are_in_the_readers_zone(signed_in: Browser, site: Site) -> None:
    """A time is that of the wall clock where the reader is."""
    site.admin.do("POST", "models/refresh")
    browser = signed_in
    told = {}
    for zone in ("UTC", "Asia/Tokyo"):
        browser.emulate(zone=zone)
        browser.open("/admin/security")
        told[zone] = browser.texts("time[data-form]")
    assert told["UTC"]
    assert told["UTC"] != told["Asia/Tokyo"]


def test_what_is_not_there(signed_in: Browser) -> None:
    """A path that leads nowhere says so, and leads back."""
    browser = signed_in
    browser.open("/admin/nowhere?<script>alert(1)</script>")
    browser.until(text="Unknown request URL: GET /admin/nowhere.")
    browser.forgive("404")
    assert browser.audit() == []
    browser.click("To the overview")
    browser.until(path="/admin/")


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/admin/usage?range=7d", "/admin/usage?range=7d"),
        ("//example.com/admin/", "/admin/"),
        ("https://example.com/admin/", "/admin/"),
        ("/v1/models", "/admin/"),
        ("http://", "/admin/"),
    ],
)
def test_where_signing_in_leads(browser: Browser, wanted: str, path: str) -> None:
    """To where somebody wanted to go, if that is a page of Pannier."""
    browser.open(f"/admin/login?next={quote(wanted, safe='')}")
    browser.fill("User name", "admin")
    browser.fill("Password", PASSWORD)
    browser.press("Enter")
    browser.until(path=path)


def test_signing_out(signed_in: Browser) -> None:
    """Who signs out is out, and comes back to where the way led."""
    browser = signed_in
    browser.open("/admin/about")
    browser.click("Sign out")
    browser.until(path="/admin/login")
    browser.open("/admin/usage?range=7d")
    browser.until(path="/admin/login?next=/admin/usage%3Frange%3D7d")


def end_sessions(site: Site) -> None:
    """End those of all browsers."""
    for one in site.admin.do("GET", "me/sessions")["sessions"]:
        if not one["current"]:
            site.admin.do("DELETE", f"me/sessions/{one['id']}")


def test_a_session_that_ended(signed_in: Browser, site: Site) -> None:
    """Whose session has ended is asked to sign in by the next click, and comes back."""
    browser = signed_in
    browser.open("/admin/live")
    end_sessions(site)
    browser.click("Sign out")
    browser.until(path="/admin/login?next=%2Fadmin%2Flive")
    browser.forgive("401")


def test_nothing_typed_is_lost_with_a_session(signed_in: Browser, site: Site) -> None:
    """Who is signed out meanwhile is told so, and can go on once signed in again."""
    browser = signed_in
    browser.open("/admin/welcome")
    browser.fill("What it is for", "typed before")
    end_sessions(site)
    browser.click("Make the key")
    browser.until(text="Sign in in another tab, then do this again")
    browser.forgive("401")
    site.sign_in(browser)
    browser.click("Make the key")
    browser.until("#secret[open]")
    browser.forgive("403")
    assert "typed before" in browser.text("#secret")
    browser.click("I have copied it")
    site.admin.do("DELETE", "keys/typed%20before")


@pytest.mark.parametrize(
    ("start", "words", "path"),
    [
        ("/admin/alias", "All aliases", "/admin/aliases"),
        ("/admin/models/qwen3", "All models", "/admin/models"),
    ],
)
def test_ways_back(signed_in: Browser, start: str, words: str, path: str) -> None:
    """What is one of a list leads back to all of it."""
    signed_in.open(start)
    signed_in.click(words)
    signed_in.until(path=path)


def test_a_form_says_more(signed_in: Browser) -> None:
    """What few need of a key is folded away, and opens."""
    signed_in.open("/admin/keys/new")
    signed_in.until(gone="#panel [name=default_model]")
    words = "More: usual models, options, overrides, a secret from elsewhere"
    signed_in.click(words)
    signed_in.until("#panel [name=default_model]")
