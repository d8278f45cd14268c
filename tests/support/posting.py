"""Posts of whole bodies to a server, and its whole answers."""

import http.client
import json
from typing import Any

from .server import PATIENCE, Server


class Answer:
    """A whole answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def error(self) -> dict[str, Any]:
        """The error of OpenAI's envelope, which must have its four keys."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert list(error) == ["message", "type", "param", "code"]
        return error


def ask(server: Server, path: str, body: Any, **headers: str) -> Answer:
    """Post bytes, an iterable of them (in chunks), or JSON."""
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body, fields)
        return Answer(connection.getresponse())
    finally:
        connection.close()
