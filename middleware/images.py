"""Images in messages: from every spelling of OpenAI clients to plain base64, pure.

Accepted: data URLs of images in any spelling, bare base64 as older documentation
shows it, and URLs, which stay as they are until it is certain that Ollama will be
asked (specification: chat, section 2; gateway, section 6).  What it is counts, not
what it is called: the first bytes must be those of a PNG, JPEG, WebP or GIF.
"""

import binascii
import re
from collections.abc import Callable, Mapping

from app.errors import BadRequest
from app.pictures import (
    HEAD,
    KINDS,
    MAX_IMAGE,
    MAX_PIXELS,
    MAX_TOGETHER,
    MIB,
    kind,
    pixels,
)
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
    """The images of one request; ``fetch`` is ``None`` where nothing is fetched.

    ``field`` is the field of the request that holds them.
    """

    def __init__(self, fetch: Fetch | None = None, field: str = "messages") -> None:
        self._fetch = fetch
        self._field = field
        self._size = 0
        self._wanted: list[tuple[list[str], int, str]] = []

    @property
    def wanted(self) -> bool:
        """Whether there are URLs whose images have to be fetched."""
        return bool(self._wanted)

    def take(self, url: str, param: str, images: list[str]) -> None:
        """Add an image as standard base64 with padding; raises ``BadRequest``.

        One that is to be fetched is added as its URL, which ``fetch`` replaces.
        ``param`` names the part, for the message.
        """
        if not is_url(url):
            images.append(self._counted(_inline(url, param), param))
        elif self._fetch is None:
            raise _refused(
                "image URLs are not currently supported, please use base64 encoded"
                " data instead",
                param,
            )
        else:
            self._wanted.append((images, len(images), param))
            images.append(url)

    def fetch(self) -> None:
        """Put what is fetched in the place of the URLs; raises ``BadRequest``."""
        wanted, self._wanted = self._wanted, []
        urls = list(dict.fromkeys(images[place] for images, place, _ in wanted))
        if len(urls) > MAX_URLS:
            raise _refused(
                f"Too many images by URL in '{self._field}': at most {MAX_URLS} are"
                f" fetched, but there are {len(urls)}.",
                self._field,
            )
        found = self._fetch(urls) if self._fetch and urls else {}
        for images, place, param in wanted:
            image = _fetched(found[images[place]], param)
            images[place] = self._counted(image, param)

    def _counted(self, image: str, param: str) -> str:
        size = len(image) * 3 // 4 - image[-2:].count("=")
        self._size += size
        if size > MAX_IMAGE:
            raise _invalid(f"the image is larger than {MAX_IMAGE // MIB} MiB", param)
        if self._size > MAX_TOGETHER:
            raise _invalid(
                f"the images are larger than {MAX_TOGETHER // MIB} MiB together", param
            )
        return image


def is_url(text: str) -> bool:
    """Whether this is to be fetched, or refused, as a URL."""
    return text[:8].lower().startswith(("http://", "https://"))


def base64_of(data: str, param: str, message: str = "invalid image input") -> str:
    """Standard base64 of base64 in any spelling; raises ``BadRequest``."""
    return _decoded(data, param, message)[0]


def _decoded(data: str, param: str, message: str) -> tuple[str, bytes]:
    """Standard base64, and what it stands for."""
    try:
        if found := binascii.a2b_base64(data, strict_mode=True):
            return data, found  # the common case: nothing to mend
    except ValueError:
        pass
    mended = data.translate(_URL_SAFE).rstrip("=")
    mended += "=" * (-len(mended) % 4)
    try:
        if found := binascii.a2b_base64(mended, strict_mode=True):
            return mended, found
    except ValueError:
        pass
    raise _refused(message, param)


def _inline(url: str, param: str) -> str:
    """The base64 of a data URL, or of what is bare."""
    if url[:5].lower() == "data:":
        url = _from_data_url(url, param)
    elif _LOOKS_LIKE_URL.match(url):
        raise _invalid("", param)
    image, data = _decoded(url, param, _OLLAMAS)
    _check(data, param)
    return image


def _fetched(found: str | FetchError, param: str) -> str:
    if isinstance(found, str):
        return found
    # One text whatever the reason, or it would tell what lies behind us (F10).
    raise _refused(
        f"could not fetch the image in {param}: not reachable or not an image",
        param,
        f"image: {found}",
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


def _check(data: bytes, param: str) -> None:
    found = kind(data[:HEAD])
    if found not in KINDS:
        accepted = f"{', '.join(KINDS[:-1])} and {KINDS[-1]} are accepted"
        raise _invalid(f"{found or 'these bytes'} cannot be read; {accepted}", param)
    if pixels(data) > MAX_PIXELS:
        millions = MAX_PIXELS // 1_000_000
        raise _invalid(f"the image has more than {millions} million pixels", param)


def _invalid(reason: str, param: str) -> BadRequest:
    """``invalid image input``, as Ollama says it; a reason of ours names the part."""
    message = f"invalid image input in {param}: {reason}" if reason else _OLLAMAS
    return _refused(message, param)


def _refused(message: str, param: str, detail: str = "") -> BadRequest:
    return BadRequest(message, code="invalid_image", param=param, detail=detail)


_OLLAMAS = "invalid image input"
