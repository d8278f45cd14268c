"""GenerationMiddleware: what endpoints that generate text have in common."""

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar
from wsgiref.types import WSGIApplication

from app.errors import BadRequest
from app.exchange import Exchange
from app.settings import Settings
from app.wire.generating import GeneratingRequest

from .base import DEFAULTS, Policy, RewriteMiddleware
from .effects import without_effect
from .formats import Format, native
from .options import keep_alive, options
from .reasoning import think
from .think_fallback import ThinkFallback
from .thinking import HIDING, excluded, wish
from .validation import integer, model_name

#: OpenAI's limit on alternatives of a token, in both of its dialects.
MAX_TOP_LOGPROBS = 20

Request = TypeVar("Request", bound=GeneratingRequest)


class GenerationMiddleware(RewriteMiddleware[Request]):
    """Translates one endpoint that generates text, in whatever dialect."""

    #: Options that are sent where a request says nothing, if ``openai_defaults`` is on.
    defaults: ClassVar[dict[str, Any]] = {"temperature": 1.0, "top_p": 1.0}
    #: Fields without effect elsewhere that this dialect does something with.
    honoured: ClassVar[frozenset[str]] = frozenset()

    #: Whether a wish to think, on a model that cannot, is dropped at Ollama's word, as
    #: Ollama's own layer for the dialect does it.
    relaxes_think: ClassVar[bool] = False

    def __init__(
        self,
        app: WSGIApplication,
        policies: Iterable[Policy] = (),
        settings: Settings = DEFAULTS,
    ) -> None:
        relaxes = self.relaxes_think and settings.think_unsupported == "drop"
        fallback = ThinkFallback(app, relaxes and not settings.strict)
        super().__init__(fallback, policies, settings)

    def common(self, request: Request, exchange: Exchange) -> dict[str, Any]:
        """The fields that every generating call has; notes what has no effect."""
        # What ``_debug_render_only`` shows has no stream.
        exchange.stream = bool(request.stream) and not request.debug_render_only
        exchange.ignored += [
            name for name in without_effect(request) if name not in self.honoured
        ]
        exchange.wish = wish(request, self.settings.think)
        hidden = excluded(request)
        exchange.hidden = self.settings.exclude_reasoning if hidden is None else hidden
        chosen = options(request, self.settings, exchange)
        exchange.given = chosen.keys() if hidden is None else {*chosen, HIDING}
        if self.says_format(request):
            exchange.given = {*exchange.given, "format"}
        return {
            "model": model_name(request.model),
            "stream": exchange.stream,
            "options": {**self.usual(exchange), **chosen} or None,
            "format": native(self.format_of(request)),
            "think": think(exchange.wish),
            "keep_alive": keep_alive(request),
            "truncate": request.truncate,
            "shift": request.shift,
            "debug_render_only": request.debug_render_only,
        }

    def usual(self, exchange: Exchange) -> dict[str, Any]:
        """The options that are sent where a request says nothing."""
        return self.defaults if self.settings.openai_defaults else {}

    def format_of(self, request: Request) -> Format | None:
        """What a request wants the answer held to."""
        raise NotImplementedError

    def says_format(self, request: Request) -> bool:
        """Whether a request says that at all: text is a format that holds nothing."""
        return getattr(request, "response_format", None) is not None


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
