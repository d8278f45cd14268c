"""SeveralWriter: several calls to Ollama as the choices of one answer.

Each choice has a writer of its own, which knows its state; this one calls
``start_response`` once, lets the choices' frames through as they come, and adds up what
they used (decisions, 14).  The first failure ends all of them.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from msgspec import UNSET

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

    ``parts`` write one choice each; of each ``per_prompt`` neighbours with one prompt
    only the first counts the tokens of that.  ``choose`` may drop choices of a whole
    answer.  ``at_once`` bounds how many calls run at a time.

    ``interchangeable`` choices of a stream get their numbers as they begin: none waits
    for another, and yet they begin in order, without which openai-python's
    ``stream()`` takes one for another.
    """

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        parts: list[Part],
        *,
        per_prompt: int,
        at_once: int,
        interchangeable: bool = False,
        choose: Choose = list,
    ) -> None:
        super().__init__(exchange, start_response, parts[0].stream)
        self._parts = parts
        self._per_prompt = per_prompt
        self._at_once = at_once
        self._interchangeable = interchangeable
        self._choose = choose
        self._calls: fanout.Interleaved[bytes] | None = None
        self._closed = False
        now = int(time.time())
        for index, part in enumerate(parts):
            part.alone, part.index = False, index
            part.created, part.id = now, parts[0].id

    def answer_all(
        self, app: WSGIApplication, environs: list[WSGIEnvironment]
    ) -> Iterable[bytes]:
        """Make all the calls and translate their answers into one."""
        pairs = list(zip(self._parts, environs, strict=True))
        if self.stream:
            # Not all of them begin at once where Ollama serves one at a time.
            number = count().__next__ if self._interchangeable else None
            self._calls = fanout.Interleaved(
                [
                    partial(part.choice_frames, app, environ, number)
                    for part, environ in pairs
                ],
                self._at_once,
            )
            self._frames = self._interleaved(self._calls)
            return self._watched()
        jobs = [partial(part.complete_choice, app, environ) for part, environ in pairs]
        choices = self._choose(fanout.gather(jobs, self._at_once))
        return self._send_whole(
            encode(self._parts[0].completion(choices, self._usage()))
        )

    def close(self) -> None:
        """Let go of every call; nothing is said any more."""
        self._closed = True
        if self._calls is not None:
            self._calls.close()
        self._frames = iter(())  # a generator of ours, which holds us

    def _interleaved(self, calls: Iterable[bytes]) -> Iterator[bytes]:
        for frames in calls:
            self._begin_stream()
            yield frames
        if self._closed:  # the calls were ended, they did not end
            return
        self.exchange.complete = True
        yield self._parts[0].end(self._usage())

    def _usage(self) -> openai.Usage:
        used = [part.usage for part in self._parts]
        prompt = sum(usage.prompt_tokens for usage in used[:: self._per_prompt])
        completion = sum(usage.completion_tokens for usage in used)
        self.exchange.prompt_tokens = prompt
        self.exchange.completion_tokens = completion
        usage = openai.Usage(prompt, completion, prompt + completion)
        divided = [one.completion_tokens_details for one in used]
        if known := [one for one in divided if one is not UNSET]:
            reasoning = sum(one.reasoning_tokens for one in known)
            usage.completion_tokens_details = openai.CompletionTokensDetails(reasoning)
        return usage
