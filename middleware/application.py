"""Application: all of Pannier in one worker, in the form that its settings have now.

Settings that are changed in the database make another stack, which takes the place of
the one before; requests that are under way end in the old one.
"""

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from app import changeable
from app.errors import GatewayError
from app.gateway.snapshot import Snapshot
from app.inflight import Inflight
from app.installation import Installation
from app.option import Given, SettingsError
from app.settings import Settings

from .doors import PROBES
from .stack import build_stack

log = logging.getLogger("pannier")


class Application:
    """The stack in force.

    ``found`` is what somebody set in the environment and ``.env``; raises
    ``SettingsError`` where that is wrong.  ``inflight`` are the requests that a worker
    has to end before it stops, ``installation`` is what it has one of.
    """

    def __init__(self, found: Mapping[str, Given]) -> None:
        settings = Settings.meant(found)
        self._found = found
        self._kept: Mapping[str, Any] = {}
        self.inflight = Inflight(settings.write_timeout)
        self.installation = Installation(settings, found)
        self.installation.current.changed.append(self._changed)
        self._stack = build_stack(settings, self.installation, self.inflight)
        self._settled = False

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request; the first ones wait for what the database has to say."""
        if not self._settled:
            self._settle(environ)
        return self._stack(environ, start_response)

    def _settle(self, environ: WSGIEnvironment) -> None:
        if environ.get("PATH_INFO") in PROBES:
            return
        with suppress(GatewayError):  # who needs it will ask again, and say so
            self.installation.current.now  # noqa: B018 - it waits
            self._settled = True

    def _changed(self, snapshot: Snapshot) -> None:
        """Have another stack if the settings are others."""
        if snapshot.settings == self._kept:
            return
        self._kept = snapshot.settings
        try:
            settings = changeable.in_force(self._found, snapshot.settings)
        except SettingsError as error:
            log.error("The settings in the database are not used: %s", error)
            return
        old = self._stack
        self._stack = build_stack(settings, self.installation, self.inflight)
        self.inflight.write_timeout = settings.write_timeout
        old.release()
        log.info("Settings were changed: Ollama is at %s", settings.upstream_url)
