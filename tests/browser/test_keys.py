"""The pages of keys: the list, one key, and the forms of them."""

import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.leaving import ask as begin
from support.leaving import eventually, until
from support.raw import Got, ask
from support.secrecy import note
from support.site import Site, running

from app.admin.pages.keys import ENDPOINTS

pytestmark = pytest.mark.live

DAY = 86_400_000
HOSTILE = "<img src=x onerror=alert(1)>\"'</td><script>alert(2)</script> \u05d0"
MODEL = "llama3.2:latest"
SLOW = "sim-chunks9000-tps20"
HELLO = [{"role": "user", "content": "Hello"}]


def make(site: Site, name: str, **more: Any) -> Any:
    """A key, over HTTP."""
    return site.admin.do("POST", "keys", {"name": name, "allow_models": ["*"], **more})


def names(browser: Browser) -> list[str]:
    """The names in the list."""
    return browser.texts("#list tbody th a")


def open_list(browser: Browser, part: str) -> None:
    """The list of those keys that have this in their names."""
    browser.open(f"/admin/keys?q={part}")


def pick(browser: Browser, name: str, what: str) -> None:
    """Choose from the menu of a key."""
    browser.click(f"More for {name}")
    browser.click(what, within=".menu-list:popover-open")


#: An address that tries wrong keys too often is kept out: each try is of another.
ADDRESSES = (f"127.1.{n // 250 % 250}.{n % 250 + 1}" for n in count())


def say(site: Site, secret: str = "", model: str = MODEL) -> Got:
    """A request as a program sends it."""
    body = {"model": model, "messages": HELLO}
    headers = {"Content-Type": "application/json"}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    path, source = "/v1/chat/completions", next(ADDRESSES)
    return ask(site.server.port, "POST", path, body, headers, source)


def key_of(site: Site, name: str) -> Any:
    """A key as it is now."""
    found = site.admin.do("GET", f"keys?q={quote(name)}")["keys"]
    return next(key for key in found if key["name"] == name)


def shown(browser: Browser) -> str:
    """The secret that is shown; then it is closed."""
    browser.until(css="#secret[open]")
    return note(browser.text("#secret code[data-secret]"))


def closed(browser: Browser) -> None:
    """Say that it has been copied."""
    browser.click("I have copied it")
    browser.until(gone="#secret[open]")


@pytest.fixture(scope="module", autouse=True)
def keeper(site: Site) -> None:
    """A key that is there all the time: none of a test is the first or the last."""
    make(site, "keeper")


@pytest.fixture
def alone(chromium: Browser) -> Iterator[tuple[Browser, Site]]:
    """An installation of its own, in which there is no key yet."""
    with running() as site:
        chromium.begin(site.url)
        site.sign_in(chromium)
        yield chromium, site
        assert chromium.faults() == []


def test_the_life_of_a_key(alone: tuple[Browser, Site]) -> None:
    """The first key closes the door; it works, is seen, is counted, and ends."""
    browser, site = alone
    assert say(site).status == 200
    browser.open("/admin/keys")
    browser.until(text="everybody who reaches this address may ask")
    browser.click("Make the first key")
    browser.until(text="This is the first key: from now on every request needs one.")
    browser.fill("Name", "laptop")
    browser.click("Make the key", within="#panel")
    assert "every request needs one" in browser.text("dialog.ask")
    browser.click("Make the key", within="dialog.ask")
    secret = shown(browser)
    closed(browser)
    eventually(lambda: say(site).status == 401)

    body = {"model": SLOW, "stream": True, "messages": HELLO}
    header, port = f"Authorization: Bearer {secret}", site.server.port
    path = "/v1/chat/completions"
    with begin(port, "POST", path, "running", body, header) as stream:
        until(stream, b"data:")
        browser.open("/admin/live")
        browser.until('tr[title="Request running"]', text="laptop")

    assert say(site, secret).status == 200
    key = key_of(site, "laptop")
    eventually(lambda: site.admin.do("GET", f"keys/{key['id']}")["last_used_at"])
    path = f"usage/records?key={key['id']}"
    eventually(lambda: len(site.admin.do("GET", path)["records"]) == 2)
    rows = site.admin.do("GET", path)["records"]
    assert {one["status"] for one in rows} == {"ok", "cancelled"}
    browser.open("/admin/keys")
    assert "never used" not in browser.row("laptop").text
    browser.click("laptop")
    browser.until(text="Requests by day")
    assert browser.texts("#one .card dd")[0] == "2"

    browser.click("Revoke")
    assert "“laptop”" in browser.text("dialog.ask")
    assert "It is the last good key" in browser.text("dialog.ask")
    browser.click("Revoke", within="dialog.ask")
    browser.until(text="“laptop” is revoked.")
    eventually(lambda: say(site, secret).status == 401)
    assert say(site).status == 401

    browser.click("Delete")
    assert "without it everybody may ask" in browser.text("dialog.ask")
    browser.click("Delete", within="dialog.ask")
    browser.until(path="/admin/keys", text="No key yet")
    eventually(lambda: say(site).status == 200)


def test_a_secret_is_shown_once(signed_in: Browser, site: Site) -> None:
    """It can be copied, alone and in snippets, and then the page has it no more."""
    browser = signed_in
    open_list(browser, "once")
    browser.click("New key")
    browser.fill("Name", "once")
    browser.fill("Allowed", MODEL)
    browser.click("Make the key")
    secret = shown(browser)
    assert "“once”" in browser.text("#secret h2")
    browser.press("Escape")
    assert browser.find("#secret").is_displayed()
    browser.click("Copy the key")
    browser.until(fact=lambda: browser.clipboard() == secret)
    for program, start, where in (
        ("curl", "curl ", f"{site.url}/v1/chat/completions"),
        ("Python", "# pip install openai", f'base_url="{site.url}/v1"'),
        ("JavaScript", "// npm install openai", f"baseURL: '{site.url}/v1'"),
        ("Anthropic", "# pip install anthropic", f'base_url="{site.url}"'),
        ("Continue", "# ~/.continue", f"apiBase: {site.url}/v1"),
        ("Continue", "# ~/.continue", "roles: [autocomplete]"),
        ("llama.vim", '" ~/.vimrc', f"'{site.url}/infill'"),
        ("llama.vscode", "// settings.json", f'"llama-vscode.endpoint": "{site.url}"'),
    ):
        browser.click(program)
        browser.click(f"Copy for {program}")
        browser.until(fact=lambda start=start: browser.clipboard().startswith(start))
        copied = browser.clipboard()
        assert where in copied
        assert secret in copied
        assert MODEL in copied
    json.loads(browser.clipboard().partition("\n")[2])
    browser.press("Arrow_Right")
    assert browser.audit() == []
    closed(browser)
    assert secret not in browser.script("return document.documentElement.innerHTML")
    assert names(browser) == ["once"]


MODELS_OF_SNIPPETS = (
    "return [...document.querySelectorAll('#secret [data-model]')]"
    ".map((one) => one.textContent)"
)
#: Has the page wait for the first list of a key's models until it is told.
HOLD = """
const real = window.fetch;
window.fetch = (url, ...more) => {
  if (!/keys\\/[^/]+\\/models$/.test(url) || window.tell) return real(url, ...more);
  return new Promise((go) => {
    window.tell = async () => {
      const answer = await real(url, ...more);
      const { json } = answer;
      answer.json = async () => {
        setTimeout(() => (window.told = true));
        return json.call(answer);
      };
      go(answer);
    };
  });
};
"""


def test_a_model_that_is_told_late(signed_in: Browser) -> None:
    """A secret stays in sight, whatever was asked of the key that was shown before."""
    browser = signed_in
    open_list(browser, "late")
    browser.script(HOLD)
    secrets = []
    for name in ("late one", "late two"):
        browser.click("New key")
        browser.fill("Name", name)
        browser.click("Make the key")
        secrets.append(shown(browser))
        if name == "late one":
            closed(browser)
    browser.script("window.tell()")
    browser.until(fact=lambda: browser.script("return window.told === true"))
    assert shown(browser) == secrets[1] != secrets[0]
    closed(browser)


def test_models_that_commands_cannot_name(signed_in: Browser) -> None:
    """A name that a shell would run is in no command that somebody copies."""
    browser = signed_in
    open_list(browser, "careful")
    browser.script("""
const real = window.fetch;
window.fetch = async (url, ...more) => {
  if (!/keys\\/[^/]+\\/models$/.test(url)) return real(url, ...more);
  const answer = new Response();
  answer.json = async () => {
    setTimeout(() => (window.told = true));
    return { models: ["a$(id)'b"], aliases: [] };
  };
  return answer;
};
""")
    browser.click("New key")
    browser.fill("Name", "careful")
    browser.click("Make the key")
    shown(browser)
    browser.until(fact=lambda: browser.script("return window.told === true"))
    assert {*browser.script(MODELS_OF_SNIPPETS)} == {"MODEL"}
    closed(browser)


def test_tabs_of_snippets_by_keyboard(signed_in: Browser) -> None:
    """Arrow keys go from one program to the next, and around."""
    browser = signed_in
    browser.open("/admin/keys/new")
    browser.fill("Name", "by keyboard")
    browser.press("Enter")
    shown(browser)
    browser.click("curl")
    browser.press("Arrow_Left")
    assert browser.focused == "llama.vim"
    browser.press("Arrow_Right", "Arrow_Right")
    assert browser.focused == "Python"
    assert "from openai import OpenAI" in browser.text("#secret")
    closed(browser)
    browser.until(text="All keys")
    assert browser.text("h1") == "by keyboard"


def test_all_fields(signed_in: Browser, site: Site) -> None:
    """Whatever can be said of a key can be said in its form."""
    browser = signed_in
    browser.open("/admin/keys")
    browser.click("New key")
    for label, text in {
        "Name": "full",
        "Notes": "first\nsecond",
        "Allowed": "llama*\nqwen*",
        "But not": "*:8b",
        "Requests a minute": "60",
        "Tokens a day": "1000000",
        "Requests at once": "0",
        "Tokens of an answer": "2000",
        "Context in tokens": "8192",
    }.items():
        browser.fill(label, text)
    browser.check("Enabled", False)
    browser.check("Images", False)
    browser.check("Pull and delete models")
    browser.click("More: usual models, options, overrides, a secret from elsewhere")
    browser.fill("Usual model", MODEL)
    browser.fill("Usual model for code", "qwen2.5-coder")
    browser.check("May choose how a model is loaded (num_ctx, num_gpu and others)")
    browser.check("May choose how long a model stays loaded (keep_alive)")
    browser.fill("Overrides", '{"temperature": 0.2}')
    browser.click("Make the key")
    shown(browser)
    closed(browser)
    key = key_of(site, "full")
    endpoints = set(key["allow_endpoints"])
    assert "manage" in endpoints
    assert "images" not in endpoints
    wanted = {
        "notes": "first\nsecond",
        "enabled": False,
        "expires_at": None,
        "allow_models": ["llama*", "qwen*"],
        "deny_models": ["*:8b"],
        "rpm": 60,
        "tpd": 1_000_000,
        "max_concurrent": 0,
        "max_output_tokens": 2000,
        "max_num_ctx": 8192,
        "allow_runner_options": True,
        "allow_keep_alive": True,
        "default_model": MODEL,
        "default_code_model": "qwen2.5-coder",
        "overrides": {"temperature": 0.2},
    }
    assert {name: key[name] for name in wanted} == wanted

    # The form of one that is there has all of it, and sends what is changed alone.
    pick(browser, "full", "Edit")
    browser.until(text="Edit “full”")
    browser.fill("Requests a minute", "")
    browser.fill("Overrides", "")
    browser.fill("Notes", "")
    browser.check("Audio", False)
    browser.check("Enabled")
    browser.click("Save")
    browser.until(gone="#drawer[open]")
    browser.until(text="active")
    key = key_of(site, "full")
    wanted |= {"rpm": None, "overrides": {}, "notes": "", "enabled": True}
    assert {name: key[name] for name in wanted} == wanted
    assert set(key["allow_endpoints"]) == endpoints - {"audio"}

    # A clone is the same, but for its name and its secret.
    pick(browser, "full", "Clone")
    browser.until(text="New key")
    browser.click("Make the key")
    shown(browser)
    assert "“full copy”" in browser.text("#secret h2")
    closed(browser)
    copy = key_of(site, "full copy")
    assert {name: copy[name] for name in wanted} == wanted
    assert copy["suffix"] != key["suffix"]


@pytest.mark.parametrize(
    ("choice", "days"), [("in 30 days", 30), ("in 90 days", 90), ("in a year", 365)]
)
def test_when_it_expires(
    signed_in: Browser, site: Site, choice: str, days: int
) -> None:
    """A key ends after a while that is usual, in the zone of whoever asks."""
    browser, name = signed_in, f"ends in {days}"
    browser.emulate(zone="Asia/Kolkata")
    browser.open("/admin/keys/new")
    browser.fill("Name", name)
    browser.choose("Expires", choice)
    browser.until(text="Asia/")
    browser.click("Make the key")
    shown(browser)
    closed(browser)
    left = key_of(site, name)["expires_at"] - time.time() * 1000
    assert abs(left - days * DAY) < 120_000


def test_a_time_to_expire(signed_in: Browser, site: Site) -> None:
    """A time can be chosen, is there again, and can be taken away."""
    browser = signed_in
    browser.emulate(zone="Asia/Kolkata")
    browser.open("/admin/keys/new")
    browser.fill("Name", "timely")
    browser.choose("Expires", "at a time …")
    browser.fill("Expires at", "2030-01-31T08:00")
    browser.click("Make the key")
    shown(browser)
    closed(browser)
    key = key_of(site, "timely")
    assert key["expires_at"] == 1_896_057_000_000  # 02:30 UTC
    browser.open(f"/admin/keys/{key['id']}/edit")
    field = browser.find("#expires_at")
    browser.until(fact=lambda: field.get_property("value") == "2030-01-31T08:00")
    browser.choose("Expires", "never")
    browser.click("Save")
    browser.until(path=f"/admin/keys/{key['id']}")
    assert key_of(site, "timely")["expires_at"] is None


def test_what_patterns_match(signed_in: Browser, site: Site) -> None:
    """What patterns match now is shown as they are typed; models can be chosen."""
    browser = signed_in
    alias = {"name": "matched-alias", "target": MODEL}
    site.admin.do("POST", "aliases", alias)
    browser.open("/admin/keys/new")
    browser.until(text="matched-alias (alias)")
    browser.fill("Allowed", "llama3.2*")
    browser.until(text="Matched now: 3")
    assert MODEL in browser.texts(".chips li")
    browser.fill("But not", "*vision*")
    browser.until(text="Matched now: 2")
    browser.fill("Allowed", "nothing*")
    browser.until(text="match no model that there is now")
    browser.fill("Allowed", "a b")
    browser.until(css=".matches .wrong")
    browser.forgive("status of 422")
    browser.fill("Allowed", "*")
    browser.choose("Add a model to those allowed", "all-minilm:latest")
    browser.until(text="Matched now: 1")
    browser.choose("Add a model to those allowed", MODEL)
    browser.until(text="Matched now: 3")
    area = browser.find("#allow_models")
    assert area.get_property("value") == f"all-minilm:latest\n{MODEL}"
    site.admin.do("DELETE", "aliases/matched-alias")


def test_what_is_wrong(signed_in: Browser, site: Site) -> None:
    """What cannot be is said at its field, and nothing is made."""
    browser = signed_in
    make(site, "taken")
    browser.open("/admin/keys/new")
    browser.fill("Name", "taken")
    browser.click("Make the key")
    browser.until(css="#wrong-name")
    assert browser.focused.startswith("Name")
    browser.fill("Name", "wrong")
    browser.click("More: usual models, options, overrides, a secret from elsewhere")
    for label, text, field in (
        ("Overrides", "{temperature: 1}", "overrides"),
        ("Overrides", '{"temperature": "hot"}', "overrides"),
        ("A secret from elsewhere", "short", "key"),
        ("Usual model", "two words", "default_model"),
        ("Allowed", "", "allow_models"),
    ):
        before = browser.find(f"#{field}").get_property("value")
        browser.fill(label, text)
        browser.click("Make the key")
        browser.until(css=f"#wrong-{field}")
        assert browser.audit() == []
        browser.fill(label, before)
    for name in browser.all("input[name=allow_endpoints]:checked"):
        name.click()
    browser.click("Make the key")
    browser.until(text="A key that may use no endpoint is of no use.")
    assert site.admin.do("GET", "keys?q=wrong")["keys"] == []
    browser.forgive("status of 4")


def test_somebody_was_quicker(signed_in: Browser, site: Site) -> None:
    """What somebody else has changed meanwhile is not lost."""
    browser, key = signed_in, make(site, "contested")
    browser.open(f"/admin/keys/{key['id']}/edit")
    site.admin.do("PATCH", f"keys/{key['id']}", {"rpm": 7})
    browser.fill("Requests a minute", "9")
    browser.click("Save")
    browser.until(text="Somebody has changed this meanwhile")
    browser.forgive("status of 412")
    assert key_of(site, "contested")["rpm"] == 7


def test_a_secret_from_elsewhere(signed_in: Browser, site: Site) -> None:
    """A key that programs have already is taken in, and works."""
    browser, secret = signed_in, note("from-elsewhere-0123456789")
    open_list(browser, "brought")
    browser.click("New key")
    browser.fill("Name", "brought")
    browser.click("More: usual models, options, overrides, a secret from elsewhere")
    browser.fill("A secret from elsewhere", secret)
    browser.click("Make the key")
    browser.until(text="“brought” is taken in.", gone="#drawer[open]")
    browser.until(text="short secret")
    eventually(lambda: say(site, secret).status == 200)


def test_rotate(signed_in: Browser, site: Site) -> None:
    """A key gets another secret; the old one is good for as long as is said."""
    browser, key = signed_in, make(site, "turned")
    old = note(key["key"])
    eventually(lambda: say(site, old).status == 200)
    open_list(browser, "turned")
    pick(browser, "turned", "Rotate")
    browser.choose("The old secret is good for", "another hour")
    browser.click("Rotate", within="#panel")
    new = shown(browser)
    assert "The old one is good until" in browser.text("#secret")
    closed(browser)
    assert new != old
    eventually(lambda: say(site, new).status == 200)
    assert say(site, old).status == 200
    browser.until(text="old secret until")
    browser.open(f"/admin/keys/{key['id']}")
    browser.click("Rotate")
    browser.choose("The old secret is good for", "no longer: it ends at once")
    browser.click("Rotate", within="#panel")
    shown(browser)
    assert "The old one is good until" not in browser.text("#secret")
    closed(browser)
    eventually(lambda: say(site, new).status == 401)
    assert browser.path == f"/admin/keys/{key['id']}"


def test_find_and_sort(signed_in: Browser, site: Site) -> None:
    """The list is of those that are wanted, in the order that is, as its URL says."""
    browser = signed_in
    for name in ("find a", "find b", "find c"):
        make(site, name)
    site.admin.do("POST", "keys/find%20b/disable")
    site.admin.do("POST", "keys/find%20c/revoke")
    used = note(make(site, "find z")["key"])
    eventually(lambda: say(site, used).status == 200)
    eventually(lambda: key_of(site, "find z")["last_used_at"])
    browser.open("/admin/keys")
    browser.fill("Search", "FIND")
    browser.until(
        fact=lambda: names(browser) == ["find a", "find b", "find c", "find z"]
    )
    assert browser.focused == "Search"
    for state, wanted in (
        ("disabled", ["find b"]),
        ("revoked", ["find c"]),
        ("active", ["find a", "find z"]),
    ):
        browser.choose("State", state)
        browser.until(fact=lambda wanted=wanted: names(browser) == wanted)
    for order in ("last used", "requests, 14 days"):
        browser.choose("Sorted by", "name")
        browser.until(fact=lambda: names(browser) == ["find a", "find z"])
        browser.choose("Sorted by", order)
        browser.until(fact=lambda: names(browser) == ["find z", "find a"])
    url = browser.script("return location.pathname + location.search")
    browser.open(url)
    assert names(browser) == ["find z", "find a"]
    browser.choose("State", "expired")
    browser.until(text="No key fits.")
    browser.click("Show all keys")
    browser.until(fact=lambda: "find b" in names(browser))


def test_pages(signed_in: Browser, site: Site) -> None:
    """A long list comes in pages, in any order."""
    browser, all_of_them = signed_in, [f"paged {n:02}" for n in range(27)]
    for name in all_of_them:
        make(site, name)
    for order in ("name", "requests"):
        browser.open(f"/admin/keys?q=paged&sort={order}")
        assert names(browser) == all_of_them[:25]
        browser.click("Next page")
        browser.until(fact=lambda: names(browser) == all_of_them[25:])
        browser.click("First page")
        browser.until(fact=lambda: names(browser) == all_of_them[:25])
    browser.check("Choose all of this page")
    browser.until(text="25 keys chosen")
    browser.click("Delete", within="#bulk")
    assert "“paged 09” and 15 more?" in browser.text("dialog.ask")
    browser.click("Delete", within="dialog.ask")
    browser.until(text="25 keys deleted.")
    browser.until(fact=lambda: names(browser) == all_of_them[25:])


def test_the_switch(signed_in: Browser, site: Site) -> None:
    """A key is disabled and enabled where it stands, and on its own page."""
    browser, key = signed_in, make(site, "switched")
    open_list(browser, "switched")
    browser.check("switched is enabled", False)
    browser.until(fact=lambda: "disabled" in browser.row("switched").text)
    assert not key_of(site, "switched")["enabled"]
    browser.check("switched is enabled")
    browser.until(fact=lambda: "active" in browser.row("switched").text)
    browser.open(f"/admin/keys/{key['id']}")
    browser.check("Enabled", False)
    browser.until(fact=lambda: "disabled" in browser.text(".lead"))
    browser.until(text="Nothing: it is disabled.")
    site.admin.do("POST", f"keys/{key['id']}/revoke")
    browser.check("Enabled")
    browser.until(text="is revoked, for ever")
    browser.forgive("status of 422")
    assert not browser.find("#one .switch").is_selected()


def test_revoke_and_delete(signed_in: Browser, site: Site) -> None:
    """Both ask with the key's name, and do nothing where that is not meant."""
    browser = signed_in
    make(site, "lost")
    open_list(browser, "lost")
    pick(browser, "lost", "Revoke")
    assert "“lost”" in browser.text("dialog.ask")
    browser.click("Cancel", within="dialog.ask")
    assert key_of(site, "lost")["state"] == "active"
    pick(browser, "lost", "Revoke")
    browser.click("Revoke", within="dialog.ask")
    browser.until(fact=lambda: "revoked" in browser.row("lost").text)
    pick(browser, "lost", "Delete")
    assert "“lost” as if it had never been" in browser.text("dialog.ask")
    browser.click("Delete", within="dialog.ask")
    browser.until(text="No key fits.")


def test_several_at_once(signed_in: Browser, site: Site) -> None:
    """What is done with several keys names them, and says how it went with each."""
    browser, some = signed_in, ["many a", "many b", "many c"]
    for name in some:
        make(site, name)

    def do(deed: str, *wanted: str) -> str:
        for name in wanted:
            browser.check(f"Choose {name}")
        browser.until(text=f"{len(wanted)} key")
        browser.click(deed, within="#bulk")
        question = browser.text("dialog.ask")
        assert all(f"“{name}”" in question for name in wanted)
        browser.click(deed, within="dialog.ask")
        return question

    def states() -> list[str]:
        found = site.admin.do("GET", "keys?q=many")["keys"]
        return [key["state"] for key in found]

    open_list(browser, "many")
    browser.check("Choose many a")
    browser.until(text="1 key chosen")
    browser.click("Choose none")
    browser.until(gone="#bulk")
    assert not browser.find("checkbox", "Choose many a").is_selected()
    do("Disable", "many a", "many b")
    browser.until(text="2 keys disabled.", gone="#bulk")
    assert states() == ["disabled", "disabled", "active"]
    do("Enable", "many a")
    browser.until(text="1 key enabled.", gone="#bulk")
    do("Revoke", "many b", "many c")
    browser.until(text="2 keys revoked.", gone="#bulk")
    assert states() == ["active", "revoked", "revoked"]
    do("Enable", "many a", "many b")
    browser.until(text="1 of 2 enabled. “many b”: ")
    browser.forgive("status of 422")
    do("Delete", *some)
    browser.until(text="3 keys deleted.")
    assert states() == []


def test_all_of_them_at_once(alone: tuple[Browser, Site]) -> None:
    """Where no good key is left, or none at all, it is said before."""
    browser, site = alone
    for name in ("first", "second"):
        make(site, name)
    browser.open("/admin/keys")
    for deed, said in (
        ("Revoke", "No good key is left then"),
        ("Delete", "These are all keys: without them everybody may ask"),
    ):
        browser.check("Choose all of this page")
        browser.click(deed, within="#bulk")
        assert said in browser.text("dialog.ask")
        browser.click(deed, within="dialog.ask")
        browser.until(gone="#bulk")
    browser.until(text="everybody who reaches this address may ask")


def test_endpoints(signed_in: Browser, site: Site) -> None:
    """Each kind of request has a box of its own."""
    key = make(site, "kinds")
    was, chosen = set(key["allow_endpoints"]), dict.fromkeys(ENDPOINTS, False)
    signed_in.open(f"/admin/keys/{key['id']}/edit")
    for kind, words in ENDPOINTS.items():
        chosen[kind] = kind not in was or kind == "chat"
        signed_in.check(words, chosen[kind])
    signed_in.click("Save")
    wanted = {kind for kind, on in chosen.items() if on}
    eventually(lambda: set(key_of(site, "kinds")["allow_endpoints"]) == wanted)


def chosen(browser: Browser) -> str:
    """The time that the page of a key is of."""
    return browser.text("#one .tabs [aria-current]")


def test_one_key(signed_in: Browser, site: Site) -> None:
    """Its page has its limits, its usage by day, model and endpoint, and its errors."""
    browser = signed_in
    key = make(site, "detailed", rpm=60, tpd=100_000, deny_models=["qwen*"])
    secret = note(key["key"])
    eventually(lambda: say(site, secret).status == 200)
    assert say(site, secret, "gone").status == 404
    assert say(site, secret, "qwen3").status in (403, 404)
    path = f"usage/records?key={key['id']}"
    eventually(lambda: len(site.admin.do("GET", path)["records"]) == 3)
    browser.open(f"/admin/keys/{key['id']}")
    browser.until(css="#chart-requests canvas", text="of 60 / min")
    browser.until(css="#access .chips")
    assert MODEL in browser.texts("#access li")
    assert "qwen3:latest" not in browser.texts("#access li")
    assert MODEL in browser.text("#one")
    assert "gone" in browser.text("#errors")
    assert len(browser.all("#errors tbody tr")) == 2
    browser.script("document.querySelector('#errors a').click()")
    browser.until(text="There is no such model, or the key may not use it.")
    browser.click("Close", within="#drawer")
    browser.until(gone="#drawer")
    browser.choose("Status", "timeout")
    browser.until(text="None in the last 30 days.")
    browser.choose("Status", "all that failed")
    browser.until(css="#errors tbody tr")
    browser.click("7 days")
    browser.until(css="[aria-current=true]", fact=lambda: "7" in browser.text("#one"))
    tab = browser.find("#one .tabs [aria-current]")
    assert tab.text == "7 days"
    for words in ("Table of Requests by day", "Table of Tokens by day"):
        browser.click(words)
    assert len(browser.all(".chart details[open] table")) == 2
    for words in ("90 days", "30 days"):
        browser.click(words)
        browser.until(text=words, fact=lambda w=words: chosen(browser) == w)
    for link in ("Try it", "All its requests"):
        at = browser.find("link", link).get_attribute("href")
        assert at is not None
        assert at.endswith(f"?key={key['id']}")
    browser.click("Clone")
    browser.until(text="New key")
    browser.click("Make the key", within="#panel")
    shown(browser)
    closed(browser)
    browser.until(fact=lambda: browser.text("h1") == "detailed copy")
    browser.click("Edit")
    browser.fill("Name", "renamed")
    browser.click("Save")
    browser.until(fact=lambda: browser.text("h1") == "renamed")
    browser.click("All keys")
    browser.until(path="/admin/keys")


def test_a_key_that_is_not_there(signed_in: Browser) -> None:
    """That is said."""
    signed_in.open("/admin/keys/key_0")
    signed_in.until(text="There is no key 'key_0'.")
    signed_in.forgive("status of 404")


def test_hostile_names(signed_in: Browser, site: Site) -> None:
    """Whatever somebody calls things is shown as it is, and does nothing."""
    browser = signed_in
    models = [f"{HOSTILE.replace(' ', '_')}*", "x" * 256]
    notes = f"{HOSTILE}\n" + "n" * 1800
    key = make(site, HOSTILE, notes=notes, allow_models=["*", *models], rpm=9)
    secret = note(key["key"])
    hostile = "<script>alert(3)</script>"
    eventually(lambda: say(site, secret).status == 200)
    assert say(site, secret, hostile).status == 404
    path = f"usage/records?key={key['id']}&failed=1"
    eventually(lambda: site.admin.do("GET", path)["records"])
    browser.open("/admin/keys")
    assert HOSTILE in names(browser)
    pick(browser, HOSTILE, "Revoke")
    assert f"“{HOSTILE}”" in browser.text("dialog.ask")
    browser.click("Cancel", within="dialog.ask")
    browser.check(f"Choose {HOSTILE}")
    browser.click("Delete", within="#bulk")
    assert f"“{HOSTILE}”" in browser.text("dialog.ask")
    browser.click("Cancel", within="dialog.ask")
    pick(browser, HOSTILE, "Rotate")
    browser.click("Rotate", within="#panel")
    note(shown(browser))
    assert f"“{HOSTILE}”" in browser.text("#secret h2")
    closed(browser)
    pick(browser, HOSTILE, "Edit")
    browser.until(css="#panel .chips")
    field = browser.find("#panel #name")
    assert field.get_property("value") == HOSTILE
    for size in (PHONE, DESKTOP):
        browser.emulate(size)
        browser.open(f"/admin/keys/{key['id']}")
        browser.until(css="#access .chips", text=hostile)
        assert browser.text("h1") == HOSTILE
        assert browser.overflow() == []
        assert browser.audit() == []


def test_pages_of_their_own(signed_in: Browser, site: Site) -> None:
    """Each drawer is a page of its own."""
    browser, key = signed_in, make(site, "plain")
    for path, title in (
        ("new", "New key"),
        (f"{key['id']}/edit", "Edit “plain”"),
        (f"{key['id']}/rotate", "Rotate “plain”"),
        (f"{key['id']}/access", "What “plain” may use"),
        (f"new?like={key['id']}", "New key"),
    ):
        browser.open(f"/admin/keys/{path}")
        assert browser.text("h1") == title
        assert browser.audit() == []
        assert browser.overflow() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(
    signed_in: Browser, site: Site, size: Size, dark: bool
) -> None:
    """On each kind of screen nothing sticks out, and nobody is shut out."""
    browser = signed_in
    if not site.admin.do("GET", "keys?q=seen")["keys"]:
        soon = int(time.time() * 1000) + DAY
        make(site, "seen", rpm=1, tpd=9, max_concurrent=2, expires_at=soon)
    key = key_of(site, "seen")
    browser.emulate(size, dark=dark)
    browser.open("/admin/keys?q=seen")
    browser.check("Choose seen")
    browser.click("More for seen")
    assert browser.audit() == []
    assert browser.overflow() == []
    browser.press("Escape")
    browser.click("New key")
    browser.until(css="#panel .chips")
    assert browser.audit() == []
    browser.open(f"/admin/keys/{key['id']}")
    browser.until(css="#access .chips")
    assert browser.audit() == []
    assert browser.overflow() == []


@pytest.mark.parametrize("path", ["", "/new", "/detail"])
def test_it_is_light(signed_in: Browser, site: Site, path: str) -> None:
    """A first visit loads little."""
    if path == "/detail":
        path = f"/{make(site, 'light')['id']}"
    assert signed_in.weigh(f"/admin/keys{path}").decoded < 200_000
