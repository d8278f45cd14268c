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
from app.wire import ollama

from .audio import is_audio_text
from .images import is_url

#: What stands where an image was that a tool found.
_NOTE = "[There is an image here, which this model cannot see.]"
_ADJUSTED = "tool_images=left-out"
#: The ability that each kind of input needs.
_NEEDED = {"image": "vision", "audio": "audio"}


class Abilities:
    """Refuses images and audio that a model is known not to understand.

    What a tool found is no wish of the client's, and stays in the conversation: an
    image there becomes a note that says so, unless ``strict``.  ``facts`` says what a
    model is; it is asked only where there is either.  ``param`` is the field of the
    request that holds them.
    """

    def __init__(
        self,
        facts: Callable[[str], Facts | None],
        param: str = "messages",
        strict: bool = False,
    ) -> None:
        self._facts = facts
        self._param = param
        self._strict = strict

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Look at the media of a chat's call; raises ``BadRequest``."""
        holders = [message for message in call.messages if message.images]
        facts = self._facts(call.model) if holders else None
        if facts is None or facts.capabilities is None:
            return
        for message in holders:
            for kind in map(_kind, message.images):
                if _NEEDED[kind] in facts.capabilities:
                    continue
                if message.role != "tool" or self._strict:
                    raise BadRequest(
                        f'model "{exchange.model}" does not support {kind} input',
                        code="unsupported_value",
                        param=self._param,
                    )
                _leave_out(message, exchange)
                break


def _leave_out(message: ollama.Message, exchange: Exchange) -> None:
    """Put a note in the place of what a tool found and the model cannot take."""
    message.images = None
    message.content = "\n\n".join(filter(None, [message.content, _NOTE]))
    if _ADJUSTED not in exchange.adjusted:
        exchange.adjusted.append(_ADJUSTED)


def _kind(data: str) -> str:
    """What base64 is: ``audio``, or an ``image``, as everything by URL."""
    return "audio" if not is_url(data) and is_audio_text(data) else "image"
