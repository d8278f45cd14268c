"""Versions, how everything is, and whose work is in it."""

import pytest
from support.browser import PHONE, Browser
from support.site import Site, running

from app.version import own_version

pytestmark = pytest.mark.live


def test_how_everything_is(signed_in: Browser, site: Site) -> None:
    """The page says which versions there are, and that all parts are well."""
    browser = signed_in
    browser.open("/admin/about")
    browser.until(text=f"Pannier {own_version()}")
    browser.until(text="the simulator (")
    browser.until(text=site.ollama.url)
    browser.until(text="SQLite")
    assert "not well" not in browser.text()
    assert browser.audit() == []
    browser.emulate(PHONE, dark=True)
    assert browser.overflow() == []
    assert browser.audit() == []


def test_ollama_is_down(chromium: Browser) -> None:
    """What is not well is named, with the reason."""
    with running({"OLLAMA_URL": "http://127.0.0.1:9"}) as down:
        chromium.begin(down.url)
        down.sign_in(chromium)
        chromium.open("/admin/about")
        chromium.until(text="not well")
        chromium.until(text="http://127.0.0.1:9")
        assert chromium.audit() == []
        assert chromium.faults() == []


@pytest.mark.parametrize(
    ("words", "there"),
    [
        ("Endpoints", "Endpoints of Pannier"),
        ("openapi.json", '"openapi"'),
        ("Metrics", "pannier_"),
        ("Zero-Clause BSD", "Zero-Clause BSD"),
        ("MIT", "Leon Sorokin"),
    ],
)
def test_links(signed_in: Browser, words: str, there: str) -> None:
    """What is linked is there."""
    signed_in.open("/admin/about")
    signed_in.until("#health section")
    signed_in.click(words, within="main")
    signed_in.until(text=there)
