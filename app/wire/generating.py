"""GeneratingRequest: what all requests for generated text have, whatever the dialect.

Beside the model these are Ollama's own powers, by their own names, which mean there
what they mean in every dialect.
"""

from typing import Any

from msgspec import Struct, field


class GeneratingRequest(Struct, kw_only=True):
    """A request for text; ``None`` says nothing."""

    model: str | None = None
    stream: bool | None = None

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
