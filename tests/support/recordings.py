"""Recordings and forms for tests of transcriptions."""

import struct
from typing import Any

BOUNDARY = "b0undary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def wav(seconds: float = 0.5, rate: int = 8000, *, size: int | None = None) -> bytes:
    """Silence, 16 bits a sample; ``size`` is what the header says it is."""
    samples = b"\0\0" * int(seconds * rate)
    head = struct.pack("<4sI4s", b"RIFF", 36 + len(samples), b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    told = len(samples) if size is None else size
    return head + form + struct.pack("<4sI", b"data", told) + samples


def form(*parts: tuple[str, Any], filename: str = "a.wav") -> bytes:
    """A multipart body: texts, and bytes as files."""
    pieces = []
    for name, value in parts:
        file = isinstance(value, bytes)
        named = f'; filename="{filename}"' if file else ""
        data = value if file else str(value).encode()
        pieces.append(
            f"--{BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
            + data
            + b"\r\n"
        )
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()
