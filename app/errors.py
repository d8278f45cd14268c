"""Every failure that a client may see, as one small tree.

    GatewayError                status, type, code, param, message, headers
    ├── BadRequest              400, the client's fault; names the field
    ├── StorageUnavailable      503, the database cannot be asked
    └── UpstreamError           Ollama's fault, or Ollama's own word
        ├── UpstreamUnreachable     502  no connection, or none that answered
        ├── UpstreamTimeout         504  waited as long as allowed
        ├── UpstreamBroken          502  an answer that is not one
        └── UpstreamRefused         Ollama's own status and message

Raised anywhere, rendered at one edge (``middleware.errors``), before or after the
headers left.  Messages are for users: no addresses, paths or class names.  What an
operator needs beside them goes into ``detail``, which only the log shows.
"""

from typing import ClassVar

#: The ``type`` of an OpenAI error by status (specification: errors, section 2); other
#: faults of a client are invalid requests, all else is the API's.
TYPES: dict[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "api_error",
    429: "rate_limit_error",
    499: "api_error",
}


class GatewayError(Exception):
    """A failure with everything a client is told of it.

    ``status`` is the HTTP status, ``code`` and ``param`` are OpenAI's fields,
    ``headers`` go out with the answer, ``detail`` only into the log.
    """

    default_status: ClassVar[int] = 500
    default_code: ClassVar[str | None] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        headers: list[tuple[str, str]] | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = self.default_status if status is None else status
        self.code = self.default_code if code is None else code
        self.param = param
        self.headers = headers or []
        self.detail = detail

    @property
    def located(self) -> str:
        """The message, with the field that is to blame where it does not name it.

        For dialects that have no place for ``param``.
        """
        return self.message

    @property
    def type(self) -> str:
        """OpenAI's ``error.type`` for this status."""
        client = 400 <= self.status < 500
        return TYPES.get(
            self.status, "invalid_request_error" if client else "api_error"
        )


class BadRequest(GatewayError):
    """The client's request cannot be served as it is."""

    default_status = 400
    default_code = "invalid_value"

    @property
    def located(self) -> str:
        """The message; what Ollama refuses is no field of a client's, this is."""
        if not self.param or self.param in self.message:
            return self.message
        return f"{self.param[:64]}: {self.message}"


class NotAllowed(BadRequest):
    """What was asked is not for this key, or for nobody here."""

    default_status = 403
    default_code = "endpoint_not_allowed"


class StorageUnavailable(GatewayError):
    """The database cannot be asked; ``what`` is wanted of it, ``detail`` says why not.

    It may be back with the next try.
    """

    default_status = 503
    default_code = "storage_unavailable"

    def __init__(
        self, detail: str, what: str = "What Pannier keeps cannot be reached"
    ) -> None:
        super().__init__(
            f"{what} at the moment. Please try again.",
            headers=[("Retry-After", "1")],
            detail=detail,
        )


class UpstreamError(GatewayError):
    """Something went wrong between us and Ollama, or inside Ollama."""

    default_status = 502
    default_code = "upstream_error"


class UpstreamUnreachable(UpstreamError):
    """No connection, or one that closed before the first byte of an answer."""

    default_code = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    """A limit on waiting was reached: connect, first byte, idle or total."""

    default_status = 504
    default_code = "upstream_timeout"


class UpstreamBroken(UpstreamError):
    """Bytes that are no valid answer: bad framing, no JSON, an early end."""

    default_code = "bad_upstream_response"


class UpstreamRefused(UpstreamError):
    """Ollama answered with an error of its own; its words are kept."""


class Interruption(BaseException):
    """Ends a request from outside, wherever it waits.

    With an ``error`` for the client, or without one when there is no client any more.
    It is no ``Exception``: nothing on its way may take it for a failure of its own.
    """

    def __init__(self, error: GatewayError | None = None) -> None:
        super().__init__()
        self.error = error


def forget_frames(error: BaseException | None) -> None:
    """Let go of the frames that an error came through, and its causes.

    They hold all that was read of an answer, and often what holds the error: a circle
    that only the garbage collector would find, some time.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def again_in(seconds: int) -> str:
    """The sentence that says when to come back."""
    return f"Please try again in {seconds} second{'' if seconds == 1 else 's'}."
