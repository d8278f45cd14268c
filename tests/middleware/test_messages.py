"""``POST /v1/messages``: Anthropic JSON in, the call to Ollama and the answer out."""

import json
from typing import Any

import pytest
from support.able import Able
from support.messages import HI, MESSAGES, error, events, followed, told
from support.ollama import CHAT, JSON, Answer, Call, Ollama, ask
from support.pictures import PNG, text
from support.plausible import Plausible
from support.stack import linted

from app.signatures import Signatures
from app.targets import FetchError
from middleware.errors import ErrorMiddleware
from middleware.messages import MessagesMiddleware

OURS = Signatures(lambda: b"secret")
THINKING = "switched"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
THOUGHT = (
    b'{"message":{"content":"Hello","thinking":"hmm"},"done":true,"eval_count":8,'
    b'"prompt_eval_count":1}'
)


def asked(
    *,
    path: str = MESSAGES,
    ollama: Any = None,
    headers: Any = None,
    control: Any = None,
    settings: Any = None,
    **fields: Any,
) -> tuple[Answer, list[Call]]:
    """An answer, and the calls that led to it."""
    ollama = ollama or Plausible()
    app = linted(ollama, control=control or Able(), **settings or {})
    body = {"model": "m", "messages": HI, **fields}
    return ask(app, "POST", path, body, **headers or {}), ollama.calls


def sent(**fields: Any) -> Any:
    """The one call of a request that is answered."""
    answer, (call,) = asked(**fields)
    assert answer.status == 200, answer.body
    assert call.path == "/api/chat"
    return call.json


def refused(**fields: Any) -> str:
    """Why a request is refused, before Ollama is asked."""
    answer, calls = asked(**fields)
    assert calls == []
    return error(answer, 400, "invalid_request_error")


# ------------------------------------------------------------------ the simplest


@pytest.mark.parametrize("path", [MESSAGES, "/messages", "/anthropic/v1/messages"])
@pytest.mark.parametrize("stream", [False, True, None])
def test_the_call(path: str, stream: Any) -> None:
    """Nothing is sent that was not asked for: no temperature, no length, no wish."""
    assert sent(path=path, stream=stream) == {
        "model": "m",
        "stream": bool(stream),
        "messages": [{"role": "user", "content": "hi"}],
    }


@pytest.mark.parametrize("query", ["?beta=true", "?a=b"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_Api_Key": "k"},
        {"Authorization": "Bearer k"},
        {"anthropic_version": "2023-06-01", "anthropic_beta": "a-1,b-2"},
        {"anthropic_version": "2099-01-01"},
    ],
)
def test_headers_and_query_do_not_matter(query: str, headers: Any) -> None:
    """Any key in either header, any version, any beta."""
    answer, _ = asked(path=MESSAGES + query, headers=headers)
    assert answer.status == 200
    assert answer.json["content"] == [{"type": "text", "text": "Hello, llama!"}]


def test_the_answer_calls_the_model_as_the_client_did() -> None:
    """An alias is answered under its own name, streamed and whole."""
    fields: dict[str, Any] = {
        "model": "claude-sonnet-4-5",
        "settings": {"aliases": "claude-*=llama3.2"},
    }
    answer, (call,) = asked(**fields)
    assert (call.json["model"], answer.json["model"]) == (
        "llama3.2",
        "claude-sonnet-4-5",
    )
    message, _ = followed(events(asked(stream=True, **fields)[0]))
    assert message is not None
    assert message.model == "claude-sonnet-4-5"


# ------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"max_tokens": 5}, {"num_predict": 5}),
        ({"max_tokens": 5.0}, {"num_predict": 5}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5, "top_k": 3}, {"top_p": 0.5, "top_k": 3}),
        ({"stop_sequences": ["a", "", "b"]}, {"stop": ["a", "b"]}),
        ({"stop_sequences": [""]}, None),
        ({"stop_sequences": []}, None),
        ({"num_ctx": 8192, "min_p": 0.1}, {"num_ctx": 8192, "min_p": 0.1}),
        ({"options": {"seed": 7}, "max_tokens": 5}, {"seed": 7, "num_predict": 5}),
        ({"options": {"num_predict": 9}, "max_tokens": 5}, {"num_predict": 5}),
        ({"extra_body": {"num_ctx": 4096}}, {"num_ctx": 4096}),
        ({"settings": {"openai_defaults": True}}, None),
    ],
)
def test_options(fields: Any, options: Any) -> None:
    """Each becomes Ollama's own; nothing is sent where nothing is said."""
    assert sent(**fields).get("options") == options


@pytest.mark.parametrize(
    ("name", "value"), [("keep_alive", "5m"), ("truncate", False), ("shift", False)]
)
def test_ollamas_own_fields(name: str, value: Any) -> None:
    """They pass, as in the other dialects."""
    assert sent(**{name: value})[name] == value


@pytest.mark.parametrize("value", [0, -1, -5.0, 0.0])
def test_max_tokens_that_are_none(value: float) -> None:
    """A length that is given is positive, in the words that tools match on."""
    said = refused(max_tokens=value)
    assert said == "max_tokens is required and must be positive"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": None}, "model is required"),
        ({"model": ""}, "model is required"),
        ({"messages": None}, "messages is required"),
        ({"messages": []}, "messages is required"),
        ({"max_tokens": 1.5}, "'max_tokens'"),
        ({"max_tokens": "5"}, "'max_tokens'"),
        ({"temperature": 2.5}, "'temperature'"),
        ({"top_p": 2}, "'top_p'"),
        ({"top_k": 0.5}, "'top_k'"),
        ({"stop_sequences": "a"}, "'stop_sequences'"),
        ({"system": 5}, "'system'"),
        ({"stream": "yes"}, "'stream'"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"mcp_servers": [{"url": "http://a"}]}, "mcp_servers"),
        ({"thread": {"id": "t"}}, "thread"),
    ],
)
def test_refusals_name_the_field(fields: Any, words: str) -> None:
    """In Anthropic's envelope, which has no place for it, the message does."""
    assert words in refused(**fields)
    assert words in refused(**{"stream": True, **fields})


# ------------------------------------------------------------------ without effect


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"metadata": {"user_id": "ann"}}, "metadata"),
        ({"metadata": {}}, None),
        ({"service_tier": "auto"}, None),
        ({"service_tier": "standard_only"}, None),
        ({"service_tier": "priority"}, "service_tier"),
        ({"container": "c"}, "container"),
        ({"cache_control": {"type": "ephemeral"}}, "cache_control"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"speed": "fast"}, "speed"),
        ({"speed": "standard"}, None),
        ({"user_profile_id": "p"}, "user_profile_id"),
        ({"workspace_id": "w"}, "workspace_id"),
        ({"diagnostics": {}}, "diagnostics"),
        ({"context_management": {"edits": []}}, "context_management"),
        ({"mcp_servers": []}, None),
        ({"output_config": {"effort": "low", "x": 1}}, "output_config.x"),
        ({"thinking": {"type": "hard"}}, "thinking.type"),
        ({"betas": ["a"]}, "betas"),
        (
            {"messages": [{"role": "user", "content": [{"type": "x"}]}, *HI]},
            "messages[0].content[0].x",
        ),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_fields_without_effect(fields: Any, named: Any, stream: bool) -> None:
    """They are named in a header, and change nothing."""
    answer, (call,) = asked(stream=stream, model=THINKING, **fields)
    assert answer.status == 200
    assert answer.headers.get("X-Pannier-Ignored") == named
    assert set(call.json) <= {"model", "stream", "messages", "think"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"container": "c"}, "container"),
        ({"thinking": {"type": "hard"}}, "thinking.type"),
        ({"no_such": 1}, "no_such"),
        ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, "tools[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "x"}]}, *HI]},
            "messages[0].content[0].x",
        ),
        ({"system": [{"type": "image"}]}, "system[0].image"),
    ],
)
def test_strict(fields: Any, named: str) -> None:
    """Strict mode refuses them by name."""
    said = refused(settings={"strict": True}, **fields)
    assert said.startswith(f"Unsupported parameter: '{named}' is not supported here: ")


def test_a_conversation_that_should_be_kept() -> None:
    """Who sends only what is new learns by a code of Anthropic's to send all."""
    answer, calls = asked(thread={"id": "t"})
    assert calls == []
    code = answer.json["error"]["details"]["error_code"]
    assert code == "thread_unsupported_request"


def test_strict_lets_labels_pass() -> None:
    """What changes no answer, and a foreign signature, is no offence."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "Anthropic's"}
    given = [*HI, {"role": "assistant", "content": [thought]}, *HI]
    labels = {"metadata": {"user_id": "a"}, "cache_control": {"type": "ephemeral"}}
    answer, _ = asked(messages=given, settings={"strict": True}, **labels)
    assert answer.status == 200


# ------------------------------------------------------------------ formats


@pytest.mark.parametrize(
    "fields",
    [
        {"output_config": {"format": FORMAT}},
        {"output_format": FORMAT},
        {"output_config": {"format": FORMAT}, "output_format": {"type": "x"}},
        {"output_config": {"format": None, "effort": "low"}, "output_format": FORMAT},
        {"output_config": {"format": FORMAT | {"type": "JSON_SCHEMA"}}},
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_formats(fields: Any, stream: bool) -> None:
    """The model is held to the schema, and its answer fits it."""
    answer, (call,) = asked(stream=stream, **fields)
    assert call.json["format"]["properties"] == SCHEMA["properties"]
    assert "X-Pannier-Ignored" not in answer.headers
    message: Any = answer.json if not stream else None
    if stream:
        found, failed = followed(events(answer))
        assert found is not None
        assert failed is None
        message = found.to_dict()
    assert list(json.loads(message["content"][-1]["text"])) == ["a"]


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        (5, ""),
        ("json", ""),
        ({}, ""),
        ({"type": 5}, ""),
        ({"type": "xml"}, ".type"),
        ({"type": "json_schema"}, ""),
        ({"type": "json_schema", "schema": 5}, ".schema"),
        ({"type": "json_schema", "schema": False}, ".schema"),
        ({"type": "json_schema", "schema": {"type": "nothing"}}, ".schema"),
        ({"type": "json_schema", "schema": {"$ref": "http://a"}}, ".schema"),
    ],
)
def test_formats_that_are_none(wanted: Any, place: str) -> None:
    """A 400 names the place, whichever spelling it has."""
    assert f"output_config.format{place}" in refused(output_config={"format": wanted})
    if isinstance(wanted, dict):
        assert f"output_format{place}" in refused(output_format=wanted)


@pytest.mark.parametrize("kind", ["text", None])
def test_no_format(kind: Any) -> None:
    """Text is no format."""
    wanted = {"type": kind} if kind else None
    assert "format" not in sent(output_config={"format": wanted})


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_does_not_fit(stream: bool) -> None:
    """It is an error, never a message."""
    ollama = Ollama(CHAT)
    wanted = {"format": FORMAT}
    answer, _ = asked(ollama=ollama, output_config=wanted, stream=stream)
    if stream:
        _, failed = followed(events(answer))
        assert failed is not None
        assert "did not keep to the schema" in failed["error"]["message"]
    else:
        assert "did not keep" in error(answer, 502, "api_error")


# ------------------------------------------------------------------ thinking


@pytest.mark.parametrize(
    ("fields", "think"),
    [
        ({}, None),
        ({"think": True}, True),
        ({"think": "high"}, "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, True),
        ({"thinking": {"type": "enabled"}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "between_tools"}}, True),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            "low",
        ),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, False),
        ({"output_config": {"effort": "max"}}, "max"),
        ({"output_config": {"effort": "xhigh"}}, "max"),
        ({"think": False, "thinking": {"type": "enabled"}}, False),
        ({"thinking": {"type": "hard"}, "output_config": {"effort": "low"}}, "low"),
        ({"reasoning_effort": "none"}, False),
    ],
)
def test_thinking(fields: Any, think: Any) -> None:
    """The first spelling counts: Ollama's, then Anthropic's type, then the effort."""
    assert sent(model=THINKING, **fields).get("think") == think


@pytest.mark.parametrize(
    "fields",
    [
        {"thinking": {"type": "enabled", "display": "omitted"}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"thinking": {"type": "enabled"}, "exclude_reasoning": True},
        {"reasoning": {"exclude": True}},
        {"include_reasoning": False},
        {"settings": {"exclude_reasoning": True}},
        {"settings": {"reasoning_field": "none"}},
        {"metadata": {"hide_reasoning": True}},
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_hidden_thoughts(fields: Any, stream: bool) -> None:
    """They stay here, and are counted all the same."""
    answer, _ = asked(ollama=Ollama(THOUGHT), model=THINKING, stream=stream, **fields)
    assert b"hmm" not in answer.body
    usage = told(answer)[-2]["usage"] if stream else answer.json["usage"]
    assert usage["output_tokens_details"] == {"thinking_tokens": 3}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"thinking": {"type": "enabled", "display": "summarized"}},
        {"settings": {"exclude_reasoning": True}, "exclude_reasoning": False},
        {"settings": {"reasoning_field": "think_tags"}},
        {"settings": {"reasoning_field": "reasoning"}},
    ],
)
def test_thoughts_that_are_told(fields: Any) -> None:
    """They are a block, wherever the other dialects put them."""
    answer, _ = asked(ollama=Ollama(THOUGHT), model=THINKING, **fields)
    assert [block["type"] for block in answer.json["content"]] == ["thinking", "text"]


@pytest.mark.parametrize("stream", [True, False])
def test_thoughts_come_back(stream: bool) -> None:
    """A message goes back as it came, and its signature is known again."""
    signatures = Signatures(lambda: b"secret")
    answers = Ollama(THOUGHT)
    answer, _ = asked(ollama=answers, stream=stream)
    if stream:
        message, _ = followed(events(answer))
        assert message is not None
        content: Any = [block.to_dict() for block in message.content]
    else:
        content = answer.json["content"]
    again = [*HI, {"role": "assistant", "content": content}, *HI]
    second, (call,) = asked(messages=again)
    assert "X-Pannier-Ignored" not in second.headers
    assert call.json["messages"][1] == {
        "role": "assistant",
        "content": "Hello",
        "thinking": "hmm",
    }
    content[0]["thinking"] = "changed"
    third, _ = asked(messages=again)
    assert third.headers["X-Pannier-Ignored"] == "messages[1].content[0].signature"
    assert not signatures.verify("hmm", content[0]["signature"])  # another secret


class Unable(Ollama):
    """An Ollama whose model cannot think, which nobody knew."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Refuse a wish to think, answer anything else."""
        body = super().__call__(environ, start_response=lambda *_: None)
        if "think" in self.calls[-1].json:
            start_response("400 Bad Request", [*JSON])
            return [b'{"error":"\\"m\\" does not support thinking"}']
        start_response("200 OK", [*JSON])
        return body


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wish", [True, "high", "max"])
def test_a_wish_is_dropped_at_ollamas_word(stream: bool, wish: Any) -> None:
    """Where only Ollama knows that a model cannot think, it is asked once more."""
    answer, calls = asked(ollama=Unable(), think=wish, stream=stream)
    assert answer.status == 200
    assert ["think" in call.json for call in calls] == [True, False]
    assert answer.headers["X-Pannier-Ignored"] == "think"


@pytest.mark.parametrize("settings", [{"think_unsupported": "error"}, {"strict": True}])
def test_a_wish_that_must_be_kept(settings: Any) -> None:
    """By setting it is a 400, whoever finds out."""
    words = "does not support thinking"
    assert words in refused(model="plain", think=True, settings=settings)
    answer, calls = asked(ollama=Unable(), think=True, settings=settings)
    assert words in error(answer, 400, "invalid_request_error")
    assert len(calls) == 1


# ------------------------------------------------------------------ policies


def image(model: str, **more: Any) -> tuple[Answer, list[Call]]:
    """What becomes of an image for a model."""
    source = {"type": "base64", "media_type": "image/png", "data": text(PNG)}
    content = [{"type": "image", "source": source}]
    return asked(model=model, messages=[{"role": "user", "content": content}], **more)


def test_images_for_models_that_see() -> None:
    """They reach it; a model that is known not to see refuses them."""
    for model in ("seeing", "unknown"):
        _, (call,) = image(model)
        assert call.json["messages"][0]["images"] == [text(PNG)]
    answer, calls = image("plain")
    assert calls == []
    said = error(answer, 400, "invalid_request_error")
    assert said == 'messages: model "plain" does not support image input'


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("found", [text(PNG), FetchError("127.0.0.1 is not public")])
def test_images_by_url(found: Any, stream: bool) -> None:
    """They are fetched; why one could not be is not told, only which."""
    url = "https://a/b.png"
    ollama = Ollama()
    endpoint = MessagesMiddleware(
        ollama, fetch=lambda urls: {urls[0]: found}, signatures=OURS
    )
    content = [{"type": "image", "source": {"type": "url", "url": url}}]
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    app = ErrorMiddleware(endpoint)
    answer = ask(app, "POST", MESSAGES, body | {"stream": stream})
    if isinstance(found, str):
        assert ollama.calls[0].json["messages"][0]["images"] == [found]
        return
    said = error(answer, 400, "invalid_request_error")
    assert "could not fetch the image in messages[0].content[0].source.url" in said
    assert "127.0.0.1" not in said
    assert ollama.calls == []


@pytest.mark.parametrize("stream", [True, False])
def test_a_prompt_that_is_too_long(stream: bool) -> None:
    """By setting Ollama refuses it; both lengths are told in Anthropic's words."""
    full = Ollama(
        b'{"error":"{\\"error\\":{\\"type\\":\\"exceed_context_size_error\\",'
        b'\\"message\\":\\"too long\\",\\"n_prompt_tokens\\":6010,\\"n_ctx\\":4096}}"}',
        status="400 Bad Request",
    )
    answer, (call,) = asked(ollama=full, stream=stream, settings={"context": "strict"})
    assert call.json["truncate"] is False
    said = error(answer, 400, "invalid_request_error")
    assert said == "prompt is too long: 6010 tokens > 4096 maximum"


def test_a_context_that_is_large_enough() -> None:
    """By setting a larger context is asked for, and that is said."""
    long = [{"role": "user", "content": "word " * 9000}]
    answer, (call,) = asked(
        messages=long,
        control=Loaded(),
        settings={"context": "auto"},
    )
    assert call.json["options"] == {"num_ctx": 16384}
    assert answer.headers["X-Pannier-Adjusted"] == "num_ctx=16384"


class Loaded:
    """A catalogue's Ollama with a model that can do more than it is loaded with."""

    def __call__(self, method: str, path: str, payload: Any, timeout: float) -> bytes:
        """One call."""
        if path == "/api/show":
            return (
                b'{"model_info":{"general.architecture":"l","l.context_length":131072}}'
            )
        return b'{"models":[{"name":"m:latest","context_length":4096}]}'


@pytest.mark.parametrize("explain", ["header", "query"])
def test_explained(explain: str) -> None:
    """What would be sent is shown, and nothing is asked."""
    path, headers = MESSAGES, {"X_Pannier_Explain": "1"}
    if explain == "query":
        path, headers = f"{MESSAGES}?explain=1&beta=true", {}
    answer, calls = asked(
        path=path,
        headers=headers,
        model=THINKING,
        metadata={"user_id": "a"},
        max_tokens=5,
        stream=True,
        thinking={"type": "enabled", "display": "omitted"},
    )
    assert calls == []
    assert answer.json["endpoint"] == "/api/chat"
    assert answer.json["requests"] == [
        {
            "model": THINKING,
            "stream": True,
            "messages": [{"role": "user", "content": "hi"}],
            "options": {"num_predict": 5},
            "think": True,
        }
    ]
    assert answer.json["ignored"] == [
        {"field": "metadata", "reason": "nothing is stored"}
    ]
    assert answer.json["reasoning_hidden"] is True
    assert answer.json["prompt_tokens_estimate"] == 1


def test_rendered() -> None:
    """``_debug_render_only`` shows the prompt, also of what would be a stream."""
    answer, _ = asked(_debug_render_only=True, stream=True)
    assert answer.json["_debug_info"] == {"rendered_template": "<user>hi"}
    assert answer.json["content"] == []


# ------------------------------------------------------------------ usage


@pytest.mark.parametrize(
    ("content", "estimate"), [("hi", 1), ("x" * 400, 100), ("", 1)]
)
def test_the_estimate_of_a_stream(content: str, estimate: int) -> None:
    """Four characters are a token, at least one; the end has the true count."""
    given = [{"role": "user", "content": content}]
    found = told(asked(messages=given, stream=True)[0])
    assert found[0]["message"]["usage"]["input_tokens"] == estimate
    assert found[-2]["usage"]["input_tokens"] == 7
