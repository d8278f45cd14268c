"""Parameters: what stands behind the question mark means something, or is refused."""

import re
from typing import Any

import pytest
from support.admin import PASSWORD, USERNAME, Browser, House

from app.admin import me
from app.admin.routes import ROUTES

KEY = {"name": "there", "allow_models": ["*"]}
ALIAS = {"name": "there", "target": "m", "shadow": True}
FILE = {"format": "pannier-export", "version": 1, "models": [{"name": "new"}]}
#: Bodies with which a route does what it is there for.
BODIES: dict[str, Any] = {
    "POST /login": {"username": USERNAME, "password": PASSWORD},
    "POST /me/password": {"current_password": PASSWORD, "new_password": PASSWORD[::-1]},
    "POST /keys": {**KEY, "name": "new"},
    "POST /keys/matches": {"allow_models": ["*"]},
    "PATCH /keys/<id>": {"rpm": 5},
    "PATCH /models/<path:name>": {"description": "new"},
    "POST /models/pull": {"model": "new"},
    "POST /upstream/test": {"url": "http://127.0.0.1:9"},
    "POST /aliases": {**ALIAS, "name": "new"},
    "PATCH /aliases/<path:name>": {"hidden": True},
    "PATCH /settings": {"heartbeat": 5},
    "POST /import": FILE,
    "POST /playground": {
        "path": "/v1/chat/completions",
        "body": {
            "model": "qwen3:4b",
            "messages": [{"role": "user", "content": "Hello"}],
        },
    },
    "POST /migrate": {"models.json": [{"originalName": "m", "displayName": "n"}]},
}
#: What these name is not there.
GONE = {"GET /usage/records/<id>", "POST /live/<request_id>/cancel"}
ALL = [f"{method} {path}" for method, path, *_ in [*me.ROUTES, *ROUTES]]


@pytest.mark.parametrize("route", ALL)
def test_what_means_nothing_is_refused(house: House, route: str) -> None:
    """On every route an unknown parameter is a 422 that names it, and changes nothing.

    Without it the same request is served.
    """
    browser = furnished(house)
    method, _, path = route.partition(" ")
    name = house.rows("SELECT id FROM admin_session")[0][0]
    path = re.sub("<[^>]*>", str(name) if "/sessions/" in path else "there", path)
    before = everything(house)
    answer = browser.ask(method, f"{path}?dryrun=1", BODIES.get(route))
    assert answer.status_code == 422
    error = answer.json["error"]
    assert (error["code"], error["param"]) == ("invalid_value", "dryrun")
    assert everything(house) == before
    served = browser.ask(method, path, BODIES.get(route))
    if route == "GET /live":
        served.close()
    assert served.status_code in ((404,) if route in GONE else (200, 201, 204))


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("rotate?dry_run=1", "dry_run"),
        ("rotate?grace=3600000", "grace"),
        ("revoke?dry_run=0", "dry_run"),
    ],
)
def test_what_others_take_is_refused(house: House, path: str, param: str) -> None:
    """What means something to another route, or in a body, is not passed over."""
    browser = furnished(house)
    before = everything(house)
    answer = browser.ask("POST", f"keys/there/{path}")
    assert (answer.status_code, answer.json["error"]["param"]) == (422, param)
    assert everything(house) == before


@pytest.mark.parametrize(
    ("once", "kind"), [("true", "application/json"), ("false", "text/event-stream")]
)
def test_flags(house: House, once: str, kind: str) -> None:
    """A flag that says no is not one that is there; what says neither is refused."""
    browser = house.signed_in()
    answer = browser.ask("GET", f"live?once={once}")
    answer.close()
    assert answer.content_type.startswith(kind)
    odd = browser.ask("GET", "live?once=maybe")
    assert (odd.status_code, odd.json["error"]["param"]) == (422, "once")


def furnished(house: House) -> Browser:
    """A browser of the administrator's, where there is one of each thing."""
    house.signed_in()
    browser = house.signed_in()
    for method, path, body in (
        ("POST", "keys", KEY),
        ("POST", "aliases", ALIAS),
        ("PATCH", "models/there", {"hidden": True}),
    ):
        assert browser.ask(method, path, body).status_code in (200, 201)
    return browser


def everything(house: House) -> dict[str, list[Any]]:
    """All that the database has."""
    tables = house.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name: house.rows(f'SELECT * FROM "{name}"') for (name,) in tables}
