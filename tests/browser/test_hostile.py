"""Every page of an installation that others have filled with hostile texts."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.handling import part
from support.hostile import BROKEN, CHATTY, LONG, MARKUP, MODELS, TIGHT
from support.hostile_site import USERNAME, HostileSite, hostile_site
from support.site import Site

from app.admin.pages.routes import PAGES

pytestmark = pytest.mark.live

IMG, SCRIPT, SVG, AREA = (MARKUP[name] for name in ("img", "script", "svg", "area"))
#: Where each page is seen, and a text that can be read there at least.
PLACES: dict[str, list[tuple[str, str]]] = {
    "/welcome": [("/welcome", USERNAME)],
    "/": [("/?range=1h", IMG)],
    "/overview/figures": [("/overview/figures?range=1h", SCRIPT)],
    "/overview/standing": [("/overview/standing", IMG)],
    "/live": [("/live", SVG)],
    "/keys": [("/keys", SCRIPT), (f"/keys?q={part(SCRIPT)}", SCRIPT)],
    "/keys/new": [("/keys/new", USERNAME), ("/keys/new?like={key}", AREA)],
    "/keys/<id>": [("/keys/{key}", AREA), ("/keys/{long}", "w" * 80)],
    "/keys/<id>/access": [("/keys/{key}/access", USERNAME)],
    "/keys/<id>/edit": [("/keys/{key}/edit", AREA)],
    "/keys/<id>/rotate": [("/keys/{key}/rotate", AREA)],
    "/models": [("/models", SCRIPT), (f"/models?q={part(IMG)}", IMG)],
    "/models/<path:name>": [
        (f"/models/{part(name)}?key={part(AREA)}&alias={part(SVG)}", name)
        for name in (*TIGHT, MODELS[0], MODELS[9])
    ],
    "/loaded": [("/loaded", SVG), (f"/loaded?name={part(MODELS[1])}", SCRIPT)],
    "/overrides": [("/overrides", AREA)],
    "/aliases": [
        ("/aliases", TIGHT[2]),
        (f"/aliases?q={part(IMG)}&name={part(SVG)}&key={part(AREA)}", IMG),
    ],
    "/alias": [(f"/alias?target={part(AREA)}", AREA)],
    "/aliases/<path:name>": [("/aliases/hostile", TIGHT[2])],
    "/usage": [
        *((f"/usage?range=1h&group={name}", IMG) for name in ("key", "model")),
        (f"/usage?range=1h&model={part(SVG)}&user={part(AREA)}", AREA),
    ],
    "/usage/records": [
        ("/usage/records?range=1h", SCRIPT),
        (f"/usage/records?range=1h&error={part(AREA)}&user={part(AREA)}", AREA),
    ],
    "/usage/records/<id>": [("/usage/records/{record}", LONG[:200])],
    "/playground": [(f"/playground?model={part(AREA)}&key={part(SVG)}", AREA)],
    "/settings": [("/settings", AREA), (f"/settings?q={part(AREA)}", AREA)],
    "/security": [
        ("/security", SCRIPT),
        (f"/security?cursor=40&q={part(SCRIPT)}", SCRIPT),
    ],
    "/backup": [("/backup", USERNAME)],
    "/about": [("/about", SCRIPT)],
    "/about/health": [("/about/health", SCRIPT)],
}
#: Parts that other pages fetch, and which have no form of their own.
PARTS = ("/overview/figures", "/overview/standing", "/about/health")
#: Elements that no template of ours writes.
SMUGGLED = """
return [...document.querySelectorAll(
  "[onerror], [onload], body script, main img, dialog img, #toasts img, body b, iframe,"
  + "object, a[href^='javascript:' i]"
)].map(one => one.outerHTML.slice(0, 300));
"""
#: All that can be read, or is in a field, in folded parts too.
READ = """
for (const one of document.querySelectorAll("details")) one.open = true;
const parts = document.querySelectorAll("input, textarea, option, td, th, dd, .who");
return [document.body.innerText, document.title,
  ...[...parts].map(one => one.value || one.textContent)].join("\\n");
"""


#: The first link to each kind of drawer; names and ids are no kinds.
KINDS = """
const kinds = new Map();
for (const one of document.querySelectorAll("a[data-drawer]")) {
  const path = one.pathname.split("/").slice(2);
  const any = (part, place) => (place % 2 && part !== "new" ? "*" : part);
  const kind = path.map(any).join("/") + !!one.search;
  if (!kinds.has(kind)) kinds.set(kind, one);
}
return [...kinds.values()];
"""


@pytest.fixture(scope="module")
def filled() -> Iterator[HostileSite]:
    """One for all tests here."""
    with hostile_site() as filled:
        yield filled


@pytest.fixture(scope="module")
def site(filled: HostileSite) -> Site:
    """The installation itself."""
    return Site(filled.server, cast(Any, None), filled.admin)


@pytest.fixture
def signed_in(browser: Browser, filled: HostileSite) -> Browser:
    """A browser of somebody who is signed in."""
    filled.sign_in(browser)
    return browser


def address(filled: HostileSite, path: str) -> str:
    """Where a page is."""
    if "{record}" in path:
        found = filled.admin.do("GET", "usage/records")["records"]
        longest = max(found, key=lambda one: len(one["request_id"]))
        path = path.replace("{record}", longest["id"])
    path = path.replace("{key}", filled.keys[AREA])
    return "/admin" + path.replace("{long}", filled.keys["w" * 80])


def unharmed(browser: Browser, *texts: str) -> None:
    """The page shows these texts, and is only what templates wrote."""

    def told() -> bool:
        read = " ".join(browser.script(READ).split())
        return all(" ".join(text.split()) in read for text in texts)

    browser.until(fact=told)
    assert browser.script(SMUGGLED) == []


def test_every_page_is_here() -> None:
    """A new page has to be looked at as well."""
    assert {page.path for page in PAGES} == set(PLACES)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", PLACES)
def test_pages(signed_in: Browser, filled: HostileSite, path: str, size: Size) -> None:
    """Whatever it is, it is a text, and pages keep their form."""
    signed_in.emulate(size)
    for where, text in PLACES[path]:
        signed_in.open(address(filled, where))
        unharmed(signed_in, text)
        if path not in PARTS:
            assert signed_in.overflow() == []
            assert signed_in.audit() == []


@pytest.mark.parametrize("path", ["/keys", "/aliases", "/usage/records?range=1h"])
def test_drawers(signed_in: Browser, path: str) -> None:
    """Nor is it anything else in a drawer: each kind that a page opens."""
    signed_in.emulate(PHONE)
    signed_in.open(f"/admin{path}")
    links = signed_in.script(KINDS)
    assert links
    for link in links:
        signed_in.script("arguments[0].click()", link)
        signed_in.until("#drawer-body #panel")
        unharmed(signed_in)
        assert signed_in.overflow() == []
        assert signed_in.audit() == []
        signed_in.click("Close", within="#drawer")
        signed_in.until(gone="#drawer")


@pytest.mark.parametrize(
    "path", ["/keys", "/keys/{key}", f"/models/{part(TIGHT[0])}", "/aliases"]
)
def test_questions(signed_in: Browser, filled: HostileSite, path: str) -> None:
    """What is asked before something is done names it, as a text."""
    signed_in.open(address(filled, path))
    signed_in.settle()
    asking = "document.querySelectorAll('[data-confirm]')"
    count = signed_in.script(f"return {asking}.length")
    assert count
    for place in range(min(count, 9)):
        signed_in.script(f"{asking}[arguments[0]].click()", place)
        signed_in.until("dialog.ask")
        unharmed(signed_in)
        assert signed_in.overflow() == []
        signed_in.click("Cancel", within="dialog.ask")
        signed_in.until(gone="dialog.ask")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize(
    "dialect",
    ["OpenAI Chat", "Anthropic Messages", "OpenAI Responses", "Ollama chat"],
)
def test_playground(signed_in: Browser, dialect: str, size: Size) -> None:
    """What a model says, thinks and calls is a text, and so is why it fails."""
    browser = signed_in
    browser.emulate(size)
    browser.open("/admin/playground")
    browser.choose("API", dialect)
    browser.click("Tools")
    browser.click("Put in an example")
    browser.choose("Thinking", "high")
    for model, word in ((CHATTY, "Done"), (BROKEN, "That did not work.")):
        browser.fill("Model or alias", model)
        browser.fill("Message", "".join(MARKUP.values()) + LONG[:500])
        browser.click("Send")
        browser.until(fact=lambda w=word: browser.text("#state").startswith(w))
        unharmed(browser, *MARKUP.values(), LONG)
        assert browser.overflow() == []
        assert browser.audit() == []
    browser.forgive("status of 50")


def test_errors(signed_in: Browser) -> None:
    """Pages that say what is wrong repeat it as a text."""
    text = " ".join((IMG, SCRIPT, AREA, "w" * 600))
    for path in ("nowhere/", "keys/", "aliases/", "usage/records/", "usage?key="):
        signed_in.open(f"/admin/{path}{part(text)}")
        unharmed(signed_in)
        assert signed_in.overflow() == []
        assert signed_in.audit() == []
    signed_in.forgive("status of 404")
    signed_in.forgive("status of 422")
