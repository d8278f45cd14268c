"""GenerationMiddleware: what endpoints that generate text have in common."""

from collections.abc import Iterable
from typing import Any, Literal, TypeVar
from wsgiref.types import WSGIApplication

from app.errors import BadRequest
from app.exchange import Exchange
from app.wire import openai

from .base import BODY_TIMEOUT, MAX_BODY, Policy, RewriteMiddleware
from .effects import without_effect
from .formats import response_format
from .options import keep_alive, options
from .thinking import think
from .validation import integer, model_name

Request = TypeVar("Request", bound=openai.Sampling)


class GenerationMiddleware(RewriteMiddleware[Request]):
    """Translates one endpoint that generates text.

    ``openai_defaults`` sends temperature 1 and top_p 1 where a request is silent;
    ``thinking`` is what happens when it does not speak of reasoning.
    """

    def __init__(
        self,
        app: WSGIApplication,
        policies: Iterable[Policy] = (),
        *,
        max_body: int = MAX_BODY,
        body_timeout: float = BODY_TIMEOUT,
        openai_defaults: bool = True,
        thinking: Literal["auto", "off"] = "auto",
    ) -> None:
        super().__init__(app, policies, max_body=max_body, body_timeout=body_timeout)
        self.openai_defaults = openai_defaults
        self.thinking = thinking

    def common(self, request: Request, exchange: Exchange) -> dict[str, Any]:
        """The fields that every generating call has; notes what has no effect."""
        # What ``_debug_render_only`` shows has no stream.
        exchange.stream = bool(request.stream) and not request.debug_render_only
        exchange.ignored += without_effect(request)
        return {
            "model": model_name(request.model),
            "stream": exchange.stream,
            "options": options(request, openai_defaults=self.openai_defaults) or None,
            "format": response_format(request.response_format),
            "think": think(request, self.thinking),
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
