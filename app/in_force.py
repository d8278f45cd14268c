"""What is in force: every option with its value, and where that is from."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from .given import given
from .option import Given, Option
from .settings import Settings, options


class InForce(msgspec.Struct, frozen=True):
    """One option's value as ``pannier config`` shows it, secrets masked."""

    option: Option
    shown: str
    source: str


def in_force(
    environ: Mapping[str, str] | None = None, env_file: Path | None = None
) -> list[InForce]:
    """Each option with its value and where that is from; raises ``SettingsError``."""
    found = given(options(), environ, env_file)
    settings = Settings.meant(found)
    return [
        InForce(option, _shown(option, settings), _source(found.get(option.field)))
        for option in options()
    ]


def _shown(option: Option, settings: Settings) -> str:
    value = getattr(settings, option.field)
    if option.secret and value:
        return "********"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _source(given: Given | None) -> str:
    return f"{given.variable} in {given.where}" if given else "default"
