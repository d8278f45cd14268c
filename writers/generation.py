"""GenerationWriter: what answers with generated text have in common.

Identity of the answer (id, created, model), the end (``done`` and why), usage, and
log probabilities in OpenAI's form.  ``ChatWriter`` and ``CompleteWriter`` build on it.
"""

import secrets
from collections.abc import Iterable
from typing import ClassVar, TypeVar
from wsgiref.types import StartResponse

from app.exchange import Exchange
from app.wire import ollama, openai

from . import sse
from .base import ResponseWriter

Reply = TypeVar("Reply", bound=ollama.Reply)


def new_id(prefix: str) -> str:
    """An id with 24 random hexadecimal digits; Ollama's own (0 to 998) collide."""
    return prefix + secrets.token_hex(12)


class GenerationWriter(ResponseWriter[Reply]):
    """A writer of text that a model generates.

    ``include_usage`` adds OpenAI's usage chunk to a stream; ``model`` is what the
    answer calls the model, which is what the client called it.
    """

    says_done = True
    id_prefix: ClassVar[str]

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        model: str,
        stream: bool = False,
        include_usage: bool = False,
    ) -> None:
        super().__init__(exchange, start_response, stream)
        self.id = new_id(self.id_prefix)
        self.created = 0
        self.model = model
        self.include_usage = include_usage
        self.usage = openai.Usage()
        self.done_reason = ""

    def accept(self, reply: Reply) -> None:
        """Note when the answer began, whether it is over, and what it used."""
        super().accept(reply)
        if not self.created:
            self.created = ollama.epoch(reply.created_at)
        if reply.done or reply.debug_info is not None:
            self.done = self.exchange.complete = True
            self.done_reason = reply.done_reason or ""
            self._count(reply)

    def _count(self, reply: Reply) -> None:
        prompt = ollama.count(reply.prompt_eval_count)
        completion = ollama.count(reply.eval_count)
        self.usage = openai.Usage(prompt, completion, prompt + completion)
        self.exchange.prompt_tokens = prompt
        self.exchange.completion_tokens = completion

    def whole(self, replies: list[Reply]) -> bytes:
        """The answer in one piece; raises when it is not complete."""
        self._complete()
        return self.compose(replies)

    def compose(self, replies: list[Reply]) -> bytes:
        """The payload of a complete answer."""
        raise NotImplementedError

    def finish_reason(self) -> str:
        """One of the reasons that OpenAI's clients know."""
        return "length" if self.done_reason == "length" else "stop"

    def end(self, usage_chunk: bytes) -> bytes:
        """The usage chunk, when asked for, and the mark of the end."""
        if not self.include_usage:
            return sse.DONE
        return sse.frame(usage_chunk) + sse.DONE


def choice_logprobs(logprobs: Iterable[ollama.Logprob]) -> openai.ChoiceLogprobs:
    """Ollama's log probabilities with every key that OpenAI's SDK requires."""
    return openai.ChoiceLogprobs(
        [
            openai.TokenLogprob(
                token.token,
                token.logprob,
                token.bytes,
                [
                    openai.TopLogprob(top.token, top.logprob, top.bytes)
                    for top in token.top_logprobs or ()
                ],
            )
            for token in logprobs
        ]
    )
