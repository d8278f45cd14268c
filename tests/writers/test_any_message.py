"""Whatever Ollama streams, the events are a message that Anthropic's library takes.

Hypothesis makes the streams: thoughts, text and calls in any order, broken off or
failing anywhere, and cut anywhere.
"""

import json
import re
from itertools import pairwise
from typing import Any

from anthropic.types import Message
from hypothesis import given, note, settings
from hypothesis import strategies as st
from support.messages import (
    BROKEN,
    DONE,
    END,
    MESSAGES,
    call,
    error,
    events,
    followed,
    maker,
    said,
    streaming,
)
from support.ollama import Answer, Ollama
from support.writing import lines, written

from writers.call import PLAIN, CallForm
from writers.forced import Forced

TEXTS = st.sampled_from(["", "a", "Hello", "\u00e4\u2028", "\U0001f999", '"\\\n', " "])
INPUTS = st.sampled_from(
    [{}, {"a": 1}, {"b": {"c": ["\u00e9"]}}, '{"a": 1}', "no JSON", '{"cut', None, [1]]
)
CALLS = st.builds(
    call,
    name=st.sampled_from(["f", "g", ""]),
    arguments=INPUTS,
    id=st.sampled_from(["", None, "x", "y"]),
)
LINES = st.builds(
    said,
    content=TEXTS | st.none(),
    thinking=TEXTS | st.none(),
    tool_calls=st.lists(CALLS, max_size=2) | st.none(),
)
STREAMS = st.lists(LINES, max_size=8)
ENDS = st.sampled_from(
    [END, END | {"done_reason": "length"}, said("last", tool_calls=[call()]) | DONE]
)
#: What may come in place of the rest.
FAILING = st.sampled_from(
    [
        [],
        [{"error": "no luck"}],
        [{"error": {"odd": 1}}],
        [b"garbage\n"],
        [b'{"message":{"content":"cut'],
        [BROKEN],
    ]
)
OPTIONS = st.fixed_dictionaries(
    {
        "hidden": st.booleans(),
        "form": st.sampled_from([PLAIN, CallForm(first_only=True)]),
    }
)
SIZES = st.sampled_from([0, 1, 2, 7, 30, 10_000])


def asked(ollama: Ollama, **options: Any) -> Answer:
    """What a client gets."""
    return written(maker(**options), ollama, MESSAGES)


def content(message: Any) -> dict[str, Any]:
    """What a message says, however its blocks lie; ids only where Ollama gave them."""
    blocks = [block.to_dict() for block in message.content]
    return {
        "text": "".join(one["text"] for one in blocks if one["type"] == "text"),
        "thinking": "".join(
            one["thinking"] for one in blocks if one["type"] == "thinking"
        ),
        "calls": [
            (re.sub("^toolu_.*", "", one["id"]), one["name"], one["input"])
            for one in blocks
            if one["type"] == "tool_use"
        ],
        "why": message.stop_reason,
        "used": (message.usage.input_tokens, message.usage.output_tokens),
        # An estimate, which in a stream does not know of text before any thought.
        "thought": message.usage.output_tokens_details is not None,
    }


def signed(message: Any) -> None:
    """Every thought that is over has the signature of all of it."""
    for block in message.content:
        if block.type == "thinking":
            assert block.signature == f"signed:{block.thinking}"


@settings(max_examples=300)
@given(STREAMS, ENDS, OPTIONS, SIZES)
def test_any_stream(replies: Any, end: Any, options: Any, size: int) -> None:
    """A stream that is complete is a message, the same as the one in one piece."""
    note(f"{replies} {end} {options} {size}")
    answer = asked(streaming(*replies, end, size=size), stream=True, **options)
    message, failed = followed(events(answer))
    assert failed is None
    assert message is not None
    signed(message)
    whole = asked(Ollama(lines(*replies, end)), **options)
    assert whole.status == 200
    checked = Message.model_validate_json(whole.body, strict=True)
    assert content(checked) == content(message)


@settings(max_examples=150)
@given(STREAMS, FAILING, OPTIONS, SIZES)
def test_any_failure_anywhere(
    replies: Any, failing: Any, options: Any, size: int
) -> None:
    """Broken off after any line it is an error with one end, streamed or not."""
    for stop in range(len(replies) + 1):
        given = [*replies[:stop], *failing]
        note(f"{given} {options} {size}")
        answer = asked(streaming(*given, size=size), stream=True, **options)
        refused = asked(streaming(*given), **options)
        said = error(refused, refused.status, "api_error")
        if answer.status != 200:
            assert error(answer, answer.status, "api_error") == said
            continue
        message, failed = followed(events(answer))
        assert failed is not None
        assert failed["error"]["type"] == "api_error"
        if message is not None:
            assert message.stop_reason is None


@settings(max_examples=60)
@given(STREAMS, ENDS, st.data())
def test_any_cut(replies: Any, end: Any, data: st.DataObject) -> None:
    """Ended after any byte it is an error; only the last line makes it complete."""
    body = lines(*replies, end)
    done = len(body.rstrip(b"\n"))
    at = data.draw(st.integers(0, len(body)))
    answer = asked(Ollama(body[:at]), stream=True)
    if answer.status != 200:
        assert at < done
        error(answer, 502, "api_error")
        return
    _, failed = followed(events(answer))
    assert (failed is None) == (at >= done)


def fits(text: str) -> str | None:
    """A check that takes any object."""
    try:
        return None if isinstance(json.loads(text), dict) else "it is no object"
    except ValueError:
        return "it is not JSON"


ONE = Forced({"f": fits}, "stop")
SEVERAL = Forced({"f": fits, "g": fits}, "tool_calls")
ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=5,
)


@settings(max_examples=300)
@given(
    st.dictionaries(st.text(max_size=3), ANYTHING, max_size=3),
    st.booleans(),
    st.lists(st.integers(0, 80), max_size=5),
    st.lists(TEXTS, max_size=2),
    st.none() | st.integers(0, 80),
    SIZES,
)
def test_any_forced_call(
    arguments: Any, several: bool, cuts: Any, thoughts: Any, end: Any, size: int
) -> None:
    """The library reads a forced call, also one cut by its length, or broken off."""
    text = json.dumps(arguments, indent=1)
    forced = SEVERAL if several else ONE
    if several:
        text = f'{{"name": "f", "arguments": {text}}}'
    shown = text[:end]
    places = [0, *sorted(min(cut, len(shown)) for cut in cuts), len(shown)]
    pieces = [shown[a:b] for a, b in pairwise(places)]
    replies = [*[said("", thinking=one) for one in thoughts], *map(said, pieces)]
    note(str(pieces))
    reason = {"done_reason": "stop" if end is None else "length"}
    finished = streaming(*replies, END | reason, size=size)
    message, failed = followed(events(asked(finished, stream=True, forced=forced)))
    assert failed is None
    assert message is not None
    signed(message)
    whole = asked(streaming(*replies, END | reason), forced=forced)
    checked = Message.model_validate_json(whole.body, strict=True)
    assert checked.stop_reason == message.stop_reason
    if end is None:
        assert content(checked) == content(message)
        assert content(message)["calls"] == [("", "f", arguments)]
    broken = asked(streaming(*replies, size=size), stream=True, forced=forced)
    if broken.status == 200:
        _, failed = followed(events(broken))
        assert failed is not None
    else:
        error(broken, 502, "api_error")
