"""What the tests of pages stand on can fail itself."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

import pytest
from support.browser import PHONE, Browser
from support.site import Site

from middleware.admin_headers import HEADERS

pytestmark = pytest.mark.live

PAGE = """<!doctype html><html lang="en"><title>A page</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/page.css"><main><h1>A page</h1>{}</main>"""
FORM = """
<form><label>Name <input id="name"></label>
<label>Password <input type="password"></label>
<label>Until <input type="datetime-local" id="until"></label>
<label>File <input type="file" id="file"></label>
<label for="m">Model</label><select id="m"><option>a<option>b</select>
<label class="switch"><input type="checkbox" id="on"> Enabled</label></form>
<details><summary>More</summary>Here it is.</details>
<table><tr><td>one</td><td><button>Remove</button></td></tr>
<tr><td>two</td><td><button id="second">Remove</button></td></tr></table>
<button aria-label="Ask" id="ask">?</button> <button id="copy">Copy</button>
<p id="said"></p><script src="/form.js"></script>"""
FORM_JS = """
const said = document.getElementById("said"), on = (id, job) =>
  document.getElementById(id).addEventListener("click", job);
on("second", () => setTimeout(() => { said.textContent = "two is gone"; }, 50));
on("ask", () => { said.textContent = confirm("Sure?") ? "yes" : "no"; });
on("copy", () => navigator.clipboard.writeText("copied"));
"""
#: What a browser is given, by path.
PAGES = {
    "/": PAGE.format("Nothing is wrong here."),
    "/form": PAGE.format(FORM),
    "/form.js": FORM_JS,
    "/page.css": ".switch input { opacity: 0; width: 1px; pointer-events: none }",
    "/inline": PAGE.format("<script>window.inline = true</script>"),
    "/styled": PAGE.format('<p style="color: red">Red.</p>'),
    "/thrown": PAGE.format('<script src="/thrown.js"></script>'),
    "/thrown.js": "setTimeout(() => { throw new Error('thrown late'); }, 0);",
    "/rejected": PAGE.format('<script src="/rejected.js"></script>'),
    "/rejected.js": "Promise.reject(new Error('never caught'));",
    "/alerted": PAGE.format('<script src="/alerted.js"></script>'),
    "/alerted.js": "alert('let in');",
    "/lacking": PAGE.format('<script src="/not-there.js"></script>'),
    "/abroad": PAGE.format('<script src="/abroad.js"></script>'),
    "/abroad.js": "fetch('http://192.0.2.1/').catch(() => {});",
    "/blind": PAGE.format('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'),
    "/pale": PAGE.format('<p id="pale">Hardly to be read.</p>').replace("page", "pale"),
    "/pale.css": "#pale { color: #ccc; background: #fff }",
    "/wide": PAGE.format('<p id="w">wide</p>').replace("page.css", "wide.css"),
    "/wide.css": "#w { width: 700px }",
    "/heavy": PAGE.format('<script src="/heavy.js"></script>'),
    "/heavy.js": f"/*{'x' * 50_000}*/",
    "/unfit": "<!doctype html><html lang=en><title>t</title><h1>No viewport</h1>",
}


class Handler(BaseHTTPRequestHandler):
    """Answers with a page, under our own policy."""

    def do_GET(self) -> None:
        """One page."""
        page = PAGES.get(self.path)
        kinds = {"js": "text/javascript", "css": "text/css"}
        kind = kinds.get(self.path.rpartition(".")[2], "text/html; charset=utf-8")
        self.send_response(404 if page is None else 200)
        for name, value in [*HEADERS, ("Content-Type", kind)]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the pages are."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def tried(chromium: Browser, url: str) -> Browser:
    """A browser in front of these pages, whose faults are no failure by themselves."""
    chromium.begin(url)
    return chromium


FAULTS = {
    "/inline": "Executing inline script",
    "/styled": "Applying inline style",
    "/thrown": "thrown late",
    "/rejected": "never caught",
    "/alerted": "fault: alert: let in",
    "/lacking": "status of 404",
    "/abroad": "Content Security Policy",
}


@pytest.mark.parametrize("path", FAULTS)
def test_a_fault_is_seen(tried: Browser, path: str) -> None:
    """What the policy refuses, what is thrown, rejected, lacking or let in is seen."""
    tried.open("/")
    assert tried.faults() == []
    tried.open(path)
    tried.until(fact=lambda: any(FAULTS[path] in fault for fault in tried.faults()))
    tried.open("/")
    assert tried.faults() != [], "they stay, whatever is opened next"


def test_a_fault_that_is_meant_is_forgiven(tried: Browser) -> None:
    """It is forgotten, it alone, and it must have been there."""
    tried.open("/thrown")
    tried.forgive("thrown late")
    assert tried.faults() == []
    with (
        patch("support.browser.PATIENCE", 0.1),
        pytest.raises(AssertionError, match="no fault has 'thrown late'"),
    ):
        tried.forgive("thrown late")


def test_what_is_written_is_used(tried: Browser, tmp_path: Path) -> None:
    """Fields, lists, boxes, buttons and rows are found by what they are called."""
    (tmp_path / "a.json").write_text("{}")
    tried.open("/form")
    tried.fill("Name", "first")
    tried.fill("Name", "somebody")
    tried.fill("Password", "a secret")
    tried.fill("Until", "2026-01-31T08:00")
    tried.fill("File", str(tmp_path / "a.json"))
    tried.choose("Model", "b")
    tried.check("Enabled")
    tried.check("Enabled")
    tried.click("More")
    assert "Here it is." in tried.text("details")
    values = (
        "return ['name', 'until', 'm'].map(id => document.getElementById(id).value)"
    )
    assert tried.script(values) == ["somebody", "2026-01-31T08:00", "b"]
    assert tried.find("#on").is_selected()
    assert tried.script("return document.getElementById('file').files[0].name")
    tried.click("Remove", within=tried.row("two"))
    tried.until(text="two is gone")
    assert tried.texts("td:first-child") == ["one", "two"]
    tried.find("button", "Ask")
    assert tried.faults() == []


def test_questions_and_copies(tried: Browser) -> None:
    """Questions of the browser are answered, and what is copied can be read."""
    tried.open("/form")
    tried.click("Ask")
    assert tried.accept() == "Sure?"
    tried.until("#said", text="yes")
    tried.click("Ask")
    tried.dismiss()
    tried.until("#said", text="no")
    tried.click("Copy")
    assert tried.clipboard() == "copied"


def test_keys_are_pressed(tried: Browser) -> None:
    """The focus goes from field to field, and back."""
    tried.open("/form")
    tried.press("Tab", "a", "+", "b")
    assert tried.focused == "Name"
    tried.press("Tab")
    assert tried.focused == "Password"
    tried.press("Shift+Tab")
    assert tried.focused == "Name"
    assert tried.find("#name").get_property("value") == "a+b"


MISSES = {
    "button": (lambda b: b.click("Save"), r"no 'Save' among: .*button \"Ask\""),
    "several": (lambda b: b.click("Remove"), r"no 'Remove' .*there are 2"),
    "field": (
        lambda b: b.fill("Colour", "red"),
        r"no 'Colour' among: textbox",
    ),
    "selector": (lambda b: b.find("#nix"), "no element #nix"),
    "row": (lambda b: b.row("three"), "no row with 'three'"),
    "text": (lambda b: b.until(text="Saved"), "text 'Saved'"),
    "option": (lambda b: b.choose("Model", "c"), "Could not locate.*c"),
    "question": (lambda b: b.accept(), "the browser asks nothing"),
}


@pytest.mark.parametrize("miss", MISSES)
def test_what_is_missing_is_named(tried: Browser, miss: str) -> None:
    """What is not there is waited for, then named, with what there is."""
    job, said = MISSES[miss]
    tried.open("/form")
    with (
        patch("support.browser.PATIENCE", 0.2),
        pytest.raises(AssertionError, match=said) as raised,
    ):
        job(tried)
    assert "at /form" in str(raised.value)


def test_a_good_page_is_good(tried: Browser) -> None:
    """Nothing is found where nothing is wrong, not even by what looks for it."""
    tried.open("/")
    assert tried.audit() == []
    assert tried.overflow() == []
    assert tried.faults() == []


VIOLATIONS = {"/blind": "image-alt (critical): img", "/pale": "color-contrast"}


@pytest.mark.parametrize("path", VIOLATIONS)
def test_a_violation_is_seen(tried: Browser, path: str) -> None:
    """An image without a text, and a text that can hardly be read, are told."""
    tried.open(path)
    (found,) = tried.audit()
    assert found.startswith(VIOLATIONS[path])


def test_a_wide_page_is_seen(tried: Browser) -> None:
    """What is wider than a phone is named; on a desktop there is room for it."""
    tried.open("/wide")
    assert tried.overflow() == []
    tried.emulate(PHONE)
    tried.open("/wide")
    wide, widest = tried.overflow()
    assert "the window 360" in wide
    assert widest.startswith("p#w ends at 7")
    tried.open("/unfit")
    assert tried.overflow() == ["the page is laid out 980 pixels wide, not 360"]


def test_the_weight_is_that_of_a_first_visit(tried: Browser) -> None:
    """All parts are weighed, also if they were there before."""
    tried.open("/heavy")
    for _ in range(2):
        weight = tried.weigh("/heavy")
        assert weight.decoded > 50_000
        assert weight.transferred > weight.decoded
        assert sum(1 for part in weight.parts if part.endswith("/heavy.js")) == 1
    assert tried.weigh("/").transferred < 3_000


def test_wishes_are_known_to_the_page(tried: Browser) -> None:
    """Light or dark, still, small, elsewhere: as it was asked for."""
    look = """return [matchMedia("(prefers-color-scheme: dark)").matches,
      matchMedia("(prefers-reduced-motion: reduce)").matches, innerWidth,
      matchMedia("(pointer: coarse)").matches, new Date(0).getTimezoneOffset()]"""
    tried.open("/")
    assert tried.script(look) == [False, False, 1280, False, 0]
    tried.emulate(PHONE, dark=True, reduced_motion=True, zone="Asia/Kolkata")
    tried.open("/")
    assert tried.script(look) == [True, True, 360, True, -330]


def test_nothing_is_left_for_the_next(tried: Browser, url: str) -> None:
    """Cookies, what pages kept, windows and open questions are gone."""
    tried.set_cookie("pannier", "x")
    tried.open("/form")
    tried.script("localStorage.setItem('theme', 'dark')")
    tried.click("Ask")
    tried.begin(url)
    tried.open("/")
    tried.script("window.open('/')")
    tried.begin(url)
    tried.open("/")
    assert tried.script("return [localStorage.length, document.cookie]") == [0, ""]
    assert tried.cdp("Network.getCookies")["cookies"] == []
    assert len(tried.driver.window_handles) == 1
    assert tried.path == "/"


def test_a_picture_is_of_the_whole_page(tried: Browser, tmp_path: Path) -> None:
    """It is WebP, and there is more on it than the window shows."""
    tried.open("/form")
    taken = tried.shoot(tmp_path / "some" / "form.webp").read_bytes()
    assert taken[:4] + taken[8:12] == b"RIFFWEBP"


def test_pages_of_pannier(browser: Browser) -> None:
    """The pages that everybody sees have no faults."""
    browser.open("/")
    browser.until(text="Pannier")
    browser.open("/docs")
    browser.until("h1")


def test_who_is_signed_in(signed_in: Browser, site: Site) -> None:
    """A browser that is signed in may ask what others may not."""
    signed_in.open("/admin/api/v1/me")
    assert '"username":"admin"' in signed_in.text()
    assert site.admin.do("GET", "keys")["keys"] == []
