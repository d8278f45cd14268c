"""How each dialect says an error: the envelope for a path.

Native routes answer Ollama's ``{"error": "..."}``, Anthropic's their own object, and
everything else OpenAI's with its four keys (specification: errors, section 1).
"""

from typing import Literal

import msgspec

from . import anthropic, openai

Dialect = Literal["native", "anthropic", "openai"]

#: Anthropic's type of an error by status; other faults of a client are invalid
#: requests, all else is the API's (specification: messages, section 7).
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}

#: By code, where a client must not take a failure for one that passes.
_LASTING = {"model_unavailable": "api_error"}

#: Codes of Anthropic's own: by this one its clients know to send all of a conversation.
_ANTHROPIC_CODES = {"thread_unsupported_request"}

#: How paths begin that only Anthropic's clients call.
_ANTHROPICS = ("/v1/messages", "/messages", "/anthropic/")

#: No error is larger, whatever a client or Ollama put into it (reliability, E2).
MAX_BYTES = 8 * 1024
_SHORT = 1000

_encode = msgspec.json.Encoder().encode


def dialect(path: str, version: str | None) -> Dialect:
    """The dialect of a path; ``version`` is the header ``anthropic-version``, if any.

    Only Anthropic's clients send that, be it to paths that others have too.
    """
    if path == "/" or path.startswith(("/api/", "/code/")):
        return "native"
    theirs = path.startswith(_ANTHROPICS) or path == "/v1/complete"
    return "anthropic" if theirs or version is not None else "openai"


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


def anthropic_status(status: int, code: str | None) -> int:
    """The status under which Anthropic's clients know a failure."""
    return 529 if code == "server_overloaded" else status


def anthropic_envelope(
    message: str, status: int, request_id: str, code: str | None = None
) -> bytes:
    """Anthropic's envelope; of our codes it has those that its clients act upon."""
    client = "invalid_request_error" if 400 <= status < 500 else "api_error"
    type_ = _LASTING.get(code or "") or _ANTHROPIC_TYPES.get(status, client)
    error = anthropic.Error(type_, message)
    if code is not None and code in _ANTHROPIC_CODES:
        error.details = anthropic.ErrorDetails(code)
    response = anthropic.ErrorResponse(error, request_id)
    payload = _encode(response)
    if len(payload) > MAX_BYTES:
        error.message = message[:_SHORT]
        return _encode(response)
    return payload
