"""GenerationMiddleware: what endpoints that generate text have in common."""

from typing import Any, TypeVar

from app.errors import BadRequest
from app.exchange import Exchange
from app.wire import openai

from .base import RewriteMiddleware
from .effects import without_effect
from .formats import response_format
from .options import keep_alive, options
from .thinking import think
from .validation import integer, model_name

Request = TypeVar("Request", bound=openai.Sampling)


class GenerationMiddleware(RewriteMiddleware[Request]):
    """Translates one endpoint that generates text."""

    def common(self, request: Request, exchange: Exchange) -> dict[str, Any]:
        """The fields that every generating call has; notes what has no effect."""
        # What ``_debug_render_only`` shows has no stream.
        exchange.stream = bool(request.stream) and not request.debug_render_only
        exchange.ignored += without_effect(request)
        chosen = options(request, openai_defaults=self.settings.openai_defaults)
        return {
            "model": model_name(request.model),
            "stream": exchange.stream,
            "options": chosen or None,
            "format": response_format(request.response_format),
            "think": think(request, self.settings.think),
            "keep_alive": keep_alive(request.keep_alive),
            "truncate": request.truncate,
            "shift": request.shift,
            "debug_render_only": request.debug_render_only,
        }


def includes_usage(request: openai.Sampling) -> bool:
    """Whether a stream ends with a usage chunk."""
    return bool(request.stream_options and request.stream_options.include_usage)


def alternatives(value: float | None, param: str, maximum: int) -> int | None:
    """How many alternatives to give for each token."""
    number = integer(value, param, 0)
    if number is not None and number > maximum:
        raise BadRequest(
            f"Invalid '{param}': integer above maximum value. Expected a value"
            f" <= {maximum}, but got {number} instead.",
            code="integer_above_max_value",
            param=param,
        )
    return number
