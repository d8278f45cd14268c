"""Ollama's routes: which handler answers which method and path, and CORS.

The simulator's own routes live under ``/simulator/`` and say so.
"""

import re
import time
from collections.abc import Callable
from typing import Any

from . import faults, fields, golang, names
from .calls import TOO_LONG, Call, Refusal, model_of, options
from .deliver import Clock, loaded, refuse, rendered, speak
from .golang import GoError, Raw, float32, number
from .journal import Journal
from .library import Library, send
from .models import Catalogue, Model
from .server import Exchange
from .text import vector, vector_text
from .tiny import DATA
from .wire import JSON, Wire

VERSION = "0.32.15-simulator"
_GOOD_HOSTS = re.compile(
    r"localhost|.*\.(localhost|local|internal)|[\d.]+|\[[0-9a-fA-F:.%]+\]"
)
_GOOD_ORIGINS = re.compile(
    r"https?://(localhost|127\.0\.0\.1|0\.0\.0\.0)(:\d+)?"
    r"|(app|file|tauri|vscode-webview|vscode-file)://.*"
)
_CORS_HEADERS = (
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,"
    "X-Stainless-Arch,X-Stainless-Async,X-Stainless-Custom-Poll-Interval,"
    "X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,"
    "X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,"
    "X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Timeout"
)
_CORS_METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
_TEXT = "text/plain"
Handler = Callable[[Exchange], None]


class Api:
    """All routes over one catalogue."""

    def __init__(self, catalogue: Catalogue, journal: Journal, tps: float = 0) -> None:
        self.catalogue = catalogue
        self.journal = journal
        self.tps = tps
        self.faults: dict[str, tuple[str, int | None]] = {}
        library = Library(catalogue)
        self.library = library
        self.routes: dict[str, dict[str, Handler]] = {
            "/": _both(_text("Ollama is running")),
            "/api/version": _both(lambda e: send(e, {"version": VERSION})),
            "/api/tags": _both(library.tags),
            "/api/ps": {"GET": library.ps},
            "/api/status": {"GET": _status},
            "/api/chat": {"POST": self._chat},
            "/api/generate": {"POST": self._generate},
            "/api/embed": {"POST": self._embed},
            "/api/embeddings": {"POST": self._embeddings},
            "/api/show": {"POST": _reading(fields.NAMED, library.show)},
            "/api/copy": {"POST": _reading(fields.COPY, library.copy)},
            "/api/delete": {"DELETE": _reading(fields.NAMED, library.delete)},
            "/api/create": {"POST": _reading(fields.CREATE, library.create)},
            "/api/pull": {"POST": _reading(fields.NAMED, library.pull)},
            "/api/push": {"POST": _reading(fields.NAMED, library.push)},
            "/api/me": {"POST": _refusing(503, "account unavailable")},
            "/api/signout": {"POST": _refusing(503, "account unavailable")},
            "/api/experimental/web_search": {"POST": _no_cloud("web search")},
            "/api/experimental/web_fetch": {"POST": _no_cloud("web fetch")},
            "/api/experimental/model-recommendations": {"GET": _recommendations},
            "/simulator/log": {"GET": self._log, "DELETE": self._clear},
            "/simulator/wait": {"GET": self._wait},
            "/simulator/open": {"GET": self._open},
            "/simulator/fault": {"POST": self._fault, "DELETE": self._clear_faults},
        }

    def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        exchange.tps = self.tps
        try:
            self._route(exchange)
        except Refusal as refusal:
            refuse(exchange, refusal, streams=False)

    def _route(self, exchange: Exchange) -> None:
        path = exchange.path
        if path.startswith("/api/blobs/"):
            digest = path.removeprefix("/api/blobs/")
            blobs: Handler = lambda e: self.library.blob(e, digest)  # noqa: E731
            methods = {"POST": blobs, "HEAD": blobs}
        elif path in self.routes:
            methods = self.routes[path]
        else:
            return self._elsewhere(exchange)
        if not _host_allowed(exchange) or not _cors(exchange, methods):
            return None
        handler = methods.get(exchange.method)
        if handler is None:
            allow = ("Allow", ", ".join(reversed(methods)))
            kind = ("Content-Type", _TEXT)
            return exchange.answer(405, b"405 method not allowed", [allow, kind])
        if path in self.faults:
            exchange.spoil(*self.faults[path])
        handler(exchange)
        if exchange.fault and exchange.held is not None:
            held, exchange.held = exchange.held, None
            name, after = exchange.fault
            faults.FAULTS[name](Wire(exchange, held, after))
        return None

    def _elsewhere(self, exchange: Exchange) -> None:
        """Unknown paths, and those that gin corrects."""
        path = re.sub("/+", "/", exchange.path)
        path = path.rstrip("/") or "/"
        if path not in self.routes or path == exchange.path:
            kind = ("Content-Type", _TEXT)
            return exchange.answer(404, b"404 page not found", [kind])
        reads = exchange.method in ("GET", "HEAD")
        status = 301 if reads and "//" not in exchange.path else 307
        headers = [("Location", path)]
        body = b""
        if reads:
            words = "Moved Permanently" if status == 301 else "Temporary Redirect"
            body = f'<a href="{path}">{words}</a>.\n\n'.encode()
            headers.append(("Content-Type", "text/html; charset=utf-8"))
        return exchange.answer(status, body, headers)

    def _model(
        self, exchange: Exchange, request: dict[str, Any], *, embeds: bool = False
    ) -> Model:
        """The model asked for; one that is made to fail spoils the answer."""
        model = model_of(self.catalogue, request.get("model", ""), embeds=embeds)
        behaviour = model.behaviour
        if behaviour.fault and exchange.held is None:
            exchange.spoil(behaviour.fault, behaviour.after)
        return model

    def _chat(self, exchange: Exchange) -> None:
        clock = Clock()
        request = read(exchange, fields.CHAT)
        _check_top(request)
        if not request.get("model"):
            raise Refusal(400, "model is required")
        model = self._model(exchange, request)
        if "completion" not in model.capabilities:
            raise Refusal(400, f'"{request["model"]}" does not support chat')
        call = Call(request, model, chat=True)
        self._speak(exchange, call, clock, idle=not request.get("messages"))

    def _generate(self, exchange: Exchange) -> None:
        clock = Clock()
        request = read(exchange, fields.GENERATE)
        _check_top(request)
        model = self._model(exchange, request)
        special = any(request.get(key) for key in ("template", "system", "context"))
        if request.get("raw") and special:
            reason = "raw mode does not support template, system, or context"
            raise Refusal(400, reason)
        if "completion" not in model.capabilities:
            raise Refusal(400, f'"{request["model"]}" does not support generate')
        call = Call(request, model, chat=False)
        self._speak(exchange, call, clock, idle=not call.prompt and not call.suffix)

    def _speak(self, exchange: Exchange, call: Call, clock: Clock, idle: bool) -> None:
        keep = call.request.get("keep_alive")
        kind = [("Content-Type", JSON)]
        if idle and keep == 0:
            self.catalogue.loaded.pop(call.model.name.key, None)
            return exchange.answer(200, loaded(call, "unload"), kind)
        call.check_capabilities()
        self._load(exchange, call.model, keep, call)
        clock.loaded = time.perf_counter_ns()
        if idle:
            return exchange.answer(200, loaded(call, "load"), kind)
        if call.request.get("_debug_render_only"):
            return exchange.answer(200, rendered(call), kind)
        try:
            speak(exchange, call, clock)
        except Refusal as refusal:
            return refuse(exchange, refusal, call.stream)
        if keep == 0:
            self.catalogue.loaded.pop(call.model.name.key, None)
        return None

    def _load(
        self, exchange: Exchange, model: Model, keep: int | None, call: Call | None
    ) -> None:
        if model.behaviour.load:
            exchange.wait(model.behaviour.load)
        given = call.options if call else {}
        one = self.catalogue.load(model, keep, given)
        if call:
            call.context = one.context

    def _embed(self, exchange: Exchange) -> None:
        clock = Clock()
        request = read(exchange, fields.EMBED)
        inputs = _inputs(request.get("input"))
        model = self._model(exchange, request, embeds=True)
        chosen = options(request.get("options", {}))
        self._load(exchange, model, request.get("keep_alive"), None)
        clock.loaded = time.perf_counter_ns()
        counts = [_embed_count(model, text) for text in inputs]
        limit = min(chosen.get("num_ctx") or model.context, model.context)
        if not request.get("truncate", True) and max(counts, default=0) > limit:
            raise Refusal(400, TOO_LONG)
        kept = request.get("dimensions", 0)
        kept = kept if 0 < kept < model.dims else model.dims
        vectors = [Raw(vector_text(text, model.dims, kept)) for text in inputs]
        body = {"model": request.get("model", ""), "embeddings": vectors}
        if vectors:
            now = time.perf_counter_ns()
            body["total_duration"] = now - clock.start
            body["load_duration"] = max(1, clock.loaded - clock.start)
            body["prompt_eval_count"] = sum(min(count, limit) for count in counts)
        self._unloaded(request, model)
        send(exchange, body)

    def _unloaded(self, request: dict[str, Any], model: Model) -> None:
        if request.get("keep_alive") == 0:
            self.catalogue.loaded.pop(model.name.key, None)

    def _embeddings(self, exchange: Exchange) -> None:
        request = read(exchange, fields.EMBEDDINGS)
        model = self._model(exchange, request, embeds=True)
        self._load(exchange, model, request.get("keep_alive"), None)
        values: list[Raw] = []
        if request.get("prompt"):
            found = vector(request["prompt"], model.dims, model.dims)
            values = [Raw(number(value)) for value in found]
        self._unloaded(request, model)
        send(exchange, {"embedding": values})

    def _log(self, exchange: Exchange) -> None:
        shown = [entry.shown() for entry in self.journal.entries]
        send(exchange, {"simulator": VERSION, "requests": shown})

    def _clear(self, exchange: Exchange) -> None:
        self.journal.entries.clear()
        send(exchange, {"requests": []})

    def _wait(self, exchange: Exchange) -> None:
        query = dict(exchange.query)
        entry = self.journal.wait(query, float(query.pop("timeout", 5)))
        if entry is None:
            raise Refusal(504, "no such request within the time")
        send(exchange, {"request": entry.shown()})

    def _open(self, exchange: Exchange) -> None:
        send(exchange, {"open": self.journal.open})

    def _fault(self, exchange: Exchange) -> None:
        name = exchange.query.get("name", "")
        if name not in faults.FAULTS:
            raise Refusal(404, f"no fault {name!r}")
        after = exchange.query.get("after")
        path = exchange.query.get("path", "/api/tags")
        self.faults[path] = (name, None if after is None else int(after))
        send(exchange, {"faults": list(self.faults)})

    def _clear_faults(self, exchange: Exchange) -> None:
        self.faults.clear()
        send(exchange, {"faults": {}})


def read(exchange: Exchange, spec: dict[str, Any]) -> dict[str, Any]:
    """The request's body as the struct ``spec``; raises ``Refusal``."""
    body = exchange.read()
    if not body.strip(b" \t\r\n"):
        raise Refusal(400, "missing request body")
    try:
        return fields.read(spec, golang.decode(body))
    except GoError as error:
        raise Refusal(400, str(error)) from None


def _check_top(request: dict[str, Any]) -> None:
    if not 0 <= request.get("top_logprobs", 0) <= 20:
        raise Refusal(400, "top_logprobs must be between 0 and 20")


def _inputs(given: Any) -> list[str]:
    if given is None or given == "":
        return []
    inputs = [given] if isinstance(given, str) else given
    if not isinstance(inputs, list) or not all(isinstance(i, str) for i in inputs):
        raise Refusal(400, "invalid input type")
    return inputs


def _embed_count(model: Model, text: str) -> int:
    """Tokens of an input: words an embedding model knows are one, others letters."""
    if model.voice and model.voice != "tiny-embed":
        return 1 + len(text)
    known = DATA["verbose"]["bert"]["tokenizer.ggml.tokens"]
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    whole = (not model.voice or f"\u2581{word}" in known for word in words)
    sizes = (1 if one else len(word) for one, word in zip(whole, words, strict=True))
    return 2 + sum(sizes)


def _both(handler: Handler) -> dict[str, Handler]:
    return {"GET": handler, "HEAD": handler}


def _text(words: str) -> Handler:
    kind = ("Content-Type", "text/plain; charset=utf-8")
    return lambda exchange: exchange.answer(200, words.encode(), [kind])


def _status(exchange: Exchange) -> None:
    send(exchange, {"cloud": {"disabled": True, "source": "env"}})


def _recommendations(exchange: Exchange) -> None:
    send(exchange, {"recommendations": DATA["recommendations"]})


def _refusing(status: int, reason: str) -> Handler:
    def refusing(exchange: Exchange) -> None:
        exchange.read()
        raise Refusal(status, reason)

    return refusing


def _no_cloud(what: str) -> Handler:
    return _refusing(403, f"ollama cloud is disabled: {what} is unavailable")


def _reading(
    spec: dict[str, Any], handler: Callable[[Exchange, dict[str, Any]], None]
) -> Handler:
    return lambda exchange: handler(exchange, read(exchange, spec))


def _host_allowed(exchange: Exchange) -> bool:
    host = re.sub(r":\d+$", "", exchange.get("host").lower())
    if exchange.old or _GOOD_HOSTS.fullmatch(host):
        return True
    exchange.answer(403)
    return False


def _cors(exchange: Exchange, methods: dict[str, Handler]) -> bool:
    """Set the CORS headers; False when the request has been answered."""
    origin = exchange.get("origin")
    if not origin:
        return True
    allow = ("Allow", ", ".join(reversed(methods)))
    preflight = exchange.method == "OPTIONS"
    if not _GOOD_ORIGINS.fullmatch(origin):
        exchange.answer(403, b"", [allow] if preflight else [])
        return False
    exchange.extra = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    if preflight:
        exchange.answer(
            204,
            b"",
            [
                ("Access-Control-Allow-Headers", _CORS_HEADERS),
                (
                    "Access-Control-Allow-Methods",
                    "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS",
                ),
                ("Access-Control-Max-Age", "43200"),
                allow,
                *(
                    ("Vary", f"Access-Control-Request-{w}")
                    for w in ("Method", "Headers")
                ),
            ],
        )
    return not preflight


__all__ = ["VERSION", "Api", "float32", "names"]
