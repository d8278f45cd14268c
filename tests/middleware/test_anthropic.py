"""The edge of Anthropic's dialect: its errors, wherever they arise, and its models."""

from typing import Any

import gevent
import pytest
from anthropic.types import ModelInfo
from support.messages import COUNT, HI, MESSAGES, error, events
from support.ollama import FakeUpstream, Ollama, ask
from support.stack import linted, stacked
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.errors import (
    GatewayError,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)

GOOD = {"model": "m", "messages": HI}
VERSION = {"anthropic_version": "2023-06-01"}
OLDER = "/anthropic/v1/messages"

# ------------------------------------------------------------------ what was asked


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("POST", "/v1/messages/nothing", 404, "not_found_error"),
        ("GET", "/v1/messages/x/y", 404, "not_found_error"),
        ("POST", "/anthropic/v1/nothing", 404, "not_found_error"),
        ("GET", "/anthropic/", 404, "not_found_error"),
        ("GET", MESSAGES, 405, "invalid_request_error"),
        ("PUT", OLDER, 405, "invalid_request_error"),
        ("DELETE", COUNT, 405, "invalid_request_error"),
        ("GET", "/messages", 405, "invalid_request_error"),
        ("POST", "/messages/nothing", 404, "not_found_error"),
        ("POST", "/messages/batches", 501, "api_error"),
        ("POST", "/v1/messages/batches", 501, "api_error"),
        ("GET", "/v1/messages/batches/b/results", 501, "api_error"),
        ("POST", "/v1/complete", 501, "api_error"),
        ("DELETE", "/anthropic/v1/models/m", 403, "permission_error"),
    ],
)
def test_paths(method: str, path: str, status: int, kind: str) -> None:
    """What is not there, or not so, is said in Anthropic's words."""
    answer = ask(stacked(FakeUpstream()), method, path, GOOD)
    error(answer, status, kind)
    assert answer.headers["request-id"] == answer.json["request_id"]


def test_a_base_url_with_v1() -> None:
    """Anthropic's clients add it by themselves: the 404 says what is wrong."""
    answer = ask(stacked(FakeUpstream()), "POST", "/v1/v1/messages", GOOD, **VERSION)
    assert "base URL must end without it" in error(answer, 404, "not_found_error")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/nothing", 404, "not_found_error"),
        ("/v1/chat/completions", 400, "invalid_request_error"),
        ("/v1/files", 501, "api_error"),
        ("/nothing", 404, "not_found_error"),
    ],
)
def test_paths_that_others_have_too(path: str, status: int, kind: str) -> None:
    """Who sends ``anthropic-version`` is answered so everywhere; nobody else is."""
    app = stacked(FakeUpstream())
    error(ask(app, "POST", path, {}, **VERSION), status, kind)
    assert ask(app, "POST", path, {}).json.keys() == {"error"}


@pytest.mark.parametrize("path", [MESSAGES, OLDER, COUNT])
@pytest.mark.parametrize(
    ("body", "headers", "status", "kind"),
    [
        (b"", {}, 400, "invalid_request_error"),
        (b"{", {}, 400, "invalid_request_error"),
        (b"[]", {}, 400, "invalid_request_error"),
        (b"\xff", {}, 400, "invalid_request_error"),
        (b'{"model":NaN}', {}, 400, "invalid_request_error"),
        (
            b"x",
            {"Content_Type": "multipart/form-data; boundary=x"},
            415,
            "invalid_request_error",
        ),
        (b"x", {"Content_Encoding": "br"}, 415, "invalid_request_error"),
        (b"x", {"Content_Encoding": "gzip"}, 400, "invalid_request_error"),
        (b" " * 2000, {}, 413, "request_too_large"),
    ],
)
def test_bodies(path: str, body: bytes, headers: Any, status: int, kind: str) -> None:
    """A body that is none, or too large, or compressed oddly."""
    ollama = Ollama()
    answer = ask(linted(ollama, max_body_bytes=1024), "POST", path, body, **headers)
    error(answer, status, kind)
    assert ollama.calls == []


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
def test_foreign_pages(path: str) -> None:
    """A web page from elsewhere is refused in the same words."""
    answer = ask(linted(Ollama()), "POST", path, GOOD, Origin="http://evil.example")
    error(answer, 403, "permission_error")


# ------------------------------------------------------------------ what failed


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (UpstreamUnreachable("Ollama cannot be reached."), 502, "api_error"),
        (UpstreamTimeout("Ollama took too long."), 504, "timeout_error"),
        (UpstreamBroken("It broke."), 502, "api_error"),
        (ValueError("a bug"), 500, "api_error"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_failures(failure: Exception, status: int, kind: str, stream: bool) -> None:
    """What fails on the way to Ollama has its status and its type."""
    upstream = FakeUpstream(failure=failure)
    answer = ask(stacked(upstream), "POST", MESSAGES, GOOD | {"stream": stream})
    said = error(answer, status, kind)
    assert "a bug" not in said


@pytest.mark.parametrize("stream", [True, False])
def test_a_full_ollama(stream: bool) -> None:
    """It is a 529 that says when to try again; OpenAI's clients know a 503."""
    busy = b'{"error":"server busy, please try again."}'
    for status in ("503 Service Unavailable",):
        app = linted(Ollama(busy, status=status))
        answer = ask(app, "POST", MESSAGES, GOOD | {"stream": stream})
        assert error(answer, 529, "overloaded_error").startswith("server busy")
        assert answer.headers["Retry-After"] == "1"
        assert ask(app, "POST", "/v1/chat/completions", GOOD).status == 503
        assert ask(app, "POST", "/v1/chat/completions", GOOD, **VERSION).status == 529


@pytest.mark.parametrize(("path", "status"), [(MESSAGES, 529), ("/v1/x", 503)])
def test_a_full_worker(path: str, status: int) -> None:
    """More requests than a worker may answer: a 529 here, a 503 elsewhere."""
    begun, go_on = gevent.event.Event(), gevent.event.Event()

    class Waiting(FakeUpstream):
        def send(self, request: Any) -> Any:
            begun.set()
            go_on.wait(10)
            return super().send(request)

    app = stacked(Waiting(), max_inflight=1)
    first = gevent.spawn(ask, app, "POST", MESSAGES, GOOD)
    begun.wait(10)
    answer = ask(app, "POST", path, GOOD)
    go_on.set()
    assert first.get(timeout=10).status == 200
    assert answer.status == status
    assert answer.headers["Retry-After"]
    if status == 529:
        error(answer, 529, "overloaded_error")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_shutting_down", "overloaded_error"),
        ("upstream_timeout", "timeout_error"),
    ],
)
def test_a_stream_that_is_ended(code: str, kind: str) -> None:
    """Whoever ends a stream, its last event has the type that a status would have."""
    status = 503 if kind == "overloaded_error" else 504
    failing = GatewayError("over", status=status, code=code)
    line = b'{"message":{"content":"x"},"done":false}\n'
    answer = ask(
        linted(Ollama(line, failing)), "POST", MESSAGES, GOOD | {"stream": True}
    )
    last = events(answer)[-1]
    assert last["error"] == {"type": kind, "message": "over"}
    assert last["request_id"] == answer.headers["request-id"]


def test_the_clients_own_request_id() -> None:
    """A harmless one is kept, in header and envelope."""
    answer = ask(linted(Ollama()), "POST", MESSAGES, {}, X_Request_Id="mine-1")
    assert answer.json["request_id"] == "mine-1"
    assert answer.headers["request-id"] == "mine-1"


def test_head_has_no_body() -> None:
    """A HEAD that fails has the status alone."""
    builder = EnvironBuilder(MESSAGES, method="HEAD")
    body, status, _ = run_wsgi_app(linted(Ollama()), builder.get_environ())
    assert (status[:3], b"".join(body)) == ("405", b"")
    builder.close()


def test_a_very_long_message_is_cut() -> None:
    """An error is small, whatever the client named its fields."""
    tool = {"name": "f", "input_schema": {"properties": {"\x01" * 80_000: 5}}}
    answer = ask(linted(Ollama()), "POST", MESSAGES, GOOD | {"tools": [tool]})
    error(answer, 400, "invalid_request_error")
    assert len(answer.body) <= 8 * 1024


# ------------------------------------------------------------------ models

NAMES = [f"m{number}" for number in range(5)]
FACTS = b'{"model_info":{"general.architecture":"l","l.context_length":4096}}'


def listing(*names: str) -> Ollama:
    """An Ollama with these models."""
    one = '{"name":"%s","model":"%s","modified_at":"2026-01-02T03:04:05.678+01:00"}'
    models = ",".join(one % (name, name) for name in names)
    return Ollama(f'{{"models":[{models}]}}'.encode())


def listed(query: str = "", path: str = "/v1/models", **settings: Any) -> Any:
    """A page of the models."""
    app = linted(listing(*NAMES), **settings)
    answer = ask(app, "GET", f"{path}{query}", **VERSION)
    assert answer.status == 200, answer.body
    assert not [name for name, _ in answer.headers if name.startswith("openai-")]
    for model in answer.json["data"]:
        ModelInfo.model_validate(model)
    return answer.json


@pytest.mark.parametrize("path", ["/v1/models", "/anthropic/v1/models"])
def test_a_list(path: str) -> None:
    """Each model in Anthropic's shape; the page says where it begins and ends."""
    found = listed(path=path)
    assert found["data"][0] == {
        "type": "model",
        "id": "m0",
        "display_name": "m0",
        "created_at": "2026-01-02T02:04:05Z",
        "lifecycle": "active",
    }
    assert [model["id"] for model in found["data"]] == NAMES
    assert {k: v for k, v in found.items() if k != "data"} == {
        "has_more": False,
        "first_id": "m0",
        "last_id": "m4",
    }


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ("?limit=5", NAMES, False),
        ("?limit=1000", NAMES, False),
        ("?limit=2", ["m0", "m1"], True),
        ("?limit=2&after_id=m1", ["m2", "m3"], True),
        ("?limit=2&after_id=m3", ["m4"], False),
        ("?after_id=m4", [], False),
        ("?limit=2&before_id=m3", ["m1", "m2"], True),
        ("?limit=2&before_id=m1", ["m0"], False),
        ("?before_id=m0", [], False),
        ("?limit=2&limit=1", ["m0"], True),
        ("?beta=true", NAMES, False),
    ],
)
def test_pages(query: str, ids: list[str], more: bool) -> None:
    """A page is so many after, or before, a model."""
    found = listed(query)
    assert [model["id"] for model in found["data"]] == ids
    assert found["has_more"] is more
    assert found["first_id"] == (ids[0] if ids else None)
    assert found["last_id"] == (ids[-1] if ids else None)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5, 7])
def test_turning_pages(limit: int) -> None:
    """Page after page shows every model once, forwards and backwards."""
    limit = limit or 20
    seen: list[str] = []
    query = f"?limit={limit}"
    while True:
        found = listed(query)
        seen += [model["id"] for model in found["data"]]
        if not found["has_more"]:
            break
        query = f"?limit={limit}&after_id={found['last_id']}"
    assert seen == NAMES
    back, query = ["m4"], f"?limit={limit}&before_id=m4"
    while True:
        found = listed(query)
        back = [model["id"] for model in found["data"]] + back
        if not found["has_more"]:
            break
        query = f"?limit={limit}&before_id={found['first_id']}"
    assert back == NAMES


@pytest.mark.parametrize(
    "limit", ["0", "-1", "1001", "x", "", "1.5", "%C2%B2", "99999"]
)
def test_wrong_limits(limit: str) -> None:
    """A page has 1 to 1000 models."""
    ollama = Ollama()
    answer = ask(linted(ollama), "GET", f"/v1/models?limit={limit}", **VERSION)
    if limit:  # an empty one says nothing
        assert "limit" in error(answer, 400, "invalid_request_error")
        assert ollama.calls == []
    else:
        assert answer.status == 200


def test_openais_clients_see_no_pages() -> None:
    """The same path without the header has OpenAI's list, whole."""
    answer = ask(linted(listing(*NAMES)), "GET", "/v1/models?limit=2")
    assert answer.json["object"] == "list"
    assert len(answer.json["data"]) == 5


@pytest.mark.parametrize("param", ["after_id", "before_id"])
def test_pages_from_nowhere(param: str) -> None:
    """A page beside a model that is not there would seem the last: it is a 400."""
    app = linted(listing(*NAMES))
    answer = ask(app, "GET", f"/v1/models?{param}=zz", **VERSION)
    assert param in error(answer, 400, "invalid_request_error")


def test_pages_of_any_order() -> None:
    """Ollama's order of models of one second is another each time; ours is not."""
    first = listed("?limit=2")
    app = linted(listing(*reversed(NAMES)))
    second = ask(app, "GET", f"/v1/models?after_id={first['last_id']}", **VERSION)
    assert [m["id"] for m in first["data"] + second.json["data"]] == NAMES


def test_aliases_are_listed() -> None:
    """They are among the models, with the time of their own."""
    found = listed(aliases="claude-sonnet=m1,claude-*=m2")
    assert sorted(model["id"] for model in found["data"]) == ["claude-sonnet", *NAMES]
    times = {model["id"]: model["created_at"] for model in found["data"]}
    assert times["claude-sonnet"] == times["m1"] == "2026-01-02T02:04:05Z"


@pytest.mark.parametrize("path", ["/v1/models/", "/anthropic/v1/models/"])
@pytest.mark.parametrize("name", ["claude-sonnet", "hf.co/a/b:c", "a%2Fb"])
def test_one_model(path: str, name: str) -> None:
    """Under the name that was asked for."""
    ollama = Ollama()
    app = linted(ollama, aliases="claude-sonnet=m1")
    answer = ask(app, "GET", path + name, **VERSION)
    assert answer.json == {
        "type": "model",
        "id": name.replace("%2F", "/"),
        "display_name": name.replace("%2F", "/"),
        "created_at": "2026-01-02T03:04:05Z",
        "lifecycle": "active",
    }
    ModelInfo.model_validate(answer.json)
    wanted = "m1" if name == "claude-sonnet" else name.replace("%2F", "/")
    assert ollama.calls[0].json == {"model": wanted}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/m0"])
def test_facts(path: str) -> None:
    """By setting, how much a model reads is told."""

    def control(method: str, path: str, payload: Any, timeout: float) -> bytes:
        return FACTS if path == "/api/show" else b'{"models":[]}'

    ollama = Ollama() if path.endswith("m0") else listing("m0")
    app = linted(ollama, control=control, model_facts=True)
    answer = ask(app, "GET", path, **VERSION).json
    one = answer["data"][0] if "data" in answer else answer
    assert one["max_input_tokens"] == 4096


@pytest.mark.parametrize("name", ["zz", "..", "a//b", "%20"])
def test_a_model_that_is_not_there(name: str) -> None:
    """A 404 that names it."""
    ollama = Ollama(b'{"error":"model \'zz\' not found"}', status="404 Not Found")
    answer = ask(linted(ollama), "GET", f"/v1/models/{name}", **VERSION)
    said = error(answer, 404, "not_found_error")
    assert "does not exist" in said
