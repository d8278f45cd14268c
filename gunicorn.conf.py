"""How gunicorn runs Pannier; read from here by ``gunicorn wsgi:application`` too.

``pannier serve`` passes this file by name.  What can be set is set by the options
of ``app.settings``; the values below are the ones that have only one right answer.
"""

# ruff: noqa: E402 - the order is the point
import os
import sys

# gunicorn has put the current directory first on the path, where any `flask.py` of a
# user's would be taken for Flask.  Ours comes first and theirs last.
_home = os.path.dirname(os.path.realpath(__file__))
_paths = [path for path in sys.path if path != _home]
_paths.sort(key=lambda path: os.path.realpath(path) == os.path.realpath(""))
sys.path[:] = [_home, *_paths]

from gevent import monkey

# Before anything imports ssl, urllib3 or requests: the worker patches too late for
# what its parent has loaded (specification: reliability, P8).
monkey.patch_all()

import gc
import signal
from typing import Any

import gevent

from app import start
from app.body import finish_body
from app.drain import drain
from app.greeting import greet
from app.metrics import board
from app.proxies import networks
from app.server.worker import Worker
from app.settings import Settings, SettingsError
from app.turns import Shared

try:
    _settings = Settings.from_environ()
    if not start.hears(_settings.host):
        raise SettingsError(
            f"PANNIER_HOST={_settings.host!r}: this machine cannot listen there."
        )
    if _settings.code_families:
        from middleware.code.families import Families, FamiliesError

        try:
            Families.load(_settings.code_families)
        except FamiliesError as exc:
            raise SettingsError(f"PANNIER_CODE_FAMILIES: {exc}.") from None
except SettingsError as exc:
    print(f"pannier: {exc}", file=sys.stderr)  # noqa: T201 - there is no log yet
    sys.exit(2)

_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
bind = [f"{_host}:{_settings.port}"]
workers = _settings.workers
worker_class = Worker
proc_name = "pannier"

# One limit in gunicorn for two waits: for a request's head, and between requests.
# Zero would leave half a head open for ever (specification: reliability, P3).
keepalive = _settings.header_timeout
graceful_timeout = _settings.graceful_timeout

# A worker at this many connections stops accepting and clients wait unheard in the
# backlog, so it lies above every limit of ours that answers (reliability, P4).
worker_connections = max(4000, 2 * _settings.max_inflight)
backlog = 4096

# The same proxies that ours believes; what comes over a unix socket gunicorn trusts.
forwarded_allow_ips = ",".join(map(str, networks(_settings.trusted_proxies)))

# Not a limit on answers: a worker whose event loop stands still this long is replaced.
timeout = 30

# Imports happen in the worker, after the fork; recycling would cut long streams.
preload_app = False
max_requests = 0

# Our own middleware writes the access log; errors go to stderr.
accesslog = None
errorlog = "-"

# No second way in: nothing of ours uses gunicorn's control interface.
control_socket_disable = True

# The heartbeat file wants memory, and a root that is read-only has no other place.
if os.access("/dev/shm", os.W_OK):  # noqa: S108 - gunicorn makes a private file there
    worker_tmp_dir = "/dev/shm"  # noqa: S108


# Inherited by every worker.
start.give_memory_back()

# Who spawned a greenlet, from where: nobody asks, and it is a third of a spawn's cost.
gevent.config.track_greenlet_tree = False

# Lines that nobody forges, with nobody's secrets, and that nobody waits for.
logger_class = start.log_of(_settings)


def on_starting(server: Any) -> None:
    """Say what was decided, warn of what may not be meant; once, not at reloads."""
    cfg = server.cfg
    for warning in (
        # Set by our Dockerfile, and by other container engines themselves.
        *start.warnings(_settings, "container" in os.environ),
        *start.recycling(_settings, cfg.max_requests, cfg.graceful_timeout),
        *start.raise_descriptors(_settings),
    ):
        server.log.warning("%s", warning)
    server.log.info("Ollama is expected at %s", _settings.upstream_url)
    start.guard_reload(server)


def when_ready(server: Any) -> None:
    """Leave what is loaded now to all workers, in memory that they share.

    A collection writes to every object that it looks at, and what is written to is
    shared no more (docs/decisions/0012).
    """
    gc.freeze()


def pre_fork(server: Any, worker: Any) -> None:
    """Have a worker's numbers where all others are."""
    worker.sheet = board.shared().take()


def child_exit(server: Any, worker: Any) -> None:
    """Leave what it has counted to the one that takes its place."""
    board.shared().leave(worker.sheet)


def post_worker_init(worker: Any) -> None:
    """Leave Ctrl-C to the master, the log to our own lines, and no answer unended.

    A terminal sends it to every process; the worker's own way of ending on it is a
    SystemExit inside a greenlet, which gevent prints with its traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # a collection looks at requests, not at all that is loaded each time
    gevent.spawn(drain, worker, worker.wsgi.inflight)
    worker.wsgi.installation.counts.share(board.shared(), worker.sheet)
    if worker.age == 1:  # one of them is enough, and says it once
        names = [listener.getsockname() for listener in worker.sockets]
        hosts = [name[0] for name in names if isinstance(name, tuple)]
        greet(worker.wsgi.installation, _settings, hosts)
    worker.wsgi.installation.start()
    worker.wsgi.installation.live.start(worker.wsgi.inflight)
    start.say_what_nobody_catches()


def worker_exit(server: Any, worker: Any) -> None:
    """Write what requests have used, before the worker ends."""
    if hasattr(worker, "wsgi"):  # or it never began
        worker.wsgi.installation.close()


def pre_request(worker: Any, request: Any) -> None:
    """Let no client that sends without end hold up the others."""
    unreader = request.unreader  # of the connection, which may have been here before
    if not isinstance(unreader.sock, Shared):
        unreader.sock = Shared(unreader.sock)
    unreader.sock.turn()


def post_request(worker: Any, request: Any, environ: Any, response: Any) -> None:
    """See to it that a broken body, unread, does not get an answer of its own."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        finish_body(request.body, keepalive)
