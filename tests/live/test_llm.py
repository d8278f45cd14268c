"""``llm``, the command line program, with Pannier's models among its own."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.examples import PATIENCE, blocks
from support.pictures import PNG
from support.server import ROOT, Server, clean_environ
from support.simulator import Simulator

pytestmark = pytest.mark.live

PAGE = ROOT / "docs" / "clients.md"
(MODELS,) = (block.code for block in blocks(PAGE, "yaml"))
(COMMANDS,) = (block.code for block in blocks(PAGE, "bash"))
ADDRESS = "http://127.0.0.1:8080"
TOOL = (
    "def get_weather(city: str) -> str:\n    'The weather.'\n    return f'18 in {city}'"
)
SAID = "You said “Say this is a test”, and I agree."

Llm = Callable[..., str]


@pytest.fixture
def llm(server: Server, tmp_path: Path) -> Llm:
    """Run the program with its own directory; what it printed."""
    text = MODELS.replace(ADDRESS, server.url)
    (tmp_path / "extra-openai-models.yaml").write_text(text)
    return lambda *arguments: called(server.url, tmp_path, *arguments)


def called(url: str, directory: Path, *arguments: str) -> str:
    """What the program prints; a failure is the test's."""
    done = subprocess.run(
        [sys.executable, "-m", "llm", *arguments],
        env=clean_environ(
            LLM_USER_PATH=str(directory),
            OPENAI_API_KEY="x",
            OPENAI_BASE_URL=f"{url}/v1",
            HTTPS_PROXY="http://127.0.0.1:9",  # nobody: it has to stay at home
        ),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_prompt(llm: Llm) -> None:
    """A prompt is answered in a stream, and logged with its usage."""
    assert llm("-m", "local", "Say this is a test") == SAID
    (logged,) = json.loads(llm("logs", "--json"))
    assert logged["response"] == SAID
    assert logged["input_tokens"] > 0
    assert logged["output_tokens"] > 3


def test_conversation(llm: Llm) -> None:
    """A conversation goes on, with a system prompt and options."""
    llm("-m", "local", "Hello", "-s", "Be short", "-o", "temperature", "0.5")
    assert "“And again”" in llm("-c", "And again", "--no-stream")


def test_tools(llm: Llm) -> None:
    """Functions are called, and their results answered with."""
    for stream in ([], ["--no-stream"]):
        said = llm(
            *("-m", "local", "What is the weather in Paris?"),
            *("--functions", TOOL, *stream),
        )
        assert said == "The get_weather answered: 18 in Paris"


def test_schema(llm: Llm) -> None:
    """A schema is kept to."""
    said = json.loads(llm("-m", "local", "Who is Alice?", "--schema", "name, age int"))
    assert set(said) == {"name", "age"}
    assert isinstance(said["age"], int)


def test_image(llm: Llm, tmp_path: Path) -> None:
    """An attached image is seen."""
    (tmp_path / "image.png").write_bytes(PNG)
    said = llm("-m", "local-eyes", "What is it?", "-a", "image.png")
    assert said.startswith(f"I see an image of {len(PNG)} bytes.")


def test_completion(llm: Llm) -> None:
    """A model of the older completions answers."""
    assert llm("-m", "local-text", "Say this is a test") == SAID


@pytest.mark.parametrize("command", COMMANDS.splitlines())
def test_documented(llm: Llm, server: Server, command: str) -> None:
    """What docs/clients.md shows works as it stands."""
    program, *arguments = shlex.split(command.replace(ADDRESS, server.url))
    assert program == "llm"
    assert "sky" in (said := llm(*arguments)) or "Paris" in said


def test_models(llm: Llm, server: Server) -> None:
    """It lists what models there are."""
    said = llm("openai", "endpoint", f"{server.url}/v1", "--models")
    assert "llama3.2:latest" in said.split()


def test_embedding(simulator: Simulator, tmp_path: Path) -> None:
    """A model of ours embeds under the name of the one that it knows."""
    aliases = {"PANNIER_ALIASES": "text-embedding-3-*=all-minilm"}
    with Server({"OLLAMA_URL": simulator.url, **aliases}) as server:
        said = called(server.url, tmp_path, "embed", "-m", "3-small", "-c", "a text")
    assert len(json.loads(said)) == 384
