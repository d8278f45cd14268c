import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from anthropic.types import Message
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
    outline,
    said,
    sign,
    streaming,
    told,
)
from support.ollama import Answer, Ollama, environ_of
from support.writing import lines, written

from app.errors import GatewayError
from app.exchange import KEY, Exchange
from middleware.errors import ErrorMiddleware
from writers import sse
from writers.call import CallForm
from writers.forced import Forced
from writers.messages import MessagesWriter

FIRST = CallForm(first_only=True)


def answered(
    *replies: Any, ollama: Ollama | None = None, size: int = 0, **options: Any
) -> Answer:
    """What a client gets for these replies of Ollama's."""
    ollama = ollama or streaming(*replies, size=size)
    return written(maker(**options), ollama, MESSAGES)


def streamed(*replies: Any, **options: Any) -> Answer:
    """The same, streamed."""
    return answered(*replies, stream=True, **options)


def whole(*replies: Any, **options: Any) -> dict[str, Any]:
    """The message in one piece, which Anthropic's own type takes."""
    answer = answered(*replies, **options)
    assert answer.status == 200, answer.body
    Message.model_validate_json(answer.body, strict=True)
    found: dict[str, Any] = answer.json
    return found


# ------------------------------------------------------- section 5, event by event


def of_type(answer: Answer, kind: str) -> list[dict[str, Any]]:
    """The events of one type."""
    return [event for event in events(answer) if event["type"] == kind]


ALL = [
    said("", thinking="let "),
    said("", thinking="me"),
    said("He"),
    said("llo"),
    said("", tool_calls=[call("f", {"a": 1}, id="c1")]),
    END,
]


def test_the_order_of_all_events() -> None:
    """Rows 1 to 12 of the table, in its order, numbered from 0."""
    kinds = [
        (event["type"], event.get("index"))
        for event in events(streamed(*ALL))
        if event["type"] != "ping"
    ]
    assert kinds == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_delta", 0),
        ("content_block_delta", 0),  # the signature
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("message_delta", None),
        ("message_stop", None),
    ]


def test_1_message_start() -> None:
    """It has the whole message but for its content, and the estimate of the prompt."""
    (start,) = of_type(streamed(said("x"), END, estimate=42), "message_start")
    message = start["message"]
    assert re.fullmatch(r"msg_\w{24}", message.pop("id"))
    assert message == {
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 42,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 0,
            "service_tier": "standard",
        },
    }


def test_1_the_estimate_is_at_least_one() -> None:
    """Where nobody estimated, there is one token."""
    (start,) = of_type(streamed(END, estimate=None), "message_start")
    assert start["message"]["usage"]["input_tokens"] == 1


def test_ping_follows_the_start() -> None:
    """Every stream has one ping after its beginning, and no more without silence."""
    kinds = [event["type"] for event in events(streamed(*ALL))]
    assert kinds[:2] == ["message_start", "ping"]
    assert kinds.count("ping") == 1


def test_2_3_thinking() -> None:
    """A thinking block begins empty and gets its text piece by piece."""
    found = told(streamed(said("", thinking="a"), said("", thinking="b"), END))[1:4]
    assert found == [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        *[
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "thinking_delta", "thinking": text},
            }
            for text in "ab"
        ],
    ]


def test_3b_4_signature() -> None:
    """The signature of all of the thought comes right before the end of its block."""
    found = told(streamed(said("", thinking="a"), said("x", thinking="b"), END))
    signature, stop, start = found[4:7]
    assert signature["delta"] == {"type": "signature_delta", "signature": "signed:ab"}
    assert stop == {"type": "content_block_stop", "index": 0}
    assert start["content_block"]["type"] == "text"


def test_5_6_7_text() -> None:
    """A text block begins empty, gets its text, and ends."""
    assert told(streamed(said("He"), said("llo"), END))[1:5] == [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        *[
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": text},
            }
            for text in ("He", "llo")
        ],
        {"type": "content_block_stop", "index": 0},
    ]


def test_8_9_10_calls() -> None:
    """A call is a block with its id and name, one piece of JSON, and an end."""
    line = said("", tool_calls=[call("f", {"z": 1, "a": [2]}, id="c1")])
    assert told(streamed(line, END))[1:4] == [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"z":1,"a":[2]}'},
        },
        {"type": "content_block_stop", "index": 0},
    ]


def test_11_12_the_end() -> None:
    """Why it is over, what it used in all, and the mark of the end."""
    assert told(streamed(said("x"), END, estimate=5))[-2:] == [
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 7,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 3,
            },
        },
        {"type": "message_stop"},
    ]


@pytest.mark.parametrize("content", ["", None])
def test_an_empty_completion(content: str | None) -> None:
    """Events 1, 11 and 12 and nothing else; in one piece the content is []."""
    kinds = [event["type"] for event in told(streamed(said(content) | DONE))]
    assert kinds == ["message_start", "message_delta", "message_stop"]
    assert whole(said(content) | DONE)["content"] == []


def test_headers_of_a_stream() -> None:
    """It is not to be stored or held back, and OpenAI's headers are not on it."""
    for answer in (streamed(END), answered(END)):
        assert not [name for name, _ in answer.headers if name.startswith("openai-")]
    headers = streamed(END).headers
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Accel-Buffering"] == "no"
    assert "Connection" not in headers


# ------------------------------------------------------------ what HEAD does wrong


def test_head_defect_a_an_error_is_swallowed() -> None:
    """Ollama's error in a stream closes the block and is the last event."""
    answer = streamed(said("He"), {"error": "the model is tired"})
    stop, last = events(answer)[-2:]
    assert stop == {"type": "content_block_stop", "index": 0}
    assert last.pop("request_id")
    assert last == {
        "type": "error",
        "error": {"type": "api_error", "message": "the model is tired"},
    }
    assert outline(answer) == ["text", "He", "end", "api_error"]


def test_head_defect_b_an_end_without_done() -> None:
    """An answer that just ends is an error, never a message that looks complete."""
    answer = streamed(said("He"))
    assert outline(answer) == ["text", "He", "end", "api_error"]
    message, failed = followed(events(answer))
    assert message is not None
    assert failed is not None
    assert "ended before it was complete" in failed["error"]["message"]


def test_head_defect_c_thinking_that_resumes() -> None:
    """Thoughts after text are a thinking block of their own, signed on its own."""
    answer = streamed(
        said("", thinking="a"), said("x"), said("", thinking="b"), said("y"), END
    )
    assert outline(answer) == [
        *("thinking", "a", "signed:a", "end"),
        *("text", "x", "end"),
        *("thinking", "b", "signed:b", "end"),
        *("text", "y", "end"),
        "end_turn",
    ]


@pytest.mark.parametrize("ids", [["", ""], [None, None], ["a", "a"], ["a", "a", "a"]])
def test_head_defect_d_calls_without_ids(ids: list[str | None]) -> None:
    """No call is lost: an empty or repeated id is replaced, streamed and whole."""
    made = [call(id=given) for given in ids]
    found = [
        [
            event["content_block"]["id"]
            for event in of_type(streamed(*lines_of(made)), "content_block_start")
        ]
    ]
    one = said("", tool_calls=made) | DONE
    found.append([block["id"] for block in whole(one)["content"]])
    for these in found:
        assert len(set(these)) == len(ids)
        minted = these[1:] if ids[0] == "a" else these
        assert all(re.fullmatch(r"toolu_\w{24}", each) for each in minted)


def lines_of(calls: list[Any]) -> list[Any]:
    """Calls in lines of their own, and the end."""
    return [said("", tool_calls=[one]) for one in calls] + [END]


# ----------------------------------------------------------------- kinds of blocks


def test_all_of_it_on_one_line() -> None:
    """Thoughts come before the text, and that before the calls."""
    line = said("x", thinking="t", tool_calls=[call(id="a"), call("g", id="b")])
    want = [
        *("thinking", "t", "signed:t", "end"),
        *("text", "x", "end"),
        *("tool_use", "{}", "end"),
        *("tool_use", "{}", "end"),
        "tool_use",
    ]
    assert outline(streamed(line | DONE)) == want
    assert [block["type"] for block in whole(line | DONE)["content"]] == [
        "thinking",
        "text",
        "tool_use",
        "tool_use",
    ]


def test_text_between_calls() -> None:
    """Each run of text is a block of its own, and none of it is lost."""
    calling = said("", tool_calls=[call()])
    answer = streamed(said("a"), calling, said("b"), said("c"), calling, said("d"), END)
    assert outline(answer) == [
        *("text", "a", "end", "tool_use", "{}", "end"),
        *("text", "b", "c", "end", "tool_use", "{}", "end"),
        *("text", "d", "end", "tool_use"),
    ]


def test_a_whole_message() -> None:
    """Section 4: every key, blocks in their order, thoughts signed, usage in full."""
    message = whole(*ALL)
    assert re.fullmatch(r"msg_\w{24}", message.pop("id"))
    assert message == {
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "let me", "signature": "signed:let me"},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 7,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 3,
            "output_tokens_details": {"thinking_tokens": 1},
            "service_tier": "standard",
        },
    }


@pytest.mark.parametrize(
    ("reason", "calls", "want"),
    [
        ("stop", False, "end_turn"),
        ("stop", True, "tool_use"),
        ("length", False, "max_tokens"),
        ("length", True, "max_tokens"),
        ("load", False, "end_turn"),
        ("unload", False, "end_turn"),
        ("odd", False, "end_turn"),
        ("odd", True, "tool_use"),
        ("", False, "end_turn"),
        ("", True, "tool_use"),
        (None, False, "end_turn"),
    ],
)
def test_stop_reasons(reason: str | None, calls: bool, want: str) -> None:
    """Only reasons that Anthropic's clients know; length is never relabelled."""
    end = said("", tool_calls=[call(id="a")] if calls else None) | {
        "done": True,
        "done_reason": reason,
    }
    assert outline(streamed(end))[-1] == want
    assert whole(end)["stop_reason"] == want


def test_done_reason_may_be_missing() -> None:
    """No reason is the end of the turn."""
    assert whole(said("a") | {"done": True})["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        (None, {}),
        ({}, {}),
        ({"a": "\u2028<"}, {"a": "\u2028<"}),
        ('{"a": 1}', {"a": 1}),
        (' {"b" :[2, 1.0]}\n', {"b": [2, 1.0]}),
        ('{"a": "\\ud800"}', {"a": "\ufffd"}),
        ("already text", {}),
        ('{"a": 1', {}),
        ("[1]", {}),
        ("", {}),
        ([1], {}),
        (5, {}),
    ],
)
def test_input_is_an_object(arguments: Any, want: Any) -> None:
    """Arguments that are no object, or no JSON, are an empty one."""
    made = {"function": {"name": "f", "arguments": arguments}}
    line = said("", tool_calls=[made]) | DONE
    assert whole(line)["content"][0]["input"] == want
    message, failed = followed(events(streamed(line)))
    assert failed is None
    assert message is not None
    assert message.content[0].to_dict()["input"] == want


@pytest.mark.parametrize("stream", [True, False])
def test_only_the_first_call(stream: bool) -> None:
    """Where calls are not to be made at once, the others are left out."""
    replies = [said("a", tool_calls=[call(), call("g")]), said("b"), END]
    answer = answered(*replies, stream=stream, form=FIRST)
    if stream:
        assert outline(answer).count("tool_use") == 2  # the block, and the reason
    else:
        kinds = [block["type"] for block in answer.json["content"]]
        assert kinds == ["text", "tool_use"]


@pytest.mark.parametrize("model", [sse.MARK, f'"{sse.MARK}"', 'a"b\\'])
def test_whatever_the_model_is_called(model: str) -> None:
    """Neither a name nor a text is taken for the place where texts belong."""
    texts = ["a", sse.MARK, f'"{sse.MARK}"', '\u2028"\\\n', "b"]

    def make(exchange: Exchange, start: Any) -> MessagesWriter:
        return MessagesWriter(exchange, start, model=model, sign=sign, stream=True)

    answer = written(make, streaming(*map(said, texts), END), MESSAGES)
    message, _ = followed(events(answer))
    assert message is not None
    assert message.model == model
    assert message.content[0].to_dict()["text"] == "".join(texts)


def test_ids_differ() -> None:
    """No two answers have the same id."""
    assert len({whole(END)["id"] for _ in range(200)}) == 200


def test_empty_lines_cost_no_events() -> None:
    """Lines without content make no events."""
    answer = streamed(said("a"), *[said()] * 1000, END)
    assert outline(answer) == ["text", "a", "end", "end_turn"]


def test_text_on_the_last_line_is_not_lost() -> None:
    """A tool parser may flush its text with the done line."""
    answer = streamed(said("He"), said("llo", tool_calls=[call()]) | DONE)
    assert outline(answer) == [
        *("text", "He", "llo", "end", "tool_use", "{}", "end", "tool_use")
    ]


# ------------------------------------------------------------------ thoughts


def test_hidden_thoughts() -> None:
    """They are not told, but they are counted."""
    replies = [said("", thinking="x" * 90), said("y" * 10), END | {"eval_count": 50}]
    for stream in (True, False):
        answer = answered(*replies, stream=stream, hidden=True)
        assert b"xx" not in answer.body
        assert b"signed" not in answer.body
        found = told(answer)[-2] if stream else answer.json
        assert found["usage"]["output_tokens_details"] == {"thinking_tokens": 45}
    assert outline(streamed(*replies, hidden=True)) == [
        *("text", "y" * 10, "end", "end_turn")
    ]


def test_without_thoughts_no_details() -> None:
    """Usage does not speak of thinking where there was none."""
    assert "output_tokens_details" not in whole(said("x"), END)["usage"]


def test_thoughts_alone() -> None:
    """An answer that is all thought is a signed block and nothing else."""
    replies = [said("", thinking="hm"), END]
    assert outline(streamed(*replies)) == [
        *("thinking", "hm", "signed:hm", "end", "end_turn")
    ]
    (block,) = whole(*replies)["content"]
    assert block == {"type": "thinking", "thinking": "hm", "signature": "signed:hm"}


@pytest.mark.parametrize(
    "count", [1.5, -1, 2**53 + 1, True, "5", None, [], {}, 1e300], ids=repr
)
def test_odd_counts_are_zero(count: Any) -> None:
    """A count that is none does not cost the answer."""
    end = said("a") | {"done": True, "prompt_eval_count": count, "eval_count": 2}
    for usage in (whole(end)["usage"], told(streamed(end))[-2]["usage"]):
        assert (usage["input_tokens"], usage["output_tokens"]) == (0, 2)


# ------------------------------------------------------------------ failures

#: What has been said when something happens, and what must be closed.
STATES = {
    "begun": ([said()], []),
    "thinking": ([said("", thinking="t")], ["thinking", "t", "end"]),
    "text": ([said("x")], ["text", "x", "end"]),
    "after a call": (
        [said("", tool_calls=[call()])],
        ["tool_use", "{}", "end"],
    ),
    "text after thinking": (
        [said("", thinking="t"), said("x")],
        ["thinking", "t", "signed:t", "end", "text", "x", "end"],
    ),
    "all": (
        [said("x", thinking="t", tool_calls=[call()])],
        [
            *("thinking", "t", "signed:t", "end", "text", "x", "end"),
            *("tool_use", "{}", "end"),
        ],
    ),
}
FAILURES: dict[str, tuple[list[Any], str, str]] = {
    "an error": ([{"error": "no luck"}], "api_error", "no luck"),
    "an end": ([], "api_error", "ended before it was complete"),
    "garbage": ([b"garbage\n"], "api_error", "could not be understood"),
    "a broken connection": ([BROKEN], "api_error", "broke"),
    "a context that is full": (
        [{"error": "the input length exceeds the context length"}],
        "invalid_request_error",
        "context length",
    ),
}


@pytest.mark.parametrize(("before", "seen"), STATES.values(), ids=STATES)
@pytest.mark.parametrize(("failing", "kind", "words"), FAILURES.values(), ids=FAILURES)
def test_a_failure_in_each_state(
    before: list[Any], seen: list[Any], failing: list[Any], kind: str, words: str
) -> None:
    """What came is delivered, the open block ends, one error event is the last."""
    for size in (0, 1, 7, 1000):
        answer = streamed(*before, *failing, size=size)
        if answer.status != 200:  # all of it came in one block
            assert before == [said()] or size == 1000
            assert words in error(answer, answer.status, kind)
            continue
        assert outline(answer) == [*seen, kind]
        _, failed = followed(events(answer))
        assert failed is not None
        assert words in failed["error"]["message"]
    refusal = answered(*before, *failing)
    assert words in error(refusal, refusal.status, kind)


@pytest.mark.parametrize(
    ("status", "body", "want", "kind"),
    [
        (400, {"error": "bad"}, 400, "invalid_request_error"),
        (401, {"error": "who"}, 401, "authentication_error"),
        (403, {"error": "no"}, 403, "permission_error"),
        (404, {"error": "model 'm' not found"}, 404, "not_found_error"),
        (429, {"error": "slow down"}, 429, "rate_limit_error"),
        (500, {"error": "oh"}, 500, "api_error"),
        (502, {"error": "oh"}, 502, "api_error"),
        (503, {"error": "server busy"}, 529, "overloaded_error"),
        (418, {"error": "tea"}, 418, "invalid_request_error"),
        (500, b"<html>", 502, "api_error"),
        (301, b"", 502, "api_error"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_an_error_before_the_first_byte(
    status: int, body: Any, want: int, kind: str, stream: bool
) -> None:
    """It has its status and Anthropic's envelope; a full Ollama is a 529."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = answered(ollama=Ollama(data, status=f"{status} X"), stream=stream)
    message = error(answer, want, kind)
    if not isinstance(body, bytes) and status != 502:
        assert message == body["error"]
    assert answer.headers.get("Retry-After") == ("1" if status in (429, 503) else None)


@pytest.mark.parametrize("stream", [True, False])
def test_an_empty_answer_of_ollamas(stream: bool) -> None:
    """Nothing at all is a 502."""
    error(answered(ollama=Ollama(b""), stream=stream), 502, "api_error")


@pytest.mark.parametrize(
    "late",
    [said("more") | DONE, said("more"), {"error": "late"}, b"garbage\n", b"null\n"],
    ids=["done-again", "text", "error", "garbage", "null"],
)
def test_nothing_counts_after_done(late: Any) -> None:
    """After done the answer is complete, whatever else comes, glued to it or not."""
    for size in (0, 10_000):
        answer = streamed(said("x"), END, late, size=size)
        assert outline(answer) == ["text", "x", "end", "end_turn"]


def test_nothing_is_read_after_done() -> None:
    """The writer does not wait for what Ollama does after done."""
    ollama = Ollama(lines(END), AssertionError("read"))
    assert outline(streamed(ollama=ollama)) == ["end_turn"]
    assert ollama.body.closed == 1


def test_a_very_long_error_is_cut() -> None:
    """An error event is small, whatever Ollama put into it."""
    answer = streamed(said("x"), {"error": "\x01" * 100_000})
    assert len(events(answer)[-1]["error"]["message"]) <= 2000
    assert len(answer.body) < 16 * 1024


# ------------------------------------------------------------------ cuts

LONG = [
    said("", thinking="h\u00e4"),
    said("\U0001f999 \u2028"),
    said("", tool_calls=[call("f", {"k": "\u00e9"}, id="a"), call(id="b")]),
    said("", thinking="again"),
    said('"data: x"\n\n'),
    END,
]


def steady(answer: Answer) -> str:
    """A stream without what differs from one answer to another."""
    return re.sub(r"(msg|req)_\w{24}", "", answer.body.decode())


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10_000])
def test_awkward_cuts(size: int) -> None:
    """However Ollama's bytes are cut, the stream is the same."""
    assert steady(streamed(*LONG, size=size)) == steady(streamed(*LONG))


def test_a_whole_answer_that_came_as_lines() -> None:
    """An Ollama that streams when it was not asked to is understood all the same."""
    message = whole(*LONG)
    kinds = [block["type"] for block in message["content"]]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]
    assert message["content"][0]["thinking"] == "h\u00e4again"


def test_what_is_rendered_only() -> None:
    """``_debug_info`` is passed on."""
    shown = {"message": {"content": ""}, "_debug_info": {"rendered_template": "x"}}
    assert whole(shown)["_debug_info"] == {"rendered_template": "x"}


# ------------------------------------------------------------------ heartbeats


class Silence:
    """A watch that says when there is silence: between any two pieces."""

    silent = True
    ending = None

    def __init__(self) -> None:
        self.speak: Callable[[], None] = lambda: None

    def when_silent(self, seconds: float, speak: Callable[[], None]) -> None:
        """Note what is to be done."""
        self.speak = speak


def spoken(blocks: Iterable[Any], silences: set[int]) -> list[dict[str, Any]]:
    """The events of a stream that is silent before each of these blocks."""
    watch, out = Silence(), list[bytes]()

    def ollama(environ: Any, start_response: Any) -> Iterator[bytes]:
        if 0 in silences:
            watch.speak()
        start_response("200 OK", [])
        for number, block in enumerate(blocks, 1):
            if isinstance(block, GatewayError):
                raise block
            yield lines(block)
            if number in silences:
                watch.speak()

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        assert (status, out) == ("200 OK", [])
        return out.append

    environ = environ_of(path=MESSAGES)
    exchange = environ[KEY] = Exchange()
    exchange.watch = watch  # type: ignore[assignment]
    make = maker(stream=True)

    def app(environ: Any, start_response: Any) -> Any:
        return make(exchange, start_response).answer(ollama, environ)

    body: Any = ErrorMiddleware(app)(environ, start)
    try:
        for item in body:
            out.append(item)
    finally:
        body.close()
    return events(
        Answer(200, {"Content-Type": "text/event-stream"}, b"".join(out)),
    )


def test_a_ping_before_the_first_word() -> None:
    """A silent stream begins with the message and a ping; the answer goes on there."""
    found = [event["type"] for event in spoken([said("x"), END], {0})]
    assert found[:3] == ["message_start", "ping", "content_block_start"]
    assert found.count("message_start") == 1


@pytest.mark.parametrize("blocks", [ALL, LONG], ids=["all", "long"])
def test_pings_anywhere(blocks: list[Any]) -> None:
    """A ping between any two pieces changes nothing of the message."""
    plain = followed(spoken(blocks, set()))[0]
    everywhere = set(range(len(blocks)))
    found = spoken(blocks, everywhere)
    assert [event["type"] for event in found].count("ping") == len(everywhere)
    assert not any(a["type"] == b["type"] == "ping" for a, b in pairwise(found))
    message = followed(found)[0]
    assert plain is not None
    assert message is not None
    for one in (plain, message):
        one.id = "msg_"
    assert message.to_dict() == plain.to_dict()


def test_a_failure_after_a_ping() -> None:
    """The status has been sent: the error event has the type it would have had."""
    full = GatewayError("full", status=503, code="server_overloaded")
    *begin, last = spoken([full], {0})
    assert [event["type"] for event in begin] == ["message_start", "ping"]
    assert last["error"] == {"type": "overloaded_error", "message": "full"}


# ------------------------------------------------------------------ forced calls


def fits(text: str) -> str | None:
    """A check that refuses what holds the word ``bad``, and what is no object."""
    try:
        value = json.loads(text)
    except ValueError:
        return "it is not JSON"
    return "it is bad" if "bad" in text or not isinstance(value, dict) else None


ONE = Forced({"f": fits}, "stop")
SEVERAL = Forced({"f": fits, "g": fits}, "tool_calls")
ARGUMENTS = '{"a": "}} \\" {", "b": {"c": [{}, {"d": {}}]}}'
CALLS = [
    (ARGUMENTS, ONE, "f"),
    (f"\n  {ARGUMENTS}\n \n", ONE, "f"),
    (f'{{"name":"g","arguments":{ARGUMENTS}}}', SEVERAL, "g"),
    (f' {{\n "name" : "g" ,\n"arguments" : {ARGUMENTS} \n }} \n', SEVERAL, "g"),
]


def saying(text: str, size: int, reason: str = "stop") -> list[Any]:
    """A text in pieces of a size, and the end."""
    pieces = [said(text[at : at + size]) for at in range(0, len(text), size)]
    return [*pieces, END | {"done_reason": reason}]


@pytest.mark.parametrize(("text", "forced", "name"), CALLS)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_forced_call(text: str, forced: Forced, name: str, size: int) -> None:
    """However it comes, the text is one call and no text; the reason says so."""
    replies = saying(text, size)
    message, failed = followed(events(streamed(*replies, forced=forced)))
    assert failed is None
    assert message is not None
    for found in (whole(*replies, forced=forced), message.to_dict()):
        (block,) = found["content"]  # type: ignore[misc]
        assert (block["type"], block["name"]) == ("tool_use", name)
        assert block["input"] == json.loads(ARGUMENTS)
        assert re.fullmatch(r"toolu_\w{24}", block["id"])
        assert found["stop_reason"] == "tool_use"


def test_a_forced_call_is_not_interrupted() -> None:
    """What a model thinks while it writes the call comes after it, and is not lost."""
    halves = ARGUMENTS[:9], ARGUMENTS[9:]
    again = said("", thinking="again")
    replies = [said(halves[0]), again, said(halves[1]), END]
    message, failed = followed(events(streamed(*replies, forced=ONE)))
    assert failed is None
    assert message is not None
    call, thought = message.to_dict()["content"]  # type: ignore[misc]
    assert (call["type"], call["input"]) == ("tool_use", json.loads(ARGUMENTS))
    assert (thought["type"], thought["thinking"]) == ("thinking", "again")


@pytest.mark.parametrize(("text", "forced", "name"), CALLS[1:3])
def test_a_forced_call_that_is_cut(text: str, forced: Forced, name: str) -> None:
    """Cut by its length in any place, it is said to be, and never looks complete."""
    for end in range(len(text)):
        for size in (1, 1000):
            replies = saying(text[:end], size, "length")
            answer = streamed(*replies, forced=forced)
            message, failed = followed(events(answer))
            assert failed is None
            assert message is not None
            assert message.stop_reason == "max_tokens"
            assert all(block.type == "tool_use" for block in message.content)
        one = whole(*replies, forced=forced)
        assert one["stop_reason"] == "max_tokens"
        assert all(block["name"] == name for block in one["content"])


@pytest.mark.parametrize(("text", "forced", "name"), CALLS[1:3])
def test_a_forced_call_that_breaks_off(text: str, forced: Forced, name: str) -> None:
    """Broken off in any place it is an error, as a whole answer too."""
    for end in range(1, len(text)):
        replies = saying(text[:end], 3)[:-1]
        error(answered(*replies, forced=forced), 502, "api_error")
        answer = streamed(*replies, forced=forced)
        if answer.status == 502:  # nothing of it was a call as yet
            error(answer, 502, "api_error")
            continue
        message, failed = followed(events(answer))
        assert failed is not None
        assert message is not None
        assert message.stop_reason is None


@pytest.mark.parametrize(
    ("text", "forced", "problem"),
    [
        ('{"a": "bad"}', ONE, "(f): it is bad"),
        ('{"a": ', ONE, "(f): it is not JSON"),
        ("Paris is fine.", ONE, "it is no object"),
        ("[1]", ONE, "it is no object"),
        ("", ONE, "it is no object"),
        ('{"name":"f","arguments":{"a":"bad"}}', SEVERAL, "(f): it is bad"),
        ('{"name":"f","arguments":{"a":1}', SEVERAL, "(f): it is not JSON"),
        ("Paris is fine.", SEVERAL, "it names no function"),
        ("", SEVERAL, "it names no function"),
    ],
)
def test_what_is_no_call(text: str, forced: Forced, problem: str) -> None:
    """A call that does not fit, or is none, is an error that the library can read."""
    refusal = answered(*saying(text, 1000), forced=forced)
    assert problem in error(refusal, 502, "api_error")
    for size in (1, 1000):
        answer = streamed(*saying(text, size), forced=forced)
        if answer.status == 502:
            assert problem in error(answer, 502, "api_error")
            continue
        _, failed = followed(events(answer))
        assert failed is not None
        assert problem in failed["error"]["message"]


def test_thoughts_before_a_forced_call() -> None:
    """A model that thinks is heard thinking; its thoughts are no input."""
    replies = [said("", thinking="hm"), said('{"a"', thinking="!"), said(":1}"), END]
    assert outline(streamed(*replies, forced=ONE)) == [
        *("thinking", "hm", "!", "signed:hm!", "end"),
        *("tool_use", '{"a"', ":1}", "end", "tool_use"),
    ]
    kinds = [block["type"] for block in whole(*replies, forced=ONE)["content"]]
    assert kinds == ["thinking", "tool_use"]


# ------------------------------------------------------------------ formats


@pytest.mark.parametrize("thoughts", [[], [said("", thinking="hm")]], ids=["", "hm"])
def test_a_format_is_held_to(thoughts: list[Any]) -> None:
    """Text that does not fit the schema is an error, one that was cut is not."""
    bad = [*thoughts, said('{"bad'), said('": 1}')]
    refusal = answered(*bad, END, check=fits)
    assert "it is bad" in error(refusal, 502, "api_error")
    _, failed = followed(events(streamed(*bad, END, check=fits)))
    assert failed is not None
    assert "it is bad" in failed["error"]["message"]
    good = [*thoughts, said('{"a'), said('": 1}'), END]
    assert whole(*good, check=fits)["stop_reason"] == "end_turn"
    assert followed(events(streamed(*good, check=fits)))[1] is None
    cut = [*bad, END | {"done_reason": "length"}]
    assert followed(events(streamed(*cut, check=fits)))[1] is None
    calling = [*bad, said("", tool_calls=[call()]), END]
    assert followed(events(streamed(*calling, check=fits)))[1] is None
