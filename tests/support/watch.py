"""A proxy that lets nobody through, to see whom a program calls beside this machine."""

import socketserver
import threading
from typing import Self


class Watch(socketserver.ThreadingTCPServer):
    """A proxy that lets nobody through; ``tried`` are the hosts that were wanted."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusal)
        self.tried: set[str] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def environ(self) -> dict[str, str]:
        """Variables that lead programs here, but for what is on this machine."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        here = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")
        return here | dict.fromkeys(names, url)


class Refusal(socketserver.StreamRequestHandler):
    """Writes down who was wanted, and closes."""

    def handle(self) -> None:
        """Read the first line only."""
        assert isinstance(self.server, Watch)
        self.server.tried.add(self.rfile.readline().decode("latin-1").strip())
