"""Images in messages: from every spelling of OpenAI clients to plain base64, pure.

Accepted: data URLs of images in any spelling, and bare base64 as older documentation
shows it (specification: chat, section 2; gateway, section 6).
"""

import binascii
import re

from app.errors import BadRequest

_DATA_URL = re.compile(
    r"data:(?P<type>[^;,]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE
)
#: Never taken for an image, but for ``/9j/``: so the base64 of every JPEG begins.
_LOOKS_LIKE_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|/(?!9j/)")
_URL_SAFE = str.maketrans("-_", "+/", " \t\r\n")


def image(url: str, param: str) -> str:
    """The image as standard base64 with padding; raises ``BadRequest``.

    ``param`` names the part, for the message.
    """
    if url[:8].lower().startswith(("http://", "https://")):
        raise _invalid(
            "image URLs are not currently supported, please use base64 encoded data"
            " instead",
            param,
        )
    if url[:5].lower() == "data:":
        return base64_of(_from_data_url(url, param), param)
    if _LOOKS_LIKE_URL.match(url):
        raise _invalid("invalid image input", param)
    return base64_of(url, param)


def base64_of(data: str, param: str, message: str = "invalid image input") -> str:
    """Standard base64 of base64 in any spelling; raises ``BadRequest``."""
    try:
        if binascii.a2b_base64(data, strict_mode=True):
            return data  # the common case: nothing to mend
    except ValueError:
        pass
    mended = data.translate(_URL_SAFE).rstrip("=")
    mended += "=" * (-len(mended) % 4)
    try:
        if binascii.a2b_base64(mended, strict_mode=True):
            return mended
    except ValueError:
        pass
    raise _invalid(message, param)


def _from_data_url(url: str, param: str) -> str:
    # The head is short; searching it alone keeps megabytes of base64 out of this.
    found = _DATA_URL.match(url[:256])
    if not found:
        raise _invalid("invalid image input", param)
    kind = found["type"].strip().lower()
    parameters = found["parameters"].lower().split(";")
    if "base64" not in [p.strip() for p in parameters]:
        raise _invalid("invalid image input", param)
    if kind and not kind.startswith("image/"):
        raise _invalid("invalid image input", param)
    return url[found.end() :]


def _invalid(message: str, param: str) -> BadRequest:
    return BadRequest(message, code="invalid_image", param=param)
