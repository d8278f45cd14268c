"""The installation that was made up, and the pictures that are taken of it."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from support.browser import Browser
from support.leaving import eventually
from support.made_up import TEAMS
from support.showcase import STREAMS, showcase
from support.site import Site

from tests.browser import screenshots

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """It."""
    with showcase() as site:
        yield site


def test_there_is_something_to_see(site: Site) -> None:
    """Keys, a month of requests, and streams that go on."""
    keys = site.admin.do("GET", "keys")["keys"]
    assert {key["name"] for key in keys} == {team.name for team in TEAMS}
    month = site.admin.do("GET", "usage/records?from=2026-01-01&limit=1")
    assert month["records"]
    eventually(lambda: site.ollama.open() == len(STREAMS))


def test_a_picture(chromium: Browser, site: Site, tmp_path: Path) -> None:
    """There are four of a page, and what is wrong with one is said."""
    login = next(one for one in screenshots.PAGES if one.name == "login")
    with patch.object(screenshots, "PLACE", tmp_path):
        assert screenshots.take(chromium, site, login) == []
        lost = login._replace(name="lost", path="/admin/nowhere")
        found = screenshots.take(chromium, site, lost)
    assert len(found) == 4
    assert all("status of 404" in one for one in found)
    names = [
        f"login-{size}-{light}.webp"
        for size in ("desktop", "phone")
        for light in ("dark", "light")
    ]
    assert sorted(path.name for path in tmp_path.glob("login-*")) == names
