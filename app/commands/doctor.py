"""``pannier doctor``: looks at what is in the way, and says what to do."""

import argparse
from argparse import Namespace

from .command import Desk


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier doctor``."""
    parser.description = "Look at what is in the way, and say what to do."
    parser.set_defaults(do=_doctor)


def _doctor(desk: Desk, words: Namespace) -> int:
    return 0
