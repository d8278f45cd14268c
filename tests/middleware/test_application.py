import logging
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from support.gateway import Known, installed, key, snapshot
from support.keyed import SECRET
from support.ollama import FakeUpstream, ask

from app.errors import GatewayError
from app.gateway.keys import Key
from app.gateway.usage import Row
from app.option import Given
from app.settings import Settings
from middleware.application import Application

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
FIRST, SECOND = "http://first.example:11434", "http://second.example:11434"


class Set:
    """An application, its source of snapshots, and the Ollamas that it reached."""

    def __init__(self) -> None:
        self.ollamas: dict[str, FakeUpstream] = {}
        self.closed: list[str] = []
        self.source = Known(snapshot())
        with patch(
            "middleware.application.Installation", lambda *given: self._installed()
        ):
            self.app = Application(
                {
                    "upstream_url": Given(FIRST, "OLLAMA_URL", "the environment"),
                    "access_log": Given("no", "PANNIER_ACCESS_LOG", "the environment"),
                    "trusted_proxies": Given("unix", "PANNIER_TRUSTED_PROXIES", ""),
                }
            )

    def _installed(self) -> object:
        installation = installed(self.source.now)
        installation.current._source = self.source
        return installation

    def upstream(self, settings: Settings) -> FakeUpstream:
        """The Ollama of these settings."""
        url = settings.upstream_url
        made = self.ollamas[url] = FakeUpstream()
        made.close = lambda: self.closed.append(url)  # type: ignore[method-assign]
        return made

    def change(self, *keys: Key, **settings: object) -> None:
        """Have the database say something else."""
        version = self.source.now.version + 1
        self.source.now = snapshot(*keys, settings=settings, version=version)
        self.app.installation.current.renew()


@pytest.fixture
def pannier() -> Iterator[Set]:
    """Pannier before the first of two Ollamas; nothing is reached."""
    made = Set.__new__(Set)
    with patch(
        "middleware.stack.Upstream.of", lambda settings: made.upstream(settings)
    ):
        made.__init__()  # type: ignore[misc]
        yield made


def test_another_ollama(pannier: Set) -> None:
    """When the database names another Ollama, the next request goes there."""
    assert ask(pannier.app, body=CHAT).status == 200
    pannier.change(upstream_url=SECOND)
    assert ask(pannier.app, body=CHAT).status == 200
    asked = {url: len(one.requests) for url, one in pannier.ollamas.items()}
    assert asked == {FIRST: 1, SECOND: 1}
    assert pannier.closed == [FIRST]


def test_a_policy_of_the_database(pannier: Set) -> None:
    """Other settings count as well, and are gone when the database forgets them."""
    odd = CHAT | {"no_such_field": 1}
    pannier.change(strict=True)
    assert ask(pannier.app, body=odd).status == 400
    pannier.change()
    assert ask(pannier.app, body=odd).status == 200


def test_what_is_kept_of_addresses(pannier: Set) -> None:
    """That counts from the next request on, for rows and for the last use of a key."""
    usage, kept = pannier.app.installation.usage, ["none", "truncated", "full"]
    rows: list[Row] = []
    used: list[str] = []
    with (
        patch.object(usage, "add", rows.append),
        patch.object(usage, "note_used", lambda key_id, address: used.append(address)),
    ):
        for one in kept:
            pannier.change(key(), usage_client_ip=one)
            auth = {"Authorization": f"Bearer {SECRET}"}
            ask(pannier.app, body=CHAT, X_Forwarded_For="203.0.113.77", **auth)
    assert used == ["", "203.0.113.0", "203.0.113.77"]
    assert [row.client_ip for row in rows] == used


def test_only_settings_make_another_stack(pannier: Set) -> None:
    """What else changes leaves connections, and what is remembered, as they are."""
    stack = pannier.app._stack
    pannier.change()
    assert pannier.app._stack is stack


def test_the_same_requests_are_in_flight(pannier: Set) -> None:
    """A worker that stops ends the requests of every stack, by the newest limits."""
    stack = pannier.app._stack
    pannier.change(write_timeout=7)
    assert pannier.app._stack is not stack
    assert pannier.app._stack.inflight is stack.inflight is pannier.app.inflight
    assert pannier.app.inflight.write_timeout == 7


def test_what_does_not_go_together(
    pannier: Set, caplog: pytest.LogCaptureFixture
) -> None:
    """Settings that would send requests in a circle are not used; the log says so."""
    with caplog.at_level(logging.ERROR, "pannier"):
        pannier.change(upstream_url="http://127.0.0.1:8080")
    assert "are not used" in caplog.text
    assert ask(pannier.app, body=CHAT).status == 200
    assert len(pannier.ollamas[FIRST].requests) == 1


@pytest.mark.parametrize("probe", ["/health", "/ready"])
def test_nobody_waits_to_hear_that_it_lives(pannier: Set, probe: str) -> None:
    """A probe is answered before anything is known of the database; others wait."""
    pannier.source.broken = GatewayError("", status=503, detail="locked")
    current = pannier.app.installation.current
    current._ready = False
    with patch("app.gateway.current.FIRST", 0.01):
        assert ask(pannier.app, "GET", probe).status in (200, 503)
        assert not current._always
        ask(pannier.app, body=CHAT)
    assert current._always
    current.close()
