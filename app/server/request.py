"""Request: gunicorn's, with the heads that nearly all clients send read in one go.

A head that is whole, plain and within every limit is taken apart by two patterns.  Any
other goes to gunicorn's own parser from its first byte, as do its rules about single
fields: this one refuses nothing, and says nothing that gunicorn would not say.
"""

import re
from typing import Any

from gunicorn.http import message

Fields = list[tuple[str, str]]

#: Bytes of a head that are looked at here: some less than gunicorn reads at once.
_MOST = 8000
#: The target is a path of its own, with a query or none, and no name has an underscore,
#: of which gunicorn asks whether they may pass.
_HEAD = re.compile(
    rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/(?!/)[!\"$-~]*) HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
)
_FIELD = re.compile(r"([^:]+):([^\r]*)\r\n")
#: What gunicorn has rules about, beside the headers that name the scheme.
_RULED = message.RFC9110_5_3_SINGLETON_FIELDS | {"EXPECT"}


class Request(message.Request):  # type: ignore[misc]  # gunicorn has no types
    """One request on its way in."""

    path: str
    query: str

    #: Bytes that came behind the head.
    arrived = 0

    def parse(self, unreader: Any) -> bytes:
        """Read the head; gives what came behind it."""
        rest: bytes = super().parse(unreader)
        self.arrived = len(rest)
        return rest

    def _parse_python(self, unreader: Any, buf: bytearray) -> bytes:
        found = _HEAD.match(buf, 0, _MOST)
        fields = self._fields(found) if found else None
        if found is None or fields is None:
            rest: bytes = super()._parse_python(unreader, buf)
            return rest
        self.method = found[1].decode()
        self.uri = found[2].decode()
        self.path, _, self.query = self.uri.partition("?")
        self.fragment = ""
        self.version = (1, 1)
        self.headers = self._ruled(fields)
        return bytes(buf[found.end() :])

    def _fields(self, found: re.Match[bytes]) -> Fields | None:
        """The fields of a head, if that is within the limits."""
        block = found[3].decode("latin-1")
        fields = [
            (name.upper(), value.strip(" \t")) for name, value in _FIELD.findall(block)
        ]
        within = (
            len(fields) <= self.limit_request_fields
            and len(block) <= self.limit_request_field_size
            # Zero is no limit; what the line has beside the target is 20 bytes at most.
            and len(found[2]) + 20 <= (self.limit_request_line or _MOST)
        )
        return fields if within else None

    def _ruled(self, fields: Fields) -> Fields:
        """The fields, looked at with gunicorn's own rules; raises what they raise."""
        names = self.cfg.secure_scheme_headers
        secure = {}
        if any(name in names for name, _ in fields):
            secure, _ = self._peer_trusted_for_forwarded()
        scheme: list[bool] = [False]
        seen: set[str] = set()
        for name, value in fields:
            if name in _RULED or name in secure:
                self._apply_header_policy(name, value, scheme, seen, secure, [])
        return fields
