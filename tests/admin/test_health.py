"""How Pannier says it is, and whether an Ollama answers elsewhere."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.admin import House
from support.handling import Handlers, handlers
from support.server import free_port
from support.simulator import Simulator

from app.admin.health import SECONDS
from app.probes import PROBE_SECONDS


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """A simulator for this module."""
    with Simulator() as running:
        yield running


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where somebody listens and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_all_is_well(ollama: Simulator, tmp_path: Path) -> None:
    """Everything that is known is said, with what Ollama has in memory."""
    with handlers(tmp_path, upstream_url=ollama.url) as here:
        here.do("POST", "models/gemma3/load", {"keep_alive": 60})
        found = here.do("GET", "health")
    upstream = found["ollama"]
    assert upstream["url"] == ollama.url
    assert (upstream["ok"], upstream["error"]) == (True, None)
    assert upstream["is_simulator"] is True
    assert 0 <= upstream["answered_ms"] < 2000
    (loaded,) = upstream["loaded"]
    assert loaded["name"] == "gemma3:latest"
    assert loaded["size"] > loaded["size_vram"] == 0
    assert loaded["expires_at"] < (time.time() + 61) * 1000
    assert loaded["context_length"] == 4096
    database = found["database"]
    assert (database["kind"], database["ok"], database["error"]) == (
        "sqlite",
        True,
        None,
    )
    assert database["size"] > 10_000
    assert found["limits"] == {"shared": "file", "ok": True}
    assert found["workers"] == 1
    assert found["libraries"]["gevent"]
    assert found["libraries"]["flask"]


def test_on_each_database(here: Handlers) -> None:
    """Its kind and its size are said of PostgreSQL too."""
    database = here.do("GET", "health")["database"]
    is_server = bool(here.admin.settings.database_url)
    assert database["kind"] == ("postgresql" if is_server else "sqlite")
    assert database["ok"] is True
    assert database["size"] > 10_000


def test_nobody_answers(tmp_path: Path) -> None:
    """An Ollama that is down is told with where it was looked for; no error itself."""
    url = f"http://127.0.0.1:{free_port()}"
    with handlers(tmp_path, upstream_url=url) as here:
        found = here.do("GET", "health")["ollama"]
    assert (found["ok"], found["version"], found["loaded"]) == (False, None, None)
    assert found["is_simulator"] is None
    assert url.removeprefix("http://") in found["error"]


def test_it_answers_while_ollama_is_silent(silent: str, tmp_path: Path) -> None:
    """Whoever looks after health is not kept waiting for what never comes."""
    with handlers(tmp_path, upstream_url=silent) as here:
        here.do("GET", "audit")  # so that the database is open
        start = time.monotonic()
        found = here.do("GET", "health")
        took = time.monotonic() - start
    assert PROBE_SECONDS / 2 < took < PROBE_SECONDS + 2
    assert found["ollama"]["ok"] is False
    assert found["database"]["ok"] is True


def test_limits_in_a_redis_that_is_gone(tmp_path: Path) -> None:
    """It is said, and the password of its address is not."""
    url = f"redis://:a-password-of-redis@127.0.0.1:{free_port()}/0"
    with handlers(tmp_path, limits_url=url) as here:
        answer = here.ask("GET", "health")
    assert answer.json["limits"] == {"shared": "redis", "ok": False}
    assert "a-password-of-redis" not in str(answer.json)


def test_an_ollama_elsewhere(ollama: Simulator, tmp_path: Path) -> None:
    """It is asked at the address as it is understood, and nothing is changed."""
    with handlers(tmp_path) as here:
        version = here.version()
        found = here.do("POST", "upstream/test", {"url": f" {ollama.url}/ "})
        assert found.pop("answered_ms") < SECONDS * 1000
        assert found.pop("models") > 10
        assert found.pop("version").endswith("-simulator")
        assert found == {
            "ok": True,
            "url": ollama.url,
            "is_simulator": True,
            "error": None,
        }
        assert here.version() == version


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "ftp://localhost",
        "http://user:word@localhost",
        "http://localhost/v1",
        "http://localhost/?a=1",
        "http://localhost:99999",
        "http://a\nb",
        "http://*",
        "http://127.0.0.1:8080",
    ],
    ids=range(10),
)
def test_an_address_is_refused_as_the_setting_is(url: str, tmp_path: Path) -> None:
    """What cannot be set is a 422 here, too, of the field ``url``."""
    with handlers(tmp_path) as here:
        answer = here.ask("POST", "upstream/test", {"url": url})
        assert answer.error == (422, "url")
        assert "word" not in answer.json["message"]
        kept = here.ask("PATCH", "settings", {"upstream_url": url})
        if url != "http://*":  # which only whoever connects finds wrong
            assert kept.error == (422, "upstream_url")


@pytest.mark.parametrize(
    ("form", "param"), [({}, "url"), ({"url": 1}, "url"), ({"url": "", "x": 1}, "x")]
)
def test_a_wrong_body(form: object, param: str, tmp_path: Path) -> None:
    """It is refused with the field."""
    with handlers(tmp_path) as here:
        assert here.ask("POST", "upstream/test", form).error == (422, param)


def test_nobody_or_somebody_else_is_there(silent: str, tmp_path: Path) -> None:
    """Who is no Ollama, or says nothing, is told as an error, within seconds."""
    closed = f"http://127.0.0.1:{free_port()}"
    with handlers(tmp_path) as here:
        for url in (closed, silent):
            start = time.monotonic()
            found = here.do("POST", "upstream/test", {"url": url})
            assert time.monotonic() - start < SECONDS + 2
            assert (found["ok"], found["version"], found["models"]) == (
                False,
                None,
                None,
            )
            assert found["error"]


def test_the_key_of_ollama_stays_with_it(ollama: Simulator, tmp_path: Path) -> None:
    """A server that somebody names is not shown the key of the one in force."""
    key = "a-key-of-another-ollama"
    for own, shown in ((ollama.url, True), ("http://127.0.0.1:9", False)):
        ollama.clear()
        with handlers(tmp_path, upstream_url=own, upstream_api_key=key) as here:
            here.do("POST", "upstream/test", {"url": ollama.url})
        calls = ollama.log()
        assert len(calls) == 2
        assert [key in str(call["headers"]) for call in calls] == [shown, shown]


def test_who_is_not_signed_in(house: House) -> None:
    """Nothing of it is for strangers."""
    browser = house.browser()
    assert browser.ask("GET", "health").status_code == 401
    assert browser.ask("POST", "upstream/test", {"url": "x"}).status_code == 401
    assert browser.ask("POST", "models/pull", {"model": "x"}).status_code == 401
