"""``pannier export`` and ``pannier import``: all that is set, as a file."""

import argparse
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from ..administration import Administration
from ..administration.document import SECTIONS, Document
from ..administration.steps import MODES, Mode, Step
from ..administration.transfer import OPENS
from ..gateway.usage import Row
from .terminal import Terminal

_SIGNS = {"add": "+", "change": "~", "remove": "-"}


def export_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier export``."""
    parser.description = (
        "Write all that is set to a file. Keys are in it by their digests: they work"
        " only where the secret of the installation is the same."
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE")
    _sections(parser)
    parser.set_defaults(do=_export)


def import_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier import``."""
    parser.description = "Take in a file that `pannier export` has written."
    parser.add_argument("file", metavar="FILE", help="- for standard input")
    parser.add_argument(
        "--mode",
        choices=tuple(MODES),
        default="merge",
        help="merge: what the file has counts (default); skip, or skip_existing: what"
        " is there counts; replace: what the file does not have is removed",
    )
    _sections(parser)
    add_run(parser)
    help = "also if this removes the last key, so that nobody needs one any more"
    parser.add_argument("--open", action="store_true", help=help)
    parser.set_defaults(do=_import)


def add_run(parser: argparse.ArgumentParser) -> None:
    """The options of what takes in much at once."""
    help = "say what would be done, and do nothing"
    parser.add_argument("--dry-run", action="store_true", help=help)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def take_in(
    terminal: Terminal,
    administration: Administration,
    document: Document,
    mode: Mode,
    words: Namespace,
    rows: Sequence[Row] = (),
) -> None:
    """Take in a document, and rows of usage, or say what that would do."""
    plan = administration.transfer.plan(document, mode)
    opens = administration.transfer.opens(document, mode)
    past = "request" if len(rows) == 1 else "requests"
    requests = f", and {len(rows)} {past} of the past" if rows else ""
    if words.dry_run:
        _say(terminal, plan)
        if opens:
            terminal.note(OPENS)
        terminal.say(f"Nothing was changed; there would be {_many(plan)}{requests}.")
        return
    _ask(terminal, administration, plan, words.yes)
    if opens:  # which is more than a --yes out of habit may do
        terminal.confirm(OPENS, words.open, "open")
    done = administration.transfer.take_in(document, mode, rows, open=opens)
    _say(terminal, done)
    terminal.say(f"Done: {_many(done)}{requests}.")


def _many(plan: Sequence[Step]) -> str:
    return f"{len(plan)} change{'' if len(plan) == 1 else 's'}"


def _sections(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SECTIONS,
        default=SECTIONS,
        metavar="SECTION",
        help=f"these parts of it: {', '.join(SECTIONS)}",
    )


def _export(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        written = administration.transfer.export(words.only).written()
    if words.file == "-":
        terminal.say(written.decode().rstrip("\n"))
        return
    # For its owner alone: it says what there is and who may use it.
    flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
    with open(os.open(words.file, flags, 0o600), "wb") as file:
        file.write(written)
    terminal.note(f"All that is set is in {words.file}.")


def _import(terminal: Terminal, words: Namespace) -> None:
    standard = words.file == "-"
    data = sys.stdin.buffer.read() if standard else Path(words.file).read_bytes()
    document = Document.read(data).only(tuple(words.only))
    with terminal.administration() as administration:
        take_in(terminal, administration, document, MODES[words.mode], words)


def _ask(
    terminal: Terminal, administration: Administration, plan: Sequence[Step], yes: bool
) -> None:
    brings_keys = any((step.action, step.section) == ("add", "key") for step in plan)
    if brings_keys and administration.keys.closes():
        terminal.confirm(
            "These are the first keys: from now on every request needs one"
            " (PANNIER_AUTH=auto).",
            yes,
        )
    removed = sum(step.action == "remove" for step in plan)
    if removed:
        terminal.confirm(f"This removes {removed} of what is there.", yes)


def _say(terminal: Terminal, plan: Sequence[Step]) -> None:
    for step in plan:
        fields = f": {', '.join(step.fields)}" if step.fields else ""
        terminal.say(f"{_SIGNS[step.action]} {step.section} {step.called}{fields}")
