import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ollama import Answer, Ollama
from support.writing import answered, written

from writers.call import PLAIN, CallForm, input_of
from writers.forced import CallText, Forced, ForcedCallWriter


def never(text: str) -> str | None:
    """A check that refuses what holds the word ``bad``, and what is no JSON."""
    try:
        json.loads(text)
    except ValueError:
        return "it is not JSON"
    return "it is bad" if "bad" in text else None


ONE = Forced({"f": never}, "stop")
SEVERAL = Forced({"f": never, "g": never}, "tool_calls")


def call(
    ollama: Ollama,
    forced: Forced,
    stream: bool = False,
    form: CallForm = PLAIN,
    **options: Any,
) -> Answer:
    """What a client gets of an answer that was held to be a call."""

    def make(exchange: Any, start: Any) -> ForcedCallWriter:
        writer = ForcedCallWriter(
            exchange, start, model="m", stream=stream, form=form, **options
        )
        writer.forced = forced
        return writer

    return written(make, ollama)


def saying(*pieces: Any, reason: str = "stop") -> Ollama:
    """An Ollama that says these pieces; a dictionary is a whole message."""
    messages = [one if isinstance(one, dict) else {"content": one} for one in pieces]
    lines: list[dict[str, Any]] = [{"message": message} for message in messages]
    return answered(*lines, {"message": {}, "done": True, "done_reason": reason})


def deltas(answer: Answer) -> list[dict[str, Any]]:
    """What each chunk of a stream adds."""
    events = [event for event in answer.frames if "choices" in event]
    return [event["choices"][0]["delta"] for event in events]


def gathered(answer: Answer) -> dict[str, Any]:
    """The one call of a stream, put together as clients do."""
    found: dict[str, Any] = {"name": "", "arguments": ""}
    for delta in deltas(answer):
        for one in delta.get("tool_calls", []):
            assert one["index"] == 0
            found["id"] = one.get("id", found.get("id"))
            found["name"] += one["function"].get("name", "")
            found["arguments"] += one["function"]["arguments"]
    return found


def the_call(answer: Answer) -> dict[str, Any]:
    """The one call of a whole answer."""
    message = answer.json["choices"][0]["message"]
    assert message["content"] is None
    [one] = message["tool_calls"]
    assert one["type"] == "function"
    return {**one["function"], "id": one["id"]}


def finish(answer: Answer) -> str:
    """Why a stream is over; it must be over properly."""
    *events, done = answer.frames
    assert done == "[DONE]"
    reasons = [event["choices"][0]["finish_reason"] for event in events]
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    return str(reasons[-1])


def cut(text: str, *sizes: int) -> Iterator[list[str]]:
    """A text in pieces of some sizes."""
    for size in sizes:
        yield [text[at : at + size] for at in range(0, len(text), size)]


ARGUMENTS = '{"a": "}} \\" {", "b": {"c": [{}, {"d": {}}]}}'


@pytest.mark.parametrize(
    ("text", "forced", "name"),
    [
        (ARGUMENTS, ONE, "f"),
        (f"\n  {ARGUMENTS}\n \n", ONE, "f"),
        (f'{{"name":"g","arguments":{ARGUMENTS}}}', SEVERAL, "g"),
        (f' {{\n "name" : "g" ,\n"arguments" : {ARGUMENTS} \n }} \n', SEVERAL, "g"),
    ],
)
def test_a_call_in_pieces(text: str, forced: Forced, name: str) -> None:
    """However it comes, a call is the same: whole, and gathered from a stream."""
    for pieces in cut(text, 1, 2, 7, 1000):
        whole = call(saying(*pieces), forced)
        streamed = call(saying(*pieces), forced, stream=True)
        for one in (the_call(whole), gathered(streamed)):
            assert (one["name"], one["arguments"]) == (name, ARGUMENTS)
            assert one["id"].startswith("call_")
        assert whole.json["choices"][0]["finish_reason"] == forced.finish_reason
        assert finish(streamed) == forced.finish_reason


def test_how_a_stream_looks() -> None:
    """Who is called comes first, with the role; then the arguments as they come."""
    first, *rest = deltas(call(saying('{"a"', ":", "1", "}"), ONE, stream=True))
    assert first.pop("tool_calls")[0].pop("id").startswith("call_")
    assert first == {"role": "assistant", "content": None}
    assert rest == [
        {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        for piece in ('{"a"', ":", "1", "}")
    ] + [{}]


def test_arguments_do_not_wait() -> None:
    """What is surely an argument is sent at once, also with a wrapper around it."""
    pieces = ['{"name":"f","arg', 'uments":{"a":', '"x', '"', "}", "}"]
    texts = [
        delta["tool_calls"][0]["function"]["arguments"]
        for delta in deltas(call(saying(*pieces), SEVERAL, stream=True))
        if "tool_calls" in delta
    ]
    assert texts == ["", '{"a":', '"x', '"', "}"]


@given(st.recursive(st.text(), lambda x: st.dictionaries(st.text(), x)), st.data())
def test_any_arguments(value: Any, data: st.DataObject) -> None:
    """Whatever the arguments, the wrapper around them never shows."""
    arguments = json.dumps({"value": value}, ensure_ascii=False)
    text = json.dumps({"name": "f"})[:-1] + f', "arguments": {arguments}}}'
    at = data.draw(st.integers(0, len(text)))
    parsed = CallText("")
    given = [parsed.feed(text[:at]), parsed.feed(text[at:]), parsed.rest(True)]
    assert "".join(given) == parsed.arguments == arguments
    assert parsed.name == "f"


@pytest.mark.parametrize("name", ["n" * 256, "\U0001f600" * 256, '"' * 256])
def test_the_longest_name(name: str) -> None:
    """A name may be as long as they come, and spelled as long as can be."""
    text = json.dumps({"name": name}, indent=200)[:-1] + ', "arguments": {"a":1}}'
    for pieces in cut(text, 1, 100, 10_000):
        parsed = CallText("", 256)
        given = [*map(parsed.feed, pieces), parsed.rest(True)]
        assert (parsed.name, "".join(given)) == (name, '{"a":1}')


@pytest.mark.parametrize(
    ("begin", "piece", "name"),
    [
        ('{"name":"', "x", ""),
        ('{"name":"f"', " ", ""),
        ('{"name":"f","arguments":', " ", "f"),
        ('{"name":"f","arguments":{"a":', "}", "f"),
        ('{"name":"f","arguments":{"a":', " ", "f"),
    ],
)
def test_each_piece_is_looked_at_once(begin: str, piece: str, name: str) -> None:
    """Very many pieces that nothing comes of take no long."""
    parsed = CallText("", 16)
    began = time.process_time()
    for one in [begin, *[piece] * 100_000]:
        parsed.feed(one)
    rest = parsed.rest(True)
    assert time.process_time() - began < 1
    assert parsed.name == name
    assert rest == ("}" * 99_999 if piece == "}" else "")


@pytest.mark.parametrize(
    ("text", "forced", "problem"),
    [
        ('{"a": "bad"}', ONE, "(f): it is bad"),
        ('{"a": ', ONE, "(f): it is not JSON"),
        ("{Paris is fine.}", ONE, "(f): it is not JSON"),
        ("Paris is fine.", ONE, "it is no object"),
        ("[1]", ONE, "it is no object"),
        ("", ONE, "it is no object"),
        (" \n ", ONE, "it is no object"),
        ('{"name":"f","arguments":{"a":"bad"}}', SEVERAL, "(f): it is bad"),
        ('{"name":"f","arguments":{"a":1}', SEVERAL, "(f): it is not JSON"),
        ('{"name":"h","arguments":{}}', SEVERAL, "it names no function"),
        ("Paris is fine.", SEVERAL, "it names no function"),
        ('{"name":"f"', SEVERAL, "it names no function"),
        (f'{{"name":"{"f" * 3000}","arguments":{{}}}}', SEVERAL, "names no function"),
        ("", SEVERAL, "it names no function"),
    ],
)
def test_what_is_no_call(text: str, forced: Forced, problem: str) -> None:
    """A call that does not fit, or is none, is an error and never a success."""
    whole = call(saying(text), forced)
    assert (whole.status, whole.error["code"]) == (502, "bad_upstream_response")
    assert problem in whole.error["message"]
    for pieces in cut(text, 1, 1000):
        streamed = call(saying(*pieces), forced, stream=True)
        if streamed.status == 502:  # nothing of it was a call
            assert streamed.error == whole.error
            continue
        *events, error = streamed.frames
        assert error["error"] == whole.error
        assert all(not one["choices"][0]["finish_reason"] for one in events)


@pytest.mark.parametrize(
    ("text", "forced", "want"),
    [
        ('{"a": "bad', ONE, '{"a": "bad'),
        ("{", ONE, "{"),
        ('{"name":"f","arguments":{"a":{}', SEVERAL, '{"a":{}'),
        ('{"name":"f","arguments":', SEVERAL, ""),
        ('{"name":"f"', SEVERAL, None),
        ("", ONE, None),
        ("", SEVERAL, None),
    ],
)
def test_a_call_that_is_cut(text: str, forced: Forced, want: str | None) -> None:
    """A call that is cut is told as far as it came, and as cut."""
    whole = call(saying(text, reason="length"), forced).json["choices"][0]
    assert whole["finish_reason"] == "length"
    found = whole["message"].get("tool_calls", [])
    assert [one["function"]["arguments"] for one in found] == (
        [] if want is None else [want]
    )
    for pieces in cut(text, 1, 1000):
        streamed = call(saying(*pieces, reason="length"), forced, stream=True)
        assert finish(streamed) == "length"
        assert gathered(streamed)["arguments"] == (want or "")
        assert gathered(streamed)["name"] == ("" if want is None else "f")


def test_reasoning_comes_before() -> None:
    """A model that thinks is heard thinking; its reasoning is no argument."""
    pieces = [{"thinking": "let "}, {"thinking": "me", "content": '{"a"'}, ":1}"]
    whole = call(saying(*pieces), ONE)
    assert the_call(whole)["arguments"] == '{"a":1}'
    assert whole.json["choices"][0]["message"]["reasoning"] == "let me"
    streamed = call(saying(*pieces), ONE, stream=True)
    assert gathered(streamed)["arguments"] == '{"a":1}'
    told = [delta.get("reasoning") for delta in deltas(streamed)]
    assert told[:2] == ["let ", "me"]
    assert told[2:] == [None] * (len(told) - 2)


def test_reasoning_in_tags() -> None:
    """Reasoning among the text is closed before the call."""
    pieces = [{"thinking": "hm"}, "{}"]
    options = {"reasoning_field": "think_tags"}
    whole = call(saying(*pieces), ONE, **options).json["choices"][0]["message"]
    assert whole["content"] == "<think>hm</think>"
    assert whole["tool_calls"][0]["function"]["arguments"] == "{}"
    streamed = deltas(call(saying(*pieces), ONE, stream=True, **options))
    assert "".join([one.get("content") or "" for one in streamed]) == whole["content"]


def test_an_older_call() -> None:
    """``function_call`` looks as before there were tools."""
    form = CallForm(legacy=True, first_only=True)
    forced = Forced({"f": never}, "function_call")
    whole = call(saying('{"a"', ":1}"), forced, form=form).json["choices"][0]
    assert whole["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "function_call": {"name": "f", "arguments": '{"a":1}'},
    }
    assert whole["finish_reason"] == "function_call"
    streamed = call(saying('{"a"', ":1}"), forced, stream=True, form=form)
    told = [delta.get("function_call") for delta in deltas(streamed)]
    assert told == [
        {"name": "f", "arguments": ""},
        {"arguments": '{"a"'},
        {"arguments": ":1}"},
        None,
    ]
    assert finish(streamed) == "function_call"


def test_a_custom_call() -> None:
    """A custom tool gets its text, without the JSON that it came in."""
    form = CallForm(customs=frozenset(["f"]))
    pieces = ['{"input": "say ', '\\"hi\\""}']
    whole = call(saying(*pieces), ONE, form=form).json["choices"][0]["message"]
    [one] = whole["tool_calls"]
    assert (one["type"], one["custom"]) == (
        "custom",
        {"name": "f", "input": 'say "hi"'},
    )
    who, what, end = deltas(call(saying(*pieces), ONE, stream=True, form=form))
    assert who["tool_calls"][0]["custom"] == {"name": "f", "input": ""}
    assert who["tool_calls"][0]["type"] == "custom"
    assert what["tool_calls"] == [{"index": 0, "custom": {"input": 'say "hi"'}}]
    assert end == {}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input": "a"}', "a"),
        ('{"input": 5}', '{"input": 5}'),
        ('{"other": "a"}', '{"other": "a"}'),
        ("{", "{"),
        ("[]", "[]"),
    ],
)
def test_what_a_custom_tool_is_given(arguments: str, text: str) -> None:
    """The one argument if there is one; else all that the model wrote."""
    assert input_of(arguments) == text


def test_usage_and_a_rendered_prompt() -> None:
    """Usage is told as ever; what ``_debug_render_only`` shows is no call."""
    last = {"message": {}, "done": True, "prompt_eval_count": 7, "eval_count": 3}
    answer = call(answered({"message": {"content": "{}"}}, last), ONE)
    assert answer.json["usage"]["total_tokens"] == 10
    shown = {"message": {"content": ""}, "done": False, "_debug_info": {"a": 1}}
    assert call(answered(shown), ONE).json["_debug_info"] == {"a": 1}
