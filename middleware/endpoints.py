"""Endpoints: the table of routes that lead to a model, or to what Ollama knows.

A method, a path, and the application that answers there.
"""

from collections.abc import Iterable
from wsgiref.types import WSGIApplication

from writers.count import MessageTokensWriter, ResponseTokensWriter

from .absent import NoBackground, NoSocket, absent_routes
from .base import Policy
from .chat import ChatMiddleware
from .code import probes as code_probes
from .code.doors import CodeDoor, Explained, FormDoor
from .code.fim import FimMiddleware, TabbyMiddleware
from .code.generate import CodeGenerateMiddleware
from .code.infill import InfillMiddleware, LlamaMiddleware
from .completions import CompletionsMiddleware, PlainModels
from .counting import CountMiddleware
from .discreet import Discreet
from .embeddings import EmbeddingsMiddleware
from .legacy import LegacyChatMiddleware, LegacyCompletionsMiddleware
from .managing import MANAGING, AllModels, ManagingNames
from .messages import MessagesMiddleware
from .models import DeleteMiddleware, ListMiddleware, RetrieveMiddleware
from .native import NAMING, NativeNames
from .native_lists import LoadedMiddleware, TagsMiddleware
from .native_show import ShowMiddleware
from .responses import ResponsesMiddleware
from .responses_lookup import DeleteResponseMiddleware, RetrieveResponseMiddleware
from .routes import Route
from .shared import Shared
from .transcriptions import TranscriptionsMiddleware


def native_routes(native: WSGIApplication, shared: Shared) -> Iterable[Route]:
    """Ollama's own routes, but for what of them completes code."""
    settings = shared.settings
    code = shared.form(CodeGenerateMiddleware)
    aliases, override = shared.aliases, shared.native
    native = Discreet(native, shared.current)
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
    for base in ("/v1", "", "/anthropic/v1"):
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
