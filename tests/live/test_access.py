"""Models that a key may use, as three libraries see them, over real sockets."""

import contextlib
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import anthropic
import ollama
import openai
import pytest
from support.keyed import SECRET, Keyring
from support.server import PATIENCE, Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

HELLO: Any = [{"role": "user", "content": "Say this is a test"}]
UNKNOWN = "does not exist or you do not have access to it"
HEADERS = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture(scope="module")
def closed(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A Pannier with one key, for few models."""
    state = tmp_path_factory.mktemp("state")
    ring = Keyring(state)
    ring.add(
        "few", SECRET, allow_models=("Llama3.2", "tiny*"), deny_models=("*embed*",)
    )
    ring.close()
    env = {
        "OLLAMA_URL": simulator.url,
        "PANNIER_STATE_DIR": str(state),
        "PANNIER_ALIASES": "tiny-talk=llama3.2,gpt-4o=llama3.2",
    }
    with Server(env) as running:
        yield running


def test_openai(closed: Server) -> None:
    """What OpenAI's library lists it can call; it knows nothing of all else."""
    with openai.OpenAI(
        base_url=f"{closed.url}/v1", api_key=SECRET, max_retries=0
    ) as client:
        ids = [model.id for model in client.models.list().data]
        assert {"llama3.2:latest", "tiny-talk"} <= set(ids)
        assert not [
            id for id in ids if not id.startswith(("llama3.2:l", "tiny", "gpt-4o"))
        ]
        for id in ids:
            assert client.models.retrieve(id).id == id
            answer = client.chat.completions.create(model=id, messages=HELLO)
            assert answer.choices[0].message.content
        for id in ("qwen3", "absent"):
            with pytest.raises(openai.NotFoundError, match=UNKNOWN) as refused:
                client.chat.completions.create(model=id, messages=HELLO)
            assert (refused.value.code, refused.value.param) == (
                "model_not_found",
                "model",
            )
            with pytest.raises(openai.NotFoundError, match=UNKNOWN):
                client.models.retrieve(id)


def test_anthropic(closed: Server) -> None:
    """The same with Anthropic's library."""
    with anthropic.Anthropic(
        base_url=closed.url, api_key=SECRET, max_retries=0
    ) as client:
        ids = {model.id for model in client.models.list(limit=1000)}
        assert {"llama3.2:latest", "tiny-talk"} <= ids
        for id in ("qwen3", "absent"):
            with pytest.raises(anthropic.NotFoundError, match=UNKNOWN):
                client.messages.create(model=id, messages=HELLO, max_tokens=9)


def test_ollama(closed: Server) -> None:
    """The same with Ollama's own library."""
    client = ollama.Client(closed.url, headers=HEADERS)
    with contextlib.closing(client._client):
        names = [model.model for model in client.list().models]
        assert {"llama3.2:latest", "tiny-talk"} <= set(names)
        for name in names:
            assert client.show(str(name)).modelinfo is not None
        assert client.chat("tiny-talk", HELLO).message.content
        for name in ("qwen3", "absent"):
            with pytest.raises(ollama.ResponseError, match=UNKNOWN):
                client.show(name)
            with pytest.raises(ollama.ResponseError, match=UNKNOWN):
                client.chat(name, HELLO)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"llama3.2","Model":"qwen3"}',
        b'{"model":"qwen3","model":null}',
        b'{"model":"qwen3"} x',
        b'{"model":"library/QWEN3"}',
        b'{"model":"qwen3:local"}',
        b'{"model":"x://registry.ollama.ai/library/qwen3"}',
    ],
)
def test_tricks_of_spelling(closed: Server, body: bytes) -> None:
    """None of them gets an answer of a model that the key may not use."""
    connection = HTTPConnection("127.0.0.1", closed.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("POST", "/api/show", body, HEADERS)
        answer = connection.getresponse()
        assert (answer.status in (400, 404), b"template" in answer.read()) == (
            True,
            False,
        )
