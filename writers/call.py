"""How a call of a tool looks to the client: as a tool call, a custom one, or a function
call of the older kind; whole, or as the pieces of a stream.  Pure.
"""

from typing import Any, NamedTuple

import msgspec

from app.wire import ollama, openai
from app.wire.decoding import decode

from .base import encode

_decoder = msgspec.json.Decoder(dict[str, Any])


class CallForm(NamedTuple):
    """What a client wants calls to look like.

    ``legacy`` is the time before tools: there is one ``function_call``.  ``first_only``
    passes on one call of an answer.  ``customs`` are names of tools that take text.
    """

    legacy: bool = False
    first_only: bool = False
    customs: frozenset[str] = frozenset()

    @property
    def finish_reason(self) -> str:
        """Why an answer with calls is over."""
        return "function_call" if self.legacy else "tool_calls"

    def who(self, index: int, call_id: str, name: str) -> dict[str, Any]:
        """The part of a stream's delta that says who is called."""
        if self.legacy:
            return {"function_call": openai.AnswerFunction(name)}
        if name in self.customs:
            custom = openai.AnswerCustom(name)
            call = openai.DeltaToolCall(index, call_id, "custom", custom=custom)
        else:
            function = openai.AnswerFunction(name)
            call = openai.DeltaToolCall(index, call_id, "function", function)
        return {"tool_calls": [call]}

    def what(self, index: int, name: str, arguments: str) -> dict[str, Any]:
        """The part of a delta that brings a piece of the arguments.

        A custom tool's must be all of them.
        """
        if self.legacy:
            return {"function_call": openai.AnswerFunction(arguments=arguments)}
        if name in self.customs:
            custom = openai.AnswerCustom(input=input_of(arguments))
            call = openai.DeltaToolCall(index, custom=custom)
        else:
            function = openai.AnswerFunction(arguments=arguments)
            call = openai.DeltaToolCall(index, function=function)
        return {"tool_calls": [call]}

    def whole(self, calls: list[tuple[str, str, str]]) -> dict[str, Any]:
        """The part of a message that holds calls: their ids, names and arguments."""
        if not calls:
            return {}
        if self.legacy:
            _, name, arguments = calls[0]
            return {"function_call": openai.AnswerFunction(name, arguments)}
        return {"tool_calls": [self._whole(*call) for call in calls]}

    def _whole(self, call_id: str, name: str, arguments: str) -> openai.AnswerToolCall:
        if name in self.customs:
            custom = openai.AnswerCustom(name, input_of(arguments))
            return openai.AnswerToolCall(call_id, "custom", custom=custom)
        function = openai.AnswerFunction(name, arguments)
        return openai.AnswerToolCall(call_id, "function", function)


#: Calls as they are since there are tools.
PLAIN = CallForm()


def arguments_of(call: ollama.ReplyToolCall) -> str:
    """A call's arguments as JSON text, which is how OpenAI carries them."""
    arguments = call.function.arguments
    if isinstance(arguments, str):
        return arguments
    return encode({} if arguments is None else arguments).decode()


def input_of(arguments: str) -> str:
    """The text that a custom tool is given: its one argument, or else all there is."""
    try:
        given = decode(_decoder, arguments.encode()).get("input")
    except msgspec.DecodeError:
        given = None
    return given if isinstance(given, str) else arguments
