"""A browser, and an installation for it."""

import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from support.browser import Browser
from support.chromium import MISSING
from support.looking import shoot
from support.server import ROOT
from support.site import Site, running

#: Where the pictures of pages lie whose tests failed.
PICTURES = ROOT / "build" / "browser"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests of this process."""
    if MISSING:
        pytest.skip(MISSING)
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """An installation that the tests of a module share."""
    with running() as site:
        yield site


@pytest.fixture
def browser(chromium: Browser, site: Site) -> Iterator[Browser]:
    """A browser in which nobody has signed in; in the end there were no faults."""
    chromium.begin(site.url)
    yield chromium
    assert chromium.faults() == []


@pytest.fixture
def signed_in(browser: Browser, site: Site) -> Browser:
    """The same browser, of somebody who is signed in."""
    site.sign_in(browser)
    return browser


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Take a picture of the page of a test that failed, and say where it is."""
    report = yield
    browser = item.funcargs.get("chromium")
    if call.when == "call" and report.failed and isinstance(browser, Browser):
        name = re.sub(r"\W+", "-", item.nodeid.removeprefix("tests/browser/"))
        try:
            path = shoot(browser.driver, PICTURES / f"{name}.webp")
        except Exception as error:  # whatever it is, it is not what failed
            report.sections.append(("Picture", f"there is none: {error}"))
        else:
            report.sections.append(("Picture", str(path.relative_to(ROOT))))
    return report
