"""Kept responses, as their routes give them back: one, its input, its end.

``GET`` and ``DELETE /v1/responses/{id}`` and ``GET /v1/responses/{id}/input_items``.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from app.errors import BadRequest
from app.exchange import Exchange
from app.storage import Item
from app.wire import responses
from writers import headers

from .effects import unsupported
from .responses_kept import Keeper, own_id, owner_of

#: Items on a page, and the most that can be asked for.
_PAGE, _MOST = 20, 100
_INPUT = "/input_items"

_encode = msgspec.json.Encoder().encode


class _OneResponse:
    """What the routes of one response share; ``prefix`` comes before its id."""

    def __init__(self, keeper: Keeper | None, prefix: str) -> None:
        self.keeper = keeper
        self.prefix = prefix

    def _owner(self, environ: WSGIEnvironment) -> str:
        return owner_of(Exchange.of(environ))

    def _id(self, environ: WSGIEnvironment) -> str:
        path: str = environ["PATH_INFO"]
        return path.removeprefix(self.prefix)

    def _send(
        self, environ: WSGIEnvironment, start_response: StartResponse, payload: bytes
    ) -> list[bytes]:
        exchange = Exchange.of(environ)
        exchange.stream = False
        own = [("Content-Type", "application/json")]
        own.append(("Content-Length", str(len(payload))))
        start_response("200 OK", headers.of(exchange, own))
        return [payload]


class RetrieveResponseMiddleware(_OneResponse):
    """A response as it was answered, or the items of its request."""

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        id, query = self._id(environ), parse_qs(environ.get("QUERY_STRING", ""))
        owner = self._owner(environ)
        if id.endswith(_INPUT):
            payload = self._input(id.removesuffix(_INPUT), owner, query)
        else:
            if query.get("stream") == ["true"]:
                raise unsupported("stream")
            payload = self._kept(id, owner)
        return self._send(environ, start_response, payload)

    def _kept(self, id: str, owner: str) -> bytes:
        kept = self.keeper.get(id, owner) if self.keeper is not None else None
        if kept is None:
            raise _unknown(id)
        return kept.body

    def _input(self, id: str, owner: str, query: dict[str, list[str]]) -> bytes:
        limit, descending = _limit(query), _descending(query)
        keeper = self.keeper
        items = keeper.items(id, owner, output=False) if keeper is not None else []
        if not items:
            self._kept(id, owner)  # which may have been asked without any
        if descending:
            items.reverse()
        after = query.get("after", [""])[0]
        return _encode(_page(_later(items, after), limit))


class DeleteResponseMiddleware(_OneResponse):
    """Forgets a response."""

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        id = self._id(environ)
        if self.keeper is None or not self.keeper.delete(id, self._owner(environ)):
            raise _unknown(id)
        return self._send(
            environ, start_response, _encode(responses.ResponseDeleted(id))
        )


def _page(items: list[Item], limit: int) -> responses.ItemList:
    page = items[:limit]
    return responses.ItemList(
        data=[msgspec.Raw(item.body) for item in page],
        first_id=own_id(page[0]) if page else "",
        last_id=own_id(page[-1]) if page else "",
        has_more=len(items) > limit,
    )


def _later(items: list[Item], after: str) -> list[Item]:
    if not after:
        return items
    for index, item in enumerate(items):
        if own_id(item) == after:
            return items[index + 1 :]
    raise BadRequest(
        f"Invalid value for 'after': there is no item with id '{after[:128]}'.",
        code="invalid_value",
        param="after",
    )


def _limit(query: dict[str, list[str]]) -> int:
    given = query.get("limit", [str(_PAGE)])[0]
    limit = int(given) if given.isascii() and given.isdigit() and len(given) < 4 else 0
    if not 1 <= limit <= _MOST:
        raise BadRequest(
            f"Invalid value for 'limit': expected an integer from 1 to {_MOST}.",
            code="invalid_value",
            param="limit",
        )
    return limit


def _descending(query: dict[str, list[str]]) -> bool:
    order = query.get("order", ["desc"])[0]
    if order not in ("asc", "desc"):
        raise BadRequest(
            "Invalid value for 'order'. Supported values are: 'asc' and 'desc'.",
            code="invalid_value",
            param="order",
        )
    return order == "desc"


def _unknown(id: Any) -> BadRequest:
    return BadRequest(
        f"Response with id '{id[:128]}' not found.",
        status=404,
        code="response_not_found",
        param="response_id",
    )
