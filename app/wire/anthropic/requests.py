"""What Anthropic's clients send.

``null`` means absent, and a type is as wide as what Pannier accepts; the middlewares
refuse what the types let pass.
"""

from typing import Any

from msgspec import Struct

from ..generating import ConversationRequest
from ..openai.requests import Function


class Source(Struct):
    """Where an image or a document comes from; which field counts depends on ``type``.

    ``data`` is base64, or the text of a document of plain text.
    """

    type: str | None = None
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: "str | list[Block] | None" = None


class Block(Struct):
    """One block of content; which field counts depends on ``type``.

    ``source`` is an object, for a search result the name of its source; ``content`` is
    text, blocks, or the error of a tool that ran at Anthropic's.
    """

    type: str
    text: str | None = None
    source: Source | str | None = None
    title: str | None = None
    context: str | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None
    tool_use_id: str | None = None
    content: "str | list[Block] | Block | None" = None
    is_error: bool | None = None
    url: str | None = None
    error_code: str | None = None


class MessageParam(Struct):
    """One message of the conversation."""

    role: str | None = None
    content: str | list[Block] | None = None


class Tool(Struct):
    """A tool that the model may call.

    It is declared in Anthropic's way, in OpenAI's (``function``), or known by its
    ``type``.
    """

    type: str | None = None
    name: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    function: Function | None = None


class MessagesRequest(ConversationRequest, kw_only=True):
    """``POST /v1/messages``, and what its tokens are counted of."""

    messages: list[MessageParam] | None = None
    system: str | list[Block] | None = None
    max_tokens: int | float | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None

    # No effect: named to the client where the value asks for something.
    cache_control: Any = None
    container: Any = None
    context_management: Any = None
    diagnostics: Any = None
    inference_geo: Any = None
    mcp_servers: Any = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    speed: Any = None
    thread: Any = None
    user_profile_id: Any = None
    workspace_id: Any = None
