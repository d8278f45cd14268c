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

    def values(self, extra: str = "") -> dict[str, str]:
        """What fills a template; ``extra`` is the context that stands before it."""
        return {
            "code_prefix": self.prefix,
            "code_suffix": self.suffix,
            "code_language": self.language,
            "code_file_path": self.path,
            "repo_name": self.repo,
            "extra": extra,
        }
