"""What the pages of keys show of keys, beside what the API says."""

from typing import Any
from unittest.mock import patch

import pytest
from support.handling import Handlers
from support.used import row

from app.admin.asked import Asked
from app.admin.pages import keys
from app.errors import BadRequest
from app.gateway.groups import GROUPS
from app.moment import now_ms
from app.storage.usage_tables import DAY


def looked(here: Handlers, handler: Any, id: str = "", **query: str) -> Any:
    """What a page shows."""
    return handler(here.admin, Asked(path={"id": id}, query=query))


def test_words_of_endpoints() -> None:
    """Each group of endpoints has words, so that a form loses none."""
    assert set(keys.ENDPOINTS) == set(GROUPS)


def test_days_without_requests(here: Handlers) -> None:
    """A day on which nothing was is there, and is zero; today is the last."""
    id, now = here.key("daily")["id"], now_ms()
    kept = [row(1, now, key_id=id), row(2, now - 3 * DAY, key_id=id)]
    here.installation.ledger.add([*kept, row(3, now - 7 * DAY, key_id=id)], {})
    seen = looked(here, keys.detail, id, days="7")
    chart = seen["charts"]["requests"]
    today = now // DAY * DAY
    assert chart["x"] == [today - day * DAY for day in reversed(range(7))]
    assert chart["series"][0]["values"] == [0, 0, 0, 1, 0, 0, 1]
    assert seen["charts"]["tokens"]["series"][0]["values"][-1] == 7
    assert seen["used"]["requests"] == 2


def test_errors_of_a_key(here: Handlers) -> None:
    """What failed with a key is shown, or what has one status; not that of others."""
    id, other, now = here.key("failing")["id"], here.key("fine")["id"], now_ms()
    statuses = ["ok", "timeout", "client_error", "cancelled"]
    kept = [
        row(number, now - 9 + number, key_id=id, status=status)
        for number, status in enumerate(statuses)
    ]
    kept.append(row(8, now - 1, key_id=other, status="timeout"))
    here.installation.ledger.add(kept, {})

    def errors(**query: str) -> list[str]:
        found = looked(here, keys.detail, id, **query)["errors"]
        return [one["status"] for one in found]

    assert errors() == ["client_error", "timeout"]
    assert errors(status="cancelled") == ["cancelled"]
    for query in ({"status": "broken"}, {"days": "8"}):
        with pytest.raises(BadRequest):
            errors(**query)


def test_a_clone(here: Handlers) -> None:
    """A clone is enabled, ends in no past, and its name is not too long."""
    end = now_ms() + DAY
    made = here.key("n" * 80, expires_at=end, rpm=7, enabled=False)
    form = looked(here, keys.new, like=made["id"])["key"]
    assert form["name"] == "n" * 75 + " copy"
    assert (form["rpm"], form["enabled"], form["expires_at"]) == (7, True, end)
    with patch("app.admin.keys.now_ms", lambda: end + 1):
        form = looked(here, keys.new, like=made["id"])["key"]
    assert form["expires_at"] is None
