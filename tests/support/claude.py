"""Anthropic's library for Python, pointed at a server, and what it is asked."""

from typing import Any

import anthropic

from .server import Server

HELLO: Any = [{"role": "user", "content": "Say this is a test"}]
SAID = "You said “Say this is a test”, and I agree."
ASK_WEATHER: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
#: The least that a message asks for.
PLAIN: dict[str, Any] = {"model": "llama3.2", "max_tokens": 200, "messages": HELLO}


def tool(name: str, argument: str) -> dict[str, Any]:
    """A tool that takes one text."""
    return {
        "name": name,
        "description": f"Tells the {name.partition('_')[2]}.",
        "input_schema": {
            "type": "object",
            "properties": {argument: {"type": "string"}},
            "required": [argument],
        },
    }


TOOLS: Any = [tool("get_weather", "city"), tool("get_news", "about")]
WEATHER: dict[str, Any] = {**PLAIN, "messages": ASK_WEATHER, "tools": TOOLS}


def connect(server: Server, **more: Any) -> anthropic.Anthropic:
    """A client of this server; it never retries."""
    options = {"api_key": "x", "max_retries": 0, "timeout": 30} | more
    return anthropic.Anthropic(base_url=server.url, **options)


def text_of(message: Any) -> str:
    """The text of an answer."""
    return "".join(block.text for block in message.content if block.type == "text")


def shown(message: Any) -> list[dict[str, Any]]:
    """The blocks of an answer without what the library adds, or is new each time."""
    wanted = ("type", "text", "thinking", "signature", "name", "input")
    return [
        {key: value for key, value in block.to_dict().items() if key in wanted}
        for block in message.content
    ]
