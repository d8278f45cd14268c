"""SeveralWriter: several calls to Ollama as the choices of one answer.

Each choice has a writer of its own, which knows its state; this one calls
``start_response`` once, lets the choices' frames through as they come, and adds up what
they used (decisions, 14).  The first failure ends all of them.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app import fanout
from app.exchange import Exchange
from app.wire import openai

from .base import ResponseWriter, encode
from .generation import GenerationWriter

Part = GenerationWriter[Any]
#: Picks the choices that are answered, and numbers them.
Choose = Callable[[list[Any]], list[Any]]


class SeveralWriter(ResponseWriter[Any]):
    """Writes one answer of several parts.

    ``parts`` write one choice each and share nothing but what is set here; of each
    ``prompts`` neighbouring parts with one prompt only the first counts its tokens.
    ``choose`` may drop choices of a whole answer.
    """

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        parts: list[Part],
        *,
        per_prompt: int,
        choose: Choose = list,
    ) -> None:
        super().__init__(exchange, start_response, parts[0].stream)
        self._parts = parts
        self._per_prompt = per_prompt
        self._choose = choose
        self._calls: fanout.Interleaved[bytes] | None = None
        now = int(time.time())
        for part in parts:
            part.alone, part.created, part.id = False, now, parts[0].id

    def answer_all(
        self, app: WSGIApplication, environs: list[WSGIEnvironment]
    ) -> Iterable[bytes]:
        """Make all the calls and translate their answers into one."""
        pairs = list(zip(self._parts, environs, strict=True))
        if self.stream:
            self._calls = fanout.Interleaved(
                [partial(part.choice_frames, app, environ) for part, environ in pairs]
            )
            self._frames = self._interleaved(self._calls)
            return self
        jobs = [partial(part.complete_choice, app, environ) for part, environ in pairs]
        choices = self._choose(fanout.gather(jobs, len(jobs)))
        return self._send_whole(
            encode(self._parts[0].completion(choices, self._usage()))
        )

    def close(self) -> None:
        """Let go of every call."""
        if self._calls is not None:
            self._calls.close()

    def _interleaved(self, calls: fanout.Interleaved[bytes]) -> Iterator[bytes]:
        for number, frames in enumerate(calls):
            if number == 0:
                self._begin_stream()
            yield frames
        self.exchange.complete = True
        yield self._parts[0].end(self._usage())

    def _usage(self) -> openai.Usage:
        used = [part.usage for part in self._parts]
        prompt = sum(usage.prompt_tokens for usage in used[:: self._per_prompt])
        completion = sum(usage.completion_tokens for usage in used)
        self.exchange.prompt_tokens = prompt
        self.exchange.completion_tokens = completion
        return openai.Usage(prompt, completion, prompt + completion)
