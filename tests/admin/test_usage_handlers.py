"""What operators ask about usage; on both databases."""

import csv
import io
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.admin import BEGIN
from support.handling import Handlers
from support.server import ROOT
from support.used import row

from app.admin.asked import Asked
from app.admin.query import Query, page
from app.admin.usage import WORDS
from app.moment import now_ms
from app.storage.usage_metrics import METRICS
from middleware.usage import ROUTES

MINUTE, HOUR = 60_000, 3_600_000
#: Rows that are there, one a second; so many that a file of them takes two pages.
MANY = 700


class Used:
    """Handlers where something was used; ``end`` is a moment after all of it."""

    def __init__(self, here: Handlers) -> None:
        self.here = here
        self.key = here.key("spender")["id"]
        here.installation.current.renew()
        self.end = now_ms() // MINUTE * MINUTE
        self.rows = [
            row(
                number,
                self.end - 1000 * (number + 1),
                key_id=self.key if number < 10 else "key_gone",
                key_name="before" if number < 10 else "old laptop",
                user_agent="=1+1" if number == 0 else "",
                end_user="0a1b2c3d" if number in (3, 600) else "",
                error_code="100%_wrong" if number == 5 else "",
            )
            for number in range(MANY)
        ]
        here.installation.ledger.add(self.rows[:500], {})
        here.installation.ledger.add(self.rows[500:], {})

    def get(self, what: str, **query: Any) -> Any:
        """The answer to a question about the last hour."""
        return self.here.do("GET", f"usage/{what}?{self.period(**query)}")

    def period(self, **query: Any) -> str:
        """The query of the last hour, and more."""
        given = {"from": self.end - HOUR, "to": self.end, **query}
        return "&".join(f"{name}={value}" for name, value in given.items())


@pytest.fixture(scope="module")
def used(here: Handlers) -> Used:
    """An installation of which something was used."""
    return Used(here)


def test_summary(used: Used) -> None:
    """Totals are of the period and of what a filter leaves."""
    assert used.get("summary")["requests"] == MANY
    assert used.get("summary", model="b")["requests"] == 0


@pytest.mark.parametrize("name", ["a", "A:latest", "library/a", "%20a", "a:latest"])
def test_spellings_of_a_model(used: Used, name: str) -> None:
    """A model is found by each spelling of its name."""
    assert used.get("summary", model=name)["requests"] == MANY
    assert used.get("top", by="key", model=name)["top"][1]["requests"] == 10
    assert len(used.get("records", model=name, limit=20)["records"]) == 20


def test_words_of_filters(used: Used) -> None:
    """All words that rows can have may be asked for; the page says which they are."""
    page = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    for name, words in WORDS.items():
        (row,) = re.findall(rf"^\| `{name}` \| (.*) \|$", page, re.MULTILINE)
        assert set(re.findall("`([a-z_]+)`", row)) == set(words)
        for word in words:
            assert used.get("records", limit=1, **{name: word}) is not None
    there = set(ROUTES.values())
    assert {endpoint for endpoint, _ in there} == set(WORDS["endpoint"])
    assert {protocol for _, protocol in there} <= set(WORDS["protocol"])
    assert used.get("summary", status="ok", endpoint="chat")["requests"] == MANY


def test_whose_it_was(used: Used) -> None:
    """A key is found by its id, or its name in any case; a deleted one by its id."""
    for key, many in ((used.key, 10), ("Spender", 10), ("key_gone", MANY - 10)):
        found = used.get("summary", key=key)
        assert (found["requests"], found["tokens"]) == (many, 7 * many)
        points = used.get("series", key=key, step="hour")["points"]
        assert sum(point["value"] for point in points) == many
        assert used.get("top", key=key)["top"][0]["requests"] == many
        records = used.get("records", key=key, limit=500)["records"]
        assert len(records) == min(many, 500)
    for what in ("summary", "series", "top", "records", "export.csv"):
        for key in ("nobody", "old%20laptop", "%ED%A0%80"):
            answer = used.here.ask("GET", f"usage/{what}?{used.period(key=key)}")
            assert answer.error == (422, "key"), (what, key)


def test_times(used: Used) -> None:
    """Times are Unix milliseconds, or texts with or without an offset."""
    for moment in ("2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T01:00:00%2B01:00"):
        found = used.here.do("GET", f"usage/summary?from={moment}&to=1767312000000")
        assert found["from"] == 1_767_225_600_000


def test_series_and_top(used: Used) -> None:
    """What is told apart by key comes with their names, also of those that are gone."""
    series = used.get("series", metric="tokens", group="key", step="minute")
    assert sum(point["value"] for point in series["points"]) == MANY * 7
    top = used.get("top", by="key")
    assert [one["requests"] for one in top["top"]] == [MANY - 10, 10]
    names = {used.key: "spender", "key_gone": "old laptop"}
    assert series["names"] == top["names"] == names
    assert "names" not in used.get("top", by="model")


def test_several_metrics(used: Used) -> None:
    """Several are in one series by their names, up to twelve; one has a value."""
    found = used.get("series", metric="tokens,requests,ttft_p95", step="hour")
    for point in found["points"]:
        assert point.keys() == {"at", "tokens", "requests", "ttft_p95"}
        assert point["tokens"] == 7 * point["requests"]
    for metric in ("tokens", "tokens,tokens"):
        (*_, point) = used.get("series", metric=metric)["points"]
        assert point.keys() == {"at", "value"}
    many = list(METRICS)[:13]
    assert used.get("series", metric=",".join(many[:12]))["points"]
    for wrong in (",".join(many), "tokens,no", "tokens,", ""):
        answer = used.here.ask("GET", f"usage/series?{used.period(metric=wrong)}")
        assert answer.error == (422, "metric"), wrong


def test_before(used: Used) -> None:
    """What was used in the period before is there if it is wanted."""
    times = {"from": used.end, "to": used.end + HOUR}
    found = used.here.do(
        "GET", f"usage/summary?from={times['from']}&to={times['to']}&before=1"
    )
    assert (found["requests"], found["before"]["requests"]) == (0, MANY)
    assert found["before"]["to"] == found["from"] == used.end
    assert found["before"]["by_status"] == {"ok": MANY}
    assert "before" not in used.get("summary")
    alone = used.get("summary", before=1, key=used.key)
    assert (alone["requests"], alone["before"]["requests"]) == (10, 0)


def test_distribution(used: Used) -> None:
    """Durations have the classes of sums, tokens those of powers of two."""
    found = used.get("distribution")
    assert found["of"] == "duration"
    assert [one["requests"] for one in found["classes"]] == [0, MANY, *[0] * 12]
    assert found["classes"][0] == {"from_ms": 0, "to_ms": 50, "requests": 0}
    assert found["classes"][-1]["to_ms"] is None
    ttft = used.get("distribution", of="ttft", key=used.key)
    assert sum(one["requests"] for one in ttft["classes"]) == 0
    assert used.get("distribution", of="tokens", key=used.key) == {
        "of": "tokens",
        "classes": [
            {"from": 0, "to": 1, "requests": 0},
            {"from": 1, "to": 2, "requests": 0},
            {"from": 2, "to": 4, "requests": 10},
        ],
        "rows": 10,
        "is_complete": True,
    }
    answer = used.here.ask("GET", f"usage/distribution?{used.period(of='bytes')}")
    assert answer.error == (422, "of")


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"user": "0a1b"}, [3, 600]),
        ({"user": "0a1b2c3d"}, [3, 600]),
        ({"user": "1b"}, []),
        ({"error": "%25_W"}, [5]),
        ({"error": "0__"}, []),
        ({"user": "0a", "key": "spender"}, [3]),
    ],
)
def test_users_and_errors(
    used: Used, query: dict[str, str], numbers: list[int]
) -> None:
    """Records are found by the beginning of a user, and part of an error; in files."""
    wanted = [used.rows[number].id for number in numbers]
    assert [one["id"] for one in used.get("records", **query)["records"]] == wanted
    answer = used.here.ask("GET", f"usage/export.ndjson?{used.period(**query)}")
    assert [json.loads(line)["id"] for line in answer.body.splitlines()] == wanted
    answer = used.here.ask("GET", f"usage/summary?{used.period(**query)}")
    assert answer.status == 422


def _pages(used: Used, **query: Any) -> Iterator[Any]:
    cursor = ""
    while True:
        page = used.get("records", cursor=cursor, **query)
        yield from page["records"]
        if not (cursor := page["cursor"]):
            return


def test_records(used: Used) -> None:
    """Records come in pages, newest first, each of them once; and one by its id."""
    found = [one["id"] for one in _pages(used, limit=300)]
    assert found == [row.id for row in used.rows]
    streams = [one["stream"] for one in _pages(used, key=used.key, stream="true")]
    assert streams == [True] * 5
    row = used.rows[7]
    assert used.here.do("GET", f"usage/records/{row.id}")["at"] == row.at
    near = f"{row.id[:-1]}1"
    assert used.here.ask("GET", f"usage/records/{near}").error == (404, "id")


@pytest.mark.parametrize(("limit", "pages"), [(1, 3), (2, 2), (3, 1), (4, 1)])
def test_pages_by_name(limit: int, pages: int) -> None:
    """Each is on one page, in the order of names, and no page is empty."""
    found, cursor = list[list[str]](), ""
    while (cursor or not found) and len(found) < 9:
        asked = Asked(query={"cursor": cursor, "limit": str(limit)})
        query = Query(asked)
        names, cursor = page(["c", "a", "B"], str, query)
        found.append(names)
    assert [name for names in found for name in names] == ["a", "B", "c"]
    assert len(found) == pages


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-01T00:00:00", BEGIN),
        ("2026-01-01", BEGIN),
        ("2026-01-01T00:00:00Z", BEGIN),
        ("2026-01-01T01:00:00+01:00", BEGIN),
        (f"{BEGIN}", BEGIN),
    ],
)
def test_times_are_in_utc(
    monkeypatch: pytest.MonkeyPatch, zone: str, text: str, at: int
) -> None:
    """A time without a zone is one of UTC, wherever the machine stands."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", zone)
        time.tzset()
        asked = Asked(query={"from": text})
        found = Query(asked).moment("from", 0)
    time.tzset()
    assert found == at


def test_files(used: Used) -> None:
    """Files have all records of the period; nothing in them is a formula."""
    answer = used.here.ask("GET", f"usage/export.csv?{used.period()}")
    assert 'filename="usage.csv"' in answer.headers["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [line["id"] for line in lines] == [row.id for row in used.rows]
    assert lines[0]["user_agent"] == "'=1+1"
    answer = used.here.ask("GET", f"usage/export.ndjson?{used.period(key=used.key)}")
    assert [json.loads(line)["id"] for line in answer.body.splitlines()] == [
        row.id for row in used.rows[:10]
    ]


def test_files_come_in_pieces(used: Used) -> None:
    """A file is sent while it is read: no more than a page of it is held."""
    answer = used.here.ask("GET", f"usage/export.ndjson?{used.period()}")
    assert max(answer.pieces) <= 500 * 2048
    assert len(answer.pieces) == 2


def test_of_a_key(used: Used) -> None:
    """A key's page shows what it has used."""
    found = used.here.do("GET", f"keys/{used.key}/usage")
    assert found["summary"]["requests"] == 10
    assert found["summary"]["to"] - found["summary"]["from"] >= 30 * 86_400_000
    assert sum(day["value"] for day in found["days"]["tokens"]) == 70
    assert [one["model"] for one in found["models"]] == ["a:latest"]


def test_points_that_there_can_be(used: Used) -> None:
    """A series leaves out what is zero, but says its step, begin and end."""
    found = used.get("series")
    assert (found["from"], found["to"]) == (used.end - HOUR, used.end)
    assert found["step"] == "minute"
    day = used.get("series", step="day")
    assert day["step"] == "day"
    assert day["from"] % (24 * HOUR) == day["to"] % (24 * HOUR) == 0


def test_names_of_records(used: Used) -> None:
    """Keys of records are called as they are now, deleted ones as they were last."""
    found = used.get("records", limit=20)
    assert found["names"] == {used.key: "spender", "key_gone": "old laptop"}
    assert used.get("records", limit=10)["names"] == {used.key: "spender"}


def test_what_failed(here: Handlers) -> None:
    """Records are of what failed, which cancelled is not, or of all else."""
    id, end = here.key("failing")["id"], now_ms()
    statuses = ["ok", "timeout", "cancelled", "auth_error"]
    here.installation.ledger.add(
        [
            row(number, end - 10 + number, key_id=id, status=status)
            for number, status in enumerate(statuses)
        ],
        {},
    )
    for failed, wanted in (("1", statuses[3:0:-2]), ("0", statuses[2::-2])):
        path = f"usage/records?key={id}&failed={failed}&from={end - 100}&to={end}"
        found = here.do("GET", path)["records"]
        assert [one["status"] for one in found] == wanted
    assert here.ask("GET", "usage/records?failed=often").error == (422, "failed")
    assert here.ask("GET", "usage/summary?failed=1").error == (422, "failed")
