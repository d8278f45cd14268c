"""Whose a response is: the key's that asked for it, and nobody else's."""

from collections.abc import Callable
from typing import Any

import pytest
from support.able import Able
from support.gateway import installed, key, snapshot
from support.keeping import FakeKeeper
from support.ollama import Answer, ask
from support.plausible import Plausible
from support.stack import linted

RESPONSES = "/v1/responses"
SECRETS = {name: f"sk-test-key-of-{name}-with-thirty-two-characters" for name in "ab"}


class Shared:
    """One Pannier for two keys."""

    def __init__(self) -> None:
        now = snapshot(*(key(name, secret) for name, secret in SECRETS.items()))
        self.keeper = FakeKeeper()
        self.ollama = Plausible()
        self.app = linted(
            self.ollama,
            control=Able(),
            keeper=self.keeper,
            installation=installed(now),
        )

    def ask(self, name: str, method: str, path: str, body: Any = None) -> Answer:
        """Ask with the key of that name."""
        bearer = f"Bearer {SECRETS[name]}"
        return ask(self.app, method, path, body, Authorization=bearer)

    def said(self, name: str, input: Any, **fields: Any) -> Answer:
        """An answer of the model's."""
        body = {"model": "m", "input": input, **fields}
        return self.ask(name, "POST", RESPONSES, body)


Way = Callable[[Shared, str, dict[str, Any]], Answer]
#: All the ways to a response that is kept; each does it no harm but the last.
WAYS: dict[str, Way] = {
    "get": lambda app, who, made: app.ask(who, "GET", f"{RESPONSES}/{made['id']}"),
    "input": lambda app, who, made: app.ask(
        who, "GET", f"{RESPONSES}/{made['id']}/input_items"
    ),
    "previous": lambda app, who, made: app.said(
        who, "and?", previous_response_id=made["id"]
    ),
    "reference": lambda app, who, made: app.said(
        who, [{"type": "item_reference", "id": made["output"][-1]["id"]}]
    ),
    "tokens": lambda app, who, made: app.ask(
        who,
        "POST",
        f"{RESPONSES}/input_tokens",
        {"model": "m", "input": "?", "previous_response_id": made["id"]},
    ),
    "delete": lambda app, who, made: app.ask(
        who, "DELETE", f"{RESPONSES}/{made['id']}"
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_another_s_response_is_as_good_as_unknown(way: Way) -> None:
    """Another key gets word for word what it gets for an id that never was."""
    app = Shared()
    made = app.said("a", "hi").json
    calls = len(app.ollama.calls)
    unknown, item = "resp_" + "0" * 32, "msg_" + "0" * 32 + "_0"
    never = way(app, "b", {"id": unknown, "output": [{"id": item}]})
    refused = way(app, "b", made)
    assert refused.status == never.status
    assert 400 <= refused.status < 500
    said = refused.body.decode().replace(made["output"][-1]["id"], item)
    assert said.replace(made["id"], unknown) == never.body.decode()
    assert len(app.ollama.calls) == calls
    assert way(app, "a", made).status == 200


def test_an_open_door_shows_nobody_s() -> None:
    """Where no key is needed, responses of keys are not there, and the other way."""
    app = Shared()
    made = app.said("a", "hi").json
    path = f"{RESPONSES}/{made['id']}"
    control = Able()
    without = linted(Plausible(), control=control, keeper=app.keeper)
    assert ask(without, "GET", path).status == 404
    free = ask(without, "POST", RESPONSES, {"model": "m", "input": "hi"}).json
    assert ask(without, "GET", f"{RESPONSES}/{free['id']}").status == 200
    assert app.ask("a", "GET", f"{RESPONSES}/{free['id']}").status == 404
