"""A log that nobody reads."""

import http.client
import json
import sys
from contextlib import closing

import pytest
from support.server import PATIENCE, Server
from support.simulator import Simulator

from app.launch import gunicorn

pytestmark = pytest.mark.live

#: Runs a program with a pipe as stdout, whose other end it leaves open and alone.
UNREAD = """
import os, sys
reading, writing = os.pipe()
os.set_inheritable(reading, True)
os.dup2(writing, 1)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_an_unread_log_stops_nobody(simulator: Simulator) -> None:
    """A thousand requests are answered, though their lines have nowhere to go."""
    program, environ = gunicorn([])
    command = [sys.executable, "-c", UNREAD, *program]
    with (
        Server({"OLLAMA_URL": simulator.url, **environ}, command=command) as server,
        closing(
            http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        ) as connection,
    ):
        for _ in range(1000):
            connection.request("GET", "/health")
            with connection.getresponse() as answer:
                assert json.load(answer) == {"status": "ok"}
