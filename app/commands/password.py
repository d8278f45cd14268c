"""``pannier password``: a new password for who administers Pannier over HTTP."""

import argparse
import getpass
import sys
from argparse import Namespace

from ..administration import Refused
from .terminal import Terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier password``."""
    parser.description = (
        "Set the password to administer Pannier with, typed in unseen or read from"
        " standard input. Whoever is signed in has to sign in again."
    )
    parser.add_argument("--username", metavar="N", help="also another user name")
    parser.set_defaults(do=_set)


def _set(terminal: Terminal, words: Namespace) -> None:
    password = _typed()
    with terminal.administration() as administration:
        name = administration.accounts.set_password(password, words.username or "")
    terminal.say(f"The password of {name!r} is set.")


def _typed() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("New password: ")
    if getpass.getpass("Once more: ") != password:
        raise Refused("These are two different passwords.", "password")
    return password
