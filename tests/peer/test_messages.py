"""Anthropic's Messages on a real Ollama, beside Ollama's own layer (``make peer``).

What Ollama's layer loses is not compared: signatures, forced calls, errors in streams.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import anthropic
import jsonschema
import pytest
import requests
from support.claude import connect, shown, text_of, tool
from support.server import Server

pytestmark = pytest.mark.ollama

OLLAMA = os.environ.get("OLLAMA_URL", "http://127.0.0.1:11434")
HELLO: Any = [{"role": "user", "content": "Hi"}]
TOOLS: Any = [tool("get_weather", "city")]
#: The same answer each time.
CALM: Any = {
    "messages": HELLO,
    "max_tokens": 24,
    "extra_body": {"temperature": 0, "options": {"seed": 7}},
}
THINKING: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
#: What a model has to be able to do, and what it is asked.
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("completion", {}),
    ("completion", {"system": "Be brief.", "stop_sequences": ["e"]}),
    ("completion", THINKING),  # which a model that cannot think is let off
    ("tools", {"tools": TOOLS}),
    ("thinking", THINKING),
    ("thinking", {"thinking": {"type": "disabled"}}),
    ("thinking", {"output_config": {"effort": "low"}}),
]


@pytest.fixture(scope="module")
def pannier() -> Iterator[Server]:
    """Pannier in front of the real Ollama, which counts tokens exactly."""
    with Server({"OLLAMA_URL": OLLAMA, "PANNIER_TOKEN_COUNT": "exact"}) as server:
        yield server


@pytest.fixture(scope="module")
def claude(pannier: Server) -> Iterator[anthropic.Anthropic]:
    """Anthropic's own client, pointed at Pannier."""
    with connect(pannier, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def theirs() -> Iterator[anthropic.Anthropic]:
    """The same, pointed at Ollama."""
    with anthropic.Anthropic(
        base_url=OLLAMA, api_key="x", max_retries=0, timeout=120
    ) as client:
        yield client


@pytest.fixture(scope="module")
def models() -> dict[str, str]:
    """One installed model for each capability."""
    found: dict[str, str] = {}
    installed = requests.get(f"{OLLAMA}/api/tags", timeout=10).json()["models"]
    for entry in sorted(installed, key=lambda entry: str(entry["model"])):
        asked = {"model": entry["model"]}
        shown = requests.post(f"{OLLAMA}/api/show", json=asked, timeout=10).json()
        for capability in shown["capabilities"]:
            # A plain one, since there are others for the rest.
            if capability == "completion" and len(shown["capabilities"]) > 1:
                continue
            found.setdefault(capability, entry["model"])
    return found


def able(models: dict[str, str], capability: str) -> str:
    """A model that can do something."""
    if capability not in models:
        pytest.skip(f"no installed model has the capability {capability}")
    return models[capability]


def bare(message: Any) -> Any:
    """An answer without signatures, ids, and what Ollama's layer leaves out."""
    blocks = [
        {key: value for key, value in block.items() if key != "signature"}
        for block in shown(message)
    ]
    usage = message.usage.input_tokens, message.usage.output_tokens
    return blocks, message.stop_reason, usage


def streamed(client: anthropic.Anthropic, **asked: Any) -> Any:
    """The message that the library puts together from a stream."""
    with client.messages.stream(**asked) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize(("capability", "more"), ASKED, ids=str)
def test_messages_agree(
    claude: anthropic.Anthropic,
    theirs: anthropic.Anthropic,
    models: dict[str, str],
    capability: str,
    more: dict[str, Any],
) -> None:
    """Whole and streamed messages say what Ollama's own say, and count as they do."""
    asked = {**CALM, **more, "model": able(models, capability)}
    ours = claude.messages.create(**asked)
    assert ours.content
    assert bare(ours) == bare(theirs.messages.create(**asked))
    assert bare(streamed(claude, **asked)) == bare(streamed(theirs, **asked))


def test_messages_think(claude: anthropic.Anthropic, models: dict[str, str]) -> None:
    """Thoughts are signed, and the model takes them back with the next turn."""
    asked = {**CALM, **THINKING, "model": able(models, "thinking")}
    first = streamed(claude, **asked)
    assert first.content[0].type == "thinking"
    assert first.content[0].signature
    turns = [*HELLO, {"role": "assistant", "content": first.content}, *HELLO]
    raw = claude.messages.with_raw_response.create(**{**asked, "messages": turns})
    assert "x-pannier-ignored" not in raw.headers
    assert raw.parse().usage.input_tokens > first.usage.input_tokens


def test_messages_run_tools(
    claude: anthropic.Anthropic, models: dict[str, str]
) -> None:
    """A model that calls a tool gets its result, and goes on."""

    @anthropic.beta_tool
    def get_weather(city: str = "", unit: str = "") -> str:
        """Tell the weather.

        Args:
            city: Where.
            unit: Of the temperature.
        """
        return f"18 degrees in {city}"

    runner = claude.beta.messages.tool_runner(
        model=able(models, "tools"),
        max_tokens=60,
        messages=HELLO,
        tools=[get_weather],
        max_iterations=2,
        extra_body={"temperature": 0},
    )
    turns = list(runner)
    assert [block.type for block in turns[0].content][-1] == "tool_use"
    assert turns[0].stop_reason == "tool_use"
    assert len(turns) == 2


SHAPE: Any = {
    "type": "object",
    "properties": {
        "unit": {"enum": ["C", "F"]},
        "day": {"type": "integer", "minimum": 1, "maximum": 31},
    },
    "required": ["unit", "day"],
    "additionalProperties": False,
}
#: How often a call is forced, each time with another seed.
FORCED = 20


@pytest.mark.parametrize("stream", [False, True])
def test_messages_are_forced(
    claude: anthropic.Anthropic, models: dict[str, str], stream: bool
) -> None:
    """A call that must come does, each time, with an input that fits."""
    ask = streamed if stream else type(claude.messages).create
    for seed in range(FORCED):
        choice: Any = [{"type": "any"}, {"type": "tool", "name": "act"}][seed % 2]
        answer = ask(
            claude if stream else claude.messages,
            model=able(models, "completion"),
            max_tokens=200,
            messages=HELLO,
            tools=[{"name": "act", "input_schema": SHAPE}],
            tool_choice=choice,
            extra_body={"options": {"seed": seed, "temperature": 1}},
        )
        (called,) = answer.content
        assert (called.name, answer.stop_reason) == ("act", "tool_use")
        jsonschema.validate(called.input, SHAPE)


@pytest.mark.parametrize(
    ("capability", "more"),
    [("completion", {}), ("tools", {"tools": TOOLS}), ("thinking", THINKING)],
    ids=["text", "tools", "thinking"],
)
def test_messages_are_counted(
    claude: anthropic.Anthropic,
    models: dict[str, str],
    capability: str,
    more: dict[str, Any],
) -> None:
    """An exact count is what the message then uses; a guess is of its size."""
    words = "What is there to say of llamas, and what of alpacas? " * 8
    asked = {
        "model": able(models, capability),
        "messages": [{"role": "user", "content": words}],
        **more,
    }
    raw = claude.messages.with_raw_response.count_tokens(**asked)
    assert raw.headers["x-pannier-token-count"] == "exact"
    exact = raw.parse().input_tokens
    used = claude.messages.create(**{**CALM, **asked}).usage.input_tokens
    assert exact == used
    with (
        Server({"OLLAMA_URL": OLLAMA}) as guessing,
        connect(guessing) as client,
    ):
        guess = client.messages.count_tokens(**asked).input_tokens
    assert exact / 8 < guess < exact * 8  # by how many letters a token has


@pytest.mark.parametrize(
    "body",
    [
        {"model": "no-such-model", "messages": HELLO, "max_tokens": 9},
        {"model": "", "messages": HELLO, "max_tokens": 9},
        {"model": "tiny", "messages": [], "max_tokens": 9},
        {"model": "tiny", "messages": HELLO, "max_tokens": 0},
    ],
    ids=["unknown", "no-model", "no-messages", "no-tokens"],
)
def test_messages_are_refused_alike(pannier: Server, body: dict[str, Any]) -> None:
    """What Ollama's layer refuses is refused with its status, type and words."""
    ours, theirs = (
        requests.post(f"{base}/v1/messages", json=body, timeout=60)
        for base in (pannier.url, OLLAMA)
    )
    assert ours.status_code == theirs.status_code
    told, right = json.loads(ours.text)["error"], json.loads(theirs.text)["error"]
    assert told["type"] == right["type"]
    assert right["message"] in told["message"]


def test_messages_that_are_parsed(
    claude: anthropic.Anthropic, models: dict[str, str]
) -> None:
    """An answer is held to a schema."""
    asked = {**CALM, "max_tokens": 200, "model": able(models, "completion")}
    answer = claude.messages.create(
        **asked, output_config={"format": {"type": "json_schema", "schema": SHAPE}}
    )
    jsonschema.validate(json.loads(text_of(answer)), SHAPE)
