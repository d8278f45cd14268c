"""ChatWriter: ``/api/chat`` answers as Chat Completions.

The model is Ollama's ``openai/openai.go`` (``ToStreamChunks``, ``FinishChunk``,
``ToChatCompletion``); where we differ the specification (chat, sections 4 and 5) says
why.
"""

from typing import Any
from wsgiref.types import StartResponse

import msgspec
from msgspec import UNSET, UnsetType

from app.exchange import Exchange
from app.ids import new_id
from app.wire import ollama, openai

from . import sse
from .base import encode
from .call import PLAIN, CallForm, arguments_of
from .generation import GenerationWriter, choice_logprobs
from .reasoning import Field, Reasoning, spoken


class ChatWriter(GenerationWriter[ollama.ChatResponse]):
    """Writes chunks, or one chat completion.

    ``reasoning_field`` chooses the key for a model's reasoning; ``service_tier`` is
    answered when the request named one, ``metadata`` when it asked to keep them.
    ``form`` is how calls are told.
    """

    decoder = msgspec.json.Decoder(ollama.ChatResponse)
    id_prefix = "chatcmpl-"

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        model: str,
        stream: bool = False,
        include_usage: bool = False,
        reasoning_field: Field = "both",
        service_tier: str | UnsetType = UNSET,
        metadata: dict[str, Any] | UnsetType = UNSET,
        form: CallForm = PLAIN,
    ) -> None:
        super().__init__(
            exchange,
            start_response,
            model=model,
            stream=stream,
            include_usage=include_usage,
        )
        self.reasoning = Reasoning("none" if exchange.hidden else reasoning_field)
        self.form = form
        self._service_tier = service_tier
        self._metadata = metadata
        self._begun = False
        self._call_ids: set[str] = set()
        self._said: list[str] = []
        self._no_usage: UnsetType | None = None if include_usage else UNSET

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
            frames.append(self._turned(message))
        if message.content or logprobs:
            if self.check is not None:
                self._said.append(message.content or "")
            frames.append(self._chunk({"content": message.content or ""}, logprobs))
        for call in message.tool_calls or ():
            frames += self._call_chunks(call)
        return b"".join(frames)

    def _text_chunk(self, message: ollama.ReplyMessage, text: str) -> bytes:
        """The chunk for a piece of text, as nearly all lines are."""
        turned = self._turned(message) if self.reasoning.characters else b""
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

    def _turned(self, message: ollama.ReplyMessage) -> bytes:
        """The model goes on to something else than reasoning: that is counted too."""
        self.reasoning.others += _characters(message)
        tag = self.reasoning.close()
        return self._chunk({"content": tag}) if tag else b""

    def _call_chunks(self, call: ollama.ReplyToolCall) -> list[bytes]:
        """A call as OpenAI streams it: who is called, then the arguments."""
        index, name = len(self._call_ids), call.function.name
        if index and self.form.first_only:
            return []
        who = self._who(name, call.id)
        what = self.form.what(index, name, arguments_of(call))
        return [self._chunk(who), self._chunk(what)]

    def _who(self, name: str, given: str | None) -> dict[str, Any]:
        """Who is called; only the chunk with the role says that content is none."""
        who = self.form.who(len(self._call_ids), self._call_id(given), name)
        return who if self._begun else {"content": None, **who}

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
        messages = [reply.message for reply in replies if reply.message]
        content = "".join([m.content or "" for m in messages])
        thinking = "".join([m.thinking or "" for m in messages])
        calls = [call for m in messages for call in m.tool_calls or ()]
        logprobs = [token for reply in replies for token in reply.logprobs or ()]
        if not calls:
            self.hold(content)
        told: dict[str, Any] = {}
        if thinking:
            told = self.reasoning.whole(thinking)
            self.reasoning.others = sum(map(_characters, messages))
            logprobs = spoken(logprobs, content) if self.reasoning.hidden else logprobs
            content = told.pop("content", "") + content
        message = openai.AnswerMessage(
            "assistant",
            content or (None if calls else ""),
            **told,
            **self.form.whole(self._calls(calls)),
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

    def _calls(self, calls: list[ollama.ReplyToolCall]) -> list[tuple[str, str, str]]:
        """Id, name and arguments of each call that is passed on."""
        return [
            (self._call_id(call.id), call.function.name, arguments_of(call))
            for call in (calls[:1] if self.form.first_only else calls)
        ]

    # -------------------------------------------------------------- shared

    def finish_reason(self) -> str:
        """``tool_calls`` instead of ``stop`` where the model called."""
        reason = super().finish_reason()
        called = reason == "stop" and self._call_ids
        return self.form.finish_reason if called else reason

    def _call_id(self, given: str | None) -> str:
        """Ollama's id, or one of our own where it is empty or may come again."""
        call_id = given or "" if self.alone else ""
        while not call_id or call_id in self._call_ids:
            call_id = new_id("call_")
        self._call_ids.add(call_id)
        return call_id


def _characters(message: ollama.ReplyMessage) -> int:
    """How much of a message is not reasoning."""
    calls = [arguments_of(call) for call in message.tool_calls or ()]
    return len(message.content or "") + sum(map(len, calls))
