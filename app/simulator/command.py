"""``pannier simulate``: start the simulator, or list what it can do."""

import argparse
import signal
import sys

import gevent

from . import faults
from .api import Api
from .journal import Journal
from .models import FRIENDLY, Catalogue
from .server import Server
from .tiny import DATA
from .window import VERSION

_SIM = """\
sim-<part>-<part>…  parts: tps50 (tokens a second), chunks200 (content lines),
    bytes64 (bytes a chunk), load2 (seconds before the first byte), dims1024
    (an embedding model), audio, think, tools, vision, script (follows the steps
    CALL name {"an": "argument"} and SAY words in the user's prompt)
fault-<name>[-<n>]  a fault on chat, generate and embed, after n good lines:
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pannier simulate",
        description="A stand-in for Ollama that speaks its native API and says so: "
        f"its version is {VERSION}.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=11434, help="port; 0 takes a free one"
    )
    parser.add_argument(
        "--tps", type=float, default=0, help="tokens a second of ordinary models"
    )
    parser.add_argument("--list", action="store_true", help="list models and faults")
    return parser


def listing() -> str:
    """All models and faults, one line each."""
    tiny = (f"{n}  {', '.join(e['capabilities'])}" for n, e in DATA["models"].items())
    friendly = (f"{name}  {', '.join(f[0].split())}" for name, f in FRIENDLY.items())
    broken = (f"    {name}  {faults.describe(name)}" for name in faults.FAULTS)
    return "\n".join([*tiny, *friendly, _SIM + "\n".join(broken)]) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Run the simulator until SIGINT or SIGTERM; returns the exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.list:
        sys.stdout.write(listing())
        return 0
    journal = Journal()
    api = Api(Catalogue(), journal, arguments.tps)
    try:
        server = Server(arguments.host, arguments.port, journal, api)
    except OSError as error:
        sys.stderr.write(f"cannot listen on port {arguments.port}: {error.strerror}\n")
        return 1
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop)
    sys.stdout.write(
        "Pannier's Ollama simulator (not a real Ollama) listens on "
        f"http://{host}:{server.port}\n"
    )
    sys.stdout.flush()
    server.run()
    return 0
