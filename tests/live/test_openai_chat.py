"""Chat through OpenAI's library for Python: what test_chat.py does not ask for."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from pydantic import BaseModel
from support.pictures import PNG, Web, page
from support.recordings import wav
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

HELLO = [{"role": "user", "content": "Say this is a test"}]
ASK_WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str


class GetNews(BaseModel):
    """News about a topic."""

    topic: str


TOOLS = [
    openai.pydantic_function_tool(GetWeather),
    openai.pydantic_function_tool(GetNews),
]
FUNCTIONS = [tool["function"] for tool in TOOLS]
NAMED = {"type": "function", "function": {"name": "GetNews"}}
ALLOWED = {
    "type": "allowed_tools",
    "allowed_tools": {
        "mode": "required",
        "tools": [{"type": "function", "function": {"name": "GetNews"}}],
    },
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ("auto", GetWeather),
        ("required", GetWeather),
        (NAMED, GetNews),
        (ALLOWED, GetNews),
    ],
    ids=["auto", "required", "named", "allowed"],
)
def test_tool_choice(
    client: openai.OpenAI, choice: Any, kind: type[BaseModel], stream: bool
) -> None:
    """The library parses the arguments of a call, whether it was forced or not."""
    asked: dict[str, Any] = {
        "model": "llama3.2",
        "messages": ASK_WEATHER,
        "tools": TOOLS,
        "tool_choice": choice,
    }
    if stream:
        with client.chat.completions.stream(**asked) as events:
            answer = events.get_final_completion()
    else:
        answer = client.chat.completions.parse(**asked)
    (call,) = answer.choices[0].message.tool_calls
    assert type(call.function.parsed_arguments) is kind
    assert call.id.startswith("call_")


def test_functions(client: openai.OpenAI) -> None:
    """The older functions work, their calls and results too."""
    asked = {"model": "llama3.2", "functions": FUNCTIONS}
    first = client.chat.completions.create(messages=ASK_WEATHER, **asked)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "function_call"
    assert message.function_call.name == "GetWeather"
    assert json.loads(message.function_call.arguments) == {"city": "Paris"}
    result = {"role": "function", "name": "GetWeather", "content": "18 degrees"}
    second = client.chat.completions.create(
        messages=[*ASK_WEATHER, message, result], **asked
    )
    said = second.choices[0].message.content
    assert said == "The GetWeather answered: 18 degrees"


def test_several_whole(client: openai.OpenAI) -> None:
    """With n there are that many choices, and the prompt is counted once."""
    asked = {"model": "tiny-rand", "messages": HELLO, "seed": 1, "max_tokens": 4}
    one = client.chat.completions.create(**asked)
    four = client.chat.completions.create(n=4, **asked)
    assert [choice.index for choice in four.choices] == [0, 1, 2, 3]
    texts = [choice.message.content for choice in four.choices]
    assert len(set(texts)) == 4
    assert texts[0] == one.choices[0].message.content
    assert four.usage.prompt_tokens == one.usage.prompt_tokens
    assert four.usage.completion_tokens == 4 * one.usage.completion_tokens


def test_several_streamed(client: openai.OpenAI) -> None:
    """The library's accumulator finds the same choices, as they began."""
    asked: dict[str, Any] = {"model": "llama3.2", "messages": HELLO, "seed": 1, "n": 4}
    whole = client.chat.completions.create(**asked)
    with client.chat.completions.stream(
        **asked, stream_options={"include_usage": True}
    ) as stream:
        final = stream.get_final_completion()
    texts = [choice.message.content for choice in whole.choices]
    assert len(set(texts)) > 1
    told = [choice.message.content for choice in final.choices]
    assert sorted(told) == sorted(texts)
    assert [choice.index for choice in final.choices] == [0, 1, 2, 3]
    assert {choice.finish_reason for choice in final.choices} == {"stop"}
    assert final.usage.total_tokens == whole.usage.total_tokens


@pytest.fixture(scope="module")
def picture() -> Iterator[str]:
    """The address of an image."""
    with Web({"/a.png": page()}) as web:
        yield f"http://127.0.0.1:{web.port}/a.png"


def see(base_url: str, picture: str) -> str:
    """What a model says about a picture."""
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": picture, "detail": "high"}},
    ]
    with openai.OpenAI(
        base_url=f"{base_url}/v1", api_key="x", max_retries=0, timeout=30
    ) as client:
        answer = client.chat.completions.create(
            model="llava", messages=[{"role": "user", "content": content}]
        )
    return answer.choices[0].message.content


def test_image_by_url(simulator: Simulator, picture: str) -> None:
    """An image is fetched from where its address says, if that is allowed."""
    allowed = {
        "PANNIER_IMAGE_FETCH": "allowlist",
        "PANNIER_IMAGE_HOSTS": urlsplit(picture).netloc,
    }
    with Server({"OLLAMA_URL": simulator.url, **allowed}) as trusting:
        said = see(trusting.url, picture)
    assert said == f"I see an image of {len(PNG)} bytes. You ask: What is it?"


def test_image_of_our_own_network(server: Server, picture: str) -> None:
    """An address inside our own network is refused as a bad request."""
    with pytest.raises(openai.BadRequestError):
        see(server.url, picture)


def test_audio_part(client: openai.OpenAI) -> None:
    """A recording inside a message is heard."""
    sound = {"data": base64.b64encode(wav()).decode(), "format": "wav"}
    content = [
        {"type": "text", "text": "What is said?"},
        {"type": "input_audio", "input_audio": sound},
    ]
    answer = client.chat.completions.create(
        model="sim-audio", messages=[{"role": "user", "content": content}]
    )
    said = answer.choices[0].message.content
    assert said == "The quick brown fox jumps over the lazy dog."
