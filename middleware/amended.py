"""Amended: an answer of Ollama's with one thing changed, and the rest as it came."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.wsgi import ClosingIterator

from app import protocol
from app.carriers.base import Headers
from app.errors import UpstreamBroken
from writers.base import MAX_WHOLE

#: What is made of a whole body; ``None`` leaves it as it is.
Amend = Callable[[bytes], bytes | None]


def amended(
    app: WSGIApplication,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    amend: Amend,
    *,
    must: bool = False,
) -> Iterable[bytes]:
    """The application's answer, its body amended if it is a good and plain one.

    What has another status than 200, is no JSON, is compressed or larger than
    ``MAX_WHOLE`` bytes passes as it is; of a good answer that ``must`` not, since it
    may hold what is not for everybody, ``UpstreamBroken`` is raised.  Raises what the
    application raises.
    """
    head = Head()
    body = app(environ, head)
    try:
        items = iter(body)
        # An application may start its response with its first item (PEP 3333).
        pieces = [next(items, b"")]
        size = len(pieces[0]) if head.plain else MAX_WHOLE + 1
        while size <= MAX_WHOLE and (piece := next(items, None)) is not None:
            pieces.append(piece)
            size += len(piece)
        if size > MAX_WHOLE and must and head.status[:3] == "200":
            raise UpstreamBroken("Ollama's answer is none that can be looked into.")
        if size > MAX_WHOLE:
            start_response(head.status, head.headers)
            return ClosingIterator(chain(pieces, items), partial(protocol.close, body))
        whole = b"".join(pieces)
        changed = amend(whole)
    except BaseException:  # nobody else could close it
        protocol.close(body)
        raise
    protocol.close(body)
    start_response(head.status, head.of(changed))
    return [whole if changed is None else changed]


class Head:
    """A ``start_response`` that keeps what it is told."""

    status = ""
    headers: Headers

    def __call__(
        self, status: str, headers: Headers, exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        """Keep it; nothing can be written before it is passed on."""
        self.status, self.headers = status, headers
        return protocol.refuse_write

    @property
    def plain(self) -> bool:
        """Whether a body is one that can be looked at."""
        told = {name.lower(): value for name, value in self.headers}
        is_json = told.get("content-type", "").startswith("application/json")
        return self.status[:3] == "200" and is_json and "content-encoding" not in told

    def of(self, changed: bytes | None) -> Headers:
        """The headers for a body that was changed; or for the one that was not."""
        if changed is None:
            return self.headers
        kept = [(n, v) for n, v in self.headers if n.lower() != "content-length"]
        return [*kept, ("Content-Length", str(len(changed)))]
