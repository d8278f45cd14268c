"""Later: a part of the application that is loaded when somebody first asks for it.

What few workers ever need costs the others neither memory nor time to start
(docs/decisions/0012 says what is worth it).
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from gevent import get_hub
from gevent.lock import BoundedSemaphore

#: Whoever loads something has it.  The locks of Python's own imports are gevent's here,
#: and two threads that load the same at once may wait for each other for ever.
_alone = BoundedSemaphore()


def load_aside(*modules: str) -> None:
    """Import modules in another thread, one at a time, while requests here go on."""
    with _alone:
        for module in modules:
            get_hub().threadpool.apply(import_module, (module,))


class Later:
    """A WSGI application that ``load`` imports and makes, at its first request.

    Other requests wait meanwhile, so that may take some tens of milliseconds; what
    takes longer is loaded aside first.  What it raises is raised, and tried again.
    """

    def __init__(self, load: Callable[[], WSGIApplication]) -> None:
        self._load = load
        self._app: WSGIApplication | None = None

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on."""
        if self._app is None:
            self._app = self._load()
        return self._app(environ, start_response)
