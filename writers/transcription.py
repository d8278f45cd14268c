"""TranscriptionWriter: what a model wrote down, in the format that was asked."""

from typing import Literal
from wsgiref.types import StartResponse

import msgspec

from app.exchange import Exchange
from app.wire import ollama, openai

from . import sse
from .base import encode
from .generation import GenerationWriter

Format = Literal["json", "text", "verbose_json"]


class TranscriptionWriter(GenerationWriter[ollama.ChatResponse]):
    """Writes one transcription, whole or as OpenAI's events of one.

    ``language`` is what the client said it is, ``duration`` that of the recording in
    seconds, 0 if unknown.
    """

    decoder = msgspec.json.Decoder(ollama.ChatResponse)
    id_prefix = "transcription-"  # not shown: these answers have no id
    input_field = "file"

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        stream: bool = False,
        format: Format = "json",
        language: str = "",
        duration: float = 0.0,
    ) -> None:
        super().__init__(exchange, start_response, model=exchange.model, stream=stream)
        self._told = ""
        self._spaces = ""
        self.format = format
        self.language = language
        self.duration = duration
        if format == "text":
            self.content_type = "text/plain; charset=utf-8"

    def chunks(self, reply: ollama.ChatResponse) -> bytes:
        """What is new of the text, without the blanks around all of it."""
        content = (reply.message.content if reply.message else None) or ""
        said = self._spaces + content
        more = said.rstrip()
        self._spaces = said[len(more) :]
        if not self._told:
            more = more.lstrip()
        if not more:
            return b""
        self._told += more
        return sse.frame(encode(openai.TranscriptionDelta(delta=more)))

    def finish(self) -> bytes:
        """The whole text; nothing follows it."""
        done = openai.TranscriptionDone(text=self._told, usage=self._tokens())
        return sse.frame(encode(done))

    def _tokens(self) -> openai.TranscriptionUsage:
        return openai.TranscriptionUsage(
            input_tokens=self.usage.prompt_tokens,
            output_tokens=self.usage.completion_tokens,
            total_tokens=self.usage.total_tokens,
        )

    def compose(self, replies: list[ollama.ChatResponse]) -> bytes:
        """The payload: JSON, or the text and a line end."""
        pieces = [r.message.content or "" for r in replies if r.message is not None]
        text = "".join(pieces).strip()
        if self.format == "text":
            return text.encode() + b"\n"
        if self.format == "verbose_json":
            return encode(
                openai.TranscriptionVerbose(
                    language=self.language, duration=self.duration, text=text
                )
            )
        return encode(openai.Transcription(text, self._tokens()))
