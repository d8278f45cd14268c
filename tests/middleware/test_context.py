import json
from typing import Any

import pytest
from support.ollama import GOOD, Answer, FakeUpstream, Ollama, ask
from support.stack import linted, stacked

from app.catalog import Facts
from app.exchange import Exchange
from app.prompt import estimated
from app.settings import Settings
from app.wire import ollama
from middleware.context import RESERVE, Context, choose, needed

WORDS = "word " * 1000


class Models:
    """A catalogue of one model; ``asked`` counts questions."""

    def __init__(
        self,
        own: int | None = 131072,
        modelfile: int | None = None,
        loaded: int | None = None,
        known: bool = True,
    ) -> None:
        self.own = own
        self.modelfile = modelfile
        self.in_memory = loaded
        self.known = known
        self.asked = 0

    def facts(self, name: str) -> Facts | None:
        """What the model is."""
        self.asked += 1
        if not self.known:
            return None
        return Facts(name, "d", None, "f", self.own, self.modelfile, "", {})

    def loaded(self, name: str, age: float = 1) -> int | None:
        """The context it has in memory."""
        self.asked += 1
        return self.in_memory


def chat(words: int = 1, **fields: Any) -> ollama.ChatRequest:
    """A chat of about so many tokens."""
    messages = [ollama.Message("user", "word " * words)]
    return ollama.ChatRequest(model="m", stream=False, messages=messages, **fields)


def embed(*texts: str, **fields: Any) -> ollama.EmbedRequest:
    """A call for embeddings."""
    return ollama.EmbedRequest(model="m", input=list(texts), **fields)


def decided(
    call: Any, mode: str = "auto", models: Models | None = None, most: int = 0
) -> Exchange:
    """What the policy notes of a call, which it amends."""
    settings = Settings(context=mode, max_num_ctx=most)  # type: ignore[arg-type]
    exchange = Exchange()
    Context(models or Models(), settings)(exchange, call)  # type: ignore[arg-type]
    return exchange


@pytest.mark.parametrize("call", [chat(9000), embed(WORDS), chat(1, truncate=True)])
def test_ollama(call: Any) -> None:
    """By default nothing is sent or looked up."""
    before = json.dumps(repr(call))
    models = Models()
    exchange = decided(call, "ollama", models)
    assert json.dumps(repr(call)) == before
    assert models.asked == 0
    assert (exchange.num_ctx, exchange.prompt_estimate) == (None, None)
    assert exchange.adjusted == []


@pytest.mark.parametrize(
    ("call", "truncate"),
    [
        (chat(), False),
        (embed("a"), False),
        (ollama.GenerateRequest(model="m", stream=False, prompt="a"), False),
        (chat(truncate=True), True),
        (chat(truncate=False), False),
        (embed("a", truncate=True), True),
    ],
)
def test_strict(call: Any, truncate: bool) -> None:
    """Ollama is told not to cut, unless the client said what it shall do."""
    models = Models()
    exchange = decided(call, "strict", models)
    assert call.truncate is truncate
    assert getattr(call, "shift", None) is None
    assert call.options is None
    assert models.asked == 0
    assert exchange.prompt_estimate == estimated(call)
    assert exchange.adjusted == []


def test_strict_notes_the_clients_context() -> None:
    """What the client asked for is the context in force."""
    exchange = decided(chat(options={"num_ctx": 9000}), "strict")
    assert exchange.num_ctx == 9000


@pytest.mark.parametrize(
    ("need", "loaded", "modelfile", "own", "most", "want"),
    [
        # not loaded: nothing is said where Ollama's usual context suffices
        (100, None, None, 131072, 0, None),
        (4096, None, None, 131072, 0, None),
        (4097, None, None, 131072, 0, 8192),
        (8192, None, None, 131072, 0, 8192),
        (8193, None, None, 131072, 0, 16384),
        (70_000, None, None, 131072, 0, 131072),
        # up to the model's own length, or ours
        (40_000, None, None, 40_960, 0, 40_960),
        (50_000, None, None, 40_960, 0, 40_960),
        (50_000, None, None, 131072, 32768, 32768),
        (50_000, None, None, 40_960, 131072, 40_960),
        (50_000, None, None, None, 32768, 32768),
        (2**70, None, None, 131072, 0, 131072),
        # loaded: exactly that where it suffices, whatever it is
        (100, 4096, None, 131072, 0, 4096),
        (100, 5000, None, 131072, 0, 5000),
        (5000, 5000, None, 131072, 0, 5000),
        (100, 32768, None, 131072, 8192, 32768),
        (100, 512, None, 512, 0, 512),
        (100, 4096, None, None, 0, 4096),
        (5001, 5000, None, 131072, 0, 8192),
        (600, 512, None, 131072, 0, 4096),
        # never below the loaded one
        (50_000, 32768, None, 131072, 8192, 32768),
        (50_000, 40_960, None, 40_960, 0, 40_960),
        # never below the Modelfile's
        (100, None, 16384, 131072, 0, None),
        (16384, None, 16384, 131072, 0, None),
        (16385, None, 16384, 131072, 0, 32768),
        (3000, None, 2048, 131072, 0, 4096),
        (2000, None, 2048, 131072, 0, None),
        (100, 4096, 16384, 131072, 0, 16384),
        (1100, 1024, 2048, 131072, 0, 2048),
        (20_000, 4096, 16384, 131072, 8192, 16384),
        (100, 16384, 4096, 131072, 0, 16384),
        # a model whose own context is small
        (300, None, None, 512, 0, None),
        (600, None, None, 512, 0, 512),
        # nothing is known
        (100, None, None, None, 0, None),
        (9000, None, None, None, 0, None),
        (9000, 4096, None, None, 0, None),
        # an Ollama that does not tell with which context a model is loaded
        (100, 0, None, 131072, 0, None),
        (9000, 0, None, 131072, 0, 16384),
    ],
)
def test_choose(
    need: int,
    loaded: int | None,
    modelfile: int | None,
    own: int | None,
    most: int,
    want: int | None,
) -> None:
    """The context follows from the need, what is loaded, and the limits."""
    found = choose(need, loaded=loaded, modelfile=modelfile, own=own, most=most)
    assert found == want


@pytest.mark.parametrize(
    ("call", "more"),
    [
        (chat(), RESERVE),
        (chat(options={"num_predict": 5}), 5),
        (chat(options={"num_predict": 50_000}), 50_000),
        (chat(options={"num_predict": -1}), RESERVE),
        (chat(options={"num_predict": 0}), RESERVE),
        (embed("a"), 0),
    ],
)
def test_needed(call: Any, more: int) -> None:
    """The prompt with an eighth for doubt, and the answer: as asked for, or usual."""
    assert needed(call, 800) == 900 + more


@pytest.mark.parametrize(
    ("call", "models", "most", "num_ctx", "truncate"),
    [
        (chat(5000), Models(), 0, 8192, False),
        (chat(5000), Models(loaded=4096), 0, 8192, False),
        (chat(5000), Models(loaded=16384), 0, 16384, False),
        (chat(5), Models(loaded=8192), 0, 8192, False),
        (chat(5), Models(), 0, None, False),
        (chat(5, options={"num_predict": 6000}), Models(), 0, 8192, False),
        (chat(9000), Models(own=8192), 0, 8192, False),
        (chat(9000), Models(), 4096, 4096, False),
        (chat(9000, truncate=True), Models(), 4096, 4096, True),
        (chat(9000), Models(known=False), 0, None, False),
        (embed(*["a b"] * 500, WORDS * 5), Models(), 0, 8192, False),
        (embed(*[WORDS] * 9), Models(), 0, None, False),
        (embed(WORDS), Models(own=512), 0, 512, False),
        (embed(WORDS), Models(own=512, loaded=512), 0, 512, False),
    ],
)
def test_auto(
    call: Any, models: Models, most: int, num_ctx: int | None, truncate: bool
) -> None:
    """The context is made large enough and named; what cannot fit is refused."""
    before = dict(call.options or {})
    exchange = decided(call, "auto", models, most)
    assert (call.options or {}).get("num_ctx") == num_ctx
    assert {k: v for k, v in (call.options or {}).items() if k != "num_ctx"} == before
    assert call.truncate is truncate
    assert exchange.adjusted == ([f"num_ctx={num_ctx}"] if num_ctx else [])
    assert exchange.num_ctx == num_ctx
    assert exchange.prompt_estimate == estimated(call)


def test_auto_leaves_the_clients_choice() -> None:
    """A ``num_ctx`` of the client's wins, however small; nothing is looked up."""
    call = chat(9000, options={"num_ctx": 2048})
    models = Models()
    exchange = decided(call, "auto", models)
    assert call.options == {"num_ctx": 2048}
    assert (exchange.num_ctx, exchange.adjusted, call.truncate) == (2048, [], None)
    assert models.asked == 0


def test_the_modelfiles_context_is_told() -> None:
    """Where nothing is sent, the context in force is the Modelfile's."""
    assert decided(chat(), models=Models(modelfile=16384)).num_ctx == 16384


def test_a_load_that_was_asked_for_counts() -> None:
    """Until the catalogue can know it, what was asked for is what is loaded."""
    now = 0.0
    models = Models()
    settings = Settings(context="auto")
    policy = Context(models, settings, clock=lambda: now)  # type: ignore[arg-type]

    def asked(words: int) -> Any:
        call = chat(words)
        policy(Exchange(), call)
        return (call.options or {}).get("num_ctx")

    assert [asked(5), asked(6000), asked(5)] == [None, 8192, 8192]
    assert asked(10_000) == 16384
    now = 0.5
    assert asked(6000) == 16384
    now = 5.0
    assert asked(5) is None  # it was never loaded
    models.in_memory = 32768
    assert asked(5) == 32768


# --------------------------------------------------------------- the whole way

CHAT = (
    b'{"model":"m","created_at":"2026-01-02T03:04:05.678Z","message":{"role":'
    b'"assistant","content":"Hello"},"done":true,"done_reason":"stop",'
    b'"prompt_eval_count":%d,"eval_count":3}\n'
)
GENERATE = CHAT.replace(
    b'"message":{"role":"assistant","content":"Hello"}', b'"response":"Hello"'
)
EMBED = b'{"model":"m","embeddings":[[0.5],[0.5]],"prompt_eval_count":%d}'
PS = b'{"models":[{"name":"m:latest","model":"m:latest","context_length":4096}]}'
TAGS = b'{"models":[{"name":"m:latest","model":"m:latest","digest":"d"}]}'
SHOW = b'{"parameters":"","model_info":{"x.context_length":8192}}'
CONTROL = {"/api/ps": PS, "/api/tags": TAGS, "/api/show": SHOW}
LONG = [{"role": "user", "content": WORDS}] * 6


class Upstream(FakeUpstream):
    """Knows one model; what it was asked of that is in ``looked_up``."""

    def __init__(self, *blocks: bytes, **options: Any) -> None:
        super().__init__(*blocks, **options)
        self.looked_up: list[str] = []

    def control(self, method: str, path: str, *rest: Any, **options: Any) -> bytes:
        """The one model, by the route."""
        self.looked_up.append(path)
        return CONTROL[path]


def asked(upstream: FakeUpstream, context: str, path: str = "", **body: Any) -> Answer:
    """What a client gets that asks with a long prompt."""
    body = {"model": "m", **({} if path else {"messages": LONG}), **body}
    return ask(stacked(upstream, context=context), "POST", path or CHATS, body)


CHATS, TEXTS, VECTORS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


@pytest.mark.parametrize(
    ("path", "block", "body", "note"),
    [
        (CHATS, CHAT % 4000, {"messages": LONG}, "prompt=cut-to-4096"),
        (CHATS, CHAT % 4000, {"messages": LONG, "n": 3}, "prompt=cut-to-4096"),
        (TEXTS, GENERATE % 2000, {"prompt": WORDS * 6}, "prompt=cut-to-4096"),
        (VECTORS, EMBED % 4098, {"input": ["a", WORDS * 6]}, "input=cut-to-4096"),
        (CHATS, CHAT % 6010, {"messages": LONG}, None),
        (TEXTS, GENERATE % 6010, {"prompt": WORDS * 6}, None),
        (VECTORS, EMBED % 6010, {"input": ["a", WORDS * 6]}, None),
        (CHATS, CHAT % 3, {"messages": LONG, "options": {"num_ctx": 8192}}, None),
    ],
)
def test_a_cut_is_named(
    path: str, block: bytes, body: dict[str, Any], note: str | None
) -> None:
    """A whole answer to a prompt that was cut says so, once, and to which context."""
    upstream = Upstream(block)
    answer = asked(upstream, "ollama", path, **body)
    assert answer.status == 200
    assert answer.headers.get("X-Pannier-Adjusted") == note
    assert bool(upstream.looked_up) is (b"6010" not in block)


def test_a_cut_is_in_the_log_of_a_stream() -> None:
    """A stream's headers are gone by then, so its line in the log says it."""
    log: list[str] = []
    app = linted(Ollama(CHAT % 4000), log, Upstream().control)
    answer = ask(app, body={"model": "m", "messages": LONG, "stream": True})
    assert "X-Pannier-Adjusted" not in answer.headers
    assert answer.frames[-1] == "[DONE]"
    (line,) = log
    assert 'adjusted="prompt=cut-to-4096"' in line


@pytest.mark.parametrize(
    ("error", "length"),
    [
        ("the input length exceeds the context length", "about"),
        (
            json.dumps(
                {
                    "error": {
                        "message": "too long",
                        "type": "exceed_context_size_error",
                        "n_prompt_tokens": 6010,
                        "n_ctx": 4096,
                    }
                }
            ),
            "6010",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_tells_both_lengths(error: str, length: str, stream: bool) -> None:
    """Strict: OpenAI's words, with the context and the length of the prompt."""
    upstream = Upstream(json.dumps({"error": error}).encode(), status=400)
    answer = asked(upstream, "strict", stream=stream)
    assert answer.status == 400
    assert json.loads(upstream.requests[0].body)["truncate"] is False
    assert answer.error["code"] == "context_length_exceeded"
    assert answer.error["param"] == "messages"
    told = answer.error["message"]
    assert told.startswith(
        "This model's maximum context length is 4096 tokens. However, your messages"
        f" resulted in {length}"
    )
    assert told.endswith(" tokens. Please reduce the length of the messages.")


@pytest.mark.parametrize("path", [CHATS, TEXTS, VECTORS])
def test_explained(path: str) -> None:
    """Explain shows the context and the estimate in auto and strict."""
    given = {CHATS: {}, TEXTS: {"prompt": "a"}, VECTORS: {"input": "a"}}[path]
    for mode in ("strict", "auto"):
        answer = asked(
            Upstream(), mode, f"{path}?explain=1", **given, **_messages(path)
        )
        assert answer.json["num_ctx"] == 4096
        assert answer.json["prompt_tokens_estimate"] > 0
    assert answer.json["requests"][0]["options"]["num_ctx"] == 4096
    assert answer.json["adjusted"] == ["num_ctx=4096"]


def _messages(path: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}]} if path == CHATS else {}


def test_nothing_is_looked_up_by_default() -> None:
    """The common path asks Ollama for nothing but the answer."""
    upstream = Upstream(GOOD["/api/chat"])
    body = {"messages": [{"role": "user", "content": "hi"}]}
    assert asked(upstream, "ollama", CHATS, **body).status == 200
    assert upstream.looked_up == []
    assert set(json.loads(upstream.requests[0].body)) == {
        "model",
        "stream",
        "messages",
        "options",
    }
