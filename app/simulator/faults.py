"""Everything an upstream can do wrong, one small function each, chosen by name.

A model named ``fault-<name>`` behaves so on chat, generate and embed, a model named
``fault-<name>-<n>`` after ``n`` good lines (2 unless given; an answer that does not
stream is one line).  ``POST /simulator/fault?path=…&name=…&after=…`` does the same
to any route, whatever the model.  The functions live in the ``bad_*`` modules, and
the first line of each docstring is its description.  Those called valid are correct
HTTP and JSON in an unusual dress.
"""

from . import bad_answers, bad_frames, bad_heads, bad_lines
from .fault import FAULTS


def find(text: str) -> tuple[str, int | None] | None:
    """The fault that ``<name>`` or ``<name>-<n>`` means, and ``n``."""
    if text in FAULTS:
        return text, None
    name, _, after = text.rpartition("-")
    return (name, int(after)) if name in FAULTS and after.isdecimal() else None


def describe(name: str) -> str:
    """What a fault does, in a line."""
    return (FAULTS[name].__doc__ or "").partition("\n")[0]


__all__ = [
    "FAULTS",
    "bad_answers",
    "bad_frames",
    "bad_heads",
    "bad_lines",
    "describe",
    "find",
]
