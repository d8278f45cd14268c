"""How long a call may take: what a client, a model, and the server say of it."""

import socket
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from support.gateway import installed, key, snapshot
from support.ollama import CHAT, EMBED, FakeUpstream, ask
from support.stack import linted

from app.carriers.base import Timeouts
from app.exchange import Exchange
from app.gateway.entries import AliasEntry, ModelEntry
from app.gateway.snapshot import NOTHING, Snapshot
from app.settings import Settings
from middleware.overrides import Overrides
from middleware.stack import build_stack

SECRET = "sk-test-key-of-thirty-two-characters"
NAMES = ("timeout", "timeout_ms", "timeoutMs", "request_timeout", "requestTimeout")
PATHS = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"prompt": "hi"},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/embeddings": {"input": "hi"},
    "/v1/fim/completions": {"prompt": "hi"},
}
CHATS = "/v1/chat/completions"


def sent(
    now: Snapshot,
    fields: dict[str, Any],
    path: str = CHATS,
    settings: dict[str, Any] | None = None,
    **headers: str,
) -> Timeouts:
    """The limits with which Ollama is called."""
    upstream = FakeUpstream(EMBED if path.endswith("embeddings") else CHAT)
    chosen = Settings(access_log=False, responses_ttl=0, **(settings or {}))
    with patch("middleware.stack.Upstream.of", lambda settings: upstream):
        app = build_stack(chosen, installed(now))
    body = {"model": "m", **PATHS[path], **fields}
    ask(app, path=path, body=body, Authorization=f"Bearer {SECRET}", **headers)
    (request,) = upstream.requests
    return request.timeouts


def models(**overrides: Any) -> Snapshot:
    """One model, ``m``, with these overrides."""
    return snapshot(models=[ModelEntry(name="m", overrides=overrides)])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NAMES)
def test_the_spellings(path: str, name: str) -> None:
    """Each name means milliseconds, on every endpoint."""
    assert sent(NOTHING, {name: 1500}, path).total == 1.5


@pytest.mark.parametrize(
    ("fields", "header", "seconds"),
    [
        ({}, None, 3600),
        ({"timeout": 250}, None, 0.25),
        ({"timeout": 250.5}, None, 0.2505),
        ({"timeout": 2, "requestTimeout": 1}, None, 0.002),
        ({"timeout": None, "requestTimeout": 1}, None, 0.001),
        ({"metadata": {"timeout_ms": 1500}}, None, 1.5),
        ({"metadata": {"timeout_ms": "1500"}}, None, 1.5),
        ({"metadata": {"timeout": "when done", "timeout_ms": "5"}}, None, 0.005),
        ({"metadata": {"timeout": True}}, None, 3600),
        ({"extra_body": {"timeout": 1500}}, None, 1.5),
        ({"extra_body": {"timeout": 1500}, "timeout": 2500}, None, 2.5),
        ({}, "1500", 1.5),
        ({}, " 1500 ", 1.5),
        ({"timeout": 2500}, "1500", 2.5),
        ({"metadata": {"timeout": 2500}}, "1500", 2.5),
        ({"metadata": {"user": "me"}}, "1500", 1.5),
        # Not a wait without an end: the server's.
        ({"timeout": 0}, None, 3600),
        ({"timeout": -1}, None, 3600),
        ({}, "0", 3600),
        ({}, "-5", 3600),
        # Never longer than the server's.
        ({"timeout": 3_600_001}, None, 3600),
        ({"timeout": 1e300}, None, 3600),
        ({}, "999999999999999999", 3600),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_a_client_says(
    fields: Any, header: str | None, seconds: float, stream: bool
) -> None:
    """A client shortens its wait and never makes it longer; 0 is the server's."""
    headers = {} if header is None else {"X_Request_Timeout": header}
    found = sent(NOTHING, {**fields, "stream": stream}, **headers)
    assert found.total == seconds
    assert (found.connect, found.idle) == (5, 120 if stream else None)
    assert found.first_byte == (600 if stream else None)


@pytest.mark.parametrize(
    ("fields", "header", "param", "code"),
    [
        ({"timeout": "5"}, None, "timeout", "invalid_type"),
        ({"timeout_ms": True}, None, "timeout_ms", "invalid_type"),
        ({"requestTimeout": {}}, None, "requestTimeout", "invalid_type"),
        ({"extra_body": {"timeout": "5"}}, None, "timeout", "invalid_type"),
        ({}, "5s", "X-Request-Timeout", "invalid_value"),
        ({}, "1.5", "X-Request-Timeout", "invalid_value"),
        ({}, "", "X-Request-Timeout", "invalid_value"),
        ({}, "9" * 19, "X-Request-Timeout", "invalid_value"),
    ],
)
def test_no_time(fields: Any, header: str | None, param: str, code: str) -> None:
    """What is no number is a 400 that names it."""
    app = linted(FakeUpstream().send)  # type: ignore[arg-type]  # is not called
    headers = {} if header is None else {"X_Request_Timeout": header}
    answer = ask(app, body={"model": "m", **PATHS[CHATS], **fields}, **headers)
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)


@pytest.mark.parametrize(
    ("overrides", "fields", "total"),
    [
        ({"request_timeout": 5000}, {}, 5),
        ({"request_timeout": 99_999_999}, {}, 99_999.999),
        ({"request_timeout": 0}, {}, None),
        ({"request_timeout": 0}, {"timeout": 1500}, 1.5),
        ({"request_timeout": 99_999_999}, {"timeout": 1500}, 1.5),
        ({"request_timeout": 99_999_999}, {"timeout": 9_999_000}, 9999),
        ({"request_timeout": 5000}, {"timeout": 9000}, 5),
        ({"request_timeout": 5000}, {"timeout": 0}, 5),
        ({"request_timeout": {"value": 5000, "mode": "force"}}, {"timeout": 1}, 5),
        ({"request_timeout": {"mode": "remove"}}, {}, 3600),
        ({"top_k": 5}, {}, 3600),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_what_a_model_says(
    path: str, overrides: Any, fields: Any, total: float | None
) -> None:
    """A model's total takes the place of the server's, longer ones too."""
    assert sent(models(**overrides), fields, path).total == total
    if path == CHATS:
        assert sent(models(**overrides), {**fields, "stream": True}).total == total


@pytest.mark.parametrize(
    ("stream", "first", "idle"), [(True, 0.5, 0.25), (False, None, None)]
)
def test_the_times_of_streams(stream: bool, first: Any, idle: Any) -> None:
    """The first token and silence are waited for in streams, as long as is set."""
    now = models(first_token_timeout=500, idle_timeout=250)
    found = sent(now, {"stream": stream})
    assert (found.first_byte, found.idle, found.total) == (first, idle, 3600)
    if stream:
        now = models(first_token_timeout=0, idle_timeout=0)
        found = sent(now, {"stream": stream})
        assert (found.first_byte, found.idle) == (None, None)


def test_without_a_total() -> None:
    """Where the server waits for ever, a client's word is the only one."""
    setting = {"total_timeout": 0}
    assert sent(NOTHING, {}, settings=setting).total is None
    assert sent(NOTHING, {"timeout": 1500}, settings=setting).total == 1.5


def test_the_layers_of_times() -> None:
    """Alias, model, key and all: the first that says a time counts."""
    parts: dict[str, Any] = {"alias": 1, "model": 2, "key": 3, "global": 4}
    for name in list(parts):
        rules = {n: {"request_timeout": t * 1000} for n, t in parts.items()}
        now = snapshot(
            key(secret=SECRET, overrides=rules.get("key", {})),
            aliases=[
                AliasEntry(name="a", target="m", overrides=rules.get("alias", {}))
            ],
            models=[ModelEntry(name="m", overrides=rules.get("model", {}))],
            overrides=rules.get("global", {}),
        )
        assert sent(now, {"model": "a"}).total == parts.pop(name)


def test_native_routes() -> None:
    """A model's time counts on Ollama's own routes, whether or not they stream."""
    current = installed(models(request_timeout=9_999_000, idle_timeout=500)).current
    exchange = Exchange(model="m", resolved="m")
    members = {"model": msgspec.Raw(b'"m"')}
    Overrides(current, Settings()).native(exchange, members, "/api/chat")
    assert exchange.timeouts == Timeouts(5, first_byte=9999, idle=0.5, total=9999)


@pytest.fixture
def silence() -> Iterator[str]:
    """The URL of an Ollama that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("stream", [True, False])
def test_when_the_time_is_over(silence: str, stream: bool) -> None:
    """Then the answer is a 504 that says how long it was."""
    settings = Settings(upstream_url=silence, access_log=False, responses_ttl=0)
    app = build_stack(settings)
    body = {"model": "m", **PATHS[CHATS], "timeout": 50, "stream": stream}
    answer = ask(app, body=body)
    assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")
    assert "0.05 seconds" in answer.error["message"]


@pytest.mark.parametrize("header", ["500", "99999999", "0", "-1", None])
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed"])
@pytest.mark.parametrize("set_", [{}, {"request_timeout": 7_200_000}, {"top_k": 1}])
@pytest.mark.parametrize("keyed", [False, True])
def test_a_client_may_shorten_a_native_call(
    header: str | None, path: str, set_: dict[str, Any], keyed: bool
) -> None:
    """The header counts on Ollama's own routes that use models, and never lengthens."""
    upstream = FakeUpstream()
    keys = [key(secret=SECRET)] if keyed else []
    now = snapshot(*keys, overrides=set_) if keyed or set_ else NOTHING
    chosen = Settings(access_log=False, responses_ttl=0)
    with patch("middleware.stack.Upstream.of", lambda settings: upstream):
        app = build_stack(chosen, installed(now))
    headers = {"Authorization": f"Bearer {SECRET}"} if keyed else {}
    headers |= {"X-Request-Timeout": header} if header is not None else {}
    answer = ask(app, path=path, body={"model": "m", "prompt": "x"}, **headers)
    assert answer.status == 200
    most = 7200 if set_.get("request_timeout") else 3600
    assert upstream.requests[0].timeouts.total == (0.5 if header == "500" else most)
    wrong = ask(app, path=path, body={}, **(headers | {"X-Request-Timeout": "5s"}))
    assert wrong.status == 400
    assert "X-Request-Timeout" in wrong.json["error"]
