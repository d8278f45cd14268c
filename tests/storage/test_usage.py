"""What requests have used is kept, added up, found again, and removed in time."""

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from app.gateway.usage import Row
from app.settings import Settings
from app.storage import Storage
from app.storage.usage import Ledger
from app.storage.usage_tables import DAY

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


class Open:
    """A storage that stays open in a test."""


@pytest.fixture
def ledger(place: Place) -> Iterator[Ledger]:
    """What was used, there."""
    storage = Storage.of(Settings(**place.settings))
    yield storage.usage
    storage.close()


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
