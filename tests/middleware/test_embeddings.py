"""Embeddings through the whole stack: every row of the specification's table."""

import base64
import json
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import gevent
import pytest
import tiktoken.registry
from gevent.event import Event
from support.ollama import JSON, Answer, Ollama, ask
from support.stack import linted
from support.vocabulary import END, tiny, tokens

PATH = "/v1/embeddings"
GOOD: dict[str, Any] = {"model": "m", "input": "hi"}
#: What Ollama is asked for that.
CALL: dict[str, Any] = {"model": "m", "input": "hi"}

ABSENT = object()


class Embedder:
    """Ollama's ``/api/embed``: the vector of a text is its length and its letters.

    ``meet`` is called with the inputs of each call before it is answered, and may give
    another answer.
    """

    def __init__(self, meet: Callable[[list[str]], Any] = lambda inputs: None) -> None:
        self.meet = meet
        self.calls: list[dict[str, Any]] = []
        self.running = self.peak = self.closed = 0

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call."""
        call = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.calls.append(call)
        given = call["input"]
        inputs = [given] if isinstance(given, str) else given
        with self._counted():
            other = self.meet(inputs)
        status, body = other or ("200 OK", self.embedded(inputs))
        start_response(status, [*JSON])
        return [json.dumps(body).encode()]

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            yield
        finally:
            self.running -= 1
            self.closed += 1

    @staticmethod
    def embedded(inputs: list[str]) -> dict[str, Any]:
        """A good answer: a token for each letter."""
        return {
            "embeddings": [vector(text) for text in inputs],
            "prompt_eval_count": sum(map(len, inputs)),
        }


def vector(text: str) -> list[float]:
    """The vector of a text; exact in float32."""
    return [len(text) / 2, sum(text.encode()) / 4]


def asked(ollama: Any, body: Any = None, **settings: Any) -> Answer:
    """The answer to a request: a good one, changed by ``body``."""
    fields = {k: v for k, v in (GOOD | (body or {})).items() if v is not ABSENT}
    return ask(linted(ollama, **settings), "POST", PATH, fields)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a vocabulary for token arrays."""
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "cl100k_base", tiny())


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Whatever hangs is a failure after a while."""
    with gevent.Timeout(20):
        yield


# ------------------------------------- openai-other.md, section 3: the requests

#: By row: fields of a request, and what they change in the call to Ollama.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "input string": ({"input": "text"}, {"input": "text"}),
    'input string, ""': ({"input": ""}, {"input": [""]}),
    "input string[]": ({"input": ["a", "b"]}, {"input": ["a", "b"]}),
    "input string[], one": ({"input": ["a"]}, {"input": ["a"]}),
    "input string[], empty strings inside": (
        {"input": ["", "b", ""]},
        {"input": ["", "b", ""]},
    ),
    "input int[]": ({"input": tokens("Hi")}, {"input": ["Hi"]}),
    "input int[], more than inputs may be": (
        {"input": tokens("Hi" * 1500)},
        {"input": ["Hi" * 1500]},
    ),
    "input int[], special": ({"input": [END]}, {"input": ["<|endoftext|>"]}),
    "input int[][]": (
        {"input": [tokens("Hi"), tokens("wörld")]},
        {"input": ["Hi", "wörld"]},
    ),
    "input int[][], cut inside a character": (
        {"input": [tokens("wö")[:2], tokens("ö")[1:]]},
        {"input": ["w\ufffd", "\ufffd"]},
    ),
    "model": ({"model": "Some/Model:tag"}, {"model": "Some/Model:tag"}),
    "dimensions": ({"dimensions": 256}, {"dimensions": 256}),
    "dimensions, the least": ({"dimensions": 1}, {"dimensions": 1}),
    "dimensions, as a float": ({"dimensions": 8.0}, {"dimensions": 8}),
    "dimensions absent": ({"dimensions": None}, {}),
    "encoding_format float": ({"encoding_format": "float"}, {}),
    "encoding_format base64": ({"encoding_format": "base64"}, {}),
    "encoding_format, any case": ({"encoding_format": "Float"}, {}),
    "encoding_format absent": ({"encoding_format": None}, {}),
    "user": ({"user": "me"}, {}),
    "options": (
        {"options": {"num_ctx": 512, "num_thread": 2}},
        {"options": {"num_ctx": 512, "num_thread": 2}},
    ),
    "num_ctx": ({"num_ctx": 1024}, {"options": {"num_ctx": 1024}}),
    "num_ctx, which wins over options": (
        {"num_ctx": 1024, "options": {"num_ctx": 512, "seed": 1}},
        {"options": {"num_ctx": 1024, "seed": 1}},
    ),
    "num_ctx in another place": (
        {"ollama_options": {"num_ctx": 512}},
        {"options": {"num_ctx": 512}},
    ),
    "truncate false": ({"truncate": False}, {"truncate": False}),
    "truncate true": ({"truncate": True}, {"truncate": True}),
    "keep_alive seconds": ({"keep_alive": 60}, {"keep_alive": 60}),
    "keep_alive duration": ({"keep_alive": "1h30m"}, {"keep_alive": "1h30m"}),
    "2048 inputs": ({"input": ["a"] * 2048}, {"input": ["a"] * 2048}),
}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("row", ROWS)
def test_honoured(row: str) -> None:
    """What a client may say reaches Ollama, and nothing else does."""
    fields, changed = ROWS[row]
    ollama = Embedder()
    answer = asked(ollama, fields, embedding_batch=2048)
    assert answer.status == 200
    assert ollama.calls == [CALL | changed]
    inputs = ollama.calls[0]["input"]
    count = 1 if isinstance(inputs, str) else len(inputs)
    assert [entry["index"] for entry in answer.json["data"]] == [*range(count)]
    assert answer.json["model"] == fields.get("model", "m")
    ignored = answer.headers.get("X-Pannier-Ignored")
    assert ignored == ("user" if row == "user" else None)


#: By row: fields of a request, the param and the code of the error, its message.
REFUSED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "input []": ({"input": []}, "input", "invalid_value", "invalid input"),
    "input null": ({"input": None}, "input", "invalid_value", "invalid input"),
    "input missing": ({"input": ABSENT}, "input", "invalid_value", "invalid input"),
    "input {}": ({"input": {}}, "input", "invalid_type", "invalid input type"),
    "input number": ({"input": 5}, "input", "invalid_type", "invalid input type"),
    "input string[] with null": ({"input": ["a", None]}, "input", "invalid_type", ""),
    "input int[] with floats": ({"input": [1, 2.0]}, "input", "invalid_type", ""),
    "input int[] with true": ({"input": [1, True]}, "input", "invalid_type", ""),
    "input int[] with a string": ({"input": [1, "a"]}, "input", "invalid_type", ""),
    "input int[], unknown": ({"input": [1, 256]}, "input", "invalid_value", ""),
    "input int[], negative": ({"input": [-1]}, "input", "invalid_value", ""),
    "input int[], huge": ({"input": [2**63 - 1]}, "input", "invalid_value", ""),
    "input int[][], one empty": ({"input": [[1], []]}, "input", "invalid_type", ""),
    "input int[][], unknown": ({"input": [[1], [999]]}, "input", "invalid_value", ""),
    "input int[][] with floats": ({"input": [[1], [2.0]]}, "input", "invalid_type", ""),
    "input int[][] and string": ({"input": [[1], "a"]}, "input", "invalid_type", ""),
    "input int[][][]": ({"input": [[[1]]]}, "input", "invalid_type", ""),
    "model missing": ({"model": ABSENT}, "model", "missing_required_parameter", ""),
    "dimensions 0": ({"dimensions": 0}, "dimensions", "integer_below_min_value", ""),
    "dimensions -1": ({"dimensions": -1}, "dimensions", "integer_below_min_value", ""),
    "dimensions 1.5": ({"dimensions": 1.5}, "dimensions", "invalid_type", ""),
    "encoding_format other": (
        {"encoding_format": "int8"},
        "encoding_format",
        "invalid_value",
        "Invalid value for 'encoding_format' = int8."
        " Supported values: ['float', 'base64'].",
    ),
    "num_ctx 0": ({"num_ctx": 0}, "num_ctx", "integer_below_min_value", ""),
    "options, wrong type": (
        {"options": {"num_ctx": "many"}},
        "options.num_ctx",
        "invalid_type",
        "",
    ),
    "keep_alive, no duration": (
        {"keep_alive": "long"},
        "keep_alive",
        "invalid_value",
        "",
    ),
    "> 2048 inputs": (
        {"input": ["a"] * 2049},
        "input",
        "invalid_value",
        "Too many inputs: at most 2048 are accepted.",
    ),
    "> 2048 inputs, as tokens": (
        {"input": [[65]] * 2049},
        "input",
        "invalid_value",
        "",
    ),
}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("row", REFUSED)
def test_refused(row: str) -> None:
    """What cannot be is a 400 that names the field, and Ollama is not asked."""
    fields, param, code, message = REFUSED[row]
    ollama = Embedder()
    answer = asked(ollama, fields)
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert answer.error["type"] == "invalid_request_error"
    assert message in ("", answer.error["message"])
    assert ollama.calls == []


@pytest.mark.parametrize("given", [[1, 2], [[1], [2, 3]]])
@pytest.mark.parametrize("installed", [True, False])
def test_tokens_where_they_cannot_be_read(
    given: Any, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without tiktoken, or without its vocabulary, token arrays are a clear 400."""
    if not installed:
        monkeypatch.setitem(sys.modules, "tiktoken", None)
    ollama = Embedder()
    answer = asked(ollama, {"input": given})
    assert (answer.status, answer.error["param"]) == (400, "input")
    assert answer.error["code"] == "unsupported_value"
    assert answer.error["message"].startswith("token array input ")
    assert ollama.calls == []


def test_strict_refuses_what_is_cut() -> None:
    """With ``context=strict`` Ollama is told not to cut, unless the client lets it."""
    for given, sent in ((None, False), (True, True), (False, False)):
        ollama = Embedder()
        asked(ollama, {"truncate": given}, context="strict")
        assert ollama.calls == [CALL | {"truncate": sent}]


# -------------------------------------- openai-other.md, section 3: the answers


def test_the_shape_of_an_answer() -> None:
    """Floats unless asked otherwise, the count of tokens as usage."""
    assert asked(Embedder(), {"input": ["ab", "c"]}).json == {
        "object": "list",
        "data": [
            {"object": "embedding", "embedding": vector("ab"), "index": 0},
            {"object": "embedding", "embedding": vector("c"), "index": 1},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


@pytest.mark.parametrize("name", ["base64", "BASE64", "Base64"])
def test_base64(name: str) -> None:
    """base64 is of little-endian float32, in whatever case it is asked for."""
    answer = asked(Ollama(), {"encoding_format": name}).json
    assert answer["data"][0]["embedding"] == "AAAAPwAAgD4AAIC/"


@pytest.mark.parametrize(
    ("said", "status", "data"),
    [
        (b'{"embeddings":[]}', 200, []),
        (b'{"embeddings":null}', 502, None),
        (b"{}", 502, None),
        (b'{"embeddings":[[1],[2]]}', 502, None),
    ],
)
def test_vectors_that_are_not_there(said: bytes, status: int, data: Any) -> None:
    """No vectors are an empty list, null and a wrong number of them are a 502."""
    answer = asked(Ollama(said))
    assert answer.status == status
    assert answer.json.get("data") == data
    if status == 502:
        assert answer.error["code"] == "bad_upstream_response"


# ---------------------------------------------------------------------- batches

TEXTS = [f"text {number}" * (1 + number % 3) for number in range(11)]


def unpacked(answer: Answer) -> list[list[float]]:
    """The vectors of an answer, whose indexes must be in order."""
    data = answer.json["data"]
    assert [entry["index"] for entry in data] == list(range(len(data)))
    raw = [entry["embedding"] for entry in data]
    return [
        list(struct.unpack("<2f", base64.b64decode(one)))
        if isinstance(one, str)
        else one
        for one in raw
    ]


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize(
    ("batch", "sizes"),
    [
        (1, [1] * 11),
        (2, [2, 2, 2, 2, 2, 1]),
        (5, [5, 5, 1]),
        (10, [10, 1]),
        (11, [11]),
        (256, [11]),
    ],
)
def test_batches(batch: int, sizes: list[int], encoding: str) -> None:
    """More inputs than a call may have are several calls and one answer, in order."""
    ollama = Embedder()
    fields = {
        "input": TEXTS,
        "encoding_format": encoding,
        "dimensions": 2,
        "truncate": False,
        "keep_alive": 5,
        "num_ctx": 64,
    }
    answer = asked(ollama, fields, embedding_batch=batch)
    assert unpacked(answer) == [vector(text) for text in TEXTS]
    used = sum(map(len, TEXTS))
    assert answer.json["usage"] == {"prompt_tokens": used, "total_tokens": used}
    assert [len(call["input"]) for call in ollama.calls] == sizes
    shared = [{**call, "input": None} for call in ollama.calls]
    assert shared == [
        {
            "model": "m",
            "input": None,
            "dimensions": 2,
            "options": {"num_ctx": 64},
            "keep_alive": 5,
            "truncate": False,
        }
    ] * len(sizes)


@pytest.mark.usefixtures("known")
def test_batches_of_tokens() -> None:
    """Token arrays are split like texts."""
    ollama = Embedder()
    answer = asked(ollama, {"input": [*map(tokens, TEXTS)]}, embedding_batch=4)
    assert unpacked(answer) == [vector(text) for text in TEXTS]
    assert [call["input"] for call in ollama.calls] == [
        TEXTS[:4],
        TEXTS[4:8],
        TEXTS[8:],
    ]


def test_the_order_is_that_of_the_inputs() -> None:
    """An earlier call that is answered later still comes first."""
    later = Event()

    def meet(inputs: list[str]) -> None:
        if inputs[0] == TEXTS[0]:
            later.wait()
        elif inputs[-1] == TEXTS[-1]:
            later.set()

    ollama = Embedder(meet)
    answer = asked(ollama, {"input": TEXTS}, embedding_batch=2)
    assert unpacked(answer) == [vector(text) for text in TEXTS]
    assert (len(ollama.calls), ollama.peak) == (6, 2)


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (("404 Not Found", {"error": "model not found"}), 404, "model_not_found"),
        (
            (
                "400 Bad Request",
                {"error": "the input length exceeds the context length"},
            ),
            400,
            "context_length_exceeded",
        ),
        (("500 Internal Server Error", {"error": "boom"}), 500, "upstream_error"),
        (("503 Service Unavailable", {"error": "busy"}), 503, "server_overloaded"),
        (("200 OK", {"error": "boom"}), 500, "upstream_error"),
        (("200 OK", {"embeddings": None}), 502, "bad_upstream_response"),
        (("200 OK", {"embeddings": []}), 502, "bad_upstream_response"),
        (("200 OK", {"embeddings": [[1]]}), 502, "bad_upstream_response"),
        (("200 OK", {"embeddings": [[1]] * 3}), 502, "bad_upstream_response"),
        (("200 OK", {"embeddings": [[1], ["x"]]}), 502, "bad_upstream_response"),
    ],
)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_a_failure_in_the_middle(
    said: tuple[str, Any], status: int, code: str, encoding: str
) -> None:
    """The first failure is the answer; what runs is ended, what waits is not begun."""

    def meet(inputs: list[str]) -> Any:
        if inputs[0] == TEXTS[0]:
            Event().wait()  # for ever
        return said

    ollama = Embedder(meet)
    body = {"input": TEXTS, "encoding_format": encoding}
    answer = asked(ollama, body, embedding_batch=2)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert len(ollama.calls) == 2
    assert (ollama.running, ollama.closed) == (0, 2)


def test_a_batch_that_lacks_a_vector_is_not_made_up_for() -> None:
    """A call that gives one too few fails, also where another gives one too many."""

    def meet(inputs: list[str]) -> Any:
        few = inputs[:-1] if inputs[0] == TEXTS[0] else [*inputs, "more"]
        return "200 OK", Embedder.embedded(few)

    answer = asked(Embedder(meet), {"input": TEXTS[:4]}, embedding_batch=2)
    assert answer.status == 502
    assert " for 2 inputs" in answer.error["message"]


def test_one_request_in_the_log() -> None:
    """However many calls, the log has one line with the sum of the tokens."""
    log: list[str] = []
    app = linted(Embedder(), log, embedding_batch=2)
    ask(app, "POST", PATH, {"model": "m", "input": TEXTS, "user": "me"})
    assert len(log) == 1
    assert f"prompt_tokens={sum(map(len, TEXTS))}" in log[0]


def test_explained() -> None:
    """An explanation shows every call, and makes none."""
    ollama = Embedder()
    body = {"model": "m", "input": TEXTS, "user": "me"}
    app = linted(ollama, embedding_batch=4)
    answer = ask(app, "POST", PATH, body, X_Pannier_Explain="1").json
    assert [call["input"] for call in answer["requests"]] == [
        TEXTS[:4],
        TEXTS[4:8],
        TEXTS[8:],
    ]
    assert [entry["field"] for entry in answer["ignored"]] == ["user"]
    assert ollama.calls == []


def test_ignored_fields_are_named_with_batches_too() -> None:
    """An answer of several calls has the headers of any other."""
    answer = asked(Embedder(), {"input": TEXTS, "user": "me"}, embedding_batch=4)
    assert answer.headers["X-Pannier-Ignored"] == "user"
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
