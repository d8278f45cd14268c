"""The overview: what it shows, of which time, and that it goes on doing so."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains
from support.browser import DESKTOP, PHONE, Browser, Size
from support.leaving import ask as begin
from support.leaving import eventually, fresh
from support.leaving import until as seen
from support.raw import ask
from support.server import free_port
from support.site import Site, running
from support.used import row

from app.moment import now_ms
from app.storage.storage import Storage

pytestmark = pytest.mark.live

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
HOSTILE = "<img src=x onerror=alert(1)>\"'</td><script>alert(2)</script> \u05d0"
LONG = "x" * 400
#: Requests of the last hour, and of the days before.
RECENT, OLD = 30, 40
CHARTS = ("chart-statuses", "chart-tokens", "chart-ttft", "chart-duration")

#: Of the chart of an element: what it looks like.
_PICTURE = "return document.querySelector(arguments[0] + ' canvas').toDataURL()"
#: Have whatever is due fetched again, at the next look.
_DUE = (
    "for (const one of document.querySelectorAll('[data-again]')) one.dataset.due = 1"
)
#: Count what is fetched, and how often it is looked whether somebody sees the page.
_SPY = """
window.spied = {fetched: 0, looked: 0, hidden: arguments[0]};
document.addEventListener("htmx:beforeRequest", () => { spied.fetched += 1; });
Object.defineProperty(document, "hidden", {configurable: true, get() {
  spied.looked += 1;
  return spied.hidden;
}});
"""

#: Open something when its surroundings are being fetched; ``came``: they have come.
_OPENED_MEANWHILE = """
const [summary] = arguments, figures = summary.closest("#figures");
figures.addEventListener("htmx:beforeRequest", () => summary.click(), {once: true});
figures.addEventListener("htmx:afterRequest", () => { window.came = true; });
"""


@contextmanager
def filled(state: Path, rows: list[Any], **env: str) -> Iterator[Site]:
    """An installation where there were these requests."""
    with running({"PANNIER_STATE_DIR": str(state), **env}) as site:
        keep(state, rows)
        yield site


def keep(state: Path, rows: list[Any]) -> None:
    """Keep rows, as a worker would."""
    storage = Storage("", str(state))
    storage.usage.add(rows, {})
    storage.close()


def _rows() -> list[Any]:
    now = now_ms()
    busy = [
        row(
            number,
            now - 1000 * number - 5000,
            key_id="key_a",
            key_name=HOSTILE,
            status=("ok", "ok", "ok", "timeout", "upstream_error")[number % 5],
            ttft_ms=100 + number,
            eval_ms=20.0,
            resolved_model=(HOSTILE, "qwen3:latest", LONG)[number % 3],
        )
        for number in range(RECENT)
    ]
    before = [row(100 + n, now - 3 * DAY - n * 16 * HOUR) for n in range(OLD)]
    return busy + before


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the installation of this module keeps what it keeps."""
    return tmp_path_factory.mktemp("overview")


@pytest.fixture(scope="module")
def site(state: Path) -> Iterator[Site]:
    """An installation with a key, that has been used for a month."""
    with filled(state, _rows()) as site:
        site.admin.do("POST", "keys", {"name": "one", "allow_models": ["*"]})
        yield site


@pytest.fixture
def overview(signed_in: Browser) -> Browser:
    """The page, of the last hour."""
    signed_in.open("/admin/?range=1h")
    signed_in.until(text="simulator")
    return signed_in


def card(browser: Browser, label: str) -> str:
    """What a card says."""
    for one in browser.texts(".card"):
        name, value, *_ = one.splitlines()
        if name == label:
            return value
    raise AssertionError(f"there is no {label}")


def test_cards(overview: Browser) -> None:
    """They say how much there was, how much of it failed, and how quick it was."""
    assert card(overview, "Requests") == str(RECENT)
    assert card(overview, "Failed") == "40 %"
    assert card(overview, "Tokens in") == str(3 * RECENT)
    assert card(overview, "Tokens out") == str(4 * RECENT)
    assert card(overview, "Tokens a second") == "200"
    assert card(overview, "Running now") == "0"
    assert card(overview, "First token, p50").endswith(" ms")
    assert card(overview, "Duration, p95").endswith(" ms")


def test_the_period_before(signed_in: Browser, state: Path) -> None:
    """Cards say how much more or less it is than before."""
    at = now_ms() - 36 * HOUR
    keep(state, [row(900 + n, at + n, status="client_error") for n in range(10)])
    signed_in.open("/admin/?range=24h")
    requests, failed = signed_in.texts(".card")[:2]
    assert requests.endswith("% from 10")
    assert failed.endswith("100 % before")


@pytest.mark.parametrize("name", CHARTS)
def test_charts_have_their_numbers_beside(overview: Browser, name: str) -> None:
    """A chart is drawn, and its table says the same to those who cannot see it."""
    holder = overview.find(f"#{name} [role=img]")
    assert "table below" in holder.accessible_name
    overview.click("Table of " + overview.text(f"#{name} figcaption"))
    overview.until(fact=lambda: len(overview.all(f"#{name} tbody tr")) >= 60)
    found = overview.texts(f"#{name} details td")
    numbers = [one for one in found if one != "\u2013"]
    if name == "chart-statuses":
        assert sum(map(int, numbers)) == RECENT
    elif name == "chart-tokens":
        assert sum(map(int, numbers)) == 7 * RECENT
    else:
        assert {one.split()[1] for one in numbers} == {"ms"}


def test_charts_tell_what_is_under_the_pointer(overview: Browser) -> None:
    """The time and the values of a step stand below, while somebody points at it."""
    values = "#chart-tokens .u-value"
    assert set(overview.texts(values)) == {""}
    ActionChains(overview.driver).move_to_element(
        overview.find("#chart-tokens .u-over")
    ).perform()
    overview.until(fact=lambda: not {"", "\u2013"} & set(overview.texts(values)))
    time, *numbers = overview.texts(values)
    assert ":" in time
    assert numbers == ["0", "0"]


def test_a_part_of_a_chart_can_be_left_out(overview: Browser) -> None:
    """A click on what it is called takes it out of the stack, and back in."""
    chart = "#chart-statuses"
    whole = overview.script(_PICTURE, chart)
    label = f"{chart} .u-series:last-child th"
    overview.find(label).click()
    overview.until(fact=lambda: overview.script(_PICTURE, chart) != whole)
    overview.until(f"{chart} .u-off")
    old = overview.find(f"{chart} canvas")
    overview.script(_DUE)
    overview.until(fact=lambda: overview.find(f"{chart} canvas") != old)
    overview.until(f"{chart} .u-off")  # still, when it was fetched again
    assert overview.script(_PICTURE, chart) != whole
    overview.find(label).click()
    overview.until(gone=f"{chart} .u-off")
    overview.until(fact=lambda: overview.script(_PICTURE, chart) == whole)


def test_the_busiest(overview: Browser) -> None:
    """Keys and models stand there with their share, and lead to their usage."""
    keys = overview.find("section[aria-labelledby=top-key] table")
    link = keys.find_element("css selector", "a")
    assert link.get_attribute("href").endswith("/admin/usage?key=key_a")
    meter = keys.find_element("css selector", "meter")
    assert meter.accessible_name == "100 % of all requests"
    models = overview.texts("section[aria-labelledby=top-model] tbody th")
    assert {"qwen3:latest", LONG} <= set(models)


def test_names_are_no_markup(overview: Browser) -> None:
    """However a key or a model is called, that is text."""
    assert overview.all("main img") == []
    assert overview.texts("tbody th a").count(HOSTILE) == 2


def test_ranges(overview: Browser) -> None:
    """A click shows another time without a new page; its address can be kept."""
    overview.script("window.same = true")
    for words, range, many in (("6 h", "6h", RECENT), ("30 d", "30d", RECENT + OLD)):
        overview.click(words)
        overview.until(path=f"/admin/?range={range}")
        overview.until(fact=lambda many=many: int(card(overview, "Requests")) >= many)
        overview.until(f"#range-{range}[aria-current]")
        assert overview.focused == words
    assert overview.script("return window.same")
    assert len(overview.all(".plot canvas")) == len(CHARTS)
    overview.driver.back()
    overview.until(path="/admin/?range=6h")
    overview.until("#range-6h[aria-current]")
    for words, range in (
        ("90 d", "90d"),
        ("7 d", "7d"),
        ("24 h", "24h"),
        ("1 h", "1h"),
    ):
        overview.click(words)
        overview.until(f"#range-{range}[aria-current]", path=f"/admin/?range={range}")


def test_a_range_that_there_is_not(overview: Browser) -> None:
    """It is said which there are."""
    overview.open("/admin/?range=2d")
    overview.until(text="'range' is one of 1h, 6h, 24h, 7d, 30d, 90d.")
    overview.forgive("status of 422")


def test_figures_come_again(overview: Browser, state: Path) -> None:
    """What is new is seen without doing anything, in cards and in charts."""
    assert overview.find("#figures").get_attribute("data-again") == "10"
    before = int(card(overview, "Requests"))
    overview.script("window.same = true")
    keep(state, [row(700 + before, now_ms() - 1000)])
    overview.script(_DUE)
    overview.until(fact=lambda: int(card(overview, "Requests")) == before + 1)
    assert overview.script("return window.same")
    assert len(overview.all(".plot canvas")) == len(CHARTS)


def test_what_is_running(overview: Browser, site: Site) -> None:
    """A request that has begun counts at once."""
    key = site.admin.do("POST", "keys", {"name": fresh("busy"), "allow_models": ["*"]})
    body = {
        "model": "sim-chunks9000-tps20",
        "stream": True,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    header, port = f"Authorization: Bearer {key['key']}", site.server.port
    headers = {"Authorization": f"Bearer {key['key']}"}
    eventually(lambda: ask(port, "GET", "/v1/models", headers=headers).status == 200)
    path = "/v1/chat/completions"
    with begin(port, "POST", path, fresh("runs"), body, header) as sock:
        seen(sock, b"data:")
        overview.script(_DUE)
        overview.until(fact=lambda: card(overview, "Running now") == "1")


def test_nothing_is_fetched_while_hidden(overview: Browser) -> None:
    """Nobody pays for a page that nobody sees; once it is seen it is made new."""
    overview.script(_SPY, True)
    overview.script(_DUE)
    overview.until(fact=lambda: overview.script("return spied.looked") > 2)
    assert overview.script("return spied.fetched") == 0
    overview.script("spied.hidden = false")
    overview.until(fact=lambda: overview.script("return spied.fetched") >= 2)


def test_refreshing_can_be_stopped(overview: Browser) -> None:
    """Then figures stay as they are; the address says so, and keeps it."""
    overview.click("Stop refreshing")
    overview.until(path="/admin/?range=1h&refresh=off")
    overview.until(gone="#figures[data-again]")
    overview.click("24 h")
    overview.until(path="/admin/?range=24h&refresh=off")
    overview.until(gone="#figures[data-again]")
    overview.click("Refresh by itself")
    overview.until(path="/admin/?range=24h")
    overview.until("#figures[data-again='60']")


def test_what_is_opened_meanwhile_is_left_alone(overview: Browser) -> None:
    """What is new and comes then does not take it away."""
    table = overview.find("#figures summary[aria-label='Table of Tokens in and out']")
    overview.script(_OPENED_MEANWHILE, table)
    overview.script(_DUE)
    overview.until(fact=lambda: overview.script("return window.came"))
    assert overview.script("return arguments[0].parentElement.open", table)
    assert table.is_displayed()


def test_an_open_table_is_left_alone(overview: Browser) -> None:
    """What somebody reads is not taken away."""
    overview.click("Table of Requests by how they ended")
    overview.until("#chart-statuses tbody")
    overview.script(_SPY, False)
    overview.script("delete document.querySelector('#standing').dataset.again")
    overview.script(_DUE)
    overview.until(fact=lambda: overview.script("return spied.looked") > 2)
    assert overview.script("return spied.fetched") == 0


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Los_Angeles"])
def test_busy_hours_are_those_of_the_reader(signed_in: Browser, zone: str) -> None:
    """The busiest hour stands where it was by the reader's clock."""
    signed_in.emulate(zone=zone)
    signed_in.open("/admin/?range=24h")
    signed_in.until("table.heat")
    heat = "document.querySelector('[data-heat]')"
    day, hour = signed_in.script(
        f"const {{from, hours}} = JSON.parse({heat}.dataset.heat);"
        "const most = hours.indexOf(Math.max(...hours));"
        "const at = new Date(from + most * 3600000);"
        "return [(at.getDay() + 6) % 7, at.getHours()];"
    )
    cells = signed_in.all(f"table.heat tbody tr:nth-child({day + 1}) td")
    assert len(cells) == 24
    assert cells[hour].get_attribute("class") == "heat-9"
    assert len(signed_in.all("table.heat .heat-9")) == 1
    assert int(cells[hour].get_attribute("textContent")) >= RECENT // 2
    signed_in.until(text=f"in your time zone ({zone.replace('Kolkata', 'Calcutta')})")
    signed_in.until(text=f"{hour} to {hour + 1}")


def test_another_theme(overview: Browser) -> None:
    """Charts are drawn anew in its colours."""
    before = overview.script(_PICTURE, "#chart-tokens")
    overview.click("Theme: system")
    overview.click("Theme: light")
    overview.until(
        fact=lambda: overview.script(_PICTURE, "#chart-tokens") not in ("", before)
    )
    assert len(overview.all(".plot canvas")) == len(CHARTS)
    assert overview.audit() == []


def test_nothing_is_left_of_charts_that_went(overview: Browser) -> None:
    """After many refreshes there are no more listeners, elements or memory."""
    many, rounds = "return window.swapped", 25
    overview.script(
        "window.swapped = 0; document.addEventListener('htmx:afterSettle', () =>"
        " { swapped += 1; })"
    )
    again = (
        "return htmx.ajax('GET', '/admin/overview/figures?range=1h',"
        " {target: '#figures', select: '#figures', swap: 'outerHTML'})"
    )

    def measured() -> dict[str, float]:
        overview.settle()
        overview.cdp("HeapProfiler.collectGarbage")
        found = overview.cdp("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] for one in found}

    def refreshed(times: int) -> dict[str, float]:
        for _ in range(times):
            seen = overview.script(many)
            overview.script(again)
            overview.until(fact=lambda seen=seen: overview.script(many) > seen)
        return measured()

    overview.cdp("Performance.enable")
    before, after = refreshed(5), refreshed(rounds)
    assert len(overview.all(".plot canvas")) == len(CHARTS)
    # A page of charts has hundreds of each: a leak would be seen after so many.
    for name in ("JSEventListeners", "Nodes", "ResizeObservers"):
        if name in before:
            assert after[name] - before[name] < 20 * rounds, name
    assert after["JSHeapUsedSize"] - before["JSHeapUsedSize"] < 100_000 * rounds


def test_light(signed_in: Browser) -> None:
    """A first visit loads less than 200 kB, unpacked, of the longest time as well."""
    for range in ("6h", "24h", "90d"):
        assert signed_in.weigh(f"/admin/?range={range}").decoded < 200_000, range


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(signed_in: Browser, size: Size, dark: bool) -> None:
    """It can be read by all, on a phone too."""
    signed_in.emulate(size, dark=dark)
    signed_in.open("/admin/?range=7d")
    signed_in.until("table.heat")
    signed_in.until(text="simulator")
    assert signed_in.audit() == []
    assert signed_in.overflow() == []


def test_loaded_models(overview: Browser, site: Site) -> None:
    """They stand there with their memory, and when they leave it."""
    site.admin.do("POST", "models/qwen3:latest/load", {"keep_alive": "5m"})
    overview.script(_DUE)
    overview.until(fact=lambda: "qwen3:latest" in overview.texts("#standing tbody th"))
    models = overview.texts("#standing tbody tr")
    (line,) = [one for one in models if one.startswith("qwen3:latest")]
    assert "in 5 minutes" in line
    assert "GiB" in line
    assert "%" in line


def test_the_page_for_everybody(browser: Browser) -> None:
    """The page at / leads to the administration, and can be read by all."""
    browser.open("/")
    assert browser.audit() == []
    browser.emulate(PHONE, dark=True)
    browser.open("/")
    assert browser.audit() == []
    assert browser.overflow() == []
    browser.click("Administration")
    browser.until(path="/admin/login?next=/admin/")


def _says(browser: Browser, text: str) -> bool:
    """Whether the page says that, once it is loaded again."""
    browser.open("/admin/")
    return text in browser.text()


def test_before_the_first_key(chromium: Browser, tmp_path: Path) -> None:
    """It is said that all is open, that nothing is noted, and what to do."""
    with filled(tmp_path, []) as site:
        chromium.begin(site.url)
        site.sign_in(chromium)
        chromium.open("/admin/")
        chromium.until(text="Open to everybody: there is no key yet.")
        chromium.until(text="Nothing is noted yet")
        assert chromium.audit() == []
        chromium.click("Create the first key")
        chromium.until(path="/admin/keys/new")
        site.admin.do("POST", "keys", {"name": "one", "allow_models": ["*"]})
        chromium.until(fact=lambda: _says(chromium, "No requests in the last 24 h"))
        assert "Open to everybody" not in chromium.text()
        assert chromium.faults() == []


def test_usage_that_is_off(chromium: Browser, tmp_path: Path) -> None:
    """It is said why there is nothing, or nothing new."""
    with filled(tmp_path, [], PANNIER_USAGE="off", PANNIER_AUTH="off") as site:
        chromium.begin(site.url)
        site.sign_in(chromium)
        chromium.open("/admin/")
        chromium.until(text="PANNIER_USAGE is off")
        chromium.until(text="keys are switched off")
        keep(tmp_path, _rows())
        chromium.open("/admin/")
        chromium.until(text="Requests are not noted any more")
        chromium.until("#chart-tokens canvas")
        assert chromium.faults() == []


def test_without_ollama(chromium: Browser, tmp_path: Path) -> None:
    """The page is there, says that Ollama is not, and finds it when asked again."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with filled(tmp_path, _rows(), OLLAMA_URL=url, PANNIER_USAGE="on") as site:
        chromium.begin(site.url)
        site.sign_in(chromium)
        chromium.open("/admin/?range=1h")
        assert card(chromium, "Requests") == str(RECENT)
        chromium.until(text="Ollama cannot be reached")
        assert url in chromium.text("#standing")
        assert chromium.audit() == []
        assert ask(site.server.port, "GET", "/health").status == 200
        chromium.script(_SPY, False)
        chromium.click("Ask again")
        chromium.until(fact=lambda: chromium.script("return spied.fetched") == 1)
        chromium.until(text="Ollama cannot be reached")
        assert chromium.faults() == []
