"""The overview's figures: of which time they are, and how they differ from before."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.handling import Handlers, handlers
from support.used import row

from app.admin.asked import Asked
from app.admin.pages import overview
from app.admin.pages.cards import cards, change
from app.admin.pages.filters import short
from app.admin.pages.timeline import groups, lines, times
from app.errors import BadRequest
from app.moment import now_ms
from app.storage.usage_metrics import METRICS

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def looked(here: Handlers, handler: Any = overview.overview, **query: str) -> Any:
    """What a page shows."""
    return handler(here.admin, Asked(query=query))


@pytest.fixture
def used(here: Handlers) -> Handlers:
    """Where there were two requests just now, and one the day before yesterday."""
    now = now_ms()
    kept = [
        row(1, now - 1000, key_id="key_a", key_name="laptop", ttft_ms=120),
        row(2, now - 2000, key_id="key_a", key_name="laptop", status="timeout"),
        row(3, now - 2 * DAY - HOUR, resolved_model="b:latest"),
    ]
    here.installation.ledger.add(kept, {})
    return here


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (112, 100, "+12 % from 100"),
        (50, 100, "\N{MINUS SIGN}50 % from 100"),
        (5000, 100, "+4,900 % from 100"),
        (1001, 1000, "as before"),
        (0, 0, "as before"),
        (3, 0, "none before"),
        (0, 4, "\N{MINUS SIGN}100 % from 4"),
        (None, 100, ""),
        (100, None, ""),
    ],
)
def test_a_change(now: float | None, before: float | None, said: str) -> None:
    """It is said by how much a figure differs, where both are known."""
    assert change(now, before, short) == said


def test_cards_of_nothing() -> None:
    """Where nothing was, no share of it failed, and no time is known."""
    nothing = dict.fromkeys(METRICS, 0) | dict.fromkeys(overview._TIMED)
    nothing["tokens_per_s"] = None
    shown = {card.label: card.value for card in cards(nothing, nothing)}
    assert (shown["Requests"], shown["Failed"]) == ("0", "\u2013")
    assert shown["First token, p95"] == shown["Tokens a second"] == "\u2013"


def test_a_time_without_requests_is_in_charts() -> None:
    """There counts are nought, and percentiles are unknown."""
    x = times(MINUTE + 1, 4 * MINUTE, "minute")
    assert x == [MINUTE, 2 * MINUTE, 3 * MINUTE]
    points = [{"at": 2 * MINUTE, "requests": 5, "ttft_p95": 70.0}]
    assert lines(x, points, ["requests", "ttft_p95"]) == {
        "requests": [0, 5, 0],
        "ttft_p95": [None, 70.0, None],
    }
    points = [{"at": 3 * MINUTE, "status": "ok", "value": 2}]
    assert groups(x, points, "status") == {"ok": [0, 0, 2]}


@pytest.mark.parametrize("range", overview.RANGES)
def test_every_range(used: Handlers, range: str) -> None:
    """Each shows the newest requests, in charts that are as long as it is."""
    found = looked(used, range=range)
    charts = found["charts"]
    assert found["requests"] >= 2
    length = overview.RANGES[range].length
    for chart in charts.values():
        step, count = chart["x"]["step"], chart["x"]["count"]
        assert length <= step * count <= length + 2 * step
        assert chart["x"]["from"] <= now_ms() - length + step
        assert {len(one["values"]) for one in chart["series"]} == {count}
    drawn = {one["label"]: sum(one["values"]) for one in charts["statuses"]["series"]}
    assert sum(drawn.values()) == found["requests"]
    assert drawn["timeout"] >= 1
    assert sum(found["heat"]["hours"]) >= 2
    assert len(found["heat"]["hours"]) % (7 * 24) == 24 * (found["heat"]["days"] % 7)


def test_the_busiest(used: Handlers) -> None:
    """Keys are named, those that are gone too."""
    top = looked(used, range="1h")["top"]
    assert (top["key"][0]["id"], top["key"][0]["name"]) == ("key_a", "laptop")
    assert top["model"][0]["name"] == "a:latest"


@pytest.mark.parametrize(
    ("name", "value"), [("range", "2d"), ("range", ""), ("refresh", "yes")]
)
def test_what_is_no_range(here: Handlers, name: str, value: str) -> None:
    """It is refused, and named."""
    with pytest.raises(BadRequest) as caught:
        looked(here, **{name: value})
    assert (caught.value.status, caught.value.param) == (422, name)


def test_refreshing(here: Handlers) -> None:
    """The last hour comes again each ten seconds, all else each minute, or nothing."""
    assert looked(here, range="1h")["again"] == 10
    assert looked(here, range="6h")["again"] == looked(here)["again"] == 60
    assert looked(here, range="1h", refresh="off")["again"] == 0


def test_ollama_is_not_asked(used: Handlers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead Ollama holds up neither the page nor its figures."""
    monkeypatch.setattr(used.upstream, "control", None)  # whoever calls it fails
    looked(used)
    looked(used, overview.figures)
    assert (used.asked, used.upstream.requests) == ([], [])
    with pytest.raises(TypeError):
        looked(used, overview.standing)


def _door(place: Path, key: str = "", **settings: Any) -> tuple[str, str]:
    """Who may come in, and why nothing is noted; ``key`` is what becomes of one."""
    with handlers(place, **settings) as here:
        if key:
            here.key("one")
        if key == "disabled":
            here.do("POST", "keys/one/disable")
        here.installation.current.renew()
        found = looked(here)
        return found["door"], found["noted"]


@pytest.mark.parametrize(
    ("key", "settings", "told"),
    [
        ("", {}, ("open", "no key")),
        ("", {"usage": "on"}, ("open", "")),
        ("", {"auth": "off"}, ("off", "no key")),
        ("", {"auth": "on"}, ("shut", "no key")),
        ("good", {}, ("", "")),
        ("good", {"usage": "off"}, ("", "off")),
        ("good", {"auth": "off"}, ("off", "")),
        ("disabled", {}, ("shut", "")),
    ],
)
def test_the_door(
    tables: Path,
    tmp_path: Path,
    key: str,
    settings: dict[str, Any],
    told: tuple[str, str],
) -> None:
    """It is said who may come in, and why nothing is noted, where that is so."""
    state = shutil.copytree(tables, tmp_path / "state")
    assert _door(state, key, **settings) == told
