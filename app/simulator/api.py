"""Ollama's routes: which handler answers which method and path.

The simulator's own routes live under ``/simulator/`` and say so.
"""

import re
from collections.abc import Callable
from typing import Any

from . import faults, fields
from .calls import Refusal
from .deliver import refuse
from .engine import Engine
from .exchange import Exchange
from .journal import Journal
from .library import Library, read, send
from .models import Catalogue
from .origins import admitted, allow
from .tiny import DATA
from .window import VERSION, Window
from .wire import Wire

_TEXT = ("Content-Type", "text/plain")
Handler = Callable[[Exchange], None]


class Api:
    """All routes over one catalogue."""

    def __init__(self, catalogue: Catalogue, journal: Journal, tps: float = 0) -> None:
        self.tps = tps
        self.library = library = Library(catalogue)
        self.window = window = Window(journal)
        engine = Engine(catalogue)
        self.routes: dict[str, dict[str, Handler]] = {
            "/": _both(_text("Ollama is running")),
            "/api/version": _both(lambda e: send(e, {"version": VERSION})),
            "/api/tags": _both(library.tags),
            "/api/ps": {"GET": library.ps},
            "/api/status": {"GET": _status},
            "/api/chat": {"POST": engine.chat},
            "/api/generate": {"POST": engine.generate},
            "/api/embed": {"POST": engine.embed},
            "/api/embeddings": {"POST": engine.embeddings},
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
            "/simulator/log": {"GET": window.log, "DELETE": window.clear},
            "/simulator/wait": {"GET": window.wait},
            "/simulator/open": {"GET": window.open},
            "/simulator/fault": {"POST": window.fault, "DELETE": window.clear_faults},
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
        if not admitted(exchange, methods):
            return None
        handler = methods.get(exchange.method)
        if handler is None:
            headers = [allow(methods), _TEXT]
            return exchange.answer(405, b"405 method not allowed", headers)
        if path in self.window.faults:
            exchange.spoil(*self.window.faults[path])
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
            return exchange.answer(404, b"404 page not found", [_TEXT])
        reads = exchange.method in ("GET", "HEAD")
        status = 301 if reads and "//" not in exchange.path else 307
        headers = [("Location", path)]
        body = b""
        if reads:
            words = "Moved Permanently" if status == 301 else "Temporary Redirect"
            body = f'<a href="{path}">{words}</a>.\n\n'.encode()
            headers.append(("Content-Type", "text/html; charset=utf-8"))
        return exchange.answer(status, body, headers)


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
