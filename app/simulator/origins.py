"""Who may ask: Host and Origin as Ollama checks them, and CORS headers."""

import re
from collections.abc import Iterable

from .exchange import Exchange

_HOSTS = re.compile(
    r"localhost|.*\.(localhost|local|internal)|[\d.]+|\[[0-9a-fA-F:.%]+\]"
)
_ORIGINS = re.compile(
    r"https?://(localhost|127\.0\.0\.1|0\.0\.0\.0)(:\d+)?"
    r"|(app|file|tauri|vscode-webview|vscode-file)://.*"
)
_PREFLIGHT = [
    (
        "Access-Control-Allow-Headers",
        "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,"
        "X-Stainless-Arch,X-Stainless-Async,X-Stainless-Custom-Poll-Interval,"
        "X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,"
        "X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,"
        "X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Timeout",
    ),
    ("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"),
    ("Access-Control-Max-Age", "43200"),
    ("Vary", "Access-Control-Request-Method"),
    ("Vary", "Access-Control-Request-Headers"),
]


def allow(methods: Iterable[str]) -> tuple[str, str]:
    """The Allow header of a route."""
    return "Allow", ", ".join(reversed(list(methods)))


def admitted(exchange: Exchange, methods: Iterable[str]) -> bool:
    """Whether the request may go on; if not, it has been answered."""
    return _host(exchange) and _origin(exchange, allow(methods))


def _host(exchange: Exchange) -> bool:
    host = re.sub(r":\d+$", "", exchange.get("host").lower())
    if exchange.old or _HOSTS.fullmatch(host):
        return True
    exchange.answer(403)
    return False


def _origin(exchange: Exchange, allowed: tuple[str, str]) -> bool:
    origin = exchange.get("origin")
    if not origin:
        return True
    preflight = exchange.method == "OPTIONS"
    if not _ORIGINS.fullmatch(origin):
        exchange.answer(403, b"", [allowed] if preflight else [])
        return False
    exchange.extra = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    if preflight:
        exchange.answer(204, b"", [*_PREFLIGHT, allowed])
    return not preflight
