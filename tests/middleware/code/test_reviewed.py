"""What reviews of code completion found, and what nothing had held until then."""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from hypothesis import example, given
from hypothesis import strategies as st
from support.coders import BARE, CHATS, Coders
from support.editing import FORMS, Form, Known, Speaking
from support.ollama import (
    GENERATE,
    JSON,
    NDJSON,
    Answer,
    Body,
    FakeUpstream,
    Ollama,
    Started,
    ask,
    environ_of,
)
from support.stack import linted, stacked
from support.writing import lines

from app import tokens
from app.background import Background
from app.catalog import Catalog
from app.exchange import KEY, Exchange
from app.inflight import Inflight
from app.settings import Settings
from app.wire import ollama as wire
from app.wire.decoding import decode
from middleware.aliases import Aliases
from middleware.base import calling
from middleware.code import doors
from middleware.code.chatting import messages
from middleware.code.families import Families, FamiliesError
from middleware.code.filling import Filling
from middleware.code.first import FirstToken
from middleware.code.hole import File, Hole
from middleware.code.parser import markers, parse
from middleware.code.patience import GRACE, LOOK, Patience
from middleware.code.policy import LARGEST, Fill
from middleware.code.supersede import Sessions, who
from middleware.code.warm import WarmUp
from middleware.code.ways import Ways
from middleware.validation import MAX_NAME
from writers.trim import JOINER

NATIVE, CODE, INFILL = "/api/generate", "/code/generate", "/infill"
TEXT, SHOW, PROPS = "/v1/completions", "/api/show", "/props"
QWEN, TALKER = "qwen2.5-coder:7b", "talker"
FAMILIES = Families.load()
HOLE: dict[str, Any] = {"model": QWEN, "prompt": "a = ", "suffix": "\nb"}
#: Tokens of a call that are no text's: its answer's, and some for markers.
TAKEN = 128 + 64
case = pytest.mark.parametrize
BOTH = case("stream", [False, True])


def said(text: str = "", **more: Any) -> dict[str, Any]:
    """One line of Ollama's, of a completion or of a conversation."""
    message = {"role": "assistant", "content": text}
    return {"response": text, "message": message, "done": False} | more


END = said(done=True, done_reason="stop", prompt_eval_count=7, eval_count=3)


class Saying:
    """An Ollama that says what ``speak`` makes of each call, a line at a time."""

    def __init__(
        self, speak: Callable[[Any], Iterable[Any]] = lambda call: [said("x"), END]
    ) -> None:
        self._speak = speak
        self.calls: list[Any] = []

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer one call."""
        call = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.calls.append(call)
        start_response("200 OK", [*NDJSON])
        return map(lines, self._speak(call))


def asked(
    path: str,
    body: Any,
    ollama: Any = None,
    models: Coders | None = None,
    **settings: Any,
) -> Answer:
    """The answer to a good request."""
    app = linted(ollama or Saying(), control=models or Coders(), **settings)
    answer = ask(app, "POST", path, body)
    assert answer.status == 200, answer.body
    return answer


def called(path: str, body: Any, models: Coders | None = None, **more: Any) -> Any:
    """The only call that becomes of a request."""
    ollama = Saying()
    asked(path, body, ollama, models, **more)
    (call,) = ollama.calls
    return call


def choices(answer: Answer) -> list[str]:
    """The texts of all choices, in their order, whole or streamed."""
    if answer.headers["Content-Type"] == "application/json":
        return [choice["text"] for choice in answer.json["choices"]]
    *chunks, done = answer.frames
    assert done == "[DONE]"
    texts: dict[int, str] = {}
    for chunk in chunks:
        for one in chunk["choices"]:
            texts[one["index"]] = texts.get(one["index"], "") + one["text"]
    return [texts[index] for index in sorted(texts)]


def policy(models: Coders, warm: Any = None, **settings: Any) -> Fill:
    """The policy over such models."""
    catalog, chosen = Catalog(models), Settings(**settings)
    ways = Ways(FAMILIES, chosen)
    return Fill(catalog, chosen, Aliases(catalog, chosen), ways, warm)


def fill(
    hole: Hole, by: Fill, options: dict[str, Any] | None = None, model: str = QWEN
) -> tuple[Exchange, Filling, wire.GenerateRequest]:
    """What a policy makes of a hole."""
    filling = Filling(hole)
    exchange = Exchange(filling=filling)
    call = wire.GenerateRequest(
        model=model,
        stream=True,
        prompt=hole.prefix,
        suffix=hole.suffix,
        options={"num_predict": 128, **(options or {})},
    )
    by(exchange, call)
    return exchange, filling, call


class Watched:
    """A watch that notes with what its request is ended."""

    over = False

    def __init__(self) -> None:
        self.ended: list[str] = []

    def look_closely(self) -> None:
        """Not here."""

    def after(self, seconds: float, act: Any) -> None:
        """Never."""

    def end_with(self, error: Any) -> None:
        """Noted."""
        self.ended.append(error.code)


# ------------------------------------------------------------ nothing to go by


def test_nothing_to_read_ahead() -> None:
    """With nothing around the place nothing is read ahead, and nothing breaks."""
    ollama = Speaking()
    app = linted(ollama, control=Known())
    answer = ask(app, "POST", INFILL, {"model": "qwen2.5-coder", "n_predict": 0})
    assert (answer.status, answer.json["content"]) == (200, "")
    gevent.sleep(0)
    assert ollama.calls == []


@BOTH
@case(
    "prompt",
    [
        "<PRE>  <SUF> <MID>",
        "<PRE> <SUF><MID>",
        "<|fim_prefix|><|fim_suffix|><|fim_middle|>",
        "[SUFFIX][PREFIX]",
    ],
)
@case("model", [QWEN, TALKER, None])
def test_markers_around_nothing(model: Any, prompt: str, stream: bool) -> None:
    """Of a completion whose markers hold nothing the text is empty, without a call."""
    ollama, models = Saying(), Coders()
    body = {"model": model, "prompt": prompt, "stream": stream}
    answer = asked(TEXT, body, ollama, models)
    assert choices(answer) == [""]
    assert ollama.calls == []
    shown = answer.frames[-2] if stream else answer.json
    assert shown["choices"][0]["finish_reason"] == "stop"


@case("model", ["absent", None, "", "default", "DEFAULT"])
@case("fields", [{"prompt": "a", "suffix": "b"}, {"prompt": "<PRE> a <SUF>b <MID>"}])
def test_completions_of_no_model(model: Any, fields: dict[str, str]) -> None:
    """Where there is a place to fill, no model or ``default`` is the one for code."""
    body = fields if model == "absent" else {"model": model, **fields}
    call = called(TEXT, body, code_model="codestral", default_model="llama3.2")
    assert (call["model"], call["prompt"]) == ("codestral", "[SUFFIX]b[PREFIX]a")


def test_a_completion_without_a_hole_names_its_model() -> None:
    """A prompt that goes on still has to say which model is to go on."""
    app = linted(Saying(), control=Coders(), code_model=QWEN)
    assert ask(app, "POST", TEXT, {"prompt": "a"}).status == 400


# ------------------------------------------------------------ whose affair it is


@case("name", ["x" * 3_000_000, "x" * (MAX_NAME + 1)])
@case(
    "more",
    [
        {"prompt": "<PRE> a <SUF> b <MID>"},
        {"prompt": "a", "suffix": "b", "raw": True},
        {"prompt": "x"},
    ],
)
@case("settings", [{}, {"aliases": "*=llama3.2"}])
def test_a_name_that_is_no_models(
    name: str, more: dict[str, Any], settings: dict[str, str]
) -> None:
    """A name of megabytes is nobody's to look up, and goes on to Ollama as it came."""
    upstream, models = FakeUpstream(), Coders()
    upstream.control = models  # type: ignore[method-assign]
    body = json.dumps({"model": name, **more}).encode()
    answer = ask(stacked(upstream, **settings), "POST", NATIVE, body)
    assert (answer.status, answer.body) == (200, GENERATE)
    (request,) = upstream.requests
    assert request.body == body
    assert models.asked == []


def test_the_longest_name() -> None:
    """A name that could be a model's is looked up."""
    models = Coders()
    body = {"model": "x" * MAX_NAME, "prompt": "<PRE> a <SUF> b <MID>"}
    assert called(NATIVE, body, models)["model"] == body["model"]
    assert models.asked != []


@case(
    ("model", "raw"),
    [("older-talker", True), ("older-base", True), ("older-inserter", None)],
)
def test_an_ollama_that_tells_no_abilities(model: str, raw: Any) -> None:
    """Then the template tells whether Ollama would refuse a suffix: that is code."""
    body = {"model": model, "prompt": "a", "suffix": "b"}
    upstream = FakeUpstream(lines(said("x"), END), headers=NDJSON)
    upstream.control = Coders()  # type: ignore[method-assign]
    assert ask(stacked(upstream), "POST", NATIVE, body).status == 200
    (request,) = upstream.requests
    assert (json.loads(request.body) == body) is (raw is None)


# ------------------------------------------------------------------- what it costs


@case(
    ("module", "path", "members"),
    [
        (doors, NATIVE, '"prompt":"%s"'),
        (doors, NATIVE, '"model":"m","prompt":"%s","suffix":"b"'),
        (doors, TEXT, '"segments":{"prefix":"%s"}'),
        (doors, TEXT, '"n_predict":1,"prompt":"%s"'),
    ],
)
def test_doors_pause_while_they_mend(
    monkeypatch: pytest.MonkeyPatch, module: Any, path: str, members: str
) -> None:
    """A body full of halves of characters is mended in steps, others in between."""
    paused: list[int] = []
    monkeypatch.setattr(module, "let_others", lambda body: paused.append(len(body)))
    whole = b"{%s}" % (members % "x").encode()
    ask(linted(Saying(), control=Coders()), "POST", path, whole)
    usual = len(paused)
    body = b"{%s}" % (members % ("\\ud800" * 50_000)).encode()
    ask(linted(Saying(), control=Coders()), "POST", path, body)
    # Before and after it, and after each ten thousand.
    assert len(paused) - 2 * usual >= 5
    assert set(paused) == {len(whole), len(body)}


def test_what_was_mended_is_text() -> None:
    """And the door reads of it what its form will read."""
    body = b'{"prompt":"<PRE> a\\ud800 <SUF> b <MID>","model":"talker"}'
    assert decode(doors._asked, body).prompt == "<PRE> a\ufffd <SUF> b <MID>"
    assert "a\ufffd" in str(called(NATIVE, body)["messages"][-1])


# --------------------------------------------------------------------- how much fits


@case(
    ("own", "room"),
    [(8192, int((8192 - TAKEN) * 3.2)), (None, LARGEST), (2_000_000, LARGEST)],
)
def test_a_context_that_no_model_has(own: int | None, room: int) -> None:
    """What a client says of the context lets in no more than the model could hold.

    Nor more than any model could.
    """
    options = {"num_ctx": 100_000_000}
    hole = Hole("a = 1\n" * 200_000)
    _, filling, call = fill(hole, policy(Coders(own=own)), options)
    assert filling.room == room <= 1_000_000
    assert room - 100 < len(call.prompt) <= room + 100
    assert call.options is not None
    assert call.options["num_ctx"] == 100_000_000  # that is the client's own affair


def test_so_many_files() -> None:
    """Of a thousand files the last ones that fit are shown, in their order."""
    extra = [
        {"filename": f"f{number:03}.py", "text": f"# {number:03}\n" + "x = 1\n" * 30}
        for number in range(1000)
    ]
    call = called(CODE, HOLE | {"extra": extra}, Coders(loaded={QWEN: 4096}))
    shown = [int(number) for number in re.findall(r"f(\d{3})\.py", call["prompt"])]
    assert shown == list(range(1000 - len(shown), 1000))
    assert 40 < len(shown) < 80
    assert call["prompt"].endswith("<|fim_prefix|>a = <|fim_suffix|>\nb<|fim_middle|>")


CHINESE = "# 这里说明下面的代码为什么要先检查输入\n"
BASE64 = "TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24sIGJ1\n"


@case("context", [4096, 8192])
@case("model", [QWEN, "inserter", "base"])
def test_texts_in_other_scripts(context: int, model: str) -> None:
    """What has more tokens than code is cut by as many, and by not many more."""
    by = policy(Coders(loaded={model: context}))
    exchange, _, call = fill(Hole(CHINESE * 2000, CHINESE * 2000), by, None, model)
    left = context - TAKEN
    assert 0.6 * left < tokens.about(call.prompt + call.suffix) <= 1.03 * left
    assert exchange.adjusted == ["prompt=trimmed"]


@case("context", [4096, 8192])
def test_dense_texts(context: int) -> None:
    """What fills the context is cut more the next time, until it has room."""
    by = policy(Coders(loaded={QWEN: context}))
    sent = []
    for _ in range(9):
        exchange, _, call = fill(Hole(BASE64 * 2000, BASE64 * 2000), by)
        sent.append(int(tokens.about(call.prompt) / 0.8))  # as it guesses of base64
        assert exchange.counted is not None
        exchange.counted(min(sent[-1], context))
    assert sent[-1] <= context
    assert sent[-1] > 0.5 * context


@case("text", [CHINESE, BASE64, "a = 1\n"])
def test_what_has_room_is_not_cut(text: str) -> None:
    """A text of which the context holds all, however dense it is, stays."""
    hole = Hole(text * (1500 // tokens.about(text)), "b")
    exchange, _, call = fill(hole, policy(Coders(loaded={QWEN: 4096})))
    assert hole.prefix in call.prompt
    assert exchange.adjusted == []


@case("model", [QWEN, "inserter", "base", TALKER])
@case("loaded", [4096, 16_384, None])
@case("size", [10, 20_000])
def test_no_context_but_the_loaded_one(
    model: str, loaded: int | None, size: int
) -> None:
    """With ``auto`` nobody waits for a model to be loaded again between two keys."""
    models = Coders(loaded={model: loaded} if loaded else None, own=131_072)
    body = {"model": model, "prompt": "a = 1\n" * size, "suffix": "b"}
    for path in (CODE, TEXT):
        options = called(path, body, models, context="auto")["options"]
        assert options.get("num_ctx") in (None, loaded)


@case(
    ("models", "want"),
    [
        (Coders(loaded={QWEN: 16_000}, num_ctx=8192), 16_000),
        (Coders(loaded={QWEN: 2048}, num_ctx=8192), 2048),
        (Coders(loaded={"talker": 16_000}, num_ctx=8192), 8192),
        (Coders(num_ctx=8192), 8192),
        (Coders(), 4096),
    ],
)
def test_the_context_that_is_told(models: Coders, want: int) -> None:
    """llama.cpp's editors are told the loaded context, or the model's, or the usual."""
    upstream = FakeUpstream()
    upstream.control = models  # type: ignore[method-assign]
    answer = ask(stacked(upstream, code_model=QWEN), "GET", PROPS)
    assert answer.json["default_generation_settings"]["n_ctx"] == want


@BOTH
@case("model", [QWEN, TALKER])
def test_a_refusal_tells_lengths(model: str, stream: bool) -> None:
    """Strict: where Ollama refuses a text for its length, both lengths are told."""
    error = {"error": "the input length exceeds the context length"}
    ollama = Ollama(lines(error), status="400 Bad Request", headers=JSON)
    models = Coders(loaded={model: 4096})
    app = linted(ollama, control=models, context="strict")
    answer = ask(app, "POST", TEXT, HOLE | {"model": model, "stream": stream})
    assert answer.status == 400
    assert answer.error["code"] == "context_length_exceeded"
    assert "maximum context length is 4096 tokens" in answer.error["message"]


# ----------------------------------------------------------------------- latency


def test_several_choices_are_not_remembered() -> None:
    """Choices are to differ, also at temperature 0: each is a call, each time."""
    ollama = Saying()
    app = linted(ollama, control=Coders())
    for n, calls in ((2, [2, 4]), (1, [5, 5])):
        for count in calls:
            assert (
                ask(app, "POST", TEXT, HOLE | {"temperature": 0, "n": n}).status == 200
            )
            assert len(ollama.calls) == count


@case(
    ("first", "second", "ended"),
    [
        ({}, {}, []),
        ({"num_predict": 64}, {"num_predict": 64}, []),
        ({"num_predict": 64}, {"num_predict": 65}, ["request_superseded"]),
        ({"stop": ["x"]}, {"stop": ["y"]}, ["request_superseded"]),
        ({}, {"temperature": 0.5}, ["request_superseded"]),
    ],
)
def test_alternatives_have_equal_options(
    monkeypatch: pytest.MonkeyPatch,
    first: dict[str, Any],
    second: dict[str, Any],
    ended: list[str],
) -> None:
    """Equal texts of just now are alternatives only if all else is equal, too."""
    by = policy(Coders())
    monkeypatch.setattr(by, "_sessions", Sessions(lambda: 0.0))
    watches = []
    for options in (first, second):
        exchange, filling, _ = fill(Hole("a", "b"), by, options)
        filling.session = ("me",)
        watches.append(Watched())
        exchange.watch = watches[-1]  # type: ignore[assignment]
        assert exchange.prepare is not None
        exchange.prepare()
    assert [watch.ended for watch in watches] == [ended, []]


def test_programs_are_no_editors() -> None:
    """Each request of OpenAI's own library, or of who says so, stands for itself."""
    editor = {"HTTP_USER_AGENT": "x", "HTTP_AUTHORIZATION": "Bearer k"}
    assert who(editor, "a") == who(dict(editor), "a")
    for name, value, apart in (
        ("HTTP_X_STAINLESS_LANG", "python", True),
        ("HTTP_X_STAINLESS_LANG", "js", True),
        ("HTTP_X_PANNIER_SUPERSEDE", "off", True),
        ("HTTP_X_PANNIER_SUPERSEDE", "OFF", True),
        ("HTTP_X_PANNIER_SUPERSEDE", "on", False),
        ("HTTP_X_PANNIER_SUPERSEDE", "", False),
    ):
        own = {**editor, name: value}
        sessions = Sessions(lambda: 0.0)
        watches = [Watched(), Watched()]
        for number, watch in enumerate(watches):
            sessions.enter(who(own, "a"), watch, number)  # type: ignore[arg-type]
        assert (watches[0].ended == []) is apart, (name, value)
        assert watches[1].ended == []


@case("taken", [0, 1, 2, 3])
def test_first_token_closes(taken: int) -> None:
    """What Ollama says is closed, also where nobody began to read it."""
    body = Body([b"a", b"b", b"c"])

    def app(environ: Any, start_response: Any) -> Body:
        start_response("200 OK", [*NDJSON])
        return body

    filling = Filling(Hole("a", "b"))
    environ = environ_of(**{KEY: Exchange(filling=filling)})
    answer: Any = FirstToken(app)(environ, Started())
    pieces = iter(answer)
    assert [next(pieces) for _ in range(taken)] == [b"a", b"b", b"c"][:taken]
    assert (filling.began is None) is (taken == 0)
    answer.close()
    assert (bool(body.closed), body.taken) == (True, taken)


class Slow(Ollama):
    """Begins to answer when the test lets it."""

    def __init__(self) -> None:
        super().__init__(lines(END), headers=NDJSON)
        self.go = Event()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Note the call, then wait."""
        body = super().__call__(environ, start_response)
        try:
            self.go.wait(20)
        except BaseException:
            self.body.close()
            raise
        return body


def idle(background: Background) -> None:
    """Wait until nothing runs."""
    with gevent.Timeout(20):
        while len(background):
            gevent.sleep(0)


@case("alone", [True, False])
def test_reads_ahead_when_alone(alone: bool) -> None:
    """What is read ahead is dropped while anybody else is being answered."""
    ollama, background, inflight = Slow(), Background(), Inflight(30)
    ollama.go.set()
    watch = inflight.begin(None)
    other = inflight.begin(None)
    if alone:
        other.end()
    environ = calling({KEY: Exchange(model="m", watch=watch)}, NATIVE, b"{}")
    WarmUp(ollama, background).start(environ)
    idle(background)
    assert len(ollama.calls) == int(alone)
    watch.end()
    other.end()


def test_who_is_alone() -> None:
    """A request is alone while no other one is being answered."""
    inflight = Inflight(30)
    one = inflight.begin(None)
    assert one.alone
    two = inflight.begin(None)
    assert not one.alone
    assert not two.alone
    two.end()
    assert one.alone
    one.end()


@case("session", [("me",), ("other",), ()])
def test_anybodys_request_ends_what_is_read_ahead(session: tuple[str, ...]) -> None:
    """A request of any editor ends it: that is wanted now, and this later."""
    ollama, background = Slow(), Background()
    warm = WarmUp(ollama, background)
    warm.start(calling({KEY: Exchange(model="m")}, NATIVE, b"{}"))
    gevent.sleep(0)
    assert (len(ollama.calls), len(background)) == (1, 1)
    exchange, filling, _ = fill(Hole("a", "b"), policy(Coders(), warm))
    filling.session = session
    assert exchange.prepare is not None
    exchange.prepare()
    idle(background)
    assert ollama.body.closed == 1
    assert not ollama.go.is_set()


# ------------------------------------------------------------------------- time


class Waiting:
    """A request in a time that the test makes, whose alarms go off as they should."""

    def __init__(self, first: float, text: float, begins: float, ends: float) -> None:
        self.now = 1000.0
        self.error: Any = None
        self._alarm: Any = None
        begun, over = 1000 + begins, 1000 + ends
        watch: Any = self
        loaded = lambda model: False  # noqa: E731
        patience = Patience(first, 120.0, text, loaded, lambda: self.now)
        patience.begin(watch, lambda: begun if self.now >= begun else None, "m")
        while self._alarm is not None and self._alarm[0] < over:
            (self.now, act), self._alarm = self._alarm, None
            act()

    def after(self, seconds: float, act: Any) -> None:
        """As a watch does it."""
        assert seconds >= 0
        self._alarm = (self.now + seconds, act)

    def end_with(self, error: Any) -> None:
        """As a watch does it."""
        self.error = error


@case("first", [0.0625, 0.25, 0.875])
def test_limits_below_a_second(first: float) -> None:
    """A limit for the first token holds, however short it is."""
    assert first < LOOK
    waiting = Waiting(first, 30, 1e9, 1e9)
    assert waiting.now - 1000 == pytest.approx(first)
    assert (waiting.error.status, waiting.error.code) == (504, "upstream_timeout")


@case(
    ("begins", "ends", "at"),
    [
        (0.125, 3.0, None),
        (0.125, 5.0 + GRACE, None),  # one that goes on is ended by its writer
        (0.125, 1e9, 0.125 + 5 + GRACE),
        (4.5, 1e9, 4.5 + 5 + GRACE),
    ],
)
def test_silence_after_the_first_token(
    begins: float, ends: float, at: float | None
) -> None:
    """A text that falls silent is given up a little after it has had its time."""
    waiting = Waiting(10, 5, begins, ends)
    if at is None:
        assert waiting.error is None
        return
    assert waiting.now - 1000 == pytest.approx(at)
    assert (waiting.error.status, waiting.error.code) == (504, "upstream_timeout")


class Clock:
    """A time that goes on when it is told to; all else is as ever."""

    now = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which texts are measured."""
    clock = Clock()
    monkeypatch.setattr("middleware.code.filling.time", clock)
    monkeypatch.setattr("writers.code.time", clock)
    return clock


@BOTH
@case("more", [{"n": 3}, {"prompt": ["a = ", "c = ", "e = "]}, {"n": 1}])
@case("at_once", [1, 3])
@case("model", [QWEN, TALKER])
def test_each_choice_has_its_time(
    clock: Clock, more: dict[str, Any], stream: bool, at_once: int, model: str
) -> None:
    """No choice is cut because others took long; each is, when itself it does."""

    def speak(call: Any, pieces: str) -> Iterator[Any]:
        for piece in pieces:
            yield said(piece)
            clock.now += 10
        yield END

    count = 1 if more == {"n": 1} else 3
    for pieces, want in (("12", "12"), ("123456789", "1234")):
        ollama = Saying(partial(speak, pieces=pieces))
        body = HOLE | {"model": model, "stream": stream} | more
        settings = {"code_timeout": 30, "max_choices": at_once}
        if more.get("n", 1) > at_once:
            settings["max_choices"] = 3
        assert choices(asked(TEXT, body, ollama, **settings)) == [want] * count


# ----------------------------------------------------------------- what is explained


@case(
    "body",
    [
        {"model": "llama3.2", "prompt": "x", "options": {"seed": 1.0}},
        {"model": QWEN, "prompt": "a", "suffix": "b", "unknown": [None]},
    ],
)
@case("way", ["header", "query"])
def test_what_is_passed_on_is_explained(body: dict[str, Any], way: str) -> None:
    """The explanation of what goes on as it came shows just that, and nothing goes."""
    upstream = FakeUpstream()
    upstream.control = Coders()  # type: ignore[method-assign]
    app = stacked(upstream)
    if way == "header":
        answer = ask(app, "POST", NATIVE, body, X_Pannier_Explain="1")
    else:
        answer = ask(app, "POST", f"{NATIVE}?explain=1", body)
    assert answer.status == 200
    assert answer.json["object"] == "pannier.explanation"
    assert answer.json["passed_on"] is True
    assert answer.json["endpoint"] == NATIVE
    assert answer.json["requests"] == [body]
    assert upstream.requests == []


def test_what_is_code_is_explained_as_ever() -> None:
    """What is not passed on says nothing of it, and shows what it becomes."""
    body = {"prompt": "a", "suffix": "b"}
    answer = asked(f"{NATIVE}?explain=1", body, None, Coders(QWEN)).json
    assert "passed_on" not in answer
    assert answer["requests"][0]["raw"] is True


@case("body", [b"{", b"[]", b"\xff", b""])
def test_nonsense_that_is_passed_on_is_explained(body: bytes) -> None:
    """Whatever it is that would go on, it is shown."""
    upstream = FakeUpstream()
    answer = ask(stacked(upstream), "POST", f"{NATIVE}?explain=1", body)
    assert (answer.status, answer.json["passed_on"]) == (200, True)
    assert upstream.requests == []


# ------------------------------------------------------------------- what is called


def test_a_whole_conversation() -> None:
    """A model that chats is sent all that was wanted of the call, and no more."""
    more = {
        "shift": False,
        "truncate": False,
        "keep_alive": "7m",
        "logprobs": 2,
        "max_tokens": 9,
        "stop": "x",
        "think": True,
    }
    call = called(TEXT, HOLE | {"model": "thinker"} | more)
    texts = [
        {"role": one.role, "content": one.content}
        for one in messages(Hole("a = ", "\nb"))
    ]
    options = {"num_predict": 9, "temperature": 0.1, "top_p": 0.95}
    assert call == {
        "model": "thinker",
        "stream": True,
        "options": options | {"stop": ["x", "</completion>"]},
        "think": True,
        "keep_alive": "7m",
        "truncate": False,
        "shift": False,
        "logprobs": True,
        "top_logprobs": 2,
        "messages": texts,
    }


@case(
    ("fields", "want"),
    [
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"seed": 3}, {"seed": 3}),
        ({"max_tokens": 7}, {"num_predict": 7}),
        ({"seed": 3, "options": {"seed": 4}}, {"seed": 3}),
    ],
)
@case(("path", "model"), [(CODE, QWEN), (CODE, "default"), (NATIVE, "default")])
def test_the_code_apis_own_options(
    path: str, model: str, fields: dict[str, Any], want: dict[str, Any]
) -> None:
    """The code API takes OpenAI's names of options, too; they win over ``options``."""
    options = called(path, HOLE | {"model": model} | fields, Coders(QWEN))["options"]
    options.pop("stop")
    usual = {"num_predict": 128, "temperature": 0.1, "top_p": 0.95}
    assert options == usual | want


@case(("stop", "first"), [("\n\n", ["\n\n"]), (["x", "y"], ["x", "y"])])
def test_the_code_apis_own_stops(stop: Any, first: list[str]) -> None:
    """Its stop strings come before those of the family."""
    found = called(CODE, HOLE | {"stop": stop})["options"]["stop"]
    assert found == [*first, *FAMILIES.of(QWEN).stops(Hole())]  # type: ignore[union-attr]


@case("fields", [{"temperature": 3}, {"top_p": -1}, {"max_tokens": 0}, {"seed": "x"}])
def test_the_code_apis_wrong_options(fields: dict[str, Any]) -> None:
    """Those that no model could have are a 400 that names them."""
    app = linted(Saying(), control=Coders())
    answer = ask(app, "POST", CODE, HOLE | fields)
    (name,) = fields
    assert answer.status == 400
    assert name in answer.json["error"]


ENTRY = """
[[family]]
name = "mine"
match = ["mine*"]
strategy = "{strategy}"
template = "{{code_prefix}}"
stop = ["<E>"]
"""


def written(path: Path, strategy: str) -> str:
    """A file with a family of one's own."""
    file = path / "families.toml"
    file.write_text(ENTRY.format(strategy=strategy))
    return str(file)


@case(
    ("strategy", "stops"),
    [
        ("raw", ["x", "<E>"]),
        ("prefix", ["x", "<E>"]),
        ("suffix", ["x"]),
        ("chat", ["x", "</completion>"]),
    ],
)
def test_stops_of_each_strategy(
    tmp_path: Path, strategy: str, stops: list[str]
) -> None:
    """A family's stop strings are those of its own form, raw or the text before."""
    families = written(tmp_path, strategy)
    body = HOLE | {"model": "mine", "stop": "x"}
    call = called(TEXT, body, code_families=families)
    assert call["options"]["stop"] == stops


def test_a_strategy_that_is_none(tmp_path: Path) -> None:
    """Who names one that is none is told those that there are."""
    with pytest.raises(FamiliesError) as caught:
        Families.load(written(tmp_path, "infill"))
    told = str(caught.value)
    assert "mine" in told
    assert "strategy" in told
    for one in ("raw", "suffix", "chat", "prefix"):
        assert f"'{one}'" in told


# ------------------------------------------------------------------ what is answered


TOKEN, HARMLESS = "<|fim_middle|>", f"<{JOINER}|fim_middle|>"
PEOPLE = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
TOKENS = FAMILIES.of(QWEN).tokens  # type: ignore[union-attr]
#: Pieces of answers: markers that were made harmless, beginnings of such, and others.
PIECES = [
    *[f"{token[0]}{JOINER}{token[1:]}" for token in TOKENS],
    *["<", f"<{JOINER}", f"<{JOINER}|", f"<{JOINER}|fim_", f"<{JOINER}|fim_middle|"],
    *[JOINER, PEOPLE, "a", "\n", f"<{JOINER}|file_sep|"],
]


def plain(text: str) -> str:
    """A text with the family's own markers as they were, and all else as it is."""
    joined = "|".join(
        f"{re.escape(token[0])}{JOINER}{re.escape(token[1:])}" for token in TOKENS
    )
    return re.sub(joined, lambda found: found[0][0] + found[0][2:], text)


@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.lists(st.integers(0, 200), max_size=12),
)
@example(PEOPLE + HARMLESS + PEOPLE, [1, 2, 3, 5, 6, 7, 9])
@example(HARMLESS * 2, list(range(40)))
@example(f"<{JOINER}<{JOINER}|fim_middle|>", [2, 3])
def test_joiners(text: str, cuts: list[int]) -> None:
    """Only those that were put into markers come out, however a text is cut."""
    _, filling, call = fill(Hole(TOKEN, "b"), policy(Coders()))
    assert HARMLESS in call.prompt
    trimmer = filling.trimmer()
    ends = sorted({0, len(text), *[min(cut, len(text)) for cut in cuts]})
    out = [trimmer.feed(text[a:b]) for a, b in pairwise(ends)]
    assert "".join(out) + trimmer.finish() == plain(text)


def test_what_needs_no_joiner_is_not_held_back() -> None:
    """Of a text that cannot become a marker all goes out at once."""
    _, filling, _ = fill(Hole(TOKEN, "b"), policy(Coders()))
    trimmer = filling.trimmer()
    assert trimmer.feed(PEOPLE) == PEOPLE
    assert trimmer.feed("a < b") == "a < b"
    assert trimmer.feed(f"x<{JOINER}|fim_") == "x"
    assert trimmer.feed("no") == f"<{JOINER}|fim_no"


@BOTH
@case(
    "prompts",
    [
        [f"s = '{TOKEN}'", "y"],
        ["y", f"s = '{TOKEN}'"],
        ["y" * 99, f"s = '{TOKEN}'", "z"],
        [f"s = '{TOKEN}'"],
    ],
)
def test_joiners_of_several_prompts(prompts: list[str], stream: bool) -> None:
    """Where one of the prompts had a marker, an answer that repeats it is right."""
    ollama = Saying(lambda call: [said(f"a{HARMLESS[:3]}"), said(HARMLESS[3:]), END])
    body = HOLE | {"prompt": prompts, "stream": stream}
    answer = asked(TEXT, body, ollama)
    assert choices(answer) == [f"a{TOKEN}"] * len(prompts)
    assert sum(HARMLESS in call["prompt"] for call in ollama.calls) == 1


@BOTH
def test_several_prompts_have_their_own_echoes(stream: bool) -> None:
    """What a model that chats repeats of a prompt goes from the answer to that."""
    prompts = ["alpha = 1\nbeta = ", "gamma = "]

    def speak(call: Any) -> list[Any]:
        question = call["messages"][-1]["content"]
        mine = "beta = " if "beta = " in question else "gamma = "
        return [said(f"<completion>{mine}"), said("gamma = 2</completion>"), END]

    body = HOLE | {"model": TALKER, "prompt": prompts, "stream": stream}
    assert choices(asked(TEXT, body, Saying(speak))) == ["gamma = 2", "gamma = 2"]


@case(
    ("prompt", "want"),
    [
        ("# Language: a <SUF> b <MID>", Hole("# Language: a", "b")),
        ("<PRE> # Language: a <SUF> b <MID>", Hole("# Language: a", "b")),
        (
            "# Language: Go\n# Path: x <SUF> y <MID>",
            Hole("# Path: x", "y", "Go"),
        ),
        ("# Path: x <SUF> y\n <MID>", Hole("# Path: x", "y\n")),
        (
            "# Language: Go\n# Path: x\na <SUF> y <MID>",
            Hole("a", "y", "Go", "x"),
        ),
    ],
)
def test_a_header_holds_no_place(prompt: str, want: Hole) -> None:
    """A line in which the place to fill in lies is no header."""
    assert parse(prompt) == want


FILES = "<|repo_name|>r\n<|file_sep|>a.py\n{other}\n<|file_sep|>b.py\n"
SET = "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"


@case(
    "other",
    [
        "s = '<fim_prefix>'",
        "<fim_prefix>x<fim_suffix>y",
        "<fim-prefix>",
        "<\uff5cfim\u2581begin\uff5c>",
        "[SUFFIX][PREFIX]",
        "<[fim-suffix]>",
        "x = 1",
    ],
)
def test_another_familys_marker_in_a_file(other: str) -> None:
    """What stands in a file before the place does not hide the set around it."""
    prompt = FILES.format(other=other) + SET
    assert markers(prompt) == "qwen"
    found = parse(prompt)
    assert (found.prefix, found.suffix) == ("a", "b")


NAMING = [name for name in FORMS if name != "tabby"]


@case("name", NAMING)
@case("model", [" Default ", "DEFAULT", "qwen2.5-coder", "Qwen2.5-Coder"])
@BOTH
def test_the_answer_has_the_name_that_was_sent(
    name: str, model: str, stream: bool
) -> None:
    """An answer calls its model what the client called it, to the letter."""
    form: Form = FORMS[name]
    request = form.request("a", "b") | {"model": model, "stream": stream}
    app = linted(Speaking(), control=Known(), code_model="codestral")
    answer = ask(app, "POST", form.path, request)
    assert answer.status == 200, answer.body
    kind = answer.headers["Content-Type"]
    if kind == "text/event-stream":
        found = [one for one in answer.frames if one != "[DONE]"]
    else:
        found = [json.loads(line) for line in answer.body.splitlines()]
    told = {one["model"] for one in found if "model" in one}
    assert told == {model}


@case(
    ("shown", "able"),
    [
        ({"template": BARE, "capabilities": ["completion"]}, ["completion", "insert"]),
        ({"template": CHATS, "capabilities": ["completion"]}, ["completion", "insert"]),
        ({"template": BARE}, None),
    ],
)
def test_a_model_that_only_its_family_tells(shown: dict[str, Any], able: Any) -> None:
    """What is known by its family alone is shown as a model that fills in."""
    body = json.dumps({**shown, "details": {"family": "starcoder2"}}).encode()
    answer = ask(stacked(FakeUpstream(body)), "POST", SHOW, {"model": "my-own"})
    assert ".Suffix" in answer.json["template"]
    assert "<fim_prefix>" in answer.json["template"]
    assert answer.json.get("capabilities") == able
    other = json.dumps({**shown, "details": {"family": "llama"}}).encode()
    answer = ask(stacked(FakeUpstream(other)), "POST", SHOW, {"model": "my-own"})
    assert answer.body == other


def test_a_file_that_is_known_by_its_name() -> None:
    """Files that a form brings are shown under the names that they came with."""
    hole = Hole("a", "b", files=(File("f.py", "t"),))
    _, _, call = fill(hole, policy(Coders()))
    assert "<|file_sep|>f.py\nt\n" in call.prompt
