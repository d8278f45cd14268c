"""Inflating: from the pieces of a compressed body to the pieces of what it says.

Pure: it knows the codings and how much may come out at once, but no request, and no
limit on the whole.
"""

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Bytes of a piece that comes out: some milliseconds of work.
STEP = 256 * 1024
#: Members of one gzip body, or frames of one of zstd; each costs an inflater of its
#: own.  Programs that write many put some 64 KiB into each.
MAX_MEMBERS = 4096
#: What a body in zstd may ask us to remember: 8 MiB (RFC 9659).
_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}


class InflateError(Exception):
    """The bytes are not what their coding says."""


def _gzip(start: bytes) -> Any:
    return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)


def _deflate(start: bytes) -> Any:
    """With zlib's header, as the standard says, or without one, as many send it.

    A header begins with an 8 in its low half; no deflater begins like that.
    """
    plain = start[0] & 0x0F != 8
    return zlib.decompressobj(wbits=-zlib.MAX_WBITS if plain else zlib.MAX_WBITS)


def _zstd(start: bytes) -> Any:
    return zstd.ZstdDecompressor(options=_WINDOW)


#: Inflaters by coding; each is made for the bytes that come next.
CODINGS: dict[str, Callable[[bytes], Any]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}


def inflate(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """What non-empty ``pieces`` say, in pieces of at most ``STEP`` bytes, some empty.

    Raises ``InflateError`` for what is broken, cut, or followed by something else.
    """
    inflater: Any = None
    members = 0
    for data in pieces:
        more = True
        while more:
            if inflater is None:
                members += 1
                _check_members(coding, members)
                inflater = CODINGS[coding](data)
            try:
                out: bytes = inflater.decompress(data, STEP)
            except (zlib.error, zstd.ZstdError) as exc:
                raise InflateError(str(exc)) from exc
            yield out
            if inflater.eof:
                data, inflater = inflater.unused_data, None
                more = bool(data)
            else:  # zlib gives back what it has no room for, zstd keeps it
                data = getattr(inflater, "unconsumed_tail", b"")
                more = bool(data) or len(out) == STEP
    if inflater is not None:
        raise InflateError("it is cut short")


def _check_members(coding: str, members: int) -> None:
    if members > (1 if coding == "deflate" else MAX_MEMBERS):
        raise InflateError("something follows its end")
