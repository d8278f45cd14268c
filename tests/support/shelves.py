"""An Ollama with models of its own, which says of all others that it has none."""

import json
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from app.wire.names import key

from .ollama import CHAT, EMBED, GENERATE, JSON, NDJSON, SHOW

_GOOD = {
    "/api/chat": CHAT,
    "/api/generate": GENERATE,
    "/api/embed": EMBED,
    "/api/embeddings": b'{"embedding":[0.5]}',
    "/api/show": SHOW,
}
_LISTS = ("/api/tags", "/api/ps")
#: How it says so differs from route to route.
_ABSENT = {
    "/api/embed": 'model "{}" not found, try pulling it first',
    "/api/embeddings": 'model "{}" not found, try pulling it first',
    "/api/delete": "model '{}' not found",
}


class Shelves:
    """A WSGI application; ``control`` answers the catalogue, ``asked`` are its calls.

    All its models are in memory.
    """

    def __init__(self, *models: str) -> None:
        self.models = models
        self.asked: list[tuple[str, str, bytes]] = []
        self.status = "200 OK"

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call."""
        path = environ["PATH_INFO"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        self.asked.append((environ["REQUEST_METHOD"], path, body))
        if path in _LISTS:
            listed = self.listed()
            start_response(self.status, [*JSON, ("Content-Length", str(len(listed)))])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [listed]
        wanted = {name.lower(): value for name, value in json.loads(body).items()}
        name = wanted.get("model") or wanted.get("name") or wanted.get("source")
        if key(name) not in map(key, self.models):
            said = _ABSENT.get(path, "model '{}' not found").format(name)
            start_response("404 Not Found", [*JSON])
            return [json.dumps({"error": said}).encode()]
        lines = path in ("/api/chat", "/api/generate") and wanted.get("stream", True)
        start_response("200 OK", [*(NDJSON if lines else JSON)])
        return [_GOOD.get(path, b"{}")]

    def listed(self) -> bytes:
        """The list of its models."""
        entries = [{"name": n, "model": n, "digest": n} for n in self.models]
        return json.dumps({"models": entries}).encode()

    def control(self, method: str, path: str, body: Any = None, *rest: Any) -> bytes:
        """What the catalogue is told."""
        if path in _LISTS:
            return self.listed()
        can = "embedding" if "embed" in body.model else "completion"
        return json.dumps({"capabilities": [can, "insert", "audio"]}).encode()
