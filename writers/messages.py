"""MessagesWriter: ``/api/chat`` answers as Anthropic's Messages.

A message is a list of blocks: thoughts, texts and calls.  In a stream they come one
after the other, each with a beginning and an end, numbered as they stand in the message
(specification: messages, sections 4 and 5; Ollama's ``anthropic/anthropic.go``).
"""

from collections.abc import Callable
from typing import Any
from wsgiref.types import StartResponse

import msgspec

from app.errors import GatewayError
from app.exchange import Exchange
from app.signatures import Signature
from app.wire import anthropic, errors, ollama, openai
from app.wire.decoding import decode

from . import sse
from .base import encode
from .call import arguments_of
from .conversation import ConversationWriter
from .forced import ForcedCalls

_decoder = msgspec.json.Decoder(dict[str, Any])
_PING = sse.event("ping", encode(anthropic.Ping()))
_STOP = sse.event("message_stop", encode(anthropic.MessageStop()))


class MessagesWriter(ConversationWriter):
    """Writes the events of a message, or a whole one; ``sign`` signs thoughts."""

    id_prefix = "msg_"
    call_prefix = "toolu_"
    openai_headers = False
    # Agents know it by these words, and make a summary of the conversation.
    too_long = (
        "prompt is too long: {length} tokens > {context} maximum",
        "prompt is too long: ",
    )

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        sign: Callable[[], Signature],
        **options: Any,
    ) -> None:
        super().__init__(exchange, start_response, **options)
        self._sign = sign
        self._begun = False
        self._index = -1
        self._kind = ""
        self._signature: Signature | None = None

    # ----------------------------------------------------------- streaming

    def chunks(self, reply: ollama.ChatResponse) -> bytes:
        """Pieces of blocks; a kind of block ends when another kind begins."""
        message = reply.message or ollama.ReplyMessage()
        text = message.content
        if (
            text
            and self._kind == "text"
            and not (message.thinking or message.tool_calls)
        ):
            if self.reasoning.characters or self.check is not None:
                self._note(message, text)
            return self.text_frame(text)
        frames = [self._beginning()]
        if message.thinking:
            frames.append(self._thought(message.thinking))
        if text or message.tool_calls:
            self._note(message, text)
        if text:
            frames.append(self._in("text", anthropic.TextBlock("")))
            frames.append(self.text_frame(text))
        frames += map(self.call, message.tool_calls or ())
        return b"".join(frames)

    def alive(self, said: str) -> bytes:
        """A ping; a message that has not begun begins, which has one."""
        return self._beginning() or _PING

    def frame_of(self, text: str) -> bytes:
        """A piece of the text, or of the thoughts, that are being told."""
        thinks = self._kind == "thinking"
        kind = anthropic.ThinkingDelta if thinks else anthropic.TextDelta
        return self._delta(kind(text))

    def call_begin(self, name: str, given: str | None) -> bytes:
        """A block for the call."""
        block = anthropic.ToolUseBlock(self.call_id(given), name, {})
        return self._beginning() + self._in("tool_use", block)

    def call_piece(self, name: str, arguments: str) -> bytes:
        """A piece of its input."""
        return self._delta(anthropic.InputJsonDelta(arguments)) if arguments else b""

    def call_end(self, name: str, arguments: str) -> bytes:
        """The end of its block."""
        return self._end_block()

    def closing(self) -> bytes:
        """The end of the last block."""
        if not self._call_ids:
            self.hold("".join(self._said))
        return self._beginning() + self._end_block()

    def end(self, usage: openai.Usage) -> bytes:
        """Why it is over, what it used, and the mark of the end."""
        delta = anthropic.MessageDelta(self._stop_reason())
        last = anthropic.MessageDeltaEvent(delta, self._used(usage, None))
        return sse.event("message_delta", encode(last)) + _STOP

    def failure(self, error: GatewayError) -> bytes:
        """The end of a block that is open, and an error."""
        stop = self._stop_block() if self._kind else b""
        payload = errors.anthropic_envelope(
            error.located, error.status, self.exchange.id
        )
        return stop + sse.event("error", payload)

    def _beginning(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        estimate = self.exchange.prompt_estimate or 1
        usage = anthropic.Usage(input_tokens=estimate)
        start = anthropic.MessageStart(self._message([], usage, None))
        return sse.event("message_start", encode(start)) + _PING

    def _thought(self, text: str) -> bytes:
        """A piece of what the model thinks; none where it is hidden."""
        self.reasoning.characters += len(text)
        if self._signature is not None:
            self._signature.add(text)
            return self.text_frame(text)
        if self.reasoning.hidden:
            return b""
        begin = self._in("thinking", anthropic.ThinkingBlock("", ""))
        self._signature = self._sign()
        self._signature.add(text)
        return begin + self.text_frame(text)

    def _note(self, message: ollama.ReplyMessage, text: str | None) -> None:
        """Note what the model says that is no thought."""
        self.turned(message)
        if text and self.check is not None:
            self._said.append(text)

    def _in(self, kind: str, block: Any) -> bytes:
        """Go on in a block of a kind; begin one where another, or none, is open."""
        if self._kind == kind:
            return b""
        end = self._end_block()
        self._kind, self._around = kind, None
        self._index += 1
        start = anthropic.ContentBlockStart(self._index, block)
        return end + sse.event("content_block_start", encode(start))

    def _end_block(self) -> bytes:
        if not self._kind:
            return b""
        signed = b""
        if self._signature is not None:
            signed = self._delta(anthropic.SignatureDelta(self._signature.value))
            self._signature = None
        return signed + self._stop_block()

    def _stop_block(self) -> bytes:
        self._kind = ""
        stop = anthropic.ContentBlockStop(self._index)
        return sse.event("content_block_stop", encode(stop))

    def _delta(self, delta: Any) -> bytes:
        piece = anthropic.ContentBlockDelta(self._index, delta)
        return sse.event("content_block_delta", encode(piece))

    # --------------------------------------------------------------- whole

    def compose(self, replies: list[ollama.ChatResponse]) -> bytes:
        """One message: thoughts, text, calls."""
        said = self.said(replies)
        blocks: list[Any] = []
        if said.thinking:
            self.reasoning.count(said.thinking, None)
            if not self.exchange.hidden:
                signature = self._sign()
                signature.add(said.thinking)
                blocks.append(anthropic.ThinkingBlock(said.thinking, signature.value))
        if said.content:
            blocks.append(anthropic.TextBlock(said.content))
        blocks += [
            anthropic.ToolUseBlock(id, name, msgspec.Raw(arguments.encode()))
            for id, name, arguments in self.named(said.calls)
        ]
        self._divide()
        used = self._used(self.usage, "standard")
        message = self._message(blocks, used, self._stop_reason())
        if (debug := replies[-1].debug_info) is not None:
            message.debug_info = debug
        return encode(message)

    # -------------------------------------------------------------- shared

    def arguments(self, call: ollama.ReplyToolCall) -> str:
        """A call's input as JSON, which must be an object."""
        arguments = arguments_of(call)
        if isinstance(call.function.arguments, dict | None):
            return arguments
        try:
            return encode(decode(_decoder, arguments.encode())).decode()
        except msgspec.DecodeError:
            return "{}"  # cut short, or none: a client could not read it at all

    def _stop_reason(self) -> str:
        if self.done_reason == "length":
            return "max_tokens"
        return "tool_use" if self._call_ids else "end_turn"

    def _message(
        self, content: list[Any], usage: anthropic.Usage, stop_reason: str | None
    ) -> anthropic.Message:
        return anthropic.Message(
            id=self.id,
            model=self.model,
            content=content,
            stop_reason=stop_reason,
            usage=usage,
        )

    def _used(self, usage: openai.Usage, tier: str | None) -> anthropic.Usage:
        used = anthropic.Usage(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            service_tier=tier or msgspec.UNSET,
        )
        if (details := usage.completion_tokens_details) is not msgspec.UNSET:
            tokens = details.reasoning_tokens
            used.output_tokens_details = anthropic.OutputTokensDetails(tokens)
        return used


class ForcedMessagesWriter(ForcedCalls, MessagesWriter):
    """Writes a call that had to come."""
