"""The whole onion, and the table of routes.  Start reading here.

A request passes the layers, outermost first, then its route.  An endpoint's middleware
rewrites it into a call to Ollama and hands that to the relay; what comes back passes
the endpoint's writer on its way out.
"""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app import logs
from app.background import Background
from app.catalog import Catalog
from app.doors import Doors
from app.exchange import Exchange
from app.fetch import ImageFetcher
from app.gateway.groups import ADMIN, METRICS
from app.inflight import Inflight
from app.installation import Installation
from app.later import Later, load_aside
from app.live.revoked import end_revoked
from app.native import Native
from app.probes import probes
from app.proxies import Proxies
from app.redaction import Redaction
from app.relay import Relay
from app.secret import secret
from app.settings import Settings
from app.signatures import Signatures
from app.upstream import Upstream
from writers.count import MessageTokensWriter, ResponseTokensWriter

from .abilities import Abilities
from .absent import NoBackground, NoSocket, absent_routes
from .access import Access
from .access_log import AccessLogMiddleware
from .aliases import Aliases
from .auth import AuthMiddleware
from .awaited import Awaited
from .base import Policy
from .chat import ChatMiddleware
from .code import probes as code_probes
from .code.cache import Remembering
from .code.doors import CodeDoor, Explained, FormDoor
from .code.families import Families
from .code.fim import FimMiddleware, TabbyMiddleware
from .code.first import FirstToken
from .code.form import CodeMiddleware
from .code.generate import CodeGenerateMiddleware
from .code.infill import InfillMiddleware, LlamaMiddleware
from .code.policy import Fill
from .code.supersede import who
from .code.warm import WarmUp
from .code.ways import Ways
from .completions import CompletionsMiddleware, PlainModels
from .context import Context
from .cors import CorsMiddleware
from .counting import CountMiddleware
from .discreet import Discreet
from .doors import DoorsMiddleware
from .embeddings import EmbeddingsMiddleware
from .errors import ErrorMiddleware
from .images import Fetch
from .inflight import LimitMiddleware, WatchMiddleware
from .legacy import LegacyChatMiddleware, LegacyCompletionsMiddleware
from .managing import MANAGING, AllModels, ManagingNames
from .members import Members
from .messages import MessagesMiddleware
from .metrics import MetricsPage
from .models import DeleteMiddleware, ListMiddleware, RetrieveMiddleware
from .native import NAMING, NativeNames
from .native_lists import LoadedMiddleware, TagsMiddleware
from .native_show import ShowMiddleware
from .overrides import Overrides
from .reasoning import Reasoning
from .request_id import RequestIdMiddleware
from .responses import ResponsesMiddleware
from .responses_kept import Keeper
from .responses_lookup import DeleteResponseMiddleware, RetrieveResponseMiddleware
from .routes import Route, Routes
from .throttle import ThrottleMiddleware, TokenLimit
from .transcriptions import TranscriptionsMiddleware
from .usage import UsageNotes

Layer = Callable[[WSGIApplication], WSGIApplication]


def build_stack(
    settings: Settings,
    installation: Installation | None = None,
    inflight: Inflight | None = None,
) -> WatchMiddleware:
    """The application that ``settings`` describe; nothing is opened yet.

    ``inflight`` are the requests that a worker has to end before it stops.
    """
    installation = installation or Installation(settings)
    if inflight is None:  # one without requests is false
        inflight = Inflight(settings.write_timeout)
    upstream = Upstream.of(settings)
    pages = Later(lambda: load_pages(upstream))
    relay = Relay(upstream, settings)
    catalog = Catalog(upstream.control)
    current, ends = installation.current, partial(end_revoked, inflight)
    current.changed += (catalog.forget, ends)
    current.expired.append(ends)

    def release() -> None:
        current.changed.remove(catalog.forget)
        current.changed.remove(ends)
        current.expired.remove(ends)
        upstream.close()

    images = ImageFetcher.of(settings)
    fetch = images.fetch_all if images else None
    keeper = installation.storage.responses
    shared = Shared(relay, catalog, settings, fetch, keeper, installation)
    routes = Routes(
        pages,  # whatever is not listed is a page
        [
            *front_door(pages, relay),
            *admin_routes(settings, installation, catalog, inflight),
            *probe_routes(upstream, MetricsPage(installation, settings)),
            *native_routes(Native(relay, settings), shared),
            *dialect_routes(shared),
        ],
    )
    write = logs.writer() if settings.access_log else None
    around = layers(settings, inflight, write, installation)
    return WatchMiddleware(wrap(routes, around), inflight, release)


def layers(
    settings: Settings,
    inflight: Inflight,
    write: Callable[[str], object] | None,
    installation: Installation,
) -> Iterable[Layer]:
    """All between the watch and the routes, outermost first; ``write`` is the log's."""
    doors = Doors(settings.allowed_hosts, settings.origins)
    address = Proxies(settings.trusted_proxies).client
    yield RequestIdMiddleware
    yield partial(
        AccessLogMiddleware,
        write=write,
        address=address,
        redaction=Redaction(*settings.secrets),
        counts=installation.counts,
        begun=UsageNotes(installation, settings, address),
    )
    yield partial(CorsMiddleware, doors=doors, current=installation.current)
    yield ErrorMiddleware  # everything below may raise
    yield partial(DoorsMiddleware, doors=doors, current=installation.current)
    yield partial(LimitMiddleware, inflight=inflight, limit=settings.max_inflight)
    yield partial(keyed, installation=installation, address=address)


def keyed(
    app: WSGIApplication,
    installation: Installation,
    address: Callable[[WSGIEnvironment], str],
) -> AuthMiddleware:
    """The layers of keys: who needs none has no limits either."""
    throttled = ThrottleMiddleware(app, installation.limits)
    return AuthMiddleware(throttled, installation, address, keyless=app)


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
        installation: Installation | None = None,
    ) -> None:
        installation = installation or Installation(settings)
        relay = Discreet(relay)
        self.relay, self.catalog, self.settings = relay, catalog, settings
        self.fetch = fetch
        self.keeper = keeper
        self.current = current = installation.current
        self.signatures = Signatures(
            partial(secret, settings.state_dir, settings.secret_file)
        )
        self.access = Access(current, settings)
        self.aliases = Aliases(catalog, settings, current, self.access)
        self.bare = Aliases(catalog, settings, current, self.access, bare=True)
        self.overrides = Overrides(current, settings, catalog)
        self.tokens = TokenLimit(installation.limits)
        self.reasoning = Reasoning(catalog.facts, settings)
        self.context = Context(catalog, settings)
        self.hears = Abilities(catalog.facts, "file")
        self.awaited = Awaited(catalog)
        families = Families.load(settings.code_families or None)
        self.ways = Ways(families, settings, current)
        warm = WarmUp(relay, Background())
        set_ = self.overrides.on_code
        self.fill = Fill(catalog, settings, self.aliases, self.ways, warm, set_)
        #: Ollama for those that complete code, and what tells their editors apart.
        self.coding = Remembering(FirstToken(relay), settings.code_cache)
        self._address = Proxies(settings.trusted_proxies).client

    def session(self, environ: WSGIEnvironment) -> tuple[object, ...]:
        """Which editor it is that asks, as far as anybody can tell."""
        return who(environ, self._address(environ))

    def form(self, kind: type[CodeMiddleware[Any]]) -> CodeMiddleware[Any]:
        """The endpoint for one form of a request for code."""
        policies = self.code_policies()
        return kind(self.coding, policies, self.settings, self.session)

    def admit(self, exchange: Exchange, call: Any) -> None:
        """See whether the model of a call may be used, which stays as it is."""
        if self.access.concerns(exchange.key):
            self.access.check(exchange, self.aliases.note(exchange, call.model))

    def native(self, exchange: Exchange, members: Members) -> Members:
        """What one of Ollama's own requests becomes, which may be served."""
        members = self.overrides.native(exchange, members)
        self.tokens.native(exchange, members)
        return members

    def code_policies(self) -> list[Policy]:
        """Those of a text that is filled in."""
        after: list[Policy] = [self.reasoning, self.context, self.awaited, self.tokens]
        return [self.fill, self.access, self.overrides, *after]

    def policies(
        self, aliases: Aliases | None = None, field: str = "messages"
    ) -> list[Policy]:
        """Those of a conversation, which is in ``field``, in their order."""
        names = aliases or self.aliases
        sees = Abilities(self.catalog.facts, field, self.settings.strict)
        before: list[Policy] = [names, self.access, self.overrides, sees]
        after: list[Policy] = [self.reasoning, self.context, self.awaited, self.tokens]
        return [*before, *after]


def native_routes(native: WSGIApplication, shared: Shared) -> Iterable[Route]:
    """Ollama's own routes, but for what of them completes code."""
    settings = shared.settings
    code = shared.form(CodeGenerateMiddleware)
    aliases, override = shared.aliases, shared.native
    native = Discreet(native)
    names = NativeNames(native, aliases, settings, override)
    explained = Explained(native, settings)
    generate = NativeNames(explained, aliases, settings, override)
    catalog, ways = shared.catalog, shared.ways
    door = CodeDoor(generate, code, settings, catalog, ways, aliases)
    others = AllModels(native)
    yield ("*", "/api/", others)
    for method in ("GET", "HEAD"):
        yield (method, "/api/version", native)
    for path in ("/api/version", *NAMING):
        yield ("*", path, others)
    for path in NAMING:
        yield ("POST", path, names)
    show = ShowMiddleware(native, aliases, settings, shared.ways)
    yield ("*", "/api/show", others)
    yield ("POST", "/api/show", show)
    lists: dict[str, type[TagsMiddleware]]
    lists = {"/api/tags": TagsMiddleware, "/api/ps": LoadedMiddleware}
    for path, kind in lists.items():
        shown = kind(native, aliases)
        yield ("*", path, others)
        yield ("GET", path, shown)
        yield ("HEAD", path, shown)
    for method, path in MANAGING:
        yield ("*", path, others)
        yield (method, path, ManagingNames(native, aliases, settings))
    yield ("POST", "/api/generate", door)
    yield ("POST", "/code/generate", code)


def dialect_routes(shared: Shared) -> Iterable[Route]:
    """Everything that is translated."""
    yield from openai_routes(shared)
    yield from code_routes(shared)
    yield from anthropic_routes(shared)


def openai_routes(shared: Shared) -> Iterable[Route]:
    """OpenAI's endpoints, with and without ``/v1``."""
    relay, settings = shared.relay, shared.settings
    chat_type, completions_type = ChatMiddleware, CompletionsMiddleware
    if settings.legacy:
        chat_type, completions_type = LegacyChatMiddleware, LegacyCompletionsMiddleware
    aliases, context, awaited = shared.aliases, shared.context, shared.awaited
    texts: list[Policy] = [aliases, *shared.code_policies()]
    if settings.completions_raw == "auto":
        texts.append(PlainModels(shared.catalog))
    for base in ("/v1", ""):
        names = shared.aliases if base else shared.bare
        chat = chat_type(relay, shared.policies(names), settings, shared.fetch)
        set_ = shared.overrides.narrowly
        known: list[Policy] = [aliases, shared.access, set_]
        heard: list[Policy] = [*known, shared.hears, context, awaited, shared.tokens]
        audio = TranscriptionsMiddleware(relay, heard, settings)
        measured: list[Policy] = [*known, context, shared.tokens]
        vectors = EmbeddingsMiddleware(relay, measured, settings)
        yield from absent_routes(base)
        yield ("POST", f"{base}/chat/completions", chat)
        openai = completions_type(shared.coding, texts, settings, shared.session)
        llama = None if base else shared.form(LlamaMiddleware)
        door = FormDoor(openai, shared.form(TabbyMiddleware), llama, settings)
        yield ("POST", f"{base}/completions", door)
        if base:
            yield ("POST", "/beta/completions", door)  # where DeepSeek fills in
        yield ("POST", f"{base}/embeddings", vectors)
        yield ("POST", f"{base}/audio/transcriptions", audio)
        yield from response_routes(base, shared)
        yield from model_routes(base, shared)


def code_routes(shared: Shared) -> Iterable[Route]:
    """What editors ask that want code, beside ``/api/generate`` and completions."""
    fim, llama = shared.form(FimMiddleware), shared.form(LlamaMiddleware)
    for base in ("/v1", ""):
        yield ("POST", f"{base}/fim/completions", fim)
    yield ("POST", "/infill", shared.form(InfillMiddleware))
    yield ("POST", "/completion", llama)
    tabby = code_probes.CodeProbe(shared.fill, code_probes.tabby)
    for method in ("GET", "HEAD", "POST"):
        yield (method, "/v1/health", tabby)
    yield ("POST", "/v1/events", code_probes.heard)
    props = code_probes.CodeProbe(shared.fill, code_probes.llama(shared.catalog))
    for method in ("GET", "HEAD"):
        yield (method, "/props", props)


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
    count = CountMiddleware(create, ResponseTokensWriter, shared.admit)
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
    count = CountMiddleware(messages, MessageTokensWriter, shared.admit)
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
    named = (relay, below, shared.aliases)
    return [
        ("GET", f"{base}/models", ListMiddleware(relay, shared.aliases, facts)),
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


def probe_routes(upstream: Upstream, metrics: WSGIApplication) -> Iterable[Route]:
    """What is asked of Pannier itself."""
    probed: dict[str, WSGIApplication] = {METRICS: metrics}
    for path, probe in (probed | probes(upstream)).items():
        yield ("GET", path, probe)
        yield ("HEAD", path, probe)


def load_pages(upstream: Upstream) -> WSGIApplication:
    """The pages, and with them Flask: 4 MB that most workers never need."""
    from app.pages import create_app

    return create_app(upstream)


def admin_routes(
    settings: Settings,
    installation: Installation,
    catalog: Catalog,
    inflight: Inflight,
) -> Iterable[Route]:
    """What operators ask, and the pages that ask it."""

    def load() -> WSGIApplication:
        # It and its libraries take long to load: other requests go on meanwhile.
        load_aside("app.admin.application")
        from app.admin.application import create_app
        from app.admin.asked import Admin

        return create_app(
            Admin(
                installation=installation,
                settings=settings,
                found=installation.found,
                catalog=catalog,
                inflight=inflight,
            )
        )

    admin = Later(load)
    yield ("*", ADMIN, admin)
    yield ("*", f"{ADMIN}/", admin)


def wrap(app: WSGIApplication, layers: Iterable[Layer]) -> WSGIApplication:
    """The application inside its layers, the first of them outermost."""
    return reduce(lambda inner, layer: layer(inner), reversed(list(layers)), app)
