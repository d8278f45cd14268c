"""The application under the standard library's linter of WSGI, for gunicorn.

``gunicorn linted:application``: a breach of PEP 3333 is an ``AssertionError`` in the
server's output, an answer that is never closed as well.
"""

from typing import Any
from wsgiref import validate
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgi import application as ours


class Input:
    """A checked input that also has gunicorn's own mark of a body that failed."""

    def __init__(self, checked: Any) -> None:
        self._checked = checked

    @property
    def failed(self) -> Any:
        """The mark."""
        return self._checked.input.failed

    @failed.setter
    def failed(self, value: Any) -> None:
        self._checked.input.failed = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checked, name)


def unhidden(app: WSGIApplication) -> WSGIApplication:
    """The application with what a linter hides of the server."""

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        environ["wsgi.input"] = Input(environ["wsgi.input"])
        return app(environ, start_response)

    return call


# Ollama's answers without a body are relayed without a type; PEP 3333 asks for none.
validate.check_content_type = lambda status, headers: None

application: Any = validate.validator(unhidden(ours))
application.inflight = ours.inflight  # gunicorn.conf.py drains it
application.installation = ours.installation  # and starts this
