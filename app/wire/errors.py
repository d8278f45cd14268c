"""How each dialect says an error: the envelope for a path.

Native routes answer Ollama's ``{"error": "..."}``, everything else OpenAI's object
with its four keys (specification: errors, section 1).
"""

import msgspec

from . import openai

_encode = msgspec.json.Encoder().encode


def is_native(path: str) -> bool:
    """Whether a path belongs to Ollama's own API."""
    return path == "/" or path.startswith("/api/")


def native(message: str) -> bytes:
    """Ollama's envelope."""
    return _encode({"error": message})


def openai_envelope(
    message: str, type_: str, param: str | None, code: str | None
) -> bytes:
    """OpenAI's envelope."""
    return _encode(openai.ErrorResponse(openai.Error(message, type_, param, code)))
