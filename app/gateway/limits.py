"""Limits: how much a key may have, and how much of that it has had."""


class Limits:
    """Counts for all keys; ``url`` names a Redis to count in, or is empty."""

    def __init__(self, url: str = "") -> None:
        self._url = url
