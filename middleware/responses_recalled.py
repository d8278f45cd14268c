"""Recalled: what a request of the Responses API has looked up of what is kept.

A few bytes can name megabytes, and name them often.  So what is looked up counts as if
the request had brought it: as many items, and as many bytes, as a request may have.
"""

from collections import Counter
from typing import Any

import msgspec

from app.errors import BadRequest
from app.storage import Item, TooMuch
from app.turns import in_turns, let_others

from .content import MAX_MESSAGES
from .responses_input import kind_of
from .responses_kept import Keeper, is_ours
from .validation import missing

#: What says that an item is another one.
_REFERENCE = "item_reference"

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Recalled:
    """What is looked up for one request of ``owner``; it may have so many bytes.

    ``keeper`` is ``None`` where nothing is kept.  What is asked of it may raise
    ``GatewayError``, 503.
    """

    def __init__(self, keeper: Keeper | None, most_bytes: int, owner: str) -> None:
        self._keeper = keeper
        self._owner = owner
        self._room = max(most_bytes, 0)

    def resolved(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The items with those that they refer to in their place.

        Raises ``BadRequest`` that names what is not there, or is too much.
        """
        wanted = dict(self._references(items))
        if not wanted:
            return items
        found = self._found(Counter(wanted.values()))
        known: dict[str, dict[str, Any]] = {}
        for index, id in in_turns(wanted.items()):
            if id not in found:
                raise _unknown_item(id, index)
            if id not in known:
                known[id] = _decoded(found[id])
        return [
            known[wanted[index]] if index in wanted else item
            for index, item in enumerate(items)
        ]

    def before(self, id: str | None, items: int) -> list[dict[str, Any]]:
        """The items of the conversation up to a response; ``items`` come after them.

        Raises ``BadRequest`` where that is not there as a whole, or is too much.
        """
        if not id:
            return []
        found = self._conversation(id, MAX_MESSAGES - items)
        if found is None:
            raise BadRequest(
                f"Previous response with id '{id[:128]}' not found{self._why(id)}.",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        return [_decoded(item.body) for item in in_turns(found)]

    def _references(self, items: list[dict[str, Any]]) -> list[tuple[int, str]]:
        """The places of items that are others, and the ids of these."""
        return [
            (index, _id(item.get("id"), index))
            for index, item in enumerate(items)
            if kind_of(item, f"input[{index}]") == _REFERENCE
        ]

    def _found(self, wanted: Counter[str]) -> dict[str, bytes]:
        """The items that there are of those wanted, each looked up once."""
        ids = [id for id in wanted if is_ours(id)]
        if self._keeper is None or not ids:
            return {}
        try:
            found = self._keeper.found(ids, self._room, self._owner)
        except TooMuch:
            raise _too_much("input") from None
        self._room -= sum(len(body) * wanted[id] for id, body in found.items())
        if self._room < 0:
            raise _too_much("input")
        return found

    def _conversation(self, id: str, most: int) -> list[Item] | None:
        if self._keeper is None:
            return None
        try:
            return self._keeper.conversation(id, most, self._room, self._owner)
        except TooMuch:
            raise _too_much("previous_response_id") from None

    def _why(self, id: str) -> str:
        """What a client may not think of."""
        if self._keeper is None:
            return ": this server keeps no responses"
        if self._keeper.get(id, self._owner) is not None:
            return " with all before it: one of those was deleted"
        return ""


def _decoded(body: bytes) -> dict[str, Any]:
    let_others(body)
    return _decode(body)


def _id(given: Any, index: int) -> str:
    if not given:
        raise missing(f"input[{index}].id")
    return given if isinstance(given, str) else str(given)[:128]


def _unknown_item(id: str, index: int) -> BadRequest:
    return BadRequest(
        f"Item with id '{id[:128]}' not found.",
        code="invalid_value",
        param=f"input[{index}].id",
    )


def _too_much(param: str) -> BadRequest:
    """The refusal that has agents make their conversation shorter."""
    return BadRequest(
        f"The conversation is too long: what '{param}' stands for is, with the rest of"
        " the request, more than one request may have.",
        code="context_length_exceeded",
        param=param,
    )
