"""What a line of a log must not hold: secrets, and whatever could pass for a new line.

Texts of clients and of Ollama come into a log as paths, names of models, errors and
exceptions.  Most lines hold no secret, so there is one quick look for all of them.
"""

import re

#: Whatever is replaced ends before a space, so that no more than the secret is lost.
_SECRET = re.compile(
    r"""(?<![a-z0-9]) sk-[\w-]+                            # a key as OpenAI's begin
    | (?P<id>\bresp_[0-9a-f]{4}) [0-9a-f]+      # whoever has it has what is kept there
    | (?P<url>://) [^/\s"']* (?=@)                           # a URL's user and password
    | (?P<scheme>\b(?:bearer|basic) (?:\s|%20|\+)+) [^\s"',;\\]+
    | (?P<field>
        (?:authorization|api[-_]key|cookie) [\\"']* \s* [:=] \s* [\\"']*
        (?:(?:bearer|basic|digest|token)\s+)?
      ) [^\s"';\\]+ (?:; \s* [^\s"';\\]+)*
    | (?P<name>(?:key|token|pass|passwd|password|pwd|secret)=) [^\s"'&;,\\]+
    """,
    re.IGNORECASE | re.VERBOSE,
)
_HIDDEN = "***"
#: A shorter secret would be found everywhere, and be guessed by what is missing.
_SHORTEST = 8
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class Redaction:
    """Takes out of texts what looks like a secret, and secrets of ``ours`` anywhere."""

    def __init__(self, *ours: str) -> None:
        self._ours = [secret for secret in ours if len(secret) >= _SHORTEST]

    def is_suspect(self, text: str) -> bool:
        """Whether a text may hold a secret; it takes less than a microsecond."""
        small = text.lower()
        # Written out, since a loop, or a pattern, takes longer.
        if "sk-" in small or "bearer" in small or "basic" in small or "auth" in small:
            return True
        if "key" in small or "cookie" in small or "@" in small or "token=" in small:
            return True
        if "pass" in small or "pwd=" in small or "secret=" in small:
            return True
        if "resp_" in small:
            return True
        return bool(self._ours) and any(secret in text for secret in self._ours)

    def redacted(self, text: str) -> str:
        """The text with three stars in the place of each secret."""
        if not self.is_suspect(text):
            return text
        for secret in self._ours:
            text = text.replace(secret, _HIDDEN)
        return _SECRET.sub(_stars, text)


def plain(text: str) -> str:
    """The text in ASCII, its controls escaped and its further lines indented.

    So nothing in it begins a line as the log's own lines begin.
    """
    if not text.isascii():
        text = text.encode("ascii", "backslashreplace").decode()
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return text.replace("\n", "\n    ")


def _stars(found: re.Match[str]) -> str:
    return (found[found.lastgroup] if found.lastgroup else "") + _HIDDEN
