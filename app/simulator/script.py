"""What a scripted model says: the steps that the user's prompt holds, one a turn.

A step is a line of its own: ``CALL name {"an": "argument"}`` or ``SAY some words``.
Which one is next follows from the conversation alone: it counts the assistant's
turns since the script.
"""

import itertools
import json
import re
from typing import Any

from .golang import encode

_STEP = re.compile(
    r"^[ \t]*(?:CALL[ \t]+(\S+)(.*)|SAY[ \t]+(.*\S))[ \t]*$", re.MULTILINE
)
_END = "The script is done."


def turn(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> str | None:
    """The output of the next turn, or ``None`` where nobody gave a script."""
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if message.get("role") != "user":
            continue
        if found := list(_STEP.finditer(message.get("content", ""))):
            done = _turns(messages[place:])
            return _output(found[done], tools) if done < len(found) else _END
    return None


def _turns(messages: list[dict[str, Any]]) -> int:
    """How often the assistant spoke; what it said in a row was one turn."""
    roles = itertools.groupby(message.get("role") for message in messages)
    return sum(role == "assistant" for role, _ in roles)


def _output(step: re.Match[str], tools: list[dict[str, Any]]) -> str:
    name, given, words = step.groups()
    if words:
        return str(words)
    offered = {tool.get("function", {}).get("name") for tool in tools}
    if name not in offered:
        return f"There is no tool {name} here."
    try:
        arguments = json.loads(given or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        return f"The arguments of {name} are no JSON object."
    call = f'{{"name": {encode(name)}, "arguments": {encode(arguments)}}}'
    return f"I call {name}.\n<tool_call>\n{call}\n</tool_call>"
