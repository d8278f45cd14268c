"""``pannier audit``: who changed what."""

import argparse
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from ..administration.office import AuditEntry
from ..changeable import variable
from .terminal import Terminal
from .words import json_of, line_of, moment


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier audit``."""
    parser.description = "Who changed what, newest first."
    parser.add_argument(
        "--limit", type=int, default=50, metavar="N", help="so many (default: 50)"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(do=_audit)


def _audit(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        entries = administration.audit(max(1, words.limit))
    if words.json:
        terminal.say(json_of(entries))
        return
    if not entries:
        terminal.say("There are no entries in the audit log.")
    for entry in entries:
        for line in _lines(entry):
            terminal.say(line)


def _lines(entry: AuditEntry) -> Iterator[str]:
    of_settings = entry.action == "settings"
    called = variable if of_settings else str
    names = entry.object.split(", ") if of_settings else [entry.object]
    about = ", ".join(map(called, names))
    yield f"{moment(entry.at)}  {entry.actor}  {entry.action}  {about}"
    for field, (before, after) in entry.diff.items():
        if before is not None or _is_said(field, after):
            yield f"    {called(field)}: {line_of(before)} -> {line_of(after)}"


def _is_said(field: str, value: Any) -> bool:
    """Whether what is new is other than without being said; a limit of 0 is."""
    if isinstance(value, bool):
        return value is not (field == "enabled")
    return value is not None and value not in ("", [], {})
