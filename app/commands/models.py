"""``pannier models`` and ``pannier alias``: what is set for models, and other names."""

import argparse
from argparse import Namespace
from functools import partial
from typing import Any

import msgspec

from ..administration.outside import Alias
from ..gateway.entries import AliasEntry, CodeEntry, ModelEntry
from ..stand_in import asked
from ..wire.names import key as key_of
from . import remarks
from .installed import installed
from .terminal import Terminal
from .words import json_of, line_of, mapping, table


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier models``."""
    parser.description = "Models: what is set for them."
    words = parser.add_subparsers(required=True, metavar="WORD")
    show = words.add_parser("list", help="show Ollama's models and what is set")
    show.add_argument("--json", action="store_true", help="what is set, as JSON")
    show.set_defaults(do=_list)
    change = words.add_parser("set", help="set something for a model")
    change.add_argument("name", metavar="MODEL", help="its name in Ollama")
    _switch(change, "enabled", "--enable", "--disable", "whether it may be used")
    _switch(change, "hidden", "--hide", "--show", "whether it is in no list")
    _overrides(change)
    change.add_argument(
        "--code",
        type=partial(mapping, such='{"strategy": "chat"}'),
        metavar="JSON",
        help="how it completes code (strategy, template, mode), in the place of what"
        " was set before; {} for nothing",
    )
    change.add_argument("--description", help="anything that helps to remember")
    change.set_defaults(do=_set)
    reset = words.add_parser("reset", help="forget what is set for a model")
    reset.add_argument("name", metavar="MODEL", help="its name in Ollama")
    reset.set_defaults(do=_reset)


def alias_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier alias``."""
    parser.description = "Aliases: other names of models."
    words = parser.add_subparsers(required=True, metavar="WORD")
    add = words.add_parser("add", help="give a model another name, or change that")
    add.add_argument("name", metavar="NAME", help="* and ? make it a pattern")
    add.add_argument("target", metavar="MODEL", help="the model's name in Ollama")
    for name, help in _FLAGS.items():
        add.add_argument(f"--{name}", action="store_true", help=help)
    add.add_argument("--disable", action="store_true", help="keep it, unused")
    _overrides(add)
    add.set_defaults(do=_add)
    remove = words.add_parser("remove", help="remove an alias")
    remove.add_argument("name", metavar="NAME", help="the alias")
    remove.set_defaults(do=_remove)
    show = words.add_parser("list", help="show all aliases")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(do=_list_aliases)


_FLAGS = {
    "display": "lists show this name in the place of the model's own",
    "hidden": "it is in no list",
    "shadow": "it may hide a model of the same name",
}


def _switch(parser: Any, field: str, on: str, off: str, help: str) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(on, dest=field, action="store_true", default=None, help=help)
    group.add_argument(off, dest=field, action="store_false", default=None)


def _overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--overrides",
        type=mapping,
        metavar="JSON",
        help="parameters for it, in the place of those set before; {} for none",
    )


def _list(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        entries = administration.models.list()
        if words.json:
            terminal.say(json_of(entries))
            return
        settings = administration.choices.in_force()
    there = installed(settings)
    if asked(settings) is not settings:
        terminal.note("These are the models of the simulator of `make run`.")
    if there is None:
        terminal.note(
            "Ollama does not answer: these are the models for which something is set."
        )
    by_key = {key_of(name): name for name in there or ()}
    set_for = {key_of(entry.name): entry for entry in entries}
    rows = []
    for key in [*by_key, *(key for key in set_for if key not in by_key)]:
        entry = set_for.get(key) or ModelEntry(name=by_key[key])
        code = line_of(entry.code) if entry.code != CodeEntry() else "-"
        rows.append([*_row(entry, there is None or key in by_key), code])
    head = ["MODEL", "STATE", "OVERRIDES", "CODE"]
    for line in table(head, rows) if rows else ("None.",):
        terminal.say(line)


def _row(entry: ModelEntry | AliasEntry, is_there: bool = True) -> list[str]:
    states = ["enabled" if entry.enabled else "disabled"]
    states += ["hidden"] if entry.hidden else []
    states += [] if is_there else ["not in Ollama"]
    overrides = line_of(entry.overrides) if entry.overrides else "-"
    return [entry.name, ", ".join(states), overrides]


def _set(terminal: Terminal, words: Namespace) -> None:
    fields = ("enabled", "hidden", "overrides", "code", "description")
    said = {field: getattr(words, field) for field in fields}
    said = {field: value for field, value in said.items() if value is not None}
    with terminal.administration() as administration:
        there = installed(administration.choices.in_force())
        entry = administration.models.set(_called(there, words.name), said)
    terminal.say(json_of(entry))
    if there is None:
        terminal.note(
            "Ollama does not answer, so it was not checked whether it has"
            f" {entry.name!r}."
        )
    elif key_of(entry.name) not in set(map(key_of, there)):
        terminal.note(
            f"Ollama has no model {entry.name!r} now; this is kept until it has."
        )
    remarks.of_overrides(terminal, words.overrides)


def _called(there: list[str] | None, name: str) -> str:
    """A model's name as Ollama writes it, if Ollama has it."""
    same = (one for one in there or () if key_of(one) == key_of(name))
    return next(same, name)


def _reset(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        administration.models.reset(words.name)
    terminal.say(f"Nothing is set for {words.name!r} any more.")


def _add(terminal: Terminal, words: Namespace) -> None:
    given = {"name": words.name, "target": words.target, "enabled": not words.disable}
    given |= {flag: getattr(words, flag) for flag in _FLAGS}
    given["overrides"] = words.overrides or {}
    with terminal.administration() as administration:
        there = installed(administration.choices.in_force())
        entry = administration.aliases.set(given, there or ())
        why = administration.aliases.why(entry.name)
    if there is None:
        terminal.note(
            "Ollama does not answer, so it was not checked whether it has"
            f" {entry.target!r}, or a model that is called {entry.name!r} itself."
        )
    elif key_of(entry.target) not in set(map(key_of, there)):
        terminal.note(f"Ollama has no model {entry.target!r} now.")
    if why:
        terminal.note(why)
    where = " in the database" if why else ""
    terminal.say(f"{entry.name!r} stands for {entry.target!r}{where}.")
    remarks.of_overrides(terminal, words.overrides)


def _remove(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        entry = administration.aliases.remove(words.name)
        why = administration.aliases.why(entry.name)
    if why:
        terminal.note(why)
        terminal.say(f"{entry.name!r} is not in the database any more.")
    else:
        terminal.say(f"{entry.name!r} stands for nothing any more.")


def _list_aliases(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        found = administration.aliases.everywhere()
    if words.json:
        terminal.say(json_of([_shown(one) for one in found]))
        return
    rows = [_alias_row(one) for one in found]
    head = ["ALIAS", "MODEL", "STATE", "OVERRIDES", "FROM"]
    for line in table(head, rows) if rows else ("There are no aliases.",):
        terminal.say(line)


def _shown(one: Alias) -> dict[str, Any]:
    entry: dict[str, Any] = msgspec.to_builtins(one.entry)
    return {**entry, "origin": one.origin, "changeable": one.changeable, "why": one.why}


def _alias_row(one: Alias) -> list[str]:
    name, states, overrides = _row(one.entry)
    marks = [flag for flag in ("display", "shadow") if getattr(one.entry, flag)]
    marks += ["does not count"] if one.changeable and one.why else []
    state = ", ".join([states, *marks])
    return [name, one.entry.target, state, overrides, one.origin]
