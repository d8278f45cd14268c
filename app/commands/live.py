"""``pannier live``: what runs now, and ending one of it."""

import argparse
from argparse import Namespace
from contextlib import closing

from ..administration import Refused
from ..live import CANCEL, Live, Overview, Running
from ..storage.failure import Failure
from .terminal import Terminal
from .words import json_of, table

_HEAD = (
    *("ID", "KEY", "MODEL", "ENDPOINT", "AGE", "STATE", "TOKENS", "TOK/S"),
    *("CLIENT", "WORKER"),
)
#: Characters of a name that clients chose.
_WIDEST = 48


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier live``."""
    parser.description = "What runs now, the oldest first; without a word: all of it."
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(do=_list)
    words = parser.add_subparsers(metavar="WORD")
    cancel = words.add_parser("cancel", help="end a request; its client is told")
    cancel.add_argument("id", metavar="ID", help="its id, as the list shows it")
    cancel.set_defaults(do=_cancel)


def _live(terminal: Terminal) -> "closing[Live]":
    return closing(Live(terminal.settings.state_dir, terminal.settings.limits_url))


def _list(terminal: Terminal, words: Namespace) -> None:
    with _live(terminal) as live:
        found = live.overview()
    _note(terminal, found)
    if words.json:
        terminal.say(json_of(found))
        return
    rows = [_row(one) for one in found.running]
    for line in table(_HEAD, rows) if rows else ("Nothing runs.",):
        terminal.say(line)
    if found.total > len(rows):
        terminal.note(f"These are {len(rows)} of {found.total}.")


def _note(terminal: Terminal, found: Overview) -> None:
    """Say what the answer is worth."""
    if found.note:
        terminal.note(found.note)
    if found.silent:
        terminal.note(f"{found.silent} of the workers did not answer in time.")
    elif not (found.workers or found.note):
        terminal.note("No Pannier of these settings runs, or not as this user.")


def _row(one: Running) -> list[str]:
    shown = (
        *(one.id, one.key_name or "-", one.resolved or "-", one.endpoint),
        *(f"{one.age_ms / 1000:.1f}s", one.state),
        *("-" if value is None else str(value) for value in _tokens(one)),
        *(one.client or "-", f"{one.host}/{one.pid}"),
    )
    return ["".join(map(_printable, text[:_WIDEST])) for text in shown]


def _tokens(one: Running) -> tuple[int | None, float | None]:
    return one.tokens, one.tokens_per_s


def _printable(character: str) -> str:
    """No name shall do something with the terminal."""
    return character if character.isprintable() else "?"


def _cancel(terminal: Terminal, words: Namespace) -> None:
    with _live(terminal) as live:
        asked, found = live.cancel(words.id)
    _note(terminal, asked)
    if not found:
        raise Refused(f"No request {words.id!r} is under way.", "id", unknown=True)
    try:
        with terminal.administration() as administration:
            administration.note(CANCEL, words.id)
    except (Failure, OSError) as failure:  # it has ended all the same
        terminal.note(f"The audit log does not have it: {failure}")
    terminal.say(f"{words.id} is ended.")
