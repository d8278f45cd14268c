"""The code API of the page that its users come from: its examples, and its answers."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from support import examples
from support.raw import Got, ask
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

PAGE = Path(__file__).parent / "reference" / "code.md"
CODER = "qwen2.5-coder:latest"
SETTINGS = {
    "PANNIER_CODE_MODEL": CODER,
    "PANNIER_DEFAULT_MODEL": "llama3.2",
    "PANNIER_CODE_CACHE": "0",
}


@pytest.fixture(scope="module")
def pannier(simulator: Simulator) -> Iterator[Server]:
    """Pannier as somebody sets it up who comes from there."""
    with Server({"OLLAMA_URL": simulator.url, **SETTINGS}) as running:
        yield running


@pytest.fixture(scope="module")
def sdk(pannier: Server) -> Iterator[openai.OpenAI]:
    """OpenAI's library at a base URL without /v1."""
    with openai.OpenAI(base_url=pannier.url, api_key="x", max_retries=0) as client:
        yield client


def example(title: str, language: str, server: Server) -> str:
    """The code under a heading, with the server's address in it."""
    found = examples.blocks(PAGE, language)
    (code,) = [block.code for block in found if block.title == title]
    assert "http://localhost:8080" in code
    return code.replace("http://localhost:8080", server.url)


TYPES = {
    "model": str,
    "created_at": str,
    "response": str,
    "input_tokens": int,
    "output_tokens": int,
    "total_duration": float,
    "done": bool,
}


def check(answer: dict[str, Any], seconds: float) -> None:
    """The seven keys, in order; what they are; seconds, not nanoseconds."""
    assert [(key, type(value)) for key, value in answer.items()] == [*TYPES.items()]
    assert answer["model"] == "default"
    assert answer["done"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", answer["created_at"])
    made = time.mktime(time.strptime(answer["created_at"], "%Y-%m-%dT%H:%M:%S"))
    assert abs(time.time() - made) < seconds + 2
    assert 0 <= answer["total_duration"] <= seconds


QWEN = "<|fim_prefix|>def quicksort(<|fim_suffix|>{}<|fim_middle|>"


@pytest.mark.parametrize(
    ("title", "suffix"),
    [("Simple request", ""), ("Request with meta information", ")")],
)
def test_curl(
    pannier: Server, simulator: Simulator, tmp_path: Path, title: str, suffix: str
) -> None:
    """curl gets seven keys; the model is asked as it learnt it, without the header."""
    simulator.clear()
    started = time.monotonic()
    printed = examples.shell(example(title, "bash", pannier), tmp_path)
    (answer,) = examples.documents(printed)
    check(answer, time.monotonic() - started)
    assert answer["response"]
    assert answer["output_tokens"] > 0
    call = json.loads(simulator.wait(path="/api/generate")["body"])
    assert (call["model"], call["raw"]) == (CODER, True)
    assert call["prompt"] == QWEN.format(suffix)


def test_curl_openai(pannier: Server, tmp_path: Path) -> None:
    """A name of OpenAI's that nobody installed streams the default model's answer."""
    code = example("OpenAI format", "bash", pannier)
    *frames, done, rest = examples.shell(code, tmp_path).split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    assert {chunk["model"] for chunk in chunks} == {"gpt-3.5-turbo"}
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert "Write an article about the weather of Seattle" in said
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("streaming", ["True", "False"])
def test_python(
    pannier: Server, simulator: Simulator, tmp_path: Path, streaming: str
) -> None:
    """The Python example prints the answer of ``default``, streamed and whole."""
    code = example("OpenAI format in Python", "python", pannier)
    code = code.replace("is_streaming = True", f"is_streaming = {streaming}")
    printed = examples.python(code, tmp_path)
    assert "Write an article about the weather of Seattle." in printed
    call = json.loads(simulator.wait(path="/api/chat")["body"])
    assert call["model"] == "llama3.2"
    assert call["stream"] is (streaming == "True")


# ------------------------------------------------------------------------- answers


def generate(pannier: Server, **body: Any) -> Got:
    """Ask the code API."""
    got = ask(pannier.port, "POST", "/api/generate", body)
    assert got.status == 200, got.body
    return got


def test_a_stream_says_the_same(pannier: Server) -> None:
    """The texts of the lines together are the whole answer; the last has counters."""
    body = {"prompt": "def quicksort( <SUF> ) <MID>"}
    started = time.monotonic()
    whole = json.loads(generate(pannier, **body).body)
    got = generate(pannier, **body, stream=True)
    assert got.header("content-type") == "application/x-ndjson"
    *lines, last = [json.loads(line) for line in got.body.splitlines()]
    check(last, time.monotonic() - started)
    assert last["response"] == ""
    keys = ["model", "created_at", "response", "done"]
    assert [[*line] for line in lines] == [keys] * len(lines)
    assert {line["done"] for line in lines} == {False}
    assert "".join(line["response"] for line in lines) == whole["response"]
    counters = ("input_tokens", "output_tokens")
    assert [last[name] for name in counters] == [whole[name] for name in counters]


@pytest.mark.parametrize("more", [{}, {"stream": False}, {"model": "default"}])
def test_one_line(pannier: Server, more: dict[str, Any]) -> None:
    """The answer in one piece is JSON, and a stream of one line."""
    got = generate(pannier, prompt="def f(", **more)
    assert got.header("content-type") == "application/json"
    assert got.body.endswith(b"\n")
    (line,) = got.body.splitlines()
    assert json.loads(line) == json.loads(got.body)
    assert json.loads(line)["response"]


def test_nothing_to_go_by(pannier: Server, simulator: Simulator) -> None:
    """Nothing before the hole and nothing behind it: no text, and nobody is asked."""
    simulator.clear()
    answer = json.loads(generate(pannier, prompt="# Language: Python").body)
    check(answer, 30)
    assert (answer["response"], answer["output_tokens"]) == ("", 0)
    assert [one for one in simulator.log() if one["target"] == "/api/generate"] == []


def test_completions_of_the_library(sdk: openai.OpenAI, simulator: Simulator) -> None:
    """OpenAI's library without /v1: a suffix is filled in, streamed as whole."""
    asked = {"model": "default", "prompt": "def f(", "suffix": "return"}
    whole = sdk.completions.create(**asked)
    assert whole.object == "text_completion"
    assert whole.model == "default"
    chunks = list(sdk.completions.create(**asked, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert whole.choices[0].text
    assert chunks[-1].choices[0].finish_reason == "stop"
    call = json.loads(simulator.wait(path="/api/generate")["body"])
    assert call["prompt"] == "<|fim_prefix|>def f(<|fim_suffix|>return<|fim_middle|>"


def test_models_of_the_library(sdk: openai.OpenAI) -> None:
    """Without /v1 it also lists models, embeds, and fails as it should."""
    assert CODER in [model.id for model in sdk.models.list()]
    vectors = sdk.embeddings.create(model="all-minilm", input="def f(): ...")
    assert len(vectors.data[0].embedding) == 384
    with pytest.raises(openai.NotFoundError, match="model 'nope' not found"):
        sdk.completions.create(model="nope", prompt="def f(", suffix="return")
