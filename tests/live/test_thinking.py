"""Thinking, and what models are able to do, with OpenAI's own client."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

MESSAGES: list[Any] = [{"role": "user", "content": "Say this is a test"}]
PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00"
    b"\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\xdacd\xf8\xcf\xf0\x1f\x00\x05\x05\x02"
    b"\x00_\xc8\xf1\xd2\x00\x00\x00\x00IEND\xaeB`\x82"
).decode()
WAV = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(28)).decode()


def called(simulator: Simulator, model: str) -> dict[str, Any]:
    """The newest call of a chat for a model."""
    entry = simulator.wait(path="/api/chat", body=f'"model":"{model}"')
    call: dict[str, Any] = json.loads(entry["body"])
    return call


@pytest.mark.parametrize(
    ("model", "wish", "think", "thought"),
    [
        ("qwen3", {}, None, True),
        ("qwen3", {"reasoning_effort": "high"}, "high", True),
        ("qwen3", {"reasoning_effort": "max"}, "max", True),
        ("qwen3", {"reasoning_effort": "none"}, False, False),
        ("qwen3", {"reasoning_effort": "minimal"}, False, False),
        ("qwen3", {"extra_body": {"think": True}}, True, True),
        ("qwen3", {"extra_body": {"enable_thinking": False}}, False, False),
        ("qwen3", {"extra_body": {"reasoning": {"max_tokens": 100}}}, True, True),
        ("qwen3", {"extra_body": {"extra_body": {"think": False}}}, False, False),
        ("gpt-oss:20b", {"reasoning_effort": "high"}, "high", True),
        ("gpt-oss:20b", {"reasoning_effort": "max"}, "high", True),
        ("gpt-oss:20b", {"reasoning_effort": "none"}, "low", False),
        ("gpt-oss:20b", {"extra_body": {"think": True}}, "medium", True),
        ("llama3.2", {"reasoning_effort": "high"}, None, False),
        ("llama3.2", {"reasoning_effort": "none"}, None, False),
        ("llama3.2", {"extra_body": {"thinking": {"type": "enabled"}}}, None, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True])
def test_wishes(
    client: openai.OpenAI,
    simulator: Simulator,
    model: str,
    wish: dict[str, Any],
    think: Any,
    thought: bool,
    stream: bool,
) -> None:
    """No model refuses a wish; the reasoning comes, or does not, as was asked."""
    simulator.clear()
    if stream:
        chunks = client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, **wish
        )
        deltas = [chunk.choices[0].delta for chunk in chunks]
        content = "".join([delta.content or "" for delta in deltas])
        reasoning = "".join([getattr(delta, "reasoning", "") for delta in deltas])
    else:
        answer = client.chat.completions.create(model=model, messages=MESSAGES, **wish)
        content = answer.choices[0].message.content or ""
        reasoning = getattr(answer.choices[0].message, "reasoning", "")
    assert called(simulator, model).get("think") == think
    assert bool(reasoning) == thought
    assert content


@pytest.mark.parametrize(
    ("model", "effort", "header", "value"),
    [
        ("llama3.2", "high", "x-pannier-ignored", "reasoning_effort"),
        ("gpt-oss:20b", "none", "x-pannier-adjusted", "think=low"),
        ("gpt-oss:20b", "xhigh", "x-pannier-adjusted", "think=high"),
    ],
)
def test_what_could_not_be_kept(
    client: openai.OpenAI, model: str, effort: Any, header: str, value: str
) -> None:
    """A wish that was dropped or changed is named in a header."""
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=MESSAGES, reasoning_effort=effort
    )
    assert raw.headers[header] == value


def test_reasoning_is_counted(client: openai.OpenAI) -> None:
    """Usage estimates the tokens of reasoning, hidden or not, where there is any."""
    for extra in ({}, {"reasoning": {"exclude": True}}, {"include_reasoning": False}):
        answer = client.chat.completions.create(
            model="qwen3", messages=MESSAGES, extra_body=extra
        )
        assert answer.usage is not None
        details = answer.usage.completion_tokens_details
        assert details is not None
        assert 0 < (details.reasoning_tokens or 0) < answer.usage.completion_tokens
        assert hasattr(answer.choices[0].message, "reasoning_content") == (not extra)
    plain = client.chat.completions.create(model="llama3.2", messages=MESSAGES)
    assert plain.usage is not None
    assert plain.usage.completion_tokens_details is None


def part(kind: str) -> dict[str, Any]:
    """A part of a message."""
    if kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
    url = f"data:image/png;base64,{PNG}"
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("model", "kind", "able"),
    [
        ("llava", "image", True),
        ("gemma3", "image", True),
        ("llama3.2", "image", False),
        ("gpt-oss:20b", "image", False),
        ("llava", "audio", False),
        ("llama3.2", "audio", False),
    ],
)
def test_abilities(client: openai.OpenAI, model: str, kind: str, able: bool) -> None:
    """Images and audio on a model that does not take them are a 400 that says so."""
    question = {"type": "text", "text": "What is this?"}
    messages: Any = [{"role": "user", "content": [question, part(kind)]}]
    if able:
        answer = client.chat.completions.create(model=model, messages=messages)
        assert answer.choices[0].message.content
        return
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=messages)
    assert caught.value.code == "unsupported_value"
    assert f'model "{model}" does not support {kind} input' in caught.value.message


@pytest.fixture(scope="module")
def tagging(simulator: Simulator) -> Iterator[Server]:
    """A Pannier that puts reasoning into tags and refuses wishes it cannot keep."""
    settings = {
        "PANNIER_REASONING_FIELD": "think_tags",
        "PANNIER_THINK_UNSUPPORTED": "error",
    }
    with Server({"OLLAMA_URL": simulator.url, **settings}) as running:
        yield running


def test_tags_and_refusals(tagging: Server) -> None:
    """By setting, reasoning is inside the content, and efforts are not dropped."""
    with openai.OpenAI(
        base_url=f"{tagging.url}/v1", api_key="x", max_retries=0
    ) as client:
        create = client.chat.completions.create
        whole = create(model="qwen3", messages=MESSAGES).choices[0].message.content
        chunks = create(model="qwen3", messages=MESSAGES, stream=True, n=2)
        texts = ["", ""]
        for chunk in chunks:
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
        for text in (whole or "", *texts):
            thought, closed, content = text.partition("</think>")
            assert thought.startswith("<think>")
            assert closed
            assert content.strip()
            assert "<think>" not in content
        with pytest.raises(openai.BadRequestError) as caught:
            create(model="llama3.2", messages=MESSAGES, reasoning_effort="low")
        assert caught.value.param == "reasoning_effort"
