"""Command: one of the commands, from its arguments to its exit code."""

import argparse
from typing import Any, NoReturn

from ..administration import Refused
from ..option import SettingsError
from ..storage.failure import Failure
from .table import TABLE
from .terminal import Say, Terminal


class Parser(argparse.ArgumentParser):
    """A parser that wants whole words, and says in one sentence what is wrong."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **{"allow_abbrev": False, **more})

    def error(self, message: str) -> NoReturn:
        """Raise it."""
        raise SettingsError(f"{message} ({self.prog} --help)")


def run(name: str, arguments: list[str], say: Say, note: Say) -> int:
    """Do what a command says; its exit code.

    Raises ``SettingsError``, with one sentence, for what cannot be done.
    """
    parser = Parser(prog=f"pannier {name}")
    TABLE[name](parser)
    words = parser.parse_args(arguments)
    try:
        code: int | None = words.do(Terminal(say, note), words)
    except Refused as refused:
        raise SettingsError(str(refused)) from None
    except Failure as failure:
        why = " ".join(str(failure).split()).rstrip(".?")
        note(
            f"pannier: the database cannot be used: {why}. 'pannier doctor' says what"
            " to do."
        )
        return 1
    except BrokenPipeError:
        raise  # not of a file
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise SettingsError(f"{place}{error.strerror}.") from None
    return code or 0
