"""Ollama's own Python library in front of Pannier, and what else native routes do."""

import hashlib
import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import ollama
import openai
import pytest
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

HELLO = [{"role": "user", "content": "Say this is a test"}]


@pytest.fixture
def native(server: Server) -> Iterator[ollama.Client]:
    """Ollama's client, pointed at Pannier."""
    client = ollama.Client(host=server.url, timeout=30)
    yield client
    client._client.close()


@pytest.fixture
def made(native: ollama.Client) -> Iterator[str]:
    """The name of a model that a test makes; deleted afterwards."""
    yield "made-by-a-test"
    native.delete("made-by-a-test")


def test_list_and_show(native: ollama.Client) -> None:
    """list() and show() tell what Ollama has."""
    assert "llama3.2:latest" in [model.model for model in native.list().models]
    assert native.show("llama3.2").capabilities == ["completion", "tools"]


def test_chat(native: ollama.Client) -> None:
    """chat() answers, and streamed it answers the same."""
    whole = native.chat("llama3.2", messages=HELLO)
    chunks = list(native.chat("llama3.2", messages=HELLO, stream=True))
    assert "Say this is a test" in whole.message.content
    assert "".join(c.message.content for c in chunks) == whole.message.content
    assert len(chunks) > 3
    assert chunks[-1].done


def test_chat_with_think_and_tools(native: ollama.Client) -> None:
    """Thinking and tool calls pass through natively."""

    def get_weather(city: str) -> str:
        """The weather.

        Args:
          city: where
        """
        return city

    answer = native.chat(
        "qwen3",
        messages=[{"role": "user", "content": "Weather in Paris?"}],
        tools=[get_weather],
        think=True,
    )
    assert answer.message.thinking
    assert answer.message.tool_calls[0].function.arguments == {"city": "Paris"}


def test_generate_and_embed(native: ollama.Client) -> None:
    """generate() and embed() answer."""
    assert "Hi there" in native.generate("llama3.2", "Hi there").response
    assert len(native.embed("all-minilm", ["a", "b"]).embeddings) == 2


def test_pull_and_push(native: ollama.Client) -> None:
    """pull() and push() report their progress and end in success."""
    pulled = [step.status for step in native.pull("pulled-by-a-test", stream=True)]
    pushed = [step.status for step in native.push("pulled-by-a-test", stream=True)]
    native.delete("pulled-by-a-test")
    assert len(pulled) > 3
    assert pulled[-1] == pushed[-1] == "success"


def test_a_pull_that_fails(native: ollama.Client) -> None:
    """A failure in the middle of a pull arrives after the progress before it."""
    seen = []
    with pytest.raises(ollama.ResponseError, match="file does not exist"):  # noqa: PT012
        for step in native.pull("nope", stream=True):
            seen.append(step.status)
    assert seen == ["pulling manifest"]


def test_a_model_from_a_file(
    native: ollama.Client, client: openai.OpenAI, made: str, tmp_path: Path
) -> None:
    """A file is uploaded, made into a model, and the model answers on /v1."""
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + bytes(1000))
    digest = native.create_blob(file)
    steps = list(native.create(made, files={file.name: digest}, stream=True))
    assert steps[-1].status == "success"
    answer = client.chat.completions.create(model=made, messages=HELLO)
    assert answer.choices[0].message.content


def test_an_error(native: ollama.Client) -> None:
    """An unknown model is Ollama's own error, words and status."""
    with pytest.raises(ollama.ResponseError, match="model 'nope' not found") as caught:
        native.chat("nope", messages=HELLO)
    assert caught.value.status_code == 404


def test_delete(native: ollama.Client) -> None:
    """What was copied can be deleted, and is gone then."""
    native.copy("llama3.2", "short-lived")
    native.delete("short-lived")
    with pytest.raises(ollama.ResponseError):
        native.show("short-lived")


def test_a_copied_model(
    native: ollama.Client, client: openai.OpenAI, made: str
) -> None:
    """A copy answers under its new name, as OpenAI's default names need it."""
    native.copy("llama3.2", made)
    answer = client.chat.completions.create(model=made, messages=HELLO)
    assert answer.model == made
    assert "Say this is a test" in answer.choices[0].message.content


def test_a_model_with_a_context(
    native: ollama.Client, client: openai.OpenAI, made: str
) -> None:
    """PARAMETER num_ctx of a created model counts, whoever asks it."""
    native.create(made, from_="llama3.2", parameters={"num_ctx": 8192})
    assert "num_ctx" in native.show(made).parameters
    assert native.chat(made, messages=HELLO).done
    assert context(native, made) == 8192
    native.generate(made, "", keep_alive=0)
    client.chat.completions.create(model=made, messages=HELLO)
    assert context(native, made) == 8192
    client.chat.completions.create(
        model=made, messages=HELLO, extra_body={"num_ctx": 2048}
    )
    assert context(native, made) == 2048


def context(native: ollama.Client, model: str) -> int:
    """The context with which a model is loaded, by ps()."""
    loaded = {one.model: one.context_length for one in native.ps().models}
    return loaded[f"{model}:latest"]


def peak(pid: int) -> int:
    """The most memory that a process has used so far, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_blob(server: Server, simulator: Simulator, framing: str) -> None:
    """A blob of 200 MB goes through whole, and the worker holds little of it."""
    block = framing.encode().ljust(1 << 20, b".")
    count = 200
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(block)
    path = f"/api/blobs/sha256:{digest.hexdigest()}"
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    (worker,) = map(int, children.split())
    before = peak(worker)

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    size = {"Content-Length": str(count << 20)} if framing == "length" else {}
    blocks = (block for _ in range(count))
    connection.request("POST", path, blocks, size, encode_chunked=not size)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 201
    connection.request("HEAD", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 200
    assert peak(worker) - before < 32 * 1024


def test_a_blob_that_differs(server: Server) -> None:
    """A blob with the wrong digest is refused in Ollama's words."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", f"/api/blobs/sha256:{'0' * 64}", b"something")
    answer = connection.getresponse()
    error = json.load(answer)["error"]
    connection.close()
    assert answer.status == 400
    assert "digest mismatch" in error
