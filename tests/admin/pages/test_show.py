"""Who sees pages, what is sent with them, and what else lies beside."""

import gzip
import re
from pathlib import Path

import pytest
from support.admin import PASSWORD, House

from app.admin.pages.routes import NAVIGATION, PAGES
from app.admin.pages.static import ROOT, TYPES, Static

HTML = {"Accept": "text/html,*/*;q=0.8"}
TEMPLATES = ROOT.with_name("templates").glob("*.html")
PATHS = [page.path for page in PAGES if "<" not in page.path]


@pytest.mark.parametrize("path", PATHS)
def test_nobody_sees_a_page_unless_signed_in(house: House, path: str) -> None:
    """Each page leads to where one signs in, and from there back."""
    answer = house.browser().open("GET", f"/admin{path}", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/admin/login?next=/admin{path}"
    assert answer.data == b""


@pytest.mark.parametrize("path", sorted(TEMPLATES), ids=lambda path: path.name)
def test_forms_say_how_they_are_sent(path: Path) -> None:
    """Until scripts are there a browser sends a form itself.

    Then its fields, a password perhaps, are part of no address that is kept and logged.
    """
    for form in re.findall(r"<form\b[^>]*>", path.read_text()):
        searches = "hx-get=" in form or 'role="search"' in form
        assert f'method="{"get" if searches else "post"}"' in form


def test_what_a_browser_sends_itself_is_refused(house: House) -> None:
    """A form that no script has sent changes nothing, and nobody is signed in by it."""
    form = {"username": "admin", "password": PASSWORD}
    answer = house.browser().open("POST", "/admin/login", data=form, headers=HTML)
    assert answer.status_code == 405
    assert "Set-Cookie" not in answer.headers


def test_the_way_back_keeps_its_query(house: House) -> None:
    """What stood behind the question mark is there again after signing in."""
    answer = house.browser().open("GET", "/admin/?range=7d&x=a%26b", headers=HTML)
    assert answer.headers["Location"] == (
        "/admin/login?next=/admin/%3Frange%3D7d%26x%3Da%2526b"
    )


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/welcome"])
def test_the_password_first(house: House, path: str) -> None:
    """Whoever has to choose a password sees no page but that."""
    weak = House(house.state_dir, admin_password="admin")
    with weak:
        browser = weak.browser()
        assert browser.sign_in("admin").status_code == 200
        answer = browser.open("GET", f"/admin{path}", headers=HTML)
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/admin/welcome"
        assert browser.open("GET", "/admin/welcome").status_code == 200


def test_a_fragment_is_refused_as_the_api_does(house: House) -> None:
    """A part of a page that a script fetches is told so, not led elsewhere."""
    headers = {**HTML, "HX-Request": "true"}
    answer = house.browser().open("GET", "/admin/", headers=headers)
    assert answer.status_code == 401
    assert answer.json["error"]["code"] == "not_signed_in"


def test_errors_are_pages_for_people_only(house: House) -> None:
    """A browser reads what is wrong on a page, a program as the API says it."""
    browser = house.signed_in()
    page = browser.open("GET", "/admin/?nonsense=<b>", headers=HTML)
    assert (page.status_code, page.content_type) == (422, "text/html; charset=utf-8")
    assert "<b>" not in page.text
    assert "nonsense" in page.text
    answer = browser.open("GET", "/admin/?nonsense=1")
    assert answer.json["error"]["param"] == "nonsense"


def test_every_page_of_the_menu_is_there() -> None:
    """The menu names pages that there are."""
    assert {path.removeprefix("/admin") for _, path in NAVIGATION} <= set(PATHS)


@pytest.mark.parametrize("name", sorted(Static()._files))
def test_static(house: House, name: str) -> None:
    """Each file is sent to everybody, kept for ever, and packed where wished."""
    url = Static().url(name)
    plain = house.browser().open("GET", url)
    assert plain.status_code == 200
    assert plain.data == (ROOT / name).read_bytes()
    assert plain.content_type == TYPES[Path(name).suffix]
    assert plain.headers.getlist("Cache-Control") == [
        "public, max-age=31536000, immutable"
    ]
    packed = house.browser().open("GET", url, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    refused = house.browser().open("GET", url, headers={"Accept-Encoding": "gzip;q=0"})
    assert refused.data == plain.data


@pytest.mark.parametrize(
    "path",
    [
        "000000000000/app.js",
        "{}/nothing.js",
        "{}/../show.py",
        "{}/%2e%2e/show.py",
        "{}/..%2fshow.py",
        "{}//etc/passwd",
        "{}/vendor",
        "{}/",
    ],
)
def test_static_is_nothing_else(house: House, path: str) -> None:
    """Names that are not on the list are not there, wherever they point."""
    path = f"/admin/static/{path.format(Static().digest)}"
    answer = house.browser().open("GET", path)
    assert answer.status_code == 404


def test_a_name_changes_with_what_is_in_it(tmp_path: Path) -> None:
    """Another content is another address, so that nobody sees the old one."""
    (tmp_path / "a.js").write_text("1")
    before = Static(tmp_path).url("a.js")
    (tmp_path / "a.js").write_text("2")
    assert Static(tmp_path).url("a.js") != before
    with pytest.raises(KeyError):
        Static(tmp_path).url("b.js")
