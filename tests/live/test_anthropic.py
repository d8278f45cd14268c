"""Anthropic's library for Python: messages, streams, thinking, formats, images."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import anthropic
import pytest
from pydantic import BaseModel
from support.claude import (
    HELLO,
    PLAIN,
    SAID,
    TOOLS,
    WEATHER,
    connect,
    shown,
    text_of,
)
from support.pictures import PNG, Web, page
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

THINKING: dict[str, Any] = {
    **PLAIN,
    "model": "qwen3",
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}
CACHED = {"type": "ephemeral"}
THOUGHT = "The user says “Say this is a test”. A short answer will do.\n"


@pytest.fixture(scope="module")
def claude(server: Server) -> Iterator[anthropic.Anthropic]:
    """Anthropic's own client, pointed at Pannier."""
    with connect(server) as client:
        yield client


def call(simulator: Simulator, words: str) -> dict[str, Any]:
    """The last call to Ollama with these words in it."""
    sent: dict[str, Any] = json.loads(
        simulator.wait(path="/api/chat", body=words)["body"]
    )
    return sent


def test_whole(claude: anthropic.Anthropic) -> None:
    """A message is whole: text, reason, usage, an id, and the model as it was asked."""
    answer = claude.messages.create(**PLAIN)
    assert shown(answer) == [{"type": "text", "text": SAID}]
    assert (answer.type, answer.role, answer.model) == (
        "message",
        "assistant",
        "llama3.2",
    )
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert answer.id.startswith("msg_")
    assert min(answer.usage.input_tokens, answer.usage.output_tokens) > 5


def test_events(claude: anthropic.Anthropic) -> None:
    """A stream has its events in their order, and the real usage last."""
    whole = claude.messages.create(**PLAIN)
    events = list(claude.messages.create(**PLAIN, stream=True))
    deltas = ["content_block_delta"] * (len(events) - 5)
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        *deltas,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert len(deltas) > 5
    assert events[0].message.content == []
    assert events[0].message.stop_reason is None
    assert "".join(event.delta.text for event in events[2:-3]) == SAID
    assert events[-2].usage.output_tokens == whole.usage.output_tokens
    assert events[-2].usage.input_tokens == whole.usage.input_tokens


def test_stream(claude: anthropic.Anthropic) -> None:
    """The helper gives text piece by piece, and then the same message as the whole."""
    whole = claude.messages.create(**PLAIN)
    with claude.messages.stream(**PLAIN) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 5
    assert "".join(pieces) == SAID
    assert shown(final) == shown(whole)
    assert final.usage == whole.usage
    assert final.stop_reason == whole.stop_reason
    assert str(stream.request_id).startswith("req_")


def test_left_early(claude: anthropic.Anthropic, simulator: Simulator) -> None:
    """Leaving a stream stops the model."""
    asked = [{"role": "user", "content": "Anthropic's client leaves early"}]
    with claude.messages.stream(
        model="sim-chunks4000-tps200", max_tokens=4000, messages=asked
    ) as stream:
        next(stream.text_stream)
    simulator.wait(body="Anthropic's client leaves early", outcome="client-left")


# --------------------------------------------------------------- thinking


def test_thinking(claude: anthropic.Anthropic) -> None:
    """Thoughts are a block before the text, signed, the same whole and streamed."""
    whole = claude.messages.create(**THINKING)
    with claude.messages.stream(**THINKING) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_message()
    assert shown(final) == shown(whole)
    thought, answer = whole.content
    assert (thought.type, thought.thinking) == ("thinking", THOUGHT)
    assert thought.signature
    assert answer.text == SAID
    assert {"thinking", "signature", "text"} <= kinds
    assert whole.usage.output_tokens_details.thinking_tokens > 0


def test_thoughts_come_back(claude: anthropic.Anthropic, simulator: Simulator) -> None:
    """The next turn takes the whole message, and knows a signature that is not ours."""
    first = claude.messages.create(**THINKING)
    again = {"role": "user", "content": "And once more"}
    for signature, ignored in (
        (first.content[0].signature, None),
        ("foreign", "messages[1].content[0].signature"),
    ):
        blocks = [block.to_dict() for block in first.content]
        blocks[0]["signature"] = signature
        turns = [*HELLO, {"role": "assistant", "content": blocks}, again]
        raw = claude.messages.with_raw_response.create(
            **{**THINKING, "messages": turns}
        )
        assert raw.headers.get("x-pannier-ignored") == ignored
        assert "And once more" in text_of(raw.parse())
        sent = call(simulator, "And once more")["messages"][1]
        assert sent == {"role": "assistant", "content": SAID, "thinking": THOUGHT}


@pytest.mark.parametrize(
    ("more", "thinks"),
    [
        ({"thinking": {"type": "disabled"}}, False),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"output_config": {"effort": "high"}}, True),
        ({"extra_body": {"think": True}}, True),
        ({"extra_body": {"think": False}}, False),
    ],
    ids=str,
)
def test_wishes_to_think(
    claude: anthropic.Anthropic, more: dict[str, Any], thinks: bool
) -> None:
    """Thinking is asked for, or not, in Anthropic's spellings and in Ollama's."""
    answer = claude.messages.create(**{**PLAIN, "model": "qwen3"}, **more)
    kinds = [block.type for block in answer.content]
    assert kinds == (["thinking", "text"] if thinks else ["text"])


# ---------------------------------------------------------------- formats


class Friend(BaseModel):
    """What the model is made to answer."""

    name: str
    tags: list[str]


def test_parse(claude: anthropic.Anthropic) -> None:
    """Structured answers are parsed, whole and streamed."""
    whole = claude.messages.parse(**PLAIN, output_format=Friend)
    with claude.messages.stream(**PLAIN, output_format=Friend) as stream:
        streamed = stream.get_final_message()
    assert isinstance(whole.parsed_output, Friend)
    assert streamed.parsed_output == whole.parsed_output


# ----------------------------------------------------- images and documents


def see(client: anthropic.Anthropic, source: Any, **more: Any) -> str:
    """What a model says about an image."""
    parts = [{"type": "text", "text": "What is it?"}]
    parts += [{"type": "image", "source": source}]
    turns: Any = [{"role": "user", "content": parts}]
    return text_of(
        client.messages.create(**{**PLAIN, "model": "llava", "messages": turns, **more})
    )


SEEN = f"I see an image of {len(PNG)} bytes. You ask: What is it?"


def test_image(claude: anthropic.Anthropic) -> None:
    """An image as base64 is seen; text that is none is a bad request."""
    source = {"type": "base64", "media_type": "image/png"}
    assert see(claude, {**source, "data": base64.b64encode(PNG).decode()}) == SEEN
    with pytest.raises(anthropic.BadRequestError, match="data: invalid image input"):
        see(claude, {**source, "data": "!"})


def test_image_by_url(server: Server, simulator: Simulator) -> None:
    """An image is fetched from where it may be fetched, and from nowhere else."""
    with Web({"/a.png": page()}) as web:
        source = {"type": "url", "url": f"{web.url}/a.png"}
        host = {"PANNIER_IMAGE_HOSTS": urlsplit(web.url).netloc}
        with (
            Server({"OLLAMA_URL": simulator.url, **host}) as trusting,
            connect(trusting) as client,
        ):
            assert see(client, source) == SEEN
        with (
            connect(server) as client,
            pytest.raises(anthropic.BadRequestError, match="could not fetch the image"),
        ):
            see(client, source)
        assert web.asked == ["/a.png"]


def test_documents(claude: anthropic.Anthropic, simulator: Simulator) -> None:
    """A document of text is read with its title; a PDF is refused."""
    text = {"type": "text", "media_type": "text/plain", "data": "Llamas hum."}
    document = {"type": "document", "title": "Sounds", "source": text}
    turns: Any = [
        {"role": "user", "content": [document, {"type": "text", "text": "Which?"}]}
    ]
    claude.messages.create(**{**PLAIN, "messages": turns})
    (sent,) = call(simulator, "Llamas hum.")["messages"]
    assert "Sounds" in sent["content"]
    assert sent["content"].endswith("Llamas hum.\n\nWhich?")
    document["source"] = {"type": "base64", "media_type": "application/pdf", "data": ""}
    with pytest.raises(anthropic.BadRequestError, match="document source type not"):
        claude.messages.create(**{**PLAIN, "messages": turns})


@pytest.mark.parametrize(
    "system",
    [
        "Be brief.\n\nBe kind.",
        [
            {"type": "text", "text": "Be brief."},
            {
                "type": "text",
                "text": "Be kind.",
                "cache_control": {"type": "ephemeral"},
            },
        ],
    ],
    ids=["string", "blocks"],
)
def test_request(
    claude: anthropic.Anthropic, simulator: Simulator, system: Any
) -> None:
    """System prompts of both forms, limits, stops and options reach Ollama."""
    raw = claude.messages.with_raw_response.create(
        **{**PLAIN, "max_tokens": 3},
        system=system,
        stop_sequences=["zzz"],
        metadata={"user_id": "me"},
        service_tier="auto",
        extra_body={"temperature": 0.5, "top_k": 4, "num_ctx": 4096},
    )
    assert raw.headers["x-pannier-ignored"] == "metadata"
    assert raw.parse().stop_reason == "max_tokens"
    sent = call(simulator, "Be kind.")
    assert sent["messages"][0] == {
        "role": "system",
        "content": "Be brief.\n\nBe kind.",
    }
    assert sent["options"] == {
        "num_predict": 3,
        "stop": ["zzz"],
        "temperature": 0.5,
        "top_k": 4,
        "num_ctx": 4096,
    }


def test_beta(claude: anthropic.Anthropic) -> None:
    """The beta names do the same; which betas are asked for does not matter."""
    betas = ["context-1m-2025-08-07", "no-such-beta"]
    answer = claude.beta.messages.create(**PLAIN, betas=betas)
    with claude.beta.messages.stream(**WEATHER, betas=betas) as stream:
        final = stream.get_final_message()
    assert text_of(answer) == SAID
    assert [block.type for block in final.content] == ["tool_use"]
    assert (
        claude.beta.messages.count_tokens(
            model="llama3.2", messages=HELLO, tools=TOOLS, betas=betas
        ).input_tokens
        > 50
    )
