"""Ollama's own powers: fields that every generating endpoint takes beside its dialect's.

They have Ollama's names and mean there what they mean in all dialects.
"""

from typing import Any

from msgspec import Struct, field


class Powers(Struct, kw_only=True):
    """What a request may say to Ollama itself; ``None`` says nothing."""

    options: dict[str, Any] | None = None
    num_ctx: int | float | None = None
    num_keep: int | float | None = None
    num_predict: int | float | None = None
    repeat_last_n: int | float | None = None
    typical_p: float | None = None
    top_k: int | float | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None
    keep_alive: str | int | float | None = None
    think: bool | str | None = None
    truncate: bool | None = None
    shift: bool | None = None
    debug_render_only: bool | None = field(default=None, name="_debug_render_only")
