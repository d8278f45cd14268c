"""Backup: all that is set as a file, taken in again, or over from Ollama2OpenAI."""

from collections.abc import Mapping
from typing import Any

from ...administration.document import SECTIONS
from ...administration.ollama2openai import FILES
from ...administration.steps import Mode
from ..asked import Admin, Asked
from .page import Page

#: What a file's parts are, and what of them is in it.
PARTS = {
    "settings": "Settings: what was set here, not what the environment says",
    "overrides": "Parameters for all models",
    "models": "Models: what is set for each",
    "aliases": "Aliases",
    "keys": "Keys, with limits and digests of their secrets",
}
#: What becomes of what the file has, and of what it does not have.
MODES: dict[Mode, tuple[str, str]] = {
    "merge": ("Merge", "What the file has counts; all else stays as it is."),
    "skip": ("Only what is new", "What is here counts; the file adds the rest."),
    "replace": ("Replace", "All as in the file: what it does not have is removed."),
}


def values(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The parts of a file, the ways to take one in, and files of Ollama2OpenAI."""
    return {
        "parts": {name: PARTS[name] for name in SECTIONS},
        "modes": MODES,
        "files": FILES,
    }


PAGES: list[Page] = [Page("/backup", "backup.html", values)]
