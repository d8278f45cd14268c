"""``make bench``: run the benchmark and print its report."""

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

from . import process
from .run import run


def main() -> int:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    parser.add_argument(
        "--against", type=Path, help="another checkout of Pannier to compare with"
    )
    arguments = parser.parse_args()
    if not process.available():
        print("The benchmark reads /proc and needs Linux.", file=sys.stderr)
        return 1
    today = datetime.datetime.now(datetime.UTC).date()
    print(
        f"{today}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" medians of {arguments.rounds} rounds\n"
    )
    print(run(arguments.rounds, arguments.against))
    return 0


sys.exit(main())
