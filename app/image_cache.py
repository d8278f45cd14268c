"""Cache: the images fetched last, for the later turns of a chat."""

import time

from .pictures import MIB

#: The cache: seconds, and bytes of base64 with its URLs.
KEEP = 300.0
MAX_KEPT = 64 * MIB


class Cache:
    """The images fetched last, by URL: later turns of a chat ask for them again."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, str]] = {}  # the oldest first
        self._size = 0

    def get(self, url: str) -> str | None:
        """The image, if it is there and fresh."""
        end, image = self._kept.get(url, (0.0, ""))
        return image if end > time.monotonic() else None

    def put(self, url: str, image: str) -> None:
        """Keep an image; the oldest make room, stale ones go in any case."""
        now = time.monotonic()
        self._drop(url)
        self._kept[url] = (now + KEEP, image)
        self._size += len(url) + len(image)
        while self._kept:
            oldest, (end, _) = next(iter(self._kept.items()))
            if self._size <= MAX_KEPT and end > now:
                return
            self._drop(oldest)

    def _drop(self, url: str) -> None:
        if url in self._kept:
            self._size -= len(url) + len(self._kept.pop(url)[1])
