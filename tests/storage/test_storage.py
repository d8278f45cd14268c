"""The database is opened when it is needed, and holds nobody up."""

import fcntl
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import gevent
import psycopg
import pytest
from support.postgres import Postgres, needs_postgres
from support.server import PATIENCE, ROOT, clean_environ, free_port

from app.errors import GatewayError
from app.settings import Settings
from app.storage import Storage
from app.storage.tables import VERSION

from .conftest import KINDS, MOST, Keeper, Place, chain

#: Where Linux tells who has a lock, and who waits for one.
LOCKS = Path("/proc/locks")

#: What uses a storage like a worker: gevent's patches, no database before it is needed.
#: It waits for longer: a busy machine is nobody's fault.
WORKER = """
import json, sys
from gevent import monkey
monkey.patch_all()
import gevent
from app.settings import Settings
from app.storage import Item, Storage, storage as limits

limits.WAIT = limits.FIRST = 60

def patient():
    from app.storage.database import Database
    return Database(settings.get("database_url", ""), settings["state_dir"], 30_000)

def loaded():
    return sorted({"alembic", "psycopg", "sqlalchemy", "sqlite3"} & set(sys.modules))

settings, job, name = json.loads(sys.argv[1])
storage = Storage.of(Settings(**settings))
storage._load = patient
responses = storage.responses
"""


def start(place: Place, job: str, name: str = "") -> "subprocess.Popen[str]":
    """Run a job in a process of its own."""
    words = json.dumps([place.settings, "", name])
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WORKER + job, words],
        cwd=ROOT,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> list[str]:
    """The lines it printed; it must have done well."""
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Another one writes meanwhile, and does not come to an end."""
    database = place.database()
    with database.writing() as connection:
        connection.exec_driver_sql("SELECT 1")
        yield
    database.close()


def refusal(responses: Any, call: str = "keep") -> GatewayError:
    """The error of a call."""
    arguments = ("r", None, b"{}", [], 1) if call == "keep" else ("r",)
    with pytest.raises(GatewayError) as caught:
        getattr(responses, call)(*arguments)
    error = caught.value
    assert (error.status, error.code) == (503, "storage_unavailable")
    assert ("Retry-After", "1") in error.headers
    return error


@pytest.mark.live
def test_q1_nothing_is_loaded_before_it_is_needed(place: Place, kind: str) -> None:
    """A worker loads the database with the first use, and never loads Alembic."""
    job = """
print(*loaded())
assert responses.get("\\0") is None
print(*loaded())
assert responses.get("a") is None
print(*loaded())
"""
    driver = "psycopg" if kind == "postgres" else "sqlite3"
    assert finish(start(place, job)) == [
        "",
        "",
        " ".join(sorted([driver, "sqlalchemy"])),
    ]


def test_q1_nothing_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    """A storage that nobody asks leaves the disk alone."""
    storage = Storage.of(Settings(state_dir=str(tmp_path / "state")))
    storage.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_kept_where_that_is_set(tmp_path: Path) -> None:
    """With a time of 0 there are no responses to ask."""
    storage = Storage.of(Settings(state_dir=str(tmp_path), responses_ttl=0))
    assert storage.responses is None


def test_files_are_the_owner_s_alone(tmp_path: Path) -> None:
    """Directory and files are made where there are none, and nobody else may read."""
    keeper = Keeper(Place(state_dir=str(tmp_path / "a" / "b")), time.time)
    old = os.umask(0)
    try:
        chain(keeper.responses(), "r")
        found = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    finally:
        os.umask(old)
        keeper.close()
    assert found.pop("b") == 0o700
    found.pop("a")
    assert set(found) == {"pannier.db", "pannier.db-wal", "pannier.db-shm"}
    assert set(found.values()) == {0o600}


def test_q3_a_restart_loses_nothing(keeper: Keeper, place: Place) -> None:
    """What one storage kept the next one finds."""
    first = keeper.storage()
    assert first.responses is not None
    chain(first.responses, "a", "b")
    first.close()
    found = keeper.responses().conversation("b", *MOST)
    assert found is not None
    assert [item.id for item in found] == ["q_a", "a_a", "q_b", "a_b"]


@pytest.mark.live
def test_q4_a_sudden_end_loses_nothing(place: Place) -> None:
    """What was said to be kept is there after kill -9 in the middle of writing."""
    job = """
from itertools import count
for n in count():
    responses.keep(f"r{n}", f"r{n-1}" if n else None, b"x" * 9000,
                   [Item(f"i{n}", b"1", True)], 1)
    print(n, flush=True)
"""
    process = start(place, job)
    assert process.stdout is not None
    said = [next(process.stdout) for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    said += [line for line in process.stdout if line.endswith("\n")]
    process.communicate(timeout=PATIENCE)
    keeper = Keeper(place, time.time)
    found = keeper.responses().conversation(f"r{int(said[-1])}", *MOST)
    keeper.close()
    assert found is not None
    assert [item.id for item in found] == [f"i{n}" for n in range(len(said))]
    responses, bodies, items = place.count()
    assert responses == bodies == items
    if "database_url" not in place.settings:
        assert place.scalar("PRAGMA integrity_check") == "ok"


@pytest.mark.live
@pytest.mark.parametrize("fresh", KINDS)
def test_q6_many_processes_at_once(
    fresh: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Workers that begin together make the tables once, and write side by side."""
    place = Place(state_dir=str(tmp_path / "state"))
    if fresh == "postgres":
        url = request.getfixturevalue("server").fresh()
        place = Place(state_dir=str(tmp_path), database_url=url)
    job = """
def one(n):
    assert responses.keep(f"{name}.{n}", None, b"x", [Item("i", b"1", False)], n)
    assert responses.conversation(f"{name}.{n}", 9, 99)

gevent.joinall([gevent.spawn(one, n) for n in range(25)], raise_error=True)
responses.tidy()
print("done")
"""
    running = [start(place, job, name) for name in "abcd"]
    assert [finish(one) for one in running] == [["done"]] * 4
    assert place.count() == (100, 100, 100)
    assert place.scalar("SELECT version_num FROM alembic_version") == VERSION


@pytest.mark.live
def test_q7_the_tables_are_made_once_for_all_who_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that come first, together, wait for one upgrade; none can end it."""
    place = Place(state_dir=str(tmp_path / "state"))
    keeper = Keeper(place, time.time)
    storage = keeper.storage()
    begun: list[int] = []
    upgrade = storage._upgrade
    monkeypatch.setattr(storage, "_upgrade", lambda: (begun.append(1), upgrade()))
    responses = storage.responses
    assert responses is not None
    asking = [gevent.spawn(responses.get, "r") for _ in range(20)]
    gevent.sleep(0)
    while not begun:
        gevent.sleep(0.001)
    asking[0].kill()  # the client who was first left
    gevent.joinall(asking, raise_error=True, timeout=PATIENCE)
    assert begun == [1]
    assert all(one.ready() for one in asking)
    keeper.close()


@pytest.mark.live
def test_q1_q2_a_slow_database_is_a_503_and_holds_nobody_up(
    keeper: Keeper, place: Place
) -> None:
    """While another one writes without end, askers get a 503 in time, others go on."""
    responses = keeper.responses()
    chain(responses, "a")
    gaps: list[float] = []

    def tick() -> None:
        last = time.monotonic()
        while True:
            gevent.sleep(0.005)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    ticking = gevent.spawn(tick)
    with locked(place):
        began = time.monotonic()
        asking = [gevent.spawn(refusal, responses) for _ in range(5)]
        gevent.joinall(asking, raise_error=True)
        took = time.monotonic() - began
    ticking.kill()
    assert 1 < took < 2.6
    assert max(gaps) < 0.5
    assert len(gaps) > 100
    assert responses.keep("b", "a", b"", [], 1)


@pytest.mark.live
def test_q1_q2_a_statement_without_end(keeper: Keeper, place: Place) -> None:
    """It is broken off, so that whoever asks next is served."""
    storage = keeper.storage()
    assert storage.responses is not None
    chain(storage.responses, "a")
    endless = (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)"
        " SELECT count(*) FROM numbers"
    )
    began = time.monotonic()
    with pytest.raises(GatewayError) as caught:
        storage.read(lambda connection: connection.exec_driver_sql(endless).scalar())
    assert 1 < time.monotonic() - began < 2.6
    assert caught.value.code == "storage_unavailable"
    assert storage.responses.conversation("a", *MOST)
    assert time.monotonic() - began < 4


@pytest.mark.live
def test_q1_readers_do_not_wait_for_writers(keeper: Keeper, place: Place) -> None:
    """A conversation is found while another process writes."""
    responses = keeper.responses()
    chain(responses, "a")
    with locked(place):
        assert responses.conversation("a", *MOST)


@pytest.mark.live
def test_q2_a_client_who_leaves_does_no_harm(keeper: Keeper, place: Place) -> None:
    """Requests that end while they wait for the database leave it as it was."""
    responses = keeper.responses()
    chain(responses, "a")
    with locked(place):
        asking = [gevent.spawn(responses.keep, "b", "a", b"", [], 1) for _ in range(5)]
        gevent.sleep(0.1)
        gevent.killall(asking)
    assert responses.keep("c", "a", b"", [], 1)
    assert responses.conversation("c", *MOST)


def test_a_fault_of_ours_is_no_fault_of_the_database(keeper: Keeper) -> None:
    """What is wrong in a job is raised as it is, and the next job runs."""
    storage = keeper.storage()

    def wrong(database: Any) -> None:
        raise LookupError("ours")

    with pytest.raises(LookupError, match="ours"):
        storage.run(wrong)
    assert storage.run(lambda database: 1) == 1


def unusable(tmp_path: Path) -> Iterator[tuple[str, dict[str, str], str]]:
    """State directories that do not serve, and what is said of them."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    yield "no directory", {"state_dir": str(blocked / "state")}, "NotADirectoryError"
    yield "none", {"state_dir": ""}, "no state directory"
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "pannier.db").write_bytes(b"no database" * 1000)
    yield "damaged", {"state_dir": str(damaged)}, "not a database"
    taken = tmp_path / "taken"
    (taken / "pannier.db").mkdir(parents=True)
    yield "taken", {"state_dir": str(taken)}, "unable to open"


def test_q2_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """It is a 503 that says why in the log alone, each time, and can mend."""
    for _, settings, why in unusable(tmp_path):
        storage = Storage.of(Settings(**settings))
        for _ in range(2):
            error = refusal(storage.responses)
            assert why in error.detail
            assert str(tmp_path) not in error.message
        if why == "not a database":
            (tmp_path / "damaged" / "pannier.db").unlink()
            assert storage.responses is not None
            assert storage.responses.get("r") is None
        storage.close()


@needs_postgres
def test_q2_a_server_that_is_not_there() -> None:
    """It is a 503, and nothing that is said of it has the password."""
    url = f"postgres://me:geheim-12@127.0.0.1:{free_port()}/x"
    storage = Storage.of(Settings(database_url=url))
    error = refusal(storage.responses)
    assert "refused" in error.detail
    assert "geheim" not in error.detail + error.message
    storage.close()


@needs_postgres
@pytest.mark.live
def test_q2_a_server_that_is_restarted(server: Postgres, tmp_path: Path) -> None:
    """What comes after the restart is served by a new connection."""
    place = Place(database_url=server.fresh(), state_dir=str(tmp_path))
    keeper = Keeper(place, time.time)
    responses = keeper.responses()
    chain(responses, "a")
    server.stop()
    refusal(responses, "get")
    server.start()
    assert responses.conversation("a", *MOST)
    keeper.close()


@needs_postgres
@pytest.mark.live
def test_under_gevent_s_patches(server: Postgres, tmp_path: Path) -> None:
    """By name, address and socket PostgreSQL answers, without an event loop more."""
    url = server.fresh()
    by_name = url.replace("127.0.0.1", "localhost")
    by_socket = url.replace(f"127.0.0.1:{server.port}", "")
    by_socket += f"?host={server.directory}&port={server.port}"
    job = """
from gevent._hub_local import get_hub_if_exists
assert responses.keep("r", None, b"{}", [Item("i", b"1", True)], 1)
print(responses.conversation("r", 9, 99)[0].id)
assert storage.run(lambda database: get_hub_if_exists()) is None
"""
    for one in (url, by_name, by_socket):
        place = Place(database_url=one, state_dir=str(tmp_path))
        assert finish(start(place, job)) == ["i"]


def test_q7_a_newer_database_is_left_alone(keeper: Keeper, place: Place) -> None:
    """An older Pannier says so, in words, and changes nothing."""
    database = place.database()
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9000'")
    database.close()
    error = refusal(keeper.responses())
    assert "newer Pannier" in error.detail
    assert "9000" in error.detail
    assert place.scalar("SELECT version_num FROM alembic_version") == "9000"


@pytest.mark.live
@pytest.mark.skipif(not LOCKS.exists(), reason="locks cannot be seen here")
def test_q7_an_upgrade_waits_for_its_turn(tmp_path: Path) -> None:
    """Whoever comes second changes nothing until the first has finished."""
    state = tmp_path / "state"
    state.mkdir()
    storage = Storage.of(Settings(state_dir=str(state)))
    assert storage.responses is not None
    with open_directory(state):
        asking = gevent.spawn(storage.responses.get, "r")
        with gevent.Timeout(PATIENCE):
            while not is_awaited(state):
                gevent.sleep(0.005)
        with closing(sqlite3.connect(state / "pannier.db")) as other:
            assert other.execute("SELECT * FROM sqlite_master").fetchall() == []
        assert not asking.ready()
    assert asking.get(timeout=PATIENCE) is None
    storage.close()


def is_awaited(path: Path) -> bool:
    """Whether somebody waits for a lock of that file."""
    lines = LOCKS.read_text().splitlines()
    mine = f":{path.stat().st_ino} "
    return any("->" in line and "FLOCK" in line and mine in line for line in lines)


@contextmanager
def open_directory(path: Path) -> Iterator[None]:
    """Somebody else is alone in a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def test_psycopg_is_what_we_think(place: Place, kind: str) -> None:
    """The tests of PostgreSQL do talk to PostgreSQL."""
    if kind == "postgres":
        with closing(psycopg.connect(place.settings["database_url"])) as connection:
            assert connection.info.server_version >= 120_000
    else:
        assert place.scalar("PRAGMA journal_mode") == "wal"
