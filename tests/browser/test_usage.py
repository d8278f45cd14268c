"""What was used, as pages tell it: filters, charts, saved views, downloads."""

import csv
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.site import Site, running
from support.used_site import HOSTILE, HOUR, UsedSite, used_site

pytestmark = pytest.mark.live

CARD = "dl.cards .card:first-child dd"
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


def refused(browser: Browser) -> None:
    """What was asked was refused, which the browser and htmx both tell."""
    browser.forgive("status of 422")
    browser.forgive("Status Error Code 422")


def shows(browser: Browser, requests: int) -> None:
    """Wait until so many requests are told."""
    browser.until(fact=lambda: browser.texts(CARD)[:1] == [str(requests)])


def test_of_a_time(signed_in: Browser) -> None:
    """A time is chosen, is in the address, and going back goes back to the other."""
    signed_in.open("/admin/usage?range=1h")
    shows(signed_in, 120)
    signed_in.choose("Time", "Last 6 hours")
    shows(signed_in, 121)
    assert query(signed_in)["range"] == "6h"
    signed_in.choose("Time", "Last 30 days")
    shows(signed_in, 151)
    signed_in.driver.back()
    shows(signed_in, 121)
    assert signed_in.find("#f-range").get_attribute("value") == "6h"


@pytest.mark.parametrize(
    ("label", "value", "requests"),
    [
        ("Key", "laptop", 48),
        ("Model", "llama3.2", 30),
        ("Endpoint", "messages", 40),
        ("Status", "upstream error", 12),
    ],
)
def test_filters(signed_in: Browser, label: str, value: str, requests: int) -> None:
    """Each filter leaves what fits it; without it all is there again."""
    signed_in.open("/admin/usage?range=1h")
    if label in ("Key", "Model"):
        signed_in.fill(label, value)
        signed_in.press("Enter")
    else:
        signed_in.choose(label, value)
    shows(signed_in, requests)
    assert query(signed_in)[label.lower()] == value.replace(" ", "_")
    signed_in.driver.refresh()
    shows(signed_in, requests)
    signed_in.click("Clear")
    signed_in.until(path="/admin/usage")


def test_a_key_that_there_is_not(signed_in: Browser) -> None:
    """A key that nobody has is said, and what was there stays."""
    signed_in.open("/admin/usage?range=1h")
    signed_in.fill("Key", "nobody")
    signed_in.click("Show")
    signed_in.until(text="There is no key 'nobody'")
    shows(signed_in, 120)
    signed_in.settle()  # what is typed is asked for, and so is what is clicked
    refused(signed_in)
    assert "key" not in query(signed_in)


def test_what_filters_offer(signed_in: Browser, used: UsedSite) -> None:
    """Keys and models of the time are offered: deleted keys by id, with their name."""
    signed_in.open("/admin/usage?range=24h")
    offered = signed_in.script(
        "return [...document.querySelectorAll('#offered-keys option')]"
        ".map(one => [one.value, one.textContent])"
    )
    assert ["phone", ""] in offered
    assert [used.keys["old laptop"], "old laptop (deleted)"] in offered
    assert signed_in.all("#offered-models option[value='qwen3:4b']")


def test_groups_and_metrics(signed_in: Browser) -> None:
    """Sums are told apart by what is chosen; a click on one narrows to it."""
    signed_in.open("/admin/usage?range=1h")
    signed_in.choose("Group by", "key")
    signed_in.until("#over-time", text="Most, by key")
    (gone,) = (row for row in signed_in.texts("#rows tr") if "old laptop" in row)
    assert "deleted" in gone
    assert "24" in gone.split()
    signed_in.choose("Show", "Tokens out")
    signed_in.until(text="Tokens out by key")
    assert "7,140" in signed_in.text("#rows tfoot")
    signed_in.choose("Show", "First token, 95 %")
    signed_in.until(text="First token, 95 % by key")
    assert not signed_in.all("td meter")
    signed_in.click("phone", within="#rows")
    shows(signed_in, 48)
    wanted = {"key": "phone", "group": "key", "metric": "ttft_p95", "range": "1h"}
    assert query(signed_in) == wanted


def test_charts(signed_in: Browser) -> None:
    """There are four charts, and their numbers as tables."""
    signed_in.open("/admin/usage?range=1h&group=status")
    signed_in.until("#tokens canvas")
    assert len(signed_in.all("canvas")) == 4
    signed_in.click("Table of Requests by status")
    signed_in.until("#over-time details table")
    signed_in.click("Table of Duration")
    signed_in.until("#duration details table")
    told = signed_in.texts("#duration details tbody tr")
    assert [row.split() for row in told] == [["1", "1"], ["2", "100"], ["5", "19"]]
    signed_in.click("Table of Tokens per answer")
    signed_in.until("#tokens details table")
    rows = [text.split() for text in signed_in.texts("#tokens details tbody tr")]
    assert sum(int(many) for _, many in rows) == 120


def test_own_times(signed_in: Browser, used: UsedSite) -> None:
    """Own times are of the reader's zone, which is named; the address is of none."""
    zone = ZoneInfo("Asia/Kolkata")
    signed_in.emulate(zone="Asia/Kolkata")
    signed_in.open("/admin/usage?range=24h")
    assert "Asia/Calcutta" in signed_in.text("#filters") or "Kolkata" in (
        signed_in.text("#filters")
    )
    assert not signed_in.find("#f-from").is_displayed()
    signed_in.choose("Time", "Own")
    signed_in.until("#f-from", fact=lambda: "from" in query(signed_in))
    to = datetime.fromtimestamp(used.now / 1000, zone).replace(second=0, microsecond=0)
    since = to - timedelta(minutes=30)
    signed_in.fill("From", since.strftime("%Y-%m-%dT%H:%M"))
    signed_in.fill("To", to.strftime("%Y-%m-%dT%H:%M"))
    wanted = {"range": "own", "from": str(int(since.timestamp() * 1000))}
    wanted["to"] = str(int(to.timestamp() * 1000))
    signed_in.until(fact=lambda: wanted.items() <= query(signed_in).items())
    signed_in.driver.refresh()
    field = signed_in.find("#f-from")
    assert field.get_attribute("value") == since.strftime("%Y-%m-%dT%H:%M")
    assert 80 <= int(signed_in.texts(CARD)[0]) <= 100


def test_times_that_cannot_be(signed_in: Browser, used: UsedSite) -> None:
    """An end before the beginning is said, and what was there stays."""
    start, end = used.now - HOUR, used.now
    signed_in.open(f"/admin/usage?from={start}&to={end}")
    requests = signed_in.texts(CARD)
    signed_in.fill("To", "2020-01-01T00:00")
    signed_in.until(text="has to be before the other one")
    refused(signed_in)
    assert signed_in.texts(CARD) == requests


@pytest.mark.parametrize(
    ("label", "value", "known"),
    [
        ("Protocol", "anthropic", "protocol"),
        ("Stream", "yes", "stream"),
        ("User (its digest)", "0a1b", "user"),
        ("Part of an error", "UNREACHABLE", "error"),
    ],
)
def test_what_sums_do_not_know(
    signed_in: Browser, label: str, value: str, known: str
) -> None:
    """What single records alone are known by hides totals; the records keep to it."""
    signed_in.open("/admin/usage?range=1h&key=laptop")
    signed_in.click("Filters of single records")
    if label in ("Protocol", "Stream"):
        signed_in.choose(label, value)
    else:
        signed_in.fill(label, value)
        signed_in.click("Show")
    signed_in.until(text=f"know nothing of: {known}")
    assert not signed_in.all("dl.cards, canvas")
    kept = query(signed_in)
    assert known in kept
    signed_in.click("Show the records")
    signed_in.until("#records")
    assert query(signed_in) == kept
    signed_in.driver.back()
    signed_in.click("Totals without these filters")
    shows(signed_in, 48)


def test_saved_views(signed_in: Browser) -> None:
    """A view is kept under its name in this browser, leads there, and is forgotten."""
    signed_in.open("/admin/usage?range=1h")
    signed_in.choose("Status", "upstream error")
    shows(signed_in, 12)
    where = signed_in.path
    signed_in.click("Saved views")
    signed_in.until(text="kept in this browser alone")
    for name in ("failures <b>", "other"):
        signed_in.fill("Name of this view", name)
        signed_in.click("Save this view")
    signed_in.open("/admin/usage/records")
    signed_in.click("Saved views")
    signed_in.click("failures <b>")
    signed_in.until(path=where)
    shows(signed_in, 12)
    signed_in.click("Saved views")
    signed_in.click("Forget the view failures <b>")
    signed_in.until(fact=lambda: len(signed_in.all("[data-views] li")) == 1)
    signed_in.driver.refresh()
    assert len(signed_in.all("[data-views] li")) == 1


def test_a_page_of_csv(signed_in: Browser) -> None:
    """The file has all that fits the filters, those of single records too."""
    signed_in.open("/admin/usage?range=1h&status=upstream_error&protocol=openai")
    signed_in.click("CSV")
    with signed_in.downloaded().open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert {row["protocol"] for row in rows} == {"openai"}


def test_a_page_of_ndjson(signed_in: Browser) -> None:
    """The other file is of the filters as they are now."""
    signed_in.open("/admin/usage?range=1h")
    signed_in.choose("Endpoint", "messages")
    shows(signed_in, 40)
    signed_in.click("NDJSON")
    lines = signed_in.downloaded().read_text().splitlines()
    assert [json.loads(line)["endpoint"] for line in lines] == ["messages"] * 40


def test_nothing_fits(signed_in: Browser) -> None:
    """Where nothing fits, it says what to do."""
    signed_in.open("/admin/usage?range=1h&model=none")
    signed_in.until(text="Nothing in this time")
    assert "fewer filters" in signed_in.text("#results")


@pytest.mark.parametrize(
    ("usage", "told", "leads_to"),
    [
        ("off", "Usage is not kept", "/admin/settings"),
        ("auto", "Nothing is kept yet", "/admin/keys/new"),
        ("on", "Nothing in this time", ""),
    ],
)
def test_why_there_is_nothing(
    chromium: Browser, usage: str, told: str, leads_to: str
) -> None:
    """Where nothing is kept, both pages say why."""
    with running({"PANNIER_USAGE": usage}) as bare:
        chromium.begin(bare.url)
        bare.sign_in(chromium)
        for path in ("/admin/usage", "/admin/usage/records"):
            chromium.open(path)
            chromium.until(text=told)
            links = chromium.all(".empty a")
            there = [str(link.get_attribute("href")) for link in links]
            assert [bool(leads_to)] == [any(one.endswith(leads_to) for one in there)]
        assert chromium.faults() == []


@pytest.mark.parametrize("group", ["key", "model"])
def test_hostile_names(signed_in: Browser, group: str) -> None:
    """Names are texts, wherever they are shown."""
    signed_in.open(f"/admin/usage?range=24h&group={group}&status=client_error")
    signed_in.until("#over-time canvas")
    assert HOSTILE[group] in signed_in.text("#rows tbody")
    assert signed_in.all(SMUGGLED) == []
    signed_in.click(HOSTILE[group], within="#rows")
    shows(signed_in, 1)
    assert query(signed_in)[group] == HOSTILE[group]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(signed_in: Browser, size: Size, dark: bool) -> None:
    """It can be read by all, on a phone too."""
    signed_in.emulate(size, dark=dark)
    for more in ("range=24h&group=key", "range=own&metric=ttft_p50", "user=0"):
        signed_in.open(f"/admin/usage?{more}")
        assert signed_in.audit() == []
        assert signed_in.overflow() == []


def test_it_is_light(signed_in: Browser) -> None:
    """A first visit loads little, packed or not."""
    path = "/admin/usage?range=7d&group=key&metric=gpu_ms"
    assert signed_in.weigh(path).decoded < 200_000
