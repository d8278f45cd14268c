"""A call spoken: as NDJSON lines at their pace, or as one JSON document.

Knows the order and presence of every field of ``api.ChatResponse`` and
``api.GenerateResponse``; specification: native API, sections 2 and 3.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from . import text, voices
from .calls import Call, Refusal, pause_of
from .exchange import Exchange
from .golang import Raw, encode, string, timestamp
from .speech import Parser, Part, Piece, pieces
from .wire import JSON, NDJSON

#: Lines of an unpaced run of chunks that share a segment.
BATCH = 64


class Step(NamedTuple):
    """One step of the answer with the size of the prompt that led to it."""

    part: Part
    piece: Piece
    prompt_count: int
    shown: bool


def steps(call: Call, prompt: str, count: int) -> Iterator[Step]:
    """The answer; with thinking and a format it takes two runs, as on the server."""
    tools = call.tools if call.chat else []
    parser = Parser(call.thinks, tools, text.seed_of(call.seed, prompt))
    twice = call.thinks and call.format is not None
    thought = ""
    for piece in pieces(call, call.voice.tokens(call, prompt), call.limit(count)):
        part = parser.feed(piece.text)
        thought += part.thinking
        if twice and part.content:
            yield Step(Part("", part.thinking), Piece(), count, bool(part.thinking))
            break
        yield Step(part, piece, count, _shown(call, parser, part, piece))
    else:
        return
    count = call.voice.count(call, call.thought_prompt(thought))
    for piece in pieces(call, iter(call.formatted()), call.limit(count)):
        yield Step(Part(piece.text), piece, count, bool(piece.text))


def _shown(call: Call, parser: Parser, part: Part, piece: Piece) -> bool:
    """Whether a step has a line of its own.

    /api/generate has one for whatever the runner released; /api/chat leaves out what
    its parsers swallowed, unless log probabilities came with a swallowed tool call.
    """
    if not call.chat:
        return bool(piece.text)
    if any(part):
        return True
    return bool(piece.logprobs and parser.tools and not parser.thinking)


def _message(call: Call, part: Part) -> str:
    """The middle of a line: the message, or the response and its neighbours."""
    thinking = f',"thinking":{string(part.thinking)}' if part.thinking else ""
    if not call.chat:
        return f'"response":{string(part.content)}{thinking}'
    calls = f',"tool_calls":[{",".join(part.calls)}]' if part.calls else ""
    said = string(part.content)
    return f'"message":{{"role":"assistant","content":{said}{thinking}{calls}}}'


def _line(call: Call, part: Part, rest: str) -> str:
    head = f'{{"model":{string(call.name)},"created_at":"{timestamp()}"'
    return f"{head},{_message(call, part)},{rest}}}"


def _chances(logprobs: list[Raw] | tuple[Raw, ...]) -> str:
    return f',"logprobs":[{",".join(logprobs)}]' if logprobs else ""


class Clock:
    """The durations of one answer in nanoseconds."""

    def __init__(self) -> None:
        self.start = time.perf_counter_ns()
        self.loaded = self.start
        self.first = 0

    def metrics(self, prompt_count: int, count: int) -> str:
        """The counters of the last line; those that are zero are left out."""
        now = time.perf_counter_ns()
        first = self.first or now
        shown = (
            f',"total_duration":{now - self.start}'
            f',"load_duration":{max(1, self.loaded - self.start)}'
            f',"prompt_eval_count":{prompt_count}'
            f',"prompt_eval_duration":{max(1, first - self.loaded)}'
            f',"eval_count":{count}'
        )
        return shown + (f',"eval_duration":{max(1, now - first)}' if count > 1 else "")


class Answer:
    """One answer on its way."""

    def __init__(self, exchange: Exchange, call: Call, prompt: str, clock: Clock):
        self.exchange = exchange
        self.call = call
        self.prompt = prompt
        self.clock = clock
        self.said = ""
        self.logprobs: list[Raw] = []
        self.pause = pause_of(call.model, exchange.tps)

    def spoken(self, count: int) -> Iterator[Step]:
        """The steps at their pace; raises ``ClientLeft`` when nobody listens."""
        begun = time.perf_counter()
        self.clock.first = time.perf_counter_ns()
        for place, step in enumerate(steps(self.call, self.prompt, count), 1):
            if self.pause:
                due = begun + place * self.pause - time.perf_counter()
                self.exchange.wait(max(0, due))
            elif place % 64 == 0:
                self.exchange.wait(0)
            self.said += step.piece.text
            yield step

    def lines(self, count: int) -> Iterator[str]:
        """The lines of a stream."""
        for step in self.spoken(count):
            reason = step.piece.reason
            if step.shown:
                rest = '"done":false' + _chances(step.piece.logprobs)
                yield _line(self.call, step.part, rest)
            if reason:
                tail = self.tail(reason, step.prompt_count, step.piece.tokens, [])
                yield _line(self.call, Part(), tail)

    def document(self, count: int) -> str:
        """The whole answer as one object."""
        content, thinking = "", ""
        calls: list[Raw] = []
        logprobs: list[Raw] = []
        for step in self.spoken(count):
            content += step.part.content
            thinking += step.part.thinking
            calls += step.part.calls
            logprobs += step.piece.logprobs
        end = step.piece
        tail = self.tail(end.reason, step.prompt_count, end.tokens, logprobs)
        return _line(self.call, Part(content, thinking, tuple(calls)), tail)

    def tail(self, reason: str, prompts: int, count: int, logprobs: list[Raw]) -> str:
        """The last fields of the last line, from ``done`` on."""
        metrics = self.clock.metrics(prompts, count)
        chances = _chances(logprobs)
        done = f'"done":true,"done_reason":"{reason}"'
        if self.call.chat:
            return done + chances + metrics
        if not self.call.request.get("raw"):
            numbers = self.call.voice.numbers(self.prompt + self.said)
            done += f',"context":{encode(numbers)}'
        return done + metrics + chances


def speak(exchange: Exchange, call: Call, clock: Clock) -> None:
    """Generate and send the answer to a call."""
    call.check_format()
    call.check_images()
    prompt = call.rendered()
    count = call.count(prompt)
    answer = Answer(exchange, call, prompt, clock)
    if not call.stream:
        body = answer.document(count).encode()
        exchange.answer(200, body, [("Content-Type", JSON)])
        return
    exchange.begin(200, [("Content-Type", NDJSON)])
    if call.plain() and call.model.behaviour.chunks:
        _chunks(exchange, call, answer, count)
    else:
        for line in answer.lines(count):
            exchange.lines([line.encode() + b"\n"])
    exchange.finish()


def _chunks(exchange: Exchange, call: Call, answer: Answer, count: int) -> None:
    """Equal chunks as fast as they go: each its own line and HTTP chunk."""
    behaviour = call.model.behaviour
    word = voices.chunk(behaviour.bytes).decode()
    head = f'{{"model":{string(call.name)},"created_at":"'.encode()
    tail = f'",{_message(call, Part(word))},"done":false}}\n'.encode()
    answer.clock.first = time.perf_counter_ns()
    left = behaviour.chunks
    while left > 0:
        size = min(left, BATCH)
        left -= size
        exchange.lines([head + timestamp().encode() + tail for _ in range(size)])
        if left:
            exchange.wait(0)
    answer.said = word * behaviour.chunks
    end = answer.tail("stop", count, behaviour.chunks + 1, [])
    exchange.lines([_line(call, Part(), end).encode() + b"\n"])


def loaded(call: Call, reason: str) -> bytes:
    """The answer to a call without a prompt: the model was only (un)loaded."""
    done = f'"done":true,"done_reason":"{reason}"'
    return _line(call, Part(), done).encode()


def rendered(call: Call) -> bytes:
    """The answer to ``_debug_render_only``."""
    empty = '"message":{"role":"","content":""}' if call.chat else '"response":""'
    shown: dict[str, Any] = {"rendered_template": call.rendered()}
    if call.images:
        shown["image_count"] = len(call.images)
    head = f'{{"model":{string(call.name)},"created_at":"{timestamp()}"'
    return f'{head},{empty},"done":false,"_debug_info":{encode(shown)}}}'.encode()


def refuse(exchange: Exchange, refusal: Refusal, streams: bool) -> None:
    """An error; one out of the runner of a stream is framed as a stream."""
    exchange.held = exchange.fault = None
    if exchange.started:
        exchange.lines([refusal.body + b"\n"])
        exchange.finish()
    elif refusal.late and streams:
        exchange.begin(refusal.status, [("Content-Type", "application/json")])
        exchange.lines([refusal.body])
        exchange.finish()
    else:
        exchange.answer(refusal.status, refusal.body, [("Content-Type", JSON)])
