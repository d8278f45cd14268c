"""OpenAI's Responses on a real Ollama, beside Ollama's own layer (``make peer``).

What Ollama's layer loses is not compared: text beside calls, cut answers, history.
"""

import os
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests
from support.server import Server

pytestmark = pytest.mark.ollama

OLLAMA = os.environ.get("OLLAMA_URL", "http://127.0.0.1:11434")
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
#: What a model has to be able to do, and what it is asked; the same answer each time.
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("completion", {"instructions": "Be brief."}),
    ("tools", {"tools": [TOOL]}),
    ("thinking", {"reasoning": {"effort": "high"}}),
]


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[openai.OpenAI, openai.OpenAI]]:
    """OpenAI's own client, pointed at Pannier and at the real Ollama behind it."""
    with Server({"OLLAMA_URL": OLLAMA}) as server:
        ours, theirs = (
            openai.OpenAI(base_url=url, api_key="x", max_retries=0, timeout=120)
            for url in (f"{server.url}/v1", f"{OLLAMA}/v1")
        )
        with ours, theirs:
            yield ours, theirs


def able(capability: str) -> str:
    """An installed model that can do something."""
    installed = requests.get(f"{OLLAMA}/api/tags", timeout=10).json()["models"]
    for entry in sorted(installed, key=lambda entry: str(entry["model"])):
        asked = {"model": entry["model"]}
        about = requests.post(f"{OLLAMA}/api/show", json=asked, timeout=10).json()
        if capability in about["capabilities"]:
            return str(entry["model"])
    pytest.skip(f"no installed model has the capability {capability}")


def said(response: Any) -> list[Any]:
    """What the items of a response say, without ids."""
    found = []
    for item in response.output:
        if item.type == "message":
            found.append(("message", item.content[0].text))
        elif item.type == "function_call":
            found.append((item.name, item.arguments))
        else:
            found.append((item.type, item.summary[0].text))
    return found


@pytest.mark.parametrize(("capability", "more"), ASKED, ids=str)
@pytest.mark.parametrize("stream", [False, True])
def test_responses_agree(
    clients: tuple[openai.OpenAI, openai.OpenAI],
    capability: str,
    more: dict[str, Any],
    stream: bool,
) -> None:
    """Items, their texts and the tokens are those of Ollama's own layer."""
    model = able(capability)
    asked = {"model": model, "input": "Hi", "temperature": 0, **more}
    asked |= {"max_output_tokens": 200}
    theirs = clients[1].responses.create(**asked)
    if stream:
        events = list(clients[0].responses.create(**asked, stream=True))
        assert [e.sequence_number for e in events] == list(range(len(events)))
        ours = events[-1].response
    else:
        ours = clients[0].responses.create(**asked)
    assert ours.usage.input_tokens == theirs.usage.input_tokens
    assert ours.usage.output_tokens == theirs.usage.output_tokens
    calls = any(item.type == "function_call" for item in theirs.output)
    # Ollama's layer leaves out the text beside calls.
    wanted = [one for one in said(ours) if not (calls and one[0] == "message")]
    assert wanted == said(theirs)


def test_a_conversation_goes_on(clients: tuple[openai.OpenAI, openai.OpenAI]) -> None:
    """The second turn reads the first, which Ollama's own layer forgets."""
    ours, model = clients[0], able("completion")
    asked: Any = {"model": model, "temperature": 0, "max_output_tokens": 16}
    first = ours.responses.create(**asked, input="Hi")
    alone = ours.responses.create(**asked, input="And?")
    second = ours.responses.create(**asked, input="And?", previous_response_id=first.id)
    assert second.usage.input_tokens > alone.usage.input_tokens
