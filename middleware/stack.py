"""The whole onion, and the table of routes.  Start reading here.

A request passes the layers, outermost first, then its route.  An endpoint's middleware
rewrites it into a call to Ollama and hands that to the relay; what comes back passes
the endpoint's writer on its way out.
"""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app import logs
from app.catalog import Catalog
from app.doors import Doors
from app.fetch import ImageFetcher
from app.inflight import Inflight
from app.later import Later
from app.native import Native
from app.probes import probes
from app.proxies import Proxies
from app.redaction import Redaction
from app.relay import Relay
from app.secret import secret
from app.settings import Settings
from app.signatures import Signatures
from app.storage import Storage
from app.upstream import Upstream
from writers.count import MessageTokensWriter, ResponseTokensWriter

from .abilities import Abilities
from .absent import NoBackground, NoSocket, absent_routes
from .access_log import AccessLogMiddleware
from .aliases import Aliases
from .awaited import Awaited
from .base import Policy
from .chat import ChatMiddleware
from .completions import CompletionsMiddleware, PlainModels
from .context import Context
from .cors import CorsMiddleware
from .counting import CountMiddleware
from .doors import DoorsMiddleware
from .embeddings import EmbeddingsMiddleware
from .errors import ErrorMiddleware
from .images import Fetch
from .inflight import LimitMiddleware, WatchMiddleware
from .legacy import LegacyChatMiddleware, LegacyCompletionsMiddleware
from .messages import MessagesMiddleware
from .models import DeleteMiddleware, ListMiddleware, RetrieveMiddleware
from .reasoning import Reasoning
from .request_id import RequestIdMiddleware
from .responses import ResponsesMiddleware
from .responses_kept import Keeper
from .responses_lookup import DeleteResponseMiddleware, RetrieveResponseMiddleware
from .routes import Route, Routes
from .transcriptions import TranscriptionsMiddleware

Layer = Callable[[WSGIApplication], WSGIApplication]


def build_stack(settings: Settings) -> WatchMiddleware:
    """The application that ``settings`` describe; nothing is opened yet.

    Its ``inflight`` are the requests that a worker has to end before it stops.
    """
    upstream = Upstream.of(settings)
    pages = Later(lambda: load_pages(upstream))
    relay = Relay(upstream, settings)
    catalog = Catalog(upstream.control)
    images = ImageFetcher.of(settings)
    fetch = images.fetch_all if images else None
    keeper = Storage.of(settings).responses
    routes = Routes(
        pages,  # whatever is not listed is a page
        [
            ("*", "/api/", Native(relay, settings)),
            *front_door(pages, relay),
            *probe_routes(upstream),
            *dialect_routes(Shared(relay, catalog, settings, fetch, keeper)),
        ],
    )
    inflight = Inflight(settings.write_timeout)
    write = logs.writer() if settings.access_log else None
    return WatchMiddleware(wrap(routes, layers(settings, inflight, write)), inflight)


def layers(
    settings: Settings, inflight: Inflight, write: Callable[[str], object] | None
) -> Iterable[Layer]:
    """All between the watch and the routes, outermost first; ``write`` is the log's."""
    doors = Doors(settings.allowed_hosts, settings.origins)
    yield RequestIdMiddleware
    if write is not None:
        yield partial(
            AccessLogMiddleware,
            write=write,
            address=Proxies(settings.trusted_proxies).client,
            redaction=Redaction(settings.upstream_api_key),
        )
    yield partial(CorsMiddleware, doors=doors)
    yield ErrorMiddleware  # everything below may raise
    yield partial(DoorsMiddleware, doors=doors)
    yield partial(LimitMiddleware, inflight=inflight, limit=settings.max_inflight)


class Shared:
    """What the endpoints of all dialects share: how Ollama is reached, and policies.

    There is one of each policy, since some remember what they asked for.
    """

    def __init__(
        self,
        relay: WSGIApplication,
        catalog: Catalog,
        settings: Settings,
        fetch: Fetch | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.relay, self.catalog, self.settings = relay, catalog, settings
        self.fetch = fetch
        self.keeper = keeper
        self.signatures = Signatures(partial(secret, settings.state_dir))
        self.aliases = Aliases(catalog, settings)
        self.reasoning = Reasoning(catalog.facts, settings)
        self.context = Context(catalog, settings)
        self.hears = Abilities(catalog.facts, "file")
        self.awaited = Awaited(catalog)

    def policies(
        self, aliases: Aliases | None = None, field: str = "messages"
    ) -> list[Policy]:
        """Those of a conversation, which is in ``field``, in their order."""
        names = aliases or self.aliases
        sees = Abilities(self.catalog.facts, field, self.settings.strict)
        return [names, sees, self.reasoning, self.context, self.awaited]


def dialect_routes(shared: Shared) -> Iterable[Route]:
    """Everything that is translated."""
    yield from openai_routes(shared)
    yield from anthropic_routes(shared)


def openai_routes(shared: Shared) -> Iterable[Route]:
    """OpenAI's endpoints, with and without ``/v1``."""
    relay, settings = shared.relay, shared.settings
    chat_type, completions_type = ChatMiddleware, CompletionsMiddleware
    if settings.legacy:
        chat_type, completions_type = LegacyChatMiddleware, LegacyCompletionsMiddleware
    aliases, context, awaited = shared.aliases, shared.context, shared.awaited
    texts: list[Policy] = [aliases, shared.reasoning, context, awaited]
    if settings.completions_raw == "auto":
        texts.append(PlainModels(shared.catalog))
    for base in ("/v1", ""):
        names = Aliases(shared.catalog, settings, bare=not base)
        chat = chat_type(relay, shared.policies(names), settings, shared.fetch)
        audio = TranscriptionsMiddleware(
            relay, [aliases, shared.hears, context, awaited], settings
        )
        vectors = EmbeddingsMiddleware(relay, [aliases, context], settings)
        yield from absent_routes(base)
        yield ("POST", f"{base}/chat/completions", chat)
        yield ("POST", f"{base}/completions", completions_type(relay, texts, settings))
        yield ("POST", f"{base}/embeddings", vectors)
        yield ("POST", f"{base}/audio/transcriptions", audio)
        yield from response_routes(base, shared)
        yield from model_routes(base, shared)


def response_routes(base: str, shared: Shared) -> Iterable[Route]:
    """OpenAI's routes about responses under ``base``."""
    keeper, below = shared.keeper, f"{base}/responses/"
    create = ResponsesMiddleware(
        shared.relay,
        shared.policies(field="input"),
        shared.settings,
        shared.fetch,
        keeper=keeper,
    )
    count = CountMiddleware(create, ResponseTokensWriter)
    return [
        ("POST", f"{base}/responses", create),
        ("*", f"{base}/responses", NoSocket("the responses API")),
        ("POST", f"{below}input_tokens", count),
        ("*", below, NoBackground("background work of the responses API")),
        ("GET", below, RetrieveResponseMiddleware(keeper, below)),
        ("DELETE", below, DeleteResponseMiddleware(keeper, below)),
    ]


def anthropic_routes(shared: Shared) -> Iterable[Route]:
    """Anthropic's endpoints; ``/anthropic`` is where others have put them."""
    messages = MessagesMiddleware(
        shared.relay,
        shared.policies(),
        shared.settings,
        shared.fetch,
        signatures=shared.signatures,
    )
    count = CountMiddleware(messages, MessageTokensWriter)
    for base in ("/v1", "/anthropic/v1"):
        yield ("POST", f"{base}/messages", messages)
        yield ("POST", f"{base}/messages/count_tokens", count)
    yield from absent_routes("/anthropic/v1")
    yield from model_routes("/anthropic/v1", shared)


def model_routes(base: str, shared: Shared) -> Iterable[Route]:
    """The routes about models under ``base``."""
    settings, relay = shared.settings, shared.relay
    facts = shared.catalog if settings.model_facts else None
    below = f"{base}/models/"
    named = (relay, below, shared.aliases.resolved)
    return [
        ("GET", f"{base}/models", ListMiddleware(relay, shared.aliases.exact, facts)),
        ("GET", below, RetrieveMiddleware(*named, catalog=facts)),
        ("DELETE", below, DeleteMiddleware(*named, allowed=settings.model_delete)),
    ]


def front_door(pages: WSGIApplication, relay: Relay) -> Iterable[Route]:
    """``/``: a page for browsers; for curl and Ollama's clients what Ollama says."""

    def front(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        browser = "text/html" in environ.get("HTTP_ACCEPT", "")
        return (pages if browser else relay)(environ, start_response)

    return [("GET", "/", front), ("HEAD", "/", front)]


def probe_routes(upstream: Upstream) -> Iterable[Route]:
    """What is asked of Pannier itself."""
    for path, probe in probes(upstream).items():
        yield ("GET", path, probe)
        yield ("HEAD", path, probe)


def load_pages(upstream: Upstream) -> WSGIApplication:
    """The pages, and with them Flask: 4 MB that most workers never need."""
    from app.pages import create_app

    return create_app(upstream)


def wrap(app: WSGIApplication, layers: Iterable[Layer]) -> WSGIApplication:
    """The application inside its layers, the first of them outermost."""
    return reduce(lambda inner, layer: layer(inner), reversed(list(layers)), app)
