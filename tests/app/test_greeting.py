"""What is said at the start about who may come in."""

import logging
from typing import Any

import gevent
import pytest
from support.gateway import installed, key, snapshot

from app import greeting
from app.gateway.keys import Key

EVERYWHERE, HERE = ["0.0.0.0"], ["127.0.0.1"]
GOOD, REVOKED = [key()], [key(revoked_at=1)]
CREATE = "pannier keys create --name NAME --allow '*'"


@pytest.mark.parametrize(
    ("auth", "keys", "hosts", "said"),
    [
        ("auto", [], HERE, []),
        ("auto", [], EVERYWHERE, ["Pannier is open", "there are no keys"]),
        ("auto", GOOD, EVERYWHERE, []),
        ("auto", REVOKED, HERE, ["Every request will be refused", "none of", CREATE]),
        ("auto", [*GOOD, key("other", "x" * 32, enabled=False)], HERE, []),
        ("on", [], HERE, ["PANNIER_AUTH=on", "there is no key yet", CREATE]),
        ("on", [key(expires_at=1)], HERE, ["none of the keys is good", CREATE]),
        ("on", GOOD, EVERYWHERE, []),
        ("off", [], HERE, []),
        ("off", REVOKED, EVERYWHERE, ["Pannier is open", "PANNIER_AUTH=off"]),
    ],
)
def test_the_door(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    auth: Any,
    keys: list[Key],
    hosts: list[str],
    said: list[str],
) -> None:
    """One line, once, where strangers may come in, or nobody; and what to do."""
    monkeypatch.setattr(greeting, "_invite", lambda *_: None)
    installation = installed(snapshot(*keys), auth=auth)
    settings = greeting.Settings(auth=auth)
    with caplog.at_level(logging.WARNING, "pannier"):
        greeting.greet(installation, settings, hosts)
        for tell in [*installation.current.changed] * 2:
            tell(installation.current.now)
    gevent.sleep(0)
    assert len(caplog.messages) == bool(said)
    assert all(words in caplog.text for words in said)
