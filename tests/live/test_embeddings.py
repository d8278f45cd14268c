import base64
import http.client
import json
import struct
import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from support.faulty import PATIENCE, Faulty, Peer
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

MODEL = "sim-dims24"
#: More than two calls of 256, the last one not full; texts of many lengths.
TEXTS = [f"text {number} " * (1 + number % 7) for number in range(600)]
TOO_LONG = "word " * 2000


@pytest.fixture(scope="module")
def one_by_one(client: openai.OpenAI) -> list[list[float]]:
    """The vector of each text, asked for alone."""
    return [
        client.embeddings.create(model=MODEL, input=text).data[0].embedding
        for text in TEXTS
    ]


def calls(simulator: Simulator) -> list[int]:
    """How many inputs each call to Ollama had."""
    return [
        len(json.loads(entry["body"])["input"])
        for entry in simulator.log()
        if entry["target"] == "/api/embed"
    ]


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_many_inputs(
    client: openai.OpenAI,
    simulator: Simulator,
    one_by_one: list[list[float]],
    encoding: str | None,
) -> None:
    """600 inputs are three calls, and each vector is that of its text alone."""
    simulator.clear()
    chosen: Any = {} if encoding is None else {"encoding_format": encoding}
    answer = client.embeddings.create(model=MODEL, input=TEXTS, **chosen)
    assert sorted(calls(simulator)) == [88, 256, 256]
    assert [entry.index for entry in answer.data] == list(range(600))
    vectors: list[Any] = [entry.embedding for entry in answer.data]
    if encoding == "base64":  # asked for by name, the library leaves it as it is
        vectors = [unpacked(vector) for vector in vectors]
    assert [rounded(vector) for vector in vectors] == [*map(rounded, one_by_one)]
    assert len({tuple(vector) for vector in vectors}) == 600
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 600


def unpacked(text: str) -> list[float]:
    """The floats in base64."""
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def rounded(vector: list[float]) -> list[float]:
    """A vector as float32, whatever it was printed as."""
    return list(
        struct.unpack(f"<{len(vector)}f", struct.pack(f"<{len(vector)}f", *vector))
    )


def test_usage_is_the_sum(client: openai.OpenAI) -> None:
    """Three calls use what their parts use."""
    parts = [TEXTS[:256], TEXTS[256:512], TEXTS[512:]]
    used = [
        client.embeddings.create(model=MODEL, input=part).usage.prompt_tokens
        for part in parts
    ]
    whole = client.embeddings.create(model=MODEL, input=TEXTS)
    assert whole.usage.prompt_tokens == sum(used)


@pytest.mark.parametrize("place", [0, 300, 599])
def test_an_error_in_one_batch(client: openai.OpenAI, place: int) -> None:
    """One input that is too long is the whole request's 400."""
    texts = [*TEXTS]
    texts[place] = TOO_LONG
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(
            model="all-minilm", input=texts, extra_body={"truncate": False}
        )
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "input"


def test_an_unknown_model(client: openai.OpenAI) -> None:
    """A model that is not there is a 404, with batches too."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="nope", input=TEXTS)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


class Halting:
    """An Ollama that never answers the call of the first batch.

    ``let_go`` is set when the client of that call has gone.
    """

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        while True:
            head, body = peer.request()
            if not head:
                return
            if b'"input":["first"' in body:
                self.begun.set()
                peer.gone()
                self.let_go.set()
                return
            if head.startswith(b"POST /api/embed"):
                self.begun.wait(PATIENCE)
            said = b'{"error":"boom"}'
            peer.send(
                b"HTTP/1.1 500 Internal Server Error\r\n"
                b"Content-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(said), said)
            )


@pytest.fixture
def halting() -> Iterator[tuple[Halting, Server]]:
    """Pannier in front of such an Ollama."""
    ollama = Halting()
    with Faulty(ollama) as upstream, Server({"OLLAMA_URL": upstream.url}) as server:
        yield ollama, server


def test_the_first_failure_ends_the_others(halting: tuple[Halting, Server]) -> None:
    """A call that still runs is let go as soon as another one has failed."""
    ollama, server = halting
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        body = json.dumps({"model": "m", "input": ["first", *TEXTS]})
        connection.request("POST", "/v1/embeddings", body)
        response = connection.getresponse()
        assert (response.status, json.load(response)["error"]["message"]) == (
            500,
            "boom",
        )
    finally:
        connection.close()
    assert ollama.let_go.wait(PATIENCE)


def test_token_arrays_without_their_vocabulary(client: openai.OpenAI) -> None:
    """Where tokens cannot be read, the SDK raises BadRequestError for input."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="all-minilm", input=[[1, 2], [3]])
    assert caught.value.param == "input"
    assert caught.value.code == "unsupported_value"
