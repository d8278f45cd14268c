"""A Pannier that completes code."""

from .server import Server
from .simulator import Simulator

#: A model that never says anything, one that falls silent when it has begun.
SILENT, BEGINS = "fault-never", "fault-stall-2"


def serving(ollama: Simulator, model: str, **env: str) -> Server:
    """Pannier, which completes code with a model."""
    return Server({"OLLAMA_URL": ollama.url, "PANNIER_CODE_MODEL": model, **env})
