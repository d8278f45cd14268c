"""Keys: which are good, what is said of others, and who needs none."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.gateway import Known, installed, key, snapshot
from support.keyed import CHAT, OTHER, REQUESTS, SECRET, WAYS, gateway, header
from support.ollama import FakeUpstream, Started, ask, environ_of

from app.doors import Doors
from app.errors import BadRequest, GatewayError
from app.exchange import KEY, Exchange
from app.gateway.credentials import new_secret
from app.gateway.current import Current
from app.gateway.groups import OPEN
from app.gateway.keys import Key
from app.gateway.snapshot import Snapshot
from app.installation import Installation
from app.redaction import Redaction
from middleware.auth import NOTED, AuthMiddleware, masked
from middleware.cors import CorsMiddleware
from middleware.groups import GroupsMiddleware

NOW = 1_800_000_000.0
MOMENT = int(NOW * 1000)
MODELS = "/v1/models"


def passed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """An application that says which key asks."""
    found = Exchange.of(environ).key
    start_response("200 OK", [])
    return [found.id.encode() if found else b"nobody"]


def auth(installation: Installation, **more: Any) -> AuthMiddleware:
    """The middleware, around groups and that application, at one moment for ever."""
    return AuthMiddleware(
        GroupsMiddleware(passed),
        installation,
        lambda environ: environ.get("REMOTE_ADDR", ""),
        **more,
    )


def asked(app: AuthMiddleware, path: str = MODELS, **environ: Any) -> bytes:
    """What the application says; raises what the middleware raises."""
    environ = {"REMOTE_ADDR": "192.0.2.1", **environ}
    return b"".join(app(environ_of("GET", path) | environ, Started()))


def refused(app: AuthMiddleware, path: str = MODELS, **environ: Any) -> GatewayError:
    """The error of a request that is not let in."""
    with pytest.raises(GatewayError) as caught:
        asked(app, path, **environ)
    return caught.value


ONE = auth(installed(snapshot(key())))


# ------------------------------------------------------------ who needs none


def test_without_keys_nobody_is_asked() -> None:
    """Where there is no key, none is looked for, not even in what is sent."""
    installation = installed(snapshot())
    del installation.hash  # asking for it would make one
    assert asked(auth(installation), HTTP_X_API_KEY=SECRET) == b"nobody"
    assert "hash" not in vars(installation)


@pytest.mark.parametrize(("setting", "keys"), [("off", [key()]), ("auto", [])])
def test_open(setting: Any, keys: Any) -> None:
    """PANNIER_AUTH=off needs no key, whatever there is; auto needs one to be there."""
    assert asked(auth(installed(snapshot(*keys), auth=setting))) == b"nobody"


@pytest.mark.parametrize(("setting", "keys"), [("on", []), ("auto", [key()])])
def test_closed(setting: Any, keys: Any) -> None:
    """PANNIER_AUTH=on needs a key, and auto as soon as there is one."""
    app = auth(installed(snapshot(*keys), auth=setting))
    error = refused(app)
    assert (error.status, error.code) == (401, "invalid_api_key")
    told = [("WWW-Authenticate", "Bearer"), ("x-should-retry", "false")]
    assert error.headers == told
    assert error.message.startswith("You didn't provide an API key.")


@pytest.mark.parametrize("path", [*sorted(OPEN), "/admin", "/admin/x", "/static/x.css"])
def test_always_open(path: str) -> None:
    """Probes and pages need no key, and a wrong one does not matter."""
    assert asked(ONE, path) == b"nobody"
    assert asked(ONE, path, HTTP_X_API_KEY="wrong") == b"nobody"


@pytest.mark.parametrize("path", ["", "/administrator", "/static", "/health/", "/Docs"])
def test_what_looks_open(path: str) -> None:
    """Only these very paths are open."""
    assert refused(ONE, "/", PATH_INFO=path).status == 401


@pytest.mark.parametrize(
    ("address", "headers", "open_"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.1", {}, False),
        ("", {}, False),
        ("127.0.0.1", {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, False),
        ("127.0.0.1", {"HTTP_X_FORWARDED_PROTO": ""}, False),
        ("127.0.0.1", {"HTTP_FORWARDED": "for=127.0.0.1"}, False),
    ],
)
def test_metrics(address: str, headers: dict[str, str], open_: bool) -> None:
    """Metrics are for this machine's own programs, and for keys that may manage."""
    environ = {"REMOTE_ADDR": address, **headers}
    if open_:
        assert asked(ONE, "/metrics", **environ) == b"nobody"
    else:
        assert refused(ONE, "/metrics", **environ).status == 401
    now = snapshot(key(secret=SECRET, allow_endpoints=("manage",)))
    manager = auth(installed(now))
    assert asked(manager, "/metrics", HTTP_X_API_KEY=SECRET, **environ) != b""
    if not open_:
        code = refused(ONE, "/metrics", HTTP_X_API_KEY=SECRET, **environ).code
        assert code == "endpoint_not_allowed"


def test_before_anything_is_known() -> None:
    """Until the keys are known only what is always open answers, and at once."""
    installation = installed(snapshot(key()))
    source = Known(snapshot(key()))
    source.broken = GatewayError("", detail="no database")
    installation.current = current = Current(source)
    app = auth(installation)
    try:
        for path in OPEN:
            assert asked(app, path) == b"nobody"
        for more in ({}, {"HTTP_X_API_KEY": SECRET}):
            error = refused(app, **more)
            assert (error.status, error.code) == (503, "storage_unavailable")
        source.broken = None
        current.renew()
        assert asked(app, HTTP_X_API_KEY=SECRET) == b"key_k"
    finally:
        current.close()


def test_unknown_paths() -> None:
    """What is not there is a 404 for whoever has a key, and a 401 for others."""
    app = gateway(key())
    for path in ("/nothing", "/v1/nothing", "/api/nothing"):
        assert ask(app, "GET", path).status == 401
    answer = ask(app, "GET", "/v1/nothing", x_api_key=SECRET)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")


# ------------------------------------------------------------ how a key comes


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_AUTHORIZATION": f"Bearer {SECRET}"},
        {"HTTP_AUTHORIZATION": f"bearer   {SECRET}  "},
        {"HTTP_AUTHORIZATION": f"BEARER {SECRET}", "HTTP_X_API_KEY": SECRET},
        {"HTTP_X_API_KEY": SECRET, "HTTP_API_KEY": SECRET},
        {"HTTP_AUTHORIZATION": "Basic dXNlcjpwYXNz", "HTTP_API_KEY": SECRET},
        {"HTTP_AUTHORIZATION": "Bearer ", "HTTP_X_API_KEY": SECRET},
        {"HTTP_AUTHORIZATION": f"Bearer {SECRET}", "HTTP_X_API_KEY": ""},
    ],
)
def test_k3_one_key(headers: dict[str, str]) -> None:
    """A key is good in either header, also twice, also beside what is none."""
    assert asked(ONE, **headers) == b"key_k"


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_AUTHORIZATION": f"Bearer {SECRET}", "HTTP_X_API_KEY": OTHER},
        {"HTTP_AUTHORIZATION": f"Bearer {OTHER}", "HTTP_API_KEY": SECRET},
        {"HTTP_X_API_KEY": SECRET, "HTTP_API_KEY": OTHER},
        {"HTTP_AUTHORIZATION": f"Bearer {SECRET}", "HTTP_API_KEY": SECRET.upper()},
    ],
)
def test_k3_two_keys(headers: dict[str, str]) -> None:
    """Two different keys are a 401, even if both are good."""
    app = auth(installed(snapshot(key(), key("other", OTHER))))
    error = refused(app, **headers)
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert error.message.startswith("Two different API keys")


@pytest.mark.parametrize(
    "headers",
    [
        {"QUERY_STRING": f"key={SECRET}&api_key={SECRET}&api-key={SECRET}"},
        {"HTTP_COOKIE": f"api_key={SECRET}; x-api-key={SECRET}"},
        {"HTTP_AUTHORIZATION": SECRET},
        {"HTTP_AUTHORIZATION": f"Token {SECRET}"},
        {"HTTP_AUTHORIZATION": f"Bearer{SECRET}"},
        {"HTTP_AUTHORIZATION": f" Bearer {SECRET}"},
        {"HTTP_PROXY_AUTHORIZATION": f"Bearer {SECRET}"},
        {"HTTP_X_GOOG_API_KEY": SECRET},
    ],
)
def test_k3_nowhere_else(headers: dict[str, str]) -> None:
    """A key is read from no other place, above all from no URL."""
    assert refused(ONE, **headers).status == 401


# ------------------------------------------------------------ which key is good


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, None),
        ({"expires_at": MOMENT + 1}, None),
        ({"expires_at": MOMENT}, "expired"),
        ({"expires_at": 0}, "expired"),
        ({"enabled": False}, "disabled"),
        ({"revoked_at": MOMENT - 1}, "revoked"),
        ({"revoked_at": 0, "enabled": False, "expires_at": 0}, "revoked"),
    ],
)
def test_states(fields: dict[str, Any], words: str | None) -> None:
    """Whoever has the secret of a key that is good no more is told why."""
    app = auth(installed(snapshot(key(**fields))), clock=lambda: NOW)
    if words is None:
        assert asked(app, HTTP_X_API_KEY=SECRET) == b"key_k"
        return
    error = refused(app, HTTP_X_API_KEY=SECRET)
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert words in error.message
    assert error.detail == "key key_k"
    assert words not in refused(app, HTTP_X_API_KEY=SECRET + "x").message


@pytest.mark.parametrize(
    ("until", "good"), [(MOMENT + 1, True), (MOMENT, False), (None, False)]
)
def test_a_rotated_key(until: int | None, good: bool) -> None:
    """After a rotation the old secret is good for a while, the new one for ever."""
    fields = {"previous_digest": key().digest, "previous_until": until}
    rotated = key("k", OTHER, **fields)
    app = auth(installed(snapshot(rotated)), clock=lambda: NOW)
    exchanges = {secret: Exchange() for secret in (OTHER, SECRET)}
    new, old = ({"HTTP_X_API_KEY": s, KEY: e} for s, e in exchanges.items())
    assert asked(app, **new) == b"key_k"
    if good:
        assert asked(app, **old) == b"key_k"
        assert [one.outdated for one in exchanges.values()] == [False, True]
    else:
        error = refused(app, HTTP_X_API_KEY=SECRET)
        assert (error.status, error.code) == (401, "invalid_api_key")
        assert "replaced" in error.message


def test_another_snapshot() -> None:
    """A key that is made, or revoked, counts from the next snapshot on."""
    installation = installed(snapshot(key()))
    source = Known(snapshot(key()))
    installation.current = Current(source)
    installation.current.renew()
    app = auth(installation)
    assert asked(app, HTTP_X_API_KEY=SECRET) == b"key_k"
    source.now = snapshot(key(revoked_at=1), key("new", OTHER), version=2)
    installation.current.renew()
    assert "revoked" in refused(app, HTTP_X_API_KEY=SECRET).message
    assert asked(app, HTTP_X_API_KEY=OTHER) == b"key_new"


def test_a_snapshot_that_is_mistaken() -> None:
    """A key that is found under a digest that is not its own is none."""
    mistaken = key("other", OTHER, previous_until=2**53)
    app = auth(installed(snapshot()))
    app.current = Current(Known(Snapshot(version=1, keys={key().digest: mistaken})))
    app.current.renew()
    assert app.current.closed
    assert refused(app, HTTP_X_API_KEY=SECRET).message.startswith("Incorrect")


# ------------------------------------------------------------ what is said


@pytest.mark.parametrize(
    ("sent", "begin"),
    [
        ({}, "You didn't provide an API key. "),
        ({"HTTP_AUTHORIZATION": "Bearer"}, "You didn't provide an API key. "),
        ({"HTTP_AUTHORIZATION": ""}, "You didn't provide an API key. "),
        ({"HTTP_AUTHORIZATION": SECRET}, "The header Authorization has no 'Bearer '"),
        ({"HTTP_AUTHORIZATION": f"Token {SECRET}"}, "The header Authorization has no "),
    ],
)
def test_no_key(sent: dict[str, str], begin: str) -> None:
    """Whoever forgets a key, or the word before it, is told how; so is the log."""
    error = refused(ONE, **sent)
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert error.message.startswith(begin)
    assert SECRET[3:] not in error.message + error.detail
    assert Redaction().redacted(error.message) == error.message


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        (SECRET, "sk-…ters"),
        ("x" * 8, "xx…"),
        ("abcdefghijklmnop", "abc…p"),
        ("a", "…"),
        ("", "…"),
        ("passwörd" * 9, "…"),
        ("tab\tin\tit" * 9, "…"),
        ("y" * 8000, "yyy…yyyy"),
    ],
)
def test_masked(secret: str, shown: str) -> None:
    """Of a wrong key few characters are repeated, of a short one fewer."""
    assert masked(secret) == shown


@given(st.text(st.characters(max_codepoint=255)))
def test_masked_always(secret: str) -> None:
    """Never more than 7 characters, or a quarter, whatever it is."""
    assert len(masked(secret)) - 1 <= min(7, len(secret) // 4)


def test_a_mistyped_key_while_the_database_is_down() -> None:
    """What cannot be a new key is a 401, what may be one a 503."""
    installation = installed(snapshot(key()))
    installation.current.failure = GatewayError("", detail="it is gone")
    ours = new_secret()
    wrong = ours[:-1] + ("b" if ours[-1] == "a" else "a")
    app = auth(installation)
    assert refused(app, HTTP_X_API_KEY=wrong).status == 401
    assert refused(app, HTTP_X_API_KEY=ours).status == 503


def test_a_wrong_key() -> None:
    """Its owner is told which one it was, and what is wrong with a mistyped one."""
    error = refused(ONE, HTTP_AUTHORIZATION=f"Bearer {OTHER}")
    assert error.message == "Incorrect API key provided: ano…ere."
    ours = new_secret()
    assert "typing error" not in refused(ONE, HTTP_X_API_KEY=ours).message
    wrong = ours[:-1] + ("b" if ours[-1] == "a" else "a")
    error = refused(ONE, HTTP_X_API_KEY=wrong)
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert "typing error" in error.message
    assert wrong not in error.message


@pytest.mark.parametrize(
    ("path", "version", "forms"),
    [
        (
            "/v1/chat/completions",
            False,
            [
                {"type": "authentication_error", "param": None,
                 "code": "invalid_api_key"},
                {"type": "permission_error", "param": None,
                 "code": "endpoint_not_allowed"},
            ],
        ),
        ("/v1/messages", False, [{"type": "authentication_error"},
                                 {"type": "permission_error"}]),
        ("/v1/models", True, [{"type": "authentication_error"},
                              {"type": "permission_error"}]),
        ("/api/chat", False, [None, None]),
    ],
)  # fmt: skip
def test_dialects(path: str, version: bool, forms: list[Any]) -> None:
    """A refusal has the form of the route's dialect, and the headers of HTTP."""
    app = gateway(key(allow_endpoints=("audio",)))
    more = {"anthropic_version": "2023-06-01"} if version else {}
    for secret, status, form in zip((OTHER, SECRET), (401, 403), forms, strict=True):
        method = "GET" if path == MODELS else "POST"
        answer = ask(app, method, path, None, x_api_key=secret, **more)
        assert answer.status == status
        told = "Bearer" if status == 401 else None
        assert answer.headers.get("WWW-Authenticate") == told
        error = answer.json["error"]
        if form is None:
            assert isinstance(error, str)
            continue
        assert error.pop("message")
        assert error == form


# ------------------------------------------------------------ what a key opens


@pytest.mark.parametrize("kind", sorted(REQUESTS))
@pytest.mark.parametrize("way", sorted(WAYS))
def test_k3_same_rights_whichever_header(way: str, kind: str) -> None:
    """A key opens the same, and is refused the same, however it is sent."""
    request = REQUESTS[kind]
    good = ask(gateway(key()), *request, **header(way))
    assert good.status == 200, good.body
    for narrow, secret, status in (
        (key(allow_endpoints=("audio",)), SECRET, 403),
        (key(), OTHER, 401),
        (key(enabled=False), SECRET, 401),
    ):
        answer = ask(gateway(narrow), *request, **header(way, secret))
        assert answer.status == status, answer.body


def test_no_right_at_all() -> None:
    """A key without any group opens nothing that has one."""
    app = gateway(key(allow_endpoints=()))
    for request in REQUESTS.values():
        answer = ask(app, *request, x_api_key=SECRET)
        assert answer.status == 403
    message = answer.json["error"]
    assert message.endswith("it would need the group models or native.")


@pytest.mark.parametrize("relay", ["auto", "all", "inference"])
@pytest.mark.parametrize("manages", [True, False])
def test_management(relay: Any, manages: bool) -> None:
    """Changing Ollama's models needs the group, and is closed to all by a setting."""
    upstream = FakeUpstream()
    groups = ("native", "manage") if manages else ("native",)
    app = gateway(key(allow_endpoints=groups), upstream=upstream, relay=relay)
    status = (404 if relay == "inference" else 200) if manages else 403
    for method, path in (("DELETE", "/api/delete"), ("POST", "/api/pull")):
        answer = ask(app, method, path, {"model": "a"}, x_api_key=SECRET)
        assert answer.status == status, answer.body
        assert ask(app, method, path, {"model": "a"}).status == 401
    assert len(upstream.requests) == (2 if status == 200 else 0)
    answer = ask(app, "POST", "/api/chat", CHAT, x_api_key=SECRET)
    assert answer.status == 200


@pytest.mark.parametrize(("keys", "status"), [([key()], 403), ([], 404)])
def test_management_from_afar(keys: list[Key], status: int) -> None:
    """A key of the group may do so by any address; without keys, only from here."""
    keys += [key("manager", OTHER, allow_endpoints=("manage",))] if keys else []
    app = gateway(*keys)
    for secret, wanted in ((SECRET, status), (OTHER, 200 if keys else status)):
        environ = environ_of("POST", "/api/pull", b"{}", SERVER_NAME="192.0.2.9")
        started = Started()
        answer = app(environ | {"HTTP_X_API_KEY": secret}, started)
        b"".join(answer)
        answer.close()
        assert started.status == wanted


@pytest.mark.parametrize("manages", [True, False])
@pytest.mark.parametrize("allowed", [True, False])
def test_deleting_a_model(manages: bool, allowed: bool) -> None:
    """It takes the setting, as ever, and a key of the group."""
    groups = ("models", "manage") if manages else ("models",)
    app = gateway(key(allow_endpoints=groups), model_delete=allowed)
    answer = ask(app, "DELETE", "/v1/models/a", x_api_key=SECRET)
    assert answer.status == (200 if manages and allowed else 403), answer.body


# ------------------------------------------------------------ what is noted


def test_who_asks_is_known_where_it_may_not() -> None:
    """The log names the key also where its rights end."""
    app = auth(installed(snapshot(key(allow_endpoints=()))))
    environ = environ_of("GET", MODELS) | {"HTTP_X_API_KEY": SECRET}
    with pytest.raises(BadRequest):
        app(environ, Started())
    found = Exchange.of(environ).key
    assert found is not None
    assert found.id == "key_k"


def test_use_is_noted_once_in_a_while() -> None:
    """That a key is used is handed on at most once a minute, key by key."""
    installation = installed(snapshot(key(), key("other", OTHER)))
    notes: list[tuple[str, str]] = []
    installation.usage.note_used = lambda *note: notes.append(note)  # type: ignore
    app = auth(installation)
    for at in (0.0, 1.0, NOTED - 0.1, NOTED, NOTED + 1):
        for secret in (SECRET, OTHER, OTHER + "x"):
            environ = environ_of("GET", MODELS) | {"HTTP_X_API_KEY": secret}
            environ["REMOTE_ADDR"] = f"192.0.2.{int(at)}"
            Exchange.of(environ).started = at
            if secret in (SECRET, OTHER):
                app(environ, Started())
    assert notes == [
        ("key_k", "192.0.2.0"),
        ("key_other", "192.0.2.0"),
        ("key_k", "192.0.2.60"),
        ("key_other", "192.0.2.60"),
    ]


def test_notes_of_keys_that_are_gone() -> None:
    """What is remembered of keys does not outgrow them."""
    source = Known(snapshot())
    installation = installed(snapshot())
    installation.usage.note_used = lambda *note: None  # type: ignore[method-assign]
    installation.current = Current(source, "on")
    app = auth(installation)
    for number in range(50):
        one = key(str(number), f"{SECRET}{number}")
        source.now = snapshot(one, version=number + 1)
        installation.current.renew()
        assert asked(app, HTTP_X_API_KEY=f"{SECRET}{number}")
        assert len(app._noted) <= 3


# ------------------------------------------------------------ pages, with keys


@pytest.mark.parametrize(
    ("origins", "origin", "told"),
    [
        ("", "http://localhost:3000", False),
        ("", "https://evil.example", False),
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "http://localhost", False),
        ("https://a.example", "app://x", False),
        ("https://a.example", "https://evil.example", False),
        ("*", "https://evil.example", True),
        ("*", "null", True),
        ("https://*.a.example", "https://b.a.example", True),
        ("https://*.a.example", "x" * 4000, False),
    ],
)
def test_pages(origins: str, origin: str, told: bool) -> None:
    """With keys, only listed pages may read; others pass as programs do."""
    # The linter wants a length of answers that have none.
    app = gateway(key(), lint=lambda app: app, origins=origins)
    answers = [
        ask(app, "GET", MODELS, Origin=origin, x_api_key=SECRET),
        ask(app, "GET", MODELS, Origin=origin),
        ask(app, "OPTIONS", MODELS, Origin=origin),
        ask(app, "GET", "/admin/x", Origin=origin),
    ]
    assert [answer.status for answer in answers[:3]] == [200, 401, 204]
    for answer in answers:
        cors = [name for name, _ in answer.headers if name.startswith("Access-")]
        allowed = answer.headers.get("Access-Control-Allow-Origin")
        assert allowed == (origin if told and answer is not answers[3] else None)
        assert told or not cors
        assert "Access-Control-Allow-Credentials" not in cors


@pytest.mark.parametrize("host", ["evil.example", "8.8.8.8", "localhost", "a b"])
def test_names(host: str) -> None:
    """With keys Pannier may be called by any name."""
    assert ask(gateway(key()), "GET", MODELS, Host=host, x_api_key=SECRET).status == 200
    assert ask(gateway(key()), "GET", MODELS, Host=host).status == 401


def test_without_keys_doors_are_as_before() -> None:
    """Open to all on this machine is not open to foreign names and pages."""
    for more in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        assert ask(gateway(), "GET", MODELS, **more).status == 403
    answer = ask(gateway(), "GET", MODELS, Origin="http://localhost:1")
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:1"
    assert (
        ask(gateway(key(), auth="off"), "GET", MODELS, Host="x.example").status == 403
    )


def test_pages_before_anything_is_known() -> None:
    """A page is told of a failure of the database as programs are."""
    source = Known(snapshot())
    source.broken = GatewayError("", detail="no database")
    current = Current(source)
    try:
        for listed, told in (("", False), ("http://localhost:*", True)):
            app = CorsMiddleware(passed, Doors("", listed), current)
            started = Started()
            app(environ_of("GET", "/x", HTTP_ORIGIN="http://localhost:1"), started)
            assert ("access-control-allow-origin" in started.headers) is told
    finally:
        current.close()
