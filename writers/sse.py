"""Server-sent events: how a frame looks, and the headers of a stream."""

DONE = b"data: [DONE]\n\n"

#: Copied for every answer: a header list that is shared grows for ever.
HEADERS = [
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-cache"),
    ("X-Accel-Buffering", "no"),  # tells nginx to pass every frame on at once
]


#: A text that stands for any other; what comes after it in a frame is ours.
MARK = "the text"


def around(frame: bytes) -> tuple[bytes, bytes]:
    """What stands before and after ``MARK`` in a frame: made once, not at each token.

    Nothing that a client chose follows the text, so it is the last such place.
    """
    before, _, after = frame.rpartition(b'"' + MARK.encode() + b'"')
    return before, after


def frame(payload: bytes) -> bytes:
    """One event; ``payload`` is JSON, so it holds no line break."""
    return b"data: " + payload + b"\n\n"


def event(name: str, payload: bytes) -> bytes:
    """One event with a name, which dialects with many kinds of event have."""
    return b"event: " + name.encode() + b"\ndata: " + payload + b"\n\n"


def comment(text: str) -> bytes:
    """What clients skip, and whatever lies between them and us passes on."""
    return b": " + text.encode() + b"\n\n"
