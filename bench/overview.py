"""What the overview of the administration costs, with millions of rows of usage.

    python -m bench.overview DIRECTORY [ROWS]

Fills the database of a state directory until it has so many rows (5,000,000), up to
now, and asks a Pannier with it for the page of each range.  It prints how long the page
takes, how much CPU it costs that a browser has its parts fetched again, and which part
of a core that is, as often as it does so.
"""

import sys
import time
from pathlib import Path
from statistics import median

from app.admin.pages.overview import RANGES
from app.storage.database import Database
from app.storage.upgrade import upgrade
from app.storage.usage_writing import add
from tests.support.raw import ask
from tests.support.site import Site, running

from . import process
from .usage_rows import DAYS, MANY, fill, rows

TRIES = 15
#: How often it is asked how Ollama is, in seconds (overview_standing.html).
STANDING = 30


def main(directory: str, wanted: int = 5_000_000) -> None:
    """Fill, ask, and print."""
    database = Database("", directory, 600_000)
    upgrade(database)
    fill(database, wanted)
    _go_on(database, wanted)
    database.close()
    state = str(Path(directory).resolve())
    with running({"PANNIER_STATE_DIR": state, "PANNIER_USAGE": "on"}) as site:
        say = sys.stdout.write
        say(f"{'range':10} page: median  longest (ms)  again: CPU ms  % of a core\n")
        for name, one in RANGES.items():
            times = sorted(_took(site, f"/admin/?range={name}") for _ in range(TRIES))
            cost = _cpu(site, f"/admin/overview/figures?range={name}")
            share = cost / one.again / 10
            say(f"{name:10} {median(times):12.0f} {times[-1]:8.0f}")
            say(f" {cost:20.1f} {share:12.2f}\n")
        cost = _cpu(site, "/admin/overview/standing")
        say(f"{'standing':10} {cost:42.1f} {cost / STANDING / 10:12.2f}\n")


def _go_on(database: Database, wanted: int) -> None:
    """Rows as close together as the others, from the last one until now."""
    with database.reading() as connection:
        query = "SELECT max(at) FROM usage_record"
        last = int(connection.exec_driver_sql(query).scalar() or 0)
    many = int((time.time() * 1000 - last) / (DAYS * 86_400_000) * wanted)
    new = [one for one in rows(many, wanted) if one.at > last]
    for start in range(0, len(new), MANY):
        with database.writing() as connection:
            add(connection, new[start : start + MANY])


def _took(site: Site, path: str) -> float:
    """Milliseconds until all of an answer is there."""
    began = time.perf_counter()
    headers = {"Cookie": site.admin.headers["Cookie"], "Accept": "text/html"}
    got = ask(site.server.port, "GET", path, None, headers)
    assert got.status == 200, got
    return 1000 * (time.perf_counter() - began)


def _cpu(site: Site, path: str) -> float:
    """Milliseconds of CPU that an answer costs, of all processes of Pannier."""
    _took(site, path)
    before = process.cpu(site.server.pid)
    for _ in range(TRIES):
        _took(site, path)
    return 1000 * (process.cpu(site.server.pid) - before) / TRIES


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
