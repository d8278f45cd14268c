"""ConversationWriter: what ``/api/chat`` says, whatever the dialect that is written.

A model says thoughts, text and calls of tools.  The dialects put them differently; what
a call is called, how much of an answer was thought, and how all of it is gathered from
Ollama's lines is the same for all of them.
"""

from typing import NamedTuple
from wsgiref.types import StartResponse

import msgspec

from app.exchange import Exchange
from app.ids import new_id
from app.wire import ollama

from .call import PLAIN, CallForm, arguments_of
from .generation import GenerationWriter
from .reasoning import Field, Reasoning


class Said(NamedTuple):
    """All that the lines of an answer say together."""

    content: str
    thinking: str
    calls: list[ollama.ReplyToolCall]
    logprobs: list[ollama.Logprob]


class ConversationWriter(GenerationWriter[ollama.ChatResponse]):
    """A writer of what a model says in a conversation.

    ``reasoning_field`` is where its reasoning goes, ``form`` how calls are told.
    """

    decoder = msgspec.json.Decoder(ollama.ChatResponse)
    #: How an id of a call begins that Ollama did not give.
    call_prefix = "call_"

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        model: str,
        stream: bool = False,
        include_usage: bool = False,
        reasoning_field: Field = "both",
        form: CallForm = PLAIN,
    ) -> None:
        super().__init__(
            exchange,
            start_response,
            model=model,
            stream=stream,
            include_usage=include_usage,
        )
        self.reasoning = Reasoning("none" if exchange.hidden else reasoning_field)
        self.form = form
        self._call_ids: set[str] = set()
        self._said: list[str] = []

    # ---------------------------------------------- meaning, in each dialect

    def call_begin(self, name: str, given: str | None) -> bytes:
        """The frames that say who is called; ``given`` is Ollama's id, if any."""
        raise NotImplementedError

    def call_piece(self, name: str, arguments: str) -> bytes:
        """The frames for a piece of the arguments of the call that has begun."""
        raise NotImplementedError

    def call_end(self, name: str, arguments: str) -> bytes:
        """The frames that end a call; here are all of its arguments once more."""
        raise NotImplementedError

    def arguments(self, call: ollama.ReplyToolCall) -> str:
        """A call's arguments as JSON text."""
        return arguments_of(call)

    def turned(self, message: ollama.ReplyMessage) -> bytes:
        """The model goes on to something else than reasoning: that is counted too."""
        if self.reasoning.characters:
            self.reasoning.others += characters(message)
        return b""

    # --------------------------------------------------------------- shared

    def called(self) -> int:
        """How many tools the model has called."""
        return len(self._call_ids)

    def call(self, call: ollama.ReplyToolCall) -> bytes:
        """The frames for a call, which Ollama says as a whole."""
        if self._call_ids and self.form.first_only:
            return b""
        name, arguments = call.function.name, self.arguments(call)
        begin = self.call_begin(name, call.id)
        return begin + self.call_piece(name, arguments) + self.call_end(name, arguments)

    def said(self, replies: list[ollama.ChatResponse]) -> Said:
        """What all lines say together; the text is held to what was promised."""
        messages = [reply.message for reply in replies if reply.message]
        said = Said(
            "".join([message.content or "" for message in messages]),
            "".join([message.thinking or "" for message in messages]),
            [call for message in messages for call in message.tool_calls or ()],
            [token for reply in replies for token in reply.logprobs or ()],
        )
        if not said.calls:
            self.hold(said.content)
        if said.thinking:
            self.reasoning.others = sum(map(characters, messages))
        return said

    def named(self, calls: list[ollama.ReplyToolCall]) -> list[tuple[str, str, str]]:
        """Id, name and arguments of each call that is passed on."""
        return [
            (self.call_id(call.id), call.function.name, self.arguments(call))
            for call in (calls[:1] if self.form.first_only else calls)
        ]

    def call_id(self, given: str | None) -> str:
        """Ollama's id, or one of our own where it is empty or may come again."""
        call_id = given or "" if self.alone else ""
        while not call_id or call_id in self._call_ids:
            call_id = new_id(self.call_prefix)
        self._call_ids.add(call_id)
        return call_id


def characters(message: ollama.ReplyMessage) -> int:
    """How much of a message is not reasoning."""
    calls = [arguments_of(call) for call in message.tool_calls or ()]
    return len(message.content or "") + sum(map(len, calls))
