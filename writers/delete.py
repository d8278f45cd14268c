"""DeleteWriter: Ollama's empty answer to a deletion as OpenAI's object."""

from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.exchange import Exchange
from app.wire import openai

from .base import ResponseWriter, encode


class DeleteWriter(ResponseWriter[Any]):
    """Writes that a model is gone; Ollama's status is all that counts."""

    def __init__(
        self, exchange: Exchange, start_response: StartResponse, *, model: str
    ) -> None:
        super().__init__(exchange, start_response)
        self._model = model

    def replies(self, app: WSGIApplication, environ: WSGIEnvironment) -> list[Any]:
        """None: the body is empty, and not looked at."""
        try:
            self._open(app, environ)
        finally:
            self.close()
        return []

    def whole(self, replies: list[Any]) -> bytes:
        """The object that says so."""
        return encode(openai.ModelDeleted(id=self._model))
