"""Calls that must come, pure.

A call is not left to the model's good will: its answer is held to the JSON of a call
(``format``), it is told what there is to call, and ``writers.forced`` makes a call of
what it says.
"""

from typing import Any

import msgspec

from app.errors import BadRequest
from app.wire import ollama
from writers.call import CallForm
from writers.forced import Forced

from .choice import Choice
from .grammars import Grammar
from .schema_checks import bounded, check
from .tools import Tool

_encode = msgspec.json.Encoder().encode


def force(call: ollama.ChatRequest, chosen: Choice) -> None:
    """Hold a call's answer to a call of a tool."""
    call.format = call_format(chosen.tools)
    call.messages = told(call.messages, _instruction(chosen.tools))


def remind(call: ollama.ChatRequest, chosen: Choice) -> None:
    """Only ask for a call, which the model may not heed."""
    call.messages = told(call.messages, _reminder(chosen.tools))


def refused(param: str) -> BadRequest:
    """The refusal of a call that must come."""
    return BadRequest(
        "Unsupported value: a tool call cannot be forced here; use 'auto'.",
        code="unsupported_value",
        param=param,
    )


def forced(chosen: Choice, form: CallForm) -> Forced:
    """What the answer is checked against; raises ``BadRequest`` for a bad schema."""
    bounded(
        (tool.parameters for tool in chosen.tools),
        "functions" if form.legacy else "tools",
    )
    return Forced(
        {
            tool.name: check(_of_object(tool), tool.parameters_param)
            for tool in chosen.tools
        },
        "stop" if chosen.named and not form.legacy else form.finish_reason,
    )


def call_format(offered: list[Tool]) -> dict[str, Any]:
    """The ``format`` that leaves nothing but a call of one of these tools."""
    grammar = Grammar()
    names = {tool.name: tool for tool in offered}
    arguments = {n: grammar.schema(_of_object(tool)) for n, tool in names.items()}
    if len(arguments) == 1:
        return grammar.complete(*arguments.values())
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": name}, "arguments": schema},
            "required": ["name", "arguments"],
        }
        for name, schema in arguments.items()
    ]
    return grammar.complete({"anyOf": calls})


def told(conversation: list[ollama.Message], text: str) -> list[ollama.Message]:
    """The conversation with a word to the model, among what it was told first."""
    first, *rest = conversation
    if first.role != "system":
        return [ollama.Message("system", text), *conversation]
    content = f"{first.content}\n\n{text}" if first.content else text
    return [msgspec.structs.replace(first, content=content), *rest]


def _reminder(offered: list[Tool]) -> str:
    if len(offered) == 1:
        return f"Call the tool `{offered[0].name}` now. Do not answer in text."
    names = ", ".join(f"`{tool.name}`" for tool in offered)
    return f"Call one of these tools now: {names}. Do not answer in text."


def _instruction(offered: list[Tool]) -> str:
    if len(offered) == 1:
        begin = (
            f"Answer with a call of the function `{offered[0].name}`. Write the JSON"
            " object of its arguments and nothing else."
        )
    else:
        begin = (
            "Answer with a call of one of the functions below, the one that serves the"
            ' user best. Write one JSON object and nothing else: {"name": the name of'
            ' the function, "arguments": the object of its arguments}.'
        )
    return "\n\n".join([begin, *map(_described, offered)])


def _described(tool: Tool) -> str:
    about = f": {tool.description}" if tool.description else ""
    schema = _encode(_of_object(tool)).decode()
    return f"Function `{tool.name}`{about}\nJSON schema of its arguments: {schema}"


def _of_object(tool: Tool) -> dict[str, Any]:
    """A tool's parameters, which are an object, whatever else they say."""
    if tool.parameters.get("type", "object") != "object":
        raise BadRequest(
            f"Invalid schema for '{tool.parameters_param}': its type must be 'object'.",
            code="invalid_value",
            param=tool.parameters_param,
        )
    return {**(tool.parameters or {"properties": {}}), "type": "object"}
