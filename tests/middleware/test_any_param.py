"""Whatever the types of Anthropic's library allow in a request is understood here."""

import json
import types
from collections.abc import Iterable, Sequence
from random import Random
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
)

import pytest
from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_create_params
from pydantic import BaseModel
from support.able import Able
from support.messages import MESSAGES, error
from support.ollama import ask
from support.pictures import PNG, text
from support.plausible import Plausible
from support.stack import linted
from typing_extensions import get_type_hints, is_typeddict

TYPES = {
    "stable": message_create_params.MessageCreateParamsNonStreaming,
    "beta": beta_create_params.MessageCreateParamsNonStreaming,
}
#: Why a local model cannot do what the types allow.
REASONS = (
    "is not among the tools",
    "there are no tools to choose from",
    "cannot be called here",
    "document source type not supported",
    "Only base64 and url images are supported",
    "image URLs are not currently supported",
    "invalid image input",
    "tool_use block missing required",
    "nothing here calls MCP servers",
    "conversations are not kept here",
)
#: Values of fields that not just any will do for.
MEANT = {"data": text(PNG), "schema": {"type": "object"}, "required": []}
DEEP = 6


class Maker:
    """Makes values of the library's types, the same for the same ``seed``."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def made(self, kind: Any, depth: int = 0) -> Any:
        """A value of a type, as JSON has it."""
        origin, inner = get_origin(kind), get_args(kind)
        if is_typeddict(kind):
            return self._object(kind, depth)
        if origin in (Required, NotRequired, Annotated):
            return self.made(inner[0], depth)
        if origin is Literal:
            return self._random.choice(inner)
        if origin in (Union, types.UnionType):
            return self.made(self._random.choice(_choices(inner, depth)), depth)
        if origin in (list, Iterable, Sequence):
            number = self._random.choice([0, 1, 1, 2]) if depth < DEEP else 0
            return [self.made(inner[0], depth + 1) for _ in range(number)]
        if origin is dict:  # schemas mostly, in which not everything is allowed
            return {}
        simple = {int: 5, float: 0.5, bool: True, type(None): None}
        return simple.get(kind, "x")

    def _object(self, kind: Any, depth: int) -> dict[str, Any]:
        return {
            name: MEANT[name] if name in MEANT else self.made(hint, depth + 1)
            for name, hint in get_type_hints(kind, include_extras=True).items()
            if get_origin(hint) is Required
            or name == "type"
            or (depth < DEEP and self._random.random() < 0.6)
        }


def _choices(inner: tuple[Any, ...], depth: int) -> list[Any]:
    """The types of a union: not those of answers, and the simpler ones deep inside."""
    given = [one for kind in inner for one in _flat(kind) if not _is_model(one)]
    simple = [one for one in given if not is_typeddict(one)]
    return simple if depth >= DEEP and simple else given


def _flat(kind: Any) -> list[Any]:
    inner = get_args(kind)
    if get_origin(kind) is Annotated:
        return _flat(inner[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [one for part in inner for one in _flat(part)]
    return [kind]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


@pytest.mark.parametrize("name", TYPES)
def test_any_param(name: str) -> None:
    """It is answered, or refused for what no local model can do; never for its form."""
    maker, ollama = Maker(7), Plausible()
    app = linted(ollama, control=Able())
    answered, blocks = 0, set()
    for _ in range(400):
        request = maker.made(TYPES[name])
        request["model"] = "seeing"
        request["messages"].append({"role": "user", "content": "hi"})
        answer = ask(app, "POST", MESSAGES, request)
        if answer.status == 200:
            answered += 1
        else:
            said = error(answer, 400, "invalid_request_error")
            assert any(reason in said for reason in REASONS), json.dumps(request)
        for message in request["messages"]:
            if isinstance(message.get("content"), list):
                blocks |= {block["type"] for block in message["content"]}
    assert answered >= 60
    assert len(blocks) >= 15
