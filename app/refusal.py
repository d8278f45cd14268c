"""Ollama's own errors, told in the terms that OpenAI's clients act on.

One pure function from (status, body, headers) to an exception; the texts are Ollama's
(specification: errors, section 3).  Only the string in a JSON ``error`` field is ever
passed on: anything else in the body stays here.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from .carriers.base import Headers
from .errors import UpstreamBroken, UpstreamError, UpstreamRefused
from .prompt import Prompt
from .wire import ollama
from .wire.decoding import decode

MAX_MESSAGE = 2000
#: The largest error that is read, in bytes (reliability, U9).
MAX_ERROR = 64 * 1024
#: Bytes of what else was said, for the log.
MAX_DETAIL = 200

#: As OpenAI's clients know it.
TOO_LONG = (
    "This model's maximum context length is {context} tokens. However, your {field}"
    " resulted in {about}{length} tokens. Please reduce the length of the {field}."
)

_decoder = msgspec.json.Decoder()

_CONTEXT = re.compile(
    r"exceed_context_size_error|exceeds the available context size"
    r"|the prompt is longer than the context length"
    r"|(?:input|prompt) length exceeds the context length"
    r"|input .*exceeds? maximum context length"
)
_UNSUPPORTED = re.compile(
    r"does not support (tools|insert|chat|generate|thinking|vision)"
)
#: As chats have them; ``About`` says how other dialects do.
_THINKING, _MESSAGES = "reasoning_effort", "messages"
_UNSUPPORTED_PARAM = {
    "tools": "tools",
    "insert": "suffix",
    "thinking": _THINKING,
    "vision": _MESSAGES,
}
_CALLERS_FAULT = re.compile(
    r'option ".*" must be of type|invalid format: |invalid JSON schema in format'
)
_NOT_WORTH_RETRYING = re.compile(
    r"requires more system memory|out of memory|cudaMalloc|unable to load model"
    r"|incompatible|unsupported model",
    re.IGNORECASE,
)
_STATUS_PREFIX = re.compile(r"^\d{3} [A-Z][A-Za-z ]*: ")


class About(NamedTuple):
    """What an error may be about, mostly a prompt that is too long.

    ``field`` of the request holds it, ``thinking`` is where it wishes for thoughts;
    ``prompt`` knows how long it is, for an Ollama
    that does not say it.  ``too_long`` is how the dialect says so where both lengths
    are known, ``otherwise`` what it says before Ollama's own words.
    """

    field: str = "messages"
    prompt: Prompt | None = None
    too_long: str = TOO_LONG
    otherwise: str = ""
    thinking: str = _THINKING


_ABOUT = About()


def of_answer(
    status: int, body: Iterable[bytes], headers: Headers, about: About = _ABOUT
) -> UpstreamError:
    """The same as ``refused``, of a body that is still to be read."""
    pieces: list[bytes] = []
    size = 0
    for data in body:
        pieces.append(data)
        size += len(data)
        if size > MAX_ERROR:
            break
    return refused(status, b"".join(pieces), headers, about)


def refused(
    status: int, body: bytes, headers: Headers, about: About = _ABOUT
) -> UpstreamError:
    """The error to raise for an answer of Ollama with a status of 400 and more."""
    reply = _object(body)
    message = reply.get("error")
    if not isinstance(message, str) or not message.strip():
        return _wordless(status, body, headers)
    message, inner = _unwrap(message)
    if isinstance(url := reply.get("signin_url"), str):
        message = f"{message} (sign in at {url})"
    error = _classify(status, message[:MAX_MESSAGE], _kind(inner), headers)
    return _blaming(error, inner, about)


def in_stream(error: object, about: About = _ABOUT) -> UpstreamError:
    """The error to raise for a line ``{"error": ...}`` after the stream began."""
    if not isinstance(error, str) or not error.strip():
        return UpstreamBroken("Ollama reported an error without words.")
    message, inner = _unwrap(error)
    found = _classify(500, message[:MAX_MESSAGE], _kind(inner), [])
    return _blaming(found, inner, about)


def _blaming(
    error: UpstreamError, inner: dict[str, Any], about: About
) -> UpstreamError:
    """The error, which names the dialect's field.

    One about the context has both lengths, if known.
    """
    own = {_THINKING: about.thinking, _MESSAGES: about.field}
    error.param = own.get(error.param or "", error.param)
    if error.code != "context_length_exceeded":
        return error
    error.param = about.field
    context, length, roughly = _lengths(inner, about.prompt)
    if context and length:
        error.detail = error.message
        error.message = about.too_long.format(
            field=about.field, context=context, length=length, about=roughly
        )
    else:
        error.message = about.otherwise + error.message
    return error


def _lengths(inner: dict[str, Any], prompt: Prompt | None) -> tuple[int, int, str]:
    """The context and the prompt in tokens: as llama-server says them, or about."""
    context = ollama.count(inner.get("n_ctx"))
    length = ollama.count(inner.get("n_prompt_tokens"))
    if (context and length) or prompt is None or prompt.estimate is None:
        return context, length, ""
    context = context or prompt.context() or 0
    # It is too long, whatever the estimate says.
    return context, max(prompt.estimate, context + 1), "about "


def _classify(status: int, message: str, kind: str, headers: Headers) -> UpstreamError:
    if _CONTEXT.search(kind) or _CONTEXT.search(message):
        return _refusal(400, message, "context_length_exceeded")
    if status == 400 and (found := _UNSUPPORTED.search(message)):
        param = _UNSUPPORTED_PARAM.get(found[1], "model")
        return _refusal(400, message, "unsupported_value", param)
    if status == 500 and _CALLERS_FAULT.search(message):
        return _refusal(400, message, "invalid_type")
    if status == 404:
        return _refusal(404, message, "model_not_found", "model")
    if status in (429, 503):
        return _overload(status, message, headers)
    if status in (401, 403):
        name = "unauthorized" if status == 401 else "forbidden"
        return _refusal(status, message, f"upstream_{name}")
    if status in (408, 499):
        return _refusal(status, message, "request_canceled")
    if status < 500:
        return _refusal(status, message, "invalid_value")
    return (
        _failed(message)
        if status == 500
        else _wordless(status, message.encode(), headers)
    )


def _failed(message: str) -> UpstreamRefused:
    error = _refusal(500, message)
    if _NOT_WORTH_RETRYING.search(message):
        # The SDKs would run the same failing load twice more.
        error.headers.append(("x-should-retry", "false"))
    return error


def _overload(status: int, message: str, headers: Headers) -> UpstreamRefused:
    after = next((v for k, v in headers if k.lower() == "retry-after"), "")
    code = "rate_limit_exceeded" if status == 429 else "server_overloaded"
    error = _refusal(status, _STATUS_PREFIX.sub("", message), code)
    error.headers.append(
        ("Retry-After", after if re.fullmatch(r"\d{1,5}", after, re.ASCII) else "1")
    )
    return error


def _refusal(
    status: int, message: str, code: str = "upstream_error", param: str | None = None
) -> UpstreamRefused:
    return UpstreamRefused(message, status=status, code=code, param=param)


def _wordless(status: int, body: bytes, headers: Headers) -> UpstreamError:
    """No message of Ollama's to keep: say in our words what that status means."""
    if status == 403 and not body:
        return _refusal(
            403,
            "Ollama refused the request (check its allowed hosts/origins)",
            "upstream_forbidden",
        )
    if status == 404:
        return UpstreamBroken(
            "What answers in Ollama's place does not know this call: it is no Ollama,"
            " or one before version 0.2.6.",
            code="upstream_too_old",
        )
    if status in (429, 503):
        return _overload(status, "Ollama is overloaded.", headers)
    return UpstreamBroken(
        f"Ollama, or what answers in its place, failed with status {status}.",
        detail=body[:MAX_DETAIL].decode("utf-8", "replace"),
    )


def _unwrap(message: str) -> tuple[str, dict[str, Any]]:
    """The message of llama-server's JSON, which Ollama passes as text, and the rest."""
    inner = _object(message.partition("\n")[0].encode())
    error = inner.get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return error["message"], error
    return message, {}


def _kind(inner: dict[str, Any]) -> str:
    return str(inner.get("type", ""))


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = decode(_decoder, body)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}
