"""Secrets that tests use, of which no server's output may hold one.

Helpers note what they give to a server or send to it; what looks like a secret is found
without that.  Whoever ends a server looks for both in all that it has written.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

#: A shorter one would be found everywhere.
SHORTEST = 8
#: What has no more characters than these, again and again, only fills a field.
FEWEST = 3
#: Names of variables and of headers whose values are secrets.
_VARIABLE = re.compile(r"_(API_KEY|PASSWORD|SECRET)$")
_HEADER = re.compile(r"(?i)authorization|x-api-key|api-key|cookie|x-csrf-token")
#: A key, somebody's credentials, a password inside a URL.
_SHAPES = re.compile(
    r"(?<![\w-])sk-[\w-]{8,}"
    r"|\b(?:bearer|basic) (?!\*\*\*)[\w.~+/=-]{8,}"
    r"|://[^/\s:@\"'*]*:[^/\s@\"'*]+@",
    re.IGNORECASE,
)

_used: set[str] = set()


def note(secret: str) -> str:
    """Remember a secret; gives it back."""
    if len(secret) >= SHORTEST and len(set(secret)) > FEWEST:
        _used.add(secret)
    return secret


def note_variables(env: Iterable[tuple[str, str]]) -> None:
    """Remember the secrets among variables, and the passwords in their URLs."""
    for name, value in env:
        if _VARIABLE.search(name):
            note(value)
        elif name.endswith("_URL") and "@" in value:
            note(urlsplit(value).password or "")


def note_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Remember the secrets among headers."""
    for name, value in headers:
        if _HEADER.fullmatch(name):
            note(value.strip().rpartition(" ")[2])


def found(text: str) -> list[str]:
    """The lines of a text that hold a secret."""
    if not _is_told(text):
        return []
    return [line for line in text.splitlines() if _is_told(line)]


def _is_told(text: str) -> bool:
    return any(secret in text for secret in _used) or bool(_SHAPES.search(text))
