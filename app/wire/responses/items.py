"""Items of a response's input, as far as a model can be told of them."""

from typing import Any

from msgspec import Struct

from ..openai import ImageURL, InputAudio


class ContentPart(Struct):
    """One part of a message's content, or of a tool's result; ``type`` says which."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | ImageURL | None = None
    input_audio: InputAudio | None = None
    file_data: str | None = None


Content = str | list[ContentPart]


class MessageItem(Struct):
    """A message; one of the assistant's may be an item of an earlier answer."""

    role: str | None = None
    content: Content | None = None


class CallItem(Struct):
    """A call of a function (``arguments``) or of a tool that takes text."""

    name: str
    call_id: str
    arguments: str | dict[str, Any] | None = None
    input: str | None = None
    namespace: str | None = None
    status: str | None = None


class ResultItem(Struct):
    """What a call came to."""

    output: Content
    call_id: str
    name: str | None = None
    namespace: str | None = None


class ToolsItem(Struct):
    """Tools that a conversation brings with it."""

    tools: list[dict[str, Any]]


class ThoughtItem(Struct):
    """Reasoning of an earlier answer."""

    summary: list[ContentPart] | None = None
    content: list[ContentPart] | None = None
    encrypted_content: str | None = None
