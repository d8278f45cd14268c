from collections.abc import Iterator
from pathlib import Path

import pytest
from support.admin import PASSWORD, Browser, pannier

from app.installation import Installation
from app.settings import Settings


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser in front of a Pannier of its own."""
    installation = Installation(Settings(state_dir=str(tmp_path)))
    yield Browser(pannier(tmp_path, installation=installation))
    installation.close()


def test_a_session(browser: Browser) -> None:
    """Who signs in is known until they sign out."""
    assert browser.ask("GET", "me").status_code == 401
    answer = browser.sign_in()
    assert answer.json["username"] == "admin"
    assert answer.json["must_change_password"] is False
    assert browser.ask("GET", "me").json == answer.json
    assert browser.ask("POST", "logout").status_code == 204
    assert browser.ask("GET", "me").json["error"]["code"] == "not_signed_in"


def test_wrong(browser: Browser) -> None:
    """A wrong name and a wrong password are told in the same words."""
    one = browser.sign_in("another password")
    other = browser.sign_in(PASSWORD, "root")
    assert one.status_code == other.status_code == 401
    assert one.json == other.json
