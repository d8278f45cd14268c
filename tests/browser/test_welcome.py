"""The first time: from the password of the terminal to a key in a program."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.first_time import CHOSEN, choose, fresh, sign_in
from support.leaving import eventually
from support.raw import ask
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live


def test_from_the_terminal_to_a_key(chromium: Browser) -> None:
    """What the terminal says leads in; three steps later a program has a key."""
    with fresh() as (server, url, password):
        assert url == f"{server.url}/admin/"
        browser = chromium
        browser.begin(server.url)
        browser.open("/admin/")
        browser.until(path="/admin/login?next=/admin/")
        assert browser.audit() == []
        sign_in(browser, "not the password")
        browser.until(text="The user name or the password is wrong.")
        browser.forgive("401")
        sign_in(browser, password)
        browser.until(path="/admin/welcome")
        assert browser.audit() == []
        browser.open("/admin/")  # all else waits for the password
        browser.until(path="/admin/welcome")
        choose(browser, password, "another one")
        browser.until(text="These are two different ones.")
        choose(browser, "not the password")
        browser.until(text="This is not your password.")
        browser.forgive("422")
        choose(browser, password)
        browser.until(text="Pannier's simulator")
        browser.until(text="It is set. You can change it at any time.")
        assert browser.audit() == []
        assert ask(server.port, "GET", "/v1/models").status == 200
        browser.fill("What it is for", "laptop")
        browser.click("Make the key")
        browser.until("#secret[open]")
        assert browser.audit() == []
        secret = browser.text("#secret code[data-secret]")
        snippet = browser.text("#secret [role=tabpanel]:not([hidden])")
        assert secret in snippet
        assert server.url in snippet
        browser.click("Python", within="#secret")
        browser.until(fact=lambda: secret in browser.text("#with-secret-2"))
        browser.click("Copy the key")
        browser.until(fact=lambda: browser.clipboard() == secret)
        browser.click("I have copied it")
        browser.until(text="That is all")
        assert secret not in browser.script("return document.documentElement.outerHTML")
        eventually(lambda: ask(server.port, "GET", "/v1/models").status == 401)
        headers = {"Authorization": f"Bearer {secret}"}
        assert ask(server.port, "GET", "/v1/models", None, headers).status == 200
        link = browser.find("link", "Try a model here").get_attribute("href")
        assert str(link).endswith("/admin/playground")
        browser.click("To the overview")
        browser.until(path="/admin/")
        assert browser.faults() == []


def test_ollama_is_looked_for(chromium: Browser) -> None:
    """An address is tried before it is used; what is wrong with it is said there."""
    with served() as server:
        browser = chromium
        browser.begin(server.url)
        browser.open("/admin/login?next=/admin/welcome")
        sign_in(browser, CHOSEN)
        browser.until(path="/admin/welcome")
        browser.until(text="Pannier's simulator")
        browser.fill("Where Ollama answers", "nonsense:// x")
        browser.click("Test")
        browser.until(".wrong")
        browser.forgive("422")
        browser.fill("Where Ollama answers", "http://127.0.0.1:9")
        browser.click("Test")
        browser.until(text="Nothing answers at http://127.0.0.1:9")
        with Simulator() as other:
            browser.fill("Where Ollama answers", other.url)
            browser.click("Use this address")
            browser.until(text="The address is set.")
            browser.until(text=f"answers at {other.url}")
        assert browser.faults() == []


@contextmanager
def served() -> Iterator[Server]:
    """A Pannier whose administrator has a password already."""
    with Simulator() as ollama:
        env = {"OLLAMA_URL": ollama.url, "ADMIN_PASSWORD": CHOSEN}
        with Server(env) as server:
            yield server


@pytest.mark.parametrize(
    ("words", "path"), [("change it", "/admin/security"), ("afterwards", "/admin/keys")]
)
def test_where_links_lead(
    chromium: Browser, there: Server, words: str, path: str
) -> None:
    """What can be done later is linked to where it is done."""
    browser = chromium
    browser.begin(there.url)
    browser.open("/admin/login?next=/admin/welcome")
    sign_in(browser, CHOSEN)
    browser.until(path="/admin/welcome")
    browser.click(words)
    browser.until(path=path)
    assert browser.faults() == []


@pytest.fixture(scope="module")
def there() -> Iterator[Server]:
    """One that the tests of how it looks share."""
    with served() as server:
        yield server


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", ["/admin/login", "/admin/welcome"])
def test_everybody_can_use_it(
    chromium: Browser, there: Server, path: str, size: Size, dark: bool
) -> None:
    """On each kind of screen nothing sticks out, and nobody is shut out."""
    browser = chromium
    browser.begin(there.url)
    browser.emulate(size, dark=dark)
    browser.open(f"/admin/login?next={path}")
    if path == "/admin/welcome":
        sign_in(browser, CHOSEN)
        browser.until(text="Pannier's simulator")
    assert browser.audit() == []
    assert browser.overflow() == []
    assert browser.faults() == []


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/admin/",
        "//evil.example/admin/",
        "/v1/models",
        "javascript:alert(1)",
    ],
)
def test_signing_in_leads_nowhere_else(
    chromium: Browser, there: Server, next: str
) -> None:
    """Whatever a link says, one is in the administration afterwards."""
    chromium.begin(there.url)
    chromium.open(f"/admin/login?next={next}")
    sign_in(chromium, CHOSEN)
    chromium.until(path="/admin/")
    assert chromium.faults() == []
