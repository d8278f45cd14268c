"""Pannier's configuration of gunicorn, and a look at how long its hub is held.

``GET /probe`` answers the longest time, in seconds, for which a greenlet that wants to
run every 5 ms could not, since it was last asked; and after a blank the longest in
which the process was at work all the while, which is no fault of a busy machine.  Names
that end in ``.test`` are looked up for a second, in vain.
"""

import _socket
import runpy
import time
from pathlib import Path

globals().update(runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py")))

import gevent  # noqa: E402 - the configuration above has patched first
from gevent.monkey import get_original  # noqa: E402

_theirs = post_worker_init  # type: ignore[name-defined]  # noqa: F821
_look_up = _socket.getaddrinfo
_sleep = get_original("time", "sleep")


def _slowly(host, *arguments, **more):
    flags = arguments[4] if len(arguments) > 4 else 0
    if str(host).endswith(".test") and not flags & _socket.AI_NUMERICHOST:
        _sleep(1)
        raise _socket.gaierror(_socket.EAI_NONAME, "nobody knows")
    return _look_up(host, *arguments, **more)


_socket.getaddrinfo = _slowly


def post_worker_init(worker):
    """Start the ticker and answer for it."""
    _theirs(worker)
    inner = worker.wsgi
    longest = [0.0, 0.0]

    def tick():
        last, work = time.perf_counter(), time.process_time()
        while True:
            gevent.sleep(0.005)
            took, worked = time.perf_counter() - last, time.process_time() - work
            last, work = last + took, work + worked
            longest[:] = max(longest[0], took), max(longest[1], min(took, worked))

    def probed(environ, start_response):
        if environ["PATH_INFO"] != "/probe":
            return inner(environ, start_response)
        said, longest[:] = f"{longest[0]} {longest[1]}", (0.0, 0.0)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [said.encode()]

    worker.wsgi = probed
    gevent.spawn(tick)
