"""Send this to Ollama; give me status, headers and body as they arrive.

The upstream as everyone else sees it: one URL, one optional key, and the choice of
carrier: ``http1`` (our own pooled client, for plain http) or ``session``
(``requests``, for https, and by choice).
"""

from typing import Literal

import msgspec

from .carriers.base import Carrier, Origin, Request, Response, Timeouts
from .carriers.http1 import Http1Carrier
from .errors import UpstreamBroken, UpstreamError
from .settings import Settings

#: The most that is read of a control answer, in bytes.
MAX_ANSWER = 64 * 1024 * 1024


class Upstream:
    """One Ollama.

    ``url`` is http or https, with an optional path put before every target; a wrong
    one is a ``ValueError`` in plain words.  ``client`` chooses the carrier for plain
    http.  ``api_key`` goes out as a Bearer token with every request, in the place of
    any other.  Nothing is opened before the first request; make it after the fork.
    """

    def __init__(
        self,
        url: str,
        *,
        client: Literal["builtin", "requests"] = "builtin",
        api_key: str | None = None,
    ) -> None:
        self._origin = origin = Origin.parse(url)
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise ValueError("the upstream's API key must be printable ASCII")
        self._authorization = (
            ("Authorization", f"Bearer {api_key}") if api_key else None
        )
        self._carrier = _carrier(origin, client)

    @classmethod
    def of(cls, settings: Settings) -> "Upstream":
        """The Ollama that ``settings`` name."""
        return cls(
            settings.upstream_url,
            client=settings.upstream_client,
            api_key=settings.upstream_api_key or None,
        )

    def send(self, request: Request) -> Response:
        """Send a request; the answer's head is complete when this returns."""
        return self._carried(request)

    def control(
        self,
        method: str,
        path: str,
        payload: object | None = None,
        timeout: float | None = 10.0,
    ) -> bytes:
        """One whole answer to a small call about models, by the same carrier.

        ``payload`` is encoded as JSON, ``timeout`` bounds all of it in seconds.
        Any status but a 2xx raises ``UpstreamError``, 502: only the log learns which.
        """
        request = Request(
            method=method,
            target=path,
            headers=[("Content-Type", "application/json")]
            if payload is not None
            else [],
            body=b"" if payload is None else msgspec.json.encode(payload),
            timeouts=Timeouts(first_byte=None, idle=None, total=timeout),
        )
        response = self._carried(request)
        try:
            if not 200 <= response.status < 300:
                raise UpstreamError(
                    "Ollama answered with an error", detail=f"status {response.status}"
                )
            return whole(response, MAX_ANSWER)
        finally:
            response.close()

    def close(self) -> None:
        """Close the connections at rest."""
        self._carrier.close()

    def _carried(self, request: Request) -> Response:
        try:
            return self._carrier.send(self._authorized(request))
        except UpstreamError as exc:
            # The log says where Ollama was looked for; clients are never told.
            exc.detail = f"{self._origin.authority}: {exc.detail or exc.message}"
            raise

    def _authorized(self, request: Request) -> Request:
        if self._authorization is None:
            return request
        headers = [
            pair for pair in request.headers if pair[0].lower() != "authorization"
        ]
        return msgspec.structs.replace(request, headers=[*headers, self._authorization])


def _carrier(origin: Origin, client: str) -> Carrier:
    if origin.scheme == "http" and client == "builtin":
        return Http1Carrier(origin)
    # 6 MB of requests and what it brings along: nearly every Ollama is plain http.
    from .carriers.session import RequestsCarrier

    return RequestsCarrier(origin)


def whole(response: Response, limit: int) -> bytes:
    """A whole body of at most ``limit`` bytes; ``UpstreamBroken`` beyond."""
    blocks = []
    size = 0
    for block in response:
        size += len(block)
        if size > limit:
            raise UpstreamBroken("Ollama's answer is too long")
        blocks.append(block)
    return b"".join(blocks)
