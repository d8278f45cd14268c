"""OpenAI's asynchronous library for Python: every ordinary call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from support.server import Server

pytestmark = pytest.mark.live

HELLO = [{"role": "user", "content": "Say this is a test"}]
SAID = "You said “Say this is a test”, and I agree."
ASK_WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CHAT = {"model": "llama3.2", "messages": HELLO}


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str


class Person(BaseModel):
    """What the model is made to answer."""

    name: str
    friends: list[GetWeather]


TOOLS = [openai.pydantic_function_tool(GetWeather)]
Client = openai.AsyncOpenAI


@pytest.fixture
def run(server: Server) -> Callable[[Callable[[Client], Awaitable[Any]]], Any]:
    """Run an asynchronous function with a client."""

    async def within(function: Callable[[Client], Awaitable[Any]]) -> Any:
        async with Client(
            base_url=f"{server.url}/v1", api_key="x", max_retries=0, timeout=30
        ) as client:
            return await function(client)

    return lambda function: asyncio.run(within(function))


Run = Callable[[Callable[[Client], Awaitable[Any]]], Any]


def test_chat(run: Run) -> None:
    """Whole and streamed answers are the same."""

    async def ask(client: Client) -> tuple[str, str, str]:
        whole = await client.chat.completions.create(**CHAT)
        stream = await client.chat.completions.create(**CHAT, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        async with client.chat.completions.stream(**CHAT) as events:
            final = await events.get_final_completion()
        told = whole.choices[0].message.content, final.choices[0].message.content
        return told[0], "".join(pieces), told[1]

    assert run(ask) == (SAID, SAID, SAID)


def test_many_at_once(run: Run) -> None:
    """Questions that are asked at once get their own answers."""
    questions = [f"Say number {number}" for number in range(20)]

    async def ask(client: Client) -> list[str]:
        answers = await asyncio.gather(
            *(
                client.chat.completions.create(
                    model="llama3.2", messages=[{"role": "user", "content": question}]
                )
                for question in questions
            )
        )
        return [answer.choices[0].message.content for answer in answers]

    answers = run(ask)
    assert [f"“{q}”" in a for q, a in zip(questions, answers, strict=True)] == [
        True
    ] * 20


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_tools(run: Run, choice: str) -> None:
    """A call is parsed, whole and streamed."""
    asked: dict[str, Any] = {
        "model": "llama3.2",
        "messages": ASK_WEATHER,
        "tools": TOOLS,
        "tool_choice": choice,
    }

    async def ask(client: Client) -> list[Any]:
        whole = await client.chat.completions.parse(**asked)
        async with client.chat.completions.stream(**asked) as events:
            streamed = await events.get_final_completion()
        return [
            call.function.parsed_arguments
            for answer in (whole, streamed)
            for call in answer.choices[0].message.tool_calls
        ]

    first, second = run(ask)
    assert first == second == GetWeather(city="Paris")


def test_parse(run: Run) -> None:
    """Structured answers are parsed, whole and streamed."""

    async def ask(client: Client) -> tuple[Any, Any]:
        whole = await client.chat.completions.parse(**CHAT, response_format=Person)
        async with client.chat.completions.stream(
            **CHAT, response_format=Person
        ) as events:
            streamed = await events.get_final_completion()
        return (
            whole.choices[0].message.parsed,
            streamed.choices[0].message.parsed,
        )

    whole, streamed = run(ask)
    assert isinstance(whole, Person)
    assert isinstance(streamed, Person)


def test_several(run: Run) -> None:
    """Several choices come back, whole and streamed."""
    asked = {"model": "tiny-rand", "messages": HELLO, "n": 3, "max_tokens": 3}

    async def ask(client: Client) -> tuple[list[int], set[int]]:
        whole = await client.chat.completions.create(**asked)
        stream = await client.chat.completions.create(**asked, stream=True)
        streamed = {
            choice.index
            async for chunk in stream
            for choice in chunk.choices
            if choice.finish_reason
        }
        return [choice.index for choice in whole.choices], streamed

    assert run(ask) == ([0, 1, 2], {0, 1, 2})


def test_images_and_logprobs(run: Run) -> None:
    """Images go in and log probabilities come out."""
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]

    async def ask(client: Client) -> tuple[str, list[Any]]:
        seen = await client.chat.completions.create(
            model="llava", messages=[{"role": "user", "content": content}]
        )
        chances = await client.chat.completions.create(
            model="tiny-soft", messages=HELLO, logprobs=True, max_tokens=3
        )
        return seen.choices[0].message.content, chances.choices[0].logprobs.content

    said, tokens = run(ask)
    assert said.startswith("I see an image of 70 bytes.")
    assert len(tokens) == 3


def test_completions(run: Run) -> None:
    """Text completions: several prompts, the prompt before the answer, streams."""
    asked = {"model": "llama3.2", "prompt": ["Say one", "Say two"]}

    async def ask(client: Client) -> tuple[list[str], list[str]]:
        whole = await client.completions.create(**asked, echo=True)
        stream = await client.completions.create(**asked, stream=True)
        streamed = ["", ""]
        async for chunk in stream:
            for choice in chunk.choices:
                streamed[choice.index] += choice.text
        return [choice.text for choice in whole.choices], streamed

    whole, streamed = run(ask)
    assert [text.startswith(p) for text, p in zip(whole, asked["prompt"], strict=True)]
    assert [p + s for p, s in zip(asked["prompt"], streamed, strict=True)] == whole


def test_embeddings_and_models(run: Run) -> None:
    """Vectors and models."""

    async def ask(client: Client) -> tuple[list[int], str, list[str]]:
        vectors = await client.embeddings.create(
            model="all-minilm", input=["a", "b", "c"], dimensions=4
        )
        found = await client.models.retrieve("llama3.2")
        names = [model.id async for model in client.models.list()]
        return [len(one.embedding) for one in vectors.data], found.id, names

    sizes, found, names = run(ask)
    assert sizes == [4, 4, 4]
    assert found == "llama3.2"
    assert "llama3.2:latest" in names


def test_errors(run: Run) -> None:
    """What came before a failure in a stream is delivered, then an error is raised."""

    said = []

    async def ask(client: Client) -> None:
        stream = await client.chat.completions.create(
            model="fault-cut-3", messages=HELLO, stream=True
        )
        async for chunk in stream:
            said.append(chunk.choices[0].delta.content or "")

    with pytest.raises(openai.APIError, match="ended before it was complete"):
        run(ask)
    assert "".join(said) == "You said “"


def test_leaving(run: Run) -> None:
    """A task that is cancelled while it waits leaves the client in order."""

    async def ask(client: Client) -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                client.chat.completions.create(
                    model="sim-chunks2-load9", messages=HELLO
                ),
                0.2,
            )
        answer = await client.chat.completions.create(**CHAT)
        return answer.choices[0].message.content

    assert run(ask) == SAID
