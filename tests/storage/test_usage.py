"""What requests have used is kept, added up, found again, and removed in time."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from support.gateway import key
from support.server import PATIENCE, ROOT, clean_environ

from app.gateway.usage import Row
from app.gateway.usage_export import COLUMNS, csv_lines, ndjson_lines
from app.settings import Settings
from app.storage import Storage
from app.storage import usage_periods as periods
from app.storage import usage_queries as queries
from app.storage import usage_records as records
from app.storage.configuration import add_key, keys, read_version
from app.storage.usage import Ledger
from app.storage.usage_known import new
from app.storage.usage_metrics import METRICS, percentile
from app.storage.usage_sums import KEPT, class_of, sums
from app.storage.usage_tables import BOUNDS, DAY, GRAINS, HOUR, MINUTE
from app.storage.usage_writing import FEW

from .conftest import Place

#: The beginning of a day that is not long ago.
TODAY = int(time.time() * 1000) // DAY * DAY - DAY
ALL = (TODAY - 400 * DAY, TODAY + 2 * DAY)

_numbers = count()


def row(at: int = TODAY, **more: Any) -> Row:
    """A row of a request that went well; ``more`` are fields of it."""
    given: dict[str, Any] = {
        "id": f"{at:012x}{next(_numbers):020x}",
        "at": at,
        "request_id": "req_1",
        "key_id": "key_a",
        "key_name": "a",
        "requested_model": "fast",
        "resolved_model": "m:latest",
        "endpoint": "chat",
        "protocol": "openai",
        "stream": True,
        "http_status": 200,
        "status": "ok",
        "error_code": "",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "reasoning_tokens": None,
        "estimated": False,
        "queue_ms": 0.5,
        "load_ms": 1.25,
        "ttft_ms": 40,
        "prompt_ms": 2.5,
        "eval_ms": 100.0,
        "duration_ms": 150,
        "finish_reason": "stop",
        "n_messages": 1,
        "n_tools": 0,
        "n_tool_calls": 0,
        "n_images": 0,
        "bytes_in": 100,
        "bytes_out": 200,
        "think": "",
        "client_ip": "127.0.0.1",
        "user_agent": "test",
        "end_user": "",
    }
    return Row(**(given | more))


@pytest.fixture
def storage(place: Place) -> Iterator[Storage]:
    """A storage, there."""
    storage = Storage.of(Settings(**place.settings))
    yield storage
    storage.close()


@pytest.fixture
def ledger(storage: Storage) -> Ledger:
    """What was used, there."""
    return storage.usage


def test_rows_come_back_as_they_were(ledger: Ledger) -> None:
    """Every field of a row is kept, those that nobody knows as such."""
    unknown = dict.fromkeys(
        ("prompt_tokens", "completion_tokens", "ttft_ms", "eval_ms", "http_status")
    )
    rows = [row(), row(TODAY + 1, **unknown, status="cancelled", estimated=True)]
    ledger.add(rows, {})
    found = ledger.records(ALL).records
    assert [Row(**{n: one[n] for n in Row.__struct_fields__}) for one in found] == (
        rows[::-1]
    )
    assert [one["tokens_per_s"] for one in found] == [None, 50.0]


def test_q5_a_row_that_is_kept_twice_counts_once(ledger: Ledger) -> None:
    """A batch that is tried again adds what is not there yet, and no more."""
    rows = [row(TODAY + n) for n in range(3)]
    ledger.add(rows[:2], {})
    ledger.add(rows, {})
    ledger.add(rows, {})
    assert len(ledger.records(ALL).records) == 3
    assert ledger.summary(ALL)["requests"] == 3
    assert ledger.summary(ALL)["tokens"] == 45


def test_metrics_are_those_of_the_rows(ledger: Ledger) -> None:
    """Totals, averages and the largest of a period are what its rows say."""
    ledger.add([row(), row(TODAY + MINUTE, duration_ms=450, ttft_ms=None)], {})
    ledger.add([row(TODAY + 5, status="timeout", http_status=504, eval_ms=None)], {})
    found = ledger.summary((TODAY, TODAY + HOUR))
    assert found["by_status"] == {"ok": 2, "timeout": 1}
    assert {name: found[name] for name in METRICS if "_p" not in name[-4:]} == {
        "requests": 3,
        "errors": 1,
        "prompt_tokens": 30,
        "completion_tokens": 15,
        "reasoning_tokens": 0,
        "bytes_in": 300,
        "bytes_out": 600,
        "queue_ms": 1.5,
        "load_ms": 3.75,
        "prompt_ms": 7.5,
        "eval_ms": 200.0,
        "duration_max": 450,
        "ttft_max": 40,
        "tokens": 45,
        "gpu_ms": 211.25,
        "tokens_per_s": 50.0,
        "ttft_avg": 40.0,
        "duration_avg": 250.0,
    }
    assert (found["from"], found["to"]) == (TODAY, TODAY + HOUR)


def test_nothing_was_used(ledger: Ledger) -> None:
    """Where there are no rows there are zeros, and no averages."""
    found = ledger.summary(ALL)
    assert (found["requests"], found["gpu_ms"], found["by_status"]) == (0, 0.0, {})
    assert (found["duration_p95"], found["ttft_avg"], found["tokens_per_s"]) == (
        None,
        None,
        None,
    )
    assert ledger.series("requests", ALL) == ledger.top("key", ALL) == []
    assert ledger.records(ALL) == ([], "")


@pytest.mark.parametrize("width", [MINUTE, HOUR, DAY])
def test_widths_agree(ledger: Ledger, width: int) -> None:
    """Minutes, hours and days add up to the same, in whatever batches rows came."""
    rows = [row(TODAY + n * 7 * MINUTE, prompt_tokens=n) for n in range(100)]
    for start in range(0, 100, 30):
        ledger.add(rows[start : start + 30], {})
    step = {MINUTE: "minute", HOUR: "hour", DAY: "day"}[width]
    points = ledger.series("prompt_tokens", (TODAY, TODAY + DAY), step=step)
    assert sum(point["value"] for point in points) == sum(range(100))
    assert [point["at"] % width for point in points] == [0] * len(points)
    assert all(one["at"] < other["at"] for one, other in pairwise(points))
    assert len(points) == {MINUTE: 100, HOUR: 12, DAY: 1}[width]


def test_names_of_keys(ledger: Ledger) -> None:
    """A key has the name that it had last, whatever becomes of it and of its rows."""
    first, last = row(key_name="a"), row(TODAY + 1, key_name="b\0")
    nobody = {"key_id": "", "key_name": ""}
    for rows in ([row(**nobody)], [first], [first], [last, row(**nobody)]):
        ledger.add(rows, {})
    assert ledger.tidy(TODAY + DAY) is False
    assert ledger.names({"key_a", "key_b", ""}) == {"key_a": "b\ufffd"}
    assert [ledger.key_id(name) for name in ("key_a", "b", "")] == ["key_a", "", ""]


def test_what_was_counted_before(ledger: Ledger, storage: Storage) -> None:
    """Rows are known by their ids, and those that are gone by the sum of their day."""
    old, late = TODAY - 40 * DAY, TODAY - DAY
    before = TODAY - 30 * DAY + HOUR
    rows = [row(old), row(old + HOUR, resolved_model="n"), row(late), row(before - 1)]
    others = [row(old, key_id="key_b"), row(old - DAY), row(late), row(old, status="x")]
    others.append(row(before))
    ledger.add(rows, {})
    while ledger.tidy(before):
        pass
    assert len(ledger.records(ALL).records) == 1

    def found(all_: list[Row]) -> list[Row]:
        return storage.read(lambda connection: new(connection, all_, before))

    assert found(rows) == found([]) == []
    assert found([*rows, *others]) == others


def test_groups_and_filters(ledger: Ledger) -> None:
    """Sums can be asked apart, and of some alone."""
    ledger.add(
        [
            row(),
            row(key_id="key_b", completion_tokens=500),
            row(key_id="key_b", resolved_model="n", status="cancelled"),
            row(endpoint="native", status="client_error", http_status=404),
        ],
        {},
    )
    top = ledger.top("key", ALL, metric="completion_tokens")
    assert [(one["key"], one["completion_tokens"]) for one in top] == [
        ("key_b", 505),
        ("key_a", 10),
    ]
    assert [one["key"] for one in ledger.top("key", ALL, limit=1)] == ["key_a"]
    models = {one["model"]: one["requests"] for one in ledger.top("model", ALL)}
    assert models == {"m:latest": 2, "n": 1, "": 1}
    assert {one["last"] for one in ledger.top("model", ALL)} == {TODAY}
    assert ledger.summary(ALL, {"key": "key_b", "model": "n"})["requests"] == 1
    points = ledger.series("errors", ALL, group="endpoint", step="day")
    assert points == [
        {"at": TODAY, "endpoint": "chat", "value": 0},
        {"at": TODAY, "endpoint": "native", "value": 1},
    ]


def test_several_metrics_in_one_series(ledger: Ledger) -> None:
    """Each has its name there, and is what it is alone, for each group apart."""
    ledger.add([row(), row(TODAY + HOUR, ttft_ms=None, status="timeout")], {})
    names = ("tokens", "ttft_p95", "errors", "requests", "duration_p50")
    for group in ("", "status"):
        found = ledger.series(names, (TODAY, TODAY + DAY), group=group)
        assert len(found) == 2
        for name in names:
            alone = ledger.series(name, (TODAY, TODAY + DAY), group=group)
            assert [one.pop("value") for one in alone] == [one[name] for one in found]
            for one, more in zip(alone, found, strict=True):
                assert one.items() <= more.items()
    assert [one["ttft_p95"] for one in found] == [38.0, None]
    with pytest.raises(ValueError, match="there is no metric 'no'"):
        ledger.series(("tokens", "no"), ALL)


@pytest.mark.parametrize(
    ("start", "length", "width"),
    [
        (-HOUR, HOUR, MINUTE),
        (-HOUR + 1, 6 * HOUR, MINUTE),
        (-45 * HOUR, 6 * HOUR, HOUR),
        (-7 * DAY, 7 * DAY, HOUR),
        (-30 * DAY, 30 * DAY, DAY),
    ],
)
def test_the_period_before(
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    start: int,
    length: int,
    width: int,
) -> None:
    """It ends where the period begins, is as long, and no sum is in both."""
    monkeypatch.setattr(periods, "now_ms", lambda: TODAY + DAY - 1)
    end = TODAY + start + length
    found = ledger.summary((TODAY + start, end), before=True)
    before = found["before"]
    assert before["to"] == found["from"]
    assert before["to"] - before["from"] == found["to"] - found["from"]
    assert found["from"] == (TODAY + start) // width * width
    ledger.add([row(before["from"] - 1), row(before["from"])], {})
    ledger.add([row(before["to"] - 1, status="timeout"), row(found["from"])], {})
    found = ledger.summary((TODAY + start, end), before=True)
    assert (found["requests"], found["by_status"]) == (1, {"ok": 1})
    assert found["before"]["by_status"] == {"ok": 1, "timeout": 1}
    assert found["before"].keys() == found.keys() - {"before"}
    assert "before" not in ledger.summary((TODAY + start, end))


def test_distribution_of_durations(ledger: Ledger) -> None:
    """Requests are in the class up to whose end they took; the last has no end."""
    taken = (0, 50, 51, 600_000, 600_001, 10**9)
    ledger.add([row(duration_ms=one, ttft_ms=None) for one in taken], {})
    ledger.add([row(key_id="key_b", duration_ms=1)], {})
    found = ledger.distribution("duration", ALL, {"key": "key_a"})
    assert [(one["from_ms"], one["to_ms"]) for one in found] == list(
        pairwise((0, *BOUNDS, None))
    )
    assert [one["requests"] for one in found] == [2, 1, *[0] * 10, 1, 2]
    found = ledger.distribution("ttft", ALL)
    assert sum(one["requests"] for one in found) == 1
    with pytest.raises(ValueError, match="no distribution"):
        ledger.distribution("tokens", ALL)


def test_distribution_of_tokens(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Classes end with powers of two; of many rows the newest are looked at."""
    counts = (0, 1, 2, 3, 4, 5, 8, 9, None)
    ledger.add([row(TODAY + n, completion_tokens=c) for n, c in enumerate(counts)], {})
    found = ledger.tokens(ALL)
    ends = [(one["from"], one["to"], one["requests"]) for one in found["classes"]]
    assert ends == [(0, 1, 2), (1, 2, 1), (2, 4, 2), (4, 8, 2), (8, 16, 1)]
    assert (found["rows"], found["is_complete"]) == (9, True)
    assert ledger.tokens(ALL, {"key": "nobody"})["classes"] == []
    monkeypatch.setattr(records, "LOOKED", 3)
    found = ledger.tokens(ALL)
    assert [one["requests"] for one in found["classes"]] == [0, 0, 0, 1, 1]
    assert (found["rows"], found["is_complete"]) == (3, False)
    assert ledger.tokens((TODAY, TODAY + 3))["is_complete"] is True
    found = ledger.tokens((TODAY, TODAY + 4), {"status": "timeout"})
    assert (found["rows"], found["is_complete"]) == (0, False)


def test_tokens_that_cannot_be(ledger: Ledger) -> None:
    """A count that nobody can have is in the first class, or in one of its own."""
    ledger.add([row(completion_tokens=-5), row(completion_tokens=2**63 - 1)], {})
    classes = ledger.tokens(ALL)["classes"]
    assert len(classes) == 64
    assert (classes[0]["requests"], classes[-1]["requests"]) == (1, 1)


def test_requests_by_day(ledger: Ledger) -> None:
    """They are those of each key and day, however they ended; others are not there."""
    ledger.add([row(TODAY - DAY), row(), row(status="timeout", resolved_model="n")], {})
    ledger.add([row(key_id="key_b"), row(TODAY - 2 * DAY), row(key_id="key_c")], {})
    found = ledger.by_day(["key_a", "key_b", "nobody"], (TODAY - DAY, TODAY + 1))
    assert found == {"key_a": {TODAY - DAY: 1, TODAY: 2}, "key_b": {TODAY: 1}}
    assert ledger.by_day([], ALL) == {}


def test_only_the_largest_groups_are_apart(ledger: Ledger) -> None:
    """A series of very many keys has lines for some, and one for all others."""
    rows = [row(key_id=f"key_{n}") for n in range(queries.MANY + 5)]
    ledger.add([*rows, row(key_id="key_24")], {})
    points = ledger.series("requests", ALL, group="key", step="day")
    assert len(points) == queries.MANY + 1
    assert {point["key"]: point["value"] for point in points}[queries.OTHERS] == 5
    assert sum(point["value"] for point in points) == queries.MANY + 6


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("summary", ((0, 1), {"key_id": "x"})),
        ("series", ("requests; DROP TABLE usage_rollup", (0, 1))),
        ("series", ("password", (0, 1))),
        ("top", ("user_agent", (0, 1))),
        ("records", ((0, 1),)),
    ],
)
def test_q8_names_are_of_a_list(ledger: Ledger, call: str, arguments: Any) -> None:
    """What is no metric, group, filter or cursor is refused, and reaches no SQL."""
    more = {"cursor": "' OR 1=1"} if call == "records" else {}
    with pytest.raises(ValueError, match=r"there is no|no cursor"):
        getattr(ledger, call)(*arguments, **more)


def test_q8_values_are_values(ledger: Ledger) -> None:
    """Odd names of models and agents are kept, asked for and shown as they are."""
    odd, agent = "'; DROP TABLE usage_record; --\u202e", "\0\x1b[31m\ud800"
    ledger.add([row(resolved_model=odd, user_agent=agent + "x" * 9000)], {})
    shown = odd.replace("\u202e", "\ufffd")
    assert ledger.summary(ALL, {"model": shown})["requests"] == 1
    (one,) = ledger.records(ALL).records
    assert one["resolved_model"].startswith("'; DROP TABLE usage_record; --")
    assert one["user_agent"].startswith("\ufffd\ufffd[31m\ufffdx")
    assert len(one["user_agent"]) == 512


def test_a_series_has_an_end(ledger: Ledger) -> None:
    """A year of minutes is refused; a step is chosen where none is named."""
    with pytest.raises(ValueError, match="longer step"):
        ledger.series("requests", (TODAY - 365 * DAY, TODAY), step="minute")
    assert ledger.series("requests", (0, TODAY + DAY)) == []
    quarter = (TODAY - 90 * DAY + 1, TODAY + 1)
    assert ledger.series("requests", quarter, step="hour") == []
    with pytest.raises(ValueError, match="1500 points"):
        ledger.series("requests", quarter, step="hour", group="status")


def test_pages_have_every_row_once(ledger: Ledger) -> None:
    """Pages follow each other by time, newest first, whatever is added meanwhile."""
    rows = [row(TODAY + n // 3) for n in range(50)]
    ledger.add(rows, {})
    seen: list[str] = []
    cursor = ""
    while True:
        page = ledger.records((TODAY, TODAY + 1000), cursor=cursor, limit=7)
        assert len(page.records) <= 7
        seen += [one["id"] for one in page.records]
        ledger.add([row(TODAY + 900)], {})
        cursor = page.cursor
        if not cursor:
            break
    assert seen == [one.id for one in reversed(rows)]
    assert len(ledger.records(ALL, limit=9999).records) <= 500


def test_pages_of_a_filter(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that a filter fits are all found, though few are looked at for a page."""
    monkeypatch.setattr(records, "LOOKED", 10)
    late = {n: row(TODAY + n, status="timeout") for n in range(3, 60, 17)}
    ledger.add([late.get(n) or row(TODAY + n) for n in range(60)], {})
    found = list(ledger.every(ALL, {"status": "timeout"}))
    assert [one["at"] - TODAY for one in found] == [54, 37, 20, 3]
    page = ledger.records(ALL, filters={"status": "timeout"})
    assert len(page.records) == 1
    assert page.cursor


def test_few_rows_are_looked_at(
    ready: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: of rows that are not looked at SQLite reads none."""
    monkeypatch.setattr(records, "LOOKED", 10)
    shutil.copytree(ready("sqlite"), tmp_path / "state")
    storage = Storage.of(Settings(state_dir=str(tmp_path / "state")))
    storage.usage.add([row(TODAY + n) for n in range(2000)], {})
    steps = count()

    def look(connection: Any) -> None:
        driver = connection.connection.dbapi_connection
        driver.set_progress_handler(lambda: next(steps) and 0, 1)
        assert records.records(connection, ALL, "", 100, {"model": "none"})[0] == []
        assert records.tokens(connection, ALL, {"status": "timeout"})["rows"] == 0
        driver.set_progress_handler(None, 0)

    storage.read(look)
    storage.close()
    assert 100 < next(steps) < 2000


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"key": "key_b"}, 1),
        ({"model": "n"}, 1),
        ({"protocol": "ollama"}, 1),
        ({"stream": False}, 1),
        ({"key": "key_a", "endpoint": "chat"}, 3),
        ({"status": "ok"}, 4),
        ({"key": "nobody"}, 0),
        ({"user": "0a1b2c"}, 2),
        ({"user": "0A1B2C3D4E5F6071"}, 1),
        ({"user": "1b"}, 0),
        ({"user": "0a_b"}, 0),
        ({"error": "NOT_Found"}, 2),
        ({"error": "model_not"}, 1),
        ({"error": "modelXnot"}, 1),
        ({"error": "%"}, 1),
        ({"error": "/"}, 1),
        ({"error": "'"}, 0),
        ({"error": "found", "user": "0a", "key": "key_a"}, 1),
    ],
)
def test_filters_of_records(
    ledger: Ledger, filters: dict[str, Any], expected: int
) -> None:
    """Records can be asked by what they are."""
    ledger.add(
        [
            row(end_user="0a1b2c3d4e5f6071", error_code="model_not_found"),
            row(key_id="key_b", end_user="0a1b2c0000000000", error_code="not_found%/"),
            row(resolved_model="n", protocol="ollama", error_code="modelXnot"),
            row(stream=False),
        ],
        {},
    )
    assert len(ledger.records(ALL, filters=filters).records) == expected


def test_what_clients_make_up_is_no_model(ledger: Ledger) -> None:
    """Names that nobody knows make no sums of their own."""
    made_up = [
        row(resolved_model=f"x{n}", http_status=404, status="client_error")
        for n in range(50)
    ]
    ledger.add(made_up, {})
    assert [one["model"] for one in ledger.top("model", ALL)] == [""]


def test_rows_go_and_sums_stay(ledger: Ledger, place: Place) -> None:
    """Rows older than their days are removed a few at a time; totals do not shrink."""
    old = [row(TODAY - 200 * DAY + n) for n in range(FEW + 200)]
    ledger.add(old, {})
    ledger.add([row(TODAY - 31 * DAY), row(TODAY - 29 * DAY)], {})
    before = ledger.summary(ALL)
    assert before["requests"] == FEW + 202
    assert ledger.tidy(TODAY - 30 * DAY)
    assert not ledger.tidy(TODAY - 30 * DAY)
    assert not ledger.tidy(TODAY - 30 * DAY)
    assert [one["at"] for one in ledger.records(ALL).records] == [TODAY - 29 * DAY]
    assert ledger.summary(ALL) == before
    for width, kept in KEPT.items():
        oldest = place.scalar(
            f"SELECT min(bucket_start) FROM usage_rollup WHERE width = {width}"
        )
        assert oldest is None or oldest >= TODAY - kept
    assert place.scalar("SELECT count(*) FROM usage_rollup") == (3 + 2) * len(GRAINS)


@pytest.mark.parametrize(
    ("age", "widths"),
    [
        (2 * DAY, {MINUTE, HOUR, DAY}),
        (2 * DAY + MINUTE, {HOUR, DAY}),
        (90 * DAY, {HOUR, DAY}),
        (90 * DAY + HOUR, {DAY}),
        (4000 * DAY, {DAY}),
    ],
)
def test_for_how_long_sums_are_kept(age: int, widths: set[int]) -> None:
    """Those of minutes are for two days, those of hours for ninety, days for ever."""
    assert {one[0] for one in sums([row(TODAY - age)], TODAY)} == widths


@pytest.mark.parametrize(
    ("start", "length", "width"),
    [
        (-2 * DAY + MINUTE, 6 * HOUR, MINUTE),
        (-2 * DAY + MINUTE - 1, 6 * HOUR, HOUR),
        (-DAY, 6 * HOUR + 1, HOUR),
        (-90 * DAY + HOUR, 7 * DAY, HOUR),
        (-90 * DAY + HOUR - 1, 7 * DAY, DAY),
        (-8 * DAY, 7 * DAY + 1, DAY),
    ],
)
def test_which_sums_are_asked(
    monkeypatch: pytest.MonkeyPatch, start: int, length: int, width: int
) -> None:
    """The narrowest that are there for all of a period, and not too many."""
    monkeypatch.setattr(periods, "now_ms", lambda: TODAY)
    period = (TODAY + start, TODAY + start + length)
    assert periods.width_of(period) == width
    begin, end = periods.rounded(period, width)
    assert begin % width == end % width == 0
    assert 0 <= period[0] - begin < width
    assert 0 <= end - period[1] < width


def test_sums_have_no_noise(ledger: Ledger) -> None:
    """Sums of fractions are as long as what they are of."""
    for number, taken in enumerate((0.1, 0.2, 0.6)):
        more = {"queue_ms": taken, "status": "ok" if number < 2 else "timeout"}
        ledger.add([row(TODAY, eval_ms=30.0, **more)], {})
    (point,) = ledger.series(
        "queue_ms", (TODAY, TODAY + HOUR), filters={"status": "ok"}
    )
    assert point["value"] == 0.3
    assert ledger.summary((TODAY, TODAY + HOUR))["queue_ms"] == 0.9
    assert ledger.records(ALL).records[0]["tokens_per_s"] == 166.67


def test_sums_of_what_cannot_be(ledger: Ledger) -> None:
    """A period with counts that nobody can have has totals: from 0 up to 2**53."""
    rows = [row(TODAY - n * DAY, prompt_tokens=2**63 - 1) for n in range(2)]
    rows = [replace(one, completion_tokens=-3, status="ok") for one in rows]
    ledger.add([rows[0], replace(rows[1], status="timeout")], {})
    found = ledger.summary(ALL)
    assert (found["prompt_tokens"], found["completion_tokens"]) == (2**53, 0)
    assert [point["value"] for point in ledger.series("tokens", ALL)] == [2**53] * 2
    (one,) = ledger.top("model", ALL)
    assert (one["requests"], one["tokens"]) == (2, 2**53)


def test_counts_are_exact(ledger: Ledger) -> None:
    """Up to 2**53 a total is that of its rows, to the last token."""
    rows = [row(TODAY - n * DAY, prompt_tokens=2**52 - n) for n in range(2)]
    ledger.add(rows, {})
    assert ledger.summary(ALL)["prompt_tokens"] == 2**53 - 1


def test_use_of_keys_is_noted(ledger: Ledger, storage: Storage) -> None:
    """When and from where a key was used last is written, and is no change of it."""
    made = key("a")
    storage.write(lambda connection: add_key(connection, made, "test"))
    version = storage.read(read_version)
    ledger.add([], {made.id: (TODAY, "10.0.0.1"), "key_gone": (TODAY, "x")})
    (found,) = storage.read(keys)
    assert (found.last_used_at, found.last_used_ip) == (TODAY, "10.0.0.1")
    assert storage.read(read_version) == version


def test_classes_of_durations() -> None:
    """Each duration is in the first class that does not end before it."""
    assert [class_of(ms) for ms in (0, 50, 51, 600_000, 600_001)] == [0, 0, 1, 12, 13]
    assert class_of(10**12) == len(BOUNDS)


@pytest.mark.parametrize(
    ("durations", "percent", "low", "high"),
    [
        ([30] * 100, 50, 15, 30),
        ([30] * 99 + [900], 99, 25, 50),
        ([30] * 50 + [900] * 50, 95, 500, 900),
        ([700_000], 99, 600_000, 700_000),
        (list(range(1000)), 50, 400, 600),
    ],
)
def test_percentiles(durations: list[int], percent: int, low: int, high: int) -> None:
    """They are within the class of the true one, and never above the largest."""
    counts = [0] * (len(BOUNDS) + 1)
    for one in durations:
        counts[class_of(one)] += 1
    found = percentile(counts, percent, max(durations))
    assert found is not None
    assert low <= found <= high


def test_export(ledger: Ledger) -> None:
    """CSV and NDJSON have every row and column; no cell is a formula (W7)."""
    nasty = ["=1+1", "+x", "-x", "@x", "\tx", 'a"b', "a,b", "plain"]
    ledger.add([row(TODAY + n, user_agent=one) for n, one in enumerate(nasty)], {})
    lines = list(csv_lines(ledger.every(ALL)))
    assert lines[0].decode().rstrip().split(",") == list(COLUMNS)
    text = b"".join(lines).decode()
    for one in ("'=1+1", "'+x", "'-x", "'@x", '"a""b"', '"a,b"', ",plain,"):
        assert one in text
    assert ",=1+1" not in text
    records = [json.loads(line) for line in ndjson_lines(ledger.every(ALL))]
    assert [list(one) for one in records] == [list(COLUMNS)] * len(nasty)
    assert [one["user_agent"] for one in records][-1] == "=1+1"


WRITER = """
import json, sys
from gevent import monkey
monkey.patch_all()
from app.settings import Settings
from app.storage import Storage, storage as limits

limits.WAIT = limits.FIRST = 60
settings, name, base = json.loads(sys.argv[1])

def patient():
    from app.storage.database import Database
    return Database(settings.get("database_url", ""), settings["state_dir"], 30_000)

sys.path.insert(0, "tests")
sys.path.insert(0, "tests/storage")
from app.gateway.usage import Row
import msgspec
row = msgspec.json.decode(sys.stdin.buffer.read(), type=Row)
storage = Storage.of(Settings(**settings))
storage._load = patient
for batch in range(20):
    storage.usage.add([
        msgspec.structs.replace(row, id=f"{row.at:012x}{base + batch * 25 + n:020x}")
        for n in range(25)
    ], {})
print("done")
storage.close()
"""


@pytest.mark.live
def test_q6_processes_that_write_at_once_add_up(place: Place, ledger: Ledger) -> None:
    """Rows of several workers are all there, and sums are exact."""
    import msgspec

    given = msgspec.json.encode(row())
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-c", WRITER),
                json.dumps([place.settings, "", number * 10_000]),
            ],
            cwd=ROOT,
            env=clean_environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(1, 4)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.close()
        process.stdin = None
    for process in running:
        out, err = process.communicate(timeout=PATIENCE)
        assert (out, err) == (b"done\n", b"")
    found = ledger.summary(ALL)
    assert (found["requests"], found["tokens"]) == (1500, 1500 * 15)
    assert place.scalar("SELECT count(*) FROM usage_record") == 1500
