"""Filling in: what stands before the place that a model is to fill in.

A model that completes code has marks of its own for that, which come in a raw prompt.
"""

from typing import Any

#: What stands around the text before the place, in the forms of known models; nothing
#: behind it: it is the last.
_MARKS = (
    ("<|fim_prefix|>", "<|fim_suffix|>"),
    ("<fim_prefix>", "<fim_suffix>"),
    ("<fim-prefix>", "<fim-suffix>"),
    ("<[fim-prefix]>", "<[fim-suffix]>"),
    ("<PRE> ", " <SUF>"),
    ("<\uff5cfim▁begin\uff5c>", "<\uff5cfim▁hole\uff5c>"),
    ("<|code_prefix|>", "<|code_middle|>"),
    ("[PREFIX]", ""),
)


def before(call: Any) -> str | None:
    """The text before the place, where a call has such a place."""
    if call.suffix:
        return str(call.prompt)
    if not call.request.get("raw"):
        return None
    for opening, closing in _MARKS:
        _, found, rest = call.prompt.rpartition(opening)
        if found and closing in rest:
            return str(rest.partition(closing)[0] if closing else rest)
    return None
