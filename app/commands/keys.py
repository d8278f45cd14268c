"""``pannier keys``: make, show, change and revoke keys."""

import argparse
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from ..administration import Administration
from ..administration.keys import check_grace
from ..administration.views import state, view
from ..gateway.credentials import STRONG
from ..gateway.groups import ORDINARY
from ..gateway.keys import Key, Moment
from ..moment import now_ms
from . import remarks
from .keys_form import LIMITS, add_yes, fields, form
from .terminal import Terminal
from .words import duration, json_of, moment, table


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier keys``."""
    parser.description = "Keys: who may ask, and for what."
    words = parser.add_subparsers(required=True, metavar="WORD")
    create = words.add_parser("create", help="make a key and print it, this once")
    form(create, create=True)
    create.set_defaults(do=_create)
    take_in = words.add_parser(
        "import", help="take in a key from elsewhere, read from standard input"
    )
    form(take_in, create=True)
    take_in.set_defaults(do=_take_in)
    show_all = words.add_parser("list", help="show all keys")
    show_all.add_argument("--json", action="store_true", help="as JSON")
    show_all.set_defaults(do=_list)
    change = _about(words, "set", "change what a key may do", _set)
    form(change, create=False)
    _about(words, "show", "show one key", _show)
    _about(words, "enable", "let a disabled key in again", _switch(True))
    _about(words, "disable", "refuse a key until it is enabled", _switch(False))
    revoke = _about(words, "revoke", "refuse a key for ever", _revoke)
    add_yes(revoke)
    rotate = _about(words, "rotate", "give a key another secret, printed once", _rotate)
    rotate.add_argument(
        "--grace",
        type=duration,
        default=0,
        metavar="TIME",
        help="how long the old secret stays good, at most 7d (default: not at all)",
    )
    delete = _about(words, "delete", "remove a key as if it had never been", _delete)
    add_yes(delete)


def _about(words: Any, name: str, help: str, do: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = words.add_parser(name, help=help)
    parser.add_argument("which", metavar="NAME|ID", help="the key")
    parser.set_defaults(do=do)
    return parser


def _create(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        said = fields(words)
        _warn(terminal, administration, said, words.yes)
        key, secret = administration.keys.create(said)
        if words.json:
            terminal.say(json_of({"key": secret, **view(key, now_ms())}))
        else:
            terminal.say(secret)
            terminal.note(
                f"This is the key {key.name!r}, of {terminal.place}. It is not shown"
                " again."
            )
        _remark(terminal, administration, said)


def _remark(
    terminal: Terminal, administration: Administration, said: dict[str, Any]
) -> None:
    remarks.of_overrides(terminal, said.get("overrides"))
    remarks.of_patterns(terminal, administration, said.get("allow_models", ()))


def _take_in(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        said = fields(words)
        _warn(terminal, administration, said, words.yes)
        key = administration.keys.take_in(said, terminal.secret())
    if words.json:
        terminal.say(json_of(view(key, now_ms())))
        return
    terminal.say(
        f"The key {key.name!r} ({key.shown}) works from now on, in {terminal.place}."
    )
    if key.weak:
        terminal.note(f"It has less than {STRONG} characters: it may be guessed.")


def _warn(
    terminal: Terminal, administration: Administration, said: dict[str, Any], yes: bool
) -> None:
    """Say what a first key does before it is made, if it can be."""
    administration.keys.check(said)
    if terminal.settings.auth == "off":
        terminal.note("PANNIER_AUTH=off: nobody is asked for a key.")
    if administration.keys.closes():
        terminal.confirm(
            "This is the first key: from now on every request needs one"
            " (PANNIER_AUTH=auto).",
            yes,
        )


def _list(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        keys = administration.keys.list()
    now = now_ms()
    if words.json:
        terminal.say(json_of([view(key, now) for key in keys]))
    elif keys:
        for line in table(_HEAD, (_row(key, now) for key in keys)):
            terminal.say(line)
    else:
        terminal.say("There are no keys.")


_HEAD = ["NAME", "KEY", "STATE", "MODELS", "LIMITS", "MORE", "EXPIRES", "LAST USED"]


def _row(key: Key, now: Moment) -> list[str]:
    terms = key.terms
    models = [*terms.allow_models, *(f"not {glob}" for glob in terms.deny_models)]
    limits = (
        f"{getattr(terms, field)} {name.removeprefix('--')}"
        for field, (name, _) in LIMITS.items()
        if getattr(terms, field) is not None
    )
    return [
        key.name,
        key.shown,
        state(key, now) + (", weak" if key.weak else ""),
        _short(", ".join(models)) or "none",
        ", ".join(limits) or "-",
        "; ".join(_more(key, now)) or "-",
        moment(key.expires_at),
        moment(key.last_used_at),
    ]


def _more(key: Key, now: Moment) -> Iterator[str]:
    """What a key has otherwise than one of which nothing is said."""
    groups = key.terms.allow_endpoints
    if set(groups) != set(ORDINARY):
        yield f"endpoints: {', '.join(groups) or 'none'}"
    if key.terms.overrides:
        yield "overrides"
    if key.previous_until is not None and key.previous_until > now:
        yield f"old secret until {moment(key.previous_until)}"


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _show(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        terminal.say(json_of(view(administration.keys.get(words.which), now_ms())))


def _set(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        shuts = words.expires is not None and administration.keys.shuts(words.which)
        key = administration.keys.change(words.which, fields(words))
    terminal.say(json_of(view(key, now_ms())))
    if shuts and key.expires_at is not None:
        terminal.note(
            "No other key is good: every request is refused from"
            f" {moment(key.expires_at)} UTC on."
        )


def _switch(enabled: bool) -> Any:
    def do(terminal: Terminal, words: Namespace) -> None:
        with terminal.administration() as administration:
            shuts = not enabled and administration.keys.shuts(words.which)
            key = administration.keys.change(words.which, {"enabled": enabled})
        terminal.say(f"The key {key.name!r} is {state(key, now_ms())}.")
        if shuts:
            terminal.note("No other key is good: every request is refused now.")

    return do


def _revoke(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        _warn_of_the_last(terminal, administration, words)
        key = administration.keys.revoke(words.which)
    terminal.say(f"The key {key.name!r} is revoked.")
    if terminal.settings.auth == "off":
        terminal.note("PANNIER_AUTH=off: nobody is asked for a key.")


def _warn_of_the_last(
    terminal: Terminal, administration: Administration, words: Namespace
) -> None:
    """Say what becomes of requests without the only good key, before it goes."""
    if not administration.keys.shuts(words.which):
        return
    auth = "PANNIER_AUTH=on"
    if terminal.settings.auth == "auto":
        auth = "PANNIER_AUTH=auto opens nothing while a key is kept, a revoked one too"
    terminal.confirm(
        "This is the only key that is good: without it every request is refused"
        f" ({auth}).",
        words.yes,
    )


def _rotate(terminal: Terminal, words: Namespace) -> None:
    check_grace(words.grace)  # before anybody looks for the key
    with terminal.administration() as administration:
        before = administration.keys.get(words.which)
        key, secret = administration.keys.rotate(words.which, words.grace)
    terminal.say(secret)
    until = "is no longer good"
    if key.previous_until is not None:
        until = f"is good until {moment(key.previous_until)} UTC"
    terminal.note(
        f"This is the new secret of the key {key.name!r}. It is not shown again; the"
        f" old one {until}."
    )
    if before.previous_until is not None and before.previous_until > now_ms():
        terminal.note(
            "The one before that, which was to be good until"
            f" {moment(before.previous_until)} UTC, is no longer good."
        )


def _delete(terminal: Terminal, words: Namespace) -> None:
    with terminal.administration() as administration:
        if administration.keys.opens(words.which):
            terminal.confirm(
                "This is the only key: without it nobody needs one"
                " (PANNIER_AUTH=auto).",
                words.yes,
            )
        else:
            _warn_of_the_last(terminal, administration, words)
        key = administration.keys.delete(words.which)
    terminal.say(f"The key {key.name!r} is gone.")
