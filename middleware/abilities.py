"""Abilities: images and audio go only to models that can take them.

A policy.  Ollama itself puts ``[img-0]`` into the prompt of a model without vision, and
the model makes something up.  Native messages carry images and audio in one list; they
are told apart by their first bytes, as Ollama does it.
"""

from collections.abc import Callable
from typing import Any

from app.catalog import Facts
from app.errors import BadRequest
from app.exchange import Exchange

from .audio import is_audio_text
from .images import is_url

#: The ability that each kind of input needs.
_NEEDED = {"image": "vision", "audio": "audio"}


class Abilities:
    """Refuses images and audio that a model is known not to understand.

    ``facts`` says what a model is; it is asked only where there is either.  ``param``
    is the field of the request that holds them.
    """

    def __init__(
        self, facts: Callable[[str], Facts | None], param: str = "messages"
    ) -> None:
        self._facts = facts
        self._param = param

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Look at the media of a chat's call; raises ``BadRequest``."""
        media = [data for message in call.messages for data in message.images or ()]
        facts = self._facts(call.model) if media else None
        if facts is None or facts.capabilities is None:
            return
        for kind in map(_kind, media):
            if _NEEDED[kind] not in facts.capabilities:
                raise BadRequest(
                    f'model "{exchange.model}" does not support {kind} input',
                    code="unsupported_value",
                    param=self._param,
                )


def _kind(data: str) -> str:
    """What base64 is: ``audio``, or an ``image``, as everything by URL."""
    return "audio" if not is_url(data) and is_audio_text(data) else "image"
