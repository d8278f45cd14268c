"""Worker: gunicorn's gevent worker with our ``Request`` and ``Response``."""

import socket
import time
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from ssl import SSLError
from typing import Any

from gevent import GreenletExit
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser
from gunicorn.workers.ggevent import GeventWorker

from .. import protocol
from ..body import ARRIVED
from .request import Request
from .response import Response


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves connections, each in a greenlet."""

    alive: bool

    def init_process(self) -> None:
        """Begin, in the new process."""
        RequestParser.mesg_class = Request
        super().init_process()

    @cached_property
    def _keeps(self) -> bool:
        """Whether connections are kept at all: asked once, for asking takes long."""
        return bool(self.cfg.keepalive)

    def handle_request(
        self, listener_name: Any, req: Any, sock: Any, addr: Any
    ) -> bool:
        """Answer one request; raises ``StopIteration`` where the connection ends.

        It is what gunicorn does, but that nothing follows an answer that was cut off.
        """
        response, environ = None, {}
        try:
            self.cfg.pre_request(self, req)
            response, environ = wsgi.create(
                req, sock, addr, listener_name, self.cfg, response_class=Response
            )
            environ["wsgi.multithread"] = True
            # Of another protocol than HTTP it is not known.
            environ[ARRIVED] = getattr(req, "arrived", -1)
            self._count()
            if not self.alive or not self._keeps:
                response.force_close()
            self._answer(req, environ, response)
            if response.should_close():
                raise StopIteration
        except (GreenletExit, SystemExit, SSLError):
            raise StopIteration from None
        except (OSError, StopIteration):
            raise  # of a client that has left, or shall leave
        except BaseException:  # gevent's Timeout is no Exception
            if response is None or not response.headers_sent:
                raise  # gunicorn answers for us
            self.log.exception("Error handling request")
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            raise StopIteration from None
        finally:
            self._after(req, environ, response)
        return True

    def _answer(self, req: Any, environ: dict[str, Any], response: Response) -> None:
        """Have it answered, and written down where gunicorn was asked to do that."""
        if not self.log.access_log_enabled:
            self._write(environ, response)
            return
        begun = time.monotonic()
        try:
            self._write(environ, response)
        finally:
            taken = timedelta(seconds=time.monotonic() - begun)
            self.log.access(response, req, environ, taken)

    def _write(self, environ: dict[str, Any], response: Response) -> None:
        body = self.wsgi(environ, response.start_response)
        try:
            following = protocol.steps(body)
            with suppress(StopIteration):
                while True:
                    response.write(following())
            response.close()
        finally:
            protocol.close(body)

    def _count(self) -> None:
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False

    def _after(self, req: Any, environ: dict[str, Any], response: Any) -> None:
        try:
            self.cfg.post_request(self, req, environ, response)
        except Exception:
            self.log.exception("Exception in post_request hook")
