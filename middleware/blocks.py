"""Blocks: from Anthropic's conversation to Ollama's, pure.

A message is a list of blocks of many kinds.  Results of tools become messages of their
own; the rest of a message stays one (specification: messages, section 2; Ollama's
``anthropic/anthropic.go``, ``convertMessage``).
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from app.errors import BadRequest
from app.wire import anthropic, ollama

from .content import BETWEEN_TEXTS, MAX_MESSAGES, MAX_PARTS, role_of
from .images import Images, is_url
from .validation import check_many, missing, required

_ROLES = {name: name for name in ("user", "assistant", "system")}
_CALLS = ("tool_use", "server_tool_use")
#: What a tool can have found, and what instructions can be made of.
_FOUND = ("text", "image", "document", "search_result")
_TOLD = ("text", "document", "search_result")
_ALL = (*_FOUND, *_CALLS, "tool_result", "web_search_tool_result", "thinking")

Verify = Callable[[str, str], bool]


class Conversation:
    """The conversation of one request, as it is being translated.

    ``ignored`` gets the names of what has no effect, ``images`` what has to be fetched;
    ``verify`` knows the signatures of thoughts.
    """

    def __init__(self, ignored: list[str], images: Images, verify: Verify) -> None:
        self._ignored = ignored
        self._images = images
        self._verify = verify
        self._names: dict[str, str] = {}

    def messages(
        self,
        system: str | list[anthropic.Block] | None,
        given: list[anthropic.MessageParam] | None,
    ) -> list[ollama.Message]:
        """All of it; raises ``BadRequest`` naming the block that is to blame."""
        if not given:
            raise BadRequest(
                "messages is required",
                code="missing_required_parameter",
                param="messages",
            )
        if len(given) > MAX_MESSAGES:
            raise BadRequest(
                f"Too many messages: at most {MAX_MESSAGES} are accepted.",
                code="invalid_value",
                param="messages",
            )
        self._names = _called_names(given)
        found = self._instructions(system)
        for index, message in enumerate(given):
            found += self._message(message, f"messages[{index}]")
        if all(message.role == "system" for message in found):
            raise BadRequest(
                "messages: there is nothing in them that a model could answer",
                code="invalid_value",
                param="messages",
            )
        return found

    def _instructions(
        self, system: str | list[anthropic.Block] | None
    ) -> list[ollama.Message]:
        if isinstance(system, list) and system and _is_billing(system[0]):
            self._ignored.append("system[0].billing")
            system = system[1:]
        parts = self._parts(system or "", "system", _TOLD)
        text = BETWEEN_TEXTS.join(parts.texts)
        return [ollama.Message("system", text)] if text else []

    def _message(
        self, message: anthropic.MessageParam, param: str
    ) -> list[ollama.Message]:
        role = role_of(message.role, _ROLES, param)
        if message.content is None:
            if role == "system":
                return []  # it may be about the effort alone
            raise missing(f"{param}.content")
        parts = self._parts(message.content, f"{param}.content")
        between = "" if role == "assistant" else BETWEEN_TEXTS
        own = ollama.Message(
            role,
            between.join(parts.texts),
            thinking="".join(parts.thoughts),
            images=parts.images or None,
            tool_calls=parts.calls or None,
        )
        said = isinstance(message.content, str) or bool(
            parts.texts or parts.thoughts or parts.images or parts.calls
        )
        rest = [own] if said else []
        return parts.results + rest if role == "user" else rest + parts.results

    def _parts(
        self,
        content: str | list[anthropic.Block],
        param: str,
        kinds: tuple[str, ...] = _ALL,
    ) -> "_Parts":
        """What blocks of some ``kinds`` come to; others are named as ignored."""
        parts = _Parts()
        if isinstance(content, str):
            parts.texts.append(content)
            return parts
        check_many(content, MAX_PARTS, param, "blocks")
        for index, block in enumerate(content):
            if block.type in kinds:
                self._take(block, f"{param}[{index}]", parts)
            elif block.type != "redacted_thinking":  # which only Anthropic can read
                self._ignored.append(f"{param}[{index}].{block.type[:64]}")
        return parts

    def _take(self, block: anthropic.Block, param: str, parts: "_Parts") -> None:
        """Put one block where it belongs."""
        if block.type == "text":
            parts.texts.append(required(block.text, f"{param}.text"))
        elif block.type == "image":
            self._image(block.source, f"{param}.source", parts.images)
        elif block.type in _CALLS:
            parts.calls.append(_call(block, param, len(parts.calls)))
        elif block.type == "tool_result":
            parts.results.append(self._result(block, param))
        elif block.type == "web_search_tool_result":
            parts.results.append(self._found(block))
        elif block.type == "thinking":
            parts.thoughts.append(self._thought(block, param))
        elif block.type == "document":
            parts.texts.append(self._document(block, param, parts.images))
        else:
            parts.texts.append(self._search_result(block, param))

    def _image(
        self, source: anthropic.Source | str | None, param: str, images: list[str]
    ) -> None:
        if not isinstance(source, anthropic.Source):
            raise BadRequest("invalid image source", code="invalid_image", param=param)
        if source.type == "base64":
            data = required(source.data, f"{param}.data")
            if not is_url(data):
                return self._images.take(data, f"{param}.data", images)
            raise BadRequest(
                "invalid base64 image data", code="invalid_image", param=f"{param}.data"
            )
        if source.type == "url":
            url = required(source.url, f"{param}.url")
            return self._images.take(url, f"{param}.url", images)
        raise BadRequest(
            f"invalid image source type: {str(source.type)[:64]}. Only base64 and url"
            " images are supported.",
            code="invalid_image",
            param=f"{param}.type",
        )

    def _thought(self, block: anthropic.Block, param: str) -> str:
        text = block.thinking or ""
        if block.signature and not self._verify(text, block.signature):
            self._ignored.append(f"{param}.signature")
        return text

    # ------------------------------------------------------ results of tools

    def _result(self, block: anthropic.Block, param: str) -> ollama.Message:
        call_id = required(block.tool_use_id, f"{param}.tool_use_id")
        content = block.content
        if isinstance(content, anthropic.Block):
            content = [content]
        parts = self._parts(content or "", f"{param}.content", _FOUND)
        text = BETWEEN_TEXTS.join(parts.texts)
        return ollama.Message(
            "tool",
            f"Error: {text}" if block.is_error else text,
            images=parts.images or None,
            tool_name=self._names.get(call_id, ""),
            tool_call_id=call_id,
        )

    def _found(self, block: anthropic.Block) -> ollama.Message:
        """What a search at Anthropic's found, or why it did not."""
        content, call_id = block.content, block.tool_use_id or ""
        if isinstance(content, anthropic.Block):
            text = f"{content.type}: {content.error_code or 'unavailable'}"
        elif isinstance(content, list):
            text = "\n".join(
                [f"- {one.title or ''}: {one.url or ''}" for one in content]
            )
        else:
            text = content or ""
        name = self._names.get(call_id, "")
        return ollama.Message("tool", text, tool_name=name, tool_call_id=call_id)

    # ------------------------------------------------------------- documents

    def _document(self, block: anthropic.Block, param: str, images: list[str]) -> str:
        source = block.source
        kind = source.type if isinstance(source, anthropic.Source) else None
        if not isinstance(source, anthropic.Source) or kind not in ("text", "content"):
            raise BadRequest(
                "document source type not supported: a local model reads plain text"
                " (source types 'text' and 'content')",
                code="unsupported_value",
                param=f"{param}.source",
            )
        if kind == "text":
            text = required(source.data, f"{param}.source.data")
        else:
            content = source.content
            if content is None:
                raise missing(f"{param}.source.content")
            parts = self._parts(content, f"{param}.source.content", ("text", "image"))
            images += parts.images
            text = BETWEEN_TEXTS.join(parts.texts)
        title = f"Document: {block.title}" if block.title else "Document:"
        return "\n".join(filter(None, [title, block.context, text]))

    def _search_result(self, block: anthropic.Block, param: str) -> str:
        content = block.content
        if not isinstance(content, list):
            raise missing(f"{param}.content")
        texts = self._parts(content, f"{param}.content", ("text",)).texts
        source = block.source if isinstance(block.source, str) else ""
        head = f"Search result: {block.title or ''} ({source})"
        return "\n".join([head, *texts])


class _Parts(Struct):
    """What the blocks of one message come to."""

    texts: list[str] = []
    thoughts: list[str] = []
    images: list[str] = []
    calls: list[ollama.ToolCall] = []
    results: list[ollama.Message] = []


def _is_billing(block: anthropic.Block) -> bool:
    """Whether this is Claude Code's note to Anthropic's billing.

    It says something else in each session, so with it Ollama would have to read all of
    a prompt again that it has already read.
    """
    return (block.text or "").startswith("x-anthropic-billing-header:")


def _call(block: anthropic.Block, param: str, index: int) -> ollama.ToolCall:
    for field in ("id", "name"):
        if not getattr(block, field):
            raise BadRequest(
                f"tool_use block missing required '{field}' field",
                code="missing_required_parameter",
                param=f"{param}.{field}",
            )
    given: Any = {} if block.input is None else block.input
    if not isinstance(given, dict):
        raise BadRequest(
            f"Invalid type for '{param}.input': expected an object.",
            code="invalid_type",
            param=f"{param}.input",
        )
    function = ollama.ToolCallFunction(block.name or "", given, index)
    return ollama.ToolCall(function, block.id or "")


def _called_names(given: list[anthropic.MessageParam]) -> dict[str, str]:
    """Which tool each call id stands for; the last one counts."""
    return {
        block.id: block.name
        for message in given
        if isinstance(message.content, list)
        for block in message.content
        if block.type in _CALLS and block.id and block.name
    }
