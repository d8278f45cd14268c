"""``pannier settings`` and ``pannier overrides``: what is set for all requests."""

import argparse
from argparse import Namespace
from collections.abc import Callable

from ..administration import Refused
from ..changeable import BEFORE, WHERE, changeable
from ..option import Given, Option, meaning
from ..settings import options
from . import remarks
from .terminal import Terminal
from .words import json_of, mapping, table


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier settings``."""
    parser.description = (
        "Settings that can change while Pannier runs. The environment and .env count"
        " more, but for Ollama's address."
    )
    words = parser.add_subparsers(required=True, metavar="WORD")
    show = words.add_parser("list", help="show them, and where they are from")
    show.add_argument("--json", action="store_true", help="what is set, as JSON")
    show.set_defaults(do=_list)
    change = words.add_parser("set", help="set one in the database")
    change.add_argument("name", metavar="NAME", help="such as PANNIER_CONTEXT")
    change.add_argument("value", metavar="VALUE")
    change.set_defaults(do=_set)
    unset = words.add_parser("unset", help="remove it from the database")
    unset.add_argument("name", metavar="NAME")
    unset.set_defaults(do=_unset)


def overrides_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier overrides``."""
    parser.description = "Parameters for all models."
    words = parser.add_subparsers(required=True, metavar="WORD")
    show = words.add_parser("show", help="print them")
    show.set_defaults(do=_show_overrides)
    change = words.add_parser("set", help="set all of them")
    change.add_argument("overrides", type=mapping, metavar="JSON")
    change.set_defaults(do=_set_overrides)
    clear = words.add_parser("clear", help="remove all of them")
    clear.set_defaults(do=_set_overrides, overrides={})


def _list(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        chosen = administration.choices.list()
        settings = administration.choices.in_force()
    if words.json:
        terminal.say(json_of(chosen))
        return
    rows = [
        [
            option.variable,
            _text(getattr(settings, field)),
            _source(terminal, option, chosen),
        ]
        for field, option in changeable().items()
    ]
    for line in table(["SETTING", "VALUE", "FROM"], rows):
        terminal.say(line)


def _text(value: object, text: Callable[[object], str] = str) -> str:
    """A value as it is written in ``.env``, or as ``text`` has it."""
    return str(value).lower() if isinstance(value, bool) else text(value)


def _source(terminal: Terminal, option: Option, chosen: dict[str, object]) -> str:
    given = terminal.found.get(option.field)
    database = option.field in chosen
    if database and (given is None or _counts_more(terminal, option)):
        return WHERE
    return "default" if given is None else given.where


def _counts_more(terminal: Terminal, option: Option) -> bool:
    """Whether the database counts more than the environment for this one."""
    return option.field == "upstream_url" and not terminal.settings.pin_upstream


def _set(terminal: Terminal, words: Namespace) -> None:
    option = _option(words.name)
    value = meaning(option, Given(words.value, option.variable, WHERE))
    with terminal.administration() as administration:
        administration.choices.set({option.field: value})
    given = terminal.found.get(option.field)
    if given is not None and not _counts_more(terminal, option):
        terminal.note(f"{given.variable} is set in {given.where}, which counts more.")
    terminal.say(f"{option.variable} is {_text(value, repr)} in the database.")


def _unset(terminal: Terminal, words: Namespace) -> None:
    option = _option(words.name)
    with terminal.administration() as administration:
        administration.choices.set({option.field: None})
    terminal.say(f"{option.variable} is not in the database any more.")


def _option(name: str) -> Option:
    for field, option in changeable().items():
        if name.lower() in (field, option.variable.lower()):
            return option
    for option in options():
        if name.lower() in (option.field, option.variable.lower()):
            raise Refused(BEFORE.format(option.variable), name)
    raise Refused(f"{name!r} is not a setting that can be changed here.", name)


def _show_overrides(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        terminal.say(json_of(administration.choices.overrides()))


def _set_overrides(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        administration.choices.set_overrides(words.overrides)
    terminal.say(json_of(words.overrides))
    remarks.of_overrides(terminal, words.overrides)
