"""Images in messages: from every spelling of OpenAI clients to plain base64, pure.

Accepted: data URLs of images in any spelling, bare base64 as older documentation
shows it, and URLs whose images were fetched before (specification: chat, section 2;
gateway, section 6).  What it is counts, not what it is called: the first bytes must
be those of a PNG, JPEG, WebP or GIF.
"""

import binascii
import re
from collections.abc import Callable, Mapping

from app.errors import BadRequest
from app.pictures import HEAD, KINDS, MAX_IMAGE, MAX_TOGETHER, MIB, kind
from app.targets import FetchError

#: What became of the URLs of a request: images in base64, or why there is none.
Fetched = Mapping[str, str | FetchError]

#: What fetches them.
Fetch = Callable[[list[str]], Fetched]

#: URLs of one request (reliability, F1).
MAX_URLS = 16

_DATA_URL = re.compile(
    r"data:(?P<type>[^;,]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE
)
#: Never taken for an image, but for ``/9j/``: so the base64 of every JPEG begins.
_LOOKS_LIKE_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|/(?!9j/)")
_URL_SAFE = str.maketrans("-_", "+/", " \t\r\n")


class Images:
    """The images of one request; ``fetched`` is ``None`` where nothing is fetched."""

    def __init__(self, fetched: Fetched | None) -> None:
        self._fetched = fetched
        self._size = 0

    def take(self, url: str, param: str) -> str:
        """The image as standard base64 with padding; raises ``BadRequest``.

        ``param`` names the part, for the message.
        """
        data = self._image(url, param)
        size = _size(data)
        self._size += size
        if size > MAX_IMAGE:
            raise _invalid(f"the image is larger than {MAX_IMAGE // MIB} MiB", param)
        if self._size > MAX_TOGETHER:
            raise _invalid(
                f"the images are larger than {MAX_TOGETHER // MIB} MiB together", param
            )
        return data

    def _image(self, url: str, param: str) -> str:
        if is_url(url):
            return _fetched(url, param, self._fetched)
        if url[:5].lower() == "data:":
            url = _from_data_url(url, param)
        elif _LOOKS_LIKE_URL.match(url):
            raise _invalid("", param)
        data = base64_of(url, param)
        _check_kind(data, param)
        return data


def fetched(urls: list[str], fetch: Fetch | None) -> Fetched | None:
    """What ``fetch`` makes of the URLs; raises ``BadRequest`` for too many."""
    if fetch is None:
        return None
    if len(urls) > MAX_URLS:
        raise BadRequest(
            f"Too many images by URL in 'messages': at most {MAX_URLS} are fetched,"
            f" but there are {len(urls)}.",
            code="invalid_image",
            param="messages",
        )
    return fetch(urls) if urls else {}


def is_url(text: str) -> bool:
    """Whether this is to be fetched, or refused, as a URL."""
    return text[:8].lower().startswith(("http://", "https://"))


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
    raise BadRequest(message, code="invalid_image", param=param)


def _fetched(url: str, param: str, fetched: Fetched | None) -> str:
    if fetched is None:
        raise BadRequest(
            "image URLs are not currently supported, please use base64 encoded data"
            " instead",
            code="invalid_image",
            param=param,
        )
    found = fetched[url]
    if isinstance(found, str):
        return found
    # One text whatever the reason, or it would tell what lies behind us (F10).
    raise BadRequest(
        f"could not fetch the image in {param}: not reachable or not an image",
        code="invalid_image",
        param=param,
        detail=f"image: {found}",
    )


def _from_data_url(url: str, param: str) -> str:
    # The head is short; searching it alone keeps megabytes of base64 out of this.
    found = _DATA_URL.match(url[:256])
    if not found:
        raise _invalid("", param)
    kind = found["type"].strip().lower()
    parameters = found["parameters"].lower().split(";")
    if "base64" not in [p.strip() for p in parameters]:
        raise _invalid("", param)
    if kind and not kind.startswith("image/"):
        raise _invalid("", param)
    return url[found.end() :]


def _check_kind(data: str, param: str) -> None:
    found = kind(binascii.a2b_base64(data[: HEAD * 4 // 3]))
    if found not in KINDS:
        accepted = f"{', '.join(KINDS[:-1])} and {KINDS[-1]} are accepted"
        raise _invalid(f"{found or 'these bytes'} cannot be read; {accepted}", param)


def _size(data: str) -> int:
    return len(data) * 3 // 4 - data[-2:].count("=")


def _invalid(reason: str, param: str) -> BadRequest:
    """``invalid image input``, as Ollama says it; a reason of ours names the part."""
    message = f"invalid image input in {param}: {reason}" if reason else _OLLAMAS
    return BadRequest(message, code="invalid_image", param=param)


_OLLAMAS = "invalid image input"
