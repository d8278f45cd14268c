from pathlib import Path

import openai
import pytest
from support.recordings import wav
from support.simulator import Simulator

pytestmark = pytest.mark.live

MODEL = "sim-audio"
HEARD = "The quick brown fox jumps over the lazy dog."


def test_json(client: openai.OpenAI) -> None:
    """The client's own type comes back, with the tokens it took."""
    answer = client.audio.transcriptions.create(model=MODEL, file=("a.wav", wav()))
    assert answer.text == HEARD
    assert answer.usage.type == "tokens"
    assert answer.usage.total_tokens > answer.usage.output_tokens > 0


def test_stream(client: openai.OpenAI) -> None:
    """The client's own events: pieces, then all of the text."""
    stream = client.audio.transcriptions.create(
        model=MODEL, file=("a.wav", wav()), stream=True
    )
    *pieces, done = list(stream)
    assert "".join(event.delta for event in pieces) == HEARD
    assert (done.type, done.text) == ("transcript.text.done", HEARD)


def test_from_a_file(client: openai.OpenAI, tmp_path: Path) -> None:
    """A file is sent as it is opened, here with everything the client can say."""
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(60))
    with path.open("rb") as file:
        answer = client.audio.transcriptions.with_raw_response.create(
            model=MODEL,
            file=file,
            language="en",
            prompt="A fox.",
            temperature=0.2,
            include=["logprobs"],
            chunking_strategy={"type": "server_vad", "threshold": 0.5},
            timestamp_granularities=["word", "segment"],
        )
    assert answer.parse().text == HEARD
    assert set(answer.headers["X-Pannier-Ignored"].split(", ")) == {
        "chunking_strategy",
        "include",
        "timestamp_granularities",
    }


def test_text(client: openai.OpenAI) -> None:
    """Plain text comes as a string."""
    answer = client.audio.transcriptions.create(
        model=MODEL, file=("a.wav", wav()), response_format="text"
    )
    assert answer == HEARD + "\n"


def test_verbose_json(client: openai.OpenAI) -> None:
    """The longer form says how long the recording plays."""
    answer = client.audio.transcriptions.create(
        model=MODEL,
        file=("a.wav", wav(1.5)),
        response_format="verbose_json",
        language="en",
    )
    assert (answer.text, answer.duration, answer.language) == (HEARD, 1.5, "en")
    assert answer.segments == []


def test_a_large_file(client: openai.OpenAI, simulator: Simulator) -> None:
    """As much as OpenAI itself takes, 25 MB, arrives whole."""
    recording = wav(780, 16000)
    answer = client.audio.transcriptions.create(model=MODEL, file=("a.wav", recording))
    assert answer.text == HEARD
    headers = dict(simulator.wait(path="/api/chat")["headers"])
    assert int(headers["Content-Length"]) > len(recording) * 4 // 3


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"file": ("a.txt", b"Hello")}, "file"),
        ({"file": ("a.wav", b"")}, "file"),
        ({"response_format": "srt"}, "response_format"),
        ({"temperature": 2}, "temperature"),
        ({"model": ""}, "model"),
    ],
    ids=["text", "empty", "srt", "hot", "no model"],
)
def test_bad_requests(client: openai.OpenAI, more: dict, param: str) -> None:
    """The client raises its own error, with the field to blame."""
    request = {"model": MODEL, "file": ("a.wav", wav()), **more}
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(**request)
    assert caught.value.param == param


@pytest.mark.parametrize("model", ["llama3.2", "sim-vision"])
def test_a_model_that_does_not_hear(client: openai.OpenAI, model: str) -> None:
    """A model without the ability would make something up: a 400 says so."""
    with pytest.raises(
        openai.BadRequestError, match="does not support audio"
    ) as caught:
        client.audio.transcriptions.create(model=model, file=("a.wav", wav()))
    assert (caught.value.code, caught.value.param) == ("unsupported_value", "file")


def test_unknown_model(client: openai.OpenAI) -> None:
    """A model that is not there is a 404."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.audio.transcriptions.create(model="nope", file=("a.wav", wav()))
    assert caught.value.code == "model_not_found"


def test_what_is_not_available(client: openai.OpenAI) -> None:
    """Calls that Pannier does not offer raise an error that says so."""
    for call in (
        lambda: client.images.generate(model="m", prompt="a llama"),
        lambda: client.moderations.create(input="hello"),
        lambda: client.files.create(file=("a.jsonl", b"{}" * 200_000), purpose="batch"),
        lambda: client.audio.speech.create(model="m", input="hello", voice="alloy"),
        lambda: client.vector_stores.list(),
    ):
        with pytest.raises(openai.InternalServerError) as caught:
            call()
        assert (caught.value.status_code, caught.value.code) == (501, "not_implemented")
        assert "is not available" in caught.value.message
