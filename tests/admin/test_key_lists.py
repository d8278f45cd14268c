"""Which keys are in a list, in which order, on both databases."""

from pathlib import Path
from unittest.mock import patch

import pytest
from support.handling import Handlers
from support.operating import administration
from support.used import row

from app.moment import now_ms
from app.settings import Settings
from app.storage.usage_tables import DAY

#: By name: how many requests a key had, of which one was so many days ago.
USED = {"list a": (2, 1), "list b": (0, 0), "list c": (5, 3), "List D": (2, 2)}


@pytest.fixture(scope="module")
def used(here: Handlers) -> Handlers:
    """An installation with some keys that have been used."""
    today, rows, last = now_ms() // DAY * DAY, [], {}
    for name, (many, ago) in USED.items():
        id, at = here.key(name)["id"], today - ago * DAY
        rows += [row(len(rows) + one, at, key_id=id) for one in range(many)]
        if many:
            last[id] = (at, "")
        rows.append(row(90 + len(rows), today - 20 * DAY, key_id=id))  # too old
    here.installation.ledger.add(rows, last)
    return here


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("name", ["list a", "list b", "list c", "List D"]),
        ("last_used", ["list a", "List D", "list c", "list b"]),
        ("requests", ["list c", "list a", "List D", "list b"]),
    ],
)
def test_orders(used: Handlers, order: str, names: list[str]) -> None:
    """Each order is one over all pages, however small they are."""
    for limit in (1, 3, 4):
        found, cursor = [], ""
        while True:
            path = f"keys?q=list&sort={order}&limit={limit}&cursor={cursor}"
            page = used.do("GET", path)
            found += [key["name"] for key in page["keys"]]
            if not (cursor := page["cursor"]):
                break
        assert found == names


@pytest.mark.parametrize(
    "cursor",
    ["list a", "²:a", "9" * 30 + ":a"],
    ids=["a name", "no digit", "too large"],
)
def test_cursors_of_another_order(used: Handlers, cursor: str) -> None:
    """A cursor that is of another order is refused."""
    path = f"keys?sort=requests&cursor={cursor}"
    assert used.ask("GET", path).error == (422, "cursor")


def test_states(here: Handlers) -> None:
    """A list has the keys of one state, as each says of itself."""
    for name in ("on", "off", "late", "gone", "gone late"):
        made = here.key(f"state {name}")
        path = f"keys/{made['id']}"
        if name == "off":
            here.do("POST", f"{path}/disable")
        if name.startswith("gone"):
            here.do("POST", f"{path}/revoke")
        if name.endswith("late"):
            here.do("PATCH", path, {"expires_at": now_ms() + DAY})
    for state, names in {
        "active": ["state on"],
        "disabled": ["state off"],
        "expired": ["state late"],
        "revoked": ["state gone", "state gone late"],
    }.items():
        with patch("app.admin.keys.now_ms", lambda: now_ms() + 2 * DAY):
            page = here.do("GET", f"keys?q=state&state={state}")
        assert [key["name"] for key in page["keys"]] == names
        assert {key["state"] for key in page["keys"]} == {state}
    assert here.ask("GET", "keys?state=good").error == (422, "state")
    assert here.ask("GET", "keys?sort=age").error == (422, "sort")


@pytest.mark.parametrize("auth", ["auto", "on", "off"])
def test_what_becomes_of_all(tmp_path: Path, auth: str) -> None:
    """It is known of which key all depends, and which way."""
    with administration(Settings(state_dir=str(tmp_path), auth=auth)) as office:
        keys = office.keys
        assert keys.last_good() is None
        one, _ = keys.create({"name": "one", "allow_models": ["*"]})
        assert keys.last_good() == (None if auth == "off" else one.id)
        assert keys.opens("one") == (auth == "auto")
        assert keys.shuts("one") == (auth != "off")
        keys.create({"name": "two", "allow_models": ["*"], "enabled": False})
        assert keys.shuts("one") == (auth != "off")
        assert not keys.opens("one")
        keys.change("two", {"enabled": True})
        assert keys.last_good() is None
        keys.revoke("one")
        assert keys.shuts("two") == (auth != "off")
