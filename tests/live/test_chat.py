import base64
import json

import openai
import pytest
from pydantic import BaseModel
from support.simulator import Simulator

pytestmark = pytest.mark.live

HELLO = [{"role": "user", "content": "Say this is a test"}]
SAID = "You said “Say this is a test”, and I agree."
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
ASK_WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]


class Address(BaseModel):
    """A part of a person, so that the schema nests."""

    street: str
    number: int


class Person(BaseModel):
    """What the model is made to answer."""

    name: str
    age: int
    home: Address
    friends: list[Address]


def test_whole(client: openai.OpenAI) -> None:
    """A chat answer has text, a reason to end, usage, and an id of its own."""
    answer = client.chat.completions.create(model="llama3.2", messages=HELLO)
    assert answer.choices[0].message.content == SAID
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.object == "chat.completion"
    assert answer.model == "llama3.2"
    usage = answer.usage
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 3
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert answer.id.startswith("chatcmpl-")
    assert answer._request_id.startswith("req_")


def test_streamed(client: openai.OpenAI) -> None:
    """A streamed answer is the whole one in pieces, and says why it ended, once."""
    chunks = list(
        client.chat.completions.create(model="llama3.2", messages=HELLO, stream=True)
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == SAID
    assert chunks[0].choices[0].delta.role == "assistant"
    reasons = [c.choices[0].finish_reason for c in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert len({c.id for c in chunks}) == 1
    assert all(c.usage is None for c in chunks)


def test_include_usage(client: openai.OpenAI) -> None:
    """With include_usage one last chunk has the usage and no choices."""
    *rest, last = client.chat.completions.create(
        model="llama3.2",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert last.choices == []
    whole = client.chat.completions.create(model="llama3.2", messages=HELLO)
    assert last.usage == whole.usage
    assert all(chunk.usage is None for chunk in rest)


def test_tools_both_ways(client: openai.OpenAI) -> None:
    """The model calls a function, gets its result, and answers with it."""
    first = client.chat.completions.create(
        model="llama3.2", messages=ASK_WEATHER, tools=[WEATHER]
    )
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert [call.function.name for call in message.tool_calls] == ["get_weather"]
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Paris"}

    result = {
        "role": "tool",
        "tool_call_id": message.tool_calls[0].id,
        "content": "18 degrees",
    }
    second = client.chat.completions.create(
        model="llama3.2", messages=[*ASK_WEATHER, message, result], tools=[WEATHER]
    )
    assert second.choices[0].message.content == "The get_weather answered: 18 degrees"
    assert second.choices[0].finish_reason == "stop"


def test_tools_streamed(client: openai.OpenAI) -> None:
    """The SDK's own accumulator puts a streamed tool call together."""
    with client.chat.completions.stream(
        model="qwen3", messages=ASK_WEATHER, tools=[WEATHER]
    ) as stream:
        done = [
            event
            for event in stream
            if event.type == "tool_calls.function.arguments.done"
        ]
        final = stream.get_final_completion()
    assert [event.name for event in done] == ["get_weather"]
    (call,) = final.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    assert call.id.startswith("call_")
    assert final.choices[0].finish_reason == "tool_calls"


def test_tool_choice_none(client: openai.OpenAI) -> None:
    """With tool_choice none the model answers in words."""
    answer = client.chat.completions.create(
        model="llama3.2", messages=ASK_WEATHER, tools=[WEATHER], tool_choice="none"
    )
    assert answer.choices[0].message.tool_calls is None
    assert "Paris" in answer.choices[0].message.content


@pytest.mark.parametrize("route", ["chat", "beta"])
def test_parse(client: openai.OpenAI, route: str) -> None:
    """parse() gives an instance of a nested Pydantic model."""
    completions = client.chat if route == "chat" else client.beta.chat
    answer = completions.completions.parse(
        model="llama3.2", messages=HELLO, response_format=Person
    )
    person = answer.choices[0].message.parsed
    assert isinstance(person, Person)
    assert isinstance(person.home.number, int)
    assert answer.choices[0].message.refusal is None


def test_parse_streamed(client: openai.OpenAI) -> None:
    """The SDK's stream helper parses a structured answer at its end."""
    with client.chat.completions.stream(
        model="llama3.2", messages=HELLO, response_format=Person
    ) as stream:
        stream.until_done()
        person = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(person, Person)


def test_json_object(client: openai.OpenAI) -> None:
    """With json_object the content is JSON."""
    answer = client.chat.completions.create(
        model="llama3.2", messages=HELLO, response_format={"type": "json_object"}
    )
    content = json.loads(answer.choices[0].message.content)
    assert content == {"answer": "Say this is a test"}


def test_reasoning_whole(client: openai.OpenAI) -> None:
    """Reasoning is apart from the answer, under both names that clients look for."""
    answer = client.chat.completions.create(model="qwen3", messages=HELLO)
    message = answer.choices[0].message
    assert message.content == SAID
    assert message.reasoning.startswith("The user says")
    assert message.reasoning_content == message.reasoning


def test_reasoning_streamed(client: openai.OpenAI) -> None:
    """Streamed reasoning comes before the content, never in it."""
    deltas = [
        chunk.choices[0].delta
        for chunk in client.chat.completions.create(
            model="qwen3", messages=HELLO, stream=True
        )
    ]
    thought = [getattr(delta, "reasoning", None) or "" for delta in deltas]
    said = [delta.content or "" for delta in deltas]
    assert "".join(thought).startswith("The user says")
    assert "".join(said) == SAID
    last_thought = max(i for i, text in enumerate(thought) if text)
    assert not any(said[: last_thought + 1])


@pytest.mark.parametrize(("effort", "told"), [("high", "high"), ("minimal", "low")])
def test_reasoning_effort(client: openai.OpenAI, effort: str, told: str) -> None:
    """An effort reaches the model."""
    answer = client.chat.completions.create(
        model="gpt-oss:20b", messages=HELLO, reasoning_effort=effort
    )
    assert f"Effort is {told}." in answer.choices[0].message.reasoning


def test_reasoning_off(client: openai.OpenAI) -> None:
    """With effort none the model does not think."""
    answer = client.chat.completions.create(
        model="qwen3", messages=HELLO, reasoning_effort="none"
    )
    assert answer.choices[0].message.content == SAID
    assert not hasattr(answer.choices[0].message, "reasoning")


def test_logprobs(client: openai.OpenAI) -> None:
    """Each token has its log probability, its bytes and the alternatives asked for."""
    answer = client.chat.completions.create(
        model="tiny-soft", messages=HELLO, logprobs=True, top_logprobs=2, max_tokens=3
    )
    tokens = answer.choices[0].logprobs.content
    assert "".join(t.token for t in tokens) == answer.choices[0].message.content
    assert all(t.logprob < 0 and bytes(t.bytes) == t.token.encode() for t in tokens)
    assert [len(t.top_logprobs) for t in tokens] == [2, 2, 2]
    assert answer.choices[0].finish_reason == "length"


def test_logprobs_streamed(client: openai.OpenAI) -> None:
    """A stream has the same log probabilities as the whole answer."""
    asked = {"model": "tiny-soft", "messages": HELLO, "logprobs": True, "max_tokens": 4}
    whole = client.chat.completions.create(**asked)
    chunks = client.chat.completions.create(**asked, stream=True)
    streamed = [
        token
        for chunk in chunks
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content
    ]
    assert streamed == whole.choices[0].logprobs.content


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64," + base64.b64encode(PNG).decode(),
        base64.b64encode(PNG).decode(),
        "data:image/PNG;charset=utf-8;base64," + base64.b64encode(PNG).decode(),
    ],
    ids=["data-url", "bare", "odd-spelling"],
)
@pytest.mark.parametrize("form", ["object", "string"])
def test_images(client: openai.OpenAI, url: str, form: str) -> None:
    """An image reaches the model as its bytes, however its base64 is wrapped."""
    image = {"url": url} if form == "object" else url
    answer = client.chat.completions.create(
        model="llava",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": image},
                ],
            }
        ],
    )
    said = answer.choices[0].message.content
    assert said == f"I see an image of {len(PNG)} bytes. You ask: What is it?"


@pytest.mark.parametrize("stop", [" a test", [" a test", "zzz"]])
def test_stop(client: openai.OpenAI, stop: str | list[str]) -> None:
    """The answer ends before a stop sequence."""
    answer = client.chat.completions.create(model="llama3.2", messages=HELLO, stop=stop)
    assert answer.choices[0].message.content == "You said “Say this is"
    assert answer.choices[0].finish_reason == "stop"


def test_seed(client: openai.OpenAI) -> None:
    """One seed gives one text, another seed another."""

    def say(seed: int) -> str:
        answer = client.chat.completions.create(
            model="tiny-rand", messages=HELLO, seed=seed, max_completion_tokens=8
        )
        return answer.choices[0].message.content

    assert say(1) == say(1) != say(2)


def test_ollama_options(client: openai.OpenAI, simulator: Simulator) -> None:
    """Ollama's own options pass through extra_body."""
    answer = client.chat.completions.with_raw_response.create(
        model="llama3.2",
        messages=HELLO,
        user="me",
        extra_body={"num_ctx": 2048, "options": {"top_k": 7}, "keep_alive": "5m"},
    )
    entry = simulator.wait(path="/api/chat", body='"top_k":7')
    call = json.loads(entry["body"])
    assert call["options"]["num_ctx"] == 2048
    assert call["keep_alive"] == "5m"
    assert answer.headers["x-pannier-ignored"] == "user"


async def _async_chat(base_url: str) -> tuple[str, str, list[float]]:
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="x", max_retries=0, timeout=30
    ) as client:
        whole = await client.chat.completions.create(model="llama3.2", messages=HELLO)
        stream = await client.chat.completions.create(
            model="llama3.2", messages=HELLO, stream=True
        )
        streamed = [chunk.choices[0].delta.content or "" async for chunk in stream]
        vectors = await client.embeddings.create(model="all-minilm", input="a")
    return (
        whole.choices[0].message.content or "",
        "".join(streamed),
        vectors.data[0].embedding,
    )


def test_async(client: openai.OpenAI) -> None:
    """The SDK's asynchronous client gets the same answers."""
    import asyncio

    whole, streamed, vector = asyncio.run(_async_chat(str(client.base_url)))
    assert whole == streamed == SAID
    assert len(vector) == 384
