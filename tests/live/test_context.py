import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from support.carrying import eventually
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: A hundred messages of 100 tokens: more than Ollama's usual context of 4096.
LONG: list[Any] = [
    {"role": "user", "content": f"Turn {number}. " + "word " * 97}
    for number in range(100)
]
SHORT: list[Any] = [{"role": "user", "content": "Say this is a test"}]


def served(simulator: Simulator, context: str) -> Iterator[openai.OpenAI]:
    """OpenAI's client, pointed at a Pannier with a setting."""
    settings = {"OLLAMA_URL": simulator.url, "PANNIER_CONTEXT": context}
    with (
        Server(settings) as server,
        openai.OpenAI(
            base_url=f"{server.url}/v1", api_key="x", max_retries=0, timeout=30
        ) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def strict(simulator: Simulator) -> Iterator[openai.OpenAI]:
    """A Pannier that refuses what does not fit."""
    yield from served(simulator, "strict")


@pytest.fixture(scope="module")
def auto(simulator: Simulator) -> Iterator[openai.OpenAI]:
    """A Pannier that makes room."""
    yield from served(simulator, "auto")


@pytest.fixture
def model(simulator: Simulator) -> Iterator[str]:
    """A model that is not loaded, of which nobody knows anything yet."""
    name = f"context-{model.count}"  # type: ignore[attr-defined]
    model.count += 1  # type: ignore[attr-defined]
    copied = {"source": "llama3.2", "destination": name}
    assert simulator.ask("POST", "/api/copy", copied)[0] == 200
    yield name
    simulator.ask("DELETE", "/api/delete", {"model": name})


model.count = 0  # type: ignore[attr-defined]


def loaded(simulator: Simulator, name: str) -> int | None:
    """The context with which the simulator has a model in memory."""
    running = json.loads(simulator.ask("GET", "/api/ps")[1])["models"]
    found = [one["context_length"] for one in running if one["model"].startswith(name)]
    return found[0] if found else None


def adjusted(client: openai.OpenAI, **request: Any) -> str | None:
    """What an answer says was changed."""
    answer = client.chat.completions.with_raw_response.create(**request)
    assert answer.parse().choices[0].message.content
    said: str | None = answer.headers.get("X-Pannier-Adjusted")
    return said


def test_a_cut_is_named(client: openai.OpenAI, model: str) -> None:
    """By default a long chat is cut by Ollama, and the answer says so."""
    assert adjusted(client, model=model, messages=LONG) == "prompt=cut-to-4096"
    assert adjusted(client, model=model, messages=LONG[:30]) is None
    room = {"options": {"num_ctx": 16384}}
    assert adjusted(client, model=model, messages=LONG, extra_body=room) is None
    assert adjusted(client, model=model, messages=SHORT) is None


def test_a_cut_of_a_stream_is_logged(
    client: openai.OpenAI, server: Server, model: str
) -> None:
    """A stream that was cut is whole for its client; the log knows."""
    chunks = list(
        client.chat.completions.create(model=model, messages=LONG, stream=True)
    )
    assert chunks[-1].choices[0].finish_reason == "stop"
    said = f"model={model} "
    assert eventually(lambda: said in server.output())
    (line,) = [text for text in server.output().splitlines() if said in text]
    assert 'adjusted="prompt=cut-to-4096"' in line


def test_a_cut_input_is_named(client: openai.OpenAI) -> None:
    """Embeddings of a long text say so as well."""
    create = client.embeddings.with_raw_response.create
    answer = create(model="all-minilm", input=["short", "word " * 900])
    assert answer.headers["X-Pannier-Adjusted"] == "input=cut-to-512"
    answer = create(model="all-minilm", input=["word " * 300] * 5)
    assert "X-Pannier-Adjusted" not in answer.headers


@pytest.mark.parametrize("stream", [False, True])
def test_strict_refuses(strict: openai.OpenAI, model: str, stream: bool) -> None:
    """A long chat is a 400 with both numbers, before anything is streamed."""
    with pytest.raises(openai.BadRequestError) as caught:
        strict.chat.completions.create(model=model, messages=LONG, stream=stream)
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "messages"
    assert "maximum context length is 4096 tokens" in caught.value.message
    assert "messages resulted in 10" in caught.value.message
    assert adjusted(strict, model=model, messages=LONG[:30]) is None


def test_strict_refuses_with_an_estimate(strict: openai.OpenAI) -> None:
    """Where Ollama tells no numbers, they are the context and an estimate."""
    with pytest.raises(openai.BadRequestError) as caught:
        strict.embeddings.create(model="all-minilm", input="word " * 900)
    assert caught.value.code == "context_length_exceeded"
    assert "maximum context length is 512 tokens" in caught.value.message
    assert "resulted in about " in caught.value.message


def test_strict_lets_the_client_decide(strict: openai.OpenAI, model: str) -> None:
    """A client may have its prompt cut; it is told."""
    said = adjusted(strict, model=model, messages=LONG, extra_body={"truncate": True})
    assert said == "prompt=cut-to-4096"


def test_auto_makes_room(auto: openai.OpenAI, simulator: Simulator, model: str) -> None:
    """A long chat gets a context; the next, shorter ones keep it: one load for all."""
    assert adjusted(auto, model=model, messages=SHORT) is None
    assert loaded(simulator, model) == 4096
    assert adjusted(auto, model=model, messages=LONG) == "num_ctx=16384"
    assert loaded(simulator, model) == 16384
    for messages in (SHORT, LONG[:50], LONG):
        assert adjusted(auto, model=model, messages=messages) == "num_ctx=16384"
        assert loaded(simulator, model) == 16384
    sent = json.loads(simulator.wait(path="/api/chat", body=model)["body"])
    assert sent["options"]["num_ctx"] == 16384
    assert sent["truncate"] is False


def test_auto_has_a_limit(auto: openai.OpenAI, simulator: Simulator) -> None:
    """What the model itself cannot hold is refused with both numbers."""
    with pytest.raises(openai.BadRequestError) as caught:
        auto.embeddings.create(model="mxbai-embed-large", input="word " * 900)
    assert caught.value.code == "context_length_exceeded"
    assert "maximum context length is 512 tokens" in caught.value.message


def test_auto_leaves_the_clients_choice(
    auto: openai.OpenAI, simulator: Simulator, model: str
) -> None:
    """A context of the client's own stays, and what is cut to fit it is named."""
    own = {"num_ctx": 6000}
    said = adjusted(auto, model=model, messages=LONG, extra_body=own)
    assert said == "prompt=cut-to-6000"
    assert loaded(simulator, model) == 6000


def test_auto_explains(auto: openai.OpenAI, simulator: Simulator) -> None:
    """The decision is shown without a call."""
    explained: Any = auto.post(
        "/chat/completions",
        body={"model": "llama3.2", "messages": LONG},
        options={"headers": {"X-Pannier-Explain": "1"}},
        cast_to=object,
    )
    assert explained["num_ctx"] == 16384
    assert 10_000 < explained["prompt_tokens_estimate"] < 14_000
    assert explained["requests"][0]["options"]["num_ctx"] == 16384
