"""``make soak``: run it and print what happened; exit status 1 if it did not hold."""

# ruff: noqa: E402 - the order is the point
from gevent import monkey

monkey.patch_all()

import argparse
import sys

from .. import process
from .run import run


def main() -> int:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--seconds", type=float, default=1800, help="how long (1800)")
    parser.add_argument("--rate", type=float, default=250, help="a second (250)")
    parser.add_argument("--workers", type=int, default=2, help="of Pannier (2)")
    arguments = parser.parse_args()
    if not process.available():
        print("The soak reads /proc and needs Linux.", file=sys.stderr)
        return 1
    return 0 if run(arguments.seconds, arguments.rate, arguments.workers) else 1


sys.exit(main())
