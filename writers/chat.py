"""ChatWriter: ``/api/chat`` answers as Chat Completions.

The model is Ollama's ``openai/openai.go`` (``ToStreamChunks``, ``FinishChunk``,
``ToChatCompletion``); where we differ the specification (chat, sections 4 and 5) says
why.
"""

from typing import Any
from wsgiref.types import StartResponse

from msgspec import UNSET, UnsetType

from app.exchange import Exchange
from app.wire import ollama, openai

from . import sse
from .base import encode
from .conversation import ConversationWriter
from .generation import choice_logprobs
from .reasoning import spoken


class ChatWriter(ConversationWriter):
    """Writes chunks, or one chat completion.

    ``service_tier`` is answered when the request named one, ``metadata`` when it asked
    to keep them.
    """

    id_prefix = "chatcmpl-"

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        service_tier: str | UnsetType = UNSET,
        metadata: dict[str, Any] | UnsetType = UNSET,
        **options: Any,
    ) -> None:
        super().__init__(exchange, start_response, **options)
        self._service_tier = service_tier
        self._metadata = metadata
        self._begun = False
        self._no_usage: UnsetType | None = None if self.include_usage else UNSET

    # ----------------------------------------------------------- streaming

    def chunks(self, reply: ollama.ChatResponse) -> bytes:
        """Reasoning, then text, then calls: each in chunks of its own."""
        message = reply.message or ollama.ReplyMessage()
        if message.content and not (
            message.thinking or message.tool_calls or reply.logprobs
        ):
            return self._text_chunk(message, message.content)
        frames = []
        logprobs = reply.logprobs
        if message.thinking:
            frames.append(self._thought(message, message.thinking, logprobs))
            hidden = self.reasoning.hidden
            logprobs = spoken(logprobs, message.content) if hidden else None
        if self.reasoning.characters and (message.content or message.tool_calls):
            frames.append(self.turned(message))
        if message.content or logprobs:
            if self.check is not None:
                self._said.append(message.content or "")
            frames.append(self._chunk({"content": message.content or ""}, logprobs))
        for call in message.tool_calls or ():
            frames.append(self.call(call))
        return b"".join(frames)

    def _text_chunk(self, message: ollama.ReplyMessage, text: str) -> bytes:
        """The chunk for a piece of text, as nearly all lines are."""
        turned = self.turned(message) if self.reasoning.characters else b""
        if self.check is not None:
            self._said.append(text)
        if not self._begun:
            return self._chunk({"content": text})
        return turned + self.text_frame(text)

    def frame_of(self, text: str) -> bytes:
        """A chunk with text."""
        return self._chunk({"content": text})

    def opening(self) -> bytes:
        """A chunk with the role and no text yet."""
        return self._chunk({"content": ""})

    def closing(self) -> bytes:
        """The finish chunk; one with the role before it if there was none yet."""
        if not self._call_ids:
            self.hold("".join(self._said))
        tag = self.reasoning.close()
        role = b"" if self._begun and not tag else self._chunk({"content": tag})
        choice = openai.ChunkChoice(self.index, openai.Delta(), self.finish_reason())
        return role + self._frame(choice)

    def _thought(
        self,
        message: ollama.ReplyMessage,
        text: str,
        logprobs: list[ollama.Logprob] | None,
    ) -> bytes:
        """The chunk for a piece of reasoning; none where it is hidden."""
        told = self.reasoning.piece(text)
        # ``content`` stays as "" beside reasoning, unless more of it follows.
        empty = UNSET if message.content or message.tool_calls else ""
        return self._chunk({"content": empty, **told}, logprobs) if told else b""

    def turned(self, message: ollama.ReplyMessage) -> bytes:
        """The end of the reasoning, where a tag says it."""
        super().turned(message)
        tag = self.reasoning.close()
        return self._chunk({"content": tag}) if tag else b""

    def call_begin(self, name: str, given: str | None) -> bytes:
        """Who is called; only the chunk with the role says that content is none."""
        who = self.form.who(len(self._call_ids), self.call_id(given), name)
        return self._chunk(who if self._begun else {"content": None, **who})

    def call_piece(self, name: str, arguments: str) -> bytes:
        """A piece of the arguments; a custom tool's are told at once."""
        if not arguments or name in self.form.customs:
            return b""
        return self._chunk(self.form.what(len(self._call_ids) - 1, name, arguments))

    def call_end(self, name: str, arguments: str) -> bytes:
        """What a custom tool is given; nothing says that a call is complete."""
        if name not in self.form.customs:
            return b""
        return self._chunk(self.form.what(len(self._call_ids) - 1, name, arguments))

    def _chunk(
        self, delta: dict[str, Any], logprobs: list[ollama.Logprob] | None = None
    ) -> bytes:
        if not self._begun:
            self._begun = True
            delta["role"] = "assistant"
        choice = openai.ChunkChoice(self.index, openai.Delta(**delta))
        if logprobs:
            choice.logprobs = choice_logprobs(logprobs)
        return self._frame(choice)

    def _frame(self, choice: openai.ChunkChoice) -> bytes:
        return sse.frame(encode(self.chunk([choice], self._no_usage)))

    def chunk(
        self, choices: list[openai.ChunkChoice], usage: openai.Usage | UnsetType | None
    ) -> openai.ChatCompletionChunk:
        """One chunk; the last one holds usage and no choice."""
        return openai.ChatCompletionChunk(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=choices,
            usage=usage,
        )

    # --------------------------------------------------------------- whole

    def choice(self, replies: list[ollama.ChatResponse]) -> openai.Choice:
        """The choice that all replies make."""
        said = self.said(replies)
        content, logprobs = said.content, said.logprobs
        told: dict[str, Any] = {}
        if said.thinking:
            told = self.reasoning.whole(said.thinking)
            logprobs = spoken(logprobs, content) if self.reasoning.hidden else logprobs
            content = told.pop("content", "") + content
        message = openai.AnswerMessage(
            "assistant",
            content or (None if said.calls else ""),
            **told,
            **self.form.whole(self.named(said.calls)),
        )
        choice = openai.Choice(self.index, message, self.finish_reason())
        if logprobs:
            choice.logprobs = choice_logprobs(logprobs)
        return choice

    def completion(
        self, choices: list[openai.Choice], usage: openai.Usage
    ) -> openai.ChatCompletion:
        """One chat completion of all choices."""
        return openai.ChatCompletion(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=choices,
            usage=usage,
            service_tier=self._service_tier,
            metadata=self._metadata,
        )

    # -------------------------------------------------------------- shared

    def finish_reason(self) -> str:
        """``tool_calls`` instead of ``stop`` where the model called."""
        reason = super().finish_reason()
        called = reason == "stop" and self._call_ids
        return self.form.finish_reason if called else reason
