"""Server-sent events: how a frame looks, and the headers of a stream."""

DONE = b"data: [DONE]\n\n"

#: Copied for every answer: a header list that is shared grows for ever.
HEADERS = [
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-cache"),
    ("X-Accel-Buffering", "no"),  # tells nginx to pass every frame on at once
]


def frame(payload: bytes) -> bytes:
    """One event; ``payload`` is JSON, so it holds no line break."""
    return b"data: " + payload + b"\n\n"


def comment(text: str) -> bytes:
    """What clients skip, and whatever lies between them and us passes on."""
    return b": " + text.encode() + b"\n\n"
