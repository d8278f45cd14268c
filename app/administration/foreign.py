"""Foreign: files of another program, read with care.

What is wrong is ``Refused``, with the file, the entry and the field.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from ..storage.refusal import Refused
from ..turns import in_turns
from .checks import refusal, shaped

Struct = TypeVar("Struct", bound=msgspec.Struct)
T = TypeVar("T")


class File(Protocol):
    """A file, or a directory of some, as ``pathlib.Path`` is one."""

    @property
    def name(self) -> str:
        """What it is called."""

    def __truediv__(self, name: str, /) -> "File":
        """A file in it."""

    def is_file(self) -> bool:
        """Whether there is a file."""

    def read_bytes(self) -> bytes:
        """What is in it; raises ``OSError``."""


def entries(path: File, kind: type[Struct]) -> Iterator[tuple[str, Struct]]:
    """The entries of a file that is a list, and what to call each of them."""
    with at(path.name):
        found = file(path, list[Any], [])
    for number, entry in enumerate(in_turns(found), 1):
        where = f"{path.name}, entry {number}"
        with at(where):
            made = shaped(entry, kind)
        yield where, made


def file(path: File, kind: type[T], nothing: T) -> T:
    """What a file has; a file that is not there is as good as an empty one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return nothing
    except OSError as error:
        raise Refused(f"{error.strerror}.", "") from None
    except msgspec.ValidationError as error:
        raise refusal(error, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{error}.", "") from None


def moment(text: str | None, field: str) -> int | None:
    """A time as JavaScript writes it, in Unix milliseconds."""
    if not text:
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise Refused(f"{field}: {text!r} is not a time.", field) from None


@contextlib.contextmanager
def at(where: str) -> Iterator[None]:
    """Say where it is when something is refused: ``where`` begins with the file."""
    try:
        yield
    except Refused as refused:
        param = refused.param
        field = "" if not param or param in str(refused) else f"{param}: "
        file, _, _ = where.partition(",")
        raise Refused(f"{where}: {field}{refused}", param or file) from None
