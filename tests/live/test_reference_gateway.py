"""The page of Ollama2OpenAI, followed as somebody does who comes from there.

Keys are made by commands; examples run as they stand there but for the address, the key
and the image's address.  What its administrator sets in pages is set by commands.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pytest
from support import examples, ollama2openai, secrecy
from support.leaving import eventually
from support.ollama2openai import LONG, SHORT
from support.operating import Operator
from support.pictures import PNG, Web, page
from support.raw import Got, ask
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

PAGE = Path(__file__).parent / "reference" / "gateway.md"
#: What stands in the page for a reader's own.
PLACEHOLDERS = ("sk-your-api-key-here", "YOUR_KEY")
THERE = "http://localhost:3000"
PICTURE = "https://example.com/image.jpg"


class House:
    """A Pannier, who sets it up, and a key for all models."""

    def __init__(self, operator: Operator, server: Server) -> None:
        self.server = server
        self.do = operator.do
        self.key = self.made("mine", "*")

    def made(self, name: str, *models: str) -> str:
        """A key that every worker knows."""
        words = ("keys", "create", "--name", name, "--yes", "--allow", *models)
        key = self.do(*words)
        eventually(lambda: self.names(key))
        return key

    def names(self, key: str) -> list[str]:
        """The models that are listed for a key."""
        headers = {"Authorization": f"Bearer {key}"}
        got = ask(self.server.port, "GET", "/v1/models", None, headers)
        return [one["id"] for one in json.loads(got.body).get("data", ())]

    def example(self, title: str, language: str = "python", picture: str = "") -> str:
        """The code under a heading, for this server and this key."""
        blocks = examples.blocks(PAGE, language)
        (code,) = [block.code for block in blocks if block.title == title]
        for name in PLACEHOLDERS:
            code = code.replace(name, self.key)
        assert self.key in code
        assert THERE in code
        return code.replace(THERE, self.server.url).replace(PICTURE, picture)

    def chat(self, model: str, key: str = "", **fields: Any) -> Got:
        """A chat with a model."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"X-API-Key": key or self.key}
        return ask(
            self.server.port, "POST", "/v1/chat/completions", body | fields, headers
        )

    def message(self, model: str, **fields: Any) -> dict[str, Any]:
        """What a model says."""
        got = self.chat(model, **fields)
        assert got.status == 200, got.body
        said: dict[str, Any] = json.loads(got.body)["choices"][0]["message"]
        return said


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """A web server with an image."""
    with Web({"/image.png": page()}) as running:
        yield running


@pytest.fixture(scope="module")
def house(
    simulator: Simulator, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """Pannier as a new user sets it up, and may fetch images from this machine."""
    directory = tmp_path_factory.mktemp("house")
    env = {
        "OLLAMA_URL": simulator.url,
        "PANNIER_IMAGE_FETCH": "allowlist",
        "PANNIER_IMAGE_HOSTS": f"127.0.0.1:{web.port}",
    }
    operator = Operator(directory, **env)
    with Server(env | {"PANNIER_STATE_DIR": str(directory / "state")}) as server:
        yield House(operator, server)


def called(simulator: Simulator, model: str) -> dict[str, Any]:
    """The last call of a model."""
    call = simulator.wait(path="/api/chat", body=f'"model":"{model}"')
    found: dict[str, Any] = json.loads(call["body"])
    return found


# ---------------------------------------------------------------------- examples


def test_without_the_key(house: House, tmp_path: Path) -> None:
    """The example with the page's own placeholder is refused."""
    code = house.example("Tools").replace(house.key, PLACEHOLDERS[0])
    tried = "import openai\ntry:\n" + re.sub("^", "    ", code, flags=re.M)
    tried += "\nexcept openai.AuthenticationError as e:\n    print(e.code)\n"
    assert examples.python(tried, tmp_path) == "invalid_api_key\n"


def test_images(house: House, web: Web, tmp_path: Path) -> None:
    """An image from a file, and one from a web server, reach the model."""
    (tmp_path / "image.jpg").write_bytes(PNG)
    said = "\nprint(response.choices[0].message.content)\n"
    seen = f"I see an image of {len(PNG)} bytes."
    code = house.example("An image as base64")
    assert examples.python(code + said, tmp_path).startswith(seen)
    code = house.example("An image by URL", picture=f"{web.url}/image.png")
    assert examples.python(code + said, tmp_path).startswith(seen)


def test_reasoning(house: House, simulator: Simulator, tmp_path: Path) -> None:
    """reasoning_effort and num_ctx reach the model; the reasoning comes back."""
    code = house.example("Reasoning") + "\nprint(reasoning, answer, sep='|')\n"
    reasoning, _, answer = examples.python(code, tmp_path).partition("|")
    assert "Effort is high." in reasoning
    assert "Solve this math problem step by step" in answer
    call = called(simulator, "gpt-oss:120b")
    assert call["options"]["num_ctx"] == 32768


def test_embeddings_and_tools(house: House, tmp_path: Path) -> None:
    """One text and several become vectors; a function is called."""
    printed = examples.python(house.example("Embeddings"), tmp_path)
    assert printed.count("1024") == 4
    printed = examples.python(house.example("Tools"), tmp_path)
    assert printed.strip() == 'lookup_city {"city":"Paris"}'


def test_curl(house: House, tmp_path: Path) -> None:
    """With X-API-Key: a stream that thinks where the model can, and a tool."""
    code = house.example("An Anthropic request", "bash")
    for model, thinks in (("qwen3-coder", False), ("qwen3", True)):
        printed = examples.shell(code.replace("qwen3-coder", model), tmp_path)
        assert ("thinking_delta" in printed) is thinks
        assert "text_delta" in printed
        assert printed.rstrip().endswith('data: {"type":"message_stop"}')
    code = house.example("An Anthropic request with tools", "bash")
    (answer,) = examples.documents(examples.shell(code, tmp_path))
    assert [block["name"] for block in answer["content"]] == ["get_weather"]


# ------------------------------------------------------------------ what is set

#: The page's own, by model.
OVERRIDES = """
{
  "deepseek-r1": {
    "think": "high",
    "num_ctx": 32768,
    "temperature": 0.8,
    "request_timeout": 600000
  },
  "llama3.2:3b": {
    "num_ctx": 8192,
    "num_predict": 1000
  },
  "qwen3-coder": {
    "num_ctx": 163840,
    "request_timeout": 99999999,
    "exclude_reasoning": true,
    "think": true
  }
}
"""
#: What reaches Ollama of it, and how it thinks: the other model cannot.
REACHES = {
    "deepseek-r1": ({"num_ctx": 32768, "temperature": 0.8}, "high"),
    "qwen3-coder": ({"num_ctx": 163840}, None),
}


def test_overrides(house: House, simulator: Simulator) -> None:
    """The page's JSON is taken as it stands, and counts where a request is silent."""
    pasted = json.loads(OVERRIDES)
    for model, overrides in pasted.items():
        house.do("models", "set", model, "--overrides", json.dumps(overrides))
    try:
        for model, (options, think) in REACHES.items():
            eventually(lambda model=model: house.chat(model).status == 200)
            eventually(
                lambda model=model, options=options: (
                    house.message(model)
                    and options.items() <= called(simulator, model)["options"].items()
                )
            )
            call = called(simulator, model)
            assert set(call["options"]) <= {"num_ctx", "temperature", "top_p"}
            assert call.get("think") == think
        house.message("deepseek-r1", temperature=0.1, num_ctx=4096)
        call = called(simulator, "deepseek-r1")
        assert call["options"]["temperature"] == 0.1
        assert call["options"]["num_ctx"] == 4096
    finally:
        for model in pasted:
            house.do("models", "reset", model)


def test_reasoning_can_be_hidden(house: House) -> None:
    """By a request, or for a model, where a request can have it back."""
    asked = {"think": True}
    assert house.message("qwen3", **asked)["reasoning_content"]
    hidden = house.message("qwen3", **asked, exclude_reasoning=True)
    assert hidden["content"]
    assert "reasoning_content" not in hidden
    words = '{"think": true, "exclude_reasoning": true}'
    house.do("models", "set", "qwen3", "--overrides", words)
    try:
        eventually(lambda: "reasoning_content" not in house.message("qwen3", **asked))
        assert house.message("qwen3", exclude_reasoning=False)["reasoning_content"]
    finally:
        house.do("models", "reset", "qwen3")


def test_names_of_models(house: House, simulator: Simulator) -> None:
    """A display name stands in the list for the model, and can be called."""
    house.do("alias", "add", "My-Coder", "qwen3-coder", "--display")
    try:
        eventually(lambda: "My-Coder" in house.names(house.key))
        assert "qwen3-coder:latest" not in house.names(house.key)
        assert house.chat("My-Coder").status == 200
        assert called(simulator, "qwen3-coder")
    finally:
        house.do("alias", "remove", "My-Coder")


def test_a_key_for_some_models(house: House) -> None:
    """The list has what the key may call, and nothing else can be called."""
    some = house.made("some", "llama3.2", "all-minilm")
    assert {name.removesuffix(":latest") for name in house.names(some)} == {
        "llama3.2",
        "all-minilm",
    }
    assert house.chat("llama3.2", some).status == 200
    assert house.chat("qwen3", some).status == 404


# ------------------------------------------------------------------- moving house


def left_behind(url: str) -> dict[str, Any]:
    """The data files of an installation over there."""
    model = {"enabled": True, "size": 5, "modified": "2025-08-01T10:00:00Z"}
    return {
        "config.json": ollama2openai.config(url),
        "api_keys.json": [
            ollama2openai.key("1", "all", LONG, "*"),
            ollama2openai.key("2", "few", SHORT, "coder"),
        ],
        "models.json": [
            model
            | {
                "id": "qwen3-coder:latest",
                "originalName": "qwen3-coder:latest",
                "displayName": "coder",
                "parameterOverrides": {"num_ctx": 16384, "request_timeout": 99999999},
            },
            model
            | {
                "originalName": "llava:latest",
                "displayName": "llava",
                "enabled": False,
            },
        ],
        "overrides.json": {"llama3.2": {"num_ctx": 8192, "num_predict": 1000}},
        "logs.json": [ollama2openai.logged("2", "few")],
    }


@pytest.fixture
def moved(simulator: Simulator, tmp_path: Path) -> Iterator[Server]:
    """A Pannier that has taken over an installation, while it ran."""
    ollama2openai.written(tmp_path / "data", left_behind(simulator.url))
    for secret in (LONG, SHORT):
        secrecy.note(secret)
    operator = Operator(tmp_path, PANNIER_PORT="3000")
    # Where Ollama is it learns from what was set over there.
    with Server({"PANNIER_STATE_DIR": str(tmp_path / "state")}) as server:
        operator.do("migrate-ollama2openai", str(tmp_path / "data"), "--yes")
        eventually(lambda: ask(server.port, "GET", "/v1/models").status == 401)
        yield server


@pytest.mark.parametrize("key", [LONG, SHORT])
def test_clients_go_on(moved: Server, simulator: Simulator, key: str) -> None:
    """Their keys work, also those of 8 characters, with names and parameters."""
    with openai.OpenAI(
        base_url=f"{moved.url}/v1", api_key=key, max_retries=0
    ) as client:
        answer = client.chat.completions.create(
            model="coder", messages=[{"role": "user", "content": "Hi"}]
        )
        assert answer.model == "coder"
        listed = {model.id for model in client.models.list()}
    call = called(simulator, "qwen3-coder:latest")
    assert call["options"]["num_ctx"] == 16384
    assert "request_timeout" not in call["options"]
    assert not {"eye", "llava", "llava:latest"} & listed
    if key == SHORT:
        assert listed == {"coder"}
    headers = {"X-API-Key": key}
    body = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}]}
    got = ask(moved.port, "POST", "/v1/messages", body, headers)
    assert got.status == (200 if key == LONG else 404)


def test_its_log_is_kept(moved: Server, tmp_path: Path) -> None:
    """What was used over there counts among what is used here."""
    with closing(sqlite3.connect(tmp_path / "state" / "pannier.db")) as database:
        asked = "SELECT key_name, prompt_tokens, completion_tokens FROM usage_record"
        assert database.execute(asked).fetchall() == [("few", 5, 7)]
