"""The health of a Pannier that runs here: which Ollama it asks."""

import http.client
import json
from collections.abc import Iterator

from ..reached import reached_at, url_of
from ..settings import Settings
from ..stand_in import is_simulator
from .finding import Finding, bad, note

#: Seconds; Pannier itself waits for Ollama for less.
_PATIENCE = 5.0

MADE_UP = "its answers are made up, by no model"


def beside(settings: Settings, answers: bool) -> Iterator[Finding]:
    """Whether Pannier runs here before the simulator; ``answers``: an Ollama does."""
    if not is_simulator(_ollama_of(settings)):
        return
    where = f"The Pannier at {url_of(settings)}"
    if answers:
        yield bad(
            f"{where} asks another, the simulator of `make run`: {MADE_UP}. Stop that"
            " Pannier and run it again."
        )
    else:
        yield note(
            f"{where} answers all the same, by the simulator of `make run`: {MADE_UP}."
            " Start Ollama, then stop that Pannier and run it again."
        )


def _ollama_of(settings: Settings) -> str:
    """The version of what the Pannier at our address asks; empty if nobody says."""
    connection = http.client.HTTPConnection(*reached_at(settings), timeout=_PATIENCE)
    try:
        connection.request("GET", "/version")
        found = json.loads(connection.getresponse().read(65536))
        return str(found["ollama"] or "")
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return ""
    finally:
        connection.close()
