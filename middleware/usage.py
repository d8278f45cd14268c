"""UsageNotes: what each request to a model has used, when its answer is over.

It is told of each request by what watches the end.  While one passes, others note what
they learn (``Spent``); here a row is made of it all (specification: gateway, section 2;
decisions, 20 and 34; reliability, Q5).
"""

import random
from collections.abc import Callable
from functools import lru_cache, partial
from wsgiref.types import WSGIEnvironment

from app.addresses import KEPT
from app.errors import GatewayError
from app.exchange import Exchange
from app.gateway.spent import Spent
from app.gateway.usage import Row, Status
from app.installation import Installation
from app.moment import now_ms
from app.redaction import Redaction
from app.settings import Settings
from app.wire.names import short

from .validation import MAX_NAME

#: Characters of a user agent, and of the digest of a user, that are kept.
AGENT, USER = 120, 16
#: A client may have put its key into another field.
_REDACTION = Redaction()

#: Endpoint group and protocol by path; all are asked with POST.
ROUTES: dict[str, tuple[str, str]] = {
    **{
        f"{base}{path}": (endpoint, "openai")
        for base in ("/v1", "")
        for path, endpoint in (
            ("/chat/completions", "chat"),
            ("/completions", "completions"),
            ("/embeddings", "embeddings"),
            ("/responses", "responses"),
            ("/responses/input_tokens", "responses"),
            ("/audio/transcriptions", "audio"),
            ("/fim/completions", "code"),
        )
    },
    "/beta/completions": ("completions", "openai"),
    **{
        f"{base}{path}": ("messages", "anthropic")
        for base in ("/v1", "", "/anthropic/v1")
        for path in ("/messages", "/messages/count_tokens")
    },
    "/infill": ("code", "llamacpp"),
    "/completion": ("code", "llamacpp"),
    "/code/generate": ("code", "ollama"),
    "/api/chat": ("native", "ollama"),
    "/api/generate": ("native", "ollama"),
    "/api/embed": ("native", "ollama"),
    "/api/embeddings": ("native", "ollama"),
}
#: What refusals are called, by their status; all others are faults of the request.
_REFUSED: dict[int, Status] = {401: "auth_error", 403: "auth_error"}
_REFUSED[429] = "rate_limited"
_REFUSED[499] = "cancelled"


class UsageNotes:
    """Has a row written for each request that has a key, or for all.

    ``address`` says where a request came from.
    """

    def __init__(
        self,
        installation: Installation,
        settings: Settings,
        address: Callable[[WSGIEnvironment], str],
    ) -> None:
        self.address = address
        self._installation = installation
        self._current = installation.current
        self._usage = installation.usage
        self._kept = KEPT[settings.usage_client_ip]
        self._usage.days = settings.usage_days
        self._off = settings.usage == "off"
        self._all = settings.usage == "on"

    def __call__(self, environ: WSGIEnvironment) -> None:
        """A request has come; a row is made at its end."""
        # Whether there is a key will be known inside.
        if not self._off and (self._all or self._current.may_close):
            route = ROUTES.get(environ["PATH_INFO"])
            if route is not None and environ["REQUEST_METHOD"] == "POST":
                self._watch(environ, *route)

    def _watch(self, environ: WSGIEnvironment, endpoint: str, protocol: str) -> None:
        exchange = Exchange.of(environ)
        length = environ.get("CONTENT_LENGTH") or ""
        exchange.spent = Spent(
            endpoint,
            protocol,
            self._kept(self.address(environ)),
            environ.get("HTTP_USER_AGENT", "")[:AGENT],
            int(length) if length.isdecimal() else 0,
        )
        exchange.closing.append(partial(self._end, exchange))

    def _end(self, exchange: Exchange) -> None:
        spent, exchange.spent = exchange.spent, None
        if spent is None:
            return
        if exchange.key is not None or (self._all and exchange.status != "401"):
            self._usage.add(self._row(exchange, spent))

    def _row(self, exchange: Exchange, spent: Spent) -> Row:
        key = exchange.key
        duration = exchange.milliseconds()
        at = now_ms() - duration
        stream = spent.stream
        status, code = _status(exchange)
        prompt, completion, estimated = _tokens(exchange, stream)
        began = exchange.status == "200" and status in ("ok", "cancelled")
        queue_ms, load_ms, prompt_ms, eval_ms = spent.durations()
        name = exchange.model or spent.model
        texts = _texts(name[:MAX_NAME], exchange.resolved[:MAX_NAME], spent.agent)
        requested, resolved, agent = texts
        return Row(
            id=row_id(at),
            at=at,
            request_id=exchange.id,
            key_id=key.id if key is not None else "",
            key_name=key.name if key is not None else "",
            requested_model=requested,
            resolved_model=resolved,
            endpoint=spent.endpoint,
            protocol=spent.protocol,
            stream=stream,
            http_status=int(exchange.status) if exchange.status else None,
            status=status,
            error_code=code,
            prompt_tokens=prompt,
            completion_tokens=completion,
            reasoning_tokens=spent.reasoning or None,
            estimated=estimated,
            queue_ms=queue_ms,
            load_ms=load_ms,
            ttft_ms=exchange.first_item_ms if stream and began else None,
            prompt_ms=prompt_ms,
            eval_ms=eval_ms,
            duration_ms=duration,
            finish_reason="tool_calls" if spent.tool_calls else spent.finish,
            n_messages=spent.messages,
            n_tools=spent.tools,
            n_tool_calls=spent.tool_calls,
            n_images=spent.images,
            bytes_in=exchange.size or spent.size,
            bytes_out=exchange.sent,
            think="" if spent.think is None else str(spent.think).lower(),
            client_ip=spent.address,
            user_agent=agent,
            end_user=self._user(spent.user),
        )

    def _user(self, user: str) -> str:
        """What tells users apart and names none of them."""
        if not user:
            return ""
        digest = self._installation.hash(b"user " + user.encode(errors="replace"))
        return digest.hex()[:USER]


def row_id(at: int) -> str:
    """A UUIDv7 of a time in Unix milliseconds, in hexadecimal."""
    chance = random.getrandbits(74)
    low = 1 << 63 | chance & (1 << 62) - 1
    return f"{at << 80 | 7 << 76 | chance >> 62 << 64 | low:032x}"


@lru_cache(maxsize=256)
def _texts(name: str, resolved: str, agent: str) -> tuple[str, str, str]:
    """The model asked for and the one it is, and the program that asks, as rows say it.

    A model has one name for all its spellings: its rows are added up by it.
    """
    redacted, model = _REDACTION.redacted, resolved or name
    return (
        redacted(name),
        redacted(short(model)[:MAX_NAME] if model else ""),
        redacted(agent),
    )


def _status(exchange: Exchange) -> tuple[Status, str]:
    """How a request ended, and the code of its error."""
    failure = exchange.failure
    if failure is not None:
        return _refused(failure), failure.code or ""
    status = int(exchange.status or 0)
    if status >= 400:  # Ollama's own word, relayed
        if status >= 500:
            return "upstream_error", ""
        return _REFUSED.get(status, "client_error"), ""
    if exchange.outcome == "done" or exchange.complete:
        return "ok", ""
    if exchange.outcome == "cut":
        return "upstream_error", ""
    return "cancelled", ""


def _refused(failure: GatewayError) -> Status:
    status = failure.status
    if status == 504:
        return "timeout"
    if status >= 500:
        return "upstream_error"
    return _REFUSED.get(status, "client_error")


def _tokens(exchange: Exchange, stream: bool) -> tuple[int | None, int | None, bool]:
    """Tokens read and written; the latter a guess where a stream was broken off.

    Ollama sends about one token at a time, and each comes to the client at once.
    """
    written = exchange.completion_tokens
    watch = exchange.watch
    began = exchange.status == "200" and exchange.first_item_ms is not None
    if written is None and stream and began and watch is not None:
        return exchange.prompt_tokens, watch.items, True
    return exchange.prompt_tokens, written, False
