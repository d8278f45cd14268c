import base64
import json
import struct
import urllib.request
from collections.abc import Iterator

import openai
import pytest
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

PROMPT = "Say this is a test"


@pytest.fixture
def namespaced(simulator: Simulator) -> Iterator[str]:
    """A model whose name holds slashes."""
    name = "hf.co/someone/model:Q4"
    status, _ = simulator.ask(
        "POST", "/api/copy", {"source": "llama3.2", "destination": name}
    )
    assert status == 200
    yield name
    simulator.ask("DELETE", "/api/delete", {"model": name})


def test_embeddings_default(client: openai.OpenAI) -> None:
    """The SDK asks for base64 by default and gets floats out of it."""
    answer = client.embeddings.create(model="all-minilm", input=["a", "b"])
    assert [e.index for e in answer.data] == [0, 1]
    assert [len(e.embedding) for e in answer.data] == [384, 384]
    assert answer.data[0].embedding != answer.data[1].embedding
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    assert answer.model == "all-minilm"


def test_embeddings_formats_agree(client: openai.OpenAI) -> None:
    """float and base64 are the same vector, to the precision of float32."""
    floats = client.embeddings.create(
        model="all-minilm", input="a", encoding_format="float"
    )
    packed = client.embeddings.create(
        model="all-minilm", input="a", encoding_format="base64"
    )
    vector = floats.data[0].embedding
    raw = base64.b64decode(packed.data[0].embedding)
    assert raw == struct.pack(f"<{len(vector)}f", *vector)


def test_embeddings_dimensions(client: openai.OpenAI) -> None:
    """Vectors are as long as asked."""
    answer = client.embeddings.create(model="all-minilm", input="a", dimensions=8)
    assert len(answer.data[0].embedding) == 8


def test_models_list(client: openai.OpenAI) -> None:
    """The list of models holds what Ollama has, with owner and time."""
    models = {model.id: model for model in client.models.list()}
    assert models["llama3.2:latest"].owned_by == "library"
    assert models["llama3.2:latest"].created > 0


def test_models_retrieve(client: openai.OpenAI) -> None:
    """A model is found by its name, which comes back as it was sent."""
    assert client.models.retrieve("llama3.2").id == "llama3.2"


def test_models_with_slashes(client: openai.OpenAI, namespaced: str) -> None:
    """A name with slashes works in the path, in the list and in a request."""
    found = client.models.retrieve(namespaced)
    assert (found.id, found.owned_by) == (namespaced, "someone")
    assert namespaced in [model.id for model in client.models.list()]
    answer = client.chat.completions.create(
        model=namespaced, messages=[{"role": "user", "content": PROMPT}]
    )
    assert PROMPT in answer.choices[0].message.content


def test_models_with_plain_slashes(server: Server, namespaced: str) -> None:
    """Slashes that are not encoded work as well (curl sends them so)."""
    with urllib.request.urlopen(f"{server.url}/v1/models/{namespaced}") as answer:
        assert json.load(answer)["id"] == namespaced


def test_completion(client: openai.OpenAI) -> None:
    """A completion has text, reason and usage."""
    answer = client.completions.create(model="llama3.2", prompt=PROMPT)
    assert PROMPT in answer.choices[0].text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens > 0
    assert answer.id.startswith("cmpl-")


def test_completion_streamed(client: openai.OpenAI) -> None:
    """A streamed completion is the whole one in pieces."""
    whole = client.completions.create(model="llama3.2", prompt=PROMPT)
    *rest, last = client.completions.create(
        model="llama3.2",
        prompt=PROMPT,
        stream=True,
        stream_options={"include_usage": True},
    )
    text = "".join(chunk.choices[0].text for chunk in rest)
    assert text == whole.choices[0].text
    assert rest[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage == whole.usage


def test_completion_logprobs(client: openai.OpenAI) -> None:
    """Log probabilities come in the four lists of the older form."""
    answer = client.completions.create(
        model="tiny-soft", prompt=PROMPT, logprobs=2, max_tokens=3
    )
    logprobs = answer.choices[0].logprobs
    assert "".join(logprobs.tokens) == answer.choices[0].text
    assert len(logprobs.token_logprobs) == 3
    assert [len(top) for top in logprobs.top_logprobs] == [2, 2, 2]
    first, second = (len(token) for token in logprobs.tokens[:2])
    assert logprobs.text_offset == [0, first, first + second]


def test_completion_suffix(client: openai.OpenAI) -> None:
    """A model that can insert gets prompt and suffix."""
    answer = client.completions.create(
        model="qwen2.5-coder", prompt="def f(total):\n", suffix="\nprint(f(1))"
    )
    assert answer.choices[0].text == "    return total\n"
