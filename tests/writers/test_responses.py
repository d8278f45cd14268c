"""ResponsesWriter: lines of Ollama's in, a response or its events out."""

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.events import LAST, accepted, check_response, events, kinds, parsed
from support.ollama import Answer, Ollama
from support.writing import answered, lines, written

from app.errors import UpstreamTimeout
from app.exchange import Exchange
from app.wire import responses
from writers import responses_items, responses_output
from writers.call import CallForm
from writers.forced import Forced
from writers.responses import ForcedResponsesWriter, ResponsesWriter

TIME = "2026-01-02T03:04:05.678Z"
DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
LENGTH = DONE | {"done_reason": "length"}
CREATED, IN_PROGRESS = "created", "in_progress"
ADDED, ITEM_DONE = "output_item.added", "output_item.done"
BEGIN = [CREATED, IN_PROGRESS]
THOUGHT = [
    *(ADDED, "reasoning_summary_part.added", "reasoning_summary_text.delta"),
    *("reasoning_summary_text.done", "reasoning_summary_part.done", ITEM_DONE),
]
TEXT = [
    *(ADDED, "content_part.added", "output_text.delta"),
    *("output_text.done", "content_part.done", ITEM_DONE),
]
CALL = [
    *(ADDED, "function_call_arguments.delta", "function_call_arguments.done"),
    ITEM_DONE,
]
CUSTOM = [
    *(ADDED, "custom_tool_call_input.delta", "custom_tool_call_input.done"),
    ITEM_DONE,
]


def said(content: str | None = "", **more: Any) -> dict[str, Any]:
    """One line of a chat."""
    return {
        "created_at": TIME,
        "message": {"role": "assistant", "content": content} | more,
    }


def thought(text: str) -> dict[str, Any]:
    """One line of reasoning."""
    return said("", thinking=text)


def called(name: str = "f", arguments: Any = None, **more: Any) -> dict[str, Any]:
    """One line with a call."""
    function = {"name": name, "arguments": {} if arguments is None else arguments}
    return said("", tool_calls=[{"function": function, **more}])


END = said() | DONE
CUT = said() | LENGTH


def echo(**more: Any) -> responses.Response:
    """What is known of a response beforehand."""
    text = responses.TextConfig(responses.TextFormat("text"))
    known = {"id": f"resp_{'5' * 32}", "model": "m", "text": text}
    return responses.Response(**known | more)


def responded(ollama: Ollama, writer: Any = ResponsesWriter, **options: Any) -> Answer:
    """The answer of a writer."""
    forced = options.pop("forced", None)

    def make(exchange: Exchange, start: Any) -> ResponsesWriter:
        exchange.hidden = options.pop("hidden", False)
        check = options.pop("check", None)
        made = writer(exchange, start, **{"model": "m", "echo": echo(), **options})
        made.check = check
        if forced is not None:
            made.forced = forced
        return made  # type: ignore[no-any-return]

    return written(make, ollama)


def streamed(*replies: Any, **options: Any) -> list[dict[str, Any]]:
    """The events of a stream, one block of Ollama's for each reply."""
    found = events(responded(answered(*replies), stream=True, **options))
    accepted(found)
    return found


def whole(*replies: Any, **options: Any) -> dict[str, Any]:
    """A response in one piece."""
    answer = responded(Ollama(lines(*replies)), **options)
    assert answer.status == 200, answer.body
    check_response(answer.json)
    found: dict[str, Any] = answer.json
    return found


# ------------------------------------------------------------- order of events

#: Lines, and the types of the events after the two that all begin with.
STREAMS: dict[str, tuple[list[Any], list[str]]] = {
    "nothing": ([END], []),
    "text": ([said("a"), END], TEXT),
    "text on the last line": ([said("a") | DONE], TEXT),
    "several texts": (
        [said("a"), said("b"), END],
        [*TEXT[:3], TEXT[2], *TEXT[3:]],
    ),
    "thinking": ([thought("a"), END], THOUGHT),
    "thinking, text": ([thought("a"), said("b"), END], THOUGHT + TEXT),
    "both in one line": ([said("b", thinking="a"), END], THOUGHT + TEXT),
    "thinking again": (
        [thought("a"), said("b"), thought("c"), said("d"), END],
        THOUGHT + TEXT + THOUGHT + TEXT,
    ),
    "a call": ([called(), END], CALL),
    "a call on the last line": ([called() | DONE], CALL),
    "thinking, a call": ([thought("a"), called(), END], THOUGHT + CALL),
    "text, a call": ([said("a"), called(), END], TEXT + CALL),
    "a call, text": ([called(), said("a"), END], CALL + TEXT),
    "calls": ([called("f"), called("g"), END], CALL + CALL),
    "text, calls, text": (
        [said("a"), called(), called(), said("b"), END],
        TEXT + CALL + CALL + TEXT,
    ),
    "all at once": (
        [said("b", thinking="a", tool_calls=[{"function": {"name": "f"}}]) | DONE],
        THOUGHT + TEXT + CALL,
    ),
    "a call of what takes text": ([called("c", {"input": "x"}), END], CUSTOM),
    "empty lines": ([said(""), said(None), {"done": False}, END], []),
    "no message": ([{"done": True}], []),
}


@pytest.mark.parametrize(("replies", "wanted"), STREAMS.values(), ids=STREAMS)
def test_events_in_order(replies: list[Any], wanted: list[str]) -> None:
    """Every item is added, grows and is done, each before the next, in their order."""
    found = streamed(*replies, form=CallForm(customs=frozenset("c")))
    assert kinds(found) == [*BEGIN, *wanted, "completed"]


@pytest.mark.parametrize(("replies", "wanted"), STREAMS.values(), ids=STREAMS)
def test_whole_is_as_streamed(replies: list[Any], wanted: list[str]) -> None:
    """An answer in one piece has the same items, texts joined; so has any stream."""
    form = CallForm(customs=frozenset("c"))
    stream = streamed(*replies, form=form)[-1]["response"]
    blocks = b"".join(lines(reply) for reply in replies)
    bytewise = Ollama(*[blocks[n : n + 1] for n in range(len(blocks))])
    again = events(responded(bytewise, stream=True, form=form))[-1]["response"]
    assert _sayings(again) == _sayings(stream)
    one = whole(*replies, form=form)
    for kind in ("reasoning", "message", "function_call", "custom_tool_call"):
        together = "".join([text for k, text in _sayings(stream) if k == kind])
        assert "".join([text for k, text in _sayings(one) if k == kind]) == together
    assert one["usage"] == stream["usage"]
    assert one["status"] == stream["status"]


def _sayings(response: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for item in response["output"]:
        if item["type"] == "message":
            found.append(("message", item["content"][0]["text"]))
        elif item["type"] == "reasoning":
            found.append(("reasoning", item["summary"][0]["text"]))
        else:
            found.append((item["type"], item.get("arguments") or item.get("input")))
    return found


def test_a_text_delta() -> None:
    """An event of a piece of text has all keys of OpenAI's, the number second."""
    text = 'a "quoted"\n% \u2028 text \U0001f999'
    found = streamed(said("x"), said(text), END)
    item = found[2]["item"]
    assert found[5] == {
        "type": "response.output_text.delta",
        "sequence_number": 5,
        "item_id": item["id"],
        "output_index": 0,
        "content_index": 0,
        "delta": text,
        "logprobs": [],
    }


# ------------------------------------------------- what Ollama's own layer gets wrong


def test_head_defect_text_beside_calls() -> None:
    """Text is kept where there are calls, streamed and whole, the message first."""
    for response in (
        streamed(said("lead"), called(), said("tail"), END)[-1]["response"],
        whole(said("lead", tool_calls=[{"function": {"name": "f"}}]) | DONE),
    ):
        types = [item["type"] for item in response["output"]]
        assert types[:2] == ["message", "function_call"]
        assert response["output"][0]["content"][0]["text"] == "lead"


def test_head_defect_output_indices() -> None:
    """A call after text has an index of its own, and the message is closed before."""
    found = streamed(said("He"), called(id="call_a"), END)
    added = [one for one in found if one["type"] == "response.output_item.added"]
    assert [one["output_index"] for one in added] == [0, 1]


@pytest.mark.parametrize("stream", [False, True])
def test_head_defect_length(*, stream: bool) -> None:
    """An answer that was cut is incomplete, and says why; so is its message."""
    if stream:
        found = streamed(said("Hel"), CUT)
        assert found[-1]["type"] == "response.incomplete"
        response = found[-1]["response"]
    else:
        response = whole(said("Hel") | LENGTH)
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["completed_at"] is None
    assert response["output"][0]["status"] == "incomplete"


def test_head_defect_created_at() -> None:
    """All events of a stream say one time."""
    found = streamed(said("a"), said("b") | {"created_at": "2027-01-01T00:00:00Z"}, END)
    times = {one["response"]["created_at"] for one in found if "response" in one}
    assert times == {1767323045}


def test_head_defect_empty_output() -> None:
    """An empty answer has an empty list of items."""
    assert streamed(END)[-1]["response"]["output"] == []
    assert whole(END)["output"] == []


def test_head_defect_summary_parts() -> None:
    """The part of a summary is added and done, not only its text."""
    found = streamed(thought("a"), said("b"), END)
    parts = [one for one in found if "summary_part" in one["type"]]
    assert [one["part"]["text"] for one in parts] == ["", "a"]


@pytest.mark.parametrize(
    ("replies", "code"),
    [
        ([said("He"), {"error": "boom"}], "upstream_error"),
        ([said("He")], "upstream_incomplete"),
        ([said("He"), b"garbage\n"], "bad_upstream_response"),
        ([thought("He"), {"error": "boom"}], "upstream_error"),
        ([called(), {"error": "boom"}], "upstream_error"),
        ([b'{"done":false}\n', {"error": "boom"}], "upstream_error"),
    ],
    ids=str,
)
def test_head_defect_errors(replies: list[Any], code: str) -> None:
    """A failure in a stream is an event, the last, with code and message."""
    found = streamed(*replies)
    last = found[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == code
    assert last["response"]["error"]["message"]
    assert last["response"]["store"] is False


# ------------------------------------------------------------------ failures


def test_a_failure_before_the_first_word_has_its_status() -> None:
    """Nothing was sent, so the status can be true."""
    answer = responded(Ollama(b'{"error":"boom"}', status="404 x"), stream=True)
    assert (answer.status, answer.error["message"]) == (404, "boom")


def test_items_that_were_done_are_in_a_failed_response() -> None:
    """What was complete before a failure is told once more."""
    ollama = Ollama(
        lines(thought("a"), said("b")), UpstreamTimeout("too slow"), headers=[]
    )
    found = events(responded(ollama, stream=True))
    accepted(found)
    assert [item["type"] for item in found[-1]["response"]["output"]] == ["reasoning"]
    assert found[-1]["response"]["error"]["code"] == "upstream_timeout"


def test_a_text_that_does_not_keep_to_its_schema_fails() -> None:
    """What would have closed it does not go out, and the numbers have no gap."""
    found = streamed(said("x"), END, check=lambda text: "it is x")
    assert kinds(found)[-2:] == ["output_text.delta", "failed"]
    answer = responded(Ollama(lines(said("x") | DONE)), check=lambda text: "it is x")
    assert answer.status == 502


def test_a_cut_text_is_not_held_to_its_schema() -> None:
    """It cannot be whole."""
    found = streamed(said("x"), CUT, check=lambda text: "it is x")
    assert found[-1]["type"] == "response.incomplete"


@pytest.mark.parametrize(
    "more", [{}, {"logprobs": [{"token": "x", "logprob": -1}] * 9}]
)
@pytest.mark.parametrize("field", ["content", "thinking"])
def test_an_answer_without_end(
    monkeypatch: pytest.MonkeyPatch, field: str, more: dict[str, Any]
) -> None:
    """Its end would repeat all of it, so what is longer than anybody keeps fails."""
    monkeypatch.setattr(responses_output, "MOST", 10_000)
    found = streamed(*[said(**{field: "x" * 999}) | more for _ in range(20)], END)
    last = found[-1]["response"]
    assert (last["status"], last["error"]["code"]) == (
        "failed",
        "bad_upstream_response",
    )
    assert "too long" in last["error"]["message"]
    assert 2 < len([one for one in found if "delta" in one]) <= 10


# ------------------------------------------------------------------- silence


def test_alive() -> None:
    """A silent stream begins with its two events, then has comments."""
    writer = ResponsesWriter(
        Exchange(), lambda *_: lambda _: None, model="m", echo=echo(), stream=True
    )
    first, second = writer.alive("loading m"), writer.alive("")
    assert first.startswith(b"event: response.created\n")
    assert first.endswith(b"\n\n: loading m\n\n")
    assert second == b": keep-alive\n\n"
    assert first.count(b"event: ") == 2
    assert b"response.created" not in writer.chunks(
        ResponsesWriter.decoder.decode(lines(said("a")))
    )


def test_alive_says_little() -> None:
    """What repeats a long request is not said while somebody else may write."""
    long = echo(instructions="x" * 100_000)
    writer = ResponsesWriter(
        Exchange(), lambda *_: lambda _: None, model="m", echo=long, stream=True
    )
    assert writer.alive("") == b": keep-alive\n\n"
    first = writer.chunks(ResponsesWriter.decoder.decode(lines(said("a"))))
    assert kinds(parsed(first))[:2] == BEGIN


def test_alive_makes_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """To see that a request is long it need not become JSON."""
    long = echo(instructions=msgspec.Raw(b'"%b"' % (b"x" * 100_000)))
    monkeypatch.setattr(responses_items, "encode", None)
    assert not responses_items.is_short(long)


# ------------------------------------------------------- reasoning and logprobs


def test_hidden_reasoning() -> None:
    """Nothing of it is told, but it counts."""
    found = streamed(thought("aaaa"), said("b"), END, hidden=True)
    assert kinds(found) == [*BEGIN, *TEXT, "completed"]
    usage = found[-1]["response"]["usage"]
    assert usage["output_tokens_details"]["reasoning_tokens"] == 2
    response = whole(said("b", thinking="aaaa") | DONE, hidden=True)
    assert [item["type"] for item in response["output"]] == ["message"]
    assert response["usage"] == usage


def test_usage() -> None:
    """All tokens, and how much of them was reasoning, about."""
    usage = whole(said("bb", thinking="aaaa") | DONE)["usage"]
    assert usage == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 10,
    }
    for thoughts in ([thought("aaaa")], [thought("a")] * 4):
        found = streamed(*thoughts, said("bb"), END)
        assert found[-1]["response"]["usage"] == usage


def probable(*tokens: str) -> dict[str, Any]:
    """Log probabilities of tokens; the first has no bytes."""
    found: list[dict[str, Any]] = [
        {"token": token, "logprob": -0.5, "top_logprobs": []} for token in tokens
    ]
    for token in found[1:]:
        token["bytes"] = [1]
    return {"logprobs": found}


def test_logprobs() -> None:
    """They are in the deltas and in what is done, with bytes; none are reasoning's."""
    found = streamed(
        thought("a") | probable("a"),
        said("bé") | probable("b", "é"),
        said("") | probable("c"),
        said("cd") | probable("d"),
        said("e"),
        said() | probable("f"),
        END,
    )
    deltas = [one for one in found if one["type"] == "response.output_text.delta"]
    tokens = [[token["token"] for token in one["logprobs"]] for one in deltas]
    assert tokens == [["b", "é"], ["c", "d"], []]
    assert deltas[0]["logprobs"][0]["bytes"] == [98]
    (done,) = [one for one in found if one["type"] == "response.output_text.done"]
    assert [token["token"] for token in done["logprobs"]] == [*"béc", "d", "f"]
    together = whole(said("bé", thinking="a") | probable("a", "b", "é") | DONE)
    part = together["output"][1]["content"][0]
    assert [token["token"] for token in part["logprobs"]] == ["b", "é"]


# ----------------------------------------------------------------------- calls


def test_calls() -> None:
    """Ollama's ids are kept, missing ones made; arguments are JSON text."""
    replies = [called("f", {"a": 1}, id="call_a"), called("g"), END]
    response = streamed(*replies)[-1]["response"]
    first, second = response["output"]
    assert (first["call_id"], first["name"]) == ("call_a", "f")
    assert json.loads(first["arguments"]) == {"a": 1}
    assert second["call_id"].startswith("call_")
    assert second["arguments"] == "{}"
    assert {item["status"] for item in response["output"]} == {"completed"}
    assert first["id"] != second["id"]


def test_one_call_only() -> None:
    """Where calls are not to be parallel, one is passed on."""
    form = CallForm(first_only=True)
    both = [called("f"), called("g"), END]
    for response in (
        streamed(*both, form=form)[-1]["response"],
        whole(*both, form=form),
    ):
        assert [item["name"] for item in response["output"]] == ["f"]


def test_namespaces() -> None:
    """A tool in a namespace is called by both of its names."""
    spaces = {"a.b.f": ("a.b", "f")}
    replies = [called("a.b.f"), called("a.b"), END]
    for response in (
        streamed(*replies, namespaces=spaces)[-1]["response"],
        whole(*replies, namespaces=spaces),
    ):
        first, second = response["output"]
        assert (first["namespace"], first["name"]) == ("a.b", "f")
        assert second["name"] == "a.b"
        assert "namespace" not in second


def test_a_tool_that_takes_text() -> None:
    """It is given the one argument, or else all there is."""
    form = CallForm(customs=frozenset("c"))
    replies = [called("c", {"input": "ls"}), called("c", {"x": 1}), END]
    for response in (
        streamed(*replies, form=form)[-1]["response"],
        whole(*replies, form=form),
    ):
        assert [item["input"] for item in response["output"]] == ["ls", '{"x":1}']
        assert {item["type"] for item in response["output"]} == {"custom_tool_call"}


FORCED = Forced({"f": lambda text: None if text == '{"a": 1}' else "no"}, "stop")


def forced(*replies: Any, **options: Any) -> list[dict[str, Any]]:
    """The events of a call that must come."""
    return streamed(*replies, writer=ForcedResponsesWriter, forced=FORCED, **options)


def test_a_forced_call() -> None:
    """Its pieces go out as they come, after its thoughts."""
    found = forced(thought("t"), said('{"a"'), said(": 1}"), END)
    (call,) = [i for i in found[-1]["response"]["output"] if "arguments" in i]
    assert (call["name"], call["arguments"]) == ("f", '{"a": 1}')
    deltas = [o["delta"] for o in found if o["type"].endswith("arguments.delta")]
    assert deltas == ['{"a"', ": 1}"]
    response = whole(
        said('{"a": 1}') | DONE, writer=ForcedResponsesWriter, forced=FORCED
    )
    assert response["output"][0]["arguments"] == '{"a": 1}'


def test_a_forced_call_is_not_interrupted() -> None:
    """What a model thinks while it writes the call comes after it, and is not lost."""
    found = forced(said('{"a"'), thought("again"), said(": 1}"), END)
    called, thoughts = found[-1]["response"]["output"]
    assert called["arguments"] == '{"a": 1}'
    assert thoughts["summary"][0]["text"] == "again"
    deltas = [o["delta"] for o in found if o["type"].endswith("arguments.delta")]
    assert deltas == ['{"a"', ": 1}"]


def test_a_forced_call_of_what_takes_text() -> None:
    """Its text goes out when it is whole."""
    checks = Forced({"f": lambda text: None}, "stop")
    found = streamed(
        said('{"input": '),
        said('"ls"}'),
        END,
        writer=ForcedResponsesWriter,
        forced=checks,
        form=CallForm(customs=frozenset("f")),
    )
    assert found[-1]["response"]["output"][0]["input"] == "ls"


def test_a_forced_call_that_is_cut() -> None:
    """It is incomplete, and so is the response."""
    found = forced(said('{"a"'), CUT)
    assert found[-1]["type"] == "response.incomplete"
    assert found[-1]["response"]["output"][0]["status"] == "incomplete"


def test_a_forced_call_that_is_none() -> None:
    """It fails; with its status, as long as nothing was sent."""
    assert forced(said('{"b"'), END)[-1]["type"] == "response.failed"
    answer = responded(
        answered(said("[]"), END), ForcedResponsesWriter, stream=True, forced=FORCED
    )
    assert (answer.status, answer.error["code"]) == (502, "bad_upstream_response")


def test_a_forced_call_that_is_none_in_the_end() -> None:
    """What would have gone out with its end does not, and the numbers have no gap."""
    two = Forced({"f": lambda text: "no", "g": lambda text: "no"}, "stop")
    text = '{"name":"f","arguments":{"a":1}}'
    found = streamed(said(text), END, writer=ForcedResponsesWriter, forced=two)
    assert kinds(found)[-2:] == ["function_call_arguments.delta", "failed"]


# --------------------------------------------------------------------- keeping


class Keeper:
    """Keeps one response, or does not."""

    def __init__(self, *, keeps: bool) -> None:
        self.keeps = keeps
        self.kept: list[Any] = []

    def __call__(self, response: responses.Response) -> bool:
        """Keep it."""
        self.kept.append(msgspec.to_builtins(response))
        return self.keeps


@pytest.mark.parametrize("keeps", [True, False])
def test_keeping(*, keeps: bool) -> None:
    """A response is kept before the last event; ``store`` says whether it was."""
    for stream in (True, False):
        keeper = Keeper(keeps=keeps)
        options: dict[str, Any] = {"keep": keeper, "echo": echo(store=True)}
        if stream:
            response = streamed(said("a"), END, **options)[-1]["response"]
        else:
            response = whole(said("a") | DONE, **options)
        assert response["store"] is keeps
        assert keeper.kept == [response | {"store": True}]


@pytest.mark.parametrize(
    "replies", [[said("a")], [said("a"), {"error": "x"}], [b"[]"]], ids=str
)
def test_what_fails_is_not_kept(replies: list[Any]) -> None:
    """Nobody can go on from a response that failed."""
    keeper = Keeper(keeps=True)
    responded(answered(*replies), stream=True, keep=keeper)
    responded(Ollama(lines(*replies)), keep=keeper)
    assert keeper.kept == []


def test_ids_of_items_are_hard_to_guess() -> None:
    """Whoever has one gets what is kept under it: it has the response's secret."""
    response = whole(said("a") | DONE)
    assert response["id"] == echo().id
    assert response["id"].removeprefix("resp_") in response["output"][0]["id"]


# ------------------------------------------------------------------ any stream

TEXTS = st.text(max_size=6)
CALLED = st.builds(
    lambda name, arguments, id: {
        "function": {"name": name, "arguments": arguments},
        **({} if id is None else {"id": id}),
    },
    st.sampled_from(["f", "g", "c", "n.f"]),
    st.none() | st.dictionaries(TEXTS, TEXTS, max_size=2) | TEXTS,
    st.none() | st.sampled_from(["", "a", "b"]),
)
REPLIES = st.builds(
    lambda content, thinking, calls, probabilities: (
        said(content, thinking=thinking, tool_calls=calls)
        | ({"logprobs": probabilities} if probabilities else {})
    ),
    st.none() | TEXTS,
    st.none() | st.just("") | TEXTS,
    st.none() | st.lists(CALLED, max_size=2),
    st.none() | st.just([{"token": "x", "logprob": -1.0}]),
)
ENDS: Any = st.sampled_from(
    [
        *([END], [CUT], [said("z") | DONE], [called() | LENGTH], [thought("z") | DONE]),
        *([], [{"error": "boom"}], [b"garbage\n"], [END, said("late")]),
    ]
)


def test_any_stream() -> None:
    """However lines come, and wherever they end, OpenAI's accumulator takes the events.

    Ollama's bytes are cut anywhere; the last event tells how it ended.
    """
    ends = Counter[str]()

    @settings(max_examples=600)
    @given(st.lists(REPLIES, max_size=6), ENDS, st.data(), st.booleans(), st.booleans())
    def one(
        replies: list[Any], end: list[Any], data: Any, hidden: bool, once: bool
    ) -> None:
        ollama = Ollama(*_cut(data, lines(*replies, *end)), headers=[])
        form = CallForm(customs=frozenset("c"), first_only=once)
        spaces = {"n.f": ("n", "f")}
        options: dict[str, Any] = {"hidden": hidden, "form": form, "namespaces": spaces}
        ends[_judged(responded(ollama, stream=True, **options))] += 1

    one()
    assert min(ends[kind] for kind in LAST) >= 20, ends
    assert ends["refused"] >= 10, ends


def _cut(data: Any, stream: bytes) -> list[bytes]:
    """A stream in pieces of any size; one in two ends anywhere."""
    if data.draw(st.booleans()):
        stream = stream[: data.draw(st.integers(0, len(stream)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pairs = zip([0, *cuts], [*cuts, len(stream)], strict=True)
    return [stream[begin:end] for begin, end in pairs]


def test_any_forced_call() -> None:
    """So it does where the text is to be a call."""
    ends = Counter[str]()
    good = st.sampled_from([["{", '"a"', ": 1}"], ['{"a": 1}'], [" {", '"a": 1} ']])
    texts = st.lists(st.sampled_from(["{", '"a": 1', "}", " ", "x"]), max_size=4)

    @settings(max_examples=300)
    @given(texts | good, ENDS)
    def one(texts: list[str], end: list[Any]) -> None:
        ollama = answered(*map(said, texts), *end)
        writer = ForcedResponsesWriter
        ends[_judged(responded(ollama, writer, stream=True, forced=FORCED))] += 1

    one()
    assert min(ends[kind] for kind in LAST) >= 5, ends


def _judged(answer: Answer) -> str:
    """How it ended: in a way that OpenAI's accumulator takes, or with its status."""
    if answer.status != 200:
        assert answer.status in (500, 502)
        assert answer.error["code"] != "internal_error"
        return "refused"
    found = events(answer)
    response = accepted(found)
    last: str = found[-1]["type"]
    assert (response is not None) == (last == "response.completed")
    return last
