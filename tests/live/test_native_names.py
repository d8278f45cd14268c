"""Aliases on Ollama's own routes, through Ollama's own library and as editors do it."""

import gzip
import http.client
import json
from collections.abc import Iterator
from typing import Any

import ollama
import pytest
from support.posting import Answer, ask
from support.server import PATIENCE, Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

ALIASES = {
    "gpt-4o": "llama3.2",
    "Deepseek-Coder:1.3b-base-q8_0": "qwen2.5-coder",
    "embedder": "all-minilm",
    "gone": "not-installed",
    "gpt-5*": "qwen3",
}
HELLO = [{"role": "user", "content": "Say this is a test"}]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One of their own: elsewhere models are copied, also to names of aliases."""
    with Simulator() as running:
        yield running


@pytest.fixture(scope="module")
def named(simulator: Simulator) -> Iterator[Server]:
    """Pannier with aliases."""
    aliases = ",".join(f"{name}={model}" for name, model in ALIASES.items())
    with Server({"OLLAMA_URL": simulator.url, "PANNIER_ALIASES": aliases}) as running:
        yield running


@pytest.fixture
def native(named: Server) -> Iterator[ollama.Client]:
    """Ollama's client, pointed at it."""
    client = ollama.Client(host=named.url, timeout=30)
    yield client
    client._client.close()


def call(server: Server, method: str, path: str, body: Any = None) -> Answer:
    """Any request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    data = None if body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, data)
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("name", "model"), [("gpt-4o", "llama3.2"), ("GPT-5-nano", "qwen3")]
)
def test_chat_and_generate(native: ollama.Client, name: str, model: str) -> None:
    """An alias and a pattern answer, streamed and whole, with the model's name."""
    whole = native.chat(name, messages=HELLO)
    lines = list(native.chat(name, messages=HELLO, stream=True))
    text = native.generate(name, "Say this is a test")
    assert "Say this is a test" in whole.message.content
    assert "".join(line.message.content for line in lines) == whole.message.content
    assert "Say this is a test" in text.response
    assert {whole.model, text.model, *(line.model for line in lines)} == {model}


def test_embeddings(native: ollama.Client) -> None:
    """Vectors of an alias are the model's, on both routes."""
    assert (
        native.embed("embedder", ["a"]).embeddings
        == native.embed("all-minilm", ["a"]).embeddings
    )
    assert native.embeddings("Embedder", "a") == native.embeddings("all-minilm", "a")


def test_the_list(native: ollama.Client, named: Server, simulator: Simulator) -> None:
    """After Ollama's own models come the aliases of what is installed, in order."""
    theirs = json.loads(simulator.ask("GET", "/api/tags")[1])["models"]
    listed = native.list().models
    assert [model.model for model in listed[: len(theirs)]] == [
        model["name"] for model in theirs
    ]
    assert [model.model for model in listed[len(theirs) :]] == [*ALIASES][:3]
    digests = {model.model: model.digest for model in listed}
    assert digests["gpt-4o"] == digests["llama3.2:latest"]
    names = [
        model["id"]
        for model in json.loads(call(named, "GET", "/v1/models").body)["data"]
    ]
    assert names == [model.model for model in listed]


def test_an_editor_finds_its_model(named: Server) -> None:
    """What llama-coder asks: the exact name in the list, then a text of that model."""
    name = [*ALIASES][1]
    listed = json.loads(call(named, "GET", "/api/tags").body)["models"]
    assert [m for m in listed if m["name"] == name and m["model"] == name]
    answer = ask(
        named,
        "/api/generate",
        {"model": name, "prompt": "def f(", "raw": True, "options": {"num_predict": 9}},
    )
    assert answer.status == 200
    assert json.loads(answer.body.splitlines()[-1])["done"] is True


def test_what_is_shown(native: ollama.Client) -> None:
    """An alias is shown as its model; who can fill in with Pannier's help says so."""
    assert native.show("gpt-4o") == native.show("llama3.2")
    assert native.show("gpt-4o").capabilities == ["completion", "tools"]
    shown = native.show([*ALIASES][1])
    assert shown == native.show("qwen2.5-coder")
    assert "insert" in shown.capabilities
    assert "<|fim_suffix|>{{ .Suffix }}<|fim_middle|>" in shown.template


def test_nothing_is_shown_that_is_not_done(simulator: Simulator) -> None:
    """With PANNIER_CODE_REWRITE off Ollama's template stays; the alias works."""
    env = {
        "OLLAMA_URL": simulator.url,
        "PANNIER_ALIASES": "a=qwen2.5-coder",
        "PANNIER_CODE_REWRITE": "false",
    }
    with Server(env) as server:
        shown = [
            call(server, "POST", "/api/show", {"model": name}).body
            for name in ("a", "qwen2.5-coder")
        ]
    theirs = simulator.ask("POST", "/api/show", {"model": "qwen2.5-coder"})[1]
    assert shown == [theirs, theirs]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("DELETE", "/api/delete", {"model": "gpt-4o"}, 404),
        ("POST", "/api/copy", {"source": "gpt-4o", "destination": "x"}, 404),
        ("POST", "/api/push", {"model": "gpt-4o", "stream": False}, 500),
        ("POST", "/api/create", {"model": "x", "from": "gpt-4o", "stream": False}, 500),
    ],
)
def test_no_alias_changes_a_model(
    named: Server,
    simulator: Simulator,
    method: str,
    path: str,
    body: dict[str, Any],
    status: int,
) -> None:
    """What changes models hears the name as it was said."""
    asked = call(named, method, path, body)
    log = [entry for entry in simulator.log() if entry["target"] == path]
    assert json.loads(log[-1]["body"]) == body
    assert asked.status == status


def test_other_methods_are_ollamas(named: Server) -> None:
    """HEAD has the list's head; what a route does not have is Ollama's own 405."""
    head = call(named, "HEAD", "/api/tags")
    assert (head.status, head.body) == (200, b"")
    for path in ("/api/chat", "/api/generate", "/api/show", "/api/embed"):
        answer = call(named, "GET", path)
        assert (answer.status, answer.body) == (405, b"405 method not allowed")


def test_a_compressed_alias(named: Server) -> None:
    """A compressed body may name one too."""
    body = gzip.compress(json.dumps({"model": "gpt-4o", "prompt": "x"}).encode())
    answer = ask(named, "/api/generate", body, Content_Encoding="gzip")
    assert answer.status == 200
    assert b'"model":"llama3.2"' in answer.body


def test_an_unknown_name(native: ollama.Client) -> None:
    """What no alias says is refused in Ollama's words."""
    with pytest.raises(ollama.ResponseError, match="model 'gpt-4' not found"):
        native.chat("gpt-4", messages=HELLO)
