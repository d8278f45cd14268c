"""What clients of the Responses API send.

``null`` means absent.  Items and tools come in more kinds than anybody here can serve,
and go back as they came: so they are objects first, and those that can be served become
the structs below and in ``items``.
"""

from typing import Any

from msgspec import Struct

from ..generating import ConversationRequest
from ..openai import StreamOptions


class TextFormat(Struct, omit_defaults=True):
    """``text.format``: the schema is beside its name, other than in chat."""

    type: str
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | bool | None = None
    strict: bool | None = None


class TextConfig(Struct, omit_defaults=True):
    """``text``: what the answer is to look like."""

    format: TextFormat | None = None
    verbosity: str | None = None


class NamespaceTool(Struct):
    """Tools under one name."""

    name: str
    tools: list[dict[str, Any]]
    description: str | None = None


class ResponsesRequest(ConversationRequest, kw_only=True):
    """``POST /v1/responses``."""

    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    max_output_tokens: int | float | None = None
    temperature: float | None = None
    top_p: float | None = None
    text: TextConfig | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    include: list[str] | None = None
    top_logprobs: int | float | None = None
    truncation: str | None = None
    metadata: dict[str, Any] | None = None

    # No effect: named to the client where the value asks for something.
    access_programs: Any = None
    background: bool | None = None
    client_metadata: Any = None
    context_management: Any = None
    conversation: Any = None
    image: Any = None
    max_tool_calls: int | float | None = None
    moderation: Any = None
    prompt: Any = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
