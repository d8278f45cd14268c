"""Usage beside real traffic: workers that end or die, databases that cannot be used."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
import msgspec
import pytest
from support.load import Load
from support.raw import ask
from support.server import PATIENCE, Server
from support.simulator import Simulator

from app.gateway.usage import Row, Usage
from app.settings import Settings
from app.storage import Storage

pytestmark = pytest.mark.live

BODY = {"model": "llama3.2", "messages": [{"role": "user", "content": "x"}]}
#: Seconds of rows that a sudden end may cost.
LOST = 1.0


@contextmanager
def serving(ollama: Simulator, state: Path, workers: int = 1) -> Iterator[Server]:
    """A server that keeps what every request uses."""
    env = {
        "OLLAMA_URL": ollama.url,
        "PANNIER_USAGE": "on",
        "PANNIER_STATE_DIR": str(state),
        "WEB_CONCURRENCY": str(workers),
        "PANNIER_ACCESS_LOG": "false",
    }
    with Server(env) as server:
        yield server


def clients(server: Server, many: int = 4) -> Load:
    """Clients that chat."""
    return Load(lambda: ask(server.port, "POST", "/v1/chat/completions", BODY), many)


def kept(state: Path) -> list[str]:
    """The ids of the requests that have a row, each as often as it has one."""
    file = state / "pannier.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        try:
            rows = connection.execute("SELECT request_id FROM usage_record").fetchall()
        except sqlite3.OperationalError:  # there are no tables yet
            return []
    return [row[0] for row in rows]


def asked(state: Path, statement: str) -> Any:
    """What a statement finds."""
    with closing(sqlite3.connect(state / "pannier.db", timeout=30)) as connection:
        return connection.execute(statement).fetchone()[0]


def wait_for(state: Path, ids: set[str]) -> None:
    """Wait until these requests have their rows."""
    end = time.monotonic() + PATIENCE
    while not ids <= set(kept(state)) and time.monotonic() < end:
        time.sleep(0.05)
    assert ids <= set(kept(state))


def test_q4_q5_a_stop_loses_no_row(ollama: Simulator, tmp_path: Path) -> None:
    """After SIGTERM each answered request has one row, and the sums are of all."""
    with serving(ollama, tmp_path, workers=2) as server:
        with clients(server) as load:
            load.more(300)
        assert server.stop() == 0
    found = kept(tmp_path)
    assert set(load.done) <= set(found)
    assert len(found) == len(set(found))
    total = "SELECT sum(requests) FROM usage_rollup WHERE width = 86400000"
    total += " AND grain = 'none'"
    assert asked(tmp_path, total) == len(found)


def test_q4_a_sudden_end_loses_a_second(ollama: Simulator, tmp_path: Path) -> None:
    """Of workers killed in full load each takes a second of rows, and harms none."""
    deaths: list[tuple[float, float]] = []
    with serving(ollama, tmp_path) as server, clients(server) as load:
        load.more(50)
        wait_for(tmp_path, set(list(load.done)[:50]))
        for number in range(8):
            load.more(40)
            if number % 4 == 3:  # and leave behind what must not be lost
                load.go_on(1.5 * LOST)
            (worker,) = server.workers()
            began = time.monotonic()
            os.kill(worker, signal.SIGKILL)
            another(server, worker)
            load.more(10)
            deaths.append((began - LOST - load.slowest, time.monotonic()))
            wait_for(tmp_path, set(list(load.done)[-1:]))  # its database is open
            load.slowest = 0.0
        last = set(load.done)
        wait_for(tmp_path, {one for one in last if not hit(load.done[one], deaths)})
    found = kept(tmp_path)
    assert len(found) == len(set(found))
    assert asked(tmp_path, "PRAGMA integrity_check") == "ok"
    total = "SELECT sum(requests) FROM usage_rollup WHERE width = 60000"
    total += " AND grain = 'each'"
    assert asked(tmp_path, total) == len(found)


def another(server: Server, than: int) -> None:
    """Wait for the worker that takes the place of one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(AssertionError):  # there is none for a moment
            if than not in server.workers():
                return
        time.sleep(0.01)


def hit(at: float, deaths: list[tuple[float, float]]) -> bool:
    """Whether an answer came so short before a worker died that its row may be lost."""
    return any(begin <= at <= end for begin, end in deaths)


def test_q1_q2_a_locked_database_holds_up_no_request(
    ollama: Simulator, tmp_path: Path
) -> None:
    """While another one writes without end, requests go on; then rows do as well."""
    with serving(ollama, tmp_path) as server, clients(server, 2) as load:
        load.more(20)
        wait_for(tmp_path, set(list(load.done)[:10]))
        with closing(sqlite3.connect(tmp_path / "pannier.db", timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            before = set(kept(tmp_path))
            load.slowest = 0.0
            load.go_on(3.0)  # longer than a try to write takes
            slowest, during = load.slowest, set(load.done)
            assert set(kept(tmp_path)) == before
            other.rollback()
        wait_for(tmp_path, during)
        assert slowest < 1.0
        assert "Usage cannot be written" in server.output()
        assert server.output().count("Usage cannot be written") == 1


FAULTS = {
    "full": ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000"),
    "read-only": ("PRAGMA query_only = 1", "PRAGMA query_only = 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_q2_rows_resume_after(
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A disk that is full, or cannot be written: rows wait until it can be."""
    monkeypatch.setattr("app.gateway.usage.PAUSE", 0.01)
    breaks, mends = FAULTS[fault]
    storage = Storage.of(Settings(state_dir=str(tmp_path)))
    usage = Usage(storage.usage)
    storage.read(lambda connection: connection.exec_driver_sql(breaks))
    for number in range(700):
        usage.add(row(number))
    with gevent.Timeout(PATIENCE):
        while not caplog.messages:
            gevent.sleep(0.01)
    assert len(usage) == 700
    storage.read(lambda connection: connection.exec_driver_sql(mends))
    with gevent.Timeout(PATIENCE):
        while len(usage):
            gevent.sleep(0.01)
    assert storage.usage.summary((0, 10**12))["requests"] == 700
    usage.close()
    storage.close()


def row(number: int) -> Any:
    """A row that takes some room."""
    texts = {
        field.name: "x" * 50
        for field in msgspec.structs.fields(Row)
        if field.type is str
    }
    given = dict.fromkeys(Row.__struct_fields__) | texts
    numbers = dict.fromkeys(("at", "duration_ms", "bytes_in", "bytes_out"), 1)
    given |= {"stream": False, "estimated": False, "status": "ok"}
    return Row(**(given | numbers | {"id": f"{1:012x}{number:020x}"}))  # type: ignore[arg-type]
