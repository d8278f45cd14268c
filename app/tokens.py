"""Tokens: about how many a text has, and how many it has at least, without a tokenizer.

Each model has a tokenizer of its own and Ollama offers none over HTTP, so these are
guesses, from counts of characters by kind: a pass of C for each, 3 µs for a kilobyte.

Measured against cl100k and o200k, which newer models' tokenizers are like: ``about``
gives 0.9 to 1.2 times the true count for prose, code, JSON and Markdown, 1.5 times for
numbers, 0.65 to 1.1 times for other scripts with cl100k and 1.1 to 2.7 times with
o200k, 0.8 times for base64, and far too much for long runs of one character.
``at_least`` was never above the count of these two and of GPT-2's; it is 0.6 to 0.95 of
it for prose and code, much less where blanks are rare.
"""

import math
import re

from .turns import steps


def _keeping(*wanted: range) -> bytes:
    """What to delete of a text's bytes so that only the wanted ones are left."""
    kept = {byte for some in wanted for byte in some}
    return bytes(byte for byte in range(256) if byte not in kept)


#: Bytes that count once for each character, with the tokens that one makes.  From 0xC2
#: on they are the first of a character: of two bytes, then of three.
_KINDS = (
    (_keeping(range(97, 123)), 0.23),  # small letters
    (_keeping(range(65, 91)), 0.9),  # capitals begin a token more often
    (_keeping(range(48, 58)), 0.8),  # digits: one by one, or by three
    (_keeping(range(9, 14), range(32, 33)), 0.1),  # white space
    (_keeping(range(33, 48), range(58, 65), range(91, 97), range(123, 127)), 0.6),
)
_MORE_KINDS = (
    (_keeping(range(0xC2, 0xE0)), 0.65),  # Cyrillic, Greek, Arabic, accents
    (_keeping(range(0xE0, 0xE3)), 0.9),  # Indic, Thai, symbols
    (_keeping(range(0xE3, 0xF0)), 1.1),  # Chinese, Japanese, Korean
    (_keeping(range(0xF0, 0xF5)), 2.7),  # emoji
)
_CHINESE = _keeping(range(0xE3, 0xF0))
#: The ends of words at a sign: no tokenizer joins a word with what comes after it, but
#: for an apostrophe.
_ENDS = re.compile(r"[A-Za-z0-9][!-&(-/:-@[-^`{-~]")
#: Characters of Chinese that one token holds at most, not counting rare phrases.
_PHRASE = 5


def about(text: str) -> int:
    """About how many tokens a text has; rather more than less."""
    return sum(map(_about, steps(text)))


def _about(text: str) -> int:
    data = text.encode(errors="replace")
    kinds = _KINDS if text.isascii() else _KINDS + _MORE_KINDS
    guess = sum(weight * len(data.translate(None, kind)) for kind, weight in kinds)
    return max(round(guess), len(text.split()))


def at_least(text: str, enough: float = math.inf) -> int:
    """A number of tokens that a text has in any tokenizer of today.

    Words, their ends at signs, and a fifth of what is written without blanks.  Once
    there are more than ``enough``, the rest is not looked at.
    """
    least = 0
    for number, piece in enumerate(steps(text)):
        # A word that is cut between two pieces would count twice.
        least += _at_least(piece) - bool(number)
        if least > enough:
            break
    return least


def _at_least(text: str) -> int:
    least = len(text.split()) + len(_ENDS.findall(text))
    if not text.isascii():
        data = text.encode(errors="replace")
        least += len(data.translate(None, _CHINESE)) // _PHRASE
    return least


def at_least_quickly(text: str) -> int:
    """A first look at ``at_least``: blanks and line ends, mostly not far from it."""
    return sum(map(_at_least_quickly, steps(text)))


def _at_least_quickly(text: str) -> int:
    least = text.count(" ") + text.count("\n")
    return least if text.isascii() else least + len(text) // _PHRASE
