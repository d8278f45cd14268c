"""Tags: how it is noticed that two change the same thing without knowing.

A value's tag comes with it (``ETag``, and ``etag`` in lists); a change that sends it
back in ``If-Match`` is refused where the value is another by now.
"""

import hashlib
from typing import Any

import msgspec

from ..errors import BadRequest
from .asked import Asked, Sent


def tag(value: Any) -> str:
    """The tag of a value that JSON can have; ``None`` has one too."""
    digest = hashlib.sha256(msgspec.json.encode(value, order="sorted"))
    return f'W/"{digest.hexdigest()[:32]}"'


def check(asked: Asked, value: Any) -> None:
    """Raise ``BadRequest``, 412, where somebody means another value than this."""
    if not asked.if_match:
        return
    wanted = [one.strip().removeprefix("W/") for one in asked.if_match.split(",")]
    if "*" in wanted and value is not None:
        return
    if tag(value).removeprefix("W/") not in wanted:
        raise BadRequest(
            "Somebody has changed this meanwhile: look at it again, then change it.",
            status=412,
            code="precondition_failed",
        )


def tagged(value: Any, etag: str, status: int = 200) -> Sent:
    """An answer with a tag."""
    return Sent(value=value, status=status, headers=(("ETag", etag),))
