"""Ids: of requests, answers and calls; unlike each other, mostly no secrets."""

import random
import secrets


def new_id(prefix: str) -> str:
    """An id with 24 random hexadecimal digits; Ollama's own (0 to 998) collide.

    Of Python's generator, which begins anew in each worker: asking the system costs
    twenty times as much.
    """
    return f"{prefix}{random.getrandbits(96):024x}"


def secret_id(prefix: str) -> str:
    """An id that nobody can guess: whoever knows it gets what is kept under it."""
    return f"{prefix}{secrets.token_hex(16)}"
