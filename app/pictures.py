"""Pictures: what kind of file this is, by its first bytes, and how large one may be.

Names and headers lie; the first bytes are what a decoder goes by.
"""

MIB = 1024 * 1024
#: Bytes of one image, and of all images of a request (reliability, F7).
MAX_IMAGE = 20 * MIB
MAX_TOGETHER = 48 * MIB

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
