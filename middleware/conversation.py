"""ConversationMiddleware: what the dialects of a conversation have in common.

All of them become a call to ``/api/chat``: messages, the tools that may be called, and
whether one must be.  Where a dialect says these is its own endpoint's affair.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar
from wsgiref.types import StartResponse, WSGIApplication

from app.exchange import Exchange
from app.settings import Settings
from app.wire import ollama
from app.wire.generating import GeneratingRequest
from writers.call import PLAIN, CallForm
from writers.conversation import ConversationWriter
from writers.forced import ForcedCalls

from .base import DEFAULTS, Policy
from .choice import Choice
from .forced_calls import force, forced, refused, remind
from .formats import answer_check
from .generation import GenerationMiddleware
from .images import Fetch, Images
from .schemas import Allowance

Request = TypeVar("Request", bound=GeneratingRequest)


class ConversationMiddleware(GenerationMiddleware[Request]):
    """Translates one dialect; ``fetch`` gets images that are given by URL."""

    #: The writer of the dialect, and the one for a call that must come.
    writers: ClassVar[tuple[type[ConversationWriter], type[ForcedCalls]]]

    def __init__(
        self,
        app: WSGIApplication,
        policies: Iterable[Policy] = (),
        settings: Settings = DEFAULTS,
        fetch: Fetch | None = None,
    ) -> None:
        super().__init__(app, policies, settings)
        self.fetch = fetch

    def rewrite(self, request: Request, exchange: Exchange) -> ollama.ChatRequest:
        """The call to ``/api/chat``."""
        chosen = self.choice(request, exchange)
        must = self.settings.tool_choice if chosen.must else None
        if must == "reject":
            raise refused(self.choice_field(request))
        images = Images(self.fetch, self.writers[0].input_field)
        call = ollama.ChatRequest(
            **self.common(request, exchange),
            messages=self.messages(request, exchange, images),
            tools=None if must == "emulate" else _native(chosen),
        )
        if images.wanted:
            exchange.prepare = images.fetch
        if chosen.tools:  # once for all writers: schemas are dear to compile
            form = self.form(request, chosen)
            exchange.tools = form, forced(chosen, form) if must == "emulate" else None
        if must == "emulate":
            force(call, chosen)
            exchange.ignored += self.without_force(request)
        else:
            exchange.ignored += [
                f"{tool.param}.strict" for tool in chosen.tools if tool.strict
            ]
            self.freely(request, call)
        if must == "hint":
            remind(call, chosen)
        return call

    def writer(
        self, exchange: Exchange, request: Request, start_response: StartResponse
    ) -> ConversationWriter:
        """The writer for what was asked, after ``rewrite``."""
        form, forcing = exchange.tools or (PLAIN, None)
        options = self.told(exchange, request)
        options |= {"model": exchange.model, "stream": bool(exchange.stream)}
        plain, held = self.writers
        if forcing is not None:
            writer = held(exchange, start_response, form=form, **options)
            writer.forced = forcing
            return writer
        free = plain(exchange, start_response, form=form, **options)
        if not request.debug_render_only:
            free.check = answer_check(self.format_of(request))
        return free

    # ---------------------------------------------- meaning, in each dialect

    def choice(self, request: Request, exchange: Exchange) -> Choice:
        """The tools that may be called, and whether one must be."""
        raise NotImplementedError

    def choice_field(self, request: Request) -> str:
        """The field that says that a tool must be called."""
        return "tool_choice"

    def form(self, request: Request, chosen: Choice) -> CallForm:
        """How the client wants calls to look."""
        raise NotImplementedError

    def messages(
        self, request: Request, exchange: Exchange, images: Images
    ) -> list[ollama.Message]:
        """The conversation as Ollama takes it."""
        raise NotImplementedError

    def freely(self, request: Request, call: ollama.ChatRequest) -> None:
        """Add what a call can have whose answer need not be a call of a tool."""

    def without_force(self, request: Request) -> list[str]:
        """Fields that mean nothing where the answer must be a call of a tool."""
        raise NotImplementedError

    def told(self, exchange: Exchange, request: Request) -> dict[str, Any]:
        """What the writer of the dialect has to know besides."""
        return {}


def _native(chosen: Choice) -> list[dict[str, Any]] | None:
    if not chosen.tools:
        return None
    allowance = Allowance()
    return [tool.native(allowance) for tool in chosen.tools]
