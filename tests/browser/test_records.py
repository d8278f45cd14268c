"""Single requests, as pages tell them: pages of them, columns, each by itself."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.site import Site
from support.used_site import HOSTILE, UsedSite, used_site

pytestmark = pytest.mark.live

RECORDS = "/admin/usage/records"
ROWS = "#records tbody tr"
#: Elements that names would become, were they no texts.
SMUGGLED = "main img, main script, main svg[onload], main b"


@pytest.fixture(scope="module")
def used() -> Iterator[UsedSite]:
    """One for all tests here."""
    with used_site() as used:
        yield used


@pytest.fixture(scope="module")
def site(used: UsedSite) -> Site:
    """The installation itself."""
    return used.site


def query(browser: Browser) -> dict[str, str]:
    """What the address says."""
    found = parse_qs(urlsplit(browser.path).query)
    return {name: values[-1] for name, values in found.items()}


def shows(browser: Browser, rows: int) -> None:
    """Wait until there are so many rows."""
    browser.until(fact=lambda: len(browser.all(ROWS)) == rows)


def heads(browser: Browser) -> list[str]:
    """The columns that are seen."""
    return browser.texts("#records thead th", shown=True)


def test_pages(signed_in: Browser) -> None:
    """The newest come first; older ones follow, with the filters; back goes back."""
    signed_in.open(f"{RECORDS}?range=1h&endpoint=chat")
    shows(signed_in, 50)
    first = signed_in.texts(f"{ROWS} a")
    signed_in.click("Older")
    shows(signed_in, 30)
    assert query(signed_in)["endpoint"] == "chat"
    assert not set(first) & set(signed_in.texts(f"{ROWS} a"))
    assert not signed_in.all("a[rel=next]")
    signed_in.driver.back()
    shows(signed_in, 50)
    assert signed_in.texts(f"{ROWS} a") == first
    signed_in.click("Older")
    shows(signed_in, 30)
    signed_in.click("Newest")
    shows(signed_in, 50)


@pytest.mark.parametrize(
    ("label", "value", "rows"),
    [
        ("Key", "old laptop", 24),
        ("Model", "llama3.2", 30),
        ("Endpoint", "messages", 40),
        ("Status", "upstream error", 12),
        ("Protocol", "anthropic", 40),
        ("Stream", "no", 50),
        ("User (its digest)", "0A1B", 20),
        ("Part of an error", "UNREACHABLE", 12),
    ],
)
def test_filters(
    signed_in: Browser, used: UsedSite, label: str, value: str, rows: int
) -> None:
    """Each filter leaves what fits it, and is in the address."""
    signed_in.open(f"{RECORDS}?range=1h")
    shows(signed_in, 50)
    newest = signed_in.texts(ROWS)
    if label in ("Endpoint", "Status", "Protocol", "Stream"):
        signed_in.choose(label, value)
    else:
        # Of a deleted key the id is known alone: another may have its name.
        signed_in.fill(label, used.keys[value] if value == "old laptop" else value)
        signed_in.press("Enter")
    signed_in.until(fact=lambda: signed_in.texts(ROWS) != newest)
    shows(signed_in, rows)
    signed_in.settle()
    assert len(query(signed_in)) == 4
    if rows < 50:
        assert not signed_in.all("a[rel=next]")


def test_times(signed_in: Browser) -> None:
    """A time is chosen; where there is nothing, it says what to do."""
    signed_in.open(f"{RECORDS}?range=7d&status=client_error")
    shows(signed_in, 1)
    signed_in.choose("Time", "Last hour")
    signed_in.until(text="Nothing in this time")
    assert "kept for 30 days" in signed_in.text("#results")
    signed_in.click("Clear")
    signed_in.until(path=RECORDS)


def test_both_views(signed_in: Browser) -> None:
    """Filters go along from records to totals, and back."""
    signed_in.open(f"{RECORDS}?range=1h&group=key&metric=tokens")
    signed_in.choose("Status", "upstream error")
    shows(signed_in, 12)
    signed_in.click("Totals")
    signed_in.until(text="Tokens by key")
    assert query(signed_in)["status"] == "upstream_error"
    signed_in.click("Records")
    shows(signed_in, 12)


def test_columns(signed_in: Browser) -> None:
    """Columns are chosen, and stay so: for other filters, and the next visit."""
    signed_in.open(f"{RECORDS}?range=1h")
    shows(signed_in, 50)
    assert "Client" not in heads(signed_in)
    signed_in.click("Columns")
    boxes = [box.accessible_name for box in signed_in.all("#columns input")]
    for label in boxes:
        signed_in.check(label)
    assert heads(signed_in) == ["Time", *boxes]
    for label in boxes:
        signed_in.check(label, label in ("Key", "Request id", "User"))
    wanted = ["Time", "Key", "User", "Request id"]
    assert heads(signed_in) == wanted
    signed_in.choose("Endpoint", "messages")
    shows(signed_in, 40)
    signed_in.until(fact=lambda: heads(signed_in) == wanted)
    signed_in.driver.refresh()
    signed_in.until(fact=lambda: heads(signed_in) == wanted)
    assert "req_0000" in signed_in.texts(ROWS)[0]


def test_deleted_keys(signed_in: Browser, used: UsedSite) -> None:
    """What a deleted key asked has the name that it had last."""
    signed_in.open(f"{RECORDS}?range=1h&key={used.keys['old laptop']}")
    shows(signed_in, 24)
    assert all("old laptop deleted" in row for row in signed_in.texts(ROWS))
    signed_in.click("Columns")
    signed_in.script("document.querySelector('#records a').click()")
    signed_in.until("#drawer", text="Where the time went")
    assert not signed_in.all("#drawer a[href*='/admin/keys/']")
    assert "old laptop" in signed_in.text("#drawer")


def test_one_request(signed_in: Browser, used: UsedSite) -> None:
    """One is shown over its page: where its time went, and all that is known of it."""
    signed_in.open(f"{RECORDS}?range=1h&status=upstream_error")
    shows(signed_in, 12)
    signed_in.script("document.querySelector('#records a').click()")
    signed_in.until("#drawer", text="Where the time went")
    parts = {
        name: row.text.split(maxsplit=0)[0].removeprefix(name).strip()
        for row in signed_in.all("#drawer table tr")
        for name in [signed_in.find("th", within=row).text]
    }
    assert parts == {
        "Waiting": "10 ms",
        "Loading the model": "20 ms",
        "Reading the prompt": "100 ms",
        "Generating": "800 ms",
        "All else": "140 ms",
        "In all": "1.07 s",
        "First token after": "207 ms",
    }
    ends = [
        float(bar.get_attribute("x") or 0) + float(bar.get_attribute("width") or 0)
        for bar in signed_in.all("#drawer svg[role=img] rect")
    ]
    assert ends[0] == 1000
    assert ends[1:6] == sorted(ends[1:6])
    assert ends[5] == pytest.approx(1000, abs=1)
    why = "Nothing answered at Ollama's address"
    for text in ("upstream_unreachable", why, "qwen3:4b", "fast", "502"):
        assert text in signed_in.text("#drawer")
    signed_in.click("Copy the request id")
    signed_in.until(fact=lambda: signed_in.clipboard() == "req_0007")
    key = signed_in.find(f"#drawer a[href='/admin/keys/{used.keys['laptop']}']")
    assert key.text == "laptop"
    assert signed_in.audit() == []
    signed_in.click("Close")
    signed_in.until(gone="#drawer")
    shows(signed_in, 12)


def test_one_request_as_a_page(signed_in: Browser, used: UsedSite) -> None:
    """It has an address of its own; from its user it goes to what that one asked."""
    signed_in.open(f"{RECORDS}/{used.rows[6].id}")
    assert "req_0006" in signed_in.text("main")
    assert len(signed_in.all("h1")) == 1
    assert signed_in.audit() == []
    signed_in.click("0a1b2c3d")
    shows(signed_in, 20)
    signed_in.driver.back()
    signed_in.click(used.rows[6].key_name, within="main")
    signed_in.until(path=f"/admin/keys/{used.rows[6].key_id}")
    signed_in.driver.back()
    signed_in.click("All records")
    signed_in.until(path=RECORDS)


def test_one_that_there_is_not(signed_in: Browser) -> None:
    """A request that is not kept any more is said to be none."""
    signed_in.open(f"{RECORDS}/{'0' * 32}")
    assert "There is no record" in signed_in.text("main")
    signed_in.forgive("status of 404")


def test_hostile_names(signed_in: Browser, used: UsedSite) -> None:
    """Whatever clients say of themselves is a text."""
    signed_in.open(f"{RECORDS}?range=24h&status=client_error")
    shows(signed_in, 1)
    signed_in.click("Columns")
    for box in signed_in.all("#columns input:not(:checked)"):
        signed_in.check(box.accessible_name)
    told = signed_in.texts(f"{ROWS} td")
    for text in HOSTILE.values():
        assert text.strip() in [one.strip() for one in told]
    assert signed_in.all(SMUGGLED) == []
    assert signed_in.overflow() == []
    signed_in.open(f"{RECORDS}/{used.rows[-1].id}")
    for text in HOSTILE.values():
        assert text.strip() in signed_in.text("main")
    assert signed_in.all(SMUGGLED) == []
    signed_in.emulate(PHONE)
    signed_in.driver.refresh()
    assert signed_in.overflow() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(
    signed_in: Browser, used: UsedSite, size: Size, dark: bool
) -> None:
    """It can be read by all, on a phone too."""
    signed_in.emulate(size, dark=dark)
    for path in ("?range=24h", "?range=1h&user=zz", f"/{used.rows[0].id}"):
        signed_in.open(RECORDS + path)
        assert signed_in.audit() == []
        assert signed_in.overflow() == []


def test_it_is_light(signed_in: Browser) -> None:
    """A first visit loads little, packed or not."""
    assert signed_in.weigh(f"{RECORDS}?range=24h").decoded < 200_000
