"""An honest stand-in for Ollama: its native API without a model.

Speaks /api/* as recorded from a real server, byte for byte, with answers that follow
from the request.  It is another program: it runs in its own process, shares no code
with the rest of Pannier, and says in its banner, its version and its own routes that
it is a simulator.  Model names choose behaviour and faults (``--list``).

    server    HTTP framing              golang    JSON and times as Go writes them
    api       routes                    fields    request types and Go's complaints
    calls     a checked chat call       deliver   its lines, or its one document
    voices    who speaks: tiny or text  speech    stop strings, thinking, tool calls
    models    the catalogue             library   show, pull, copy, create …
    schema    an instance of a schema   script    the steps of a user's script
    journal   what was asked            faults    what can go wrong, by name
    command   the command line

Tests look through four routes of its own: ``GET /simulator/log`` (and ``DELETE``),
``GET /simulator/wait?method=&path=&outcome=&timeout=``, ``GET /simulator/open`` and
``POST /simulator/fault?path=&name=`` (and ``DELETE``).
"""

from .command import main

__all__ = ["main"]
