"""The file ``.env``: lines of ``NAME=value``, read as docker compose reads them.

It knows nothing of which names mean something.  Not supported: values of several
lines, and ``$NAME`` inside a value, which stays as it is.
"""

import re
from collections.abc import Iterator
from pathlib import Path

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_COMMENT = re.compile(r"(?:^|\s+)#.*")


def read(path: Path) -> dict[str, str]:
    """The names and values of the file; no file means none.

    Blank lines and comments (``#`` at the start or after a space) are skipped, quotes
    around a value are taken off.  Raises ``ValueError`` with a sentence for users.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(f"The file {path} cannot be read: {exc}.") from exc
    return dict(_lines(path, text))


def _lines(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        value = _value(match[2]) if match else None
        if match is None or value is None:
            # The line itself is not shown: it may hold a password.
            raise ValueError(f"Line {number} of {path} is not of the form NAME=value.")
        yield match[1], value


def _value(text: str) -> str | None:
    """The value meant by what follows the ``=``; ``None`` for a broken quote."""
    if text[:1] not in ("'", '"'):
        return _COMMENT.sub("", text)
    value, closed, rest = text[1:].partition(text[0])
    return value if closed and not _COMMENT.sub("", rest).strip() else None
