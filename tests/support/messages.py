"""Events of Anthropic's Messages: read strictly, put together by its own library."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from app.errors import UpstreamBroken
from app.exchange import Exchange
from writers.forced import Forced
from writers.messages import ForcedMessagesWriter, MessagesWriter

from .ollama import Answer, Ollama
from .writing import lines

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
TIME = "2026-01-02T03:04:05.678Z"
HI = [{"role": "user", "content": "hi"}]
DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
BROKEN = UpstreamBroken("The connection to Ollama broke.")

_strict: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_KIND = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}

Event = dict[str, Any]


def said(content: str | None = "", **more: Any) -> dict[str, Any]:
    """One line of a chat."""
    message = {"role": "assistant", "content": content} | more
    return {"created_at": TIME, "message": message, "done": False}


def call(name: str = "f", arguments: Any = None, **more: Any) -> dict[str, Any]:
    """One call as Ollama reports it."""
    return {"function": {"name": name, "arguments": arguments or {}}, **more}


END = said() | DONE


def events(answer: Answer) -> list[Event]:
    """The events of a stream; each is a name and one line of JSON of that type."""
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.body.endswith(b"\n\n"), answer.body[-100:]
    return [_event(frame.decode()) for frame in answer.body[:-2].split(b"\n\n")]


def _event(frame: str) -> Event:
    name, data = frame.split("\n")
    event: Event = json.loads(data.removeprefix("data: "), parse_constant=_refuse)
    assert (name, data[:6]) == (f"event: {event['type']}", "data: ")
    return event


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def told(answer: Answer) -> list[Event]:
    """The events without pings, each without what its type and place say anyway."""
    return [event for event in events(answer) if event["type"] != "ping"]


def outline(answer: Answer) -> list[Any]:
    """A stream in short: what begins, its pieces, ``end``, and why it is over."""
    found: list[Any] = []
    for event in told(answer):
        if event["type"] == "content_block_start":
            found.append(event["content_block"]["type"])
        elif event["type"] == "content_block_delta":
            found.append(next(v for k, v in event["delta"].items() if k != "type"))
        elif event["type"] == "content_block_stop":
            found.append("end")
        elif event["type"] == "message_delta":
            found.append(event["delta"]["stop_reason"])
        elif event["type"] == "error":
            found.append(event["error"]["type"])
    return found


def followed(stream: Iterable[Event]) -> tuple[Message | None, Event | None]:
    """What a client makes of a stream: the message, or as far as it came, the error.

    Fails for a sequence that Anthropic does not send: the first event starts the
    message, blocks are numbered as they stand in it and never overlap, their pieces are
    of their kind, and there is exactly one end.
    """
    message: Any = None
    texts: dict[int, bytes] = {}
    open_kind = ""
    rest = list(stream)
    while rest:
        event = rest.pop(0)
        kind = event["type"]
        if kind == "error":
            assert not rest, rest
            assert not open_kind
            assert event["request_id"]
            return message, event
        assert (message is None) == (kind == "message_start"), event
        if kind == "ping":
            assert event == {"type": "ping"}
            continue
        checked = _strict.validate_json(msgspec.json.encode(event), strict=True)
        if kind == "content_block_start":
            assert not open_kind
            open_kind = event["content_block"]["type"]
            assert event["index"] == len(message.content)
            assert not any(
                value
                for key, value in event["content_block"].items()
                if key in ("text", "thinking", "signature", "input")
            )
        elif kind == "content_block_delta":
            assert event["index"] == len(message.content) - 1
            assert _KIND[event["delta"]["type"]] == open_kind
        elif kind == "content_block_stop":
            assert event["index"] == len(message.content) - 1
            assert open_kind
            open_kind = ""
        elif kind == "message_delta":
            assert not open_kind
            assert event["delta"]["stop_reason"]
            assert [one["type"] for one in rest] == ["message_stop"]
        message = accumulate_event(
            event=checked, current_snapshot=message, json_bufs=texts
        )
    assert message is not None
    assert kind == "message_stop"
    return message, None


def streaming(*replies: Any, size: int = 0) -> Ollama:
    """An Ollama that answers so: a line a block, or in blocks of ``size`` bytes.

    An exception among the replies breaks the connection.
    """
    if not size:
        return Ollama(
            *[one if isinstance(one, Exception) else lines(one) for one in replies]
        )
    failures = [one for one in replies if isinstance(one, Exception)]
    data = lines(*[one for one in replies if not isinstance(one, Exception)])
    cut = [data[at : at + size] for at in range(0, len(data), size)]
    return Ollama(*cut, *failures)


class sign:
    """A signature that says what was signed."""

    def __init__(self) -> None:
        self.value = "signed:"

    def add(self, text: str) -> None:
        """Take the next piece."""
        self.value += text


def maker(
    forced: Forced | None = None, **options: Any
) -> Callable[[Exchange, Any], MessagesWriter]:
    """What makes the writer of an answer."""
    stated = {"hidden": options.pop("hidden", False)}
    stated["prompt_estimate"] = options.pop("estimate", 5)
    check = options.pop("check", None)

    def make(exchange: Exchange, start: Any) -> MessagesWriter:
        for name, value in stated.items():
            setattr(exchange, name, value)
        kind = MessagesWriter if forced is None else ForcedMessagesWriter
        writer: Any = kind(exchange, start, model="m", sign=sign, **options)
        writer.forced, writer.check = forced, check
        return writer  # type: ignore[no-any-return]

    return make


def error(answer: Answer, status: int, kind: str) -> str:
    """The message of an error in Anthropic's envelope, which must be as it should."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == ["type", "error", "request_id"]
    assert answer.json["type"] == "error"
    assert answer.json["request_id"]
    assert set(answer.json["error"]) - {"details"} == {"type", "message"}
    assert answer.json["error"]["type"] == kind
    message: str = answer.json["error"]["message"]
    assert message
    return message
