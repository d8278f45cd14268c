"""Usage and records as pages have them: what is asked, and what is made of answers."""

from typing import Any, get_args

import pytest
from support.handling import Handlers
from support.used import row

from app.admin.asked import Asked
from app.admin.pages import records, usage
from app.admin.pages.charted import durations, is_added, over_time, sizes, unit
from app.admin.pages.narrowed import NAMES, RANGES, Narrowed
from app.admin.pages.reasons import why
from app.admin.pages.show import _templates
from app.admin.pages.static import Static
from app.errors import BadRequest
from app.gateway.usage import Status
from app.moment import LAST, now_ms
from app.storage import usage_records
from app.storage.usage_metrics import METRICS

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def narrowed(**query: str) -> Narrowed:
    """What an address says."""
    return Narrowed.of(Asked(query=query))


@pytest.mark.parametrize("name", RANGES)
def test_ranges(name: str) -> None:
    """A range ends now, and its address goes on to mean the time until now."""
    seen = narrowed(range=name)
    assert seen.end - seen.start == RANGES[name][1]
    assert abs(seen.end - now_ms()) < MINUTE
    assert "from" not in seen.query()


def test_own_times() -> None:
    """Times mean themselves, also as forms write them where no script turns them."""
    seen = narrowed(**{"from": "2026-01-31T08:00", "to": "2026-01-31T09:00"})
    assert seen.end - seen.start == HOUR
    assert narrowed(**dict(_pairs(seen.query()))) == seen
    assert narrowed(range="1h", to="5").end > 5
    assert narrowed(range="own").end - narrowed(range="own").start == DAY


def test_nothing_is_used_in_the_future() -> None:
    """A chart has no point for each day of eight thousand years."""
    assert narrowed(**{"from": "0", "to": str(LAST)}).end <= now_ms() + DAY
    with pytest.raises(BadRequest) as refused:
        narrowed(**{"from": str(LAST - 1), "to": str(LAST)})
    assert refused.value.param == "from"
    assert "still to come" in refused.value.message


def _pairs(query: str) -> list[tuple[str, str]]:
    return [
        (name, text) for name, _, text in (p.partition("=") for p in query.split("&"))
    ]


def test_what_is_empty_says_nothing() -> None:
    """A form without script sends all its fields, and empty ones mean nothing."""
    empty = dict.fromkeys((*NAMES, "cursor"), "")
    assert narrowed(**empty).filters == {}
    assert narrowed(**empty).query() == "range=24h&group=model&metric=requests"


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("range", {"range": "2h"}),
        ("from", {"from": "5", "to": "5"}),
        ("to", {"to": str(LAST + 1)}),
        ("from", {"from": "soon"}),
        ("group", {"group": "user"}),
        ("metric", {"metric": "costs"}),
    ],
    ids=["range", "none", "late", "no time", "group", "metric"],
)
def test_what_means_nothing(name: str, query: dict[str, str]) -> None:
    """What cannot be is refused, and named."""
    with pytest.raises(BadRequest) as refused:
        narrowed(**query)
    assert (refused.value.status, refused.value.param) == (422, name)


def test_addresses() -> None:
    """An address is changed in a part, or loses it; downloads have all filters."""
    seen = narrowed(range="7d", key="a&b", user="0a", metric="tokens")
    assert seen.query(user=None) == "range=7d&key=a%26b&group=model&metric=tokens"
    assert seen.query(cursor="ff").endswith("&cursor=ff")
    times = f"from={seen.start}&to={seen.end}"
    assert seen.wanted == f"{times}&key=a%26b&user=0a"


def test_metrics() -> None:
    """Each metric that there is can be chosen, and has a unit."""
    assert set(usage.LABELS) == set(METRICS)
    assert {unit(name) for name in METRICS} == {
        *("number", "tokens", "bytes", "ms", "speed")
    }
    assert is_added("gpu_ms")
    assert not any(map(is_added, ("ttft_p95", "duration_max", "tokens_per_s")))


@pytest.mark.parametrize("status", get_args(Status))
def test_why(status: str) -> None:
    """What failed says why, with a code and without; what went well says nothing."""
    assert bool(why({"status": status, "error_code": ""})) == (status != "ok")
    code = "context_length_exceeded"
    assert "num_ctx" in why({"status": status, "error_code": code})


def series(*points: dict[str, Any]) -> dict[str, Any]:
    """What the API answers of three minutes."""
    return {"from": 0, "to": 3 * MINUTE, "step": "minute", "points": list(points)}


def test_where_nothing_was() -> None:
    """What is added up is nought there, else it is a gap; the busiest is first."""
    points = (
        {"at": 0, "model": "a", "requests": 1, "ttft_p50": 5.0, "errors": 1},
        {"at": MINUTE, "model": "b", "requests": 2, "ttft_p50": 7.0, "errors": 0},
    )
    added = over_time(series(*points), "model", "errors", str.upper)
    assert [one["label"] for one in added["series"]] == ["B", "A"]
    assert [one["values"] for one in added["series"]] == [[0, 0, 0], [1, 0, 0]]
    assert (added["kind"], added["x"]) == ("stack", [0, MINUTE, 2 * MINUTE])
    known = over_time(series(*points), "model", "ttft_p50", str)
    assert [one["values"][0] for one in known["series"]] == [None, 5.0]
    assert known["kind"] == "line"


def test_many_groups() -> None:
    """Of many, the smaller are one where they can be added up, and else left out."""
    points = [{"at": 0, "key": f"k{n}", "value": 10 + n} for n in range(10)]
    points.append({"at": 0, "key": "*", "value": 500})
    drawn = over_time(series(*points), "key", "requests", str)["series"]
    assert [one["label"] for one in drawn[:2]] == ["k9", "k8"]
    assert drawn[-1]["values"] == [10 + 11 + 12 + 500, 0, 0]
    assert len(drawn) == 8
    timed = [{**one, "requests": 1, "ttft_p50": 1} for one in points]
    drawn = over_time(series(*timed), "key", "ttft_p50", str)["series"]
    assert len(drawn) == 7
    assert "*" not in [one["label"] for one in drawn]


def test_classes() -> None:
    """Empty classes at both ends are left out; of nothing there is nothing."""
    ends = (50, 100, 2000, 600_000, None)
    some = [{"to_ms": end, "requests": n % 4} for n, end in enumerate(ends)]
    found = durations({"classes": some})
    assert found["names"] == ["0.1", "2", "600"]
    assert found["series"][0]["values"] == [1, 2, 3]
    assert durations({"classes": []})["names"] == []
    more = durations({"classes": [{"to_ms": None, "requests": 1}]})
    assert more["names"] == ["more"]
    large = sizes({"classes": [{"to": 2048, "requests": 1}]})
    assert large["names"] == ["2.0 k"]


def timed(**known: float | None) -> list[dict[str, Any]]:
    """The time line of a request of which this is known."""
    nothing: dict[str, Any] = dict.fromkeys(records.PARTS)
    return records.timed({**nothing, "duration_ms": 1000, "ttft_ms": None, **known})


def test_time_lines() -> None:
    """Parts fill the line, and what is left is all else; nobody knows is no part."""
    parts = timed(load_ms=250.0, eval_ms=500.0)
    assert [part["ms"] for part in parts] == [None, 250, None, 500, 250]
    assert [part["width"] for part in parts] == [0, 250, 0, 500, 250]
    assert [part["x"] for part in parts] == [0, 0, 250, 250, 750]
    # Of several calls the parts may be more than the whole.
    parts = timed(prompt_ms=1500.0, eval_ms=500.0)
    assert [part["width"] for part in parts] == [0, 0, 750, 250, 0]
    assert [part["width"] for part in timed(duration_ms=0)] == [0] * 5


def test_a_short_page(here: Handlers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where of those that were looked at none fits, older ones can be looked at."""
    now = now_ms()
    kept = [row(number, now - 1000 * number - HOUR) for number in range(9)]
    kept.append(row(9, now - DAY + HOUR, status="timeout"))
    here.installation.ledger.add(kept, {})
    monkeypatch.setattr(usage_records, "LOOKED", 5)
    page = records.listed(here.admin, Asked(query={"status": "timeout"}))
    assert page["rows"] == []
    made = _rendered("records.html", page)
    assert "None of these fits" in made
    assert f"cursor={page['older']}" in made
    older = {"status": "timeout", "cursor": page["older"]}
    assert len(records.listed(here.admin, Asked(query=older))["rows"]) == 1


def _rendered(name: str, page: Any) -> str:
    frame = {"me": None, "csrf": "", "navigation": [], "version": ""}
    return _templates(Static()).get_template(name).render(**frame, **page)
