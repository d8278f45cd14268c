"""``pannier usage``: what requests have used, and who used most."""

import argparse
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..administration import Administration
from ..moment import now_ms
from .terminal import Terminal
from .words import json_of, moment, table

_DAY = 86_400_000
_MOST_DAYS = 36_500
#: Rows of the table.
_MOST = 100
#: What stands for who has no name: requests that needed no key.
_NOBODY = "-"

Sums = Mapping[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pannier usage``."""
    parser.description = "What requests have used, and who used most. Times are UTC."
    parser.add_argument(
        "--days",
        type=_days,
        default=1,
        metavar="N",
        help="the last N days (default: 1, the last 24 hours)",
    )
    parser.add_argument(
        "--by",
        choices=("key", "model", "endpoint"),
        default="key",
        help="what is told apart, those with most tokens first (default: key)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(do=_usage)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST_DAYS):
        raise argparse.ArgumentTypeError(
            f"{text!r}: a whole number of days from 1 to {_MOST_DAYS} is wanted"
        )
    return int(text)


def _usage(terminal: Terminal, words: Namespace) -> None:
    end = now_ms()
    period = max(0, end - words.days * _DAY), end
    with terminal.administration() as administration:
        total = administration.usage.summary(period)
        top = administration.usage.top(words.by, period, metric="tokens", limit=_MOST)
        names = _names(administration, top) if words.by == "key" else {}
        unkept = _why_not(administration)
    if words.json:
        terminal.say(json_of({"summary": total, "top": top, "names": names}))
        return
    shown = {**total, "to": min(total["to"], end)}  # sums go on to a whole hour, or day
    for line in _lines(words.by, shown, top, names):
        terminal.say(line)
    if unkept:
        terminal.note(unkept)


def _names(administration: Administration, top: Iterable[Sums]) -> dict[str, str]:
    """The names of keys by their ids, also of those that are gone."""
    ids = {one["key"] for one in top}
    names = {key.id: key.name for key in administration.keys.list() if key.id in ids}
    gone = ids - names.keys()
    return names | (administration.usage.names(gone) if gone else {})


def _why_not(administration: Administration) -> str:
    """Why nothing is noted now, where that is so; else empty."""
    setting = administration.choices.in_force().usage
    if setting == "on" or (setting == "auto" and administration.keys.list()):
        return ""
    why = "" if setting == "off" else ", and there is no key"
    return f"Nothing is noted now: PANNIER_USAGE={setting}{why}."


def _lines(
    by: str, total: Sums, top: Sequence[Sums], names: Mapping[str, str]
) -> Iterator[str]:
    begin, end = moment(total["from"]), moment(total["to"])
    yield (
        f"From {begin} to {end}: {_many(total['requests'], 'request')},"
        f" {_many(total['errors'], 'error')}, {total['prompt_tokens']} tokens read,"
        f" {total['completion_tokens']} written, {_seconds(total['gpu_ms'])} of GPU"
        " time."
    )
    if not top:
        return
    yield from table(
        [by.upper(), "REQUESTS", "ERRORS", "TOKENS", "GPU TIME"],
        (_row(names.get(one[by], one[by]), one) for one in top),
    )
    if len(top) == _MOST:
        yield f"These are the {_MOST} with most tokens."


def _row(name: str, one: Sums) -> list[str]:
    shown = name if name.isprintable() else repr(name)
    numbers = (str(one[n]) for n in ("requests", "errors", "tokens"))
    return [shown or _NOBODY, *numbers, _seconds(one["gpu_ms"])]


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f}s"
