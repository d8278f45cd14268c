"""Choices: settings made in the database, and the overrides for all models."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..changeable import changeable, check, in_force
from ..option import SettingsError
from ..settings import Settings
from ..storage import configuration as kept
from ..storage.configuration import OVERRIDES
from ..storage.refusal import Refused
from .checks import check_overrides
from .desk import Connection, Desk


class Choices:
    """Settings by field, as JSON has them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def list(self) -> dict[str, Any]:
        """What was set in the database."""
        return settings_of(self._desk.read(kept.settings))

    def in_force(self) -> Settings:
        """The settings that a server here has, with all that counts more or less."""
        return in_force(self._desk.found, self.list())

    def set(
        self, wanted: Mapping[str, Any], overrides: Mapping[str, Any] | None = None
    ) -> None:
        """Set these; ``None`` is as if it had never been set.

        With them ``overrides``, if there are any, take the place of all others.
        """
        values = dict(wanted)
        if overrides is not None:
            check_overrides(overrides)
            values[OVERRIDES] = dict(overrides) or None

        def change(connection: Connection) -> None:
            before = settings_of(kept.settings(connection))
            check_settings(before, wanted, self._desk)
            kept.set_settings(connection, values, self._desk.actor)

        self._desk.write(change)

    def overrides(self) -> dict[str, Any]:
        """The parameters for all models."""
        return dict(self._desk.read(kept.settings).get(OVERRIDES) or {})

    def set_overrides(self, wanted: Mapping[str, Any]) -> None:
        """Set all of them; none is as if there had never been any."""
        self.set({}, wanted)


def settings_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """What of the fields that are kept are settings."""
    fields = changeable()
    return {field: value for field, value in found.items() if field in fields}


def check_settings(
    before: Mapping[str, Any], wanted: Mapping[str, Any], desk: Desk
) -> None:
    """Raise ``Refused`` for settings that cannot be made, or do not go together."""
    fields = changeable()
    for field, value in wanted.items():
        if field not in fields:
            raise Refused(
                f"{field!r} is not a setting that can be changed here.", field
            )
        if value is not None:
            _say(partial(check, field, value), field)
    after = {**before, **wanted}
    after = {field: value for field, value in after.items() if value is not None}
    _say(partial(in_force, desk.found, after), next(iter(wanted), ""))


def _say(check: Callable[[], object], field: str) -> None:
    try:
        check()
    except SettingsError as error:
        raise Refused(str(error), field) from None
