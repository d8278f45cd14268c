"""How each dialect says an error: the envelope for a path.

Native routes answer Ollama's ``{"error": "..."}``, everything else OpenAI's object
with its four keys (specification: errors, section 1).
"""

import msgspec

from . import openai

#: No error is larger, whatever a client or Ollama put into it (reliability, E2).
MAX_BYTES = 8 * 1024
_SHORT = 1000

_encode = msgspec.json.Encoder().encode


def is_native(path: str) -> bool:
    """Whether a path belongs to Ollama's own API."""
    return path == "/" or path.startswith("/api/")


def native(message: str) -> bytes:
    """Ollama's envelope."""
    payload = _encode({"error": message})
    if len(payload) > MAX_BYTES:
        return _encode({"error": message[:_SHORT]})
    return payload


def openai_envelope(
    message: str, type_: str, param: str | None, code: str | None
) -> bytes:
    """OpenAI's envelope."""
    error = openai.Error(message, type_, param, code)
    payload = _encode(openai.ErrorResponse(error))
    if len(payload) > MAX_BYTES:
        error.message, error.param = message[:_SHORT], (param or "")[:64] or None
        return _encode(openai.ErrorResponse(error))
    return payload
