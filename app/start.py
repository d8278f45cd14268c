"""The start of the server: what it is given, and what is said of what may not be meant.

It is gunicorn's side of Pannier, used by ``gunicorn.conf.py`` alone.
"""

import contextlib
import ctypes
import logging
import resource
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import gevent
from gunicorn.glogging import Logger

from .addresses import is_loopback
from .logs import Faults, Safe, Unwaited
from .redaction import Redaction
from .settings import Settings, SettingsError
from .storage.place import obstacle

#: Descriptors beside those of requests: listeners, pipes, libraries, connections at
#: rest.
BESIDE = 128
#: Bytes of a block that is not kept.
LARGE = 1024 * 1024
#: As ``malloc.h`` has them.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's log, and ours beside it: nobody forges its lines, or waits for it."""

    redaction: Redaction

    def setup(self, cfg: Any) -> None:
        """Do as gunicorn does, then see to its handlers."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            inner = handler.formatter or logging.Formatter()
            handler.setFormatter(Safe(inner, self.redaction))
            # A file has a handler of its own, which does wait: for a disk.
            if type(handler) is logging.StreamHandler:
                handler.setStream(Unwaited("stderr"))
        ours = logging.getLogger("pannier")
        ours.handlers = self.error_log.handlers
        ours.setLevel(self.loglevel)
        ours.propagate = False


def log_of(settings: Settings) -> type[Log]:
    """The log that hides the secrets of the settings: gunicorn wants it as a class."""
    redaction = Redaction(*settings.secrets)
    return type("Log", (Log,), {"redaction": redaction})


def give_memory_back() -> None:
    """Have the C library return large blocks to the system as soon as they are free.

    glibc learns from the first of them to keep as large ones for later, in a heap that
    then never shrinks: after bodies of 60 MiB a worker held 50 MB more than at first.
    Other libraries have no such habit, and no such switch.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for switch in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            library.mallopt(switch, LARGE)


def say_what_nobody_catches() -> None:
    """Let what gevent would print of greenlets that fail go to the log."""
    log = logging.getLogger("pannier")
    faults = Faults()

    def say(
        context: object,
        kind: type[BaseException],
        fault: BaseException,
        trace: TracebackType | None,
    ) -> None:
        faults.tell(log, "nobody caught this", fault)

    gevent.get_hub().print_exception = say


def warnings(settings: Settings, in_container: bool) -> Iterator[str]:
    """What works but may not be meant, of what the settings say; one line each."""
    upstream = urlsplit(settings.upstream_url).hostname or ""
    if in_container and is_loopback(upstream):
        yield (
            "OLLAMA_URL points into this container; an Ollama on the host answers at"
            " http://host.docker.internal:11434."
        )
    if settings.responses_ttl and not settings.database_url:
        yield from _unwritable(settings.state_dir)


def _unwritable(state_dir: str) -> Iterator[str]:
    """What is missing where nothing can be kept; directories are made when needed."""
    there = obstacle(state_dir)
    if there is not None:
        yield (
            f"Conversations of /v1/responses cannot be kept: {there} cannot be written."
            " PANNIER_STATE_DIR names another directory; PANNIER_RESPONSES_TTL=0 keeps"
            " none."
        )


def guard_reload(server: Any) -> None:
    """Have gunicorn go on as it is when it shall take up settings that are wrong.

    By itself it would end, with every answer that runs.
    """
    reload = server.reload

    def guarded() -> None:
        try:
            Settings.from_environ()
        except SettingsError as exc:
            server.log.error("Not reloaded: %s", exc)
        else:
            reload()

    server.reload = guarded


def hears(host: str) -> bool:
    """Whether this machine can listen on an address at all."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
        family, kind, proto, _, address = found[0]
        with socket.socket(family, kind, proto) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


def recycling(settings: Settings, max_requests: int, grace: float) -> Iterator[str]:
    """What is wrong with recycling workers (specification: reliability, L3)."""
    total = settings.total_timeout
    if max_requests and not 0 < total < grace:
        yield (
            f"max_requests is {max_requests}: each worker that has served so many"
            f" requests is ended, and its running answers are cut off after {grace:g}"
            " seconds. Make PANNIER_GRACEFUL_TIMEOUT longer than PANNIER_TOTAL_TIMEOUT"
            f" ({total:g}), or leave max_requests at 0."
        )


def raise_descriptors(settings: Settings) -> list[str]:
    """Raise the limit of open files to what the requests need; what is wrong if not.

    A request needs two, one to the client and one to Ollama (reliability, R7).
    """
    needed = 2 * settings.max_inflight + BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _reaches(soft, needed):
        return []
    raised = needed if _reaches(hard, needed) else hard
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    if soft >= needed:
        return []
    return [
        f"{settings.max_inflight} requests at a time (PANNIER_MAX_INFLIGHT) need"
        f" {needed} open files, and {soft} are allowed. Raise the limit (ulimit -n"
        f" {needed}; under systemd LimitNOFILE={needed}), or lower the number of"
        " requests."
    ]


def _reaches(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
