"""``pannier doctor``: looks at what is in the way, and says what to do.

It changes nothing and makes no file.
"""

import argparse
from argparse import Namespace
from collections.abc import Iterable

from ..settings import Settings
from .finding import Finding, bad
from .health_here import INVALID_KEY, machine
from .health_ollama import model, ollama
from .health_stream import stream
from .terminal import Terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier doctor``."""
    parser.description = (
        "Look at what is in the way, and say what to do. The exit code is 1 if"
        " something is."
    )
    parser.add_argument("--model", help="say whether this one can be called")
    parser.add_argument(
        "--key",
        action="store_true",
        help="read a key from standard input, and say whether it is good",
    )
    parser.add_argument(
        "--url",
        help="where clients reach Pannier, through nginx say: send a stream there (of"
        " --model, with --key), and see whether it comes in pieces",
    )
    parser.set_defaults(do=_doctor)


def _doctor(terminal: Terminal, words: Namespace) -> int:
    secret = terminal.secret() if words.key else ""
    hindered = False
    for finding in _findings(terminal, words, secret):
        terminal.say(finding.line)
        hindered |= finding.kind == "bad"
    if not hindered:
        terminal.say("Nothing is in the way.")
    return 1 if hindered else 0


def _findings(terminal: Terminal, words: Namespace, secret: str) -> Iterable[Finding]:
    here = machine(terminal.settings, terminal.found, secret)
    yield from here.findings
    if words.key and not secret:
        yield bad(INVALID_KEY.format(why="none came on the standard input"))
    yield from _counting(terminal.settings)
    yield from ollama(here.settings, here.known)
    if words.model:
        yield from model(words.model, here)
    if words.url:
        yield stream(words.url, words.model or "default", secret)


def _counting(settings: Settings) -> Iterable[Finding]:
    """Look at Redis, if one is set."""
    if not settings.limits_url:
        return ()
    from .health_limits import counting  # loads Redis's client

    return counting(settings)
