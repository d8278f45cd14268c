"""The table of faults, and how a function gets into it."""

import json
from collections.abc import Callable

from .wire import Wire

Fault = Callable[[Wire], None]
FAULTS: dict[str, Fault] = {}


def fault(function: Fault) -> Fault:
    """Enter a function into the table under its own name, with hyphens."""
    FAULTS[function.__name__.replace("_", "-")] = function
    return function


def said(text: str) -> str:
    """An error body as Ollama writes it."""
    return json.dumps({"error": text}, separators=(",", ":"))
