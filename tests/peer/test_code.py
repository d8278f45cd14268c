"""Code completion on a real Ollama, beside what Ollama itself fills in (``make peer``).

Needs the model ``tiny``, whose own template has a suffix, and ``tiny-think``.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.server import Server

pytestmark = pytest.mark.ollama

OLLAMA = os.environ.get("OLLAMA_URL", "http://127.0.0.1:11434")
PREFIX, SUFFIX = "def add(a, b):\n", "\n\nprint(add(1, 2))\n"
#: The same answer each time.
CALM = {"temperature": 0, "seed": 7, "num_predict": 24}

#: The form that the template of ``tiny`` has, as a family of a user's.
FAMILY = """\
[[family]]
name = "tiny"
match = ["tiny:*"]
template = "<|fim_pre|>{code_prefix}<|fim_suf|>{code_suffix}<|fim_mid|><|a:fim|>"
stop = ["<|end|>"]
tokens = ["<|fim_pre|>", "<|fim_suf|>", "<|fim_mid|>"]
"""


@pytest.fixture(scope="module")
def suffixed() -> Iterator[Server]:
    """Pannier that leaves the template of ``tiny`` to Ollama."""
    with Server({"OLLAMA_URL": OLLAMA, "PANNIER_CODE_MODEL": "tiny"}) as server:
        yield server


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Pannier that knows the family of ``tiny``, and so asks it raw."""
    path = Path(tmp_path_factory.mktemp("families"), "families.toml")
    path.write_text(FAMILY)
    env = {"OLLAMA_URL": OLLAMA, "PANNIER_CODE_MODEL": "tiny"}
    with Server({**env, "PANNIER_CODE_FAMILIES": str(path)}) as server:
        yield server


def post(url: str, path: str, **body: Any) -> requests.Response:
    """One answer, which must be a good one."""
    answer = requests.post(url + path, json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.fixture(scope="module")
def theirs() -> str:
    """What Ollama itself fills in."""
    body = {"model": "tiny", "prompt": PREFIX, "suffix": SUFFIX, "options": CALM}
    said = post(OLLAMA, "/api/generate", stream=False, **body).json()["response"]
    assert said
    return str(said)


@pytest.mark.parametrize("strategy", ["suffixed", "raw"])
@pytest.mark.parametrize("stream", [False, True])
def test_as_ollama(
    strategy: str, stream: bool, theirs: str, request: pytest.FixtureRequest
) -> None:
    """By its own template or by a family's, the model fills in the same text."""
    server = request.getfixturevalue(strategy)
    prompt = f"# Language: Python\n# Path: a.py\n{PREFIX} <SUF> {SUFFIX} <MID>"
    answer = post(
        server.url, "/api/generate", prompt=prompt, options=CALM, stream=stream
    )
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(line["response"] for line in lines) == theirs
    assert lines[-1]["done"] is True
    assert lines[-1]["input_tokens"] > 0
    assert lines[-1]["output_tokens"] > 0


@pytest.mark.parametrize("strategy", ["suffixed", "raw"])
def test_all_forms(strategy: str, theirs: str, request: pytest.FixtureRequest) -> None:
    """Every form gets the same text out of the same model."""
    url = request.getfixturevalue(strategy).url
    openai = {"model": "tiny", "prompt": PREFIX, "suffix": SUFFIX}
    calm = {"temperature": 0, "seed": 7}
    text = post(url, "/v1/completions", max_tokens=24, **openai, **calm).json()
    assert text["choices"][0]["text"] == theirs
    fim = post(url, "/v1/fim/completions", max_tokens=24, **openai, **calm).json()
    assert fim["choices"][0]["message"]["content"] == theirs
    segments = {"prefix": PREFIX, "suffix": SUFFIX}
    tabby = post(
        url, "/v1/completions", language="python", segments=segments, **calm,
        num_predict=24,
    ).json()  # fmt: skip
    assert tabby["choices"][0]["text"] == theirs
    infill = post(
        url, "/infill", input_prefix=PREFIX, input_suffix=SUFFIX, n_predict=24, **calm
    ).json()
    assert infill["content"] == theirs
    assert infill["timings"]["predicted_n"] > 0


def test_a_model_that_chats_and_thinks(suffixed: Server) -> None:
    """A model that can only chat is asked to, without thinking; Ollama takes it."""
    answer = post(
        suffixed.url, "/api/generate", model="tiny-think", prompt=PREFIX,
        suffix=SUFFIX, stream=False, options=CALM,
    ).json()  # fmt: skip
    assert answer["done"] is True
    assert "thinking" not in answer


def test_shown(raw: Server) -> None:
    """A model that Ollama can fill in with is shown as Ollama shows it."""
    shown = post(raw.url, "/api/show", model="tiny").json()
    assert shown == post(OLLAMA, "/api/show", model="tiny").json()
