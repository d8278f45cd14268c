import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ollama import Answer, Ollama
from support.writing import written

from writers.embed import EmbedWriter


def embedded(body: bytes, inputs: int = 1, **options: Any) -> Answer:
    """The answer for what Ollama said to so many inputs."""
    return written(
        lambda exchange, start: EmbedWriter(
            exchange, start, model="M", inputs=inputs, **options
        ),
        Ollama(body),
    )


def one(vector: str, **options: Any) -> Answer:
    """The answer for one vector, as Ollama wrote it."""
    return embedded(b'{"embeddings":[%s]}' % vector.encode(), **options)


def test_floats_travel_as_they_are() -> None:
    """The numbers are those that Ollama wrote, to the last digit."""
    answer = one("[0.123456789012345678, -1e-8, 5, -0.0]")
    assert b"[0.123456789012345678, -1e-8, 5, -0.0]" in answer.body
    assert answer.json == {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "embedding": [0.123456789012345678, -1e-8, 5, -0.0],
                "index": 0,
            }
        ],
        "model": "M",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }


def test_base64_is_little_endian_float32() -> None:
    """The bytes are those that OpenAI's SDK reads."""
    answer = one("[0.5,0.25,-1.0]", as_base64=True).json
    assert answer["data"][0]["embedding"] == "AAAAPwAAgD4AAIC/"


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
@settings(max_examples=50)
def test_any_float32_survives(vector: list[float]) -> None:
    """Both encodings give back exactly the numbers."""
    text = json.dumps(vector)
    assert one(text).json["data"][0]["embedding"] == vector
    packed = base64.b64decode(one(text, as_base64=True).json["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(vector)}f", packed)) == vector


@pytest.mark.parametrize("as_base64", [True, False])
def test_order_and_indices(as_base64: bool) -> None:
    """Vectors keep the order of the inputs, and the count of tokens is told."""
    answer = embedded(
        b'{"embeddings":[[1],[2],[3]],"prompt_eval_count":9}', 3, as_base64=as_base64
    ).json
    assert [entry["index"] for entry in answer["data"]] == [0, 1, 2]
    assert answer["usage"] == {"prompt_tokens": 9, "total_tokens": 9}
    if not as_base64:
        assert [entry["embedding"] for entry in answer["data"]] == [[1], [2], [3]]


@pytest.mark.parametrize("as_base64", [True, False])
@pytest.mark.parametrize(
    "vector",
    [
        "[]",
        "[ ]",
        "[1]",
        "[ 1 ,\t2\r\n]",
        "[1e5]",
        "[1E+5]",
        "[1e-400]",
        "[3.4e38]",
        "[0." + "3" * 60 + "]",
    ],
)
def test_vectors_that_are_some(vector: str, as_base64: bool) -> None:
    """Any JSON spelling of a list of numbers passes."""
    assert one(vector, as_base64=as_base64).status == 200


@pytest.mark.parametrize("as_base64", [True, False])
@pytest.mark.parametrize(
    "vector",
    [
        "null",
        "5",
        '"AAAA"',
        "{}",
        "[[1]]",
        "[[]]",
        "[1,[2]]",
        '["1"]',
        "[null]",
        "[true]",
        "[{}]",
        "[1e999]",
        "[-1e999]",
        "[1e39]",
        "[" + "9" * 40 + "]",
        "[" + "9" * 6000 + "]",
        "[NaN]",
        "[Infinity]",
        "[01]",
        "[1,]",
        "[.5]",
        '["\\ud800"]',
    ],
    ids=lambda value: str(value)[:20],
)
def test_u7_vectors_that_are_none(vector: str, as_base64: bool) -> None:
    """What is no flat list of finite float32 is a 502, not passed on."""
    answer = one(vector, as_base64=as_base64)
    assert answer.status == 502
    assert answer.error["code"] == "bad_upstream_response"


def test_no_vectors() -> None:
    """An empty list is one; null or nothing is a 502."""
    assert embedded(b'{"embeddings":[]}').json["data"] == []
    for body in (b'{"embeddings":null}', b"{}", b'{"embedding":[1]}', b"[]", b"null"):
        assert embedded(body).status == 502


@pytest.mark.parametrize("as_base64", [True, False])
@pytest.mark.parametrize(("count", "inputs"), [(1, 2), (2, 1), (3, 2), (2, 3), (9, 8)])
def test_as_many_vectors_as_inputs(count: int, inputs: int, as_base64: bool) -> None:
    """Vectors that cannot be told apart are a 502, which says both numbers."""
    vectors = b",".join([b"[1]"] * count)
    answer = embedded(b'{"embeddings":[%s]}' % vectors, inputs, as_base64=as_base64)
    assert answer.status == 502
    assert answer.error["code"] == "bad_upstream_response"
    assert answer.error["message"] == (
        f"Ollama answered with {count} embeddings for {inputs} inputs."
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"embeddings":{}}',
        b'{"embeddings":"x"}',
        b'{"embeddings":[[1]]',
        b'{"embeddings":[[1]]}\n{"embeddings":[[2]]}',
        b'{"embeddings":["\xff"]}',
        b'{"embeddings":' + b"[" * 20_000,
    ],
    ids=range(8),
)
def test_answers_that_are_none(body: bytes) -> None:
    """Anything else that Ollama may say is a 502."""
    assert embedded(body).status == 502


def test_an_error_inside_the_answer() -> None:
    """Ollama's words are kept; what is too long is the input."""
    error = embedded(b'{"error":"boom"}')
    assert (error.status, error.error["message"]) == (500, "boom")
    long = embedded(b'{"error":"the input length exceeds the context length"}')
    assert (long.error["code"], long.error["param"]) == (
        "context_length_exceeded",
        "input",
    )


@pytest.mark.parametrize(
    ("wanted", "note"), [(3, None), (2, "dimensions=3"), (None, None)]
)
@pytest.mark.parametrize("as_base64", [False, True])
def test_dimensions_that_are_not_there(
    wanted: int | None, note: str | None, as_base64: bool
) -> None:
    """A vector of another length than was asked for says so: Ollama only shortens."""
    answer = written(
        lambda exchange, start: EmbedWriter(
            exchange, start, model="m", inputs=1, as_base64=as_base64, dimensions=wanted
        ),
        Ollama(b'{"embeddings":[[0.5,0.25,-1.0]],"prompt_eval_count":1}'),
    )
    assert answer.headers.get("X-Pannier-Adjusted") == note
