"""CountMiddleware: how many tokens a request would have, in any dialect.

A guess costs nothing.  An exact count asks Ollama, which reads the prompt for it and
keeps what it has read for the request that mostly follows (specification: messages,
section 6).
"""

from collections.abc import Iterable
from functools import partial
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from app import tokens
from app.errors import GatewayError
from app.exchange import Exchange
from app.prompt import estimated
from app.turns import let_others
from writers.count import CountWriter

from .base import Policy, calling
from .conversation import ConversationMiddleware
from .explain import explained, wants_explanation

_encode = msgspec.json.Encoder().encode


class CountMiddleware:
    """Counts what ``endpoint`` would send to Ollama; ``writer`` has the dialect's form.

    Ollama is asked under the endpoint's policies: another context than the request's
    own would have it load the model anew.  ``admit`` sees whether the model may be
    used of which it is not asked.
    """

    def __init__(
        self,
        endpoint: ConversationMiddleware[Any],
        writer: type[CountWriter],
        admit: Policy | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.writer = writer
        self.admit = admit

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        exchange = Exchange.of(environ)
        _, call = self.endpoint.prepared(environ, exchange)
        exchange.stream = call.stream = False
        guess = partial(estimated, call)
        credible = partial(_credible, [message.content for message in call.messages])
        writer = self.writer(
            exchange, start_response, estimated=guess, credible=credible
        )
        if self.endpoint.settings.counting == "estimate":
            if self.admit is not None:
                self.admit(exchange, call)
            return writer.answer_estimate()
        for policy in self.endpoint.policies:
            policy(exchange, call)
        only_read(call)
        if wants_explanation(environ):
            return explained(exchange, [call], start_response)
        return self._asked(environ, writer, call)

    def _asked(
        self, environ: WSGIEnvironment, writer: CountWriter, call: Any
    ) -> Iterable[bytes]:
        """What Ollama counts; a prompt that is too long for it is guessed at."""
        exchange = writer.exchange
        if exchange.prepare is not None:
            exchange.prepare()
        try:
            body = _encode(call)
            let_others(body)
            return writer.answer(self.endpoint.app, calling(environ, call.path, body))
        except GatewayError as exc:
            if exc.code != "context_length_exceeded":
                raise
            return writer.answer_estimate()


def only_read(call: Any) -> None:
    """Have a call read its prompt, whole, and say next to nothing."""
    call.options = {**(call.options or {}), "num_predict": 1}
    call.think, call.format = False, None
    call.logprobs = call.top_logprobs = None
    call.truncate = False


def _credible(texts: list[str], count: int) -> bool:
    """Whether so many tokens can be all of these texts.

    They are fewer where Ollama cut the prompt, or counts only what it had not cached.
    """
    least = sum(tokens.at_least(text, count) for text in texts)
    return count > 0 and least <= count
