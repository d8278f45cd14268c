"""How many tokens a request has: a guess, or Ollama's own count."""

import json
from typing import Any

import pytest
from support.able import Able
from support.messages import COUNT, HI, MESSAGES, error
from support.ollama import Answer, Call, Ollama, ask
from support.pictures import PNG, text
from support.stack import linted

from app.prompt import estimated
from app.settings import Settings
from app.signatures import Signatures
from app.targets import FetchError
from app.wire import ollama
from middleware.counting import CountMiddleware, only_read
from middleware.messages import MessagesMiddleware
from writers.count import MessageTokensWriter

OURS = Signatures(lambda: b"secret")
EXACT = {"counting": "exact"}
WORDS = "every word of this counts, and so does each of its signs "
LONG = [{"role": "user", "content": WORDS * 100}]
HELLO = ollama.Message("user", "hi")
TOOL = {"name": "f", "description": WORDS, "input_schema": {"type": "object"}}
IMAGE = {"type": "image", "source": {"type": "base64", "data": text(PNG)}}


def counted(tokens: Any = 20, **more: Any) -> Ollama:
    """An Ollama that read so many tokens."""
    line = {"message": {"content": "x"}, "done": True, "prompt_eval_count": tokens}
    return Ollama(json.dumps(line | more).encode())


def asked(
    stand_in: Ollama | None = None,
    path: str = COUNT,
    settings: Any = None,
    **fields: Any,
) -> tuple[Answer, list[Call]]:
    """The answer, and what Ollama was asked for it."""
    stand_in = stand_in or counted()
    app = linted(stand_in, control=Able(), **settings or {})
    answer = ask(app, "POST", path, {"model": "m", "messages": HI, **fields})
    return answer, stand_in.calls


def number(answer: Answer, how: str) -> int:
    """The number of a good answer, which says how it came to be."""
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Pannier-Token-Count"] == how
    assert list(answer.json) == ["input_tokens"]
    found: int = answer.json["input_tokens"]
    return found


# ------------------------------------------------------------------ a guess


@pytest.mark.parametrize("base", ["/v1", "", "/anthropic/v1"])
def test_a_guess(base: str) -> None:
    """By default nobody is asked, and the answer says that it is a guess."""
    answer, calls = asked(path=f"{base}/messages/count_tokens?beta=true")
    assert calls == []
    call = ollama.ChatRequest(model="m", stream=False, messages=[HELLO])
    assert number(answer, "estimate") == estimated(call)


@pytest.mark.parametrize(
    "more",
    [
        {"messages": LONG},
        {"system": WORDS},
        {"system": [{"type": "text", "text": WORDS}]},
        {"tools": [TOOL]},
        {"messages": [*HI, {"role": "assistant", "content": WORDS}, *HI]},
        {"messages": [{"role": "user", "content": [IMAGE]}]},
        {"tools": [TOOL], "tool_choice": {"type": "any"}},
    ],
)
def test_all_of_it_counts(more: Any) -> None:
    """System, tools, images and every message make the number larger."""
    least = number(asked()[0], "estimate")
    assert number(asked(**more)[0], "estimate") > least + 10


def test_a_guess_is_about_right() -> None:
    """It is near to what tokenizers make of prose."""
    assert 1000 < number(asked(messages=LONG)[0], "estimate") < 1600


@pytest.mark.parametrize(("how", "fetched"), [("estimate", 0), ("exact", 1)])
def test_images_by_url(how: Any, fetched: int) -> None:
    """They are fetched only where Ollama is asked; for a guess all images are alike."""
    asked_for: list[list[str]] = []

    def fetch(urls: list[str]) -> dict[str, str | FetchError]:
        asked_for.append(urls)
        return dict.fromkeys(urls, text(PNG))

    settings = Settings(counting=how)
    endpoint = MessagesMiddleware(counted(), (), settings, fetch, signatures=OURS)
    app = CountMiddleware(endpoint, MessageTokensWriter)
    source = {"type": "url", "url": "https://a/b.png"}
    content = [{"type": "image", "source": source}]
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    number(ask(app, "POST", COUNT, body), how)
    assert len(asked_for) == fetched


# ------------------------------------------------------------------ Ollama's count


def test_a_count() -> None:
    """Ollama reads the prompt and predicts one token, without thinking."""
    answer, (call,) = asked(settings=EXACT, max_tokens=500, temperature=0.5)
    assert number(answer, "exact") == 20
    assert call.path == "/api/chat"
    assert call.json == {
        "model": "m",
        "stream": False,
        "messages": [{"role": "user", "content": "hi"}],
        "options": {"num_predict": 1, "temperature": 0.5},
        "think": False,
        "truncate": False,
    }


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True},
        {"thinking": {"type": "enabled"}},
        {"think": "max"},
        {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
    ],
)
def test_what_does_not_matter_to_a_count(more: Any) -> None:
    """Neither a stream nor a format nor a wish to think."""
    answer, (call,) = asked(settings=EXACT, model="switched", **more)
    assert number(answer, "exact") == 20
    assert call.json["stream"] is False
    assert call.json["think"] is False
    assert "format" not in call.json


def test_tools_are_counted_as_they_are_offered() -> None:
    """They are part of what the model reads."""
    _, (call,) = asked(settings=EXACT, tools=[TOOL])
    assert call.json["tools"][0]["function"]["name"] == "f"


def test_the_context_of_the_request_is_asked_for() -> None:
    """Ollama would load the model anew for another one, twice for each message."""
    given: dict[str, Any] = {
        "messages": [{"role": "user", "content": "word " * 9000}],
        "max_tokens": 500,
    }
    chosen = []
    for path in (COUNT, MESSAGES):
        stand_in = counted(9000)
        app = linted(stand_in, control=_loaded, counting="exact", context="auto")
        assert ask(app, "POST", path, {"model": "m", **given}).status == 200
        chosen.append(stand_in.calls[0].json["options"]["num_ctx"])
    assert chosen == [16384, 16384]


def _loaded(method: str, path: str, payload: Any, timeout: float) -> bytes:
    """A model that can do more than it is loaded with."""
    if path == "/api/show":
        return b'{"model_info":{"general.architecture":"l","l.context_length":131072}}'
    return b'{"models":[{"name":"m:latest","context_length":4096}]}'


def test_a_count_explained() -> None:
    """What would be sent is shown; for a guess nothing would."""
    answer, calls = asked(path=f"{COUNT}?explain=1", settings=EXACT)
    assert calls == []
    (call,) = answer.json["requests"]
    assert call["options"] == {"num_predict": 1}
    number(asked(path=f"{COUNT}?explain=1")[0], "estimate")


def test_images_for_models_that_do_not_see() -> None:
    """They are refused as for a message, where Ollama is asked."""
    content = [{"type": "image", "source": IMAGE["source"]}]
    given = [{"role": "user", "content": content}]
    answer, calls = asked(settings=EXACT, model="plain", messages=given)
    assert calls == []
    assert "image input" in error(answer, 400, "invalid_request_error")


def test_an_alias_is_counted_by_its_model() -> None:
    """Each model has its own tokens."""
    settings = EXACT | {"aliases": "claude-*=llama3.2"}
    _, (call,) = asked(settings=settings, model="claude-3")
    assert call.json["model"] == "llama3.2"


@pytest.mark.parametrize("tokens", [0, 5, 100, -1, None, "x", 1.5])
def test_counts_that_cannot_be_true(tokens: Any) -> None:
    """Fewer tokens than words were cached, or cut away: then it is a guess."""
    answer, calls = asked(counted(tokens), settings=EXACT, messages=LONG)
    assert len(calls) == 1
    guess = number(asked(messages=LONG)[0], "estimate")
    assert number(answer, "estimate") == guess


def test_a_prompt_that_is_too_long_is_counted_all_the_same() -> None:
    """That is what clients want to find out: it is a guess then."""
    full = Ollama(
        b'{"error":"the input length exceeds the context length"}',
        status="400 Bad Request",
    )
    answer, calls = asked(full, settings=EXACT, messages=LONG)
    assert len(calls) == 1
    assert number(answer, "estimate") > 1000


@pytest.mark.parametrize(
    ("status", "body", "want", "kind"),
    [
        ("404 Not Found", b'{"error":"model \'m\' not found"}', 404, "not_found_error"),
        ("503 Busy", b'{"error":"server busy"}', 529, "overloaded_error"),
        ("500 Oh", b'{"error":"no"}', 500, "api_error"),
        ("200 OK", b'{"message":{}}', 502, "api_error"),
    ],
)
def test_a_count_that_fails(status: str, body: bytes, want: int, kind: str) -> None:
    """Any other failure is one."""
    answer, _ = asked(Ollama(body, status=status), settings=EXACT)
    error(answer, want, kind)
    assert "X-Pannier-Token-Count" not in answer.headers


# ------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize("settings", [{}, EXACT])
@pytest.mark.parametrize(
    "fields",
    [
        {"model": ""},
        {"messages": []},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"tools": [{}]},
        {"tool_choice": {"type": "any"}},
        {"system": 5},
        {"temperature": 9},
        {"thinking": {"type": "enabled", "budget_tokens": "x"}},
    ],
)
def test_what_is_wrong_is_wrong_here_too(settings: Any, fields: Any) -> None:
    """A request that would be refused is refused in the same words."""
    answer, calls = asked(settings=settings, **fields)
    assert calls == []
    said = error(answer, 400, "invalid_request_error")
    again, _ = asked(path=MESSAGES, **fields)
    assert error(again, 400, "invalid_request_error") == said


def test_fields_without_effect_are_named() -> None:
    """As for a message."""
    answer, _ = asked(metadata={"user_id": "a"}, no_such=1)
    assert answer.headers["X-Pannier-Ignored"] == "metadata, no_such"


def test_only_read() -> None:
    """A call that is only read keeps what makes its prompt, and loses the rest."""
    call = ollama.ChatRequest(
        model="m",
        stream=False,
        messages=[],
        options={"num_ctx": 5, "num_predict": 9},
        think="high",
        format="json",
        truncate=True,
    )
    only_read(call)
    assert call.options == {"num_ctx": 5, "num_predict": 1}
    assert (call.think, call.format, call.truncate) == (False, None, False)
