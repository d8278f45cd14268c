"""GenerationMiddleware: what endpoints that generate text have in common."""

from collections.abc import Iterable
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.errors import BadRequest
from app.exchange import Exchange
from app.wire import openai
from writers.several import SeveralWriter

from .base import RewriteMiddleware
from .effects import without_effect
from .formats import response_format
from .options import keep_alive, options, unknown_options
from .reasoning import think
from .think_fallback import ThinkFallback
from .thinking import excluded, wish
from .validation import integer, model_name

Request = TypeVar("Request", bound=openai.Sampling)


class GenerationMiddleware(RewriteMiddleware[Request]):
    """Translates one endpoint that generates text."""

    def __init__(self, app: WSGIApplication, *arguments: Any, **options: Any) -> None:
        super().__init__(ThinkFallback(app), *arguments, **options)

    def common(self, request: Request, exchange: Exchange) -> dict[str, Any]:
        """The fields that every generating call has; notes what has no effect."""
        # What ``_debug_render_only`` shows has no stream.
        exchange.stream = bool(request.stream) and not request.debug_render_only
        exchange.ignored += without_effect(request)
        exchange.ignored += unknown_options(request.options)
        exchange.wish = wish(request, self.settings.think)
        hidden = excluded(request)
        exchange.hidden = self.settings.exclude_reasoning if hidden is None else hidden
        chosen = options(request, self.settings, exchange.adjusted)
        return {
            "model": model_name(request.model),
            "stream": exchange.stream,
            "options": chosen or None,
            "format": response_format(request.response_format),
            "think": think(exchange.wish),
            "keep_alive": keep_alive(request.keep_alive),
            "truncate": request.truncate,
            "shift": request.shift,
            "debug_render_only": request.debug_render_only,
        }

    def calls(self, request: Request, call: Any) -> list[Any]:
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
            return super().answer(exchange, request, start_response, environs)
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


def bounded(value: float | None, param: str, minimum: int, maximum: int) -> int | None:
    """An integer inside a closed range; ``None`` stays ``None``."""
    number = integer(value, param, minimum)
    if number is not None and number > maximum:
        raise BadRequest(
            f"Invalid '{param}': integer above maximum value. Expected a value"
            f" <= {maximum}, but got {number} instead.",
            code="integer_above_max_value",
            param=param,
        )
    return number
