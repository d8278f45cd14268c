"""Names of models that are too long: no memory for what clients make up."""

import gc
import tracemalloc

import pytest
from support.gateway import Known, installed, key, snapshot
from support.keyed import SECRET
from support.ollama import ask
from support.shelves import Shelves
from support.stack import linted

from app.gateway.current import Current
from app.gateway.entries import ModelEntry
from app.gateway.groups import GROUPS
from app.gateway.usage import Row
from app.metrics.models import OTHER, Models
from app.settings import Settings
from middleware.access import Access
from middleware.validation import MAX_NAME

case = pytest.mark.parametrize

WITH = {"Authorization": f"Bearer {SECRET}"}
KEYED = snapshot(key(allow_models=("a*",), allow_endpoints=GROUPS))
OPEN = snapshot(models=[ModelEntry(name="z", enabled=False)])


@case("now", [KEYED, OPEN], ids=["key", "open"])
@case("path", ["/api/chat", "/api/generate", "/api/embed", "/api/show"])
def test_a_long_name_is_unknown(now: object, path: str) -> None:
    """It is refused before it is compared with anything, and none of it is kept."""
    shelves, rows = Shelves("a"), list[Row]()
    installation = installed(now, usage="on")  # type: ignore[arg-type]
    installation.usage.add = rows.append  # type: ignore[assignment]
    app = linted(
        shelves, control=shelves.control, installation=installation, usage="on"
    )
    assert ask(app, "POST", path, {"model": "c"}, **WITH).status == 404
    del rows[:], shelves.asked[:]
    tracemalloc.start()
    for number in range(8):
        body = {"model": "a" * 500_000 + str(number)}
        answer = ask(app, "POST", path, body, **WITH)
        assert answer.status == 404
        assert len(answer.body) < 1000
        del answer, body
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2_000_000
    assert shelves.asked == []
    assert path == "/api/show" or len(rows) == 8
    for row in rows:
        assert len(row.requested_model) <= MAX_NAME
        assert len(row.resolved_model) <= MAX_NAME


@case("path", ["/api/pull", "/api/push", "/api/create"])
def test_a_long_name_for_a_change(path: str) -> None:
    """Who may change models is refused it as well, whatever the key may use."""
    shelves = Shelves("a")
    now = snapshot(key(allow_models=("*",), allow_endpoints=GROUPS))
    app = linted(shelves, control=shelves.control, installation=installed(now))
    for name in ("a/" * MAX_NAME, "a" * (MAX_NAME + 1)):
        assert ask(app, "POST", path, {"model": name}, **WITH).status == 404
    assert shelves.asked == []


def test_verdicts_on_long_names_are_not_remembered() -> None:
    """Translated routes take 512 characters: thousands of those would be too many."""
    current = Current(Known(KEYED))
    current.renew()
    access = Access(current, Settings())
    (one,) = KEYED.keys.values()
    for name in ("a" * MAX_NAME, "b" * 129):
        access.admits(one, name)
        access.admits(one, "a", name)
    assert access._verdicts == {}
    assert access.admits(one, "a" * 80)
    assert access._verdicts


def test_a_long_name_is_no_label() -> None:
    """Nor is its spelling remembered, however often its model answers."""
    models = Models(set)
    assert models.label("a" * 300, answered=True) == OTHER
    assert models._labels == {}
    assert models.label("a", answered=True) == "a:latest"
