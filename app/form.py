"""A form: a multipart body, read whole and held in memory.

Its bounds (reliability, B9) are set here; nothing is ever written to disk.
"""

from io import BytesIO
from typing import NamedTuple
from wsgiref.types import WSGIEnvironment

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from .body import read_body
from .errors import BadRequest

MAX_PARTS = 50
#: Bytes of a part that is no file.
MAX_FIELD = 64 * 1024
#: Bytes that the parser may hold beside files: one field, and one read of its own.
_MAX_HELD = 4 * MAX_FIELD
#: Characters of a boundary; the standard has 70 (RFC 2046, 5.1.1).
_MAX_BOUNDARY = 200


class Form(NamedTuple):
    """The texts and the files of a form by their names; of equal names the last."""

    fields: dict[str, str]
    files: dict[str, bytes]


def read_form(environ: WSGIEnvironment, limit: int, seconds: float) -> Form:
    """The form that a body is, at most ``limit`` bytes, within ``seconds``.

    Raises ``BadRequest`` as ``read_body`` does, 400 for what is no form, and 413 for
    one with too many parts or too large ones.
    """
    kind, options = parse_options_header(environ.get("CONTENT_TYPE"))
    if kind != "multipart/form-data":
        raise _malformed("the Content-Type is not multipart/form-data")
    boundary = options.get("boundary", "")
    if not 0 < len(boundary) <= _MAX_BOUNDARY or not boundary.isascii():
        raise _malformed("the Content-Type names no usable boundary")
    return _parsed(read_body(environ, limit, seconds, form=True), options)


def _parsed(body: bytes, options: dict[str, str]) -> Form:
    parser = FormDataParser(
        stream_factory=lambda **_: BytesIO(),  # type: ignore[arg-type]
        max_form_memory_size=_MAX_HELD,
        max_form_parts=MAX_PARTS,
        silent=False,
    )
    size = len(body)
    stream = BytesIO(body)
    del body  # a large file is in memory often enough
    try:
        _, fields, files = parser.parse(stream, "multipart/form-data", size, options)
    except RequestEntityTooLarge:
        raise _too_large() from None
    except Exception as exc:
        # Whatever the parser trips over, it is in the body.
        raise _malformed("it is badly formed", repr(exc)) from exc
    return _checked(fields, files)


def _checked(fields: MultiDict[str, str], files: MultiDict[str, FileStorage]) -> Form:
    if None in fields or None in files:
        raise _malformed("a part has no name")
    texts = dict(fields.items(multi=True))
    if any(len(text) > MAX_FIELD for text in texts.values()):
        raise _too_large()
    last = dict(files.items(multi=True))
    return Form(texts, {name: file.read() for name, file in last.items()})


def _malformed(reason: str, detail: str = "") -> BadRequest:
    return BadRequest(
        f"failed to parse multipart form: {reason}", code="invalid_body", detail=detail
    )


def _too_large() -> BadRequest:
    return BadRequest(
        f"The form has more than {MAX_PARTS} parts, or a text of more than"
        f" {MAX_FIELD} bytes.",
        status=413,
        code="request_too_large",
    )
