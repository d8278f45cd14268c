"""Hole: the place in a file where a text is wanted, and what is known around it."""

from typing import NamedTuple


class File(NamedTuple):
    """Another file that a model may look at."""

    path: str
    text: str


class Hole(NamedTuple):
    """What stands before and after the place, in which file, beside which others.

    ``files`` are in rising order of weight: the newest, or the best, is the last.
    """

    prefix: str = ""
    suffix: str = ""
    language: str = ""
    path: str = ""
    repo: str = ""
    files: tuple[File, ...] = ()
