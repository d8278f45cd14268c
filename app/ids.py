"""Ids: of requests, answers and calls; unlike each other, and no secrets."""

import random


def new_id(prefix: str) -> str:
    """An id with 24 random hexadecimal digits; Ollama's own (0 to 998) collide.

    Of Python's generator, which begins anew in each worker: asking the system costs
    twenty times as much.
    """
    return f"{prefix}{random.getrandbits(96):024x}"
