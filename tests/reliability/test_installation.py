"""Several workers, and several machines, of one installation: all feel what is set."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import randrange
from typing import Any

import msgspec
import pytest
from support.gateway import key as made
from support.leaving import eventually
from support.postgres import Postgres, needs_postgres, postgres
from support.raw import Got, ask
from support.server import Server
from support.setting import FELT, Setting, setting
from support.simulator import Simulator

from app.gateway.credentials import hasher, new_secret
from app.gateway.entries import AliasEntry
from app.gateway.keys import Key
from app.secret import secret

pytestmark = pytest.mark.live

CHAT = "/v1/chat/completions"
HI = {"model": "llama3.2", "messages": [{"role": "user", "content": "hi"}]}
#: Requests that reach every worker of a machine, as good as surely.
MANY = 12


class Pannier:
    """One installation: its machines, each with workers, and a way to set things."""

    def __init__(self, machines: list[Server], desk: Setting, shared: bytes) -> None:
        self.machines = machines
        self.desk = desk
        self.hash = hasher(shared)

    def key(self, name: str, **terms: Any) -> tuple[Key, str]:
        """A new key, and its secret."""
        text = new_secret()
        given = made(name, text, digest=self.hash(text.encode()), **terms)
        self.desk.add_key(given, "test")
        return given, text

    def chat(self, machine: Server, text: str = "", **fields: Any) -> Got:
        """A chat by whichever worker takes it."""
        headers = {"X-API-Key": text} if text else {}
        # From many addresses: of each only so many wrong keys are looked at.
        source = f"127.0.0.{randrange(1, 255)}"
        return ask(machine.port, "POST", CHAT, HI | fields, headers, source)

    def statuses(self, text: str = "", **fields: Any) -> set[int]:
        """The statuses that all workers of all machines answer with."""
        return {
            self.chat(machine, text, **fields).status
            for machine in self.machines
            for _ in range(MANY)
        }

    def feels(self, fact: Callable[[], bool]) -> None:
        """All of them feel it soon."""
        assert eventually(fact, FELT), [one.output()[-2000:] for one in self.machines]


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    """A PostgreSQL."""
    with postgres() as running:
        yield running


@pytest.fixture(params=["workers", pytest.param("machines", marks=needs_postgres)])
def pannier(
    request: pytest.FixtureRequest, simulator: Simulator, tmp_path: Path
) -> Iterator[Pannier]:
    """Two workers over SQLite, or two machines of two workers over PostgreSQL."""
    # Which worker answers is luck, and one that never knew of keys cannot keep them.
    alone = request.function is test_q2_keys_without_a_database
    workers = "1" if alone else "2"
    env = {"OLLAMA_URL": simulator.url, "WEB_CONCURRENCY": workers}
    url, file, count = "", "", 1
    if request.param == "machines":
        url, count = request.getfixturevalue("database").fresh(), 2
        (tmp_path / "secret").write_bytes(b"of all machines, and 32 bytes or more")
        file = str(tmp_path / "secret")
        env |= {"PANNIER_DATABASE_URL": url, "PANNIER_SECRET_FILE": file}
    else:
        env["PANNIER_STATE_DIR"] = str(tmp_path)
    with ExitStack() as stack:
        machines = [stack.enter_context(Server(env)) for _ in range(count)]
        state = "" if url else str(tmp_path)
        desk = stack.enter_context(setting(url, state))
        yield Pannier(machines, desk, secret(state, file))


def test_k6_keys_are_felt(pannier: Pannier) -> None:
    """The first key closes every door within a second, and a revoked one opens none."""
    assert pannier.statuses() == {200}
    first, text = pannier.key("first")
    pannier.feels(lambda: pannier.statuses() == {401})
    pannier.feels(lambda: pannier.statuses(text) == {200})
    second, other = pannier.key("second")
    pannier.feels(lambda: pannier.statuses(other) == {200})
    pannier.desk.change_key(first.id, {"revoked_at": 1}, "test")
    pannier.feels(lambda: pannier.statuses(text) == {401})
    assert pannier.statuses(other) == {200}
    pannier.desk.change_key(
        second.id,
        {"terms": msgspec.structs.replace(second.terms, allow_models=("other",))},
        "test",
    )
    pannier.feels(lambda: pannier.statuses(other) == {404})


def test_k6_names_are_felt(pannier: Pannier) -> None:
    """Another name of a model can be called everywhere within a second."""
    assert pannier.statuses(model="fast") == {404}
    pannier.desk.set_alias(AliasEntry(name="fast", target="llama3.2"), "test")
    pannier.feels(lambda: pannier.statuses(model="fast") == {200})
    pannier.desk.remove_alias("fast", "test")
    pannier.feels(lambda: pannier.statuses(model="fast") == {404})


def test_another_ollama_is_felt(pannier: Pannier, simulator: Simulator) -> None:
    """Another Ollama counts everywhere within a second, without a restart."""
    assert pannier.statuses() == {200}
    workers = [machine.workers() for machine in pannier.machines]
    pannier.desk.set_settings({"upstream_url": "http://127.0.0.1:9"}, "test")
    pannier.feels(lambda: pannier.statuses() == {502})
    pannier.desk.set_settings({"upstream_url": simulator.url}, "test")
    pannier.feels(lambda: pannier.statuses() == {200})
    assert [machine.workers() for machine in pannier.machines] == workers


def test_keys_outlive_a_restart(simulator: Simulator, tmp_path: Path) -> None:
    """A Pannier that starts with keys lets nobody in without one, ever."""
    env = {"OLLAMA_URL": simulator.url, "PANNIER_STATE_DIR": str(tmp_path)}
    with setting("", str(tmp_path)) as desk:
        pannier = Pannier([], desk, secret(str(tmp_path)))
        _, text = pannier.key("first")
        for _ in range(2):
            with Server(env) as server:
                assert pannier.chat(server).status == 401
                assert pannier.chat(server, text).status == 200


def test_q2_keys_without_a_database(
    pannier: Pannier, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Keys outlive their database; one that may be a new one is told to come again."""
    _, text = pannier.key("first")
    pannier.feels(lambda: pannier.statuses() == {401})
    if len(pannier.machines) == 1:
        for file in tmp_path.glob("pannier.db*"):
            file.unlink()
    else:
        request.getfixturevalue("database").stop()
    pannier.feels(lambda: pannier.statuses(new_secret()) == {503})
    assert pannier.statuses(text) == {200}
    assert pannier.statuses() == {401}
    for machine in pannier.machines:
        ready = ask(machine.port, "GET", "/ready")
        assert (ready.status, b'"database":"down"' in ready.body) == (200, True)
    if len(pannier.machines) > 1:
        request.getfixturevalue("database").start()
        pannier.feels(lambda: pannier.statuses(new_secret()) == {401})
        _, other = pannier.key("second")
        pannier.feels(lambda: pannier.statuses(other) == {200})
