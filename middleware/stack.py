"""The whole onion, and the table of routes.  Start reading here.

A request passes the layers, outermost first, then its route.  An endpoint's middleware
rewrites it into a call to Ollama and hands that to the relay; what comes back passes
the endpoint's writer on its way out.
"""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app import logs
from app.pages import create_app
from app.relay import Relay
from app.settings import Settings
from app.upstream import Upstream

from .access_log import AccessLogMiddleware
from .chat import ChatMiddleware
from .completions import CompletionsMiddleware
from .embeddings import EmbeddingsMiddleware
from .errors import ErrorMiddleware
from .models import ListMiddleware, RetrieveMiddleware
from .request_id import RequestIdMiddleware
from .routes import Route, Routes

Layer = Callable[[WSGIApplication], WSGIApplication]


def build_stack(settings: Settings) -> WSGIApplication:
    """The application that ``settings`` describe; nothing is opened yet."""
    upstream = Upstream.of(settings)
    pages = create_app(upstream)
    relay = Relay(upstream, settings)
    routes = Routes(
        pages,  # whatever is not listed is a page
        [
            ("*", "/api/", relay),
            *front_door(pages, relay),
            *openai_routes("/v1", relay, settings),
            *openai_routes("", relay, settings),
        ],
    )
    return wrap(
        routes,
        [  # outermost first
            RequestIdMiddleware,
            partial(AccessLogMiddleware, write=logs.writer(settings.access_log)),
            ErrorMiddleware,  # everything below may raise
        ],
    )


def openai_routes(base: str, relay: Relay, settings: Settings) -> Iterable[Route]:
    """OpenAI's endpoints under ``base``."""
    chat = ChatMiddleware(relay, settings=settings)
    completions = CompletionsMiddleware(relay, settings=settings)
    embeddings = EmbeddingsMiddleware(relay, settings=settings)
    return [
        ("POST", f"{base}/chat/completions", chat),
        ("POST", f"{base}/completions", completions),
        ("POST", f"{base}/embeddings", embeddings),
        ("GET", f"{base}/models", ListMiddleware(relay)),
        ("GET", f"{base}/models/", RetrieveMiddleware(relay, f"{base}/models/")),
    ]


def front_door(pages: WSGIApplication, relay: Relay) -> Iterable[Route]:
    """``/``: a page for browsers; for curl and Ollama's clients what Ollama says."""

    def front(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        browser = "text/html" in environ.get("HTTP_ACCEPT", "")
        return (pages if browser else relay)(environ, start_response)

    return [("GET", "/", front), ("HEAD", "/", front)]


def wrap(app: WSGIApplication, layers: Iterable[Layer]) -> WSGIApplication:
    """The application inside its layers, the first of them outermost."""
    return reduce(lambda inner, layer: layer(inner), reversed(list(layers)), app)
