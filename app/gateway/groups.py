"""Endpoint groups: which routes a key may use (specification: gateway, section 2)."""

from typing import Literal, get_args

Group = Literal[
    "chat",
    "completions",
    "responses",
    "messages",
    "embeddings",
    "code",
    "images",
    "audio",
    "moderations",
    "models",
    "native",
    "manage",
]
GROUPS: tuple[Group, ...] = get_args(Group)
#: What keys may use where nothing else was said: all but changing Ollama's models.
ORDINARY: tuple[Group, ...] = tuple(group for group in GROUPS if group != "manage")
