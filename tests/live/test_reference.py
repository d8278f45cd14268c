"""The examples of the pages that users come from run as they stand there.

Only the address is replaced.  What an example does not print is printed after it.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import examples
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

PAGES = Path(__file__).parent / "reference"
#: The beginning of a PNG; the simulator only counts the bytes.
IMAGE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ")


def example(page: str, title: str, server: Server, language: str = "python") -> str:
    """The code under a heading, with the server's address in it."""
    (found,) = [
        block.code
        for block in examples.blocks(PAGES / page, language)
        if block.title == title
    ]
    for address in ("http://localhost:11434", "http://localhost:3000"):
        found = found.replace(address, server.url)
    assert server.url in found
    return found


PRINT_ALL = """
print(chat_completion.choices[0].message.content)
print(response.choices[0].message.content)
print(completion.choices[0].text)
print("llama3.2:latest" in [each.id for each in list_completion])
print(model.id, model.owned_by)
print([len(each.embedding) for each in embeddings.data])
"""


def test_python(server: Server, tmp_path: Path) -> None:
    """Ollama's Python example: chat, image as bare base64, completion, and the rest."""
    code = example("ollama.md", "Python", server) + PRINT_ALL
    chat, image, text, listed, model, vectors = examples.python(
        code, tmp_path
    ).splitlines()
    assert "Say this is a test" in chat
    assert image.startswith("I see an image of ")
    assert image.endswith("You ask: What's in this image?")
    assert "Say this is a test" in text
    assert listed == "True"
    assert model == "llama3.2 library"
    assert vectors == "[384, 384]"


def test_structured_outputs(server: Server, tmp_path: Path) -> None:
    """Ollama's example of structured outputs prints friends, and no error."""
    code = example("ollama.md", "Structured outputs", server)
    printed = examples.python(code, tmp_path)
    assert printed.startswith("friends=[FriendInfo(name=")


PRINT_ALL_JS = """
console.log(chatCompletion.choices[0].message.content)
console.log(response.choices[0].message.content)
console.log(completion.choices[0].text)
console.log(listCompletion.data.some(each => each.id === 'llama3.2:latest'))
console.log(model.id)
console.log(embedding.data.length, embedding.data[0].embedding.length)
"""


def test_javascript(server: Server) -> None:
    """Ollama's JavaScript example does the same."""
    code = example("ollama.md", "JavaScript", server, "javascript") + PRINT_ALL_JS
    chat, image, text, listed, model, vectors = examples.javascript(code).splitlines()
    assert "Say this is a test" in chat
    assert image.startswith("I see an image of ")
    assert "Say this is a test." in text
    assert (listed, model, vectors) == ("true", "llama3.2", "2 384")


def test_curl(server: Server, tmp_path: Path) -> None:
    """Ollama's seven curl commands all get what they ask for."""
    code = example("ollama.md", "curl", server, "shell")
    answers = examples.documents(examples.shell(code, tmp_path))
    assert [answer["object"] for answer in answers] == [
        "chat.completion",
        "chat.completion",
        "text_completion",
        "list",
        "model",
        "list",
    ]
    assert "Hello!" in answers[0]["choices"][0]["message"]["content"]
    assert "an image" in answers[1]["choices"][0]["message"]["content"]
    assert len(answers[-1]["data"]) == 2


@pytest.fixture
def own_models(simulator: Simulator) -> Iterator[None]:
    """The two models that the page has its reader make with ``ollama``."""
    copy = {"source": "llama3.2", "destination": "gpt-3.5-turbo"}
    created = {"model": "mymodel", "from": "llama3.2", "parameters": {"num_ctx": 9000}}
    assert simulator.ask("POST", "/api/copy", copy)[0] == 200
    assert simulator.ask("POST", "/api/create", created)[0] == 200
    yield
    for name in ("gpt-3.5-turbo", "mymodel"):
        simulator.ask("DELETE", "/api/delete", {"model": name})


@pytest.mark.usefixtures("own_models")
@pytest.mark.parametrize(
    ("title", "model"),
    [("A copied model", "gpt-3.5-turbo"), ("A model with its own context", "mymodel")],
)
def test_curl_own_models(
    server: Server, tmp_path: Path, title: str, model: str
) -> None:
    """Models that the reader made answer under their names."""
    code = example("ollama.md", title, server, "shell")
    (answer,) = examples.documents(examples.shell(code, tmp_path))
    assert answer["model"] == model
    assert "Hello!" in answer["choices"][0]["message"]["content"]


def test_gateway_image(server: Server, tmp_path: Path) -> None:
    """The other gateway's example with an image from a file."""
    (tmp_path / "image.jpg").write_bytes(IMAGE)
    code = example("gateway.md", "An image as base64", server)
    printed = examples.python(
        code + "print(response.choices[0].message.content)", tmp_path
    )
    assert printed.startswith(f"I see an image of {len(IMAGE)} bytes.")


def test_gateway_image_url(server: Server, tmp_path: Path) -> None:
    """An image by URL is fetched; this one is not there, and that is said plainly."""
    lines = example("gateway.md", "An image by URL", server).splitlines()
    tried = "import openai\ntry:\n    " + "\n    ".join(lines)
    tried += (
        "\nexcept openai.BadRequestError as e:\n    print(e.code, e.body['message'])"
    )
    printed = examples.python(tried, tmp_path)
    assert printed.startswith("invalid_image could not fetch the image in messages[0]")


def test_gateway_reasoning(
    server: Server, simulator: Simulator, tmp_path: Path
) -> None:
    """reasoning_effort and num_ctx reach the model; the reasoning comes back."""
    code = example("gateway.md", "Reasoning", server)
    reasoning, _, answer = examples.python(
        code + "print(reasoning, answer, sep='|')", tmp_path
    ).partition("|")
    assert "Effort is high." in reasoning
    assert "Solve this math problem step by step" in answer
    call = simulator.wait(path="/api/chat", body="gpt-oss:120b")["body"]
    assert '"num_ctx":32768' in call


def test_gateway_embeddings(server: Server, tmp_path: Path) -> None:
    """One text and several become vectors."""
    printed = examples.python(example("gateway.md", "Embeddings", server), tmp_path)
    assert printed.splitlines() == [
        "Embedding dimensions: 1024",
        *(f"Text {number} embedding: 1024 dimensions" for number in (1, 2, 3)),
    ]


def test_gateway_tools(server: Server, tmp_path: Path) -> None:
    """The model calls the declared function."""
    printed = examples.python(example("gateway.md", "Tools", server), tmp_path)
    assert printed.strip() == 'lookup_city {"city":"Paris"}'


def anthropic_example(title: str, server: Server, path: str, model: str) -> str:
    """An example of Anthropic's API, for a path and a model."""
    code = example("gateway.md", title, server, "bash").replace("qwen3-coder", model)
    assert f"{server.url}/v1/messages" in code
    return code.replace("/v1/messages", path)


MESSAGES = ["/v1/messages", "/anthropic/v1/messages"]


@pytest.mark.parametrize("path", MESSAGES)
@pytest.mark.parametrize("model", ["qwen3-coder", "qwen3"])
def test_gateway_messages(
    server: Server, tmp_path: Path, path: str, model: str
) -> None:
    """A stream of events without max_tokens; think is for models that can."""
    code = anthropic_example("An Anthropic request", server, path, model)
    *frames, rest = examples.shell(code, tmp_path).split("\n\n")
    assert rest == ""
    events = [dict(line.split(": ", 1) for line in one.split("\n")) for one in frames]
    told = [json.loads(event["data"]) for event in events]
    assert [one["type"] for one in told] == [event["event"] for event in events]
    assert (told[0]["type"], told[-1]["type"]) == ("message_start", "message_stop")
    deltas = [one["delta"] for one in told if one["type"] == "content_block_delta"]
    text = "".join(delta.get("text", "") for delta in deltas)
    assert "Explain async/await in Python" in text
    kinds = {delta["type"] for delta in deltas}
    thinks = {"thinking_delta", "signature_delta"} if model == "qwen3" else set()
    assert kinds == {"text_delta"} | thinks


@pytest.mark.parametrize("path", MESSAGES)
def test_gateway_messages_tools(server: Server, tmp_path: Path, path: str) -> None:
    """A tool of OpenAI's shape is called in Anthropic's way, whole and streamed."""
    title = "An Anthropic request with tools"
    code = anthropic_example(title, server, path, "qwen3-coder")
    (answer,) = examples.documents(examples.shell(code, tmp_path))
    (used,) = answer["content"]
    assert (used["type"], used["name"]) == ("tool_use", "get_weather")
    assert used["id"]
    assert used["input"]["city"]
    assert answer["stop_reason"] == "tool_use"
    streamed = examples.shell(
        code.replace('"model"', '"stream": true, "model"'), tmp_path
    )
    assert '"content_block":{"type":"tool_use",' in streamed
    assert used["input"]["city"] in streamed
