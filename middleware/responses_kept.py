"""What is kept of responses, so that a later request can go on from one.

``Keeper`` is what the storage has to be able to do; here is what becomes of a request's
input when it is kept.
"""

import re
from collections.abc import Collection
from typing import Any, Protocol

import msgspec

from app.errors import BadRequest
from app.exchange import Exchange
from app.storage import Item, Kept
from app.turns import in_turns, let_others
from app.wire import responses

from .content import MAX_MESSAGES
from .responses_input import kind_of

#: Ids that were made here: others may be anybody's, and easy to guess.
_OURS = re.compile(r"[a-z]+_[0-9a-f]{32}_i?[0-9]+")
#: What other ids may be, to be kept as they are.
_USUAL = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
#: It stands before an id that a client gave, wherever from: nothing is found by that.
#: Every other one is there once.
_THEIRS = "~"

_encode = msgspec.json.Encoder().encode


class Keeper(Protocol):
    """Where responses are kept; all may raise ``GatewayError``, 503.

    What belongs to another than ``owner`` is not there.
    """

    def keep(
        self,
        id: str,
        previous_id: str | None,
        body: bytes,
        items: list[Item],
        created_at: int,
        owner: str,
    ) -> bool:
        """Keep one; ``False`` where it is too large."""

    def get(self, id: str, owner: str) -> Kept | None:
        """One of them."""

    def items(self, id: str, owner: str, *, output: bool = True) -> list[Item]:
        """Its own items."""

    def conversation(
        self, id: str, most: int, most_bytes: int, owner: str
    ) -> list[Item] | None:
        """All items up to its last; ``None`` if any of it is unknown.

        Raises ``TooMuch`` where there are more of them, or of their bytes.
        """

    def found(
        self, ids: Collection[str], most_bytes: int, owner: str
    ) -> dict[str, bytes]:
        """Those items of these ids that are there; raises ``TooMuch``."""

    def delete(self, id: str, owner: str) -> bool:
        """Forget one."""


def owner_of(exchange: Exchange) -> str:
    """Whose a response is: the id of the key that asks, empty where none is needed."""
    return exchange.key.id if exchange.key is not None else ""


def given(request: responses.ResponsesRequest) -> list[dict[str, Any]]:
    """The items that a request brings; raises ``BadRequest`` where it has none."""
    items = request.input
    if isinstance(items, str):
        items = [{"type": "message", "role": "user", "content": items}] if items else []
    if not items and not request.previous_response_id:
        raise BadRequest(
            'One of "input" or "previous_response_id" or \'prompt\' or'
            " 'conversation_id' must be provided.",
            code="missing_required_parameter",
            param="input",
        )
    if len(items or ()) > MAX_MESSAGES:
        raise BadRequest(
            f"Invalid 'input': at most {MAX_MESSAGES} items are accepted.",
            code="invalid_value",
            param="input",
        )
    return items or []


def encoded(value: Any) -> bytes:
    """What is kept of a value; others have a turn when it is large."""
    body = _encode(value)
    let_others(body)
    return body


def is_ours(id: str) -> bool:
    """Whether an id may be one that was made here."""
    return bool(_OURS.fullmatch(id))


def own_id(item: Item) -> str:
    """The id of a kept item, whoever gave it."""
    return item.id.removeprefix(_THEIRS)


def to_keep(items: list[dict[str, Any]], response_id: str) -> list[Item]:
    """A request's items as they are kept: complete, each with an id."""
    secret = response_id.removeprefix("resp_")
    kept = []
    for index, item in in_turns(enumerate(items)):
        whole, id = _complete(item), item.get("id")
        if isinstance(id, str) and _USUAL.fullmatch(id):
            name = _THEIRS + id
        else:
            name = id = f"{_prefix(whole['type'])}{secret}_i{index}"
        kept.append(Item(name, encoded({**whole, "id": id}), output=False))
    return kept


def _complete(item: dict[str, Any]) -> dict[str, Any]:
    """An item with what clients may leave out."""
    kind = kind_of(item, "input")
    if kind != "message":
        return item if kind not in _WITH_STATUS else {"status": "completed", **item}
    content = item.get("content")
    if isinstance(content, str):
        content = [_text(content, item.get("role"))]
    return {"status": "completed", **item, "type": "message", "content": content}


_WITH_STATUS = frozenset(
    [
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
    ]
)


def _text(text: str, role: Any) -> dict[str, Any]:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": []}
    return {"type": "input_text", "text": text}


def _prefix(kind: str) -> str:
    known = {"message": "msg_", "function_call": "fc_", "reasoning": "rs_"}
    return known.get(kind, "item_")
