"""Spent: what one request asks of Ollama and uses of it, noted while it passes.

Nothing is noted for each token: durations and counts are in Ollama's last line.  Of the
routes that are relayed only the end of the answer is looked at.
"""

import re
from typing import Any

import msgspec

from ..wire.ollama import MAX_COUNT, count

#: Bytes at the end of a relayed answer that are looked at, and two at its beginning.
TAIL = 4096
#: Why an answer ended that was no model's: the call was explained, or left to itself.
EXPLAINED, READ_AHEAD = "explained", "read_ahead"
_MODEL = re.compile(rb'\{"model":"([^"\\]{1,512})"')
#: Inside a text quotes are escaped, so these are names of members.
_FACT = re.compile(
    rb'"(total_duration|load_duration|prompt_eval_duration|eval_duration|'
    rb'prompt_eval_count|eval_count|done_reason)"\s*:\s*(?:(\d{1,16})|"(\w{1,32})")'
)


class Spent(msgspec.Struct):
    """One request; ``None`` is what nobody knows.

    ``endpoint`` is the group of its route (``app.gateway.groups``), ``protocol`` the
    dialect.  Durations are in nanoseconds, as Ollama's, summed over its ``calls``.
    ``finish`` is why the answer ended.  ``stream`` is what the client has
    asked for; of a relayed answer, what it got.
    """

    endpoint: str
    protocol: str
    address: str = ""
    agent: str = ""
    size: int = 0
    user: str = ""
    think: Any = None
    messages: int | None = None
    tools: int | None = None
    images: int | None = None
    tool_calls: int | None = None
    calls: int = 0
    total: int = 0
    load: int = 0
    prompt: int = 0
    eval: int = 0
    finish: str = ""
    reasoning: int = 0
    stream: bool = False
    model: str = ""

    def note_call(self, request: Any, call: Any) -> None:
        """Note what is asked: the client's request, and the call that it became."""
        self.think = getattr(call, "think", None)
        stream = getattr(request, "stream", None)
        self.stream = self.protocol == "ollama" if stream is None else bool(stream)
        messages = getattr(call, "messages", None)
        if messages is not None:
            self.messages = len(messages)
            self.tools = len(call.tools or ())
            self.images = sum([len(one.images) for one in messages if one.images])
        user = getattr(request, "user", None)
        if not user and (metadata := getattr(request, "metadata", None)):
            user = metadata.get("user_id")
        if isinstance(user, str):
            self.user = user

    def note_end(self, reply: Any, why: str) -> None:
        """Note the durations of a call that has ended, and why it has; of each."""
        self.note_totals(reply)
        self.finish = self.finish or why
        self.prompt += count(reply.prompt_eval_duration)
        self.eval += count(reply.eval_duration)

    def note_explained(self) -> None:
        """Note that no call was made: it was said which one would have been."""
        self.finish, self.stream = EXPLAINED, False

    def note_totals(self, reply: Any) -> None:
        """Note the durations that the end of every answer tells."""
        self.calls += 1
        self.total += count(reply.total_duration)
        self.load += count(reply.load_duration)

    def note_answer(self, reasoning: int, tool_calls: int) -> None:
        """Note what a complete answer consists of; of several, of each."""
        self.reasoning += reasoning
        self.tool_calls = (self.tool_calls or 0) + tool_calls

    def note_tail(self, tail: bytes, lines: bool) -> tuple[int | None, int | None]:
        """Note what the end of a relayed answer says; the tokens that it counted."""
        self.stream = lines
        line = tail.rstrip(b"\n").rpartition(b"\n")[2]
        facts = {name: number or text for name, number, text in _FACT.findall(line)}
        if model := _MODEL.match(line):
            self.model = model[1].decode(errors="replace")
        if b"total_duration" not in facts:
            return None, None
        number = {name: _number(value) for name, value in facts.items()}
        self.calls += 1
        self.total += number[b"total_duration"] or 0
        self.load += number.get(b"load_duration") or 0
        self.prompt += number.get(b"prompt_eval_duration") or 0
        self.eval += number.get(b"eval_duration") or 0
        if not self.finish and not (said := facts.get(b"done_reason", b"")).isdigit():
            self.finish = said.decode()
        return number.get(b"prompt_eval_count"), number.get(b"eval_count")

    def durations(self) -> tuple[float | None, ...]:
        """Milliseconds of queueing, loading, reading the prompt, and generating.

        Ollama does not say how long it waited for its turn: it is the rest of the
        total.  Of embeddings it tells no more than the total and the loading.
        """
        if not self.total:
            return None, None, None, None
        rest = self.total - self.load - self.prompt - self.eval
        if not (self.prompt or self.eval):
            return None, _ms(self.load), _ms(max(rest, 0)), None
        return (
            _ms(rest) if rest >= 0 else None,
            _ms(self.load),
            _ms(self.prompt),
            _ms(self.eval),
        )


def _number(value: bytes) -> int | None:
    return min(int(value), MAX_COUNT) if value.isdigit() else None


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1_000_000, 3)
