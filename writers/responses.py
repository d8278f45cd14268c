"""ResponsesWriter: ``/api/chat`` answers as the Responses API has them.

The model is Ollama's ``openai/responses.go`` (``ToResponse``, its stream converter);
where we differ the specification (other, section 4) says why.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from wsgiref.types import StartResponse

import msgspec

from app.errors import GatewayError
from app.exchange import Exchange
from app.wire import ollama, openai, responses

from . import sse
from .base import encode
from .call import input_of
from .conversation import ConversationWriter, Said
from .forced import ForcedCalls
from .reasoning import spoken
from .responses_items import (
    Call,
    Growing,
    Text,
    TextCall,
    Thought,
    error_of,
    is_short,
    joined,
    text_logprobs,
    usage_of,
)
from .responses_output import Output

Kind = TypeVar("Kind", bound=Growing)
#: Keeps a response, and says whether it did.
Keep = Callable[[responses.Response], bool]

_NOTHING = ollama.ReplyMessage()


class ResponsesWriter(ConversationWriter):
    """Writes a response, or the events of one.

    ``echo`` is what it repeats of the request, with its id; ``namespaces`` says in
    which namespace a tool is, by what the model calls it.  ``keep`` is asked before the
    last event goes out: a client may go on at once.
    """

    id_prefix = "resp_"
    input_field = "input"

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        echo: responses.Response,
        namespaces: Mapping[str, tuple[str, str]] | None = None,
        keep: Keep | None = None,
        **options: Any,
    ) -> None:
        super().__init__(exchange, start_response, **options)
        self.id = echo.id
        self._echo = echo
        self._namespaces = namespaces or {}
        self._keep = keep
        self._begun = False
        self._short: bool | None = None
        self._output = Output()
        self._spoken: list[ollama.Logprob] = []

    # ----------------------------------------------------------- streaming

    def chunks(self, reply: ollama.ChatResponse) -> bytes:
        """Reasoning, then text, then calls: each in an item of its own."""
        message = reply.message or _NOTHING
        text, thought, output = message.content, message.thinking, self._output
        growing = output.growing
        if not (message.tool_calls or reply.logprobs):  # more of what there was
            if text and not thought and type(growing) is Text:
                return output.piece(growing, text)
            if thought and not text and type(growing) is Thought:
                self.reasoning.characters += len(thought)
                return output.piece(growing, thought)
        frames = [self._begin()]
        if thought:
            frames.append(self._think(thought))
        if found := reply.logprobs:
            self._spoken += spoken(found, text) if thought else found
        if text:
            frames.append(self._say(text))
        for call in message.tool_calls or ():
            frames.append(self.call(call))
        return joined(*frames)

    def alive(self, said: str) -> bytes:
        """A silent stream begins, then has something that clients skip.

        Only a little can be said here, and the beginning repeats the request: where
        that is long, it comes with the first word.
        """
        if self._short is None:
            self._short = is_short(self._echo)
        begin = self._begin() if self._short else b""
        return begin + sse.comment(said or "keep-alive")

    def _feed(self, lines: Iterable[bytes]) -> tuple[bytes, GatewayError | None]:
        begun, number = self._begun, self._output.number
        try:
            return super()._feed(lines)
        except BaseException:  # it ends from outside: no frame of these goes out
            self._begun, self._output.number = begun, number
            raise

    def finish(self) -> bytes:
        """The end of the last item, and the response."""
        number = self._output.number
        try:
            return super().finish()
        except GatewayError:  # nothing of it goes out, so what does has its number
            self._output.number = number
            raise

    def closing(self) -> bytes:
        """The end of the last item."""
        begin, growing = self._begin(), self._output.growing
        if self.check is not None and not self._call_ids:
            self.hold(self._output.text())
        if isinstance(growing, Text):
            growing.logprobs += text_logprobs(self._spoken)
        return begin + self._close(self._end_status)

    def end(self, usage: openai.Usage) -> bytes:
        """The event that has all of the response."""
        response = self._response()
        return self._output.state(response.status, self._kept(response))

    def failure(self, error: GatewayError) -> bytes:
        """The event that says so; the items that were done are in it."""
        begin = self._begin()
        response = self._state("failed", error=error_of(error), store=False)
        return begin + self._output.state("failed", response)

    def _begin(self) -> bytes:
        """The two events that every stream begins with."""
        if self._begun:
            return b""
        self._begun = True
        self.created = self.created or int(time.time())
        response = self._state("in_progress")
        created = self._output.state("created", response)
        return joined(created, self._output.state("in_progress", response))

    def _think(self, text: str) -> bytes:
        self.reasoning.count(text, None)
        if self.reasoning.hidden:
            return b""
        begin, growing = self._into(Thought)
        return begin + self._output.piece(growing, text)

    def _say(self, text: str) -> bytes:
        begin, growing = self._into(Text)
        if not self._spoken:
            return begin + self._output.piece(growing, text)
        logprobs, self._spoken = text_logprobs(self._spoken), []
        return begin + self._output.spoken(growing, text, logprobs)

    def _into(self, kind: type[Kind]) -> tuple[bytes, Kind]:
        """The item of this kind that grows, or a new one and the frames to it."""
        growing = self._output.growing
        if isinstance(growing, kind):
            return b"", growing
        frames = self._close()
        added = self._new(kind)
        return frames + self._enter(added), added

    def _enter(self, growing: Growing) -> bytes:
        return self._begin() + self._output.begin(growing)

    def _close(self, status: str = "completed") -> bytes:
        """The end of the item that grows, if one does."""
        growing = self._output.growing
        if growing is not None and not isinstance(growing, Thought):
            self.reasoning.count(None, growing.text())
        return self._output.end(status)

    # --------------------------------------------------------------- calls

    def call_begin(self, name: str, given: str | None) -> bytes:
        """Who is called, as an item of its own."""
        frames = self._close()
        self._spoken = []  # those of the call are no text's
        return frames + self._enter(self._called(self.call_id(given), name))

    def call_piece(self, name: str, arguments: str) -> bytes:
        """A piece of the arguments; what takes text is given it at once."""
        growing = self._output.growing
        if not arguments or growing is None or name in self.form.customs:
            return b""
        return self._output.piece(growing, arguments)

    def call_end(self, name: str, arguments: str) -> bytes:
        """All of the arguments once more."""
        growing, given = self._output.growing, b""
        if name in self.form.customs and growing is not None:
            given = self._output.piece(growing, input_of(arguments))
        return given + self._close(self._end_status)

    def turned(self, message: ollama.ReplyMessage) -> bytes:
        """What else was said is counted when its item is done."""
        return b""

    def _called(self, call_id: str, name: str) -> Call:
        """A call that has no arguments yet."""
        kind = TextCall if name in self.form.customs else Call
        namespace, own = self._namespaces.get(name, (None, name))
        return self._new(kind, call_id, own, namespace)

    # --------------------------------------------------------------- whole

    def compose(self, replies: list[ollama.ChatResponse]) -> bytes:
        """The response that all replies make."""
        self._gather(self.said(replies))
        last = self._output.items[-1] if self._output.items else None
        if last is not None and not isinstance(last, responses.ReasoningItem):
            last.status = self._end_status
        self._divide()
        response = self._response()
        if (debug := replies[-1].debug_info) is not None:
            response.debug_info = debug
        return encode(self._kept(response))

    def _gather(self, said: Said) -> None:
        """Make items of all that was said."""
        logprobs = said.logprobs
        if said.thinking:
            self.reasoning.count(said.thinking, None)
            logprobs = spoken(logprobs, said.content)
            if not self.reasoning.hidden:
                self._output.add(self._new(Thought), said.thinking)
        if said.content:
            text = self._new(Text)
            text.logprobs = text_logprobs(logprobs)
            self._output.add(text, said.content)
        for call_id, name, arguments in self.named(said.calls):
            custom = name in self.form.customs
            given = input_of(arguments) if custom else arguments
            self._output.add(self._called(call_id, name), given)

    # -------------------------------------------------------------- shared

    @property
    def _end_status(self) -> str:
        """The status of what comes last."""
        return "incomplete" if self.done_reason == "length" else "completed"

    def _response(self) -> responses.Response:
        """The response when all is said."""
        status = self._end_status
        details = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return self._state(
            status,
            completed_at=int(time.time()) if status == "completed" else None,
            incomplete_details=details,
            usage=usage_of(self.usage),
        )

    def _state(self, status: str, **more: Any) -> responses.Response:
        return msgspec.structs.replace(
            self._echo,
            id=self.id,
            status=status,
            created_at=self.created,
            output=self._output.items,
            **more,
        )

    def _kept(self, response: responses.Response) -> responses.Response:
        """The response, which says whether it is kept."""
        if self._keep is not None:
            response.store = self._keep(response)
        return response

    def _new(self, kind: type[Kind], *arguments: Any) -> Kind:
        """An item at the next place; its id is as hard to guess as the response's."""
        index = len(self._output.items)
        prefix = kind.prefix
        return kind(
            f"{prefix}{self.id.removeprefix('resp_')}_{index}", index, *arguments
        )


class ForcedResponsesWriter(ForcedCalls, ResponsesWriter):
    """Writes the call that an answer was held to."""
