import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ollama as theirs
import openai
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.ollama import Answer, Ollama
from support.writing import answered, lines, written

from app.errors import UpstreamBroken
from app.exchange import Exchange
from writers import code
from writers.code import CodeWriter
from writers.code_shapes import (
    FimWriter,
    InfillWriter,
    OllamaWriter,
    SeedWriter,
    TabbyWriter,
)
from writers.trim import Trimmer

RECORDED = Path(__file__).parent.parent / "fixtures" / "ollama"
TIME = "2026-01-02T03:04:05.678901234Z"
DONE = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 3_000_000_000,
    "load_duration": 4,
    "prompt_eval_count": 2,
    "prompt_eval_duration": 1_000_000_000,
    "eval_count": 4,
    "eval_duration": 500_000_000,
}
LENGTH = DONE | {"done_reason": "length"}
ERROR = {"error": "an error was encountered while running the model"}


def said(text: str | None = "", **more: Any) -> dict[str, Any]:
    """One line of a completion."""
    return {
        "model": "real",
        "created_at": TIME,
        "response": text,
        "done": False,
    } | more


END = said() | DONE


def filled(writer: type[CodeWriter], ollama: Ollama, **options: Any) -> Answer:
    """The answer of a writer; ``seen`` gets its exchange."""
    seen: list[Exchange] = options.pop("seen", [])

    def make(exchange: Exchange, start: Any) -> CodeWriter:
        seen.append(exchange)
        return writer(exchange, start, **{"model": "m", **options})

    return written(make, ollama)


def ndjson(body: bytes) -> list[Any]:
    """The lines of a stream, each complete."""
    assert body.endswith(b"\n"), body
    return [json.loads(line) for line in body[:-1].split(b"\n")]


def of_lines(answer: Answer) -> list[Any]:
    """The lines of a stream that says what it is."""
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return ndjson(answer.body)


def of_frames(answer: Answer) -> list[Any]:
    """The frames of a stream."""
    return answer.frames


#: Each shape: its writer, how its stream is read, and where its texts are.
SHAPES: dict[str, tuple[type[CodeWriter], Any, Callable[[Any], str]]] = {
    "seed": (SeedWriter, of_lines, lambda line: line["response"]),
    "ollama": (OllamaWriter, of_lines, lambda line: line["response"]),
    "tabby": (TabbyWriter, None, lambda whole: whole["choices"][0]["text"]),
    "fim": (FimWriter, of_frames, lambda frame: frame["choices"][0]["text"]),
    "infill": (InfillWriter, of_frames, lambda frame: frame["content"]),
}
STREAMED = [name for name, shape in SHAPES.items() if shape[1]]
every_shape = pytest.mark.parametrize("shape", list(SHAPES))
every_stream = pytest.mark.parametrize("shape", STREAMED)


def whole_text(shape: str, ollama: Ollama, **options: Any) -> str:
    """The text of an answer in one piece."""
    writer, _, text = SHAPES[shape]
    answer = filled(writer, ollama, **options)
    assert answer.status == 200, answer.body
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    return text(answer.json)


def streamed_texts(shape: str, ollama: Ollama, **options: Any) -> list[str]:
    """The texts of a stream, frame by frame."""
    writer, read, text = SHAPES[shape]
    found = read(filled(writer, ollama, stream=True, **options))
    return [text(frame) for frame in found if frame != "[DONE]"]


# --------------------------------------------------------------- the code API


def test_the_code_apis_answer() -> None:
    """Seven keys in their order, in one line that is a stream too."""
    answer = filled(SeedWriter, answered(said("a"), said("b"), END), model="default")
    assert answer.headers["Content-Type"] == "application/json"
    (body,) = ndjson(answer.body)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", body.pop("created_at"))
    assert re.search(rb'"total_duration":\d+\.\d{1,3},', answer.body)
    assert 0 <= body.pop("total_duration") < 5
    assert list(body.items()) == [
        ("model", "default"),
        ("response", "ab"),
        ("input_tokens", 2),
        ("output_tokens", 4),
        ("done", True),
    ]
    assert re.sub(rb'":[^,}]+', b"", answer.body) == (
        b'{"model,"created_at,"response,"input_tokens,"output_tokens,"total_duration,'
        b'"done}\n'
    )


def test_the_code_apis_stream() -> None:
    """Lines without counters, and one without text that has them all."""
    answer = filled(SeedWriter, answered(said("a"), said("b"), END), stream=True)
    first, second, last = of_lines(answer)
    when = first["created_at"]
    assert first == {"model": "m", "created_at": when, "response": "a", "done": False}
    assert second == first | {"response": "b"}
    assert last.pop("total_duration") >= 0
    counters = {"input_tokens": 2, "output_tokens": 4}
    assert last == first | {"response": "", "done": True} | counters


def test_the_code_apis_time() -> None:
    """Seconds since the request came in, to the millisecond."""
    seen: list[Exchange] = []

    def until(taken: float) -> bool:
        seen[0].started -= 2.149
        return False

    ollama = Ollama(lines(said("a"), END))
    answer = filled(SeedWriter, ollama, until=until, seen=seen)
    assert 2.149 <= answer.json["total_duration"] < 3


@pytest.mark.parametrize("stream", [True, False])
def test_the_extended_code_api(stream: bool) -> None:
    """Three more keys behind the seven, where they are wanted."""
    more = {"extended": True, "resolved_model": "real:1b", "template": "qwen"}
    ollama = Ollama(lines(said("a"), said() | LENGTH))
    body = ndjson(filled(SeedWriter, ollama, stream=stream, **more).body)[-1]
    assert list(body.items())[6:] == [
        ("done", True),
        ("done_reason", "length"),
        ("resolved_model", "real:1b"),
        ("template", "qwen"),
    ]


# -------------------------------------------------------------------- Ollama's


def test_ollamas_stream_is_ollamas() -> None:
    """With nothing to trim, byte for byte what Ollama said."""
    recorded = (RECORDED / "generate-raw-stream" / "body.ndjson").read_bytes()
    answer = filled(OllamaWriter, Ollama(recorded), model="tiny", stream=True)
    assert answer.body == recorded
    assert answer.headers["Content-Type"] == "application/x-ndjson"


def test_ollamas_answer_is_ollamas() -> None:
    """What Ollama streams becomes what it says in one piece."""
    recorded = (RECORDED / "generate-raw-nonstream" / "body.json").read_bytes()
    answer = filled(OllamaWriter, Ollama(recorded), model="tiny")
    assert answer.body == recorded
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_ollamas_answer_that_ended_early() -> None:
    """The time is ours, the tokens are the pieces; what nobody knows is left out."""
    ollama = answered(said("a"), said("b"), said("c"), END)
    trimmer = Trimmer(["b"])
    answer = filled(OllamaWriter, ollama, trimmer=trimmer)
    body = answer.json
    assert 0 < body.pop("total_duration") < 5e9
    assert body == {
        "model": "m",
        "created_at": TIME,
        "response": "a",
        "done": True,
        "done_reason": "stop",
        "eval_count": 2,
    }
    theirs.GenerateResponse.model_validate(answer.json)


@pytest.mark.parametrize("odd", [None, "1", -1, 1.5, [], 2**60])
def test_odd_durations(odd: Any) -> None:
    """A time that is none costs nothing but itself."""
    names = [name for name in DONE if name.endswith("duration")]
    end = END | dict.fromkeys(names, odd)
    body = filled(OllamaWriter, answered(said("a"), end)).json
    assert not set(names) & set(body)
    timings = filled(InfillWriter, answered(said("a"), end)).json["timings"]
    assert (timings["prompt_ms"], timings["predicted_per_second"]) == (0, 0)


def test_a_line_without_a_time() -> None:
    """It gets one that Ollama's library reads."""
    end = {"response": "", **DONE}
    ollama = answered({"response": "a"}, end)
    found = of_lines(filled(OllamaWriter, ollama, stream=True))
    assert [line["response"] for line in found] == ["a", ""]
    for line in found:
        theirs.GenerateResponse.model_validate(line)
        assert re.match(r"\d{4}-\d\d-\d\dT", line["created_at"])


# --------------------------------------------------------------------- Tabby's


@pytest.mark.parametrize("stream", [True, False])
def test_tabby(stream: bool) -> None:
    """One object with one choice, whatever is asked."""
    answer = filled(TabbyWriter, answered(said("a"), said("b"), END), stream=stream)
    body = answer.json
    assert re.fullmatch(r"cmpl-\w{24}", body.pop("id"))
    assert body == {"choices": [{"index": 0, "text": "ab"}]}


# ------------------------------------------------------------------- Mistral's

FIM_USAGE = {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}


@pytest.mark.parametrize(("end", "reason"), [(DONE, "stop"), (LENGTH, "length")])
def test_fim(end: dict[str, Any], reason: str) -> None:
    """A chat completion, with the text beside its message."""
    body = filled(FimWriter, answered(said("a"), said("b") | end)).json
    openai.types.chat.ChatCompletion.model_validate(body)
    assert body.pop("id").startswith("cmpl-")
    message = {"role": "assistant", "content": "ab"}
    assert body == {
        "object": "chat.completion",
        "created": 1767323045,
        "model": "m",
        "choices": [
            {"index": 0, "message": message, "text": "ab", "finish_reason": reason}
        ],
        "usage": FIM_USAGE,
    }


def test_fim_streamed() -> None:
    """Chunks of a chat; the last says why it ended and what it used."""
    ollama = answered(said("a"), said("b"), END)
    *chunks, done = filled(FimWriter, ollama, stream=True).frames
    assert done == "[DONE]"
    for chunk in chunks:
        openai.types.chat.ChatCompletionChunk.model_validate(chunk)
        assert (chunk["object"], chunk["model"]) == ("chat.completion.chunk", "m")
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 0, "delta": delta, "text": delta["content"], "finish_reason": why}]
        for delta, why in (
            ({"content": "a", "role": "assistant"}, None),
            ({"content": "b"}, None),
            ({"content": ""}, "stop"),
        )
    ]
    assert [chunk.get("usage") for chunk in chunks] == [None, None, FIM_USAGE]


# ----------------------------------------------------------------- llama.cpp's

INFILL = {
    "content": "ab",
    "stop": True,
    "model": "m",
    "tokens_predicted": 4,
    "tokens_evaluated": 2,
    "tokens_cached": 0,
    "truncated": False,
    "stop_type": "eos",
    "stopping_word": "",
    "generation_settings": {},
    "timings": {
        "prompt_n": 2,
        "prompt_ms": 1000.0,
        "prompt_per_token_ms": 500.0,
        "prompt_per_second": 2.0,
        "predicted_n": 4,
        "predicted_ms": 500.0,
        "predicted_per_token_ms": 125.0,
        "predicted_per_second": 8.0,
    },
}


def test_infill() -> None:
    """All keys, with Ollama's counters as llama.cpp's timings."""
    assert filled(InfillWriter, answered(said("a"), said("b"), END)).json == INFILL


def test_infill_streamed() -> None:
    """Frames that go on, and one without text that stops: no other mark."""
    ollama = answered(said("a"), said("b"), END)
    first, second, last = filled(InfillWriter, ollama, stream=True).frames
    assert first == {
        "index": 0,
        "content": "a",
        "tokens": [],
        "stop": False,
        "id_slot": 0,
        "tokens_predicted": 1,
        "tokens_evaluated": 0,
    }
    assert second == first | {"content": "b", "tokens_predicted": 2}
    assert last == INFILL | {"content": ""}


@pytest.mark.parametrize(
    ("options", "end", "content", "kind", "word"),
    [
        ({}, DONE, "a\nb\n", "eos", ""),
        ({}, LENGTH, "a\nb\n", "limit", ""),
        ({"trimmer": Trimmer(["b"])}, DONE, "a\n", "word", "b"),
        ({"trimmer": Trimmer(["\nb"])}, LENGTH, "a", "word", "\nb"),
        ({"trimmer": Trimmer(max_lines=1)}, DONE, "a", "limit", ""),
        ({"trimmer": Trimmer(indent=1)}, DONE, "a\n", "limit", ""),
        ({"until": lambda taken: True}, DONE, "a\n", "limit", ""),
    ],
)
def test_why_it_stopped(
    options: dict[str, Any], end: dict[str, Any], content: str, kind: str, word: str
) -> None:
    """One of llama.cpp's three reasons, with the word if it was one."""
    ollama = answered(said("a\n"), said("b\n"), said() | end)
    body = filled(InfillWriter, ollama, **options).json
    told = (body["content"], body["stop_type"], body["stopping_word"])
    assert told == (content, kind, word)


def test_timings_of_a_text_that_ended_early() -> None:
    """Our own time since its first piece, as Ollama told none."""
    asked = iter([False, True])
    ollama = answered(said("a"), said("b"), END)
    body = filled(InfillWriter, ollama, until=lambda taken: next(asked)).json
    timings = body["timings"]
    assert (timings["prompt_n"], timings["prompt_ms"]) == (0, 0)
    assert (timings["predicted_n"], body["tokens_predicted"]) == (2, 2)
    assert 0 < timings["predicted_ms"] < 5000
    assert timings["predicted_per_token_ms"] == timings["predicted_ms"] / 2


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        (None, INFILL),
        ([], INFILL),
        ([""], {}),
        (["content", "truncated"], {"content": "ab", "truncated": False}),
        (
            ["timings/prompt_n", "timings/predicted_ms"],
            {"timings/prompt_n": 2, "timings/predicted_ms": 500.0},
        ),
        (["timings"], {"timings": INFILL["timings"]}),
        (["stopping_word", "stop"], {"stopping_word": "", "stop": True}),
        (["generation_settings"], {"generation_settings": {}}),
        (["nothing", "content/x", "timings/", "/timings", "stop"], {"stop": True}),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_response_fields(fields: Any, want: dict[str, Any], stream: bool) -> None:
    """What is wanted, by its path; what does not exist is left out."""
    ollama = answered(said("a"), said("b"), END)
    answer = filled(InfillWriter, ollama, response_fields=fields, stream=stream)
    body = answer.frames[-1] if stream else answer.json
    if stream and "content" in want:
        want = want | {"content": ""}
    assert body == want
    assert list(body) == list(want)


# --------------------------------------------------------- what all shapes share


@every_shape
def test_nothing_to_fill_in(shape: str) -> None:
    """An answer without text is an answer."""
    assert whole_text(shape, answered(END)) == ""


@every_stream
def test_a_stream_of_nothing(shape: str) -> None:
    """It has its end and nothing else."""
    assert streamed_texts(shape, answered(END)) == [""]


@every_stream
def test_heads_of_streams(shape: str) -> None:
    """Nothing on the way keeps a line back, and no header is of another dialect."""
    writer = SHAPES[shape][0]
    headers = filled(writer, answered(END), stream=True).headers
    assert headers["X-Accel-Buffering"] == "no"
    assert "openai-version" not in headers
    assert "Content-Length" not in headers


@pytest.mark.parametrize("shape", STREAMED)
def test_only_events_can_say_nothing(shape: str) -> None:
    """Where nothing may stand between lines the watch is not asked to say it."""
    asked: list[float] = []

    def make(exchange: Exchange, start: Any) -> CodeWriter:
        watch = SimpleNamespace(ending=None)
        watch.when_silent = lambda seconds, say: asked.append(seconds)
        exchange.watch, exchange.heartbeat = watch, 7.0  # type: ignore[assignment]
        return SHAPES[shape][0](exchange, start, model="m", stream=True)

    written(make, answered(END))
    assert asked == ([] if SHAPES[shape][1] is of_lines else [7.0])


@every_shape
@pytest.mark.parametrize("stream", [True, False])
def test_a_conversations_text(shape: str, stream: bool) -> None:
    """Lines of ``/api/chat`` are as good; reasoning is no part of the text."""
    chat = [
        {"created_at": TIME, "message": {"role": "assistant", "content": text}}
        for text in ("a", "", "b")
    ]
    chat[1]["message"]["thinking"] = "t"  # type: ignore[index]
    end = {"created_at": TIME, "message": {"role": "assistant", "content": ""}, **DONE}
    ollama = answered(*chat, end)
    if stream and shape in STREAMED:
        assert streamed_texts(shape, ollama) == ["a", "b", ""]
    else:
        assert whole_text(shape, ollama) == "ab"


@every_shape
def test_a_text_that_is_cleaned(shape: str) -> None:
    """All of it is made into another, which is trimmed; nothing goes out before."""
    given: list[str] = []

    def clean(text: str) -> str:
        given.append(text)
        return "x\ny\nz"

    def options() -> dict[str, Any]:
        return {"clean": clean, "trimmer": Trimmer(["b", "z"], max_lines=2)}

    replies = (said("```a"), said("b"), END)
    assert whole_text(shape, answered(*replies), **options()) == "x\ny"
    if shape in STREAMED:
        assert streamed_texts(shape, answered(*replies), **options()) == ["x\ny", ""]
    assert set(given) == {"```ab"}


@every_stream
def test_what_was_held_back(shape: str) -> None:
    """It goes out in a frame of its own before the last."""
    ollama = answered(said("a<"), said("E"), END)
    texts = streamed_texts(shape, ollama, trimmer=Trimmer(["<END>"]))
    assert texts == ["a", "<E", ""]


# --------------------------------------------------------------- an early end

#: How a text ends before Ollama's does: options, what stays of it, pieces it took.
EARLY: dict[str, tuple[Callable[[], dict[str, Any]], str, int]] = {
    "an end": (lambda: {"trimmer": Trimmer(["d"])}, "a\nbc", 3),
    "lines": (lambda: {"trimmer": Trimmer(max_lines=1)}, "a", 1),
    "indentation": (lambda: {"trimmer": Trimmer(indent=1)}, "a\n", 2),
    "until": (lambda: {"until": lambda taken: True}, "a\n", 1),
    "until, later": (
        lambda: {"until": Counter([False, False, True])},
        "a\nbcd",
        3,
    ),
}


class Counter:
    """Gives prepared answers, one each time it is asked."""

    def __init__(self, answers: list[bool]) -> None:
        self._answers = iter(answers)

    def __call__(self, taken: float) -> bool:
        """The next answer."""
        return next(self._answers)


@every_shape
@pytest.mark.parametrize("how", list(EARLY))
@pytest.mark.parametrize("stream", [True, False])
def test_an_early_end(shape: str, how: str, stream: bool) -> None:
    """No more is read, the call is ended while it is not complete, pieces count."""
    options, text, pieces = EARLY[how]
    ollama = answered(said("a\n"), said("b"), said("cd"), said("e"), END)
    seen: list[Exchange] = []
    complete: list[bool] = []
    watched = Watched(ollama, lambda: complete.append(seen[0].complete))
    made = {"seen": seen, **options()}
    if stream and shape in STREAMED:
        assert "".join(streamed_texts(shape, watched, **made)) == text
    else:
        assert whole_text(shape, watched, **made) == text
    assert (ollama.body.taken, complete) == (pieces, [False])
    (exchange,) = seen
    assert (exchange.prompt_tokens, exchange.completion_tokens) == (0, pieces)
    assert exchange.complete  # so that no error follows what looks like the end


@every_shape
def test_an_end_in_the_last_line(shape: str) -> None:
    """Nothing ended early: the counters are Ollama's."""
    seen: list[Exchange] = []
    ollama = answered(said("a"), said("bc") | LENGTH)
    assert whole_text(shape, ollama, trimmer=Trimmer(["c"]), seen=seen) == "ab"
    assert (seen[0].prompt_tokens, seen[0].completion_tokens) == (2, 4)


class Watched(Ollama):
    """An Ollama of which is told when its answer is closed."""

    def __init__(self, inner: Ollama, closing: Callable[[], object]) -> None:
        super().__init__()
        self._inner = inner
        self._closing = closing

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """The inner answer."""
        body = self._inner(environ, start_response)
        return Closing(body, self._closing)


class Closing:
    """An answer that tells when it is closed."""

    def __init__(self, body: Any, closing: Callable[[], object]) -> None:
        self._body = body
        self._closing = closing

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Tell, and close."""
        self._closing()
        self._body.close()


@pytest.mark.parametrize(("until", "told"), [(True, []), (False, [2, 2])])
def test_an_early_end_teaches_nothing(until: bool, told: list[int]) -> None:
    """Who wants to know how long the prompt was is not told that it was empty."""
    heard: list[int] = []

    def make(exchange: Exchange, start: Any) -> CodeWriter:
        exchange.counted = heard.append
        prompt = SimpleNamespace(cut_to=heard.append)
        exchange.prompt = prompt  # type: ignore[assignment]
        return SeedWriter(exchange, start, model="m", until=lambda taken: until)

    assert written(make, answered(said("a"), said("b"), END)).status == 200
    assert heard == told


# -------------------------------------------------------------------- failures

FAILED: dict[str, Callable[[str], bytes]] = {
    "seed": lambda text: b'{"error":%s,"done":true}\n' % json.dumps(text).encode(),
    "ollama": lambda text: b'{"error":%s}\n' % json.dumps(text).encode(),
}
INCOMPLETE = "Ollama's answer ended before it was complete."


@every_shape
@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ([said("a"), said("b")], INCOMPLETE),
        ([said("a"), said("b"), ERROR], ERROR["error"]),
        ([said("a"), said("b"), b"nonsense\n"], "could not be understood"),
        ([said("a"), said("b"), UpstreamBroken("It broke.")], "It broke."),
    ],
    ids=["cut", "error", "nonsense", "broken"],
)
def test_failures(shape: str, replies: list[Any], message: str) -> None:
    """In one piece a true status; in a stream one error behind the text, and no end."""
    writer, read, text = SHAPES[shape]
    blocks = [r if isinstance(r, Exception) else lines(r) for r in replies]
    ollama = Ollama(*blocks)
    answer = filled(writer, ollama)
    assert answer.status in (500, 502)
    assert message in answer.json["error"]["message"]
    assert ollama.body.closed == 1
    if read is None:
        return
    answer = filled(writer, Ollama(*blocks), stream=True)
    *frames, failure = read(answer)
    assert [text(frame) for frame in frames] == ["a", "b"]
    if shape in FAILED:
        assert message in failure["error"]
        assert answer.body.endswith(FAILED[shape](failure["error"]))
    else:
        assert message in failure["error"]["message"]
        assert list(failure) == ["error"]


@every_shape
@pytest.mark.parametrize("body", [b"", b"{}", lines(said()), lines(ERROR)])
def test_a_failure_before_any_text(shape: str, body: bytes) -> None:
    """Nothing has gone out, so the status is true, streamed or not."""
    for stream in (True, False):
        answer = filled(SHAPES[shape][0], Ollama(body), stream=stream)
        assert answer.status in (500, 502)
        assert list(answer.json) == ["error"]


@every_shape
def test_a_refusal(shape: str) -> None:
    """What Ollama refuses keeps its status and words, streamed or not."""
    refusal = b'{"error":"model \'m\' not found"}'
    for stream in (True, False):
        ollama = Ollama(refusal, status="404 Not Found")
        answer = filled(SHAPES[shape][0], ollama, stream=stream)
        assert answer.status == 404
        assert "not found" in answer.json["error"]["message"]


def test_an_endless_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece there is a limit to what is read."""
    monkeypatch.setattr(code, "MAX_WHOLE", 1000)
    answer = filled(SeedWriter, answered(*[said("a" * 100)] * 20, END))
    assert (answer.status, answer.json["error"]["code"]) == (
        502,
        "bad_upstream_response",
    )


# -------------------------------------------------------------- any cut, any text

EMOJI = "a\U0001f600b\u20ac\U0001f468\u200d\U0001f469\n"


@every_shape
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
@pytest.mark.parametrize("last_break", [True, False])
def test_awkward_pieces(shape: str, size: int, last_break: bool) -> None:
    """However Ollama's bytes are cut, also inside a character, the text is the same."""
    body = lines(*[said(text) for text in EMOJI], said("end") | DONE)
    body = body if last_break else body[:-1]
    blocks = [body[at : at + size] for at in range(0, len(body), size)]
    assert whole_text(shape, Ollama(*blocks)) == EMOJI + "end"
    if shape in STREAMED:
        texts = streamed_texts(shape, Ollama(*blocks))
        assert "".join(texts) == EMOJI + "end"


@every_shape
def test_halves_of_a_character(shape: str) -> None:
    """Halves that Ollama escapes, and that no text may hold, are replaced."""
    body = b'{"response":"a\\ud83d"}\n{"response":"\\ude00b"}\n' + lines(END)
    assert whole_text(shape, Ollama(body)) == "a\ufffd\ufffdb"


PIECES = st.lists(st.text("ab<\n \U0001f600", max_size=5), max_size=12)
TRIMMERS = st.fixed_dictionaries(
    {
        "ends": st.lists(st.text("ab<", min_size=1, max_size=3), max_size=2),
        "suffix": st.text("ab", max_size=12),
        "max_lines": st.integers(0, 4),
        "indent": st.integers(0, 2),
    }
)


@every_shape
@given(PIECES, TRIMMERS, st.none() | st.integers(0, 12), st.integers(1, 400))
@example(["a\n", "b"], {"max_lines": 1}, None, 7)
def test_any_text(
    shape: str, pieces: list[str], trims: dict[str, Any], most: int | None, size: int
) -> None:
    """A stream joined is the answer in one piece, which is what is left of the text."""
    body = lines(*map(said, pieces), END)
    blocks = [body[at : at + size] for at in range(0, len(body), size)]

    def options() -> dict[str, Any]:
        asked = Counter([False] * (most or 0) + [True])
        until = None if most is None else asked
        return {"trimmer": Trimmer(**trims), "until": until}

    taken = [piece for piece in pieces if piece][: None if most is None else most + 1]
    trimmer = Trimmer(**trims)
    want = "".join(map(trimmer.feed, taken)) + trimmer.finish()
    assert whole_text(shape, Ollama(*blocks), **options()) == want
    if shape in STREAMED:
        *texts, last = streamed_texts(shape, Ollama(*blocks), **options())
        assert ("".join(texts), last, "" in texts) == (want, "", False)
