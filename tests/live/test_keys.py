"""Keys, as the libraries of OpenAI, Anthropic and Ollama send them and are refused."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anthropic
import ollama
import openai
import pytest
from support.keyed import SECRET, Keyring
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

HELLO: Any = [{"role": "user", "content": "Say this is a test"}]
NARROW = "sk-of-somebody-who-may-do-very-little"
MODEL = "llama3.2"

#: What a client does with a key, and returns the text that it gets.
Way = Callable[[Server, str], str]


@pytest.fixture(scope="module")
def closed(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A Pannier that needs keys, of which there are two."""
    state = tmp_path_factory.mktemp("state")
    ring = Keyring(state)
    ring.add("everything", SECRET)
    ring.add("audio", NARROW, allow_endpoints=("audio",))
    ring.close()
    env = {"OLLAMA_URL": simulator.url, "PANNIER_STATE_DIR": str(state)}
    with Server(env) as running:
        yield running


def openai_client(server: Server, secret: str, stream: bool) -> str:
    """OpenAI's library: a chat, after the list of models."""
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=secret, max_retries=0
    ) as client:
        if stream:
            chunks = client.chat.completions.create(
                model=MODEL, messages=HELLO, stream=True
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert MODEL in str(client.models.list().data)
        answer = client.chat.completions.create(model=MODEL, messages=HELLO)
        return answer.choices[0].message.content or ""


def azure_client(server: Server, secret: str) -> str:
    """A client that sends its key as Azure wants it, and nothing else."""
    headers: Any = {"api-key": secret, "Authorization": openai.Omit()}
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="not sent", max_retries=0
    ) as client:
        answer = client.responses.create(
            model=MODEL, input="Hello", extra_headers=headers
        )
        return answer.output_text


def anthropic_client(server: Server, secret: str, bearer: bool) -> str:
    """Anthropic's library, with the key in either of the headers it knows."""
    key: dict[str, Any] = {"auth_token" if bearer else "api_key": secret}
    with anthropic.Anthropic(base_url=server.url, max_retries=0, **key) as client:
        answer = client.messages.create(model=MODEL, messages=HELLO, max_tokens=99)
        block: Any = answer.content[0]
        return str(block.text)


def ollama_client(server: Server, secret: str) -> str:
    """Ollama's library."""
    headers = {"Authorization": f"Bearer {secret}"}
    client = ollama.Client(host=server.url, headers=headers)
    try:
        assert client.list().models
        return str(client.chat(MODEL, messages=HELLO).message.content)
    finally:
        client._client.close()


WAYS: dict[str, Way] = {
    "openai": partial(openai_client, stream=False),
    "openai, streamed": partial(openai_client, stream=True),
    "azure": azure_client,
    "anthropic": partial(anthropic_client, bearer=False),
    "anthropic, bearer": partial(anthropic_client, bearer=True),
    "ollama": ollama_client,
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_good_key(closed: Server, way: str) -> None:
    """Every library gets its answer."""
    assert WAYS[way](closed, SECRET)


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize(
    ("secret", "status", "words"),
    [("sk-wrong-key-of-somebody", 401, "Incorrect API key"), (NARROW, 403, "group")],
)
def test_a_bad_key(
    closed: Server, way: str, secret: str, status: int, words: str
) -> None:
    """Every library raises what it has for that, with the words of the refusal."""
    wrong: dict[int, Any] = {
        401: (openai.AuthenticationError, anthropic.AuthenticationError),
        403: (openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    }
    with pytest.raises((*wrong[status], ollama.ResponseError)) as caught:
        WAYS[way](closed, secret)
    assert caught.value.status_code == status
    assert words in str(caught.value)
    assert secret not in str(caught.value)
