import re
from typing import Any

import pytest
from support.ollama import Answer, Ollama
from support.writing import answered, lines, written

from writers import sse
from writers.completion import CompleteWriter

TIME = "2026-01-02T03:04:05.678Z"
DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 2, "eval_count": 4}
USAGE = {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}


def said(text: str | None = "", **more: Any) -> dict[str, Any]:
    """One line of a completion."""
    return {"created_at": TIME, "response": text, **more}


def completed(*replies: Any, ollama: Ollama | None = None, **options: Any) -> Answer:
    """The answer in one piece; of one block."""
    ollama = ollama or Ollama(lines(*replies))
    return written(
        lambda exchange, start: CompleteWriter(
            exchange, start, **{"model": "m", **options}
        ),
        ollama,
    )


def streamed(*replies: Any, **options: Any) -> list[Any]:
    """The events of a stream, one block of Ollama's for each reply."""
    return completed(ollama=answered(*replies), stream=True, **options).frames


def choices(frames: list[Any]) -> list[dict[str, Any]]:
    """The choice of each frame that has one."""
    found = [frame["choices"] for frame in frames if isinstance(frame, dict)]
    return [choice for some in found for choice in some]


def test_a_stream() -> None:
    """A frame for each text; the last one, empty or not, carries the reason."""
    frames = streamed(said("a"), said("b"), said("") | DONE)
    assert choices(frames) == [
        {"text": "a", "index": 0, "finish_reason": None, "logprobs": None},
        {"text": "b", "index": 0, "finish_reason": None, "logprobs": None},
        {"text": "", "index": 0, "finish_reason": "stop", "logprobs": None},
    ]
    assert frames[-1] == "[DONE]"


def test_every_frame_says_whose_it_is() -> None:
    """Id, object, created, model and fingerprint are the same in each frame."""
    frames = streamed(said("a"), said("b") | DONE)[:-1]
    for frame in frames:
        head = {key: value for key, value in frame.items() if key != "choices"}
        assert head == {
            "id": frames[0]["id"],
            "object": "text_completion",
            "created": 1767323045,
            "model": "m",
            "system_fingerprint": "fp_ollama",
        }
    assert re.fullmatch(r"cmpl-\w{24}", frames[0]["id"])


@pytest.mark.parametrize("model", [sse.MARK, f'"{sse.MARK}"', 'a"b\\'])
def test_whatever_the_model_is_called(model: str) -> None:
    """Neither a name nor a text is taken for the place where texts belong."""
    texts = ["a", sse.MARK, f'"{sse.MARK}"', "b"]
    *frames, done = streamed(*map(said, texts), said() | DONE, model=model)
    assert {frame["model"] for frame in frames} == {model}
    assert [choice["text"] for choice in choices(frames)] == [*texts, ""]
    assert done == "[DONE]"


def test_usage_is_null_until_its_frame() -> None:
    """Not Ollama's zeros: null, and one more frame without choices."""
    *chunks, usage, _done = streamed(said("a"), said("") | DONE, include_usage=True)
    assert [chunk["usage"] for chunk in chunks] == [None, None]
    assert (usage["choices"], usage["usage"]) == ([], USAGE)


def test_a_whole_answer() -> None:
    """All keys of a completion; reasoning has no place in it."""
    body = completed(said("Hello", thinking="t") | DONE).json
    assert re.fullmatch(r"cmpl-\w{24}", body.pop("id"))
    assert body == {
        "object": "text_completion",
        "created": 1767323045,
        "model": "m",
        "system_fingerprint": "fp_ollama",
        "choices": [
            {"text": "Hello", "index": 0, "finish_reason": "stop", "logprobs": None}
        ],
        "usage": USAGE | {"completion_tokens_details": {"reasoning_tokens": 1}},
    }


def test_a_stream_answered_whole() -> None:
    """Lines are put together where a whole answer was asked for."""
    assert completed(said("a"), said("b"), said("c") | DONE).json["choices"][0][
        "text"
    ] == ("abc")


@pytest.mark.parametrize(
    ("reason", "want"),
    [("stop", "stop"), ("length", "length"), ("load", "stop"), (None, "stop")],
)
def test_finish_reasons(reason: str | None, want: str) -> None:
    """Only reasons that OpenAI's clients know."""
    end = said("a") | {"done": True, "done_reason": reason}
    assert choices(streamed(end))[-1]["finish_reason"] == want
    assert completed(end).json["choices"][0]["finish_reason"] == want


def test_empty_lines_cost_no_frames() -> None:
    """A model that thinks sends empty lines here; they make no frames."""
    frames = streamed(*[said("", thinking="t")] * 100, said("a"), said("") | DONE)
    assert len(choices(frames)) == 2


def test_legacy_logprobs() -> None:
    """Four parallel lists, with offsets that go on from frame to frame."""
    top = [{"token": "a", "logprob": -1}, {"token": "b", "logprob": -2.5}]
    first = [
        {"token": "He", "logprob": -0.5, "top_logprobs": top},
        {"token": "\U0001f600", "logprob": -1},
    ]
    second = [{"token": "x", "logprob": -3}]
    frames = streamed(
        said("He\U0001f600", logprobs=first), said("x", logprobs=second) | DONE
    )
    assert [choice["logprobs"] for choice in choices(frames)] == [
        {
            "tokens": ["He", "\U0001f600"],
            "token_logprobs": [-0.5, -1.0],
            "top_logprobs": [{"a": -1.0, "b": -2.5}, None],
            "text_offset": [0, 2],
        },
        {
            "tokens": ["x"],
            "token_logprobs": [-3.0],
            "top_logprobs": [None],
            "text_offset": [3],
        },
    ]
    whole = completed(said("Hex", logprobs=first + second) | DONE)
    assert whole.json["choices"][0]["logprobs"]["text_offset"] == [0, 2, 3]


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"error": "boom"}, "upstream_error"),
        (b"garbage\n", "bad_upstream_response"),
        (b'{"response":5}\n', "bad_upstream_response"),
        (b"", "upstream_incomplete"),
    ],
)
def test_a_stream_that_fails(last: Any, code: str) -> None:
    """One error frame, no [DONE], no finish_reason; what came before is there."""
    first, error = streamed(said("a"), last)
    assert first["choices"][0]["text"] == "a"
    assert first["choices"][0]["finish_reason"] is None
    assert error["error"]["code"] == code


def test_nothing_counts_after_done() -> None:
    """After done the answer is complete."""
    late = lines(said("a") | DONE, said("b") | DONE, {"error": "late"})
    frames = completed(ollama=Ollama(late), stream=True).frames
    assert [choice["text"] for choice in choices(frames)] == ["a"]
    assert frames[-1] == "[DONE]"
    assert completed(ollama=Ollama(late)).json["choices"][0]["text"] == "a"


def test_a_prompt_that_is_too_long() -> None:
    """The field to blame is the prompt."""
    body = b'{"error":"the input length exceeds the context length"}'
    error = completed(ollama=Ollama(body, status="400 Bad Request")).error
    assert (error["code"], error["param"]) == ("context_length_exceeded", "prompt")


def test_log_probabilities_of_reasoning() -> None:
    """Reasoning has no place here, nor have its log probabilities."""
    thought = said("", thinking="hm", logprobs=[{"token": "hm", "logprob": -1.0}])
    spoken = said("a", logprobs=[{"token": "a", "logprob": -2.0}])
    whole = completed(thought, spoken, said("") | DONE).json["choices"][0]
    assert whole["logprobs"]["tokens"] == ["a"]
    events = streamed(thought, spoken, said("") | DONE)
    told = [choice["logprobs"] for choice in choices(events) if choice["logprobs"]]
    assert [one["tokens"] for one in told] == [["a"]]
    assert told[0]["text_offset"] == [0]
