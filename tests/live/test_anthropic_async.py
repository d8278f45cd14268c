"""Anthropic's asynchronous library for Python: every ordinary call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel
from support.claude import ASK_WEATHER, HELLO, PLAIN, SAID, WEATHER, shown, text_of
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

Client = anthropic.AsyncAnthropic
Run = Callable[[Callable[[Client], Awaitable[Any]]], Any]


class Friend(BaseModel):
    """What the model is made to answer."""

    name: str
    age: int


@pytest.fixture
def run(server: Server) -> Run:
    """Run an asynchronous function with a client."""

    async def within(function: Callable[[Client], Awaitable[Any]]) -> Any:
        async with Client(
            base_url=server.url, api_key="x", max_retries=0, timeout=30
        ) as client:
            return await function(client)

    return lambda function: asyncio.run(within(function))


def test_messages(run: Run) -> None:
    """Whole and streamed messages are the same."""

    async def ask(client: Client) -> tuple[Any, str, Any]:
        whole = await client.messages.create(**PLAIN)
        stream = await client.messages.create(**PLAIN, stream=True)
        pieces = [
            event.delta.text
            async for event in stream
            if event.type == "content_block_delta"
        ]
        async with client.messages.stream(**PLAIN) as events:
            final = await events.get_final_message()
        return whole, "".join(pieces), final

    whole, text, final = run(ask)
    assert text == text_of(whole) == SAID
    assert shown(final) == shown(whole)
    assert final.usage == whole.usage


def test_many_at_once(run: Run) -> None:
    """Questions that are asked at once get their own answers, whole and streamed."""
    questions = [f"Say number {number}" for number in range(20)]

    async def one(client: Client, question: str, stream: bool) -> str:
        asked: Any = {**PLAIN, "messages": [{"role": "user", "content": question}]}
        if not stream:
            return text_of(await client.messages.create(**asked))
        async with client.messages.stream(**asked) as events:
            return await events.get_final_text()

    async def ask(client: Client) -> list[str]:
        asked = [one(client, q, stream) for q in questions for stream in (False, True)]
        return await asyncio.gather(*asked)

    answers = run(ask)
    wanted = [question for question in questions for _ in range(2)]
    assert [f"“{q}”" in a for q, a in zip(wanted, answers, strict=True)] == [True] * 40


@pytest.mark.parametrize("choice", ["auto", "any"])
def test_tools(run: Run, choice: str) -> None:
    """A call is parsed, whole and streamed."""
    asked: Any = {**WEATHER, "tool_choice": {"type": choice}}

    async def ask(client: Client) -> list[Any]:
        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as events:
            streamed = await events.get_final_message()
        return [(one.name, one.input) for one in (*whole.content, *streamed.content)]

    assert run(ask) == [("get_weather", {"city": "Paris"})] * 2


@anthropic.beta_async_tool
async def get_weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"18 degrees in {city}"


def test_runner_of_tools(run: Run) -> None:
    """The library runs our function and comes to an answer."""

    async def ask(client: Client) -> Any:
        runner = client.beta.messages.tool_runner(
            model="llama3.2", max_tokens=200, messages=ASK_WEATHER, tools=[get_weather]
        )
        return await runner.until_done()

    assert text_of(run(ask)) == "The get_weather answered: 18 degrees in Paris"


def test_thinking_and_formats(run: Run) -> None:
    """Thoughts are signed, and structured answers are parsed."""
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}

    async def ask(client: Client) -> tuple[Any, Any]:
        async with client.messages.stream(
            **{**PLAIN, "model": "qwen3"}, thinking=thinking
        ) as events:
            thought = await events.get_final_message()
        parsed = await client.messages.parse(**PLAIN, output_format=Friend)
        return thought, parsed.parsed_output

    answer, parsed = run(ask)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[0].signature
    assert isinstance(parsed, Friend)


def test_models_and_counts(run: Run) -> None:
    """Models are listed page by page and found, and tokens are counted."""

    async def ask(client: Client) -> tuple[list[str], str, int]:
        names = [model.id async for model in client.models.list(limit=3)]
        found = await client.models.retrieve("llama3.2")
        count = await client.messages.count_tokens(model="llama3.2", messages=HELLO)
        return names, found.id, count.input_tokens

    names, found, count = run(ask)
    assert "llama3.2:latest" in names
    assert len(names) == len(set(names)) > 3
    assert found == "llama3.2"
    assert count > 3


def test_errors(run: Run) -> None:
    """What came before a failure in a stream is delivered, then an error is raised."""
    said = []

    async def ask(client: Client) -> None:
        async with client.messages.stream(
            **{**PLAIN, "model": "fault-cut-3"}
        ) as stream:
            async for text in stream.text_stream:
                said.append(text)

    with pytest.raises(anthropic.APIStatusError, match="ended before it was complete"):
        run(ask)
    assert "".join(said) == "You said “"


def test_leaving(run: Run, simulator: Simulator) -> None:
    """A task that is cancelled stops the model, and leaves the client in order."""
    asked: Any = {**PLAIN, "model": "sim-chunks2-load9"}
    asked["messages"] = [{"role": "user", "content": "Given up by a task"}]

    async def ask(client: Client) -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.messages.create(**asked), 0.2)
        return text_of(await client.messages.create(**PLAIN))

    assert run(ask) == SAID
    simulator.wait(body="Given up by a task", outcome="client-left")
