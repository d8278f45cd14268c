"""Streams of the Responses API: their events, and what OpenAI's client says of them."""

import json
from typing import Any

import pydantic
from openai import omit
from openai._models import construct_type_unchecked
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent

from .ollama import Answer

LAST = ("response.completed", "response.incomplete", "response.failed")
#: Keys that OpenAI's types do not have, and what a client may have said of its own.
_OURS = ("presence_penalty", "frequency_penalty", "_debug_info")
_ECHOED = ("metadata", "reasoning", "text", "tool_choice", "tools")

_types: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(ResponseStreamEvent)


def events(answer: Answer) -> list[dict[str, Any]]:
    """The events of a stream, each under the name of its type, numbered from 0."""
    assert answer.headers["Content-Type"] == "text/event-stream"
    return parsed(answer.body)


def parsed(stream: bytes) -> list[dict[str, Any]]:
    """The same of bytes; comments are left out."""
    assert stream.endswith(b"\n\n"), stream[-100:]
    found = [
        _event(frame.decode())
        for frame in stream[:-2].split(b"\n\n")
        if not frame.startswith(b": ")
    ]
    assert [one["sequence_number"] for one in found] == list(range(len(found)))
    return found


def _event(frame: str) -> dict[str, Any]:
    name, data = frame.split("\n")
    assert name.startswith("event: ")
    assert data.startswith("data: ")
    event: dict[str, Any] = json.loads(data.removeprefix("data: "))
    assert event["type"] == name.removeprefix("event: ")
    assert list(event)[:2] == ["type", "sequence_number"]
    return event


def kinds(found: list[dict[str, Any]]) -> list[str]:
    """The types of events, without what all of them begin with."""
    return [one["type"].removeprefix("response.") for one in found]


def accepted(found: list[dict[str, Any]]) -> Any:
    """What OpenAI's accumulator makes of a stream: the response, if it completed.

    Raises for a sequence that it does not take; what it sums up is what we said.
    """
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in found:
        check_types(event)
        state.handle_event(
            construct_type_unchecked(type_=ResponseStreamEvent, value=_known(event))
        )
    _check_items(found)
    assert [one["type"] for one in found if one["type"] in LAST] == [found[-1]["type"]]
    return state._completed_response


def check_types(event: dict[str, Any]) -> None:
    """An event is one of OpenAI's types, with every key that they require."""
    if "response" in event:
        check_response(event["response"])
        return
    _types.validate_python(event)


def check_response(response: dict[str, Any]) -> None:
    """A response is of OpenAI's type."""
    assert response.keys() >= set(_ECHOED)
    Response.model_validate(_known({"response": response})["response"])


def _known(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what a client may have chosen, and what is ours."""
    if "response" not in event:
        return event
    out = {*_OURS, *_ECHOED}
    known = {k: v for k, v in event["response"].items() if k not in out}
    if (error := known.get("error")) is not None:
        known["error"] = error | {"code": "server_error"}
    return event | {"response": known | {"tool_choice": "auto", "tools": []}}


def _check_items(found: list[dict[str, Any]]) -> None:
    """Items are added in order, one at a time; deltas make what is done."""
    open_item: dict[str, Any] | None = None
    done: list[dict[str, Any]] = []
    said = ""
    for event in found:
        kind = event["type"]
        if kind == "response.output_item.added":
            assert open_item is None, "an item is added before the last was done"
            assert event["output_index"] == len(done)
            open_item, said = event["item"], ""
        elif kind == "response.output_item.done":
            assert open_item is not None
            item = event["item"]
            assert event["output_index"] == len(done)
            assert (item["id"], item["type"]) == (open_item["id"], open_item["type"])
            assert whole(item) == said
            done.append(item)
            open_item = None
        elif "item_id" in event:
            assert open_item is not None
            assert event["item_id"] == open_item["id"]
            assert event["output_index"] == len(done)
            said += event["delta"] if kind.endswith(".delta") else ""
            for name in ("text", "arguments", "input"):
                assert event.get(name, said) == said
    last = found[-1]
    assert last["response"]["output"] == done
    assert open_item is None or last["type"] == "response.failed"


def whole(item: dict[str, Any]) -> str:
    """All that an item says."""
    if item["type"] == "reasoning":
        assert item["encrypted_content"] == item["summary"][0]["text"]
        return str(item["summary"][0]["text"])
    if item["type"] == "message":
        return str(item["content"][0]["text"])
    return str(item["arguments"] if "arguments" in item else item["input"])
