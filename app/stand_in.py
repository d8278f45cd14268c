"""Stand-in: the simulator of ``make run``, told to the commands beside it.

While it runs a file in the state directory has its address, for each port of a Pannier.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .errors import UpstreamError
from .settings import Settings
from .upstream import Upstream

#: How the simulator's version ends.
_SIMULATOR = "-simulator"
#: In seconds; it is on this machine.
_PATIENCE = 2.0


def is_simulator(version: str) -> bool:
    """Whether this is the version of our own simulator, and of no Ollama."""
    return version.endswith(_SIMULATOR)


@contextlib.contextmanager
def told(settings: Settings, replaced: str, url: str) -> Iterator[None]:
    """Have commands know that ``url`` takes the part of ``replaced`` meanwhile.

    Where no file can be made they do not.
    """
    path = _file(settings)
    try:
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(json.dumps({"replaced": replaced, "url": url}))
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def asked(settings: Settings) -> Settings:
    """The settings by which to ask what the Pannier here asks: the same, or of that."""
    try:
        found = json.loads(_file(settings).read_bytes())
        if found["replaced"] != settings.upstream_url:  # set to another meanwhile
            return settings
        there = msgspec.structs.replace(settings, upstream_url=str(found["url"]))
    except (OSError, ValueError, LookupError, TypeError):
        return settings
    return there if _answers(there) else settings


def _answers(there: Settings) -> bool:
    """Whether it is there still: one that was killed leaves its file behind."""
    try:
        with contextlib.closing(Upstream.of(there)) as upstream:
            said = upstream.control("GET", "/api/version", timeout=_PATIENCE)
        return is_simulator(str(json.loads(said)["version"]))
    except (UpstreamError, ValueError, LookupError, TypeError):
        return False


def _file(settings: Settings) -> Path:
    place = settings.state_dir or os.devnull  # in which there is nothing
    return Path(place, f"simulator-{settings.port}.json")
