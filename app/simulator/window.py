"""The simulator's own routes: what it was asked, and which route shall fail."""

from . import faults
from .calls import Refusal
from .exchange import Exchange
from .journal import Journal
from .library import send

VERSION = "0.32.15-simulator"


class Window:
    """Shows the journal; keeps the faults that routes were given."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.faults: dict[str, tuple[str, int | None]] = {}

    def log(self, exchange: Exchange) -> None:
        """GET /simulator/log: the last requests, oldest first."""
        shown = [entry.shown() for entry in self.journal.entries]
        send(exchange, {"simulator": VERSION, "requests": shown})

    def clear(self, exchange: Exchange) -> None:
        """DELETE /simulator/log."""
        self.journal.entries.clear()
        send(exchange, {"requests": []})

    def wait(self, exchange: Exchange) -> None:
        """GET /simulator/wait: the newest request that fits, once there is one."""
        query = dict(exchange.query)
        entry = self.journal.wait(query, float(query.pop("timeout", 5)))
        if entry is None:
            raise Refusal(504, "no such request within the time")
        send(exchange, {"request": entry.shown()})

    def open(self, exchange: Exchange) -> None:
        """GET /simulator/open: how many requests are being answered."""
        send(exchange, {"open": self.journal.open})

    def fault(self, exchange: Exchange) -> None:
        """POST /simulator/fault: a route fails from now on."""
        name = exchange.query.get("name", "")
        if name not in faults.FAULTS:
            raise Refusal(404, f"no fault {name!r}")
        after = exchange.query.get("after")
        path = exchange.query.get("path", "/api/tags")
        self.faults[path] = (name, None if after is None else int(after))
        send(exchange, {"faults": list(self.faults)})

    def clear_faults(self, exchange: Exchange) -> None:
        """DELETE /simulator/fault: every route is whole again."""
        self.faults.clear()
        send(exchange, {"faults": {}})
