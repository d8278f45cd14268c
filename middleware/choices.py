"""ChoicesMiddleware: endpoints whose answer may have several choices."""

from collections.abc import Iterable
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from app.exchange import Exchange
from app.wire import openai
from writers.several import SeveralWriter

from .formats import Format, response_format
from .generation import GenerationMiddleware, bounded

Request = TypeVar("Request", bound=openai.Sampling)


class ChoicesMiddleware(GenerationMiddleware[Request]):
    """Translates OpenAI's two endpoints that know ``n``."""

    def format_of(self, request: Request) -> Format | None:
        """What ``response_format`` says."""
        return response_format(request.response_format)

    def calls(self, request: Request, call: Any, exchange: Exchange) -> list[Any]:
        """``n`` calls, each with a seed of its own where there is one."""
        return repeated(call, self.choices(request.n, "n"))

    def choices(self, value: float | None, param: str) -> int:
        """How many choices are asked for."""
        return bounded(value, param, 1, self.settings.max_choices) or 1

    def answer(
        self,
        exchange: Exchange,
        request: Request,
        start_response: StartResponse,
        environs: list[WSGIEnvironment],
    ) -> Iterable[bytes]:
        """Write the one choice, or all of them as one answer."""
        if len(environs) == 1:
            one = self.writer(exchange, request, start_response)
            return one.answer(self.app, environs[0])
        parts = [
            self.writer(Exchange.of(environ), request, start_response)
            for environ in environs
        ]
        writer = self.several(exchange, request, start_response, parts)
        return writer.answer_all(self.app, environs)

    def several(
        self,
        exchange: Exchange,
        request: Request,
        start_response: StartResponse,
        parts: list[Any],
    ) -> SeveralWriter:
        """The writer of several choices."""
        return SeveralWriter(
            exchange,
            start_response,
            parts,
            per_prompt=len(parts),
            interchangeable=True,
            at_once=self.settings.max_choices,
        )


def repeated(call: Any, times: int) -> list[Any]:
    """A call ``times`` times; with a seed, each gets the one after."""
    seed = (call.options or {}).get("seed")
    if times == 1 or seed is None:
        return [call] * times
    return [
        msgspec.structs.replace(
            call, options={**call.options, "seed": _after(seed, number)}
        )
        for number in range(times)
    ]


def _after(seed: int, number: int) -> int:
    """The seed ``number`` places on; after the largest comes the smallest."""
    return (seed + number + 2**63) % 2**64 - 2**63


def includes_usage(request: openai.Sampling) -> bool:
    """Whether a stream ends with a usage chunk."""
    return bool(request.stream_options and request.stream_options.include_usage)
