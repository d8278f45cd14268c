"""Vocabulary: which text the token ids of OpenAI's models stand for.

Clients that count tokens may send ids in place of text, as LangChain's embeddings do.
They are those of ``cl100k_base``; Ollama takes none.  tiktoken knows them: it comes
with the optional extra ``tokens``, and fetches the vocabulary where it is not in
``TIKTOKEN_CACHE_DIR``.
"""

from typing import TYPE_CHECKING

import gevent

from .errors import BadRequest

if TYPE_CHECKING:
    from tiktoken import Encoding

NAME = "cl100k_base"
#: Seconds that a request waits for the vocabulary (1.7 MB) to be fetched.
PATIENCE = 10.0


def text_of(tokens: list[int], param: str = "prompt") -> str:
    """The text of some token ids; what is cut inside a character becomes U+FFFD.

    Raises ``BadRequest``, blaming ``param``, for ids that there are not, and for all
    of them where tiktoken or its vocabulary is missing.
    """
    try:
        return _encoding(param).decode(tokens)
    except (KeyError, OverflowError) as exc:
        raise BadRequest(
            f"Invalid '{param}': not every number is a token of {NAME}.",
            code="invalid_value",
            param=param,
            detail=str(exc),
        ) from exc


def is_tokens(value: object) -> bool:
    """Whether a value is a token array: a list of at least one integer."""
    return isinstance(value, list) and set(map(type, value)) == {int}


def _encoding(param: str) -> "Encoding":
    """tiktoken's; the first call reads the vocabulary (0.1 s), all others find it."""
    try:
        import tiktoken
    except ImportError:
        raise _unreadable(
            "token array input is not supported by this server; send text", param
        ) from None
    patience = gevent.Timeout(PATIENCE)
    try:
        with patience:  # others go on meanwhile: tiktoken's sockets are gevent's
            return tiktoken.get_encoding(NAME)
    except (Exception, gevent.Timeout) as exc:
        if isinstance(exc, gevent.Timeout) and exc is not patience:
            raise
        raise _unreadable(
            "token array input cannot be read by this server, which lacks the"
            f" vocabulary {NAME}; send text",
            param,
            detail=repr(exc),
        ) from exc


def _unreadable(message: str, param: str, detail: str = "") -> BadRequest:
    return BadRequest(message, code="unsupported_value", param=param, detail=detail)
