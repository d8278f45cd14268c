"""NDJSON, cut into lines as its bytes arrive.

Split on ``\\n`` in bytes and on nothing else: text may hold U+2028 and its like.
"""

from app.errors import UpstreamBroken

#: Ollama's own runner stops at 8 MiB (specification: reliability, U9).
MAX_LINE = 16 * 1024 * 1024


class LineBuffer:
    """Holds the line that is still growing, as the pieces it came in."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, blank ones left out.

        Raises ``UpstreamBroken`` for a line that grows beyond the limit.
        """
        *whole, rest = data.split(b"\n")
        if not whole:
            self._keep(rest)
            return []
        whole[0] = b"".join([*self._pieces, whole[0]])
        self._pieces, self._size = [], 0
        self._keep(rest)
        return [line for line in whole if line and not line.isspace()]

    def flush(self) -> list[bytes]:
        """The last line, when it came without its end."""
        line = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return [line] if line and not line.isspace() else []

    def _keep(self, rest: bytes) -> None:
        self._size += len(rest)
        if self._size > self._limit:
            raise UpstreamBroken("Ollama sent a line that is too long.")
        if rest:
            self._pieces.append(rest)
