"""An installation where something was used, for pages that tell of it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from app.gateway.usage import Row
from app.moment import now_ms

from .site import Site, running
from .used import keep, row

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
#: Names that would be more than a text, were they not shown as one.
HOSTILE = {
    "model": "<img src=x onerror=alert(1)>:latest",
    "key": "\"'><b>bold</b>",
    "agent": "</script><script>alert(1)</script>",
    "error": "<svg onload=alert(1)>",
    "finish": "\u05e9\u05dc\u05d5\u05dd " + "long " * 90,
}


class UsedSite(NamedTuple):
    """``now`` is when its rows were made; ``rows`` are those of the last hour first."""

    site: Site
    now: int
    rows: list[Row]
    keys: dict[str, str]


@contextmanager
def used_site() -> Iterator[UsedSite]:
    """One with 120 requests of an hour, of three keys, and 30 of the days before."""
    with (
        tempfile.TemporaryDirectory() as state,
        running({"PANNIER_STATE_DIR": state}) as site,
    ):
        names = ("laptop", "phone", "old laptop", HOSTILE["key"])
        keys = {name: _key(site, name) for name in names}
        now = now_ms()
        rows = [*_hour(now, keys), *_days(now, keys), _hostile(now, keys)]
        keep(Path(state), rows)
        site.admin.do("DELETE", f"keys/{keys['old laptop']}")
        yield UsedSite(site, now, rows, keys)


def _key(site: Site, name: str) -> str:
    made = site.admin.do("POST", "keys", {"name": name, "allow_models": ["*"]})
    return str(made["id"])


def _hour(now: int, keys: dict[str, str]) -> list[Row]:
    """A request every 20 seconds: of ten each, two of a deleted key, one failed."""
    return [_one(number, now - 20_000 * number - 1000, keys) for number in range(120)]


def _one(number: int, at: int, keys: dict[str, str]) -> Row:
    name = ("laptop", "phone", "laptop", "phone", "old laptop")[number % 5]
    more: dict[str, Any] = {"status": "ok", "http_status": 200, "finish_reason": "stop"}
    if number % 10 == 7:
        more = {"status": "upstream_error", "http_status": 502}
        more["error_code"] = "upstream_unreachable"
    return row(
        number,
        at,
        key_id=keys[name],
        key_name=name,
        request_id=f"req_{number:04}",
        requested_model="fast",
        resolved_model="qwen3:4b" if number % 4 else "llama3.2:latest",
        endpoint="chat" if number % 3 else "messages",
        protocol="openai" if number % 3 else "anthropic",
        end_user="0a1b2c3d" if number % 6 == 0 else "",
        completion_tokens=number,
        duration_ms=1000 + 10 * number,
        ttft_ms=200 + number,
        **{"queue_ms": 10.0, "load_ms": 20.0, "prompt_ms": 100.0, "eval_ms": 800.0},
        **more,
    )


def _days(now: int, keys: dict[str, str]) -> list[Row]:
    """One request a day, an hour before this time of the day."""
    return [
        row(200 + day, now - day * DAY - HOUR, key_id=keys["laptop"], key_name="laptop")
        for day in range(1, 31)
    ]


def _hostile(now: int, keys: dict[str, str]) -> Row:
    return row(
        300,
        now - 2 * HOUR,
        key_id=keys[HOSTILE["key"]],
        key_name=HOSTILE["key"],
        request_id=HOSTILE["agent"],
        requested_model=HOSTILE["model"],
        resolved_model=HOSTILE["model"],
        status="client_error",
        error_code=HOSTILE["error"],
        finish_reason=HOSTILE["finish"],
        user_agent=HOSTILE["agent"],
        end_user=HOSTILE["error"],
        client_ip=HOSTILE["agent"],
    )
