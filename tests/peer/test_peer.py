"""The same request to Pannier and to a real Ollama's own /v1: the same answer?

``make peer`` runs these against the Ollama that ``OLLAMA_URL`` names, with whatever
models it has.  Where the specification wants more than Ollama gives, the surplus is
taken off before comparing.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import jsonschema
import openai
import pytest
import requests
from support.server import Server

pytestmark = pytest.mark.ollama

OLLAMA = os.environ.get("OLLAMA_URL", "http://127.0.0.1:11434")
#: What Pannier adds, and what both make up anew for each answer.
SURPLUS = ("refusal", "logprobs", "reasoning_content", "index", "usage")
VOLATILE = ("id", "created", "created_at", "code", "param")
CALM = {"temperature": 0, "seed": 7, "max_tokens": 24}
HELLO = [{"role": "user", "content": "Hi"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def pannier() -> Iterator[str]:
    """Pannier's URL, in front of the real Ollama."""
    with Server({"OLLAMA_URL": OLLAMA}) as server:
        yield server.url


@pytest.fixture(scope="module")
def models() -> dict[str, str]:
    """One installed model for each capability."""
    found: dict[str, str] = {}
    installed = requests.get(f"{OLLAMA}/api/tags", timeout=10).json()["models"]
    for entry in sorted(installed, key=lambda entry: str(entry["model"])):
        shown = requests.post(
            f"{OLLAMA}/api/show", json={"model": entry["model"]}, timeout=10
        ).json()
        for capability in shown["capabilities"]:
            found.setdefault(capability, entry["model"])
    return found


def bare(value: Any) -> Any:
    """An answer without what may differ."""
    if isinstance(value, dict):
        return {
            # Ollama writes arguments in another order each time (a Go map).
            k: json.loads(v) if k == "arguments" else bare(v)
            for k, v in value.items()
            if k not in SURPLUS + VOLATILE and v not in (None, "")
        }
    return [bare(item) for item in value] if isinstance(value, list) else value


def both(pannier: str, path: str, body: Any = None) -> list[requests.Response]:
    """The answers of Pannier and of Ollama."""
    method = "GET" if body is None else "POST"
    return [
        requests.request(method, base + path, json=body, timeout=120)
        for base in (pannier, OLLAMA)
    ]


def text(answer: requests.Response) -> str:
    """The text of a streamed answer, after a look at how it ends."""
    frames = [f for f in answer.text.split("\n\n") if f]
    assert frames[-1] == "data: [DONE]"
    chunks = [json.loads(f.removeprefix("data: ")) for f in frames[:-1]]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [c["finish_reason"] for c in choices if c["finish_reason"]] in (
        ["stop"],
        ["length"],
    )
    return "".join(
        c.get("text") or c.get("delta", {}).get("content") or "" for c in choices
    )


WHOLE = [
    ("completion", "/v1/chat/completions", {"messages": HELLO, **CALM}),
    ("completion", "/v1/completions", {"prompt": "Hi", **CALM}),
    ("insert", "/v1/completions", {"prompt": "def a", "suffix": "\n", **CALM}),
    ("tools", "/v1/chat/completions", {"messages": HELLO, "tools": [WEATHER], **CALM}),
    (
        "thinking",
        "/v1/chat/completions",
        {"messages": HELLO, "reasoning_effort": "high", **CALM},
    ),
    ("embedding", "/v1/embeddings", {"input": ["a", "b"]}),
    ("embedding", "/v1/embeddings", {"input": "a", "encoding_format": "base64"}),
]


@pytest.mark.parametrize(("capability", "path", "body"), WHOLE)
def test_whole_answers_agree(
    pannier: str, models: dict[str, str], capability: str, path: str, body: Any
) -> None:
    """A whole answer says the same as Ollama's own layer."""
    if capability not in models:
        pytest.skip(f"no installed model has the capability {capability}")
    ours, theirs = both(pannier, path, {"model": models[capability], **body})
    assert ours.status_code == theirs.status_code == 200
    assert bare(ours.json()) == bare(theirs.json())


@pytest.mark.parametrize(("capability", "path", "body"), WHOLE[:2])
def test_streams_agree(
    pannier: str, models: dict[str, str], capability: str, path: str, body: Any
) -> None:
    """A streamed answer has the same text and ends as it should."""
    request = {"model": models[capability], "stream": True, **body}
    ours, theirs = both(pannier, path, request)
    assert text(ours) == text(theirs)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": "no-such-model", "messages": HELLO}),
        ("/v1/completions", {"model": "no-such-model", "prompt": "x"}),
        ("/v1/embeddings", {"model": "no-such-model", "input": "x"}),
        ("/v1/chat/completions", {"model": "", "messages": HELLO}),
    ],
)
def test_refusals_agree(pannier: str, path: str, body: Any) -> None:
    """What Ollama refuses is refused with its status and words."""
    ours, theirs = both(pannier, path, body)
    assert ours.status_code == theirs.status_code
    assert bare(ours.json()) == bare(theirs.json())


def test_models_agree(pannier: str, models: dict[str, str]) -> None:
    """The same models are listed, and one of them is described alike."""
    ours, theirs = (
        sorted(json.dumps(model) for model in answer.json()["data"])
        for answer in both(pannier, "/v1/models")
    )
    assert ours == theirs
    ours_one, theirs_one = both(pannier, f"/v1/models/{models['completion']}")
    assert ours_one.json() == theirs_one.json()


def test_the_relay_is_transparent(pannier: str, models: dict[str, str]) -> None:
    """A native call through Pannier has the status, type and body of a direct one."""
    body = {
        "model": models["completion"],
        "messages": HELLO,
        "stream": False,
        "options": {"temperature": 0, "seed": 7, "num_predict": 8},
    }
    ours, theirs = both(pannier, "/api/chat", body)
    assert ours.status_code == theirs.status_code
    assert ours.headers["Content-Type"] == theirs.headers["Content-Type"]
    assert ours.json()["message"] == theirs.json()["message"]


def test_a_copy_with_its_own_context_works(
    pannier: str, models: dict[str, str]
) -> None:
    """A model made through the relay with num_ctx answers, and has that context."""
    name = "pannier-peer-test"
    made = requests.post(
        f"{pannier}/api/create",
        json={
            "model": name,
            "from": models["completion"],
            "parameters": {"num_ctx": 512},
            "stream": False,
        },
        timeout=60,
    )
    assert made.status_code == 200, made.text
    try:
        assert context_of(pannier, name) == 512
    finally:
        requests.delete(f"{pannier}/api/delete", json={"model": name}, timeout=10)


def context_of(pannier: str, name: str) -> int | None:
    """The context a model has after an answer; Ollama may unload it in between."""
    for _ in range(3):
        answer = requests.post(
            f"{pannier}/v1/chat/completions",
            json={"model": name, "messages": HELLO, **CALM},
            timeout=120,
        )
        assert answer.status_code == 200, answer.text
        for model in requests.get(f"{pannier}/api/ps", timeout=10).json()["models"]:
            if model["name"] == f"{name}:latest":
                return int(model["context_length"])
    return None


#: How many times a call is forced, each with another seed, and its parameters in turns.
#: A string is bounded, since a model that only babbles would not end it.
FORCED = 100
SHAPES: list[dict[str, Any]] = [
    {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}},
        "required": ["city"],
    },
    {
        "type": "object",
        "properties": {
            "unit": {"enum": ["C", "F"]},
            "day": {"type": "integer"},
            "exact": {"type": "boolean"},
        },
        "required": ["unit", "day", "exact"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {
            "where": {"$ref": "#/$defs/Place"},
            "tags": {"type": "array", "items": {"const": "x"}, "maxItems": 3},
        },
        "required": ["where"],
        "$defs": {
            "Place": {
                "type": "object",
                "properties": {"id": {"anyOf": [{"type": "null"}, {"enum": [1, 2]}]}},
                "required": ["id"],
            }
        },
    },
]


def test_forced_calls_fit(pannier: str, models: dict[str, str]) -> None:
    """A call that must come does, 100 times of 100, with arguments that fit."""
    client = openai.OpenAI(base_url=f"{pannier}/v1", api_key="x", timeout=120)
    fitting = 0
    for seed in range(FORCED):
        shape = SHAPES[seed % len(SHAPES)]
        function = {"name": "act", "parameters": shape}
        asked = client.chat.completions.create(
            model=models["completion"],
            messages=HELLO,
            tools=[{"type": "function", "function": function}],
            tool_choice=("required", {"type": "function", "function": {"name": "act"}})[
                seed % 2
            ],
            seed=seed,
            temperature=1,
            max_tokens=400,
        )
        (call,) = asked.choices[0].message.tool_calls or ()
        assert call.function.name == "act"
        jsonschema.validate(json.loads(call.function.arguments), shape)
        fitting += 1
    assert fitting == FORCED
