"""NDJSON, cut into lines as its bytes arrive.

Split on ``\\n`` in bytes and on nothing else: text may hold U+2028 and its like.
"""

from collections.abc import Iterable, Iterator

from .errors import UpstreamBroken

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
        if (
            data.count(b"\n") == 1
            and data.startswith(b"{")
            and data.endswith(b"}\n")
            and not self._pieces
            and len(data) <= self._limit
        ):  # a line, as tokens come; its end means nothing in JSON
            return (data,)
        end = data.rfind(b"\n") + 1
        if self._size + len(data) > self._limit:
            return self._slowly(data)
        whole = self._growing() + data[:end] if end and self._pieces else data[:end]
        if end < len(data):
            self._pieces.append(data[end:])
            self._size += len(data) - end
        count = whole.count(b"\n")
        if not whole.startswith(b"{") or whole.count(b"\n{") != count - 1:
            return [line for line in whole.split(b"\n") if line and not line.isspace()]
        return whole[:-1].split(b"\n")  # none of them is blank, as nearly always

    def _slowly(self, data: bytes) -> Iterator[bytes]:
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
