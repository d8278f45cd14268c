"""Patterns: a schema's regular expression in the dialect of Ollama's grammar, pure.

llama.cpp copies most of an expression into its grammar as it stands
(``json-schema-to-grammar.cpp``), so only what means the same there may be sent: the
whole string, no escapes of classes, no quotes or backslashes, which would break the
JSON around it.  What cannot be said is not sent.
"""

import re

MAX_PATTERN = 500
MAX_REPEATS = 1000

#: The characters of a class; ``-`` and ``^`` are only safe when escaped.
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " "}
_PUNCTUATION = set("^$.[](){}|*+?-/")
_NEVER = '"\\\\\\x00-\\x1F'  # what a JSON string cannot hold as it is
_ANY = f"[^{_NEVER}]"
_TOKEN = re.compile(
    r"(?P<set>\[\^?(?:\\.|[^\]\\])+\])|(?P<open>\((?:\?:)?(?!\?))|(?P<close>\))"
    r"|(?P<or>\|)|(?P<dot>\.)|(?P<escape>\\.)|(?P<plain>[^\\\[\](){}|*+?.^$\"])"
)
_TIMES = re.compile(r"[*+?](?![*+?])|\{(\d{1,4})(,(\d{0,4}))?\}(?![*+?])")
_MEMBER = re.compile(r"\\(.)|(.)", re.DOTALL)


class _Unsaid(Exception):
    """The grammar has no words for this."""


def said(pattern: str) -> str | None:
    """The pattern said in plain classes; ``None`` if that cannot be.

    One without both anchors is not: a model that does not know it would have to write
    on until it happens to match.
    """
    inner = pattern[1:-1]
    if len(pattern) > MAX_PATTERN or pattern != f"^{inner}$":
        return None
    try:
        return f"^{_said(inner)}$"
    except _Unsaid:
        return None


def _said(inner: str) -> str:
    pieces: list[str] = []
    at = repeats = depth = 0
    while at < len(inner):
        match = _TOKEN.match(inner, at)
        if match is None:
            raise _Unsaid
        pieces.append(_one(match))
        depth += (match.lastgroup == "open") - (match.lastgroup == "close")
        at = match.end()
        if match.lastgroup in ("open", "or"):
            # An empty alternative or group is not worth the grammar's corner cases.
            if at == len(inner) or inner[at] in "|)*+?{":
                raise _Unsaid
        elif times := _TIMES.match(inner, at):
            repeats += max(int(times[1] or 1), int(times[3] or 1))
            pieces.append(times[0])
            at = times.end()
        if depth < 0 or repeats > MAX_REPEATS:
            raise _Unsaid
    if depth or not pieces or inner.startswith("|"):
        raise _Unsaid
    return "".join(pieces)


def _one(match: re.Match[str]) -> str:
    text = match[0]
    match match.lastgroup:
        case "set":
            negative = text.startswith("[^")
            members = "".join(_members(text[1 + negative : -1]))
            return f"[^{_NEVER}{members}]" if negative else f"[{members}]"
        case "open":
            return "("
        case "close" | "or":
            return text
        case "dot":
            return _ANY
    return f"[{''.join(_members(text))}]"


def _members(text: str) -> list[str]:
    """The members of a class; a range keeps its ``-``."""
    members = []
    for number, match in enumerate(_MEMBER.finditer(text)):
        escaped, plain = match[1], match[2]
        if plain is None:
            if escaped not in _PUNCTUATION and escaped not in _CLASSES:
                raise _Unsaid
            members.append(_CLASSES.get(escaped) or _safe(escaped))
        elif plain == "-" and number > 0 and match.end() < len(text):
            members.append(plain)
        else:
            members.append(_safe(plain))
    return members


def _safe(character: str) -> str:
    """One character as a member of a class in the grammar."""
    if character in '"\\' or ord(character) < 32:
        raise _Unsaid
    if character in "^]-[":
        return f"\\x{ord(character):02X}"
    return character
