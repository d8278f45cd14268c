"""How Ollama's OpenAI layer wrote its answers in 2024, for who built on that.

``middleware/legacy.py`` has the table of what was different.
"""

import time
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar
from wsgiref.types import WSGIApplication, WSGIEnvironment

import msgspec

from app.errors import GatewayError, UpstreamRefused
from app.ids import new_id
from app.wire import ollama

from . import sse
from .base import encode
from .call import arguments_of
from .generation import GenerationWriter

Reply = TypeVar("Reply", bound=ollama.Reply)


class LegacyError(GatewayError):
    """An error of Ollama's as it was told then: whatever it was, the server's."""

    type = "api_error"

    def __init__(self, error: UpstreamRefused) -> None:
        super().__init__(error.message, status=error.status, headers=error.headers)
        self.code = None


class LegacyWriter(GenerationWriter[Reply], Generic[Reply]):
    """What the older writers share: the reason in the last chunk, the time in each."""

    whole_object: ClassVar[str]

    def closing(self) -> bytes:
        """Nothing: the last chunk has said why."""
        return b""

    def reason(self) -> str | None:
        """Ollama's own word, while it speaks nothing."""
        return self.done_reason or None if self.done else None

    def accept(self, reply: Reply) -> None:
        """As today, but an error is told as it was then."""
        try:
            super().accept(reply)
        except UpstreamRefused as exc:
            raise LegacyError(exc) from exc

    def _open(self, app: WSGIApplication, environ: WSGIEnvironment) -> Iterable[bytes]:
        try:
            return super()._open(app, environ)
        except UpstreamRefused as exc:
            raise LegacyError(exc) from exc

    def _frame(self, kind: str, choice: dict[str, Any]) -> bytes:
        return sse.frame(encode(self._head(kind, int(time.time()), [choice])))

    def _head(
        self, kind: str, created: int, choices: list[dict[str, Any]]
    ) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": created,
            "model": self.model,
            "system_fingerprint": "fp_ollama",
            "choices": choices,
        }

    def completion(self, choices: list[Any], usage: Any) -> dict[str, Any]:
        """The answer in one piece."""
        return self._head(self.whole_object, self.created, choices) | {"usage": usage}


class LegacyChatWriter(LegacyWriter[ollama.ChatResponse]):
    """A role in every chunk; no reasoning, no calls in streams."""

    decoder = msgspec.json.Decoder(ollama.ChatResponse)
    id_prefix = "chatcmpl-"
    whole_object = "chat.completion"

    def chunks(self, reply: ollama.ChatResponse) -> bytes:
        """One chunk for every line."""
        content = (reply.message.content if reply.message else None) or ""
        choice = {
            "index": self.index,
            "delta": {"role": "assistant", "content": content},
            "finish_reason": self.reason(),
        }
        return self._frame("chat.completion.chunk", choice)

    def choice(self, replies: list[ollama.ChatResponse]) -> dict[str, Any]:
        """The message of all replies, its calls beside a text that may be empty."""
        said = [reply.message for reply in replies if reply.message]
        calls = [call for message in said for call in message.tool_calls or ()]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join([message.content or "" for message in said]),
        }
        if calls:
            message["tool_calls"] = [self._call(call) for call in calls]
        reason = "tool_calls" if calls else self.reason()
        return {"index": self.index, "message": message, "finish_reason": reason}

    def _call(self, call: ollama.ReplyToolCall) -> dict[str, Any]:
        arguments = arguments_of(call)
        function = {"name": call.function.name, "arguments": arguments}
        return {"id": new_id("call_"), "type": "function", "function": function}


class LegacyCompleteWriter(LegacyWriter[ollama.GenerateResponse]):
    """No usage in streams, no log probabilities."""

    decoder = msgspec.json.Decoder(ollama.GenerateResponse)
    input_field = "prompt"
    id_prefix = "cmpl-"
    whole_object = "text_completion"

    def chunks(self, reply: ollama.GenerateResponse) -> bytes:
        """One chunk for every line."""
        return self._frame("text_completion", self._choice(reply.response or ""))

    def choice(self, replies: list[ollama.GenerateResponse]) -> dict[str, Any]:
        """The text of all replies."""
        return self._choice("".join([reply.response or "" for reply in replies]))

    def _choice(self, text: str) -> dict[str, Any]:
        return {"text": text, "index": self.index, "finish_reason": self.reason()}
