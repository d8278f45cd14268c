"""``pannier migrate-ollama2openai``: takes over what Ollama2OpenAI has."""

import argparse
from argparse import Namespace
from pathlib import Path

from .terminal import Terminal
from .transfer import add_run, take_in


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier migrate-ollama2openai``."""
    parser.description = (
        "Take over keys, models, names, parameters and the log from the data directory"
        " of Ollama2OpenAI. Its keys go on to work. What is set here already stays."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="its `data`")
    add_run(parser)
    parser.set_defaults(do=_migrate)


def _migrate(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        document, remarks, rows = administration.migration(words.directory)
        if rows or administration.transfer.plan(document, "skip"):
            take_in(terminal, administration, document, "skip", words, rows)
        else:
            terminal.say("Nothing was changed: there is nothing new in it.")
        for remark in remarks:
            terminal.note(remark)
