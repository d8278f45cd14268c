import re

import pytest
from support.ollama import CHAT, Answer, Ollama, Started, environ_of
from support.writing import written

from app.exchange import Exchange
from writers.chat import ChatWriter


def naming(*ignored: str, stream: bool = False) -> Answer:
    """An answer to a request of which some fields had no effect."""

    def make(exchange: Exchange, start: Started) -> ChatWriter:
        exchange.ignored = [*ignored]
        return ChatWriter(exchange, start, model="m", stream=stream)

    return written(make, Ollama(CHAT))


@pytest.mark.parametrize("stream", [True, False])
def test_fields_without_effect_are_named(stream: bool) -> None:
    """The header says which, for a stream and for a whole answer."""
    header = naming("n", "tools[0]", "a.b", "x-y_z", stream=stream).headers
    assert header["X-Pannier-Ignored"] == "n, tools[0], a.b, x-y_z"


def test_no_header_without_such_fields() -> None:
    """Nothing ignored, nothing said."""
    assert "X-Pannier-Ignored" not in naming().headers


@pytest.mark.parametrize(
    "name",
    [
        "a\r\nSet-Cookie: b=c",
        "\n",
        "\x00",
        "\x7f\x85\xa0",
        "\u2028\u20ac\U0001f600",
        "",
        " ",
        ",",
        '"',
        "x" * 100_000,
        "\n" * 100_000,
    ],
    ids=lambda name: ascii(name)[:20],
)
def test_a_hostile_name_cannot_break_the_header(name: str) -> None:
    """Whatever a client calls a field, the header is short and of safe characters."""
    value = naming(name, "n").headers["X-Pannier-Ignored"]
    assert re.fullmatch(r"[A-Za-z0-9_.\[\]-]+, n", value)
    assert len(value) <= 1024


@pytest.mark.parametrize("name", ["x", "x" * 100, "tools[17]"])
def test_very_many_names(name: str) -> None:
    """However many names there are, the header stays within 1 KiB."""
    value = naming(*[name] * 10_000).headers["X-Pannier-Ignored"]
    assert len(value) <= 1024
    assert value.endswith(", ...")


@pytest.mark.parametrize("stream", [True, False])
def test_headers_of_every_answer(stream: bool) -> None:
    """OpenAI's own two headers are there."""
    headers = naming(stream=stream).headers
    assert headers["openai-version"] == "2020-10-01"
    assert headers["openai-processing-ms"].isdigit()


def test_a_stream_calls_nobody_before_its_first_step() -> None:
    """The iterable is there at once; its first step calls and starts."""
    ollama, start = Ollama(CHAT), Started()
    writer = ChatWriter(Exchange(), start, model="m", stream=True)
    body = iter(writer.answer(ollama, environ_of()))
    assert (ollama.calls, start.calls) == ([], [])
    assert b"Hello" in next(body)
    assert (len(ollama.calls), start.status) == (1, 200)


def test_closing_what_was_never_read() -> None:
    """A stream that nobody read can be closed, and has called nobody."""
    ollama = Ollama(CHAT)
    writer = ChatWriter(Exchange(), Started(), model="m", stream=True)
    writer.answer(ollama, environ_of())
    writer.close()
    assert ollama.calls == []


def test_closing_in_the_middle() -> None:
    """A client that leaves takes Ollama's answer with it."""
    ollama = Ollama(b'{"message":{"content":"a"}}\n', AssertionError("read on"))
    writer = ChatWriter(Exchange(), Started(), model="m", stream=True)
    next(iter(writer.answer(ollama, environ_of())))
    writer.close()
    assert (ollama.body.taken, ollama.body.closed) == (1, 1)


def test_nobody_may_write() -> None:
    """The old way to answer is refused to the wrapped application."""

    def app(environ, start_response):
        start_response("200 OK", [])(b"x")

    writer = ChatWriter(Exchange(), Started(), model="m")
    with pytest.raises(TypeError, match="must return its body"):
        writer.answer(app, environ_of())


def test_an_app_without_close() -> None:
    """A wrapped application may answer with a plain list."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [CHAT]

    start = Started()
    writer = ChatWriter(Exchange(), start, model="m")
    assert b"Hello" in b"".join(writer.answer(app, environ_of()))
    assert start.status == 200
