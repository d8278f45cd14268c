"""The page of security: the password, sessions, the door, and what was done."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.administering import PASSWORD, Admin
from support.browser import DESKTOP, PHONE, Browser, Size
from support.secrecy import note
from support.site import Site, running

pytestmark = pytest.mark.live

HOSTILE = "<img src=x onerror=alert(1)>\"'</td><script>alert(2)</script>"
BACKWARDS = f"{HOSTILE} \u202e\u05d0"
#: Entries that one page of the log has.
MOST = 100


@contextmanager
def alone(chromium: Browser, env: dict[str, str] | None = None) -> Iterator[Site]:
    """An installation of its own, and somebody signed in to it."""
    with running(env) as site:
        chromium.begin(site.url)
        site.sign_in(chromium)
        yield site
        assert chromium.faults() == []


def elsewhere(site: Site, agent: str) -> Admin:
    """Somebody who is signed in with another program."""
    admin = Admin(site.server, User_Agent=agent)
    assert admin.sign_in().status == 200
    return admin


def programs(browser: Browser) -> list[str]:
    """What sessions are begun with, as the page has it."""
    return browser.texts("#sessions th")


def change(browser: Browser, current: str, new: str, again: str) -> None:
    """Fill in the form, and send it."""
    browser.fill("The password you have", current)
    browser.fill("A new password", new)
    browser.fill("The new one once more", again)
    browser.click("Change the password")


def test_the_password(chromium: Browser) -> None:
    """What is wrong is said where it is; then it is another, and other sessions end."""
    browser, new = chromium, note("a password of the spring")
    with alone(chromium) as site:
        browser.open("/admin/security")
        change(browser, PASSWORD, new, new + "!")
        browser.until(text="These are two different ones.")
        assert browser.focused == "The new one once more"
        change(browser, PASSWORD, "short", "short")
        browser.until(fact=lambda: browser.focused == "A new password")
        assert browser.audit() == []
        change(browser, note("not the password"), new, new)
        browser.until(text="This is not your password.")
        browser.forgive("status of 422")
        assert site.admin.ask("GET", "me").status == 200
        change(browser, PASSWORD, new, new)
        browser.until(text="Your password is changed.")
        assert browser.audit() == []
        assert site.admin.ask("GET", "me").status == 401
        browser.until(fact=lambda: len(programs(browser)) == 1)
        assert Admin(site.server).sign_in(new).status == 200
        browser.open("/admin/security")  # with a token that is new as well
        browser.until(fact=lambda: len(programs(browser)) == 2)
        browser.click("End all others")
        browser.click("End them", within="dialog.ask")
        browser.until(fact=lambda: len(programs(browser)) == 1)


def test_sessions(chromium: Browser) -> None:
    """One sees where one is signed in, and ends one, all others, or this one."""
    with alone(chromium) as site:
        browser = chromium
        phone, spare = elsewhere(site, "phone"), elsewhere(site, HOSTILE)
        browser.open("/admin/security")
        browser.until(fact=lambda: len(programs(browser)) == 4)
        assert sum("this one" in one for one in programs(browser)) == 1
        assert HOSTILE in programs(browser)
        row = browser.row("phone")
        assert "127.0.0.1" in row.text
        assert "ago" in row.text or "now" in row.text
        end = row.find_element("css selector", "button").accessible_name
        browser.click(end, within=row)
        assert "phone" in browser.text("dialog.ask")
        browser.click("Cancel", within="dialog.ask")
        browser.until(gone="dialog.ask")
        assert phone.ask("GET", "me").status == 200
        browser.click(end, within=browser.row("phone"))
        browser.click("End it", within="dialog.ask")
        browser.until(text="The session has ended.")
        browser.until(fact=lambda: "phone" not in programs(browser))
        assert phone.ask("GET", "me").status == 401
        assert spare.ask("GET", "me").status == 200
        browser.click("End all others")
        assert "all 2 other sessions" in browser.text("dialog.ask")
        browser.click("End them", within="dialog.ask")
        browser.until(text="2 sessions have ended.", gone="#end-others")
        assert spare.ask("GET", "me").status == 401
        own = browser.find("#sessions button")
        browser.cdp("Network.enable")
        browser.cdp("Network.setBlockedURLs", urls=["*/logout"])
        browser.click(own.accessible_name)
        browser.click("End it", within="dialog.ask")
        browser.until(text="Pannier does not answer. Is it running?")
        browser.cdp("Network.setBlockedURLs", urls=[])
        browser.click(own.accessible_name)
        assert "which you are using" in browser.text("dialog.ask")
        browser.click("End it", within="dialog.ask")
        browser.until(css="#username")
        assert browser.path == "/admin/login?next=%2Fadmin%2Fsecurity"


def test_a_session_that_has_ended_meanwhile(signed_in: Browser, site: Site) -> None:
    """Nothing goes wrong where somebody else was quicker."""
    browser, admin = signed_in, elsewhere(site, "tablet")
    browser.open("/admin/security")
    browser.until(fact=lambda: "tablet" in programs(browser))
    admin.do("POST", "logout")
    row = browser.row("tablet")
    end = row.find_element("css selector", "button").accessible_name
    browser.click(end, within=row)
    browser.click("End it", within="dialog.ask")
    browser.until(text="It had ended already.")
    browser.until(fact=lambda: "tablet" not in programs(browser))
    browser.forgive("status of 404")


def test_one_of_several_has_ended_meanwhile(signed_in: Browser, site: Site) -> None:
    """The others end all the same."""
    browser = signed_in
    there, gone = elsewhere(site, "still there"), elsewhere(site, "gone")
    browser.open("/admin/security")
    browser.until(fact=lambda: {"gone", "still there"} <= set(programs(browser)))
    gone.do("POST", "logout")
    browser.click("End all others")
    browser.click("End them", within="dialog.ask")
    browser.until(text="ended.", gone="#end-others")
    assert there.ask("GET", "me").status == 401
    browser.forgive("status of 404")
    assert site.admin.sign_in().status == 200


def test_the_door(chromium: Browser) -> None:
    """Whether one needs a key, and whether there is one, is said."""
    with alone(chromium) as site:
        browser = chromium
        browser.open("/admin/security")
        browser.until(text="Everybody: there is no key yet.")
        key = site.admin.do("POST", "keys", {"name": "one", "allow_models": ["*"]})
        in_time(browser, "Whoever has a key that is good.")
        site.admin.do("POST", f"keys/{key['id']}/revoke")
        in_time(browser, "a request needs a key, and there is none that is good.")
        assert browser.audit() == []
        for words, path in (("Keys", "/admin/keys"), ("Settings", "/admin/settings")):
            browser.open("/admin/security")
            browser.click(words, within="main")
            browser.until(path=path)


def in_time(browser: Browser, text: str) -> None:
    """The page says so, once its worker has heard of it."""

    def is_said() -> bool:
        browser.open("/admin/security")
        return text in browser.text()

    browser.until(fact=is_said)


def test_a_door_without_keys(chromium: Browser) -> None:
    """Where keys are switched off, that is said, with the setting that says so."""
    with alone(chromium, {"PANNIER_AUTH": "off"}):
        chromium.open("/admin/security")
        chromium.until(text="Everybody: keys are switched off.")
        assert "off" in chromium.texts(".facts dd")
        assert chromium.audit() == []


def test_what_was_done(chromium: Browser) -> None:
    """Failures and changes stand there, with who, from where, and what changed."""
    with alone(chromium) as site:
        browser = chromium
        Admin(site.server).sign_in("not the password")
        site.admin.do("PATCH", "settings", {"heartbeat": 5, "think": "off"})
        site.admin.do(
            "PATCH", "settings", {"heartbeat": None, "default_model": "x" * 9000}
        )
        browser.open("/admin/security")
        newest, older, failed = browser.texts("#audit tr")[:3]
        assert "heartbeat: 5 → nothing" in newest
        assert "x" * 60 + "…" in newest
        assert "x" * 70 not in newest
        assert "think: off" in older
        assert "admin" in older
        assert "127.0.0.1" in older
        assert "login.failure" in failed
        browser.script("document.querySelector('#audit summary').click()")
        browser.until(text="x" * 200)
        assert browser.overflow() == []
        browser.fill("Search", "FAILURE 127.")
        browser.until(fact=lambda: len(shown(browser)) == 1)
        assert "login.failure" in shown(browser)[0]
        browser.until(path="/admin/security?q=FAILURE%20127.")
        browser.fill("Search", BACKWARDS)
        browser.until(text="Nothing that was done fits.")
        assert browser.audit() == []


def shown(browser: Browser) -> list[str]:
    """The entries that can be seen."""
    return browser.texts("#audit tr", shown=True)


def test_older_entries(signed_in: Browser, site: Site) -> None:
    """The log has pages, to the end and back."""
    for number in range(MOST + 1):
        site.admin.do("PATCH", "settings", {"usage_days": number + 100})
    browser = signed_in
    browser.open("/admin/security")
    assert len(shown(browser)) == MOST
    assert "Newest" not in browser.text("main")
    first = browser.texts("#audit tr")[0]
    browser.click("Older")
    browser.until(fact=lambda: "cursor=" in browser.path)
    browser.until(text="usage_days: 100")
    assert first not in browser.texts("#audit tr")
    browser.click("Newest")
    browser.until(fact=lambda: browser.texts("#audit tr")[:1] == [first])
    browser.open("/admin/security?cursor=1")
    browser.until(text="There are no older entries.")
    assert browser.audit() == []
    browser.open("/admin/security?q=settings")
    browser.click("Older")
    browser.until(fact=lambda: "q=settings&cursor=" in browser.path)
    browser.until(text="usage_days: 100")
    browser.click("Newest")
    browser.until(path="/admin/security?q=settings#audit-title")


def test_hostile_names(signed_in: Browser, site: Site) -> None:
    """Names that others choose are shown as they are, and do nothing."""
    name, notes = f"{HOSTILE} \u05d0", f"{HOSTILE} \u05d0\n" * 20
    made = {"name": name, "allow_models": ["*"], "notes": notes}
    key = site.admin.do("POST", "keys", made)
    site.admin.do("DELETE", f"keys/{key['id']}")
    browser = signed_in
    browser.open("/admin/security")
    browser.until(text=HOSTILE)
    for summary in browser.all("#audit summary"):
        browser.script("arguments[0].click()", summary)
    assert browser.overflow() == []
    assert browser.audit() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(
    signed_in: Browser, site: Site, size: Size, dark: bool
) -> None:
    """On each kind of screen nothing sticks out, and nobody is shut out."""
    elsewhere(site, "Mozilla/5.0 (X11; Linux x86_64) " * 6)
    signed_in.emulate(size, dark=dark)
    signed_in.open("/admin/security")
    signed_in.until("#end-others")
    assert signed_in.audit() == []
    assert signed_in.overflow() == []


def test_it_is_light(signed_in: Browser) -> None:
    """A first visit loads little, unpacked."""
    assert signed_in.weigh("/admin/security").decoded < 200_000
