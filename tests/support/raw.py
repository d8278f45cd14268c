"""Requests with just the head that a test wants, and answers with all of theirs."""

import contextlib
import http.client
import json
from typing import Any

import msgspec

from .secrecy import note_headers
from .server import PATIENCE


class Got(msgspec.Struct):
    """A whole answer.  ``headers`` keeps every line, names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header that is there once, or not at all."""
        found = [value for key, value in self.headers if key == name.lower()]
        assert len(found) < 2, found
        return found[0] if found else None

    @property
    def code(self) -> str | None:
        """The code of OpenAI's envelope."""
        code: str | None = json.loads(self.body)["error"]["code"]
        return code


def ask(
    port: int,
    method: str,
    target: str,
    body: Any = None,
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    source: str = "127.0.0.1",
) -> Got:
    """Ask on a connection of its own; ``Host`` is ``127.0.0.1`` if not given.

    ``source`` is the address from which it comes.
    """
    given = list(headers.items() if isinstance(headers, dict) else headers or [])
    note_headers(given)
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=PATIENCE, source_address=(source, 0)
    )
    with contextlib.closing(connection):
        connection.putrequest(
            method,
            target,
            skip_host=any(name == "Host" for name, _ in given),
            skip_accept_encoding=True,
        )
        data = json.dumps(body).encode() if body is not None else b""
        if body is not None:
            given.append(("Content-Length", str(len(data))))
        for name, value in given:
            connection.putheader(name, value)
        connection.endheaders(data)
        response = connection.getresponse()
        lines = [(name.lower(), value) for name, value in response.getheaders()]
        return Got(response.status, lines, response.read())
