"""Rules: what an operator may decide about the translation of requests."""

from typing import Literal

from msgspec import Struct

from app.settings import Settings
from writers.chat import ReasoningField


class Rules(Struct, frozen=True, kw_only=True):
    """The rules of one endpoint; the defaults are Pannier's.

    ``max_body`` is in bytes, ``body_timeout`` in seconds.  ``openai_defaults`` sends
    temperature 1 and top_p 1 where a request is silent; ``thinking`` is what happens
    when it does not speak of reasoning; ``reasoning_field`` names the key of an
    answer's reasoning; ``max_inputs`` bounds the inputs of one embeddings request.
    """

    max_body: int = 64 * 1024 * 1024
    body_timeout: float = 60.0
    openai_defaults: bool = True
    thinking: Literal["auto", "off"] = "auto"
    reasoning_field: ReasoningField = "both"
    max_inputs: int = 2048

    @classmethod
    def of(cls, settings: Settings) -> "Rules":
        """The rules that the settings make."""
        return cls(
            max_body=settings.max_body_bytes,
            body_timeout=settings.body_timeout,
            openai_defaults=settings.openai_defaults,
            thinking=settings.think,
            reasoning_field=settings.reasoning_field,
            max_inputs=settings.max_embedding_inputs,
        )
