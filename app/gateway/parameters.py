"""Parameters: Ollama's options by name, their types and ranges (``api/types.go``).

A wrong type would be a 500 at Ollama.  What a request, or an installation, makes of
them is known elsewhere.
"""

import re
from typing import Any

MAX_INTEGER = 2**63 - 1
#: Ollama computes in float32, where larger ones can become infinite.
MAX_NUMBER = 1e6

#: Options that say how a model is loaded: another value loads it again
#: (``server/sched.go``, ``needsReload``).
RUNNER = frozenset(
    [
        "draft_num_predict",
        "main_gpu",
        "num_batch",
        "num_ctx",
        "num_gpu",
        "num_thread",
        "use_mmap",
    ]
)
BOOLEANS = frozenset(["use_mmap"])
INTEGERS = frozenset(
    [
        *(RUNNER - BOOLEANS),
        "num_keep",
        "num_predict",
        "repeat_last_n",
        "seed",
        "top_k",
    ]
)
NUMBERS = frozenset(
    [
        "frequency_penalty",
        "min_p",
        "presence_penalty",
        "repeat_penalty",
        "temperature",
        "top_p",
        "typical_p",
    ]
)
KNOWN = INTEGERS | NUMBERS | BOOLEANS | {"stop"}

#: The least and the most of an option, where there is either.  A ``repeat_penalty``
#: outside of this ends Ollama's runner instead of the request.
RANGES: dict[str, tuple[float, float]] = {
    "frequency_penalty": (-2, 2),
    "min_p": (0, 1),
    "num_ctx": (1, MAX_INTEGER),
    "num_keep": (-1, MAX_INTEGER),
    "num_predict": (-2, MAX_INTEGER),
    "presence_penalty": (-2, 2),
    "repeat_last_n": (-1, MAX_INTEGER),
    "repeat_penalty": (0.01, 100),
    "temperature": (0, 2),
    "top_p": (0, 1),
    "typical_p": (0, 1),
}
#: Options of which a number that is not positive means all there is.
ENDLESS = frozenset(["num_keep", "num_predict", "repeat_last_n"])

#: What Go's ``time.ParseDuration`` reads; possessive: nothing is looked at twice.
_DURATION = re.compile(
    r"[-+]?(?:0|(?:(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:ns|us|µs|ms|s|m|h))++)"
)


def normal(name: str, value: Any) -> Any:
    """An option's value as it is sent; unknown options pass as they are.

    Raises ``TypeError``, whose text is what is wanted (``an integer``).
    """
    if name == "stop":
        wanted, fits = "an array of strings", _is_texts(value)
        value = [value] if isinstance(value, str) else value
    elif name in INTEGERS:
        wanted, fits = "an integer", _is_integer(value)
        value = int(value) if fits else value
    elif name in NUMBERS:
        wanted, fits = "a number", is_number(value) and abs(value) <= MAX_NUMBER
    elif name in BOOLEANS:
        wanted, fits = "a boolean", isinstance(value, bool)
    else:
        return value
    if not fits:
        raise TypeError(wanted)
    return value


def cut(name: str, value: Any) -> Any:
    """An option's value as Ollama reads it: of a number that is to be whole, the whole.

    0.5 is 0 there, which means no end to ``num_predict`` (``api/types.go``).
    """
    return int(value) if name in INTEGERS and isinstance(value, float) else value


def is_duration(text: str) -> bool:
    """Whether Ollama reads this as a time, such as ``1h30m``."""
    return _DURATION.fullmatch(text) is not None


def is_number(value: Any) -> bool:
    """Whether this is a number, as which ``true`` does not count."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return (
        is_number(value)
        and abs(value) <= MAX_INTEGER  # first: what is infinite is no integer
        and value == int(value)
    )


def _is_texts(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
