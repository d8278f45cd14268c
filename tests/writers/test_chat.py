import re
from typing import Any

import msgspec
import pytest
from support.ollama import Answer, Ollama
from support.writing import answered, lines, written

from app.errors import UpstreamTimeout
from app.exchange import Exchange
from writers import sse
from writers.chat import ChatWriter

TIME = "2026-01-02T03:04:05.678Z"
DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
LOGPROB = {"token": "x", "logprob": -0.5}


def said(content: str | None = "", **more: Any) -> dict[str, Any]:
    """One line of a chat."""
    return {
        "created_at": TIME,
        "message": {"role": "assistant", "content": content} | more,
    }


def call(name: str = "f", arguments: Any = None, **more: Any) -> dict[str, Any]:
    """One call as Ollama reports it."""
    return {"function": {"name": name, "arguments": arguments or {}}, **more}


END = said() | DONE


def chatted(*replies: Any, ollama: Ollama | None = None, **options: Any) -> Answer:
    """The answer in one piece; of one block."""
    ollama = ollama or Ollama(lines(*replies))
    return written(
        lambda exchange, start: ChatWriter(
            exchange, start, **{"model": "m", **options}
        ),
        ollama,
    )


def streamed(*replies: Any, **options: Any) -> list[Any]:
    """The events of a stream, one block of Ollama's for each reply."""
    ollama = answered(*replies)
    return chatted(ollama=ollama, stream=True, **options).frames


def deltas(frames: list[Any]) -> list[dict[str, Any]]:
    """The deltas of the chunks that have a choice."""
    return [
        frame["choices"][0]["delta"]
        for frame in frames
        if isinstance(frame, dict) and frame.get("choices")
    ]


def message(*replies: Any, **options: Any) -> dict[str, Any]:
    """The message of an answer in one piece."""
    (choice,) = chatted(*replies, **options).json["choices"]
    found: dict[str, Any] = choice["message"]
    return found


def test_a_stream_has_role_text_finish_and_end() -> None:
    """The role comes with the first text, the reason alone, then [DONE]."""
    frames = streamed(said("He"), said("llo"), END)
    assert deltas(frames) == [
        {"role": "assistant", "content": "He"},
        {"content": "llo"},
        {},
    ]
    reasons = [frame["choices"][0]["finish_reason"] for frame in frames[:-1]]
    assert reasons == [None, None, "stop"]
    assert frames[-1] == "[DONE]"


def test_every_chunk_says_whose_it_is() -> None:
    """Id, object, created, model and fingerprint are the same in each chunk."""
    frames = streamed(said("a"), said("b"), END)[:-1]
    for frame in frames:
        head = {key: value for key, value in frame.items() if key != "choices"}
        assert head == {
            "id": frames[0]["id"],
            "object": "chat.completion.chunk",
            "created": 1767323045,
            "model": "m",
            "system_fingerprint": "fp_ollama",
        }
    assert re.fullmatch(r"chatcmpl-\w{24}", frames[0]["id"])


@pytest.mark.parametrize("model", [sse.MARK, f'"{sse.MARK}"', 'a"b\\'])
def test_whatever_the_model_is_called(model: str) -> None:
    """Neither a name nor a text is taken for the place where texts belong."""
    texts = ["a", sse.MARK, f'"{sse.MARK}"', "b"]
    *frames, done = streamed(*map(said, texts), END, model=model)
    assert {frame["model"] for frame in frames} == {model}
    assert [delta.get("content") for delta in deltas(frames)] == [*texts, None]
    assert done == "[DONE]"


def test_ids_differ() -> None:
    """No two answers have the same id."""
    assert len({chatted(END).json["id"] for _ in range(200)}) == 200


def test_usage_is_null_until_its_chunk() -> None:
    """With include_usage all chunks say null but the last, which has no choices."""
    *chunks, usage, done = streamed(said("a"), END, include_usage=True)
    assert [chunk["usage"] for chunk in chunks] == [None] * len(chunks)
    assert usage["choices"] == []
    assert usage["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
    }
    assert done == "[DONE]"


def test_no_usage_unless_asked() -> None:
    """Without include_usage no chunk speaks of it."""
    frames = streamed(said("a"), END)[:-1]
    assert [frame for frame in frames if "usage" in frame] == []


@pytest.mark.parametrize("content", ["", None])
def test_a_wholly_empty_stream(content: str | None) -> None:
    """Nothing said is a role, a reason and the end."""
    frames = streamed(said(content) | DONE)
    assert deltas(frames) == [{"role": "assistant", "content": ""}, {}]
    assert frames[-1] == "[DONE]"


def test_empty_lines_cost_no_frames() -> None:
    """Lines without content make no chunks."""
    assert len(streamed(said("a"), *[said()] * 1000, END)) == 3


def test_text_on_the_last_line_is_not_lost() -> None:
    """A tool parser may flush its text with the done line."""
    frames = streamed(said("He"), said("llo") | DONE)
    assert deltas(frames) == [
        {"role": "assistant", "content": "He"},
        {"content": "llo"},
        {},
    ]


FIELDS = {
    "both": {"reasoning": "t", "reasoning_content": "t"},
    "reasoning": {"reasoning": "t"},
    "reasoning_content": {"reasoning_content": "t"},
    "none": {},
}


@pytest.mark.parametrize(("field", "keys"), FIELDS.items())
def test_where_reasoning_goes(field: Any, keys: dict[str, str]) -> None:
    """The setting names the keys of reasoning, in a stream and in a whole answer."""
    thinking = said("", thinking="t")
    first = deltas(streamed(thinking, END, reasoning_field=field))[0]
    assert first == {"role": "assistant", "content": "", **keys}
    whole = message(said("x", thinking="t") | DONE, reasoning_field=field)
    assert whole == {"role": "assistant", "content": "x", "refusal": None, **keys}


def test_reasoning_and_text_on_one_line() -> None:
    """They are two chunks, reasoning first; log probabilities are of the first."""
    line = said("x", thinking="t") | {"logprobs": [LOGPROB]}
    frames = streamed(line, END, reasoning_field="reasoning")
    assert deltas(frames)[:2] == [
        {"role": "assistant", "reasoning": "t"},
        {"content": "x"},
    ]
    assert ["logprobs" in frame["choices"][0] for frame in frames[:2]] == [True, False]


def test_a_call_is_two_frames() -> None:
    """Who is called, then with what; content is null where the role is said."""
    line = said("", tool_calls=[call(arguments={"z": 1, "a": [2]}, id="call_1")])
    first, second, last = deltas(streamed(line, END))
    assert first == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": "f", "arguments": ""},
            }
        ],
    }
    text = '{"z":1,"a":[2]}'
    assert second == {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
    assert last == {}


def test_a_call_after_text_says_nothing_of_content() -> None:
    """Chunks of calls carry no content once the role was said."""
    frames = streamed(said("a"), said("", tool_calls=[call(id="c")]), END)
    assert [("content" in delta) for delta in deltas(frames)] == [True] + [False] * 3


def test_calls_are_renumbered() -> None:
    """Indices are 0 to n-1 over the whole stream, whatever Ollama numbers."""
    twice = [call(id="a"), call(id="b")]
    for made in twice:
        made["function"]["index"] = 7
    frames = streamed(said("", tool_calls=twice), said("", tool_calls=[call()]), END)
    pieces = [d["tool_calls"][0]["index"] for d in deltas(frames) if "tool_calls" in d]
    assert pieces == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("ids", [["", ""], [None, None], ["a", "a"], ["a", "a", "a"]])
def test_ids_of_calls_are_minted(ids: list[str | None]) -> None:
    """An empty or repeated id is replaced, in a stream and in a whole answer."""
    made = [call(id=given) for given in ids]
    frames = deltas(streamed(said("", tool_calls=made), END))
    starts = [d["tool_calls"][0] for d in frames if "tool_calls" in d]
    found = [[piece["id"] for piece in starts if "id" in piece]]
    whole = message(said("", tool_calls=made) | DONE)
    found.append([one["id"] for one in whole["tool_calls"]])
    for these in found:
        assert len(set(these)) == len(ids)
        minted = these[1:] if ids[0] == "a" else these
        assert all(re.fullmatch(r"call_\w{24}", each) for each in minted)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (None, "{}"),
        ({}, "{}"),
        ({"a": "\u2028<"}, '{"a":"\u2028<"}'),
        ("already text", "already text"),
        ([1], "[1]"),
        (5, "5"),
    ],
)
def test_arguments_are_json_text(arguments: Any, text: str) -> None:
    """Arguments are text; what came as text stays."""
    made = {"function": {"name": "f", "arguments": arguments}}
    whole = message(said("", tool_calls=[made]) | DONE)
    assert whole["tool_calls"][0]["function"]["arguments"] == text


@pytest.mark.parametrize(
    ("reason", "calls", "want"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("length", False, "length"),
        ("length", True, "length"),
        ("load", False, "stop"),
        ("unload", False, "stop"),
        ("odd", False, "stop"),
        ("odd", True, "tool_calls"),
        ("", False, "stop"),
        ("", True, "tool_calls"),
        (None, False, "stop"),
    ],
)
def test_finish_reasons(reason: str | None, calls: bool, want: str) -> None:
    """Only reasons that OpenAI's clients know; length is never relabelled."""
    end = said("", tool_calls=[call(id="a")] if calls else None) | {
        "done": True,
        "done_reason": reason,
    }
    assert streamed(end)[-2]["choices"][0]["finish_reason"] == want
    assert chatted(end).json["choices"][0]["finish_reason"] == want


def test_done_reason_may_be_missing() -> None:
    """No reason is stop."""
    assert chatted(said("a") | {"done": True}).json["choices"][0]["finish_reason"] == (
        "stop"
    )


def test_a_whole_answer() -> None:
    """All keys of a chat completion, in OpenAI's order."""
    answer = chatted(said("Hello") | DONE)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    body = answer.json
    assert re.fullmatch(r"chatcmpl-\w{24}", body.pop("id"))
    assert body == {
        "object": "chat.completion",
        "created": 1767323045,
        "model": "m",
        "system_fingerprint": "fp_ollama",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def test_calls_in_a_whole_answer() -> None:
    """Content is null where there are only calls, and text where there is some."""
    calls = [call(id="a"), call("g", {"x": 1}, id="b")]
    alone = message(said("", tool_calls=calls) | DONE)
    assert alone["content"] is None
    assert alone["tool_calls"][1] == {
        "id": "b",
        "type": "function",
        "function": {"name": "g", "arguments": '{"x":1}'},
    }
    assert message(said("t", tool_calls=calls) | DONE)["content"] == "t"


def test_service_tier_is_answered() -> None:
    """A request that names a tier is told of one."""
    assert "service_tier" not in chatted(END).json
    assert chatted(END, service_tier="default").json["service_tier"] == "default"


def test_logprobs_have_every_key() -> None:
    """The SDK needs bytes and a list of alternatives on every token."""
    given = [
        {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": [LOGPROB]},
        {"token": "b", "logprob": -1},
    ]
    want = {
        "content": [
            {
                "token": "a",
                "logprob": -0.1,
                "bytes": [97],
                "top_logprobs": [{**LOGPROB, "bytes": None}],
            },
            {"token": "b", "logprob": -1.0, "bytes": None, "top_logprobs": []},
        ],
        "refusal": None,
    }
    line = said("ab") | {"logprobs": given}
    assert streamed(line, END)[0]["choices"][0]["logprobs"] == want
    assert chatted(line | DONE).json["choices"][0]["logprobs"] == want


def test_logprobs_flow_without_text() -> None:
    """Tokens of a call that is still growing have log probabilities but no text."""
    first = streamed(said("") | {"logprobs": [LOGPROB]}, END)[0]["choices"][0]
    assert first["delta"] == {"role": "assistant", "content": ""}
    assert first["logprobs"]["content"][0]["token"] == "x"


@pytest.mark.parametrize(
    "late",
    [
        said("more") | DONE,
        said("more"),
        {"error": "late"},
        b"garbage\n",
        b"\xff\n",
        b"null\n",
    ],
    ids=["done-again", "text", "error", "garbage", "invalid-utf-8", "null"],
)
@pytest.mark.parametrize("glued", [True, False])
def test_u6_nothing_counts_after_done(late: Any, glued: bool) -> None:
    """After done the answer is complete, whatever else comes, glued to it or not."""
    ollama = Ollama(lines(END, late)) if glued else answered(END, late)
    frames = chatted(ollama=ollama, stream=True).frames
    assert frames[-1] == "[DONE]"
    assert len(frames) == 3
    whole = chatted(ollama=Ollama(lines(said("a"), END, late))).json
    assert whole["choices"][0]["message"]["content"] == "a"


def test_nothing_is_read_after_done() -> None:
    """The writer does not wait for what Ollama does after done."""
    ollama = Ollama(lines(END), AssertionError("read"))
    assert chatted(ollama=ollama, stream=True).frames[-1] == "[DONE]"
    assert ollama.body.closed == 1


NO_REPLY = {
    "null": b"null",
    "array": b"[]",
    "number": b"5",
    "string": b'"x"',
    "true": b"true",
    "html": b"<html>",
    "cut": b'{"message":{"content":"x"',
    "two": b'{"done":false}{"done":false}',
    "trailing": b'{"done":false} x',
    "deep": b'{"message":' + b"[" * 20_000,
    "deep-whole": b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "invalid-utf-8": b'{"message":{"content":"\xff"}}',
    "raw-surrogate": b'{"message":{"content":"\xed\xa0\x80"}}',
    "overlong": b'{"message":{"content":"\xc0\xaf"}}',
    "nan": b'{"logprobs":[{"token":"a","logprob":NaN}]}',
    "infinity": b'{"logprobs":[{"token":"a","logprob":-Infinity}]}',
    "1e999": b'{"logprobs":[{"token":"a","logprob":1e999}]}',
    "control": b'{"message":{"content":"\x01"}}',
    "nul": b"\x00",
    "bom": b'\xef\xbb\xbf{"done":false}',
    "utf-16": '{"done":false}'.encode("utf-16"),
    "message-string": b'{"message":"x"}',
    "message-list": b'{"message":[]}',
    "content-number": b'{"message":{"content":5}}',
    "content-list": b'{"message":{"content":["a"]}}',
    "thinking-bool": b'{"message":{"thinking":true}}',
    "done-string": b'{"done":"true"}',
    "done-number": b'{"done":1}',
    "reason-number": b'{"done":true,"done_reason":5}',
    "created-number": b'{"created_at":5}',
    "calls-object": b'{"message":{"tool_calls":{}}}',
    "call-string": b'{"message":{"tool_calls":["f"]}}',
    "call-empty": b'{"message":{"tool_calls":[{}]}}',
    "call-name": b'{"message":{"tool_calls":[{"function":{"name":5}}]}}',
    "logprobs-string": b'{"logprobs":"x"}',
    "logprob-missing": b'{"logprobs":[{"token":"a"}]}',
}


@pytest.mark.parametrize("line", NO_REPLY.values(), ids=NO_REPLY.keys())
def test_u4_a_line_that_is_no_reply(line: bytes) -> None:
    """It is a 502 before the first frame, an error event after, never repeated."""
    for stream in (True, False):
        answer = chatted(ollama=Ollama(line + b"\n"), stream=stream)
        assert answer.status == 502
        assert answer.error["code"] == "bad_upstream_response"
    first, error = streamed(said("He"), line + b"\n")
    assert first["choices"][0]["delta"]["content"] == "He"
    assert error["error"]["code"] == "bad_upstream_response"
    assert error["error"]["message"] == "Ollama's answer could not be understood."
    glued = chatted(ollama=Ollama(lines(said("He"), line + b"\n")), stream=True)
    assert glued.frames[0]["choices"][0]["delta"]["content"] == "He"
    assert glued.frames[1:] == [error]


@pytest.mark.parametrize(
    "line",
    [
        {"message": None},
        {"message": {}},
        {"message": {"content": None, "thinking": None, "tool_calls": None}},
        {"done": None, "done_reason": None, "created_at": None, "model": None},
        {"logprobs": None, "error": None, "unknown": [{"a": 1}]},
        {"message": {"tool_calls": [], "images": ["x"]}},
        {},
    ],
)
def test_what_may_be_missing(line: dict[str, Any]) -> None:
    """null and nothing are no faults."""
    assert deltas(streamed(line, said("a"), END))[0]["content"] == "a"


@pytest.mark.parametrize(
    "count",
    [1.5, 3.0, -1, 2**53 + 1, 10**30, True, "5", None, [], {}, 1e300],
    ids=repr,
)
def test_u7_odd_counts_are_zero(count: Any) -> None:
    """A count that is none does not cost the answer."""
    end = said("a") | {"done": True, "prompt_eval_count": count, "eval_count": 2}
    usage = {"prompt_tokens": 0, "completion_tokens": 2, "total_tokens": 2}
    assert chatted(end).json["usage"] == usage
    assert streamed(end, include_usage=True)[-2]["usage"] == usage


def test_the_largest_count_passes() -> None:
    """Counts are exact up to 2^53."""
    end = END | {"prompt_eval_count": 2**53, "eval_count": 0}
    assert chatted(end).json["usage"]["prompt_tokens"] == 2**53


def test_u5_an_end_without_done() -> None:
    """An answer that just ends is a failure, streamed or not."""
    assert chatted(said("a")).error["code"] == "upstream_incomplete"
    first, error = streamed(said("a"))
    assert first["choices"][0]["delta"]["content"] == "a"
    assert error["error"]["code"] == "upstream_incomplete"


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\n"])
def test_an_empty_answer(body: bytes) -> None:
    """Nothing at all is a 502."""
    for stream in (True, False):
        assert chatted(ollama=Ollama(body), stream=stream).status == 502


def test_an_error_line() -> None:
    """Ollama's words arrive, as the last frame; alone they are the whole answer."""
    first, error = streamed(said("a"), {"error": "boom"})
    assert first["choices"][0]["delta"]["content"] == "a"
    assert error == {
        "error": {
            "message": "boom",
            "type": "api_error",
            "param": None,
            "code": "upstream_error",
        }
    }
    for stream in (True, False):
        answer = chatted(ollama=answered({"error": "boom"}), stream=stream)
        assert (answer.status, answer.error["message"]) == (500, "boom")


TRICKY = [
    "a\n\nb",
    "\r\n\r\n",
    "data: x\n\n",
    "event: error\n",
    "data: [DONE]\n\n",
    "[DONE]",
    "\u2028\u2029\u0085",
    "\x00\x1f\x7f",
    '"\\',
    "\U0001f600\u00e9",
    "</script>",
]


@pytest.mark.parametrize("text", TRICKY)
def test_u8_text_is_no_frame(text: str) -> None:
    """Any text arrives intact inside its one frame."""
    assert deltas(streamed(said(text), END))[0]["content"] == text
    assert message(said(text) | DONE)["content"] == text


def test_u7_a_lone_surrogate_becomes_a_replacement() -> None:
    """Half a character is U+FFFD; a whole one in two escapes is itself."""
    line = rb'{"message":{"content":"a\ud800b\\ud800 \ud83d\ude00 \ude00"}}'
    want = "a\ufffdb\\ud800 \U0001f600 \ufffd"
    assert deltas(streamed(line + b"\n", END))[0]["content"] == want


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_u3_a_character_may_be_cut_anywhere(cut: int) -> None:
    """Bytes of a character that come apart are put together."""
    data = lines(said("\u00e9\u20ac\U0001f600"), END).decode().encode()
    pieces = [data[i : i + cut] for i in range(0, len(data), cut)]
    frames = chatted(ollama=Ollama(*pieces), stream=True).frames
    assert deltas(frames)[0]["content"] == "\u00e9\u20ac\U0001f600"


def test_no_time_is_now() -> None:
    """A missing, zero or bad time is the current one, the same in every chunk."""
    for time in (None, "", "0001-01-01T00:00:00Z", "yesterday", "9999999"):
        frames = streamed({"created_at": time, "message": {"content": "a"}}, END)[:-1]
        assert len({frame["created"] for frame in frames}) == 1
        assert frames[0]["created"] > 1_700_000_000


@pytest.mark.parametrize("digits", range(10))
def test_times_of_any_precision(digits: int) -> None:
    """Ollama cuts trailing zeros of the fraction: 0 to 9 digits are one second."""
    time = "2026-01-02T03:04:05" + ("." + "123456789"[:digits] if digits else "")
    for zone in ("Z", "+00:00", "-00:00"):
        assert chatted(END | {"created_at": time + zone}).json["created"] == 1767323045


def test_debug_info_is_passed() -> None:
    """What _debug_render_only shows needs no done."""
    answer = chatted(said("") | {"_debug_info": {"rendered_template": "x"}})
    assert answer.json["_debug_info"] == {"rendered_template": "x"}


def test_the_exchange_learns_the_counts() -> None:
    """Counts and completeness are known to the layers afterwards."""
    exchanges = []

    def make(exchange: Exchange, start: Any) -> ChatWriter:
        exchanges.append(exchange)
        return ChatWriter(exchange, start, model="m", stream=True)

    written(make, answered(END))
    (exchange,) = exchanges
    assert (exchange.prompt_tokens, exchange.completion_tokens) == (7, 3)
    assert exchange.complete


@pytest.mark.parametrize("headers", [[], [("Content-Encoding", "gzip")]])
@pytest.mark.parametrize("status", ["200 OK", "500 Error"])
@pytest.mark.parametrize("stream", [True, False])
def test_the_answer_is_closed_once(stream: bool, status: str, headers: Any) -> None:
    """Ollama's answer is let go of, whatever became of it."""
    ollama = Ollama(lines(END), status=status, headers=headers)
    chatted(ollama=ollama, stream=stream)
    assert ollama.body.closed >= 1


@pytest.mark.parametrize("encoding", ["gzip", "br", "IDENTITY", "x"])
def test_u10_compressed_answers_are_refused(encoding: str) -> None:
    """We asked for no compression; identity is none."""
    headers = [("content-ENCODING", encoding)]
    answer = chatted(ollama=answered(END, headers=headers))
    assert answer.status == (200 if encoding == "IDENTITY" else 502)


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 304, 307])
def test_a_status_without_sense(status: int) -> None:
    """Anything but 200 and errors is a 502."""
    for stream in (True, False):
        ollama = answered(END, status=f"{status} X", headers=[("Location", "/")])
        answer = chatted(ollama=ollama, stream=stream)
        assert answer.status == 502
        assert "Location" not in answer.headers


def test_nothing_of_ollamas_headers_passes() -> None:
    """A translated answer has our headers, whatever Ollama's were."""
    headers = [("Set-Cookie", "a=b"), ("Server", "x"), ("X-Other", "y")]
    for stream in (True, False):
        ollama = answered(END, headers=headers)
        answer = chatted(ollama=ollama, stream=stream)
        assert not {"Set-Cookie", "Server", "X-Other"} & {*answer.headers.keys()}


def test_headers_of_a_stream() -> None:
    """What tells proxies to pass every frame on, and no length."""
    headers = chatted(ollama=answered(END), stream=True).headers
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in headers


def test_a_refusal_of_a_stream_is_no_stream() -> None:
    """An error before the first line has its status and the envelope."""
    ollama = Ollama(b'{"error":"model \'m\' not found"}', status="404 Not Found")
    answer = chatted(ollama=ollama, stream=True)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


def test_u9_an_error_is_read_to_its_limit_only() -> None:
    """An endless error body is not read to its end."""
    blocks = [b"x" * 8192] * 1000
    ollama = Ollama(*blocks, status="500 Error")
    assert chatted(ollama=ollama).status == 502
    assert ollama.body.taken <= 10
    assert ollama.body.closed


def test_u9_a_whole_answer_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is too long is a 502 while it arrives."""
    monkeypatch.setattr("writers.base.MAX_WHOLE", 100_000)
    ollama = Ollama(*[b" " * 10_000] * 1000)
    assert chatted(ollama=ollama).status == 502
    assert ollama.body.taken <= 11


@pytest.mark.parametrize("count", [0, 2])
def test_an_app_that_fails_midway(count: int) -> None:
    """What the wrapped application raises is a status, or the last frame."""
    blocks = [lines(said("a"))] * count
    ollama = Ollama(*blocks, UpstreamTimeout("too slow"))
    answer = chatted(ollama=ollama, stream=True)
    if count:
        assert answer.status == 200
        assert answer.frames[-1]["error"]["code"] == "upstream_timeout"
    else:
        assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")
    whole = chatted(ollama=Ollama(*blocks, UpstreamTimeout("too slow")))
    assert (whole.status, whole.error["message"]) == (504, "too slow")


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_u6_a_whole_answer_that_is_done_does_not_wait(ending: bytes) -> None:
    """After ``done`` nothing more is read: Ollama may stall, break or babble."""
    payload = msgspec.json.encode(said("Hello") | DONE) + ending
    stalled = Ollama(payload, UpstreamTimeout("never asked for"))
    answer = chatted(ollama=stalled)
    assert answer.json["choices"][0]["message"]["content"] == "Hello"
    assert stalled.body.closed


def test_u3_a_whole_answer_in_awkward_pieces() -> None:
    """A block that happens to end like an object is not taken for the whole."""
    payload = msgspec.json.encode(said("a}b{}c") | DONE)
    pieces = [payload[i : i + 1] for i in range(len(payload))]
    answer = chatted(ollama=Ollama(*pieces))
    assert answer.json["choices"][0]["message"]["content"] == "a}b{}c"


def test_a_whole_answer_of_many_lines_is_decoded_once() -> None:
    """Each line of an NDJSON answer costs the same, however many reads bring it."""
    decoded: list[int] = []

    class Counting(ChatWriter):
        def _decode(self, data: bytes) -> Any:
            decoded.append(len(data))
            return super()._decode(data)

    payload = [lines(said("x"))] * 200 + [lines(END)]
    answer = written(
        lambda exchange, start: Counting(exchange, start, model="m"), Ollama(*payload)
    )
    assert answer.json["choices"][0]["message"]["content"] == "x" * 200
    assert len(decoded) == 202  # all of it, which is no single reply, then the lines
