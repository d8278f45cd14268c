"""What is set reaches a worker as one snapshot, at hardly any cost while nothing is."""

import contextlib
import gc
import json
import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
import pytest
from support.gateway import key
from support.server import PATIENCE, ROOT, clean_environ

from app.errors import GatewayError
from app.gateway.current import Current
from app.gateway.entries import AliasEntry, CodeEntry, ModelEntry
from app.settings import Settings
from app.storage import Storage
from app.storage.configuration import (
    add_key,
    change_key,
    set_alias,
    set_model,
    set_settings,
)
from app.storage.database import Database
from app.storage.tables import API_KEY, VERSION

from .conftest import Keeper, Place, chain


def set_something(place: Place) -> None:
    """Set one of each kind, which is version 4."""
    database = place.database()
    with database.writing() as connection:
        one = key("One", digest=b"new", previous_digest=b"old", previous_until=9)
        add_key(connection, one, "test")
        set_model(connection, ModelEntry(name="Llama3", hidden=True), "test")
        set_alias(connection, AliasEntry(name="GPT-4*", target="llama3"), "test")
        values = {"overrides": {"top_k": 3}, "strict": True}
        set_settings(connection, values, "test")
    database.close()


@pytest.fixture
def storage(keeper: Keeper) -> Storage:
    """A storage there."""
    return keeper.storage()


def refused(ask: Callable[[], Any]) -> str:
    """Why the database cannot be asked."""
    with pytest.raises(GatewayError) as caught:
        ask()
    assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")
    return caught.value.detail


def test_a_snapshot_has_all_that_is_set(storage: Storage, place: Place) -> None:
    """Keys by both their digests, models and aliases by what is looked up."""
    assert storage.configuration.version() == 0
    set_something(place)
    assert storage.configuration.version() == 4
    now = storage.configuration.snapshot()
    assert now.version == 4
    assert now.keys[b"new"] is now.keys[b"old"]
    assert now.keys[b"new"] == key(
        "One", digest=b"new", previous_digest=b"old", previous_until=9
    )
    assert now.models == {
        "registry.ollama.ai/library/llama3:latest": ModelEntry(
            name="Llama3", hidden=True
        )
    }
    assert now.aliases == {"gpt-4*": AliasEntry(name="GPT-4*", target="llama3")}
    assert now.settings == {"strict": True}
    assert now.overrides == {"top_k": 3}


def test_q6_another_process_s_change_is_seen(storage: Storage, place: Place) -> None:
    """Each change of another is a new version, for whoever has the database open."""
    set_something(place)
    current = Current(storage.configuration)
    current.renew()
    first = current.now
    current.renew()
    assert current.now is first
    database = place.database()
    with database.writing() as connection:
        change_key(connection, "One", {"enabled": False}, "test")
    database.close()
    current.renew()
    assert (first.keys[b"new"].enabled, current.now.keys[b"new"].enabled) == (
        True,
        False,
    )


UNREADABLE = [
    ("api_key", "terms", "the key 'One'"),
    ("model_entry", "body", "the model 'Llama3'"),
    ("alias_entry", "body", "the alias 'GPT-4*'"),
    ("setting", "value", "the setting 'overrides'"),
]


@pytest.mark.parametrize("body", [b'{"from_the_future":1}', b"{", b"\xff"])
def test_what_a_newer_pannier_wrote(
    storage: Storage,
    place: Place,
    body: bytes,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    """It lets nobody through, the rest is in force, and the log says so once."""
    set_something(place)
    mark = "%s" if kind == "postgres" else "?"
    database = place.database()
    with database.writing() as connection:
        for table, column, _ in UNREADABLE:
            connection.exec_driver_sql(f"UPDATE {table} SET {column} = {mark}", (body,))
    database.close()
    with caplog.at_level(logging.ERROR, "pannier"):
        now = storage.configuration.snapshot()
        again = storage.configuration.snapshot()
    assert (now.keys[b"new"].terms.allow_models, again.version) == ((), 4)
    assert now.keys[b"new"].terms.allow_endpoints == ()
    (model,) = now.models.values()
    assert (model.name, model.enabled) == ("Llama3", False)
    assert dict(now.aliases) == {}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    readable = body.startswith(b'{"')
    for _, _, name in UNREADABLE[: 3 if readable else 4]:
        assert name in said[0]


def test_a_template_of_a_newer_pannier(
    storage: Storage, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """A model goes on without it, as it is set otherwise, and the log says so once."""
    code = CodeEntry(template="{code_prefix}{cursor}", strategy="raw")
    database = place.database()
    with database.writing() as connection:
        set_model(connection, ModelEntry(name="Llama3", hidden=True, code=code), "test")
    database.close()
    with caplog.at_level(logging.ERROR, "pannier"):
        now = storage.configuration.snapshot()
        storage.configuration.snapshot()
    (model,) = now.models.values()
    assert (model.enabled, model.hidden) == (True, True)
    assert model.code == CodeEntry(strategy="raw")
    (record,) = caplog.records
    assert record.getMessage().endswith("read it: the template of the model 'Llama3'")


@pytest.mark.live
def test_q1_nothing_set_costs_nothing(tmp_path: Path) -> None:
    """Without a file nothing is loaded or made; with an empty one, Python's sqlite3."""
    job = """
import json, sys
from gevent import monkey
monkey.patch_all()
from app.settings import Settings
from app.storage import Storage

def loaded():
    return sorted({"alembic", "psycopg", "sqlalchemy", "sqlite3"} & set(sys.modules))

for state in json.loads(sys.argv[1]):
    storage = Storage.of(Settings(state_dir=state))
    print(storage.configuration.version(), *loaded())
"""
    new, old = tmp_path / "new", tmp_path / "old"
    Database("", str(old)).close()
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            job,
            json.dumps([str(new), "", str(old)]),
        ],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["0", "0", "0 sqlite3"]
    assert not new.exists()
    assert [path.name for path in old.iterdir()] == ["pannier.db"]


# ------------------------------------------------------------- SQLite's file alone


@pytest.fixture
def file(tmp_path: Path) -> Place:
    """A file in which something is set."""
    place = Place(state_dir=str(tmp_path / "state"))
    keeper = Keeper(place, time.time)
    chain(keeper.responses(), "r")
    keeper.close()
    set_something(place)
    return place


@pytest.fixture
def used(file: Place) -> Iterator[Storage]:
    """A storage that has looked at the version, and has nothing else open."""
    storage = Storage.of(Settings(**file.settings))
    assert storage.configuration.version() == 4
    yield storage
    storage.close()


def path_of(place: Place) -> Path:
    """The file itself."""
    return Path(place.settings["state_dir"], "pannier.db")


def test_q2_a_file_that_is_gone(used: Storage, file: Place) -> None:
    """It is no new beginning: what is set is unknown until there is a file again."""
    old = path_of(file).rename(path_of(file).with_name("aside"))
    assert "is gone" in refused(used.configuration.version)
    old.rename(path_of(file))
    assert used.configuration.version() == 4


def test_q2_another_file_in_its_place(used: Storage, file: Place) -> None:
    """The version is that of the file that is there now."""
    state = Path(file.settings["state_dir"])
    other = Place(state_dir=str(state.with_name("other")))
    keeper = Keeper(other, time.time)
    chain(keeper.responses(), "r")
    keeper.close()
    for name in os.listdir(state):
        (state / name).unlink()
    path_of(other).rename(path_of(file))
    assert used.configuration.version() == 0
    set_something(file)
    set_something_more(file)
    assert used.configuration.version() == 5


def set_something_more(place: Place) -> None:
    """One more change."""
    database = place.database()
    with database.writing() as connection:
        set_settings(connection, {"strict": None}, "test")
    database.close()


def test_q2_a_file_that_is_replaced_while_it_is_open(
    used: Storage, file: Place
) -> None:
    """Nothing is kept where nobody will look for it; the log says what to do."""
    assert used.configuration.snapshot().version == 4
    state = Path(file.settings["state_dir"])
    for name in os.listdir(state):
        (state / name).unlink()
    for ask in (used.configuration.version, used.configuration.snapshot):
        assert "is gone" in (why := refused(ask)) or "restart Pannier" in why
    Database("", str(state)).close()
    assert "restart Pannier" in refused(used.configuration.snapshot)
    assert used.responses is not None
    with pytest.raises(GatewayError) as caught:
        used.responses.keep("r2", None, b"{}", [], 1)
    assert "restart Pannier" in caught.value.detail


@pytest.mark.parametrize(
    ("damage", "why"), [(b"no database" * 1000, "not a database"), (b"", "")]
)
def test_q2_a_file_that_is_damaged(
    file: Place, used: Storage, damage: bytes, why: str
) -> None:
    """What is no database is said to be none, as long as it is."""
    used.close()
    path = path_of(file)
    whole = path.read_bytes()
    path.write_bytes(damage)
    storage = Storage.of(Settings(**file.settings))
    if why:
        for _ in range(2):
            assert why in refused(storage.configuration.version)
    else:
        assert storage.configuration.version() == 0
    path.write_bytes(whole)
    assert storage.configuration.version() == 4
    storage.close()


def test_q2_a_file_that_is_written_over(used: Storage, file: Place) -> None:
    """It is noticed while it is open, even where its log still has all of it."""
    path = path_of(file)
    database = file.database()  # keeps the log from being written into the file
    with database.writing() as connection:
        set_settings(connection, {"strict": None}, "test")
    assert used.configuration.version() == 5
    whole = path.read_bytes()
    with path.open("r+b") as there:
        there.write(b"garbage " * (len(whole) // 8))
    for _ in range(2):
        assert "not a database" in refused(used.configuration.version)
    with path.open("r+b") as there:
        there.write(whole)
    assert used.configuration.version() == 5
    database.close()


def test_q2_a_file_that_is_locked(
    used: Storage, file: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot look in time says so, and looks again."""
    used.close()
    monkeypatch.setattr("app.storage.peek._PATIENCE", 0.01)
    storage = Storage.of(Settings(**file.settings))
    with contextlib.closing(sqlite3.connect(path_of(file))) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("UPDATE config_version SET n = 5")
        assert "locked" in refused(storage.configuration.version)
        other.execute("COMMIT")
    assert storage.configuration.version() == 5
    storage.close()


def test_q1_writers_hold_up_no_look(used: Storage, file: Place) -> None:
    """The version that was, while another one writes."""
    database = file.database()
    with database.writing() as connection:
        set_settings(connection, {"strict": None}, "test")
        assert used.configuration.version() == 4
    database.close()
    assert used.configuration.version() == 5


def test_an_old_file_has_version_0(tmp_path: Path) -> None:
    """One in which there is no such table yet is left as it is."""
    with contextlib.closing(sqlite3.connect(tmp_path / "pannier.db")) as old:
        old.execute("CREATE TABLE response (id TEXT)")
    storage = Storage.of(Settings(state_dir=str(tmp_path)))
    for _ in range(2):
        assert storage.configuration.version() == 0
    storage.close()
    assert [path.name for path in tmp_path.iterdir()] == ["pannier.db"]


def test_q7_a_newer_file_says_so(file: Place) -> None:
    """What is set in a newer Pannier's file is not guessed."""
    database = file.database()
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9000'")
    database.close()
    storage = Storage.of(Settings(**file.settings))
    assert storage.configuration.version() == 4
    why = refused(storage.configuration.snapshot)
    assert f"version 9000, and this one knows {VERSION}" in why
    storage.close()


def multiply(place: Place, name: str) -> None:
    """Make 10,000 keys more of one, each with another limit."""
    new = dict.fromkeys(("id", "name", "name_key"), "{} || n")
    new |= dict.fromkeys(("digest",), "CAST({} || n AS BLOB)")
    new |= {"previous_digest": "NULL", "terms": _TERMS}
    columns = [new.get(one.name, "{}").format(one.name) for one in API_KEY.c]
    database = place.database()
    with database.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO api_key WITH RECURSIVE numbers(n) AS"
            " (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 9999)"
            f" SELECT {', '.join(columns)} FROM api_key, numbers WHERE name = ?",
            (name,),
        )
    database.close()


_TERMS = "CAST(replace({}, '\"rpm\":null', '\"rpm\":' || n) AS BLOB)"


@pytest.fixture
def frozen() -> Iterator[None]:
    """What the tests before have left does not make the collector's work longer."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen")
def test_q1_many_keys_hold_nobody_up(file: Place) -> None:
    """While 10,000 keys are read, and afterwards, others have their turns.

    It counts what this process works, since a slow machine is long in all things.
    """
    multiply(file, "One")
    storage = Storage.of(Settings(**file.settings))
    storage.configuration.snapshot()
    turns = [time.process_time()]

    def tick() -> None:
        while True:
            gevent.sleep(0.001)
            turns.append(time.process_time())

    ticking = gevent.spawn(tick)
    now = storage.configuration.snapshot()
    turns.append(time.process_time())
    ticking.kill()
    assert len(now.keys) == 10_002
    assert {one.terms.rpm for one in now.keys.values()} == {None, *range(10_000)}
    whole = turns[-1] - turns[0]
    gaps = [after - before for before, after in pairwise(turns)]
    assert max(gaps) < max(whole / 4, 0.02)
    # Nor does the collector look through them while everybody waits.
    kept = [part for one in now.keys.values() for part in (one, one.terms)]
    assert not any(map(gc.is_tracked, kept))
    storage.close()
