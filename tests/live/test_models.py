"""Aliases, facts and deletion of models, with OpenAI's own client."""

import json
from collections.abc import Iterator

import openai
import pytest
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

MESSAGES = [{"role": "user", "content": "Say this is a test"}]
SETTINGS = {
    "PANNIER_ALIASES": "gpt-4o=llama3.2,gpt-4*=qwen3,text-embedding-3-small=all-minilm",
    "PANNIER_MODEL_FACTS": "true",
    "PANNIER_MODEL_DELETE": "true",
}


@pytest.fixture(scope="module")
def open_server(simulator: Simulator) -> Iterator[Server]:
    """A Pannier with aliases, facts and deletion."""
    with Server({"OLLAMA_URL": simulator.url, **SETTINGS}) as running:
        yield running


def client_of(server: Server, base: str = "/v1") -> openai.OpenAI:
    """OpenAI's client of a server."""
    return openai.OpenAI(base_url=server.url + base, api_key="x", max_retries=0)


@pytest.fixture(scope="module")
def sdk(open_server: Server) -> Iterator[openai.OpenAI]:
    """Its client."""
    with client_of(open_server) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "model"),
    [("gpt-4o", "llama3.2"), ("gpt-4-turbo", "qwen3"), ("llama3.2", "llama3.2")],
)
def test_a_chat_by_alias(
    sdk: openai.OpenAI, simulator: Simulator, name: str, model: str
) -> None:
    """The model answers under the name that was asked for, streamed as well."""
    answer = sdk.chat.completions.create(model=name, messages=MESSAGES)
    assert answer.model == name
    called = json.loads(simulator.wait(path="/api/chat")["body"])
    assert called["model"] == model
    chunks = sdk.chat.completions.create(model=name, messages=MESSAGES, stream=True)
    assert {chunk.model for chunk in chunks} == {name}


def test_other_endpoints_by_alias(sdk: openai.OpenAI) -> None:
    """Completions and embeddings know aliases as well."""
    answer = sdk.completions.create(model="gpt-4o", prompt="p")
    assert answer.model == "gpt-4o"
    vectors = sdk.embeddings.create(model="text-embedding-3-small", input="x")
    assert vectors.model == "text-embedding-3-small"
    assert len(vectors.data[0].embedding) == 384


def test_default(sdk: openai.OpenAI) -> None:
    """Without a setting ``default`` is a model that chats."""
    answer = sdk.chat.completions.create(model="default", messages=MESSAGES)
    assert answer.model == "default"
    assert answer.choices[0].message.content


def test_a_bare_base_url(open_server: Server) -> None:
    """Where /v1 is left out any gpt-* is answered; with /v1 it is not found."""
    with client_of(open_server, "") as client:
        answer = client.chat.completions.create(model="gpt-9", messages=MESSAGES)
        assert answer.model == "gpt-9"
    with client_of(open_server) as client, pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-9", messages=MESSAGES)


def test_facts(sdk: openai.OpenAI) -> None:
    """The client's objects carry the facts as further attributes."""
    listed = {model.id: model for model in sdk.models.list()}
    assert listed["gpt-4o"].owned_by == "library"
    for model in (listed["qwen3:latest"], sdk.models.retrieve("qwen3")):
        facts = model.model_extra or {}
        assert facts["context_length"] == 40960
        assert facts["capabilities"] == ["completion", "thinking", "tools"]
        assert (facts["family"], facts["parameter_size"]) == ("qwen3", "8.2B")
        assert facts["quantization"] == "Q4_K_M"
        assert isinstance(facts["loaded"], bool)
    assert (sdk.models.retrieve("gpt-4o").model_extra or {})["family"] == "llama"


def test_deletion(sdk: openai.OpenAI, simulator: Simulator) -> None:
    """A model is gone once; its alias is never deleted."""
    name = "hf.co/someone/short-lived:Q4"
    copy = {"source": "llama3.2", "destination": name}
    assert simulator.ask("POST", "/api/copy", copy)[0] == 200
    gone = sdk.models.delete(name)
    assert (gone.id, gone.object, gone.deleted) == (name, "model", True)
    for missing in (name, "gpt-4o"):
        with pytest.raises(openai.NotFoundError) as caught:
            sdk.models.delete(missing)
        assert caught.value.code == "model_not_found"
    assert sdk.models.retrieve("llama3.2")


def test_deletion_is_off(client: openai.OpenAI) -> None:
    """Without the setting it is refused."""
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.models.delete("llama3.2")
    assert caught.value.code == "endpoint_not_allowed"
