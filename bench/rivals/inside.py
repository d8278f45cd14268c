"""Pannier without its way to Ollama: what a chat costs but for the call.

All layers, the translation and the access log are Pannier's; what Ollama would say is
there at once.  Beside it ``hello`` under the same worker is what the server costs.
"""

from collections.abc import Iterator

from gevent import monkey

monkey.patch_all()  # before anything of Pannier's is imported

from app.carriers.base import Headers, Request  # noqa: E402
from app.settings import Settings  # noqa: E402
from bench.answers import script  # noqa: E402
from middleware import stack  # noqa: E402

_ANSWER = script("/api/chat", "chat", stream=False, base64=False, models=0)
_BODY = _ANSWER.writes[0].partition(b"\r\n\r\n")[2]


class _Answer:
    """What a call would bring."""

    status = 200
    reason = "OK"

    def __init__(self) -> None:
        self.headers: Headers = [("Content-Type", "application/json")]
        self._blocks = iter([_BODY])

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._blocks)

    def close(self) -> None:
        """Nothing is open."""

    release = close


class _Inside(stack.Upstream):
    """Sends nothing."""

    def send(self, request: Request) -> _Answer:
        """The answer to whatever is asked."""
        return _Answer()


stack.Upstream = _Inside  # type: ignore[misc]
app = stack.build_stack(Settings())
