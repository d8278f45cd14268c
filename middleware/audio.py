"""Audio files: what the first bytes of one tell."""

import binascii

#: How audio files begin: an offset, and what is there.  The last are containers that
#: hold audio, films or both.
_BEGINNINGS = (
    (0, b"ID3"),  # mp3 with a tag
    (0, b"OggS"),
    (0, b"fLaC"),
    (8, b"WAVE"),
    (8, b"AIFF"),
    (4, b"ftyp"),  # mp4, m4a
    (0, b"\x1a\x45\xdf\xa3"),  # webm
)
#: Chunks of a WAV file that are looked at; a usual one has fewer than ten.
_MAX_CHUNKS = 100


def is_audio(data: bytes) -> bool:
    """Whether a file is of a kind that is heard; its first 12 bytes are enough."""
    if any(data.startswith(mark, place) for place, mark in _BEGINNINGS):
        return True
    # The start of a frame of mp3 or aac.  Of the versions one does not exist; layer I
    # is not in use, and would take in UTF-16.
    sync = len(data) > 1 and data[0] == 0xFF and data[1] >= 0xE0
    return sync and data[1] & 0x18 != 0x08 and data[1] & 0x06 != 0x06


def is_audio_text(data: str) -> bool:
    """The same for a file that is in base64."""
    return is_audio(binascii.a2b_base64(data[:16]))


def seconds(data: bytes) -> float:
    """How long a WAV file plays by its header; 0 for any other."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return 0.0
    place, rate = 12, 0
    for _ in range(_MAX_CHUNKS):
        name, size = data[place : place + 4], _integer(data, place + 4)
        if name == b"fmt ":
            rate = _integer(data, place + 16)  # bytes a second
        elif name == b"data":
            # A recorder that did not know the size says 0, or more than there is.
            left = len(data) - place - 8
            return round(min(size or left, left) / rate, 3) if rate else 0.0
        place += 8 + size + size % 2
    return 0.0


def _integer(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 4], "little")
