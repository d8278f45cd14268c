"""ListMiddleware, RetrieveMiddleware, DeleteMiddleware: models, as clients know them.

OpenAI's clients and Anthropic's ask under one path; the latter say who they are.
"""

import re
from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.catalog import Catalog
from app.errors import BadRequest, NotAllowed, UpstreamRefused
from app.exchange import Exchange
from app.wire import errors, ollama
from writers.anthropic_models import (
    AnthropicListWriter,
    AnthropicRetrieveWriter,
    Page,
)
from writers.base import ResponseWriter
from writers.delete import DeleteWriter
from writers.list import ListWriter
from writers.retrieve import RetrieveWriter

from .access import unknown
from .aliases import Aliases
from .base import calling
from .shown import Shown
from .validation import model_name

#: Models of one page.
MAX_PAGE = 1000

_encode = msgspec.json.Encoder().encode


class ListMiddleware:
    """``GET /v1/models`` over ``/api/tags``.

    ``aliases`` are listed as well, and say what may be; a ``catalog`` adds facts.
    """

    def __init__(
        self,
        app: WSGIApplication,
        aliases: Aliases | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        self.app = app
        self.shown = Shown(aliases) if aliases else None
        self.catalog = catalog

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        exchange = Exchange.of(environ)
        exchange.stream = False
        theirs = is_anthropic(environ)
        writer = (AnthropicListWriter if theirs else ListWriter)(
            exchange,
            start_response,
            shown=partial(self.shown, exchange.key) if self.shown else None,
            catalog=self.catalog,
        )
        if isinstance(writer, AnthropicListWriter):
            writer.page = page(environ)
        return writer.answer(self.app, calling(environ, "/api/tags", None, "GET"))


def is_anthropic(environ: WSGIEnvironment) -> bool:
    """Whether it is one of Anthropic's clients that asks."""
    version = environ.get("HTTP_ANTHROPIC_VERSION")
    return errors.dialect(environ.get("PATH_INFO", ""), version) == "anthropic"


def page(environ: WSGIEnvironment) -> Page:
    """Which page of the models a query asks for; raises ``BadRequest``."""
    query = parse_qs(environ.get("QUERY_STRING", ""))
    given = {name: values[-1] for name, values in query.items()}
    limit = given.get("limit", str(Page().limit))
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= MAX_PAGE:
        raise BadRequest(
            f"limit: a number from 1 to {MAX_PAGE} is wanted",
            code="invalid_value",
            param="limit",
        )
    return Page(int(limit), given.get("after_id"), given.get("before_id"))


class _OneModel:
    """What the routes of one model share.

    ``prefix`` is what comes before its name in the path; names may hold slashes.
    ``aliases`` tell the model that a name means, and whether it may be used.
    """

    def __init__(
        self,
        app: WSGIApplication,
        prefix: str = "/v1/models/",
        aliases: Aliases | None = None,
    ) -> None:
        self.app = app
        self.prefix = prefix
        self.aliases = aliases

    def _named(self, environ: WSGIEnvironment) -> tuple[Exchange, str]:
        """The exchange, and the name in the path."""
        exchange = Exchange.of(environ)
        exchange.stream = False
        # WSGI hands the path's bytes on as latin-1 (PEP 3333).
        raw = environ["PATH_INFO"].removeprefix(self.prefix).encode("latin-1")
        try:
            exchange.model = _name(raw.decode())
        except (BadRequest, UnicodeDecodeError) as exc:
            raise _unknown(exchange, raw.decode(errors="replace")) from exc
        return exchange, exchange.model

    def _meant(self, exchange: Exchange) -> str:
        """The model that the name means, if it may be used; raises ``BadRequest``."""
        if self.aliases is None:
            return exchange.model
        model = self.aliases.note(exchange, exchange.model)
        access, key = self.aliases.access, exchange.key
        named = exchange.alias, exchange.model
        if access.concerns(key) and not access.admits(key, model, *named):
            raise _unknown(exchange, exchange.model)
        return model

    def _answer(
        self, writer: ResponseWriter[ollama.ShowResponse], call: WSGIEnvironment
    ) -> Iterable[bytes]:
        """The writer's answer; a model that is not there, in OpenAI's words."""
        try:
            return writer.answer(self.app, call)
        except UpstreamRefused as exc:
            invalid = (
                exc.message == "invalid model name" or " is invalid" in exc.message
            )
            if exc.status == 404 or (exc.status == 400 and invalid):
                exchange = writer.exchange
                raise _unknown(exchange, exchange.model) from exc
            raise


class RetrieveMiddleware(_OneModel):
    """``GET /v1/models/{model}`` over ``/api/show``; a ``catalog`` adds facts."""

    def __init__(
        self, app: WSGIApplication, *named: Any, catalog: Catalog | None = None
    ) -> None:
        super().__init__(app, *named)
        self.catalog = catalog

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        exchange, id = self._named(environ)
        name = self._meant(exchange)
        theirs = is_anthropic(environ)
        writer = (AnthropicRetrieveWriter if theirs else RetrieveWriter)(
            exchange, start_response, id=id, name=name, catalog=self.catalog
        )
        body = _encode(ollama.ShowRequest(name))
        return self._answer(writer, calling(environ, "/api/show", body))


class DeleteMiddleware(_OneModel):
    """``DELETE /v1/models/{model}`` over ``/api/delete``, where it is ``allowed``.

    An alias is nothing that can be deleted, and never its model.
    """

    def __init__(
        self, app: WSGIApplication, *named: Any, allowed: bool = False
    ) -> None:
        super().__init__(app, *named)
        self.allowed = allowed

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        if not self.allowed:
            raise NotAllowed(
                "Models cannot be deleted here (PANNIER_MODEL_DELETE is off)."
            )
        exchange, name = self._named(environ)
        if self._meant(exchange) != name:
            raise _unknown(exchange, name)
        writer = DeleteWriter(exchange, start_response, model=name)
        body = _encode(ollama.DeleteRequest(name))
        return self._answer(writer, calling(environ, "/api/delete", body, "DELETE"))


def _name(name: str) -> str:
    """A name that may be one; tricks with paths never are (reliability, A1)."""
    if "\\" in name or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise BadRequest("no path is a name")
    return model_name(name)


def _unknown(exchange: Exchange, name: str) -> BadRequest:
    if exchange.key is not None:
        return unknown(name)
    return BadRequest(
        f"The model '{name[:512]}' does not exist",
        status=404,
        code="model_not_found",
        param="model",
    )
