"""What is noted of each request: on every route, however it ends."""

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch
from uuid import RFC_4122, UUID

import pytest
from support.gateway import installed, key, snapshot
from support.ollama import EMBED, NDJSON, FakeUpstream, Started, ask, environ_of
from werkzeug.middleware.lint import LintMiddleware

from app.errors import UpstreamTimeout, UpstreamUnreachable
from app.exchange import Exchange
from app.gateway.snapshot import NOTHING
from app.gateway.spent import Spent
from app.gateway.usage import Row
from app.live.running import cancelled
from app.settings import Settings
from middleware.absent import absent_routes
from middleware.access_log import AccessLogMiddleware
from middleware.stack import build_stack
from middleware.usage import ROUTES, row_id

AUTH = {"Authorization": "Bearer sk-test-key-of-thirty-two-characters"}
DURATIONS = (
    b'"total_duration":110500000,"load_duration":1250000,"prompt_eval_count":7,'
    b'"prompt_eval_duration":9000000,"eval_count":3,"eval_duration":100000000}\n'
)
END = b'"done":true,"done_reason":"stop",' + DURATIONS
TIME = b'"created_at":"2026-01-02T03:04:05.678Z",'
TOLD = b'{"model":"m:latest",' + TIME + b'"message":{"role":"assistant","content":'
WROTE = b'{"model":"m:latest",' + TIME + b'"response":'
#: The answers of two calls: a piece, and the end.
CHAT = [TOLD + b'"secret"},"done":false}\n', TOLD + b'""},' + END]
GENERATE = [WROTE + b'"secret","done":false}\n', WROTE + b'"",' + END]
EMBEDDED = EMBED[:-1] + b',"total_duration":110500000,"load_duration":1250000}'

SAYS = {"messages": [{"role": "user", "content": "password"}], "max_tokens": 5}
PROMPT = {"prompt": "password"}
BODIES: dict[str, dict[str, Any]] = {
    "chat": SAYS,
    "completions": PROMPT,
    "responses": {"input": "password"},
    "messages": SAYS,
    "embeddings": {"input": "password"},
    "code": PROMPT,
}
#: Those of routes that are unlike the others of their group.
OWN = {
    "/infill": {"input_prefix": "password", "input_suffix": ""},
    "/api/chat": SAYS,
    "/api/generate": PROMPT,
    "/api/embed": {"input": "password"},
    "/api/embeddings": PROMPT,
}


class Noted(list[Row]):
    """The rows of an application over an Ollama that gives one answer."""

    def __init__(
        self, *blocks: Any, now: Any = None, upstream: Any = None, **settings: Any
    ) -> None:
        super().__init__()
        headers = NDJSON if len(blocks) > 1 else None
        self.ollama = upstream or FakeUpstream(*blocks, headers=headers)
        chosen = {"access_log": False, "responses_ttl": 0, **settings}
        self.installation = installed(now or snapshot(key()), **chosen)
        self.installation.usage.add = self.append  # type: ignore[method-assign]
        with patch("middleware.stack.Upstream.of", lambda settings: self.ollama):
            stack = build_stack(Settings(**chosen), self.installation)
        self.app = LintMiddleware(stack)

    def ask(self, path: str, body: Any = None, **headers: str) -> Any:
        """Ask as a client with a key."""
        return ask(self.app, "POST", path, body, **(AUTH | headers))

    @property
    def one(self) -> Row:
        """The only row."""
        (row,) = self
        return row


def answer_for(path: str) -> list[bytes]:
    """What Ollama says to the call that a route makes."""
    if "embed" in path:
        return [EMBEDDED]
    completes = ("completions", "completion", "infill", "generate")
    chats = ("/chat/completions", "/api/chat")
    return GENERATE if path.endswith(completes) and not path.endswith(chats) else CHAT


def body_for(path: str) -> Any:
    """A request to a route, and what else it needs."""
    body = OWN.get(path) or BODIES[ROUTES[path][0]]
    return {"model": "m", **body}


@pytest.mark.parametrize("name", ["m", "M:latest", "library/m", " m "])
def test_a_model_has_one_name(name: str) -> None:
    """However a client spells a model, its rows are added up under one name."""
    noted = Noted(*CHAT)
    noted.ask("/v1/chat/completions", BODIES["chat"] | {"model": name})
    assert noted.one.resolved_model == "m:latest"
    assert noted.one.requested_model == name


JSON_ROUTES = [path for path in ROUTES if not path.endswith("transcriptions")]


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_q5_every_route_is_noted(path: str) -> None:
    """One row, with who asked, what for, and what Ollama counted and measured."""
    noted = Noted(*answer_for(path))
    answer = noted.ask(path, body_for(path), User_Agent="editor " * 100)
    assert answer.status == 200, answer.body
    row = noted.one
    assert (row.endpoint, row.protocol) == ROUTES[path]
    assert (row.status, row.http_status, row.error_code) == ("ok", 200, "")
    assert (row.key_id, row.key_name) == ("key_k", "k")
    assert row.request_id == answer.headers["X-Request-Id"]
    assert row.resolved_model.removesuffix(":latest") == "m"
    assert row.user_agent == ("editor " * 100)[:120]
    assert row.bytes_out == len(answer.body)
    assert row.bytes_in > 20
    assert not row.estimated
    if path.endswith("tokens"):  # they are counted without Ollama, where that does
        return
    assert row.prompt_tokens == (4 if "embed" in path else 7)
    assert row.load_ms == 1.25
    assert row.reasoning_tokens is None
    if "embed" in path:
        assert (row.prompt_ms, row.eval_ms, row.queue_ms) == (109.25, None, None)
        assert row.completion_tokens is None
    else:
        assert row.completion_tokens == 3
        assert (row.prompt_ms, row.eval_ms, row.queue_ms) == (9.0, 100.0, 0.25)
        assert row.finish_reason == "stop"


def test_when_a_request_came() -> None:
    """A row has the time of the request, not that of the end of its answer."""
    noted = Noted(*CHAT)
    before = time.time_ns() // 1_000_000
    with patch.object(Exchange, "milliseconds", lambda _: 3_600_000):
        noted.ask("/api/chat", body_for("/api/chat"))
    row = noted.one
    assert (row.duration_ms, int(row.id[:12], 16)) == (3_600_000, row.at)
    assert 0 <= row.at + row.duration_ms - before < 60_000


def test_transcriptions_are_noted() -> None:
    """A form is noted as well."""
    noted = Noted(*CHAT)
    form = (
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--x\r\n'
        b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\r\n--x--\r\n"
    )
    path = "/v1/audio/transcriptions"
    answer = noted.ask(path, form, Content_Type="multipart/form-data; boundary=x")
    assert answer.status == 200, answer.body
    row = noted.one
    assert (row.endpoint, row.completion_tokens, row.n_images) == ("audio", 3, 1)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_the_size_of_a_request(path: str, coding: str) -> None:
    """It is that of the text, however it was sent."""
    text = json.dumps(body_for(path) | {"user": "x" * 1000}).encode()
    noted = Noted(*answer_for(path))
    body = gzip.compress(text) if coding else text
    noted.ask(path, body, **{"Content_Encoding": coding} if coding else {})
    assert noted.one.bytes_in == len(text)


def posted() -> set[str]:
    """The paths of the stack that take a POST."""
    chosen = Settings(access_log=False)
    with patch("middleware.stack.Upstream.of", lambda settings: FakeUpstream()):
        app: Any = build_stack(chosen)
    while not hasattr(app, "exact"):
        app = app.app
    return {path for path, methods in app.exact.items() if "POST" in methods}


#: What is posted and asks no model: what changes models, what only looks.
ASK_NOBODY = {"/api/copy", "/api/create", "/api/pull", "/api/push", "/api/show"}
ASK_NOBODY |= {"/v1/events", "/v1/health"}


def test_q5_no_route_is_forgotten() -> None:
    """Every route that asks a model is in the table; of others it is known why not."""
    bases = ("/v1", "/anthropic/v1", "")
    absent = {path for base in bases for _, path, _ in absent_routes(base)}
    assert posted() - absent - ASK_NOBODY == set(ROUTES)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
def test_streams_are_noted(path: str) -> None:
    """A stream has the time of its first piece as well."""
    noted = Noted(*CHAT)
    noted.ask(path, body_for(path) | {"stream": True})
    row = noted.one
    assert row.stream
    assert row.ttft_ms is not None
    assert 0 <= row.ttft_ms <= row.duration_ms
    assert (row.completion_tokens, row.eval_ms) == (3, 100.0)


def test_one_piece_has_no_first_token() -> None:
    """Of an answer in one piece nobody knows when it began."""
    noted = Noted(*CHAT)
    noted.ask("/v1/chat/completions", body_for("/v1/chat/completions"))
    assert (noted.one.stream, noted.one.ttft_ms) == (False, None)


EXPLAINED = [
    *("/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"),
    *("/v1/embeddings", "/infill", "/code/generate", "/api/generate"),
]


def counted(row: Row) -> tuple[int | None, int | None, bool]:
    """The tokens that a row has, and whether they are a guess."""
    return row.prompt_tokens, row.completion_tokens, row.estimated


@pytest.mark.parametrize("path", EXPLAINED)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_only_explained(path: str, stream: bool) -> None:
    """The row of a request for which no model was asked says so, and has no counts."""
    noted = Noted(*answer_for(path))
    more = {} if "embed" in path else {"stream": stream}
    answer = noted.ask(path, body_for(path) | more, X_Pannier_Explain="1")
    assert answer.json["object"] == "pannier.explanation"
    row = noted.one
    assert (row.status, row.finish_reason) == ("ok", "explained")
    assert counted(row) == (None, None, False)
    assert (row.stream, row.ttft_ms, row.eval_ms) == (False, None, None)


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_read_ahead(stream: bool) -> None:
    """Of a prompt that is read ahead nobody knows what it used, and the row says so."""
    noted = Noted(*GENERATE)
    ahead = body_for("/infill") | {"n_predict": 0, "stream": stream}
    assert noted.ask("/infill", ahead).status == 200
    row = noted.one
    assert (row.status, row.finish_reason) == ("ok", "read_ahead")
    assert counted(row) == (None, None, False)
    assert (row.stream, row.ttft_ms) == (stream, None)


@pytest.mark.parametrize("stream", [False, True])
def test_q5_choices_count_once(stream: bool) -> None:
    """Several calls behind one request are one row, with the sum of their times."""
    noted = Noted(*CHAT)
    path = "/v1/chat/completions"
    noted.ask(path, body_for(path) | {"n": 3, "stream": stream})
    row = noted.one
    assert (row.prompt_tokens, row.completion_tokens) == (7, 9)
    assert (row.prompt_ms, row.eval_ms, row.load_ms) == (27.0, 300.0, 3.75)


def test_embeddings_in_several_calls_count_once() -> None:
    """A batch that is split is one row."""
    noted = Noted(EMBEDDED, embedding_batch=1)
    noted.ask("/v1/embeddings", {"model": "m", "input": ["a", "b"]})
    row = noted.one
    assert (row.prompt_tokens, row.load_ms, row.prompt_ms) == (8, 2.5, 218.5)


FAILURES = {
    "bad request": ({"messages": 1}, {}, "client_error", 400, "invalid_type"),
    "no model": ({}, {"status": 404}, "client_error", 404, "model_not_found"),
    "full": ({}, {"status": 503}, "upstream_error", 503, None),
    "timeout": ({}, {"failure": UpstreamTimeout("x")}, "timeout", 504, None),
    "ended": ({}, {"failure": cancelled()}, "cancelled", 499, "request_cancelled"),
    "away": ({}, {"failure": UpstreamUnreachable("x")}, "upstream_error", 502, None),
}


@pytest.mark.parametrize("case", FAILURES)
def test_q5_failures_are_noted(case: str) -> None:
    """A request that fails leaves a row that says how, without a count."""
    more, upstream, status, http_status, code = FAILURES[case]
    body = b'{"error":"model not found"}' if "status" in upstream else b""
    noted = Noted(upstream=FakeUpstream(body, **upstream))  # type: ignore[arg-type]
    path = "/v1/chat/completions"
    noted.ask(path, body_for(path) | more)
    row = noted.one
    assert (row.status, row.http_status) == (status, http_status)
    assert row.error_code
    assert code in (None, row.error_code)
    assert (row.completion_tokens, row.eval_ms, row.ttft_ms) == (None, None, None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "client_error"),
        (404, "client_error"),
        (429, "rate_limited"),
        (500, "upstream_error"),
        (503, "upstream_error"),
    ],
)
def test_q5_native_failures_are_noted(status: int, expected: str) -> None:
    """What Ollama refuses on its own routes is noted by its status."""
    noted = Noted(upstream=FakeUpstream(b'{"error":"no"}', status=status))
    noted.ask("/api/chat", body_for("/api/chat"))
    assert (noted.one.status, noted.one.http_status) == (expected, status)


REFUSED = {
    "endpoint": ({"allow_endpoints": ("models",)}, 403, "auth_error"),
    "model": ({"allow_models": ("other",)}, 404, "client_error"),
    "limit": ({"rpm": 0}, 429, "rate_limited"),
}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
@pytest.mark.parametrize("case", REFUSED)
def test_q5_what_a_key_may_not_is_noted(case: str, path: str) -> None:
    """Who has a key and no right, or no more of it, leaves a row."""
    terms, http_status, status = REFUSED[case]
    noted = Noted(*CHAT, now=snapshot(key(**terms)))
    assert noted.ask(path, body_for(path)).status == http_status
    assert (noted.one.status, noted.one.http_status) == (status, http_status)
    assert noted.one.key_id == "key_k"
    assert noted.one.error_code


def test_an_unknown_key_leaves_no_row() -> None:
    """A 401 leaves no row."""
    noted = Noted(*CHAT)
    path = "/v1/chat/completions"
    assert ask(noted.app, "POST", path, body_for(path)).status == 401
    assert noted == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
@pytest.mark.parametrize("leaves", [True, False])
def test_q5_streams_that_end_early_are_noted(path: str, leaves: bool) -> None:
    """Who leaves, or is cut off, has had about as many tokens as pieces were seen."""
    noted = Noted(CHAT[0], CHAT[0], *([CHAT[0]] * 7 if leaves else []))
    body = json.dumps(body_for(path) | {"stream": True}).encode()
    environ = environ_of("POST", path, body)
    environ["HTTP_AUTHORIZATION"] = AUTH["Authorization"]
    environ["CONTENT_TYPE"] = "application/json"
    answer: Any = noted.app.app(environ, Started())
    items = iter(answer)
    for _ in range(3):
        next(items, None)
    if not leaves:
        list(items)
    answer.close()
    row = noted.one
    if path == "/api/chat" and not leaves:
        assert row.status == "ok"  # by its framing it is whole
    else:
        assert row.status == ("cancelled" if leaves else "upstream_error")
    assert row.estimated
    assert row.completion_tokens is not None
    assert 2 <= row.completion_tokens <= 4
    assert row.prompt_tokens is None


def test_no_text_is_kept() -> None:
    """Neither what was asked nor what was answered is in a row, nor who the user is."""
    for path in JSON_ROUTES:
        noted = Noted(*answer_for(path))
        noted.ask(path, body_for(path) | {"user": "bob@example.org"})
        said = repr(noted.one)
        assert not any(word in said for word in ("password", "secret", "bob"))


def test_users_are_told_apart() -> None:
    """The same user has the same digest, whichever dialect says who it is."""
    seen = []
    for path, more in [
        ("/v1/chat/completions", {"user": "bob"}),
        ("/v1/messages", {"metadata": {"user_id": "bob"}}),
        ("/v1/chat/completions", {"user": "eve"}),
        ("/v1/chat/completions", {}),
    ]:
        noted = Noted(*CHAT)
        noted.ask(path, body_for(path) | more)
        seen.append(noted.one.end_user)
    assert seen[0] == seen[1] != seen[2]
    assert len(seen[0]) == 16
    assert seen[3] == ""


@pytest.mark.parametrize(
    ("setting", "kept"),
    [("full", "203.0.113.77"), ("truncated", "203.0.113.0"), ("none", "")],
)
def test_where_from(setting: str, kept: str) -> None:
    """No more of an address is kept than was set: in rows, and of a key's last use."""
    noted = Noted(*CHAT, usage_client_ip=setting, trusted_proxies="unix")
    used: list[str] = []

    def note(key_id: str, address: str) -> None:
        used.append(address)

    path = "/v1/chat/completions"
    with patch.object(noted.installation.usage, "note_used", note):
        noted.ask(path, body_for(path), X_Forwarded_For="203.0.113.77")
    assert [noted.one.client_ip, *used] == [kept, kept]


def test_what_is_asked_is_counted() -> None:
    """Messages, tools, images and thinking of a request are noted as numbers."""
    call = (
        b'{"model":"m","message":{"role":"assistant","content":"","tool_calls":'
        b'[{"function":{"name":"f","arguments":{}}}]},' + END
    )
    noted = Noted(call)
    picture = "data:image/png;base64,iVBORw0KGgo="
    content = [{"type": "image_url", "image_url": {"url": picture}}]
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    body = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "x"},
            {"role": "user", "content": content},
        ],
        "tools": [tool, tool | {"function": {"name": "g", "parameters": {}}}],
    }
    noted.ask("/v1/chat/completions", body)
    row = noted.one
    assert (row.n_messages, row.n_tools, row.n_images, row.n_tool_calls) == (2, 2, 1, 1)
    assert row.finish_reason == "tool_calls"


def test_thoughts_are_estimated() -> None:
    """How many of the tokens were thought is told, as far as anybody knows."""
    thought = (
        b'{"model":"m","message":{"role":"assistant","thinking":"abcd","content":'
        b'"ef"},' + END
    )
    noted = Noted(thought)
    path = "/v1/chat/completions"
    noted.ask(path, body_for(path) | {"think": True})
    assert (noted.one.reasoning_tokens, noted.one.completion_tokens) == (2, 3)
    assert noted.one.think == "true"


@pytest.mark.parametrize(
    ("settings", "now", "rows"),
    [
        ({}, NOTHING, 0),
        ({"usage": "on"}, NOTHING, 1),
        ({"usage": "on", "auth": "off"}, snapshot(key()), 1),
        ({"auth": "off"}, snapshot(key()), 0),
        ({"usage": "off"}, snapshot(key()), 0),
    ],
)
def test_when_rows_are_made(settings: Any, now: Any, rows: int) -> None:
    """With keys, by itself; where none are needed, if that is set; or never."""
    noted = Noted(*CHAT, now=now, **settings)
    path = "/v1/chat/completions"
    assert noted.ask(path, body_for(path)).status == 200
    assert len(noted) == rows
    assert [row.key_id for row in noted] == [""] * rows


def test_other_routes_leave_no_row() -> None:
    """Lists, pages and probes use nothing of a model."""
    noted = Noted(usage="on")
    for path in ("/v1/models", "/health", "/api/tags", "/v1/chat/completions"):
        ask(noted.app, "GET", path, **AUTH)
    assert noted == []


TAIL = CHAT[0] + CHAT[1]


@pytest.mark.parametrize("cut", [1, 5, 40, 100, 150, 160, len(CHAT[1])])
def test_the_end_of_a_relayed_answer_may_be_cut(cut: int) -> None:
    """Wherever its last two blocks begin, what is in them is found."""
    noted = Noted(TAIL[:-170], TAIL[-170:-cut], TAIL[-cut:])
    noted.ask("/api/chat", body_for("/api/chat") | {"stream": True})
    row = noted.one
    assert (row.prompt_tokens, row.completion_tokens) == (7, 3)


ODD = {
    "nothing": b"",
    "no json": b"\x1f\x8b\x08\x00\xff\xfe",
    "an error": CHAT[0] + b'{"error":"\\"eval_count\\":5,\\"total_duration\\":7"}\n',
    "unfinished": CHAT[0],
    "a text like it": b'{"response":"\\"total_duration\\":5,\\"eval_count\\":6"}\n',
    "other types": b'{"total_duration":"x","eval_count":{}}\n',
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_end_gives_no_numbers(odd: bytes) -> None:
    """Where the end of a relayed answer is no end as it should be, nobody knows."""
    spent = Spent("native", "ollama")
    found = spent.note_tail(odd, True)
    assert spent.durations() == (None, None, None, None)
    assert found in ((None, None), (None, 0))


def test_signs_of_life_are_no_first_token() -> None:
    """What a stream says while it waits is not what the model says first."""
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        exchange = Exchange.of(environ)
        exchange.closing.append(lambda: seen.append(exchange.first_item_ms))
        seen.append(exchange)
        write = start_response("200 OK", [])
        write(b": keep-alive\n\n")
        exchange.started -= 5
        yield b"first"

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        return lambda data: None

    body: Any = AccessLogMiddleware(app, None)(environ_of(), start)
    assert list(body) == [b"first"]
    body.close()
    exchange, first = seen
    assert exchange.first_byte_ms < 5000 <= first


def test_one_who_fails_at_the_end_keeps_from_no_other() -> None:
    """Each that waits for the end is told, whatever goes wrong in one of them."""
    told: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        Exchange.of(environ).closing.extend([lambda: 1 / 0, lambda: told.append("x")])
        start_response("200 OK", [])
        return [b""]

    body: Any = AccessLogMiddleware(app, None)(environ_of(), Started())
    list(body)
    body.close()
    assert told == ["x"]


def test_ids_are_uuids_of_their_time() -> None:
    """They sort as their times do, never come twice, and any tool reads them."""
    ids = [row_id(1_800_000_000_000 + n // 100) for n in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)
    for one in ids[:100]:
        assert (UUID(one).version, UUID(one).variant) == (7, RFC_4122)
