"""Changeable: settings that can be changed in the database, while Pannier runs.

They count less than the environment and ``.env``, but for Ollama's address, of which
those say the first value (specification: decisions, 27).  What a server is started
with, where things are kept and who may come in is not among them.
"""

import functools
import logging
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from .option import Given, Option, SettingsError, meaning
from .settings import Settings, options

WHERE = "the database"
#: Why one cannot be changed here.
BEFORE = "It is set before Pannier starts: {} in the environment or .env."
#: No setting: the address of the database in whose place `make run` has a simulator,
#: because nothing answered there.  It counts again when it is another.
REPLACED = "SIMULATED_OLLAMA"

#: Settings that are looked at once, at the start, or that name files of the machine.
_FIXED = {
    "admin_password",
    "admin_username",
    "aliases",  # which have a table of their own
    "auth",
    "code_families",
    "database_url",
    "graceful_timeout",
    "header_timeout",
    "host",
    "limits_url",
    "max_inflight",
    "pin_upstream",
    "port",
    "responses_max_bytes",
    "responses_ttl",
    "secret_file",
    "session_secret",
    "state_dir",
    "trusted_proxies",
    "upstream_api_key",
    "workers",
}

log = logging.getLogger("pannier")


@functools.cache
def changeable() -> Mapping[str, Option]:
    """The options that can be changed, by field."""
    return {one.field: one for one in options() if one.field not in _FIXED}


def variable(field: str) -> str:
    """What people call a setting: its variable; any other field as it is."""
    option = changeable().get(field)
    return option.variable if option is not None else field


def check(field: str, value: object) -> None:
    """Raise ``SettingsError``, with one sentence, for what cannot be set so."""
    option = changeable().get(field)
    if option is None:
        raise SettingsError(f"{field!r} is not a setting that can be changed here.")
    meaning(option, _given(option, value))


def settings_with(found: Mapping[str, Given], field: str, value: object) -> Settings:
    """The settings of ``found`` with another value; raises ``SettingsError``.

    It is as strict as ``check`` and ``in_force`` are with what is to be kept.
    """
    return Settings.meant({**found, field: _given(changeable()[field], value)})


def in_force(found: Mapping[str, Given], kept: Mapping[str, Any]) -> Settings:
    """The settings that the environment and ``.env``, and the database, have made.

    ``kept`` are JSON values by field.  What no longer means anything is left out, with
    a line in the log.  Raises ``SettingsError`` where they do not go together.
    """
    return Settings.meant(_merged(found, _readable(kept)))


def _merged(
    found: Mapping[str, Given], kept: Mapping[str, Given]
) -> Mapping[str, Given]:
    merged = {**kept, **found}
    url = kept.get("upstream_url")
    if url is None or url.text == os.environ.get(REPLACED):
        return merged
    if not Settings.meant(found).pin_upstream:
        merged["upstream_url"] = url
    return merged


def _readable(kept: Mapping[str, Any]) -> dict[str, Given]:
    readable = {}
    for field, value in kept.items():
        try:
            check(field, value)
        except SettingsError as error:
            log.warning("A setting in the database is not used: %s", error)
            continue
        readable[field] = _given(changeable()[field], value)
    return readable


def _given(option: Option, value: object) -> Given:
    """A JSON value as the text that would mean it."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return Given(text.strip(), option.variable, WHERE)
