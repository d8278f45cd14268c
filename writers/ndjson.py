"""NDJSON, cut into lines as its bytes arrive.

Split on ``\\n`` in bytes and on nothing else: text may hold U+2028 and its like.
"""

from collections.abc import Iterable, Iterator

from app.errors import UpstreamBroken

#: Ollama's own runner stops at 8 MiB (specification: reliability, U9).
MAX_LINE = 16 * 1024 * 1024


class LineBuffer:
    """Holds the line that is still growing, as the pieces it came in."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterable[bytes]:
        """The lines that ``data`` completes, blank ones left out.

        Raises ``UpstreamBroken`` for a line that grows beyond the limit, after the
        lines before it.
        """
        if data.endswith(b"}\n") and not self._pieces and len(data) <= self._limit:
            lines = data.split(b"\n")
            lines.pop()
            # Whole lines, none of them blank: as nearly all reads are.
            if data.startswith(b"{") and data.count(b"\n{") == len(lines) - 1:
                return lines
        return self._feed(data)

    def _feed(self, data: bytes) -> Iterator[bytes]:
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = self._growing() + whole[0]
        for line in whole:
            self._bound(len(line))
            if line and not line.isspace():
                yield line
        self._size += len(rest)
        self._bound(self._size)
        if rest:
            self._pieces.append(rest)

    def flush(self) -> Iterator[bytes]:
        """The last line, when it came without its end."""
        line = self._growing()
        if line and not line.isspace():
            yield line

    def _growing(self) -> bytes:
        line = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return line

    def _bound(self, size: int) -> None:
        if size > self._limit:
            raise UpstreamBroken("Ollama sent a line that is too long.")
