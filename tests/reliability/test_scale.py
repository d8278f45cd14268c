"""Two machines behind nginx, on one PostgreSQL and one Redis: docs/scale.md."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from support.gateway import key as made
from support.leaving import ask as send
from support.leaving import eventually, fresh, until
from support.load import Load
from support.nginx import needs_nginx, nginx, replaced
from support.postgres import Postgres, needs_postgres, postgres
from support.raw import Got, ask
from support.redis import Redis, needs_redis, redis
from support.server import ROOT, Server
from support.setting import Setting, setting
from support.simulator import Simulator

from app.gateway.credentials import hasher, new_secret
from app.gateway.entries import AliasEntry
from app.gateway.keys import Key
from app.secret import secret
from app.settings import Settings

pytestmark = [needs_nginx, needs_postgres, needs_redis, pytest.mark.live]

CONFIG = (ROOT / "contrib" / "nginx-scale.conf").read_text()
CHAT = "/v1/chat/completions"
#: Three words, so that a call is a few tokens.
HI = {
    "model": "sim-chunks3",
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 5,
}
#: More tokens than a few calls reserve, each some 80, whose answers are just over.
RESERVED = 500
#: Seconds within which a change is felt.
FELT = 1.0
#: Seconds of usage that a machine may take with it.
LOST = 1.0


class Scale:
    """Machines of one installation, and nginx in front of them at ``port``."""

    def __init__(
        self, machines: list[Server], front: str, desk: Setting, file: Path
    ) -> None:
        self.machines = machines
        self.port = urlsplit(front).port or 0
        self.desk = desk
        self._hash = hasher(secret("", str(file)))

    def key(self, name: str, **terms: Any) -> tuple[Key, str]:
        """A new key that all workers know, of which nothing is used; and its secret."""
        given, text = self._made(name, **terms)
        _, later = self._made(f"after {name}")
        self.felt(later, 200)
        return given, text

    def _made(self, name: str, **terms: Any) -> tuple[Key, str]:
        text = new_secret()
        given = made(name, text, digest=self._hash(text.encode()), **terms)
        self.desk.add_key(given, "test")
        return given, text

    def felt(self, text: str, status: int) -> float:
        """How long it takes until all workers answer a key so, in seconds."""
        begun = time.monotonic()
        eventually(lambda: set(map(self._look, self._many(text))) == {status})
        return time.monotonic() - begun

    def _many(self, text: str) -> list[tuple[int, str]]:
        # Each connection may meet another worker of its machine.
        return [(machine.port, text) for machine in self.machines for _ in range(8)]

    def _look(self, asked: tuple[int, str]) -> int:
        port, text = asked
        return ask(port, "GET", "/v1/models", None, bearer(text)).status

    def chat(self, text: str, port: int = 0, **fields: Any) -> Got:
        """A chat, through nginx if no machine is named."""
        return ask(port or self.port, "POST", CHAT, HI | fields, bearer(text))

    def sql(self, statement: str) -> list[Any]:
        """The rows that a statement finds in the database."""
        with self.desk.database.writing() as connection:
            return list(connection.exec_driver_sql(statement))


def bearer(text: str) -> dict[str, str]:
    """The header with a key."""
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    """A PostgreSQL."""
    with postgres() as running:
        yield running


@pytest.fixture(scope="module")
def limits() -> Iterator[Redis]:
    """A Redis."""
    with redis() as running:
        yield running


@pytest.fixture(scope="module")
def scale(
    database: Postgres,
    limits: Redis,
    simulator: Simulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scale]:
    """What tests share, each with keys of its own."""
    with installed(
        database, limits, simulator, tmp_path_factory.mktemp("scale")
    ) as scale:
        yield scale


@pytest.fixture
def dying(
    database: Postgres, limits: Redis, simulator: Simulator, tmp_path: Path
) -> Iterator[Scale]:
    """One of its own for a test that leaves less of it."""
    with installed(database, limits, simulator, tmp_path) as scale:
        yield scale


@contextmanager
def installed(
    database: Postgres, limits: Redis, simulator: Simulator, place: Path
) -> Iterator[Scale]:
    """Two machines of two workers, and the nginx that contrib has for them."""
    url, file = database.fresh(), place / "secret"
    file.write_bytes(os.urandom(32))
    env = {
        "OLLAMA_URL": simulator.url,
        "WEB_CONCURRENCY": "2",
        "PANNIER_AUTH": "on",
        "PANNIER_DATABASE_URL": url,
        "PANNIER_LIMITS_URL": limits.url,
        "PANNIER_SECRET_FILE": str(file),
        "PANNIER_TRUSTED_PROXIES": "127.0.0.1",
    }
    with ExitStack() as stack:
        machines = [stack.enter_context(Server(env)) for _ in range(2)]
        servers = [f"server 127.0.0.1:{one.port};" for one in machines]
        config = replaced(CONFIG, "server gateway:8080;", "\n".join(servers))
        front = stack.enter_context(nginx(config))
        desk = stack.enter_context(setting(url))
        yield Scale(machines, front, desk, file)


def together(times: int, call: Callable[[int], Got]) -> list[Got]:
    """The answers to calls that are made at once."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(call, range(times)))


def tokens(got: Got) -> int:
    """What an answer says that it has used."""
    (total,) = re.findall(rb'"total_tokens":(\d+)', got.body)
    return int(total)


def load_of(scale: Scale, text: str) -> Load:
    """Clients with a key that chat through nginx."""
    return Load(lambda: scale.chat(text))


def test_k6_revoked_on_all_machines(scale: Scale) -> None:
    """What is revoked at one place opens nothing anywhere a second later."""
    seconds = []
    for number in range(3):
        given, text = scale.key(f"key {number}")
        scale.desk.change_key(given.id, {"revoked_at": 1}, "test")
        seconds.append(scale.felt(text, 401))
        assert scale.chat(text).status == 401
    assert min(seconds) < FELT, seconds  # the others may be a busy machine's


def test_r5_requests_a_minute_of_machines(scale: Scale) -> None:
    """Of a burst over both machines just as many get through as the key may make."""
    _, text = scale.key("few", rpm=20)
    statuses = [got.status for got in together(60, lambda _: scale.chat(text))]
    assert sorted(statuses) == [200] * 20 + [429] * 40
    assert {scale.chat(text, machine.port).status for machine in scale.machines} == {
        429
    }


def test_r5_at_a_time_on_machines(scale: Scale) -> None:
    """What runs on one machine takes a place on the other, until it is over."""
    _, text = scale.key("three", max_concurrent=3)
    ports = [machine.port for machine in scale.machines]
    slow = HI | {"model": "sim-chunks1000-tps5", "stream": True, "max_tokens": 1000}
    line = f"Authorization: Bearer {text}"
    running = [
        send(port, "POST", CHAT, fresh("slow"), slow, line)
        for port in (ports[0], ports[0], ports[1])
    ]
    for one in running:
        assert b"200 OK" in until(one, b"data: ")
    assert [scale.chat(text, port).status for port in ports] == [429, 429]
    running.pop().close()
    for port in ports:
        eventually(lambda port=port: scale.chat(text, port).status == 200)
    for one in running:
        one.close()


def test_r5_tokens_a_day_of_machines(scale: Scale) -> None:
    """No more tokens than the key may have are used on both, and about as many."""
    _, text = scale.key("day", tpd=3000)
    # So long that its estimate is no less than what is counted then.
    long = [{"role": "user", "content": "extraordinary " * 20}]
    got = together(120, lambda _: scale.chat(text, messages=long))
    # What was reserved comes back a moment after an answer.
    while [one.status for one in got[-5:]] != [429] * 5:
        got.append(scale.chat(text, messages=long))
    assert {one.code for one in got if one.status != 200} == {"quota_exceeded"}
    used = sum(tokens(one) for one in got if one.status == 200)
    assert 3000 - RESERVED < used <= 3000, used


def test_q5_usage_of_machines_adds_up(scale: Scale) -> None:
    """Each of some hundred requests is a row, and all sums are those of their rows."""
    given, text = scale.key("counted")
    kinds: list[dict[str, Any]] = [
        {},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"model": "nowhere"},
        {"temperature": 9},
    ]
    got = together(400, lambda number: scale.chat(text, **kinds[number % 4]))
    statuses = [one.status for one in got]
    assert sorted(statuses) == [200] * 200 + [400] * 100 + [404] * 100
    mine = f"FROM usage_record WHERE key_id = '{given.id}'"
    eventually(lambda: scale.sql(f"SELECT count(*) {mine}")[0][0] >= len(got))
    ids = [row[0] for row in scale.sql(f"SELECT request_id {mine}")]
    assert sorted(ids) == sorted(str(one.header("x-request-id")) for one in got)
    used = sum(tokens(one) for one in got if one.status == 200)
    columns = "sum(prompt_tokens), sum(completion_tokens), sum(duration_ms)"
    (rows,) = scale.sql(f"SELECT count(*), {columns} {mine}")
    assert rows[1] + rows[2] == used
    sums = scale.sql(
        f"SELECT sum(requests), {columns} FROM usage_rollup"
        f" WHERE key_id = '{given.id}' AND grain = 'each' GROUP BY width"
    )
    assert [tuple(one) for one in sums] == [tuple(rows)] * 3


def test_q4_a_machine_that_dies(dying: Scale) -> None:
    """It takes a second of usage with it, and nothing that was set; others go on."""
    _, text = dying.key("going on")
    with load_of(dying, text) as load:
        load.more(100)
        kept = set(list(load.done)[:50])
        eventually(lambda: kept <= ids(dying))  # both have their database open
        load.go_on(1.5 * LOST)
        dying.desk.set_alias(AliasEntry(name="fast", target="sim-chunks3"), "test")
        died = time.monotonic()
        os.killpg(dying.machines[0].pid, signal.SIGKILL)
        load.more(100)
        lost_from = died - LOST - load.slowest
        back = time.monotonic()
    sure = {one for one, at in load.done.items() if not lost_from <= at <= back}
    assert len(sure) > 50
    eventually(lambda: sure <= ids(dying))
    assert set(load.statuses) <= {200, 502}
    assert not load.broken  # nginx answers them all
    assert load.statuses.count(502) <= 4  # those that were under way
    eventually(lambda: dying.chat(text, model="fast").status == 200)
    assert {one.name for one in dying.desk.aliases()} == {"fast"}


def ids(scale: Scale) -> set[str]:
    """The ids of the requests that have a row, which each has once."""
    found = [row[0] for row in scale.sql("SELECT request_id FROM usage_record")]
    assert len(found) == len(set(found))
    return set(found)


def test_r5_redis_comes_back(scale: Scale, limits: Redis) -> None:
    """Redis ends and starts again: requests go on, and then both count there again."""
    _, text = scale.key("many", rpm=1_000_000, max_concurrent=1000, tpd=10**9)
    with load_of(scale, text) as load:
        load.more(50)
        assert limits.ask("DBSIZE")
        limits.stop()
        load.more(100)
        limits.start()
        load.more(50)
        eventually(lambda: limits.ask("DBSIZE"))
    assert set(load.statuses) == {200}
    assert not load.broken
    said = [machine.output().count("Redis") for machine in scale.machines]
    assert all(1 <= times <= 8 for times in said), said


def compose() -> dict[str, Any]:
    """What compose.scale.yaml says."""
    text = (ROOT / "contrib" / "compose.scale.yaml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_compose_has_no_password() -> None:
    """Each password has to be given, and the secret is a file that Docker hands in."""
    text = (ROOT / "contrib" / "compose.scale.yaml").read_text()
    used = re.findall(r"\$\{(\w*PASSWORD)(.{2})", text)
    assert {name for name, _ in used} == {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    assert {how for _, how in used} == {":?"}
    services = compose()["services"]
    assert services["gateway"]["secrets"] == ["pannier"]
    assert (
        "ports" not in services["database"] | services["limits"] | services["gateway"]
    )


def test_compose_s_settings_are_valid() -> None:
    """Pannier starts with what the file sets, behind the nginx that it has."""
    found = compose()
    services = found["services"]
    environ = services["gateway"]["environment"]
    texts = {
        name: re.sub(
            r"\$\{\w+:-([^}]*)\}", r"\1", re.sub(r"\$\{\w+:\?.*?\}", "x", text)
        )
        for name, text in environ.items()
    }
    settings = Settings.from_environ(texts, Path("/nowhere"))
    assert (settings.auth, settings.port) == ("on", 8080)
    assert settings.secret_file == "/run/secrets/pannier"
    (network,) = found["networks"]["inside"]["ipam"]["config"]
    assert settings.trusted_proxies == network["subnet"]
    assert f"server gateway:{settings.port};" in CONFIG
    assert all(services[name]["healthcheck"] for name in services)
