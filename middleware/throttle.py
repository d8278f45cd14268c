"""ThrottleMiddleware, TokenLimit: hold a key to its limits.

Requests a minute and requests at a time are a matter of the layer: it counts all of a
key's requests, once each.  Tokens a day are one of the policy, which knows the call;
for native ones the layer goes by the size of the body.  What a request is about to use
is reserved and, when its answer is over, corrected to what it did use (specification:
gateway, section 7; decisions, 14 and 20).
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from math import ceil
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.carriers.base import Headers
from app.errors import BadRequest
from app.exchange import Exchange
from app.gateway.limits import Limits
from app.gateway.spent import Spent
from app.gateway.taken import Taken
from app.wire import errors, ollama

from .native import NAMING

#: Bytes of a text for a token, and tokens for an image (Ollama, server/prompt.go).
_BYTES, _IMAGE = 4, 768
#: No limit of tokens is above.
_MOST = 2**53
#: The most that a native request reserves for its prompt: of a longer one Ollama reads
#: no more where nothing else was set, and an image makes a body long, not a prompt.
_NATIVE = 4096

_options = msgspec.json.Decoder(dict[str, Any] | None).decode


class ThrottleMiddleware:
    """Counts the requests of keys; raises ``BadRequest``, 429.

    How much is left goes out with every answer (``Exchange.headers``).
    """

    def __init__(self, app: WSGIApplication, limits: Limits) -> None:
        self.app = app
        self.limits = limits

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on; most keys have no limits."""
        exchange = Exchange.of(environ)
        if exchange.key is not None:
            terms = exchange.key.terms
            if not (terms.rpm is terms.max_concurrent is terms.tpd is None):
                self._count(exchange, environ)
        return self.app(environ, start_response)

    def _count(self, exchange: Exchange, environ: WSGIEnvironment) -> None:
        assert exchange.key is not None
        limits = self.limits
        exchange.taken = taken = Taken(exchange.key)
        exchange.closing.append(partial(_leave, limits, exchange))
        # Not the environ, which has the exchange: requests are freed when they end.
        path, version = environ["PATH_INFO"], environ.get("HTTP_ANTHROPIC_VERSION")
        exchange.headers = partial(_headers, limits, taken, path, version)
        limits.enter(taken)
        if taken.refused:
            raise _refused(taken)
        if exchange.key.terms.tpd is not None and path in NAMING:
            length = environ.get("CONTENT_LENGTH") or ""
            size = int(length) if length.isdecimal() else 0
            taken.prompt = min(size // _BYTES, _NATIVE)
            if exchange.spent is None:  # without it nobody looks what Ollama counted
                exchange.spent = Spent("native", "ollama")
            _reserve(limits, taken, taken.prompt)


class TokenLimit:
    """A policy that holds a key to its tokens a day; raises ``BadRequest``, 429."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Take what the call may need; what it did not need is given back."""
        taken = exchange.taken
        if taken is None or taken.key.terms.tpd is None:
            return
        taken.prompt = exchange.prompt_estimate or _estimated(call) or 1
        taken.answer, taken.several = _answer(call.options), self.several
        _reserve(self.limits, taken, taken.prompt + taken.answer)

    def several(self, taken: Taken, calls: list[Any]) -> None:
        """The same for several calls that answer one request.

        What they all ask counts once; texts to embed have been looked at together.
        """
        if isinstance(calls[0], ollama.EmbedRequest):
            return
        if isinstance(calls[0], ollama.GenerateRequest):
            sizes = {id(one.prompt): len(one.prompt) for one in calls}
            taken.prompt = max(taken.prompt, sum(sizes.values()) // _BYTES)
        _reserve(self.limits, taken, taken.prompt + taken.answer * len(calls))

    def native(self, exchange: Exchange, members: Mapping[str, msgspec.Raw]) -> None:
        """Take what one of Ollama's own requests has, and allows for its answer."""
        taken = exchange.taken
        if taken is None or taken.key.terms.tpd is None:
            return
        taken.prompt = min(exchange.size // _BYTES, _NATIVE)  # by now it is known
        for name, raw in members.items():  # as Go reads it: in any case, the last wins
            if name.casefold() == "options":
                with suppress(msgspec.DecodeError):  # Ollama refuses it
                    taken.answer = _answer(_options(raw)) or taken.answer
        _reserve(self.limits, taken, taken.prompt + taken.answer)


def _reserve(limits: Limits, taken: Taken, tokens: int) -> None:
    if not limits.reserve(taken, tokens):
        raise _refused(taken, tokens)


def _answer(options: Mapping[str, Any] | None) -> int:
    """How many tokens options allow for an answer, 0 where they do not say."""
    asked = (options or {}).get("num_predict")
    return min(max(int(asked), 0), _MOST) if isinstance(asked, (int, float)) else 0


def _estimated(call: Any) -> int:
    """About how many tokens the prompt of a call has, after a short look."""
    if isinstance(call, ollama.EmbedRequest):
        texts = [call.input] if isinstance(call.input, str) else call.input
        return sum(map(len, texts)) // _BYTES
    if isinstance(call, ollama.GenerateRequest):
        return len(call.prompt + call.suffix + call.system) // _BYTES
    size = images = 0
    for message in call.messages:
        size += len(message.content)
        if message.images:
            images += len(message.images)
    return size // _BYTES + _IMAGE * images


def _leave(limits: Limits, exchange: Exchange) -> None:
    assert exchange.taken is not None
    limits.leave(exchange.taken, _used(exchange, exchange.taken))


def _used(exchange: Exchange, taken: Taken) -> int:
    """The tokens of an answer that is over: as Ollama counted, or what was seen.

    Once Ollama was asked, what was broken off, is late or was only read ahead has no
    count: the prompt as it was estimated, and a token for each piece that went out.
    """
    prompt, completion = exchange.prompt_tokens, exchange.completion_tokens
    if prompt or completion:
        return (prompt or 0) + (completion or 0)
    if not (taken.asked and _was_read(exchange)):
        return 0
    done = exchange.outcome == "done"  # of native answers not all say what they used
    if exchange.stream is False or (done and exchange.stream is None):
        return taken.prompt
    watch = exchange.watch
    return taken.prompt + (watch.items if watch is not None else 0)


def _was_read(exchange: Exchange) -> bool:
    """Whether Ollama has, or may have, read the prompt of what it was asked."""
    if exchange.status.startswith("2"):
        return True
    failure = exchange.failure
    if failure is None:
        return not exchange.status  # who asked has left
    return failure.status in (401, 499, 504)  # it was ended, or came too late


def _refused(taken: Taken, tokens: int = 0) -> BadRequest:
    terms, code = taken.key.terms, "rate_limit_exceeded"
    # It is of no use to try again within the day, or ever; libraries would, twice.
    useless = taken.refused == "tokens" or 0 in (terms.rpm, terms.max_concurrent)
    if taken.refused == "tokens":
        code = "quota_exceeded"
        left = max(0, (terms.tpd or 0) - taken.tokens + taken.reserved)
        said = (
            f"use {_many(terms.tpd, 'token')} a day (UTC); {left} are left, and this"
            f" request may need {tokens}"
        )
    elif taken.refused == "requests":
        said = f"make {_many(terms.rpm, 'request')} a minute"
    else:
        said = f"have {_many(terms.max_concurrent, 'request')} answered at a time"
    headers = [("Retry-After", str(max(1, ceil(taken.wait))))]
    if useless:
        headers.append(("x-should-retry", "false"))
    again = "" if useless else "; please try again later"
    return BadRequest(
        f"This key may {said}{again}.", status=429, code=code, headers=headers
    )


def _many(limit: int | None, what: str) -> str:
    return f"{limit or 'no'} {what}{'' if limit == 1 else 's'}"


def _headers(limits: Limits, taken: Taken, path: str, version: str | None) -> Headers:
    """How much is left, as OpenAI says it, and for Anthropic's clients as that does."""
    terms = taken.key.terms
    rpm, tpd = terms.rpm, terms.tpd
    headers: Headers = []
    if rpm is not None:
        headers += (
            ("x-ratelimit-limit-requests", str(rpm)),
            ("x-ratelimit-remaining-requests", _left(rpm, taken.requests)),
            ("x-ratelimit-reset-requests", duration(ceil(taken.reset))),
        )
    if tpd is not None:
        headers += (
            ("x-ratelimit-limit-tokens", str(tpd)),
            ("x-ratelimit-remaining-tokens", _left(tpd, taken.tokens)),
            ("x-ratelimit-reset-tokens", duration(ceil(limits.left_of_day()))),
        )
    if errors.dialect(path, version) == "anthropic":
        if rpm is not None:
            until = limits.now() + taken.reset
            headers += _gauge("requests", rpm, taken.requests, until)
        if tpd is not None:
            until = limits.now() + limits.left_of_day()
            headers += _gauge("tokens", tpd, taken.tokens, until)
    return headers


def _gauge(what: str, limit: int, used: int, until: float) -> Headers:
    return [
        (f"anthropic-ratelimit-{what}-limit", str(limit)),
        (f"anthropic-ratelimit-{what}-remaining", _left(limit, used)),
        (
            f"anthropic-ratelimit-{what}-reset",
            time.strftime(_RFC_3339, time.gmtime(ceil(until))),
        ),
    ]


def _left(limit: int, used: int) -> str:
    return str(limit - used) if used < limit else "0"


_RFC_3339 = "%Y-%m-%dT%H:%M:%SZ"


@lru_cache(maxsize=64)
def duration(seconds: int) -> str:
    """A time as OpenAI writes it: ``0s``, ``1s``, ``6m0s``, ``13h0m5s``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
