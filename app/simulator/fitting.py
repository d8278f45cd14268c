"""Fitting: the oldest messages are left out until a conversation fits its context."""

import bisect
from collections.abc import Callable
from typing import Any

Messages = list[dict[str, Any]]


def fitting(messages: Messages, fits: Callable[[Messages], bool]) -> Messages:
    """``messages``, or what is left without as few of the oldest as need be.

    Those of the system and the last one stay, whether they fit or not.
    """
    if fits(messages):
        return messages
    old = [at for at, m in enumerate(messages[:-1]) if m.get("role") != "system"]

    def without(count: int) -> Messages:
        gone = set(old[:count])
        return [m for at, m in enumerate(messages) if at not in gone]

    # By halving, since each message less makes a shorter prompt: to render all that is
    # left after each one takes minutes where there are thousands.
    some = range(1, len(old))
    fewest = 1 + bisect.bisect(some, False, key=lambda n: fits(without(n)))
    return without(min(fewest, len(old)))
