"""What a key is granted: by which names, through which routes, and what it is shown."""

from typing import Any

import pytest
from support.gateway import installed, key, snapshot
from support.keyed import SECRET
from support.ollama import ask
from support.shelves import Shelves
from support.stack import linted

from app.gateway.entries import ModelEntry
from app.gateway.groups import GROUPS
from app.gateway.keys import Key

case = pytest.mark.parametrize

WITH = {"Authorization": f"Bearer {SECRET}"}
TALK = [{"role": "user", "content": "Hi"}]


def allowed(*allow: str, deny: tuple[str, ...] = (), **more: Any) -> Key:
    """A key for these models, on all routes."""
    more = {"allow_endpoints": GROUPS, **more}
    return key(allow_models=allow, deny_models=deny, **more)


# ------------------------------------------------------ what touches any model

BLOB = "sha256:" + "0" * 64
ANY = [
    ("POST", "/api/experimental/aliases", {"alias": "a-x", "target": "b"}),
    ("POST", "/api/create", {"model": "a-x", "files": {"m.gguf": BLOB}}),
    ("POST", "/api/create", {"model": "a-x", "Adapters": {"m": BLOB}, "from": "a"}),
    ("POST", "/api/create", {"model": "a-x", "modelfile": "FROM b"}),
    ("POST", "/api/create", {"model": "a-x", "path": "/etc/passwd"}),
    ("POST", "/api/create", {"model": "a-x", "from": "a", "remote_host": "http://x"}),
    ("POST", f"/api/blobs/{BLOB}", {}),
    ("GET", f"/api/blobs/{BLOB}", None),
    ("POST", "/api/me", {}),
    ("PUT", "/api/chat", {"model": "b"}),
    ("POST", "/api/tags", {}),
]


@case(("method", "path", "body"), ANY)
def test_what_could_touch_any_model(method: str, path: str, body: Any) -> None:
    """It is for keys that may use all models; to others it is closed."""
    for one, passes in (
        (allowed("*"), True),
        (allowed("a*", "*"), True),
        (allowed("a*"), False),
        (allowed("*", deny=("b",)), False),
    ):
        asked = []

        def ollama(environ: Any, start: Any) -> list[bytes]:
            asked.append(environ["PATH_INFO"])  # noqa: B023
            start("200 OK", [("Content-Type", "application/json")])
            return [b"{}"]

        app = linted(ollama, installation=installed(snapshot(one)))
        answer = ask(app, method, path, body, **WITH)
        assert (answer.status, asked) == ((200, [path]) if passes else (403, []))
        assert passes or b"all models" in answer.body


@case("path", ["/api/version", "/api/tags", "/api/ps"])
def test_what_touches_no_model(path: str) -> None:
    """Looking needs no such key."""
    app = linted(Version(), installation=installed(snapshot(allowed("a*"))))
    assert ask(app, "GET", path, None, **WITH).status == 200


def test_a_model_made_of_one_that_is_allowed() -> None:
    """A key of the group ``manage`` can make models of its own, from its own."""
    shelves = Shelves("a", "a-x")
    app = linted(shelves, installation=installed(snapshot(allowed("a*"))))
    body = {"model": "a-x", "from": "a", "system": "Be kind.", "stream": False}
    assert ask(app, "POST", "/api/create", body, **WITH).status == 200
    assert len(shelves.asked) == 1


class Version(Shelves):
    """Shelves that tell their version as well."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer one call."""
        if environ["PATH_INFO"] != "/api/version":
            return super().__call__(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"version":"0.0.0"}']


@case(
    ("path", "body"),
    [
        ("/api/copy", {"source": "a-off", "destination": "a-on"}),
        ("/api/copy", {"Source": "A-OFF:latest", "destination": "a-on"}),
        ("/api/create", {"model": "a-on", "from": "a-off"}),
    ],
)
@case("keys", [(), (allowed("a*"),), (allowed("*"),)], ids=["open", "some", "all"])
def test_what_is_switched_off_is_no_source(
    path: str, body: dict[str, str], keys: tuple[Key, ...]
) -> None:
    """Nobody gets at a disabled model by a copy of it; it can still be deleted."""
    shelves = Shelves("a-off", "a")
    now = snapshot(*keys, models=[ModelEntry(name="a-off", enabled=False)])
    app = linted(shelves, installation=installed(now))
    assert ask(app, "POST", path, body, **WITH).status == 404
    assert shelves.asked == []
    good = {**body, next(f for f in body if body[f].lower().startswith("a-off")): "a"}
    assert ask(app, "POST", path, good, **WITH).status in (200, 404)
    body = {"model": "a-off"}
    assert ask(app, "DELETE", "/api/delete", body, **WITH).status == 200
    assert len(shelves.asked) == 2
