"""Anthropic's library for Python: tools, forced and free, and its runner of them."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from support.claude import (
    ASK_WEATHER,
    HELLO,
    PLAIN,
    SAID,
    WEATHER,
    connect,
    text_of,
)
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def claude(server: Server) -> Iterator[anthropic.Anthropic]:
    """Anthropic's own client, pointed at Pannier."""
    with connect(server) as client:
        yield client


CHOICES: list[tuple[Any, list[str]]] = [
    ({"type": "auto"}, ["get_weather"]),
    ({"type": "any"}, ["get_weather"]),
    ({"type": "tool", "name": "get_news"}, ["get_news"]),
    ({"type": "none"}, []),
    ({"type": "auto", "disable_parallel_tool_use": True}, ["get_weather"]),
    ({"type": "any", "disable_parallel_tool_use": True}, ["get_weather"]),
]


@pytest.mark.parametrize(("choice", "names"), CHOICES, ids=str)
@pytest.mark.parametrize("stream", [False, True])
def test_tool_choice(
    claude: anthropic.Anthropic, choice: Any, names: list[str], stream: bool
) -> None:
    """A tool is called as the choice says, forced or not, and its input is parsed."""
    if stream:
        with claude.messages.stream(**WEATHER, tool_choice=choice) as events:
            answer: Any = events.get_final_message()
    else:
        answer = claude.messages.create(**WEATHER, tool_choice=choice)
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [one.name for one in calls] == names
    assert all(list(one.input.values()) == ["Paris"] for one in calls)
    assert all(one.id for one in calls)
    assert answer.stop_reason == ("tool_use" if names else "end_turn")


def test_results_of_tools(claude: anthropic.Anthropic, simulator: Simulator) -> None:
    """A call and its result go into the next turn, errors marked as such."""
    first = claude.messages.create(**WEATHER)
    (used,) = first.content
    for failed, result in (
        (False, "18 degrees"),
        (True, [{"type": "text", "text": "no such city"}]),
    ):
        block = {"type": "tool_result", "tool_use_id": used.id, "content": result}
        turns = [
            *ASK_WEATHER,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [{**block, "is_error": failed}]},
        ]
        said = text_of(claude.messages.create(**{**WEATHER, "messages": turns}))
        wanted = "Error: no such city" if failed else "18 degrees"
        assert said == f"The get_weather answered: {wanted}"
    found = simulator.wait(path="/api/chat", body="no such city")
    sent = json.loads(found["body"])["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == used.id


@anthropic.beta_tool
def get_weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"18 degrees in {city}"


@pytest.mark.parametrize("stream", [False, True])
def test_runner_of_tools(
    claude: anthropic.Anthropic, simulator: Simulator, stream: bool
) -> None:
    """The library runs our function; it learns that all of a conversation is needed."""
    simulator.clear()
    runner = claude.beta.messages.tool_runner(
        model="llama3.2",
        max_tokens=200,
        messages=ASK_WEATHER,
        tools=[get_weather],
        stream=stream,
    )
    said = [text_of(turn.get_final_message() if stream else turn) for turn in runner]
    assert said == ["", "The get_weather answered: 18 degrees in Paris"]
    # What it asks Pannier in vain does not reach Ollama.
    asked = [entry for entry in simulator.log() if entry["target"] == "/api/chat"]
    assert len(asked) == 2


def test_threads(claude: anthropic.Anthropic) -> None:
    """Conversations kept by the server are refused as the library knows it."""
    thread = claude.beta.messages.thread(model="llama3.2", max_tokens=9)
    with pytest.raises(anthropic.BadRequestError) as caught:
        thread.send(*HELLO)
    assert caught.value.error_code == "thread_unsupported_request"
    thread = claude.beta.messages.thread(
        model="llama3.2",
        max_tokens=99,
        unsupported_request_behavior="continue_unthreaded",
    )
    assert text_of(thread.send(*HELLO)) == SAID
    assert "“And this”" in text_of(thread.send({"role": "user", "content": "And this"}))


@pytest.mark.parametrize("kind", ["bash_20250124", "text_editor_20250728"])
def test_tools_of_the_client(claude: anthropic.Anthropic, kind: str) -> None:
    """Tools that Anthropic's models were taught are offered with their schema."""
    name = "bash" if "bash" in kind else "str_replace_based_edit_tool"
    answer = claude.messages.create(
        **PLAIN,
        tools=[{"type": kind, "name": name}],
        tool_choice={"type": "any"},
    )
    (used,) = answer.content
    assert (used.type, used.name) == ("tool_use", name)
    assert "command" in used.input or name == "bash"
