"""Installed: which models Ollama has, where it answers.

Where the simulator of ``make run`` takes its part, these are the simulator's.
"""

import msgspec

from ..errors import UpstreamError
from ..settings import Settings
from ..stand_in import asked
from ..upstream import Upstream
from ..wire import ollama

_PATIENCE = 5.0


def installed(settings: Settings) -> list[str] | None:
    """The names of the models that Pannier has; ``None`` where nothing answers."""
    return of_ollama(asked(settings))


def of_ollama(settings: Settings) -> list[str] | None:
    """The names of the models at Ollama's own address; ``None`` where it is silent."""
    upstream = Upstream.of(settings)
    try:
        answer = upstream.control("GET", "/api/tags", timeout=_PATIENCE)
        listed = msgspec.json.decode(answer, type=ollama.ListResponse)
        return [
            msgspec.json.decode(raw, type=ollama.ListModel).called
            for raw in listed.models or ()
        ]
    except (UpstreamError, msgspec.DecodeError):
        return None
    finally:
        upstream.close()


def shows(settings: Settings, name: str) -> bool:
    """Whether Ollama knows a model, listed or not: those of the cloud are not."""
    upstream = Upstream.of(asked(settings))
    try:
        upstream.control("POST", "/api/show", ollama.ShowRequest(name), _PATIENCE)
        return True
    except UpstreamError:
        return False
    finally:
        upstream.close()
