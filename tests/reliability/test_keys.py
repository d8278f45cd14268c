"""Keys: whatever is sent as one, wherever it comes, and where it never goes."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bare import post, said, statuses
from support.gateway import key
from support.keyed import CHAT, OTHER, REQUESTS, SECRET, WAYS, Keyring, gateway, header
from support.leaving import eventually
from support.ollama import FakeUpstream, Started, environ_of
from support.ollama import ask as ask_app
from support.raw import ask
from support.server import Server
from support.simulator import Simulator

from app.errors import GatewayError
from app.gateway.credentials import new_secret
from app.gateway.guesses import ALLOWED, MOST
from middleware.errors import ErrorMiddleware

CHATS = "/v1/chat/completions"
HEADERS = ("Authorization", "X-Api-Key", "Api-Key")

#: What is no key, as bytes of a header's value.
ODD = [
    b"",
    b"Bearer",
    b"bearer",
    b"Bearer ",
    b"Bearer    ",
    b"bearer wrong",
    b"BEARER     wrong   ",
    b"Bearer Bearer wrong",
    b"Basic dXNlcjpwYXNz",
    b"' OR '1'='1",
    b"Bearer ' OR 1=1 --",
    b'Bearer "; DROP TABLE api_key; --',
    b"Bearer %' ESCAPE '\\",
    b"Bearer \x80\xff\xfe",
    "Bearer schlüssel".encode(),
    b"Bearer " + b"x" * 8000,
    b"\xff" * 8000,
    b"Bearer {\"$ne\": null}",
    b"Bearer sk-" + b"0" * 45,
    b"Bearer sk-test-key-of-thirty-two-character",
    b"Bearer sk-test-key-of-thirty-two-charactersx",
    b"Bearer SK-TEST-KEY-OF-THIRTY-TWO-CHARACTERS",
    b"Bearer null",
    b"Bearer undefined",
]  # fmt: skip


# ------------------------------------------------------------ in process


ALONE = gateway(key())
#: Where guesses come from.
A = "192.0.2.1"


def answer_to(app: Any, name: str, value: bytes, address: str) -> tuple[Started, bytes]:
    """What is answered to a chat with a header of any bytes."""
    environ = environ_of("POST", CHATS, b"{}") | {"REMOTE_ADDR": address}
    environ["HTTP_" + name.upper().replace("-", "_")] = value.decode("latin-1")
    started = Started()
    answer = app(environ, started)
    try:
        return started, b"".join(answer)
    finally:
        answer.close()


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", [*ODD, b"Bearer \x00", b"\x00", b"a\r\nX: y"])
def test_k2_what_is_no_key(name: str, value: bytes) -> None:
    """Whatever is sent as a key and is none is a plain 401, and not repeated."""
    address = str(hash((name, value)))
    started, body = answer_to(ALONE, name, value, address)
    assert started.status == 401
    assert started.headers["www-authenticate"] == "Bearer"
    assert b'"code":"invalid_api_key"' in body
    assert len(body) < 400
    assert len(value) < 20 or value[7:] not in body


@given(st.binary(max_size=300), st.sampled_from(HEADERS))
def test_k2_any_bytes(value: bytes, name: str) -> None:
    """Any bytes as well."""
    started, body = answer_to(ALONE, name, b"Bearer " + value, repr(value))
    assert started.status == 401
    assert b'"code":"invalid_api_key"' in body


def test_k7_wrong_keys() -> None:
    """Of sixty wrong keys the last are a 429; the good key never waits for them."""
    app = gateway(key())
    for number in range(60):
        started, body = answer_to(app, "X-Api-Key", b"wrong-%d" % number, "192.0.2.1")
        if number < ALLOWED:
            assert started.status == 401
        else:
            assert started.status == 429
            assert b'"code":"rate_limit_exceeded"' in body
            assert 1 <= int(started.headers["retry-after"]) <= 60
        good, _ = answer_to(app, "X-Api-Key", SECRET.encode(), "192.0.2.1")
        assert good.status == 400  # the body is no chat
    elsewhere, _ = answer_to(app, "X-Api-Key", b"wrong", "192.0.2.2")
    assert elsewhere.status == 401


def test_k7_a_weak_key() -> None:
    """A key that could be guessed is a 429 like wrong ones, whoever has it there."""
    app = gateway(key(weak=True))
    for number in range(ALLOWED):
        assert answer_to(app, "X-Api-Key", SECRET.encode(), A)[0].status == 400
        assert answer_to(app, "X-Api-Key", b"wrong-%d" % number, A)[0].status == 401
    started, body = answer_to(app, "X-Api-Key", SECRET.encode(), A)
    assert (started.status, b"Too many wrong" in body) == (429, True)
    assert 1 <= int(started.headers["retry-after"]) <= 60
    assert answer_to(app, "X-Api-Key", SECRET.encode(), "192.0.2.2")[0].status == 400


def test_k7_a_weak_key_while_the_database_is_down() -> None:
    """Unknown keys then count against guessing, though each is a 503."""
    app, _ = broken(weak=True)
    for number in range(ALLOWED):
        assert answer_to(app, "X-Api-Key", SECRET.encode(), A)[0].status == 400
        assert answer_to(app, "X-Api-Key", b"wrong-%d" % number, A)[0].status == 503
    assert answer_to(app, "X-Api-Key", SECRET.encode(), A)[0].status == 429


def test_k7_what_is_no_guess() -> None:
    """Requests without a key, or with one that is good no more, are not counted."""
    app = gateway(key(enabled=False))
    for secret in (b"", SECRET.encode()):
        for _ in range(2 * ALLOWED):
            started, _ = answer_to(app, "X-Api-Key", secret, "192.0.2.1")
            assert started.status == 401


def test_k7_no_growth() -> None:
    """However many addresses send wrong keys, few are remembered."""
    app = gateway(key(), lint=lambda app: app)
    layer: Any = app
    while not hasattr(layer, "guesses"):
        layer = layer.app
    bare = ErrorMiddleware(layer)
    for number in range(MOST + 500):
        started, _ = answer_to_bare(bare, f"2001:db8:{number:x}::1")
        assert started.status == 401
    assert len(layer.guesses) == MOST


def answer_to_bare(app: Any, address: str) -> tuple[Started, bytes]:
    """What is answered to a wrong key, outside of all other layers."""
    started = Started()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/models"}
    environ |= {"HTTP_X_API_KEY": "wrong", "REMOTE_ADDR": address}
    return started, b"".join(app(environ, started))


def test_q2_a_key_that_may_be_new() -> None:
    """While the database cannot be asked, known keys are good and others a 503."""
    app, current = broken()
    good, _ = answer_to(app, "X-Api-Key", SECRET.encode(), "192.0.2.1")
    assert good.status == 400  # the body is no chat
    for _ in range(2 * ALLOWED):  # which may be good ones, and so are not counted
        started, body = answer_to(app, "X-Api-Key", OTHER.encode(), "192.0.2.1")
        assert started.status == 503
        assert started.headers["retry-after"] == "1"
        assert b'"code":"storage_unavailable"' in body
        assert b"no such disk" not in body
    ours = new_secret()
    mistyped = ours[:-1] + ("b" if ours[-1] == "a" else "a")
    started, _ = answer_to(app, "X-Api-Key", mistyped.encode(), "192.0.2.1")
    assert started.status == 401
    started, _ = answer_to(app, "X-Api-Key", b"", "192.0.2.1")
    assert started.status == 401
    current.failure = None
    started, _ = answer_to(app, "X-Api-Key", OTHER.encode(), "192.0.2.1")
    assert started.status == 401


def broken(**more: Any) -> tuple[Any, Any]:
    """Pannier with a key, whose database can be asked no more; and what knows that."""
    app = gateway(key(**more), lint=lambda app: app)
    layer: Any = app
    while not hasattr(layer, "guesses"):
        layer = layer.app
    layer.current.failure = GatewayError("", detail="no such disk")
    return app, layer.current


@pytest.mark.parametrize("kind", sorted(REQUESTS))
@pytest.mark.parametrize("way", sorted(WAYS))
def test_h4_k2_no_key_goes_on(way: str, kind: str) -> None:
    """A client's key is in no request to Ollama, no answer and no explanation."""
    upstream = FakeUpstream()
    app = gateway(key(), upstream=upstream, upstream_api_key="sk-of-the-upstream")
    method, path, body = REQUESTS[kind]
    for more in ({}, {"X_Pannier_Explain": "1"}):
        answer = ask_app(app, method, path, body, **header(way), **more)
        assert answer.status == 200
        assert SECRET.encode() not in answer.body
        assert SECRET not in str(answer.headers)
    assert upstream.requests
    assert SECRET not in repr(upstream.requests)


# ------------------------------------------------------------ as it is served


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def keyring(state: Path) -> Iterator[Keyring]:
    """Its keys: there is one from the beginning."""
    ring = Keyring(state)
    ring.add("first", SECRET, allow_endpoints=("chat", "models", "native"))
    yield ring
    ring.close()


@pytest.fixture(scope="module")
def closed(simulator: Simulator, state: Path, keyring: Keyring) -> Iterator[Server]:
    """Two workers of a Pannier that needs keys."""
    env = {
        "OLLAMA_URL": simulator.url,
        "PANNIER_STATE_DIR": str(state),
        "WEB_CONCURRENCY": "2",
    }
    with Server(env) as running:
        yield running


@pytest.mark.live
@pytest.mark.parametrize("name", HEADERS)
def test_k2_on_the_wire(closed: Server, name: str) -> None:
    """A server that is sent such bytes says 401, or refuses them as no HTTP."""
    for value in ODD:
        field = f"{name}: {value.decode('latin-1')}"
        more = ("Content-Length: 2", "Connection: close", field)
        answer, _ = said(closed.port, post(CHATS, *more, body=b"{}"))
        assert statuses(answer) in ([401], [429]), value
        assert len(value) < 20 or value[7:] not in answer
    for value in ("a\x00b", "a\x7fb"):
        more = ("Content-Length: 2", "Connection: close", f"{name}: {value}")
        answer, _ = said(closed.port, post(CHATS, *more, body=b"{}"))
        assert statuses(answer) in ([400], [401], [429]), value


@pytest.mark.live
def test_k2_the_next_request(closed: Server) -> None:
    """What is refused without reading its body leaves the connection in order."""
    body = b"x" * 200_000
    wrong = post(CHATS, f"Content-Length: {len(body)}", body=body)
    good = post(
        CHATS,
        f"Authorization: Bearer {SECRET}",
        "Content-Length: 2",
        "Connection: close",
        body=b"{}",
    )
    answer, _ = said(closed.port, wrong, good)
    assert statuses(answer) in ([401, 400], [401])


@pytest.mark.live
def test_k1_nothing_that_is_kept_tells_a_key(closed: Server, state: Path) -> None:
    """No file of Pannier's has a key in it, nor has what it says of its start."""
    headers = {"x-api-key": SECRET}
    assert ask(closed.port, "GET", "/v1/models", headers=headers).status == 200
    kept = [path for path in state.rglob("*") if path.is_file()]
    assert len(kept) >= 2
    for path in kept:
        assert SECRET.encode() not in path.read_bytes(), path
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.live
def test_k6_changes_are_felt_by_all_workers(closed: Server, keyring: Keyring) -> None:
    """A key that is made, disabled, enabled or revoked is so in every worker soon."""
    made = keyring.add("changing", OTHER)
    for changes, status in (
        ({}, 200),
        ({"enabled": False}, 401),
        ({"enabled": True}, 200),
        ({"expires_at": 1}, 401),
        ({"expires_at": None}, 200),
        ({"revoked_at": 1}, 401),
    ):
        if changes:
            keyring.change(made, **changes)
        begun = time.monotonic()
        eventually(lambda status=status: felt(closed.port, status))
        assert time.monotonic() - begun < 5


def felt(port: int, status: int) -> bool:
    """Whether sixteen requests, each to whichever worker, all have this status."""
    headers = {"x-api-key": OTHER}
    return all(
        ask(port, "GET", "/v1/models", headers=headers).status == status
        for _ in range(16)
    )


@pytest.mark.live
def test_g2_k1_no_key_is_in_the_log(closed: Server) -> None:
    """Keys, good and wrong, are in no line, whatever became of their requests."""
    wrong = "hunter2-of-somebody-else"
    for secret in (SECRET, wrong, "sk-" + "Ab1" * 15):
        for name in HEADERS:
            value = f"Bearer {secret}" if name == "Authorization" else secret
            for method, path, body in (
                ("POST", CHATS, CHAT | {"model": "tiny"}),
                ("POST", CHATS, {}),
                ("POST", "/v1/embeddings", {"model": "tiny", "input": "x"}),
                ("GET", f"/v1/models?api-key={secret}&key={secret}", None),
                ("DELETE", "/api/delete", {"model": "nope"}),
                ("GET", "/nothing", None),
            ):
                ask(closed.port, method, path, body, {name: value})
    last = ask(closed.port, "GET", "/nothing", headers={"x-api-key": SECRET})
    assert last.status == 404
    id = last.header("x-request-id")
    assert id
    eventually(lambda: id in closed.output())
    log = closed.output()
    assert " key=key_first " in log
    for secret in (SECRET, OTHER, wrong, "Ab1" * 15):
        assert secret not in log
