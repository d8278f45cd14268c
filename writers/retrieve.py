"""RetrieveWriter: ``/api/show`` as one model of OpenAI's."""

from wsgiref.types import StartResponse

import msgspec

from app.exchange import Exchange
from app.wire import ollama, openai
from app.wire.names import namespace

from .base import ResponseWriter, encode


class RetrieveWriter(ResponseWriter[ollama.ShowResponse]):
    """Writes the model under the name that the client used."""

    decoder = msgspec.json.Decoder(ollama.ShowResponse)

    def __init__(
        self, exchange: Exchange, start_response: StartResponse, *, model: str
    ) -> None:
        super().__init__(exchange, start_response)
        self._model = model

    def whole(self, replies: list[ollama.ShowResponse]) -> bytes:
        """The model object."""
        created = ollama.epoch(replies[0].modified_at)
        return encode(
            openai.Model(
                id=self._model, created=created, owned_by=namespace(self._model)
            )
        )
