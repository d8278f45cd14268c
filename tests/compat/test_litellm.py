import asyncio
import json
from typing import Any

import litellm
import pytest
from pydantic import BaseModel
from support.recordings import wav
from support.simulator import Simulator

pytestmark = [pytest.mark.compat, pytest.mark.live]

HELLO = [{"role": "user", "content": "Say this is a test"}]
SAID = "You said “Say this is a test”, and I agree."
ASK_WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def tool(name: str, argument: str) -> dict[str, Any]:
    """A function of one text."""
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
    }
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [tool("get_weather", "city"), tool("get_news", "topic")]


class City(BaseModel):
    """What a structured answer is."""

    name: str
    people: int


@pytest.fixture
def to(url: str) -> dict[str, Any]:
    """Where LiteLLM is to send its requests, and that once."""
    return {"api_base": url, "api_key": "x", "num_retries": 0, "timeout": 30}


def said(chunks: Any) -> str:
    """The text of a stream."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_whole(to: dict[str, Any]) -> None:
    """A completion has text, a reason to end and usage."""
    answer = litellm.completion(model="openai/llama3.2", messages=HELLO, **to)
    assert answer.choices[0].message.content == SAID
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens > answer.usage.prompt_tokens


def test_streamed(to: dict[str, Any]) -> None:
    """A stream is the whole answer in pieces, and LiteLLM can rebuild it."""
    chunks = list(
        litellm.completion(
            model="openai/llama3.2",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
            **to,
        )
    )
    assert said(chunks) == SAID
    rebuilt = litellm.stream_chunk_builder(chunks, messages=HELLO)
    whole = litellm.completion(model="openai/llama3.2", messages=HELLO, **to)
    assert rebuilt.choices[0].message.content == SAID
    assert rebuilt.usage.prompt_tokens == whole.usage.prompt_tokens
    assert rebuilt.usage.completion_tokens == whole.usage.completion_tokens


def test_asynchronous(to: dict[str, Any]) -> None:
    """The asynchronous calls get the same answers."""

    async def both() -> tuple[str, str, int]:
        whole = await litellm.acompletion(model="openai/llama3.2", messages=HELLO, **to)
        stream = await litellm.acompletion(
            model="openai/llama3.2", messages=HELLO, stream=True, **to
        )
        chunks = [chunk async for chunk in stream]
        vectors = await litellm.aembedding(model="openai/all-minilm", input=["a"], **to)
        size = len(vectors.data[0]["embedding"])
        return whole.choices[0].message.content, said(chunks), size

    assert asyncio.run(both()) == (SAID, SAID, 384)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("auto", "get_weather"),
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "get_news"}}, "get_news"),
    ],
    ids=["auto", "required", "named"],
)
def test_tools(to: dict[str, Any], stream: bool, choice: Any, name: str) -> None:
    """A function is called, freely or by force, in streams too."""
    answer = litellm.completion(
        model="openai/llama3.2",
        messages=ASK_WEATHER,
        tools=TOOLS,
        tool_choice=choice,
        stream=stream,
        **to,
    )
    if stream:
        answer = litellm.stream_chunk_builder(list(answer))
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == name
    (value,) = json.loads(call.function.arguments).values()
    assert isinstance(value, str)


def test_tool_results(to: dict[str, Any]) -> None:
    """LiteLLM's own message of a call goes back with the result."""
    first = litellm.completion(
        model="openai/llama3.2", messages=ASK_WEATHER, tools=TOOLS, **to
    )
    message = first.choices[0].message
    result = {
        "role": "tool",
        "tool_call_id": message.tool_calls[0].id,
        "content": "18 degrees",
    }
    second = litellm.completion(
        model="openai/llama3.2",
        messages=[*ASK_WEATHER, message, result],
        tools=TOOLS,
        **to,
    )
    said = second.choices[0].message.content
    assert said == "The get_weather answered: 18 degrees"


def test_structured(to: dict[str, Any]) -> None:
    """A Pydantic model as the format of the answer is kept to."""
    answer = litellm.completion(
        model="openai/llama3.2", messages=ASK_WEATHER, response_format=City, **to
    )
    assert City.model_validate_json(answer.choices[0].message.content)


def test_several(to: dict[str, Any]) -> None:
    """Several answers to one question have their indices."""
    answer = litellm.completion(
        model="openai/tiny-rand", messages=HELLO, n=3, seed=1, max_tokens=4, **to
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3


def test_reasoning(to: dict[str, Any]) -> None:
    """LiteLLM finds the reasoning where it looks for it."""
    answer = litellm.completion(model="openai/qwen3", messages=HELLO, **to)
    assert answer.choices[0].message.reasoning_content.startswith("The user says")
    assert answer.choices[0].message.content == SAID
    chunks = litellm.completion(model="openai/qwen3", messages=HELLO, stream=True, **to)
    thought = [
        getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
        for chunk in chunks
    ]
    assert "".join(thought) == answer.choices[0].message.reasoning_content


def test_images(to: dict[str, Any]) -> None:
    """An image as a data URL is seen."""
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    answer = litellm.completion(
        model="openai/llava", messages=[{"role": "user", "content": content}], **to
    )
    assert answer.choices[0].message.content.startswith("I see an image of 70 bytes.")


def test_embedding(to: dict[str, Any]) -> None:
    """Vectors come in order, as long as asked."""
    answer = litellm.embedding(
        model="openai/all-minilm",
        input=["a", "b"],
        dimensions=8,
        # LiteLLM knows only some of OpenAI's own models to have shorter vectors.
        allowed_openai_params=["dimensions"],
        **to,
    )
    assert [one["index"] for one in answer.data] == [0, 1]
    assert [len(one["embedding"]) for one in answer.data] == [8, 8]


@pytest.mark.parametrize("stream", [False, True])
def test_text_completion(to: dict[str, Any], stream: bool) -> None:
    """The older completions work, streamed and whole."""
    answer = litellm.text_completion(
        model="text-completion-openai/llama3.2",
        prompt="Say this is a test",
        stream=stream,
        **to,
    )
    chunks = list(answer) if stream else [answer]
    assert "".join(chunk.choices[0].text or "" for chunk in chunks) == SAID


def test_own_options(to: dict[str, Any], simulator: Simulator) -> None:
    """Ollama's own options reach it through extra_body."""
    litellm.completion(
        model="openai/llama3.2",
        messages=HELLO,
        extra_body={"num_ctx": 3072, "keep_alive": "7m"},
        **to,
    )
    call = json.loads(simulator.wait(path="/api/chat", body='"7m"')["body"])
    assert call["options"]["num_ctx"] == 3072


def test_transcription(to: dict[str, Any]) -> None:
    """A recording is written down."""
    answer = litellm.transcription(
        model="openai/sim-audio", file=("said.wav", wav()), **to
    )
    assert answer.text == "The quick brown fox jumps over the lazy dog."


@pytest.mark.parametrize(
    ("model", "messages", "error"),
    [
        ("nope", HELLO, litellm.NotFoundError),
        ("llama3.2", [], litellm.BadRequestError),
        ("fault-busy", HELLO, litellm.ServiceUnavailableError),
        ("fault-out-of-memory", HELLO, litellm.InternalServerError),
    ],
)
def test_errors(
    to: dict[str, Any], model: str, messages: Any, error: type[Exception]
) -> None:
    """Errors become LiteLLM's classes, by which its users route and retry."""
    with pytest.raises(error):
        litellm.completion(model=f"openai/{model}", messages=messages, **to)


def test_failure_in_stream(to: dict[str, Any]) -> None:
    """A stream that breaks off raises; it does not end as if all were well."""
    stream = litellm.completion(
        model="openai/fault-cut-3", messages=HELLO, stream=True, **to
    )
    got: list[Any] = []
    with pytest.raises(litellm.ServiceUnavailableError, match="before it was complete"):
        got.extend(stream)
    assert said(got) == "You said “"


def test_too_late(to: dict[str, Any]) -> None:
    """A limit of the client's own ends the wait."""
    with pytest.raises(litellm.Timeout):
        litellm.completion(
            model="openai/sim-chunks3-load5", messages=HELLO, **{**to, "timeout": 0.3}
        )
