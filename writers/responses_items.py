"""Items of an answer of the Responses API, while they are being written.  Pure.

An item is added, grows by pieces, and is done.  It knows the events of its beginning
and its end, and how the frame of a piece looks; the numbers of events are the writer's.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any, ClassVar

from msgspec import UNSET, Raw, UnsetType

from app.errors import GatewayError
from app.turns import let_others
from app.wire import ollama, openai, responses

from . import sse
from .base import encode
from .generation import choice_logprobs

#: Bytes that fit into any connection at once, so that nobody waits while writing them.
_LITTLE = 16 * 1024
#: The type of an event, and what else is in it.
Event = tuple[str, dict[str, Any]]


def frame(kind: str, number: int, told: dict[str, Any]) -> bytes:
    """One event as it is sent; others have a turn where it repeats megabytes."""
    payload = encode(responses.Event(type=kind, sequence_number=number, **told))
    let_others(payload)
    return joined(sse.event(kind, payload))


def joined(*frames: bytes) -> bytes:
    """Some frames as one; others have a turn where that takes long."""
    together = b"".join(frames)
    let_others(together)
    return together


class Growing(ABC):
    """An item at its place in the output; ``texts`` has its pieces so far.

    ``template % (number, piece as JSON)`` is the frame of a piece: it is made once,
    not at each token.
    """

    #: How its id begins; the type of the event that brings a piece, and its end.
    prefix: ClassVar[str]
    delta: ClassVar[str]
    ends: ClassVar[bytes] = b"}\n\n"

    def __init__(self, id: str, index: int, **place: int) -> None:
        self.id = id
        self.index = index
        self.at = {"item_id": id, "output_index": index, **place}
        self.texts = StringIO()
        begin = f'event: {self.delta}\ndata: {{"type":"{self.delta}"'
        at = encode(self.at)[1:-1]
        self.template = b'%b,"sequence_number":%%d,%b,"delta":%%b%b' % (
            begin.encode(),
            at,
            self.ends,
        )

    def begin(self) -> Iterator[Event]:
        """The events that add it."""
        added = {"output_index": self.index, "item": self.item("in_progress")}
        yield "response.output_item.added", added

    def end(self, item: responses.OutputItem) -> Iterator[Event]:
        """The events that say what all of it is."""
        done = {"output_index": self.index, "item": item}
        yield "response.output_item.done", done

    @abstractmethod
    def item(self, status: str) -> responses.OutputItem:
        """What there is of it."""

    def text(self) -> str:
        """All pieces."""
        return self.texts.getvalue()


class Thought(Growing):
    """Reasoning.  What OpenAI encrypts is no secret here: it is the text itself."""

    prefix = "rs_"
    delta = "response.reasoning_summary_text.delta"

    def __init__(self, id: str, index: int) -> None:
        super().__init__(id, index, summary_index=0)

    def begin(self) -> Iterator[Event]:
        """It is added, and so is the one part of its summary."""
        yield from super().begin()
        part = responses.SummaryText("")
        yield "response.reasoning_summary_part.added", {**self.at, "part": part}

    def end(self, item: responses.OutputItem) -> Iterator[Event]:
        """The text is done, then the part, then the item."""
        text = self.text()
        yield "response.reasoning_summary_text.done", {**self.at, "text": text}
        part = responses.SummaryText(text)
        yield "response.reasoning_summary_part.done", {**self.at, "part": part}
        yield from super().end(item)

    def item(self, status: str) -> responses.OutputItem:
        """Its status has no place in it."""
        if status == "in_progress":
            return responses.ReasoningItem(id=self.id, summary=[])
        text = self.text()
        return responses.ReasoningItem(
            id=self.id, summary=[responses.SummaryText(text)], encrypted_content=text
        )


class Text(Growing):
    """A message; ``logprobs`` are those of its text."""

    prefix = "msg_"
    delta = "response.output_text.delta"
    ends = b',"logprobs":[]}\n\n'

    def __init__(self, id: str, index: int) -> None:
        super().__init__(id, index, content_index=0)
        self.logprobs: list[openai.TokenLogprob] = []

    def begin(self) -> Iterator[Event]:
        """It is added, and so is the one part of its content."""
        yield from super().begin()
        part = responses.OutputText(text="")
        yield "response.content_part.added", {**self.at, "part": part}

    def end(self, item: responses.OutputItem) -> Iterator[Event]:
        """The text is done, then the part, then the item."""
        part = self._part()
        text = {"text": part.text, "logprobs": part.logprobs}
        yield "response.output_text.done", {**self.at, **text}
        yield "response.content_part.done", {**self.at, "part": part}
        yield from super().end(item)

    def item(self, status: str) -> responses.OutputItem:
        """A message has content when it is done."""
        content = [] if status == "in_progress" else [self._part()]
        return responses.Message(id=self.id, status=status, content=content)

    def _part(self) -> responses.OutputText:
        return responses.OutputText(text=self.text(), logprobs=self.logprobs)


class Call(Growing):
    """A call of a function, whose arguments are JSON text."""

    prefix = "fc_"
    delta = "response.function_call_arguments.delta"

    def __init__(
        self, id: str, index: int, call_id: str, name: str, namespace: str | None
    ) -> None:
        super().__init__(id, index)
        self.call_id = call_id
        self.name = name
        self.namespace: str | UnsetType = UNSET if namespace is None else namespace

    def end(self, item: responses.OutputItem) -> Iterator[Event]:
        """The arguments are done, then the item."""
        done = {**self.at, "name": self.name, "arguments": self.text()}
        yield "response.function_call_arguments.done", done
        yield from super().end(item)

    def item(self, status: str) -> responses.OutputItem:
        """It has no arguments when it is added."""
        return responses.FunctionCall(
            id=self.id,
            status=status,
            call_id=self.call_id,
            name=self.name,
            namespace=self.namespace,
            arguments=self.text(),
        )


class TextCall(Call):
    """A call of a tool that takes text."""

    prefix = "ctc_"
    delta = "response.custom_tool_call_input.delta"

    def end(self, item: responses.OutputItem) -> Iterator[Event]:
        """The input is done, then the item."""
        yield "response.custom_tool_call_input.done", {**self.at, "input": self.text()}
        yield from Growing.end(self, item)

    def item(self, status: str) -> responses.OutputItem:
        """It has no input when it is added."""
        return responses.CustomCall(
            id=self.id,
            status=status,
            call_id=self.call_id,
            name=self.name,
            namespace=self.namespace,
            input=self.text(),
        )


def text_logprobs(logprobs: Iterable[ollama.Logprob]) -> list[openai.TokenLogprob]:
    """Log probabilities as these answers have them: with the bytes of each token."""
    found = choice_logprobs(logprobs).content
    alternatives = [top for token in found for top in token.top_logprobs]
    every: list[openai.TokenLogprob | openai.TopLogprob] = [*found, *alternatives]
    for one in every:
        if one.bytes is None:
            one.bytes = list(one.token.encode())
    return found


def usage_of(usage: openai.Usage) -> responses.Usage:
    """The tokens of an answer as these answers count them."""
    details = usage.completion_tokens_details
    thought = details.reasoning_tokens if details else 0
    return responses.Usage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=responses.InputTokensDetails(),
        output_tokens=usage.completion_tokens,
        output_tokens_details=responses.OutputTokensDetails(thought),
        total_tokens=usage.total_tokens,
    )


def error_of(error: GatewayError) -> responses.ResponseError:
    """Why a response failed."""
    return responses.ResponseError(
        error.code or "server_error", error.message, error.type, error.param or UNSET
    )


def is_short(response: responses.Response) -> bool:
    """Whether it fits into any connection at once; mostly without making its JSON."""
    fields = [getattr(response, name) for name in response.__struct_fields__]
    ready = sum(len(value) for value in fields if isinstance(value, Raw))
    return ready <= _LITTLE and len(encode(response)) <= _LITTLE
