"""Items and responses as they are kept, and handed out again."""

from msgspec import Struct


class Item(Struct, frozen=True):
    """An item of a conversation: its JSON as it was given."""

    id: str
    body: bytes
    output: bool


class Kept(Struct, frozen=True):
    """A response: its JSON as it was given; ``created_at`` is in Unix seconds."""

    id: str
    previous_id: str | None
    created_at: int
    body: bytes


class TooMuch(Exception):
    """What was looked up is more than whoever asked can take."""
