"""What is kept of responses, so that a later request can go on from one.

``Kept`` is what the storage has to be able to do; here is how a request's input is
completed from it, and what becomes of that input when it is kept itself.
"""

import re
from typing import Any, Protocol

import msgspec

from app.errors import BadRequest
from app.storage import Item, Kept
from app.turns import let_others
from app.wire import responses

from .content import MAX_MESSAGES
from .responses_input import kind_of
from .validation import missing

#: Ids that were made here: others may be anybody's, and easy to guess.
_OURS = re.compile(r"[a-z]+_[0-9a-f]{32}_i?[0-9]+")
#: What other ids may be, to be kept as they are.
_USUAL = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Keeper(Protocol):
    """Where responses are kept; all may raise ``GatewayError``, 503."""

    def keep(
        self,
        id: str,
        previous_id: str | None,
        body: bytes,
        items: list[Item],
        created_at: int,
    ) -> bool:
        """Keep one; ``False`` where it is too large."""

    def get(self, id: str) -> Kept | None:
        """One of them."""

    def items(self, id: str, *, output: bool = True) -> list[Item]:
        """Its own items."""

    def conversation(self, id: str) -> list[Item] | None:
        """All items up to its last; ``None`` if any of it is unknown."""

    def item(self, id: str) -> bytes | None:
        """The item of this id."""

    def delete(self, id: str) -> bool:
        """Forget one."""


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


def before(id: str | None, keeper: Keeper | None) -> list[dict[str, Any]]:
    """The items of a conversation up to a response; raises ``BadRequest``."""
    if not id:
        return []
    found = keeper.conversation(id) if keeper is not None else None
    if found is None:
        raise BadRequest(
            f"Previous response with id '{id[:128]}' not found{_why(id, keeper)}.",
            code="previous_response_not_found",
            param="previous_response_id",
        )
    return [_decoded(item.body) for item in found]


def _why(id: str, keeper: Keeper | None) -> str:
    """What a client may not think of."""
    if keeper is None:
        return ": this server keeps no responses"
    if keeper.get(id) is not None:
        return " with all before it: one of those was deleted"
    return ""


def _decoded(body: bytes) -> dict[str, Any]:
    let_others(body)
    return _decode(body)


def encoded(value: Any) -> bytes:
    """What is kept of a value; others have a turn when it is large."""
    body = _encode(value)
    let_others(body)
    return body


def resolved(
    items: list[dict[str, Any]], keeper: Keeper | None
) -> list[dict[str, Any]]:
    """The items with those that they refer to in their place; raises ``BadRequest``."""
    return [
        _referred(item.get("id"), f"input[{index}]", keeper)
        if kind_of(item, f"input[{index}]") == "item_reference"
        else item
        for index, item in enumerate(items)
    ]


def _referred(id: Any, param: str, keeper: Keeper | None) -> dict[str, Any]:
    if not id:
        raise missing(f"{param}.id")
    ours = isinstance(id, str) and _OURS.fullmatch(id)
    found = keeper.item(id) if keeper is not None and ours else None
    if found is None:
        raise BadRequest(
            f"Item with id '{str(id)[:128]}' not found.",
            code="invalid_value",
            param=f"{param}.id",
        )
    return _decoded(found)


def to_keep(items: list[dict[str, Any]], response_id: str) -> list[Item]:
    """A request's items as they are kept: complete, each with an id."""
    kept = []
    for index, item in enumerate(items):
        whole = _complete(item)
        id = item.get("id")
        if not isinstance(id, str) or not _USUAL.fullmatch(id):
            id = f"{_prefix(whole['type'])}{response_id.removeprefix('resp_')}_i{index}"
        kept.append(Item(id, encoded({**whole, "id": id}), output=False))
    return kept


def _complete(item: dict[str, Any]) -> dict[str, Any]:
    """An item with what clients may leave out."""
    kind = item.get("type") or "message"
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
