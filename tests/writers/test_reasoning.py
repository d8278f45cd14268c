from typing import Any

import pytest
from support.ollama import NDJSON, Ollama, ask
from support.stack import linted
from support.writing import answered, written

from app.exchange import Exchange
from app.wire import ollama
from writers.chat import ChatWriter
from writers.reasoning import Field, spoken

OPEN, CLOSE = "<think>", "</think>"


def line(
    thinking: str = "", content: str = "", calls: int = 0, **more: Any
) -> dict[str, Any]:
    """A line of /api/chat."""
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if thinking:
        message["thinking"] = thinking
    if calls:
        call = {"function": {"name": "f", "arguments": {"a": 1}}}
        message["tool_calls"] = [call] * calls
    return {"model": "m", "message": message, "done": False, **more}


END = line(done=True, done_reason="stop", prompt_eval_count=5, eval_count=100)


def writer(field: Field, *, hidden: bool = False, **options: Any) -> Any:
    """A chat's writer."""

    def make(exchange: Exchange, start: Any) -> ChatWriter:
        exchange.hidden = hidden
        return ChatWriter(exchange, start, model="m", reasoning_field=field, **options)

    return make


def deltas(field: Field, *lines: dict[str, Any], **options: Any) -> list[Any]:
    """What the chunks of a stream add, without the last, which ends it."""
    answer = written(writer(field, stream=True, **options), answered(*lines))
    frames = answer.frames
    assert frames[-1] == "[DONE]"
    return [f["choices"][0]["delta"] for f in frames[:-2]]


def message(field: Field, *lines: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The message of a whole answer."""
    answer = written(writer(field, **options), answered(*lines))
    found: dict[str, Any] = answer.json["choices"][0]["message"]
    return found


BOTH = {"reasoning": "a b", "reasoning_content": "a b"}
PLACES: dict[Field, dict[str, str]] = {
    "both": BOTH,
    "reasoning": {"reasoning": "a b"},
    "reasoning_content": {"reasoning_content": "a b"},
    "think_tags": {"content": f"{OPEN}a b{CLOSE}xy"},
    "none": {},
}


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("field", PLACES)
def test_places(field: Field, hidden: bool) -> None:
    """Whole or streamed, reasoning is where the setting says, and nowhere if hidden."""
    lines = [line("a "), line("b"), line("", "x"), line("", "y"), END]
    place = {} if hidden else PLACES[field]
    wanted = {"role": "assistant", "content": "xy", "refusal": None, **place}
    assert message(field, *lines, hidden=hidden) == wanted
    streamed: dict[str, str] = {}
    for delta in deltas(field, *lines, hidden=hidden):
        assert (
            not {"reasoning", "reasoning_content"} & set(delta) or not delta["content"]
        )
        for name, text in delta.items():
            streamed[name] = streamed.get(name, "") + text
    assert streamed == {k: v for k, v in wanted.items() if v is not None}


@pytest.mark.parametrize(
    ("lines", "contents"),
    [
        ([line("a"), line("b", "x")], [f"{OPEN}a", "b", CLOSE, "x"]),
        ([line("a"), line("", "x")], [f"{OPEN}a", CLOSE, "x"]),
        ([line("a")], [f"{OPEN}a", CLOSE]),
        ([line("a", "x"), line("b", "y")], [f"{OPEN}a", CLOSE, "x"] * 1
         + [f"{OPEN}b", CLOSE, "y"]),
        ([line("a", calls=1)], [f"{OPEN}a", CLOSE, None, None]),
        ([line("a", logprobs=[]), line(), line("b")], [f"{OPEN}a", "b", CLOSE]),
        ([line("", "x")], ["x"]),
        ([], [""]),
    ],
    ids=range(8),
)  # fmt: skip
def test_tags_in_streams(lines: list[Any], contents: list[str | None]) -> None:
    """Tags open with the first piece and close before anything else, or at the end."""
    told = deltas("think_tags", *lines, END)
    assert [delta.get("content") for delta in told] == contents
    assert [delta.get("role") for delta in told] == ["assistant"] + [None] * (
        len(told) - 1
    )


@pytest.mark.parametrize(
    ("lines", "content"),
    [
        ([line("a", calls=1)], f"{OPEN}a{CLOSE}"),
        ([line("", calls=1)], None),
        ([line("a")], f"{OPEN}a{CLOSE}"),
    ],
)
def test_tags_in_whole_answers(lines: list[Any], content: str | None) -> None:
    """Reasoning in tags is content, also where there is no other."""
    assert message("think_tags", *lines, END)["content"] == content


TELLING = {
    "nothing": ([line("", "xxxx")], None),
    "quarter": ([line("a"), line("", "xxx")], 25),
    "same-line": ([line("a", "xxx")], 25),
    "all": ([line("aaa")], 100),
    "a-little": ([line("a"), line("", "x" * 9999)], 1),
    "calls": ([line("a" * 7), line("", calls=1)], 50),  # {"a":1} has 7 characters
    "pieces": ([line("a"), line("a"), line("", "x"), line("", "x")], 50),
}


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", TELLING)
def test_tokens(name: str, stream: bool, hidden: bool) -> None:
    """Usage says the share of reasoning, hidden or not, where there was any."""
    lines, tokens = TELLING[name]
    make = writer("both", stream=stream, include_usage=True, hidden=hidden)
    answer = written(make, answered(*lines, END))
    usage = (answer.frames[-2] if stream else answer.json)["usage"]
    wanted: dict[str, Any] = {
        "prompt_tokens": 5,
        "completion_tokens": 100,
        "total_tokens": 105,
    }
    if tokens is not None:
        wanted["completion_tokens_details"] = {"reasoning_tokens": tokens}
    assert usage == wanted


def test_tokens_that_ollama_did_not_count() -> None:
    """There is never more reasoning than there are tokens."""
    uncounted = line("aaa", done=True, done_reason="stop")
    answer = written(writer("both"), answered(uncounted))
    details = answer.json["usage"]["completion_tokens_details"]
    assert details == {"reasoning_tokens": 0}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["chat/completions", "completions"])
def test_tokens_of_several_choices(path: str, stream: bool) -> None:
    """The usage of several choices adds up their reasoning."""
    lines = [line("a"), line("", "xxx"), END]
    if path == "completions":
        for one in lines:
            one["response"] = one["message"]["content"]
            one["thinking"] = one["message"].get("thinking")
    model = Ollama(*answered(*lines).blocks, headers=NDJSON)
    body = {"model": "m", "n": 3, "stream": stream, "prompt": "hi"}
    body |= {"stream_options": {"include_usage": True}}
    if path != "completions":
        body["messages"] = [{"role": "user", "content": body.pop("prompt")}]
    answer = ask(linted(model), body=body, path=f"/v1/{path}")
    usage = (answer.frames[-2] if stream else answer.json)["usage"]
    assert usage["completion_tokens"] == 300
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 75}


def token(text: str) -> dict[str, Any]:
    """A token with its log probability."""
    return {"token": text, "logprob": -0.5}


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities(stream: bool, hidden: bool) -> None:
    """Tokens of hidden reasoning are hidden too."""
    lines = [
        line("se", logprobs=[token("se")]),
        line("cret", "x", logprobs=[token("cret"), token("x")]),
        line("", "yz", logprobs=[token("yz")]),
        END,
    ]
    answer = written(writer("both", stream=stream, hidden=hidden), answered(*lines))
    chunks = answer.frames[:-1] if stream else [answer.json]
    told = [c["choices"][0].get("logprobs") for c in chunks]
    tokens = [one["token"] for probs in told if probs for one in probs["content"]]
    assert tokens == ([] if hidden else ["se", "cret"]) + ["x", "yz"]


@pytest.mark.parametrize(
    ("tokens", "content", "kept"),
    [
        (["a", "b", "c"], "bc", ["b", "c"]),
        (["a", "bc"], "c", ["bc"]),
        (["a", "b"], "", []),
        (["a"], "abc", ["a"]),
        ([], "a", []),
    ],
)
def test_spoken(tokens: list[str], content: str, kept: list[str]) -> None:
    """The tokens that make up a text are the last ones; none are for no text."""
    logprobs = [ollama.Logprob(text, -0.5) for text in tokens]
    assert [one.token for one in spoken(logprobs, content)] == kept
