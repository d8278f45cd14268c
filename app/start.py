"""The start of the server: what it is given, and what is said of what may not be meant.

It is gunicorn's side of Pannier, used by ``gunicorn.conf.py`` alone.
"""

import contextlib
import logging
import resource
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import gevent
from gunicorn.glogging import Logger

from .logs import Faults, Safe, Unwaited
from .native import is_loopback, relays_all
from .settings import Settings

#: Descriptors beside those of requests: listeners, pipes, libraries, connections at
#: rest.
BESIDE = 128


class Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's log, and ours beside it: nobody forges its lines, or waits for it."""

    def setup(self, cfg: Any) -> None:
        """Do as gunicorn does, then see to its handlers."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(Safe(handler.formatter or logging.Formatter()))
            # A file has a handler of its own, which does wait: for a disk.
            if type(handler) is logging.StreamHandler:
                handler.setStream(Unwaited("stderr"))
        ours = logging.getLogger("pannier")
        ours.handlers = self.error_log.handlers
        ours.setLevel(self.loglevel)
        ours.propagate = False


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
        more = faults.untold(fault)
        if more is not None:
            seen = f" (seen {more} more times)" if more else ""
            log.error("nobody caught this%s", seen, exc_info=(kind, fault, trace))

    gevent.get_hub().print_exception = say


def warnings(
    settings: Settings, hosts: Iterable[str], in_container: bool
) -> Iterator[str]:
    """What works but may not be meant, of what the settings say; one line each."""
    beyond = [host for host in hosts if not is_loopback(host)]
    if beyond:
        yield (
            f"Pannier is open: there are no keys, and it listens on {', '.join(hosts)},"
            f" so everyone who reaches this address can {_granted(settings)}."
        )
    upstream = urlsplit(settings.upstream_url).hostname or ""
    if in_container and is_loopback(upstream):
        yield (
            "OLLAMA_URL points into this container; an Ollama on the host answers at"
            " http://host.docker.internal:11434."
        )


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


def descriptors(settings: Settings) -> Iterator[str]:
    """Raise the limit of open files to what the requests need, and say if it cannot be.

    A request needs two, one to the client and one to Ollama (reliability, R7).
    """
    needed = 2 * settings.max_inflight + BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _reaches(soft, needed):
        return
    raised = needed if _reaches(hard, needed) else hard
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    if soft < needed:
        yield (
            f"{settings.max_inflight} requests at a time (PANNIER_MAX_INFLIGHT) need"
            f" {needed} open files, and {soft} are allowed. Raise the limit (ulimit -n"
            f" {needed}; under systemd LimitNOFILE={needed}), or lower the number of"
            " requests."
        )


def _reaches(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed


def _granted(settings: Settings) -> str:
    if relays_all(settings):
        return "use Ollama and change its models (PANNIER_RELAY)"
    return "use Ollama's models"
