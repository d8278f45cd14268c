"""Finding: one thing that the doctor has found."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """What was found, and what to do if it is bad."""

    kind: Literal["ok", "note", "bad"]
    text: str

    @property
    def line(self) -> str:
        """As it is printed."""
        return f"{self.kind:<4}  {self.text}"


def ok(text: str) -> Finding:
    """All is well."""
    return Finding("ok", text)


def note(text: str) -> Finding:
    """Worth knowing."""
    return Finding("note", text)


def bad(text: str) -> Finding:
    """Something is in the way."""
    return Finding("bad", text)
