"""Pictures: what kind of file this is, by its first bytes, and how large one may be.

Names and headers lie; the first bytes are what a decoder goes by.  A decoder takes
memory for every pixel that the file says it has, so a few bytes may cost gigabytes.
"""

MIB = 1024 * 1024
#: Bytes of one image, and of all images of a request (reliability, F7).
MAX_IMAGE = 20 * MIB
MAX_TOGETHER = 48 * MIB
#: Pixels of one image: decoded, these are 400 MB.
MAX_PIXELS = 100_000_000

#: As many bytes as ``kind`` ever looks at.
HEAD = 12
#: What every vision model's decoder reads.
KINDS = ("PNG", "JPEG", "WebP", "GIF")

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"}
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def kind(head: bytes) -> str:
    """What begins like this, in a user's word; ``""`` if nobody knows."""
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return _BRANDS.get(brand) or ("HEIC" if brand in _HEIF else "")
    return ""


def is_accepted(head: bytes) -> bool:
    """Whether this is the beginning of an image that models can be shown."""
    return kind(head) in KINDS


def pixels(data: bytes | bytearray) -> int:
    """How many pixels an image says it has; 0 where it does not say.

    ``data`` begins as one that is accepted; of a JPEG all of it may be needed.
    """
    if data.startswith(b"\x89PNG"):
        return _number(data[16:20]) * _number(data[20:24])
    if data.startswith(b"GIF"):
        return _little(data[6:8]) * _little(data[8:10])
    if data.startswith(b"RIFF"):
        return _of_webp(data)
    return _of_jpeg(data)


def _of_webp(data: bytes | bytearray) -> int:
    if data[12:16] == b"VP8X":
        return (_little(data[24:27]) + 1) * (_little(data[27:30]) + 1)
    if data[12:16] == b"VP8L":
        both = _little(data[21:25])
        return ((both & 0x3FFF) + 1) * ((both >> 14 & 0x3FFF) + 1)
    return (_little(data[26:28]) & 0x3FFF) * (_little(data[28:30]) & 0x3FFF)


#: Segments before the size of a JPEG; a picture with a large profile has 300.
_MAX_SEGMENTS = 4096
#: Markers: of a frame, whose segment has the size; without a segment; the end of heads.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
_ENDS = frozenset({0xD9, 0xDA})


def _of_jpeg(data: bytes | bytearray) -> int:
    """By its first frame; like decoders this goes on at the next mark after rubbish."""
    place = 2
    for _ in range(_MAX_SEGMENTS):
        place = data.find(b"\xff", place)
        if place < 0 or place + 1 >= len(data):
            return 0
        marker = data[place + 1]
        if marker in _ENDS:
            return 0
        if marker in _FRAMES:
            return _number(data[place + 5 : place + 7]) * _number(
                data[place + 7 : place + 9]
            )
        place += 1
        if marker != 0xFF:  # which may be said several times
            place += 1
            if marker not in _ALONE:
                place += _number(data[place : place + 2])
    return MAX_PIXELS + 1  # nobody's picture looks like this


def _number(data: bytes | bytearray) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes | bytearray) -> int:
    return int.from_bytes(data, "little")
